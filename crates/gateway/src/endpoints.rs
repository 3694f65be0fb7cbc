//! The nodes of an upstream as a living set: who is in it, and what is known of each.
//!
//! Whoever knows the nodes (the configuration, discovery) says so with [`Endpoints::replace`]; a node that stays
//! keeps its state. Health checks, operators, and workers note what they see in the [`Endpoint`]. Each note that
//! matters moves the version of the set, by which a worker sees with one load that it has to look again. There
//! are no locks: notes are atomic, and membership is swapped whole.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use narrows_wire::Time;

use crate::outlier::{Ejections, Reason, Track};
use crate::stats::{Counter, Gauge};
use crate::target::Target;

/// A node as its source tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Where it is.
    pub target: Arc<Target>,
    /// Its share of calls relative to the others, at least 1.
    pub weight: u32,
    /// Members with the lowest number take all calls as long as enough of them are in service.
    pub priority: u8,
    /// What subsets are made by.
    pub labels: BTreeMap<Box<str>, Box<str>>,
}

/// A member and what is known of it.
#[derive(Debug, Clone)]
pub struct Entry {
    /// What its source says.
    pub member: Member,
    /// What has been seen of it; stays the same as long as its target is in the set.
    pub endpoint: Arc<Endpoint>,
}

/// The nodes of an upstream.
#[derive(Debug)]
pub struct Endpoints {
    entries: ArcSwap<Vec<Entry>>,
    version: Arc<Version>,
    ejections: Arc<Ejections>,
    /// Whether a worker is about to eject a node.
    ejecting: AtomicBool,
    /// Whether a node that joins is taken for failing until it has been checked.
    joins_failing: AtomicBool,
    workers: usize,
}

/// The right to eject a node of a set, which one worker has at a time.
#[derive(Debug)]
pub struct EjectionTurn<'a>(&'a AtomicBool);

/// What is known of a node, by all workers and the control plane.
#[derive(Debug)]
pub struct Endpoint {
    /// Where it is.
    pub target: Arc<Target>,
    /// When it came into a set that had others already, or came back into service; its share of calls may grow from
    /// then on. [`Time::ZERO`]: it was there from the start.
    admitted: AtomicU64,
    /// Whether health checks fail.
    is_failing: AtomicBool,
    /// Whether an operator takes it out of service.
    is_draining: AtomicBool,
    /// Whether it is in no set any more.
    is_removed: AtomicBool,
    /// Until when workers leave it alone because calls to it failed.
    ejected_until: AtomicU64,
    /// Why it was ejected last, as the index of a [`Reason`].
    ejected_for: AtomicU32,
    track: Track,
    /// The weight that an operator set; 0: none.
    weight: AtomicU32,
    version: Arc<Version>,
    shards: Box<[EndpointShard]>,
}

/// What happened at a node, in one worker.
#[derive(Debug, Default)]
#[repr(align(128))] // Neighbours are written by other workers.
pub struct EndpointShard {
    /// Calls that it has now.
    pub active: Gauge,
    /// Calls sent to it.
    pub calls: Counter,
    /// Calls that it did as it was asked.
    pub successes: Counter,
    /// Calls that failed there.
    pub failures: Counter,
}

/// Whether a node answers the checks of the control plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It does, or it is not checked.
    Passing,
    /// It does not.
    Failing,
}

/// Whether an operator lets a node have new calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duty {
    /// It gets its share.
    Serving,
    /// It gets none, and its connections without a call are closed.
    Draining,
}

/// Moves with every change that concerns balancing. A set and those that follow it share one.
#[derive(Debug, Default)]
struct Version(AtomicU64);

// === impl Endpoints ===

impl Endpoints {
    /// A set without nodes, for so many workers.
    pub fn new(workers: usize) -> Self {
        Self {
            entries: ArcSwap::default(),
            version: Arc::default(),
            ejections: Arc::default(),
            ejecting: AtomicBool::new(false),
            joins_failing: AtomicBool::new(false),
            workers,
        }
    }

    /// What nodes that join from now on are taken for until they have been checked.
    pub fn begin_with(&self, health: Health) {
        self.joins_failing.store(health == Health::Failing, Ordering::Relaxed);
    }

    /// A set of these members, which takes the place of `before`. It takes over what is known of those that
    /// `before` has as well; the others are removed, and drain. `before` keeps its members: calls that began with
    /// it may still be on their way to them.
    pub fn following(before: &Self, members: Vec<Member>, now: Time) -> Self {
        let version = before.version.clone();
        let known = before.entries.load();
        let joins_failing = before.joins_failing.load(Ordering::Relaxed);
        let joining = Joining { version: &version, workers: before.workers, joins_failing, now };
        let entries = entries(&known, members, &joining);
        remove_all(&known, &entries);
        version.advance();
        Self {
            entries: ArcSwap::from_pointee(entries),
            version,
            ejections: before.ejections.clone(),
            ejecting: AtomicBool::new(false),
            joins_failing: AtomicBool::new(joins_failing),
            workers: before.workers,
        }
    }

    /// Makes these the members, for all workers at once. Members with one target count once: the first.
    pub fn replace(&self, members: Vec<Member>, now: Time) {
        let known = self.entries.load_full();
        let joins_failing = self.joins_failing.load(Ordering::Relaxed);
        let (version, workers) = (&self.version, self.workers);
        let joining = Joining { version, workers, joins_failing, now };
        let entries = Arc::new(entries(&known, members, &joining));
        self.entries.store(entries.clone());
        remove_all(&known, &entries);
        self.version.advance();
    }

    /// Nothing takes the place of the set: all its members are removed, and drain.
    pub fn retire(&self) {
        remove_all(&self.entries.load(), &[]);
        self.version.advance();
    }

    /// The present members.
    pub fn entries(&self) -> Arc<Vec<Entry>> {
        self.entries.load_full()
    }

    /// Differs from what it was if anything has changed that concerns balancing.
    pub fn version(&self) -> u64 {
        self.version.0.load(Ordering::Acquire)
    }

    /// How often its nodes were ejected.
    pub fn ejections(&self) -> &Ejections {
        &self.ejections
    }

    /// The right to eject a node; `None`: another worker has it now.
    pub(crate) fn begin_ejection(&self) -> Option<EjectionTurn<'_>> {
        let was_taken = self.ejecting.swap(true, Ordering::Acquire);
        (!was_taken).then(|| EjectionTurn(&self.ejecting))
    }
}

impl Drop for EjectionTurn<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

fn remove_all(before: &[Entry], kept: &[Entry]) {
    let kept: std::collections::BTreeSet<_> =
        kept.iter().map(|entry| Arc::as_ptr(&entry.endpoint)).collect();
    for entry in before.iter().filter(|entry| !kept.contains(&Arc::as_ptr(&entry.endpoint))) {
        entry.endpoint.is_removed.store(true, Ordering::Relaxed);
    }
}

/// What a node is like that was not there before.
struct Joining<'a> {
    version: &'a Arc<Version>,
    workers: usize,
    joins_failing: bool,
    now: Time,
}

fn entries(before: &[Entry], members: Vec<Member>, joining: &Joining<'_>) -> Vec<Entry> {
    let admitted = if before.is_empty() { Time::ZERO } else { joining.now };
    let known: BTreeMap<String, &Arc<Endpoint>> =
        before.iter().map(|entry| (entry.member.target.to_string(), &entry.endpoint)).collect();
    let mut taken = std::collections::BTreeSet::new();
    let mut entries = Vec::with_capacity(members.len());
    for member in members {
        let name = member.target.to_string();
        let endpoint = match known.get(&name) {
            Some(endpoint) => Arc::clone(endpoint),
            None => Arc::new(Endpoint::new(&member.target, joining, admitted)),
        };
        if taken.insert(name) {
            entries.push(Entry { member, endpoint });
        }
    }
    entries
}

// === impl Endpoint ===

impl Endpoint {
    fn new(target: &Arc<Target>, joining: &Joining<'_>, admitted: Time) -> Self {
        Self {
            target: target.clone(),
            admitted: AtomicU64::new(admitted.as_nanos()),
            is_failing: AtomicBool::new(joining.joins_failing),
            is_draining: AtomicBool::new(false),
            is_removed: AtomicBool::new(false),
            ejected_until: AtomicU64::new(0),
            ejected_for: AtomicU32::new(0),
            track: Track::default(),
            weight: AtomicU32::new(0),
            version: joining.version.clone(),
            shards: (0..joining.workers).map(|_| EndpointShard::default()).collect(),
        }
    }

    /// Whether it may have new calls at `now`.
    pub fn is_in_service(&self, now: Time) -> bool {
        self.health() == Health::Passing
            && self.duty() == Duty::Serving
            && self.ejected_until() <= now
    }

    /// Whether it is to lose what it has: an operator drains it, or it is in no set any more.
    pub fn is_leaving(&self) -> bool {
        self.is_draining.load(Ordering::Relaxed) || self.is_removed.load(Ordering::Relaxed)
    }

    /// What checks say.
    pub fn health(&self) -> Health {
        match self.is_failing.load(Ordering::Relaxed) {
            true => Health::Failing,
            false => Health::Passing,
        }
    }

    /// Notes what checks say. One that comes back is admitted at `now`.
    pub fn set_health(&self, health: Health, now: Time) {
        let is_failing = health == Health::Failing;
        if self.is_failing.swap(is_failing, Ordering::Relaxed) == is_failing {
            return;
        }
        if !is_failing {
            self.admit(now);
        }
        self.version.advance();
    }

    /// What an operator says.
    pub fn duty(&self) -> Duty {
        match self.is_draining.load(Ordering::Relaxed) {
            true => Duty::Draining,
            false => Duty::Serving,
        }
    }

    /// Notes what an operator says. One that comes back is admitted at `now`.
    pub fn set_duty(&self, duty: Duty, now: Time) {
        let is_draining = duty == Duty::Draining;
        if self.is_draining.swap(is_draining, Ordering::Relaxed) == is_draining {
            return;
        }
        if !is_draining {
            self.admit(now);
        }
        self.version.advance();
    }

    /// Until when it is left alone; a time that has passed if it is not.
    pub fn ejected_until(&self) -> Time {
        Time::ZERO + Duration::from_nanos(self.ejected_until.load(Ordering::Relaxed))
    }

    /// Why it was ejected last.
    pub fn ejected_for(&self) -> Reason {
        let at = self.ejected_for.load(Ordering::Relaxed) as usize;
        Reason::ALL.get(at).copied().unwrap_or(Reason::ConsecutiveFailures)
    }

    /// Leaves it alone until `until`, when it is admitted again.
    pub fn eject(&self, until: Time, reason: Reason) {
        self.ejected_for.store(reason as u32, Ordering::Relaxed);
        self.ejected_until.store(until.as_nanos(), Ordering::Relaxed);
        self.version.advance();
    }

    /// When it came, or comes back, into service.
    pub fn admitted(&self) -> Time {
        let admitted = Time::ZERO + Duration::from_nanos(self.admitted.load(Ordering::Relaxed));
        admitted.max(self.ejected_until())
    }

    fn admit(&self, now: Time) {
        self.admitted.store(now.as_nanos(), Ordering::Relaxed);
    }

    /// The weight that an operator set in place of the one that its source says.
    pub fn weight(&self) -> Option<u32> {
        match self.weight.load(Ordering::Relaxed) {
            0 => None,
            weight => Some(weight),
        }
    }

    /// Sets a weight in place of the one that its source says; `None` or 0: that one again.
    pub fn set_weight(&self, weight: Option<u32>) {
        self.weight.store(weight.unwrap_or(0), Ordering::Relaxed);
        self.version.advance();
    }

    /// The counters of a worker.
    pub fn shard(&self, worker: usize) -> &EndpointShard {
        &self.shards[worker]
    }

    /// The counters of all workers.
    pub fn shards(&self) -> &[EndpointShard] {
        &self.shards
    }

    /// Calls that went well and calls that failed, in all workers.
    pub(crate) fn totals(&self) -> (u64, u64) {
        let sum = |(successes, failures), shard: &EndpointShard| {
            (successes + shard.successes.get(), failures + shard.failures.get())
        };
        self.shards.iter().fold((0, 0), sum)
    }

    /// A call to it went well.
    pub(crate) fn succeed(&self) {
        self.track.succeed();
    }

    /// What is noted of failures.
    pub(crate) fn track(&self) -> &Track {
        &self.track
    }
}

// === impl Version ===

impl Version {
    /// What was written before is seen by whoever sees the new version.
    fn advance(&self) {
        self.0.fetch_add(1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests;
