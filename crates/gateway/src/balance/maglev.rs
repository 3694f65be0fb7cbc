//! Maglev: a table of which every node fills its share, in an order of its own (Eisenbud et al., "Maglev: a fast and
//! reliable software network load balancer", §3.4). Shares are nearly exact, and a choice is one look; a node
//! that comes or goes moves a few more keys than its own.

use std::sync::Arc;

use super::bound::{Bound, PLACES_MAX};
use super::hash::nth;
use super::tables::Tables;
use super::weighted::untried;
use super::{Balance, Candidate, Choice};

/// Places of the table: a prime, so that any step comes by all of them.
pub(super) const PLACES: usize = 65_537;
/// A place that nobody has taken.
const FREE: u16 = u16::MAX;
/// Nodes that fit into a table; the others get no calls.
const NODES_MAX: usize = FREE as usize;

/// A table, and how much each node in it may have.
#[derive(Debug)]
pub(super) struct MaglevHash {
    tables: Arc<Tables>,
    table: Arc<Maglev>,
    bound: Bound,
}

/// The index of the candidate at each place.
#[derive(Debug, Default)]
pub(super) struct Maglev(Vec<u16>);

/// The places of the table in the order of one node.
#[derive(Debug)]
struct Preference {
    /// The candidate, and its index.
    id: u64,
    taker: u16,
    next: usize,
    step: usize,
    /// How many places it should have by now, in parts of the largest weight.
    due: u64,
    weight: u64,
}

// === impl MaglevHash ===

impl MaglevHash {
    pub(super) fn new(load_percent_max: Option<u32>, tables: &Arc<Tables>) -> Self {
        let bound = Bound::new(load_percent_max);
        Self { tables: tables.clone(), table: Arc::default(), bound }
    }
}

impl Balance for MaglevHash {
    fn update(&mut self, candidates: &[Candidate]) {
        self.bound.update(candidates);
        self.table = self.tables.maglev.get(candidates, || Maglev::of(candidates));
    }

    fn choose(&mut self, candidates: &[Candidate], choice: &mut Choice<'_>) -> usize {
        let hash = choice.hash_or_any();
        let admitted = self.table.from(hash).take(PLACES_MAX).find(|at| {
            candidates.get(*at).is_some_and(|candidate| self.bound.admits(candidate, choice))
        });
        admitted.unwrap_or_else(|| {
            let first = self.table.from(hash).next().unwrap_or(0);
            untried(first, candidates, choice)
        })
    }
}

// === impl Maglev ===

impl Maglev {
    fn of(candidates: &[Candidate]) -> Self {
        let candidates = &candidates[..candidates.len().min(NODES_MAX)];
        let heaviest = candidates.iter().map(|it| u64::from(it.weight)).max().unwrap_or(1);
        let preferences = candidates.iter().enumerate().map(Preference::of);
        let mut preferences: Vec<Preference> = preferences.collect();
        // Gateways may know the nodes in different orders, and have to come to the same table.
        preferences.sort_unstable_by_key(|preference| preference.id);
        let mut places = vec![FREE; PLACES];
        let mut left = if candidates.is_empty() { 0 } else { PLACES };
        while left > 0 {
            for preference in &mut preferences {
                preference.due += preference.weight;
                if preference.due < heaviest || left == 0 {
                    continue;
                }
                preference.due -= heaviest;
                preference.take(&mut places);
                left -= 1;
            }
        }
        Self(places)
    }

    /// Candidates from the place of a key on, once around.
    fn from(&self, hash: u64) -> impl Iterator<Item = usize> {
        let place = (hash % PLACES as u64) as usize;
        let (before, after) = self.0.split_at(place.min(self.0.len()));
        after.iter().chain(before).map(|at| usize::from(*at))
    }
}

// === impl Preference ===

impl Preference {
    fn of((at, candidate): (usize, &Candidate)) -> Self {
        let id = candidate.peer.id;
        let part = |number, of: usize| (nth(id, number) % of as u64) as usize;
        let weight = u64::from(candidate.weight.max(1));
        let taker = u16::try_from(at).unwrap_or(FREE);
        Self { id, taker, next: part(0, PLACES), step: 1 + part(1, PLACES - 1), due: 0, weight }
    }

    /// Takes the next place in its order that is free. There is one.
    fn take(&mut self, places: &mut [u16]) {
        loop {
            let place = self.next;
            self.next += self.step;
            if self.next >= PLACES {
                self.next -= PLACES;
            }
            if places[place] == FREE {
                places[place] = self.taker;
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::candidates;
    use super::*;

    fn shares(weights: &[u32]) -> Vec<usize> {
        let mut counts = vec![0; weights.len()];
        Maglev::of(&candidates(weights)).from(0).for_each(|at| counts[at] += 1);
        counts
    }

    #[test]
    fn equal_nodes_have_equal_shares_but_for_one_place() {
        let shares = shares(&[1; 10]);
        assert_eq!(shares.iter().sum::<usize>(), PLACES);
        assert!(shares.iter().all(|share| (6553..=6554).contains(share)), "{shares:?}");
    }

    #[test]
    fn shares_follow_the_weights() {
        let shares = shares(&[1, 2, 5]);
        for (share, weight) in shares.iter().zip([1, 2, 5]) {
            assert!(share.abs_diff(PLACES * weight / 8) <= 2, "{shares:?}");
        }
    }

    #[test]
    fn a_table_holds_as_many_nodes_as_it_can_name() {
        let table = Maglev::of(&candidates(&vec![1; NODES_MAX + 1]));
        assert!(table.0.iter().all(|at| *at < FREE));
        assert_eq!(Maglev::of(&[]).from(7).next(), Some(usize::from(FREE)));
    }
}
