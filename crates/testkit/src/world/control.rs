//! The control plane of the simulated world: a store that answers late, or not at all.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use narrows_gateway::control::{
    Answer, Busy, Command, ControlPort, Job, Mailbox, Pin, StoreFailure, Ticket, Written,
};
use narrows_gateway::lookup::{Cached, Outcome, Store};
use narrows_gateway::target::Target;
use narrows_wire::Time;

use super::rng::Rng;

/// A job for which the store holds [`BROKEN_TARGET`].
pub(super) const BROKEN_JOB: &str = "job-broken";
/// What is no target, although it shows an address.
pub(super) const BROKEN_TARGET: &str = "10.77.0.5";

/// Jobs that were posted and not yet taken up.
#[derive(Debug, Clone)]
pub(super) struct Posted {
    jobs: Arc<Mutex<Vec<Job>>>,
    max: usize,
}

/// A pin to be written: when, the key, what, and who waits.
type Pinning = (Time, Box<[u8]>, Pin, Option<Ticket>);

/// The control plane.
#[derive(Debug)]
pub(super) struct Control {
    rng: Rng,
    posted: Posted,
    store: Arc<Store>,
    jobs: BTreeMap<String, Arc<Target>>,
    answers: Vec<(Time, Box<[u8]>, Option<Ticket>)>,
    pins: Vec<Pinning>,
    /// Pins that were made to last longer.
    pub(super) touches: usize,
    expiries: Vec<(Time, Box<[u8]>)>,
}

impl ControlPort for Posted {
    fn submit(&self, job: Job) -> Result<(), Busy> {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        if jobs.len() >= self.max {
            return Err(Busy);
        }
        jobs.push(job);
        Ok(())
    }
}

// === impl Posted ===

impl Posted {
    /// Room for so many jobs; `None`: for any number.
    pub(super) fn new(max: Option<usize>) -> Self {
        Self { jobs: Arc::default(), max: max.unwrap_or(usize::MAX) }
    }
}

// === impl Control ===

impl Control {
    pub(super) fn new(
        rng: Rng,
        posted: Posted,
        store: Arc<Store>,
        jobs: BTreeMap<String, Arc<Target>>,
    ) -> Self {
        Self {
            rng,
            posted,
            store,
            jobs,
            answers: vec![],
            pins: vec![],
            touches: 0,
            expiries: vec![],
        }
    }

    pub(super) fn next_due(&self) -> Time {
        let answers = self.answers.iter().map(|(at, _, _)| *at);
        let pins = self.pins.iter().map(|(at, _, _, _)| *at);
        answers
            .chain(pins)
            .chain(self.expiries.iter().map(|(at, _)| *at))
            .fold(Time::NEVER, Time::min)
    }

    pub(super) fn step(&mut self, now: Time, mailbox: &Mailbox) {
        let posted: Vec<_> =
            self.posted.jobs.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect();
        for job in posted {
            let due = now + self.rng.millis(0, 30);
            match job {
                Job::Lookup { key, ticket, .. } => self.answers.push((due, key, ticket)),
                Job::Pin { key, pin, ticket, .. } => self.pins.push((due, key, pin, ticket)),
                Job::Resolve { .. } => {}
            }
        }
        for (at, key) in std::mem::take(&mut self.expiries) {
            if at <= now {
                self.store.table.mark_stale(&key);
            } else {
                self.expiries.push((at, key));
            }
        }
        self.write_pins(now, mailbox);
        for (at, key, ticket) in std::mem::take(&mut self.answers) {
            if at > now {
                self.answers.push((at, key, ticket));
                continue;
            }
            let answer = self.look_up(&key, now);
            if let Some(ticket) = ticket {
                mailbox.post(Command::Answer(ticket, Answer::Lookup(answer)));
            }
        }
    }

    fn write_pins(&mut self, now: Time, mailbox: &Mailbox) {
        for (at, key, pin, ticket) in std::mem::take(&mut self.pins) {
            if at > now {
                self.pins.push((at, key, pin, ticket));
                continue;
            }
            let written = self.pin(&key, pin);
            self.touches += usize::from(ticket.is_none());
            let answer = self.look_up(&key, now).map(|outcome| (outcome, written));
            if let Some(ticket) = ticket {
                mailbox.post(Command::Answer(ticket, Answer::Pinned(answer)));
            }
        }
    }

    fn pin(&mut self, key: &[u8], pin: Pin) -> Written {
        let before = self.jobs.get(&*String::from_utf8_lossy(key));
        if before.is_some_and(|before| pin.replaces.is_none_or(|replaced| replaced != *before)) {
            return Written::Before;
        }
        self.jobs.insert(String::from_utf8_lossy(key).into_owned(), pin.target);
        Written::Now
    }

    fn look_up(&mut self, key: &[u8], now: Time) -> Result<Outcome, StoreFailure> {
        let outcome = match self.jobs.get(&*String::from_utf8_lossy(key)) {
            _ if key == BROKEN_JOB.as_bytes() => {
                Outcome::Malformed(format!("{BROKEN_TARGET:?} is no target").into())
            }
            Some(target) => Outcome::Found(target.clone()),
            None => Outcome::Missing,
        };
        let cached = Cached { outcome: outcome.clone(), fresh_until: Time::NEVER };
        self.store.table.insert(key, cached);
        // A key that has changed in the store is asked for once more.
        self.expiries.push((now + self.rng.millis(10, 300), key.into()));
        Ok(outcome)
    }
}
