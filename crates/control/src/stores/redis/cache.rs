//! What is known of the keys of a Redis store, and when it may be believed.
//!
//! Redis announces each change of a key that a connection has read. Announcements and replies come in any
//! order here, so one lock orders them: a reply becomes an entry only if, since its query began, no change
//! of the key was announced and its connection was not lost. Otherwise the key is asked for again.
//! Invariant: an entry that is fresh was read by a connection that is still there and tracks the key.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use narrows_gateway::clock;
use narrows_gateway::control::StoreFailure;
use narrows_gateway::lookup::{Cached, Outcome, Store};
use narrows_wire::Time;

use crate::stores::flights::{Flights, Joined};
use crate::stores::{Counts, Reply};

/// Keys that are asked for at the same time; more callers are refused.
pub(super) const QUERIES_MAX: usize = 65_536;
/// Keys kept that Redis does not know; more push out the oldest.
const MISSING_ENTRIES_MAX: usize = 100_000;

pub(super) type Key = Box<[u8]>;

/// The entries of a store and the queries under way.
#[derive(Debug)]
pub(super) struct Cache {
    store: Arc<Store>,
    ttl: Duration,
    negative_ttl: Duration,
    max_entries: usize,
    state: Mutex<State>,
    counters: Counters,
}

struct State {
    flights: Flights<Key, Reply>,
    /// Keys that Redis does not know, in the order of their ends.
    missing: VecDeque<(Time, Key)>,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) queries: AtomicU64,
    pub(super) refreshes: AtomicU64,
    pub(super) invalidations: AtomicU64,
    pub(super) failures: AtomicU64,
    pub(super) reconnects: AtomicU64,
}

/// What is to be done for a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Begun {
    /// Ask Redis, then [`Cache::land`].
    Query,
    /// Nothing: it is known, being asked for, or refused.
    Nothing,
}

/// What became of a reply.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Landed {
    /// It is in the table and was given to all who wait.
    Done,
    /// It is out of date: ask again.
    Again,
}

/// Whether the connection that a reply came from still tracks its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    /// It does: Redis will announce a change.
    Tracked,
    /// The reply came over another node's connection: believe it for a moment only.
    Brief,
    /// The connection was lost meanwhile.
    Lost,
}

// === impl Cache ===

impl Cache {
    pub(super) fn new(
        store: Arc<Store>,
        ttl: Duration,
        negative_ttl: Duration,
        max_entries: usize,
    ) -> Self {
        let state = State { flights: Flights::new(QUERIES_MAX), missing: VecDeque::new() };
        let (state, counters) = (Mutex::new(state), Counters::default());
        Self { store, ttl, negative_ttl, max_entries, state, counters }
    }

    pub(super) fn store(&self) -> &Arc<Store> {
        &self.store
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Someone wants to know a key now.
    pub(super) fn want(&self, key: &[u8], reply: Option<Reply>) -> Begun {
        let mut state = self.lock();
        let now = clock::now();
        let known = self.store.table.read(key, |cached| {
            cached.filter(|cached| now < cached.fresh_until).map(|cached| cached.outcome.clone())
        });
        if let Some(outcome) = known {
            drop(state);
            reply.into_iter().for_each(|reply| reply(Ok(outcome.clone())));
            return Begun::Nothing;
        }
        match state.flights.join(key.into(), reply) {
            Joined::First => {
                self.counters.queries.fetch_add(1, Ordering::Relaxed);
                Begun::Query
            }
            Joined::Waits | Joined::Full(None) => Begun::Nothing,
            Joined::Full(Some(reply)) => {
                drop(state);
                let text = format!(
                    "store {}: {QUERIES_MAX} keys are being asked for already",
                    self.store.name
                );
                reply(self.or_stale(key, text.into()));
                Begun::Nothing
            }
        }
    }

    /// An entry is no longer fresh: whether to ask for it in the background.
    pub(super) fn refresh(&self, key: &[u8], due: Time) -> Begun {
        let mut state = self.lock();
        let stale = self
            .store
            .table
            .read(key, |cached| cached.is_some_and(|cached| cached.fresh_until <= due));
        if stale && matches!(state.flights.join(key.into(), None), Joined::First) {
            self.counters.refreshes.fetch_add(1, Ordering::Relaxed);
            return Begun::Query;
        }
        Begun::Nothing
    }

    /// Redis announced a change. Whether the key has to be asked for again by the caller.
    pub(super) fn invalidate(&self, key: &[u8]) -> bool {
        let mut state = self.lock();
        self.counters.invalidations.fetch_add(1, Ordering::Relaxed);
        let under_way = state.flights.mark_changed(key);
        let known = self.store.table.read(key, |cached| cached.is_some());
        self.store.table.mark_stale(key);
        known && !under_way
    }

    /// We have changed a key: what was known of it, and what is being read, may be old.
    pub(super) fn forget(&self, key: &[u8]) {
        let mut state = self.lock();
        state.flights.mark_changed(key);
        self.store.table.mark_stale(key);
    }

    /// Redis announced that everything changed.
    pub(super) fn invalidate_all(&self) {
        let mut state = self.lock();
        self.counters.invalidations.fetch_add(1, Ordering::Relaxed);
        state.flights.mark_all_changed();
        self.store.table.mark_all_stale();
    }

    /// A connection was lost: `lose` makes [`Hold::Lost`] of what is under way there. Afterwards no reply
    /// of it becomes an entry, and its entries can be marked stale.
    pub(super) fn lose(&self, lose: impl FnOnce()) {
        let _state = self.lock();
        lose();
    }

    /// The reply to a query. `hold` is asked under the lock.
    pub(super) fn land(
        &self,
        key: &[u8],
        outcome: Outcome,
        hold: impl FnOnce() -> Hold,
        retry: bool,
    ) -> Landed {
        let mut state = self.lock();
        let now = clock::now();
        let changed = state.flights.take_changed(key);
        let hold = if changed { Hold::Lost } else { hold() };
        if hold == Hold::Lost && retry {
            return Landed::Again;
        }
        let fresh_until = match (hold, &outcome) {
            // Out of date, but it is what Redis said after the callers asked.
            (Hold::Lost, _) => Time::ZERO,
            (Hold::Brief, _) | (Hold::Tracked, Outcome::Missing) => now + self.negative_ttl,
            (Hold::Tracked, _) => now + jittered(self.ttl),
        };
        self.store.table.insert(key, Cached { outcome: outcome.clone(), fresh_until });
        self.bound(&mut state, key, &outcome, fresh_until);
        let waiters = state.flights.land(key);
        drop(state);
        waiters.into_iter().for_each(|reply| reply(Ok(outcome.clone())));
        Landed::Done
    }

    /// The query got no answer. Who waits gets what was known before, or the failure.
    pub(super) fn fail(&self, key: &[u8], why: &Arc<str>) {
        self.counters.failures.fetch_add(1, Ordering::Relaxed);
        let waiters = self.lock().flights.land(key);
        for reply in waiters {
            reply(self.or_stale(key, why.clone()));
        }
    }

    /// Removes what Redis did not know a while ago.
    pub(super) fn forget_missing(&self, now: Time) {
        let mut state = self.lock();
        while state.missing.front().is_some_and(|(end, _)| *end < now) {
            let ended = state.missing.pop_front();
            ended.into_iter().for_each(|(_, key)| self.forget_if_missing(&key, now));
        }
    }

    fn forget_if_missing(&self, key: &[u8], now: Time) {
        let gone = self.store.table.read(key, |cached| {
            cached.is_some_and(|c| matches!(c.outcome, Outcome::Missing) && c.fresh_until <= now)
        });
        if gone {
            self.store.table.remove(key);
        }
    }

    fn bound(&self, state: &mut State, key: &[u8], outcome: &Outcome, end: Time) {
        if matches!(outcome, Outcome::Missing) {
            state.missing.push_back((end, key.into()));
            if state.missing.len() > MISSING_ENTRIES_MAX {
                let oldest = state.missing.pop_front();
                oldest.into_iter().for_each(|(_, key)| self.forget_if_missing(&key, Time::NEVER));
            }
        }
        self.store.table.evict(self.max_entries);
    }

    /// An old answer is better than none; that a key is missing is no such answer.
    fn or_stale(&self, key: &[u8], why: Arc<str>) -> Result<Outcome, StoreFailure> {
        let known = self.store.table.read(key, |cached| cached.map(|c| c.outcome.clone()));
        match known {
            Some(outcome @ (Outcome::Found(_) | Outcome::Malformed(_))) => Ok(outcome),
            Some(Outcome::Missing) | None => Err(StoreFailure(why)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("State")
    }
}

// === impl Counters ===

impl Counters {
    pub(super) fn read(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            queries: read(&self.queries),
            refreshes: read(&self.refreshes),
            invalidations: read(&self.invalidations),
            failures: read(&self.failures),
            reconnects: read(&self.reconnects),
        }
    }
}

/// Up to a tenth less, so that what was read together does not end together.
fn jittered(time: Duration) -> Duration {
    time - time.mul_f64(super::random_fraction() / 10.0)
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    #[test]
    fn a_change_announced_while_the_key_is_read_has_it_read_again() {
        let cache = cache();
        let (reply, answer) = waiter();
        assert_eq!(cache.want(b"job", Some(reply)), Begun::Query);
        assert!(!cache.invalidate(b"job"), "who reads it now will read it again");
        assert_eq!(cache.land(b"job", found(1), || Hold::Tracked, true), Landed::Again);
        assert!(answer.try_recv().is_err(), "the old value is given to nobody");
        assert_eq!(cache.land(b"job", found(2), || Hold::Tracked, true), Landed::Done);
        assert_eq!(answer.try_recv(), Ok("127.0.0.1:2".to_owned()));
        assert!(fresh(&cache, b"job"));
    }

    #[test]
    fn a_change_announced_after_the_reply_makes_the_entry_old() {
        let cache = cache();
        assert_eq!(cache.want(b"job", None), Begun::Query);
        assert_eq!(cache.land(b"job", found(1), || Hold::Tracked, true), Landed::Done);
        assert!(fresh(&cache, b"job"));
        assert!(cache.invalidate(b"job"), "it has to be read again");
        assert!(!fresh(&cache, b"job"));
        assert_eq!(cache.refresh(b"job", clock::now()), Begun::Query);
        assert_eq!(cache.refresh(b"job", clock::now()), Begun::Nothing, "it is being read");
        assert!(!cache.invalidate(b"other"), "nobody has asked for it");
        assert_eq!(cache.refresh(b"other", clock::now()), Begun::Nothing);
    }

    #[test]
    fn a_reply_of_a_lost_connection_is_not_believed() {
        let cache = cache();
        let (reply, answer) = waiter();
        cache.want(b"job", Some(reply));
        assert_eq!(cache.land(b"job", found(1), || Hold::Lost, true), Landed::Again);
        // Out of tries: the caller gets what Redis said, but the next one asks again.
        assert_eq!(cache.land(b"job", found(1), || Hold::Lost, false), Landed::Done);
        assert_eq!(answer.try_recv(), Ok("127.0.0.1:1".to_owned()));
        assert!(!fresh(&cache, b"job"));
    }

    #[test]
    fn a_failure_is_told_unless_an_old_answer_is_there() {
        let cache = cache();
        let (first, told) = waiter();
        cache.want(b"job", Some(first));
        cache.fail(b"job", &"Redis is away".into());
        assert_eq!(told.try_recv(), Ok("Redis is away".to_owned()));
        cache.want(b"job", None);
        cache.land(b"job", found(1), || Hold::Tracked, true);
        cache.invalidate(b"job");
        let (second, told) = waiter();
        cache.want(b"job", Some(second));
        cache.fail(b"job", &"Redis is away".into());
        assert_eq!(told.try_recv(), Ok("127.0.0.1:1".to_owned()));
    }

    #[test]
    fn a_caller_beyond_the_limit_is_told_at_once() {
        let cache = cache();
        for n in 0..QUERIES_MAX {
            assert_eq!(cache.want(&n.to_be_bytes(), None), Begun::Query);
        }
        let (reply, told) = waiter();
        assert_eq!(cache.want(b"one more", Some(reply)), Begun::Nothing);
        assert!(told.try_recv().is_ok_and(|text| text.contains("are being asked for already")));
    }

    fn cache() -> Cache {
        let (store, hour) = (Arc::new(Store::new("jobs", false)), Duration::from_secs(3600));
        Cache::new(store, hour, hour, 1000)
    }

    fn found(port: u16) -> Outcome {
        Outcome::Found(Arc::new(SocketAddr::from(([127, 0, 0, 1], port)).into()))
    }

    fn fresh(cache: &Cache, key: &[u8]) -> bool {
        let now = clock::now();
        cache.store().table.read(key, |seen| seen.is_some_and(|seen| now < seen.fresh_until))
    }

    /// Someone who waits, and what they are told.
    fn waiter() -> (Reply, Receiver<String>) {
        let (send, receive) = channel();
        let reply = move |result: Result<Outcome, StoreFailure>| {
            let text = match result {
                Ok(Outcome::Found(target)) => target.to_string(),
                Ok(other) => format!("{other:?}"),
                Err(failure) => failure.to_string(),
            };
            send.send(text).expect("the test waits");
        };
        (Box::new(reply), receive)
    }
}
