//! Smooth weighted round robin, as nginx does it: each turn every endpoint gains its weight, the one with the
//! most is taken and pays the sum. Picks of one endpoint are spread evenly among the others.
//!
//! A failure takes all of the effective weight of an endpoint (nginx: `weight / max_fails`, of which the default
//! is 1); it recovers by 1 with each turn. Looking at every endpoint for every call would be dear in large sets,
//! so they stand in groups: groups take turns by the sums of their weights, and endpoints within their group.

use std::collections::HashMap;

use super::{Balance, Candidate, Choice};

/// Endpoints in a group. Sets that are not larger are balanced as nginx does it to the call.
const GROUP: usize = 16;
/// A worker begins at most so many turns away from the others.
const HEAD_START_MAX: u64 = 1024;

/// Whose turn it is.
#[derive(Debug, Clone)]
pub(super) struct RoundRobin {
    /// Where this worker begins: any number.
    start: u64,
    turns: Vec<Turn>,
    groups: Vec<Turn>,
}

/// What one of those that take turns has.
#[derive(Debug, Clone, Copy, Default)]
struct Turn {
    /// Which endpoint it is.
    id: u64,
    current: i64,
    effective: i64,
    weight: i64,
}

// === impl RoundRobin ===

impl RoundRobin {
    /// Begins at a place of its own for each `start`.
    pub(super) fn new(start: u64) -> Self {
        Self { start, turns: Vec::new(), groups: Vec::new() }
    }

    /// Takes a turn without those that `skips` says; `None`: all of them.
    fn turn(&mut self, skips: impl Fn(usize) -> bool) -> Option<usize> {
        if self.groups.len() == 1 {
            return self.turn_within(0, skips);
        }
        let first = take_turn(&mut self.groups, |_| false)?;
        let groups = self.groups.len();
        (first..groups).chain(0..first).find_map(|group| self.turn_within(group, &skips))
    }

    fn turn_within(&mut self, group: usize, skips: impl Fn(usize) -> bool) -> Option<usize> {
        let from = group * GROUP;
        let turns = self.turns.get_mut(from..)?;
        let len = turns.len().min(GROUP);
        let turns = &mut turns[..len];
        let chosen = take_turn(turns, |at| skips(from + at));
        if let Some(group) = self.groups.get_mut(group).filter(|group| group.is_reduced()) {
            group.effective = turns.iter().map(|turn| turn.effective).sum();
        }
        chosen.map(|at| from + at)
    }

    fn regroup(&mut self) {
        self.groups.resize(self.turns.len().div_ceil(GROUP), Turn::default());
        for (group, turns) in self.groups.iter_mut().zip(self.turns.chunks(GROUP)) {
            group.weight = turns.iter().map(|turn| turn.weight).sum();
            group.effective = turns.iter().map(|turn| turn.effective).sum();
        }
    }

    /// What has gone took with it what it had or owed; what is left comes to nothing again, as it has to.
    fn balance_the_books(&mut self) {
        let sum: i64 = self.turns.iter().map(|turn| turn.current).sum();
        let mean = sum / i64::try_from(self.turns.len().max(1)).unwrap_or(1);
        self.turns.iter_mut().for_each(|turn| turn.current -= mean);
    }

    fn start(&mut self) {
        let common = self.turns.iter().fold(0, |common, turn| gcd(common, turn.weight));
        let sum: i64 = self.turns.iter().map(|turn| turn.weight).sum();
        let period = (sum / common.max(1)).unsigned_abs().clamp(1, HEAD_START_MAX);
        for _ in 0..self.start % period {
            self.turn(|_| false);
        }
    }
}

impl Balance for RoundRobin {
    fn update(&mut self, candidates: &[Candidate]) {
        let is_first = self.turns.is_empty();
        let mut known: HashMap<u64, Turn> =
            self.turns.drain(..).map(|turn| (turn.id, turn)).collect();
        self.turns.extend(candidates.iter().map(|candidate| {
            let (id, weight) = (candidate.peer.id, i64::from(candidate.weight.max(1)));
            match known.remove(&id) {
                Some(turn) => turn.weighing(weight),
                None => Turn { id, current: 0, effective: weight, weight },
            }
        }));
        self.balance_the_books();
        self.regroup();
        if is_first {
            self.start();
        }
    }

    fn choose(&mut self, candidates: &[Candidate], choice: &mut Choice<'_>) -> usize {
        let chosen = match choice.tried {
            [] => self.turn(|_| false),
            tried => self.turn(|at| candidates.get(at).is_some_and(|it| it.is_among(tried))),
        };
        chosen.or_else(|| self.turn(|_| false)).unwrap_or(0)
    }

    fn on_failure(&mut self, candidate: usize) {
        let Some(turn) = self.turns.get_mut(candidate) else { return };
        let lost = std::mem::take(&mut turn.effective);
        if let Some(group) = self.groups.get_mut(candidate / GROUP) {
            group.effective -= lost;
        }
    }
}

// === impl Turn ===

impl Turn {
    /// The same with another weight: its share of what it has stays.
    fn weighing(self, weight: i64) -> Self {
        let scaled = |value: i64| {
            if weight == self.weight { value } else { value * weight / self.weight.max(1) }
        };
        Self { current: scaled(self.current), effective: scaled(self.effective), weight, ..self }
    }

    fn is_reduced(&self) -> bool {
        self.effective < self.weight
    }
}

fn take_turn(turns: &mut [Turn], skips: impl Fn(usize) -> bool) -> Option<usize> {
    let mut best: Option<(usize, i64)> = None;
    let mut sum = 0;
    for (at, turn) in turns.iter_mut().enumerate() {
        if skips(at) {
            continue;
        }
        turn.current += turn.effective;
        sum += turn.effective;
        turn.effective += i64::from(turn.is_reduced());
        if best.is_none_or(|(_, most)| turn.current > most) {
            best = Some((at, turn.current));
        }
    }
    let (best, _) = best?;
    turns[best].current -= sum;
    Some(best)
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{TestChoice, candidates};
    use super::*;

    fn picks(balance: &mut RoundRobin, candidates: &[Candidate], calls: usize) -> Vec<usize> {
        let mut choice = TestChoice::default();
        (0..calls).map(|_| balance.choose(candidates, &mut choice.choice())).collect()
    }

    fn started(start: u64, weights: &[u32]) -> (RoundRobin, Vec<Candidate>) {
        let candidates = candidates(weights);
        let mut balance = RoundRobin::new(start);
        balance.update(&candidates);
        (balance, candidates)
    }

    #[test]
    fn weights_are_kept_and_spread() {
        let (mut balance, candidates) = started(0, &[5, 1, 1]);
        assert_eq!(picks(&mut balance, &candidates, 7), [0, 0, 1, 0, 2, 0, 0]);
    }

    #[test]
    fn workers_begin_at_different_places() {
        let first = |start| {
            let (mut balance, candidates) = started(start, &[1; 100]);
            picks(&mut balance, &candidates, 1)[0]
        };
        let firsts: std::collections::BTreeSet<usize> = (0..100).map(first).collect();
        assert_eq!(firsts.len(), 100);
    }

    #[test]
    fn many_endpoints_have_their_shares_to_the_call() {
        let weights: Vec<u32> = (0..1000).map(|at| 1 + at % 7).collect();
        let (mut balance, candidates) = started(5, &weights);
        let sum: u32 = weights.iter().sum();
        let mut counts = vec![0; weights.len()];
        for pick in picks(&mut balance, &candidates, 3 * sum as usize) {
            counts[pick] += 1;
        }
        for (count, weight) in counts.iter().zip(&weights) {
            assert!(3 * weight.abs_diff(0) <= count + 3 && *count <= 3 * weight + 3, "{counts:?}");
        }
    }

    /// nginx: the effective weight falls to 0, and comes back with each turn.
    #[test]
    fn who_fails_gets_less_until_it_has_recovered() {
        let (mut balance, candidates) = started(0, &[10, 10]);
        balance.on_failure(0);
        let first = picks(&mut balance, &candidates, 10);
        assert!(first.iter().filter(|at| **at == 0).count() <= 3, "{first:?}");
        let later = picks(&mut balance, &candidates, 100);
        assert!((45..=55).contains(&later.iter().filter(|at| **at == 0).count()), "{later:?}");
    }

    #[test]
    fn turns_go_on_where_they_were_when_candidates_change() {
        let (mut balance, mut candidates) = started(0, &[1, 1, 1, 1]);
        assert_eq!(picks(&mut balance, &candidates, 2), [0, 1]);
        candidates.remove(0);
        balance.update(&candidates);
        // Those that have not had their turn yet.
        assert_eq!(picks(&mut balance, &candidates, 2), [1, 2]);
        let next = picks(&mut balance.clone(), &candidates, 9);
        for candidate in &mut candidates {
            candidate.weight = 100;
        }
        balance.update(&candidates);
        assert_eq!(picks(&mut balance, &candidates, 9), next);
    }

    #[test]
    fn a_call_that_failed_goes_elsewhere_if_it_can() {
        let (mut balance, candidates) = started(0, &[100, 1]);
        let mut choice = TestChoice::tried(&candidates[..1]);
        for _ in 0..10 {
            assert_eq!(balance.choose(&candidates, &mut choice.choice()), 1);
        }
        let mut choice = TestChoice::tried(&candidates);
        balance.choose(&candidates, &mut choice.choice());
        let (mut balance, candidates) = started(0, &[1; 40]);
        let mut choice = TestChoice::tried(&candidates[..39]);
        assert_eq!(balance.choose(&candidates, &mut choice.choice()), 39);
    }
}
