//! Of a few that are drawn by weight, the one with the fewest calls for its weight. Two choices keep the longest
//! queue short (Mitzenmacher, "The power of two choices in randomized load balancing"), and unlike the least of
//! all, they do not send every worker to the same endpoint at once.
//!
//! Without any calls the draws decide, so that shares are those of the weights; calls are those of this worker.

use super::weighted::{Weighted, untried};
use super::{Balance, Candidate, Choice};

/// The least loaded of some.
#[derive(Debug)]
pub(super) struct LeastRequest {
    choices: u32,
    weights: Weighted,
}

// === impl LeastRequest ===

impl LeastRequest {
    /// The least loaded of so many.
    pub(super) fn new(choices: u32) -> Self {
        Self { choices, weights: Weighted::default() }
    }
}

impl Balance for LeastRequest {
    fn update(&mut self, candidates: &[Candidate]) {
        self.weights.update(candidates);
    }

    fn choose(&mut self, candidates: &[Candidate], choice: &mut Choice<'_>) -> usize {
        let mut best = self.weights.draw(choice.random);
        if candidates.len() > 1 {
            for _ in 1..self.choices {
                let other = self.weights.draw_other(choice.random, best);
                if is_less(candidates.get(other), candidates.get(best)) {
                    best = other;
                }
            }
        }
        untried(best, candidates, choice)
    }
}

/// Whether the first has fewer calls for its weight.
fn is_less(first: Option<&Candidate>, second: Option<&Candidate>) -> bool {
    let (Some(first), Some(second)) = (first, second) else { return false };
    let burden = |of: &Candidate, by: &Candidate| of.peer.active() * u64::from(by.weight.max(1));
    burden(first, second) < burden(second, first)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{TestChoice, candidates};
    use super::*;

    fn counts(weights: &[u32], active: &[i64]) -> Vec<usize> {
        let candidates = candidates(weights);
        for (candidate, active) in candidates.iter().zip(active) {
            candidate.peer.endpoint.shard(0).active.add(*active);
        }
        let mut balance = LeastRequest::new(2);
        balance.update(&candidates);
        let mut choice = TestChoice::default();
        let mut counts = vec![0; weights.len()];
        (0..10_000).for_each(|_| counts[balance.choose(&candidates, &mut choice.choice())] += 1);
        counts
    }

    #[test]
    fn the_one_with_most_calls_is_taken_least() {
        assert_eq!(counts(&[1, 1], &[3, 2]), [0, 10_000]);
        // Never, as it is always drawn with another.
        assert_eq!(counts(&[1, 1, 1], &[9, 1, 1])[0], 0);
    }

    #[test]
    fn calls_count_for_their_weight() {
        assert_eq!(counts(&[3, 1], &[5, 2]), [10_000, 0]);
        let idle = counts(&[3, 1], &[0, 0]);
        assert!(idle[0].abs_diff(7500) < 200, "{idle:?}");
    }
}
