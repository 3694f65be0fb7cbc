//! Tables that are dear to build and the same in all workers: the first that needs one builds it, the others find it.
//!
//! There is no lock: two workers that need a table at once both build it, and one of the results is kept.

use std::sync::Arc;

use arc_swap::ArcSwapOption;

use super::Candidate;
use super::hash::nth;

/// The tables of a set.
#[derive(Debug, Default)]
pub struct Tables {
    pub(super) ring: Shared<super::ring_hash::Ring>,
    pub(super) maglev: Shared<super::maglev::Maglev>,
}

/// The last table that was built.
#[derive(Debug)]
pub(super) struct Shared<T>(ArcSwapOption<Kept<T>>);

#[derive(Debug)]
struct Kept<T> {
    of: u64,
    table: Arc<T>,
}

// === impl Shared ===

impl<T> Shared<T> {
    /// The table of these candidates.
    pub(super) fn get(&self, candidates: &[Candidate], build: impl FnOnce() -> T) -> Arc<T> {
        let of = fingerprint(candidates);
        if let Some(kept) = self.0.load().as_ref().filter(|kept| kept.of == of) {
            return kept.table.clone();
        }
        let table = Arc::new(build());
        self.0.store(Some(Arc::new(Kept { of, table: table.clone() })));
        table
    }
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self(ArcSwapOption::empty())
    }
}

/// Differs if the candidates, their order, or their weights do.
fn fingerprint(candidates: &[Candidate]) -> u64 {
    candidates.iter().fold(candidates.len() as u64, |seen, candidate| {
        nth(seen ^ candidate.peer.id, u64::from(candidate.weight))
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::candidates;
    use super::*;

    #[test]
    fn a_table_is_built_once_for_equal_candidates() {
        let shared = Shared::default();
        let first = candidates(&[1, 2, 3]);
        assert_eq!(*shared.get(&first, || 1), 1);
        assert_eq!(*shared.get(&candidates(&[1, 2, 3]), || 2), 1);
        assert_eq!(*shared.get(&candidates(&[1, 2, 4]), || 3), 3);
        assert_eq!(*shared.get(&first[..2], || 4), 4);
        let swapped = [first[1].clone(), first[0].clone()];
        assert_eq!(*shared.get(&swapped, || 5), 5);
    }
}
