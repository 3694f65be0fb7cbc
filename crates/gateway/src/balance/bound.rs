//! A bound on the load of a node where keys decide: at most so much more than its share of the calls that there are
//! now (Mirrokni, Thorup, Zadimoghaddam, "Consistent hashing with bounded loads"). What finds a node full goes on to
//! the next in the table, which is the same one for all calls with that key.
//!
//! Calls are those of this worker; callers' connections spread over workers, so that each sees a fair sample.

use super::{Candidate, Choice};

/// Places of a table that are looked at for one call. A bound of more than the share leaves room somewhere, and
/// more than a few full nodes in a row are rare; then the first one takes it all the same.
pub(super) const PLACES_MAX: usize = 256;

/// How much a node may have.
#[derive(Debug)]
pub(super) struct Bound {
    /// Of its share; `None`: any number.
    percent: Option<u32>,
    weight_sum: u64,
}

// === impl Bound ===

impl Bound {
    /// So many percent of its share.
    pub(super) fn new(percent: Option<u32>) -> Self {
        Self { percent, weight_sum: 1 }
    }

    /// From now on shares are those of these candidates.
    pub(super) fn update(&mut self, candidates: &[Candidate]) {
        let sum = candidates.iter().map(|candidate| u64::from(candidate.weight)).sum::<u64>();
        self.weight_sum = sum.max(1);
    }

    /// Whether a call may go to this candidate.
    pub(super) fn admits(&self, candidate: &Candidate, choice: &Choice<'_>) -> bool {
        !candidate.is_among(choice.tried) && self.has_room(candidate)
    }

    fn has_room(&self, candidate: &Candidate) -> bool {
        let Some(percent) = self.percent else { return true };
        let calls = candidate.peer.calls_of_set() + 1;
        let share = calls * u64::from(percent) * u64::from(candidate.weight);
        candidate.peer.active() < share.div_ceil(100 * self.weight_sum)
    }
}
