//! The control plane of the simulated world: a store that answers late, or not at all.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use narrows_gateway::control::{
    Answer, Busy, Command, ControlPort, Job, Mailbox, StoreFailure, Ticket,
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

/// The control plane.
#[derive(Debug)]
pub(super) struct Control {
    rng: Rng,
    posted: Posted,
    store: Arc<Store>,
    jobs: BTreeMap<String, Arc<Target>>,
    answers: Vec<(Time, Box<[u8]>, Option<Ticket>)>,
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
        Self { rng, posted, store, jobs, answers: vec![], expiries: vec![] }
    }

    pub(super) fn next_due(&self) -> Time {
        let answers = self.answers.iter().map(|(at, _, _)| *at);
        answers.chain(self.expiries.iter().map(|(at, _)| *at)).fold(Time::NEVER, Time::min)
    }

    pub(super) fn step(&mut self, now: Time, mailbox: &Mailbox) {
        let posted: Vec<_> =
            self.posted.jobs.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect();
        for job in posted {
            if let Job::Lookup { key, ticket, .. } = job {
                self.answers.push((now + self.rng.millis(0, 30), key, ticket));
            }
        }
        for (at, key) in std::mem::take(&mut self.expiries) {
            if at <= now {
                self.store.table.mark_stale(&key);
            } else {
                self.expiries.push((at, key));
            }
        }
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
