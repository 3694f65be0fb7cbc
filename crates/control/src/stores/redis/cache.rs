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
