//! Smooth weighted round robin, as nginx does it: each turn every endpoint gains its weight, the one with
//! the most is taken and pays the sum. Picks of one endpoint are spread evenly among the others.

use super::{Balance, Candidate, Choice};

/// Whose turn it is.
#[derive(Debug, Default)]
pub(super) struct RoundRobin {
    current: Vec<i64>,
}

// === impl RoundRobin ===

impl Balance for RoundRobin {
    fn update(&mut self, candidates: &[Candidate]) {
        self.current.clear();
        self.current.resize(candidates.len(), 0);
    }

    fn choose(&mut self, candidates: &[Candidate], choice: &mut Choice<'_>) -> usize {
        let mut best = None;
        let mut sum = 0;
        for (at, candidate) in candidates.iter().enumerate() {
            let weight = i64::from(candidate.weight);
            self.current[at] += weight;
            sum += weight;
            let is_later = best.is_none_or(|best| self.current[at] > self.current[best]);
            if is_later && !choice.has_tried(candidate) {
                best = Some(at);
            }
        }
        let best = best.unwrap_or(0);
        self.current[best] -= sum;
        best
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{candidates, picks};
    use crate::balance::Policy;

    #[test]
    fn weights_are_kept_and_spread() {
        let picks = picks(&Policy::RoundRobin, &candidates(&[5, 1, 1]), 7);
        assert_eq!(picks, [0, 0, 1, 0, 2, 0, 0]);
    }
}
