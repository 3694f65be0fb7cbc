//! Smooth weighted round robin, as nginx does it: each turn every endpoint gains its weight, the one with
//! the most is taken and pays the sum. Picks of one endpoint are spread evenly among the others.

use crate::snapshot::Endpoint;

/// Whose turn it is.
#[derive(Debug)]
pub(super) struct SmoothWeights {
    weights: Vec<i64>,
    current: Vec<i64>,
}

// === impl SmoothWeights ===

impl SmoothWeights {
    pub(super) fn new(endpoints: &[Endpoint]) -> Self {
        let weights: Vec<_> = endpoints.iter().map(|endpoint| i64::from(endpoint.weight)).collect();
        Self { current: vec![0; weights.len()], weights }
    }

    /// The index of the next endpoint; `None` if there is none.
    pub(super) fn next(&mut self) -> Option<usize> {
        if self.weights.len() < 2 {
            return (!self.weights.is_empty()).then_some(0);
        }
        let mut best = 0;
        let mut sum = 0;
        for (at, weight) in self.weights.iter().enumerate() {
            self.current[at] += weight;
            sum += weight;
            if self.current[at] > self.current[best] {
                best = at;
            }
        }
        self.current[best] -= sum;
        Some(best)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn weights_are_kept_and_spread() {
        let endpoint =
            |weight| Endpoint { target: Arc::new("10.0.0.1:1".parse().expect("a target")), weight };
        let mut weights = SmoothWeights::new(&[endpoint(5), endpoint(1), endpoint(1)]);
        let picks: Vec<_> = (0..7).filter_map(|_| weights.next()).collect();
        assert_eq!(picks, [0, 0, 1, 0, 2, 0, 0]);
        assert_eq!(SmoothWeights::new(&[]).next(), None);
    }
}
