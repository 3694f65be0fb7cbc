//! Single flight: any number of callers wait for one query.
//!
//! The first caller of a key starts the query, the others join it. The owner of the query takes everyone
//! who waits when it lands. A flight knows whether what it asks for has changed since it began, so that an
//! answer from before the change is not taken for the truth.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;

/// Queries under way, by key, with those who wait for them.
#[derive(Debug)]
pub(super) struct Flights<K, W> {
    flights: HashMap<K, Flight<W>>,
    max: usize,
}

/// A query under way.
#[derive(Debug)]
struct Flight<W> {
    waiters: Vec<W>,
    changed: bool,
}

/// What a caller has to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Joined<W> {
    /// Start the query.
    First,
    /// Wait: it is under way.
    Waits,
    /// Too many queries are under way. The waiter is given back.
    Full(Option<W>),
}

// === impl Flights ===

impl<K: Hash + Eq, W> Flights<K, W> {
    /// At most `max` queries at once.
    pub(super) fn new(max: usize) -> Self {
        Self { flights: HashMap::new(), max }
    }

    /// Joins the query of a key or begins it.
    pub(super) fn join(&mut self, key: K, waiter: Option<W>) -> Joined<W> {
        let full = self.flights.len() >= self.max;
        match self.flights.entry(key) {
            Entry::Occupied(mut flight) => {
                flight.get_mut().waiters.extend(waiter);
                Joined::Waits
            }
            Entry::Vacant(_) if full => Joined::Full(waiter),
            Entry::Vacant(place) => {
                place.insert(Flight { waiters: waiter.into_iter().collect(), changed: false });
                Joined::First
            }
        }
    }

    /// Notes that the answer of the query under way may be from before a change. False if none is.
    pub(super) fn mark_changed<Q>(&mut self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        match self.flights.get_mut(key) {
            Some(flight) => {
                flight.changed = true;
                true
            }
            None => false,
        }
    }

    /// As [`Flights::mark_changed`], for every query.
    pub(super) fn mark_all_changed(&mut self) {
        self.flights.values_mut().for_each(|flight| flight.changed = true);
    }

    /// Whether the query's answer is out of date; the mark is taken away, for a new query.
    pub(super) fn take_changed<Q>(&mut self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.flights.get_mut(key).is_some_and(|flight| std::mem::take(&mut flight.changed))
    }

    /// Ends the query. Everyone who waits for it.
    pub(super) fn land<Q>(&mut self, key: &Q) -> Vec<W>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.flights.remove(key).map(|flight| flight.waiters).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_caller_starts_a_query_and_all_are_there_when_it_lands() {
        let mut flights = Flights::new(10);
        assert_eq!(flights.join("a", Some(1)), Joined::First);
        assert_eq!(flights.join("a", Some(2)), Joined::Waits);
        assert_eq!(flights.join("a", None), Joined::Waits);
        assert_eq!(flights.land("a"), [1, 2]);
        assert_eq!(flights.join("a", Some(3)), Joined::First);
    }

    #[test]
    fn one_query_more_than_the_limit_is_refused_but_joining_is_not() {
        let mut flights = Flights::new(2);
        assert_eq!(flights.join("a", Some(1)), Joined::First);
        assert_eq!(flights.join("b", Some(2)), Joined::First);
        assert_eq!(flights.join("c", Some(3)), Joined::Full(Some(3)));
        assert_eq!(flights.join("b", Some(4)), Joined::Waits);
    }

    #[test]
    fn a_change_is_seen_once_by_the_query_under_way() {
        let mut flights = Flights::<_, ()>::new(2);
        assert!(!flights.mark_changed("a"));
        flights.join("a", None);
        assert!(flights.mark_changed("a"));
        assert!(flights.take_changed("a"));
        assert!(!flights.take_changed("a"));
        flights.mark_all_changed();
        assert!(flights.take_changed("a"));
    }
}
