//! At random, each as often as its weight says. Without a memory, so that workers and gateways that know nothing
//! of each other never go in step.

use super::weighted::{Weighted, untried};
use super::{Balance, Candidate, Choice};

/// Any of them.
#[derive(Debug, Default)]
pub(super) struct AtRandom {
    weights: Weighted,
}

// === impl AtRandom ===

impl Balance for AtRandom {
    fn update(&mut self, candidates: &[Candidate]) {
        self.weights.update(candidates);
    }

    fn choose(&mut self, candidates: &[Candidate], choice: &mut Choice<'_>) -> usize {
        let drawn = self.weights.draw(choice.random);
        untried(drawn, candidates, choice)
    }
}
