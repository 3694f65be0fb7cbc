//! Draws by weight: each candidate as often as its share.

use std::rc::Rc;

use super::{Candidate, Choice, Peer};
use crate::random::Random;

/// Weights that are drawn from.
#[derive(Debug, Default)]
pub(super) struct Weighted {
    /// The sum of the weights of each candidate and those before it.
    sums: Vec<u64>,
    /// Whether all weigh the same, so that nothing has to be searched.
    is_even: bool,
}

// === impl Weighted ===

impl Weighted {
    /// From now on draws from these.
    pub(super) fn update(&mut self, candidates: &[Candidate]) {
        self.sums.clear();
        let mut sum = 0;
        self.sums.extend(candidates.iter().map(|candidate| {
            sum += u64::from(candidate.weight.max(1));
            sum
        }));
        self.is_even = candidates.windows(2).all(|two| two[0].weight == two[1].weight);
    }

    /// The sum of all weights.
    pub(super) fn sum(&self) -> u64 {
        self.sums.last().copied().unwrap_or(0)
    }

    /// One of them.
    pub(super) fn draw(&self, random: &mut Random) -> usize {
        if self.is_even {
            return below(random, self.sums.len() as u64) as usize;
        }
        self.at(below(random, self.sum()))
    }

    /// One of them that is not the one with index `but`. There are at least two.
    pub(super) fn draw_other(&self, random: &mut Random, but: usize) -> usize {
        if self.is_even {
            let drawn = below(random, self.sums.len() as u64 - 1) as usize;
            return drawn + usize::from(drawn >= but);
        }
        let end = self.sums.get(but).copied().unwrap_or(0);
        let start = but.checked_sub(1).and_then(|before| self.sums.get(before)).map_or(0, |s| *s);
        let drawn = below(random, self.sum() - (end - start));
        self.at(if drawn < start { drawn } else { drawn + (end - start) })
    }

    fn at(&self, place: u64) -> usize {
        self.sums.partition_point(|sum| *sum <= place)
    }
}

/// A number below `end`, which is small beside 2^64.
fn below(random: &mut Random, end: u64) -> u64 {
    ((u128::from(random.next_u64()) * u128::from(end)) >> 64) as u64
}

/// The chosen one, or if the call has failed there and there are others, one of those by weight.
pub(super) fn untried(chosen: usize, candidates: &[Candidate], choice: &mut Choice<'_>) -> usize {
    match choice.tried {
        [] => chosen,
        tried if !candidates.get(chosen).is_some_and(|it| it.is_among(tried)) => chosen,
        tried => draw_untried(candidates, tried, choice.random).unwrap_or(chosen),
    }
}

#[cold]
fn draw_untried(
    candidates: &[Candidate],
    tried: &[Rc<Peer>],
    random: &mut Random,
) -> Option<usize> {
    let others = candidates.iter().enumerate().filter(|(_, it)| !it.is_among(tried));
    let weight = |it: &Candidate| u64::from(it.weight.max(1));
    let mut place = below(random, others.clone().map(|(_, it)| weight(it)).sum());
    for (at, other) in others {
        if place < weight(other) {
            return Some(at);
        }
        place -= weight(other);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::tests::{TestChoice, candidates};
    use super::*;

    fn drawn(weights: &[u32], draw: impl Fn(&Weighted, &mut Random) -> usize) -> Vec<usize> {
        let mut weighted = Weighted::default();
        weighted.update(&candidates(weights));
        let mut random = Random::new(3);
        let mut counts = vec![0; weights.len()];
        (0..10_000).for_each(|_| counts[draw(&weighted, &mut random)] += 1);
        counts
    }

    #[test]
    fn each_is_drawn_as_often_as_it_weighs() {
        for (weights, shares) in
            [(&[1, 1, 1, 1], [25, 25, 25, 25]), (&[1, 2, 3, 4], [10, 20, 30, 40])]
        {
            let counts = drawn(weights, Weighted::draw);
            for (count, share) in counts.iter().zip(shares) {
                assert!(count.abs_diff(share * 100) < 150, "{counts:?}");
            }
        }
    }

    #[test]
    fn another_one_is_never_the_same_and_keeps_to_the_weights() {
        for (weights, shares) in
            [(&[1, 1, 1, 1], [33, 0, 33, 33]), (&[1, 2, 3, 4], [12, 0, 38, 50])]
        {
            let counts = drawn(weights, |weighted, random| weighted.draw_other(random, 1));
            assert_eq!(counts[1], 0);
            for (count, share) in counts.iter().zip(shares) {
                assert!(count.abs_diff(share * 100) < 200, "{counts:?}");
            }
        }
    }

    #[test]
    fn a_call_that_failed_goes_to_others_by_weight() {
        let candidates = candidates(&[5, 1, 3]);
        let mut counts = [0usize; 3];
        let mut choice = TestChoice::tried(&candidates[..1]);
        for _ in 0..4000 {
            counts[untried(0, &candidates, &mut choice.choice())] += 1;
        }
        assert!(counts[0] == 0 && counts[1].abs_diff(1000) < 150, "{counts:?}");
        let mut choice = TestChoice::tried(&candidates);
        assert_eq!(untried(1, &candidates, &mut choice.choice()), 1);
    }
}
