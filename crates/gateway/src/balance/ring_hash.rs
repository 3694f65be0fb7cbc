//! A ring of hashes (ketama): each node stands at many points of it, a call goes to the next one after its key.
//!
//! A node that comes or goes moves only the keys of its own points. Nodes have points in proportion to their
//! weights, 160 for one of mean weight, as libketama has. If the ring would be too small they have twice as many, or
//! four times, and so on: few sizes, as each change of the size moves keys of all nodes.

use std::sync::Arc;

use super::bound::{Bound, PLACES_MAX};
use super::hash::nth;
use super::tables::Tables;
use super::weighted::untried;
use super::{Balance, Candidate, Choice};

/// Points of a node of mean weight.
const POINTS: usize = 160;
/// Points of a ring; nodes have fewer each rather than more in all, but each has one.
const RING_MAX: usize = 1 << 18;

/// How a ring is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RingOptions {
    /// Points that it has at least.
    pub size_min: usize,
    /// How much of its share of calls a node may have at most, in percent; `None`: any number.
    pub load_percent_max: Option<u32>,
}

/// A ring, and how much each node on it may have.
#[derive(Debug)]
pub(super) struct RingHash {
    size_min: usize,
    tables: Arc<Tables>,
    ring: Arc<Ring>,
    bound: Bound,
}

/// Points in order. The upper half of each is its place, the lower half the index of its candidate.
#[derive(Debug, Default)]
pub(super) struct Ring(Vec<u64>);

// === impl RingHash ===

impl RingHash {
    pub(super) fn new(options: RingOptions, tables: &Arc<Tables>) -> Self {
        Self {
            size_min: options.size_min,
            tables: tables.clone(),
            ring: Arc::default(),
            bound: Bound::new(options.load_percent_max),
        }
    }
}

impl Balance for RingHash {
    fn update(&mut self, candidates: &[Candidate]) {
        self.bound.update(candidates);
        self.ring = self.tables.ring.get(candidates, || Ring::of(candidates, self.size_min));
    }

    fn choose(&mut self, candidates: &[Candidate], choice: &mut Choice<'_>) -> usize {
        let hash = choice.hash_or_any();
        let admitted = self.ring.from(hash).take(PLACES_MAX).find(|at| {
            candidates.get(*at).is_some_and(|candidate| self.bound.admits(candidate, choice))
        });
        admitted.unwrap_or_else(|| {
            let first = self.ring.from(hash).next().unwrap_or(0);
            untried(first, candidates, choice)
        })
    }
}

// === impl Ring ===

impl Ring {
    fn of(candidates: &[Candidate], size_min: usize) -> Self {
        let count = candidates.len().max(1);
        let sum = candidates.iter().map(|candidate| u64::from(candidate.weight)).sum::<u64>();
        let mut each = POINTS;
        while each * count < size_min {
            each *= 2;
        }
        let each = each.min(RING_MAX / count).max(1);
        let size = (each * count) as u64;
        let mut points = Vec::with_capacity(each * count + count);
        for (at, candidate) in candidates.iter().enumerate() {
            let share = (u64::from(candidate.weight) * size + sum / 2) / sum.max(1);
            let point = |number| nth(candidate.peer.id, number) & !0xFFFF_FFFF | at as u64;
            points.extend((0..share.max(1)).map(point));
        }
        points.sort_unstable();
        Self(points)
    }

    /// Candidates from the place of a key on, once around.
    fn from(&self, hash: u64) -> impl Iterator<Item = usize> {
        let place = hash & !0xFFFF_FFFF;
        let (before, after) = self.0.split_at(self.0.partition_point(|point| *point < place));
        after.iter().chain(before).map(|point| (*point & 0xFFFF_FFFF) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::candidates;
    use super::*;

    fn points(weights: &[u32], size_min: usize) -> Vec<usize> {
        let mut counts = vec![0; weights.len()];
        Ring::of(&candidates(weights), size_min).from(0).for_each(|at| counts[at] += 1);
        counts
    }

    #[test]
    fn nodes_have_points_in_proportion_to_their_weights() {
        assert_eq!(points(&[1, 1], 0), [160, 160]);
        assert_eq!(points(&[1, 3], 0), [80, 240]);
        assert_eq!(points(&[1, 1], 320), [160, 160]);
        assert_eq!(points(&[1, 1], 321), [320, 320]);
        assert_eq!(points(&[100, 300], 0), [80, 240]);
        assert_eq!(points(&[1, 100_000], 0)[0], 1);
    }

    #[test]
    fn a_ring_is_not_larger_than_its_limit() {
        let ring = Ring::of(&candidates(&[1; 10_000]), 1 << 23);
        assert_eq!(ring.0.len(), 10_000 * (RING_MAX / 10_000));
    }

    #[test]
    fn points_go_around_once() {
        let ring = Ring::of(&candidates(&[1; 5]), 0);
        for hash in [0, 1 << 40, u64::MAX] {
            assert_eq!(ring.from(hash).count(), 800);
        }
        let first: Vec<usize> = ring.from(0).take(5).collect();
        let last_place = ring.0[799];
        assert_eq!(ring.from(last_place | 0xFFFF_FFFF).nth(1), Some(first[0]));
    }
}
