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
    workers: usize,
}

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
    /// Until when workers leave it alone because calls to it failed.
    ejected_until: AtomicU64,
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
    /// It gets none.
    Draining,
}

/// Moves with every change that concerns balancing. A set and those that follow it share one.
#[derive(Debug, Default)]
struct Version(AtomicU64);

// === impl Endpoints ===

impl Endpoints {
    /// A set without nodes, for so many workers.
    pub fn new(workers: usize) -> Self {
        Self { entries: ArcSwap::default(), version: Arc::default(), workers }
    }

    /// A set of these members. It takes over what is known of those that `before` has as well, and leaves `before`
    /// as it is.
    pub fn following(before: &Self, members: Vec<Member>, now: Time) -> Self {
        let version = before.version.clone();
        let entries = entries(&before.entries.load(), members, &version, before.workers, now);
        Self { entries: ArcSwap::from_pointee(entries), version, workers: before.workers }
    }

    /// Makes these the members, for all workers at once. Members with one target count once: the first.
    pub fn replace(&self, members: Vec<Member>, now: Time) {
        let entries = entries(&self.entries.load(), members, &self.version, self.workers, now);
        self.entries.store(Arc::new(entries));
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
}

fn entries(
    before: &[Entry],
    members: Vec<Member>,
    version: &Arc<Version>,
    workers: usize,
    now: Time,
) -> Vec<Entry> {
    let admitted = if before.is_empty() { Time::ZERO } else { now };
    let known: BTreeMap<String, &Arc<Endpoint>> =
        before.iter().map(|entry| (entry.member.target.to_string(), &entry.endpoint)).collect();
    let mut taken = std::collections::BTreeSet::new();
    let mut entries = Vec::with_capacity(members.len());
    for member in members {
        let name = member.target.to_string();
        let endpoint = match known.get(&name) {
            Some(endpoint) => Arc::clone(endpoint),
            None => Arc::new(Endpoint::new(&member.target, version.clone(), workers, admitted)),
        };
        if taken.insert(name) {
            entries.push(Entry { member, endpoint });
        }
    }
    entries
}

// === impl Endpoint ===

impl Endpoint {
    fn new(target: &Arc<Target>, version: Arc<Version>, workers: usize, admitted: Time) -> Self {
        Self {
            target: target.clone(),
            admitted: AtomicU64::new(admitted.as_nanos()),
            is_failing: AtomicBool::new(false),
            is_draining: AtomicBool::new(false),
            ejected_until: AtomicU64::new(0),
            weight: AtomicU32::new(0),
            version,
            shards: (0..workers).map(|_| EndpointShard::default()).collect(),
        }
    }

    /// Whether it may have new calls at `now`.
    pub fn is_in_service(&self, now: Time) -> bool {
        self.health() == Health::Passing
            && self.duty() == Duty::Serving
            && self.ejected_until() <= now
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

    /// Leaves it alone until `until`, when it is admitted again.
    pub fn eject(&self, until: Time) {
        self.ejected_until.store(until.as_nanos(), Ordering::Relaxed);
        self.admit(until);
        self.version.advance();
    }

    /// When it came, or came back, into service.
    pub fn admitted(&self) -> Time {
        Time::ZERO + Duration::from_nanos(self.admitted.load(Ordering::Relaxed))
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
}

// === impl Version ===

impl Version {
    /// What was written before is seen by whoever sees the new version.
    fn advance(&self) {
        self.0.fetch_add(1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(address: &str) -> Member {
        let target = Arc::new(address.parse().expect("a target"));
        Member { target, weight: 1, priority: 0, labels: BTreeMap::new() }
    }

    fn names(endpoints: &Endpoints) -> Vec<String> {
        endpoints.entries().iter().map(|entry| entry.member.target.to_string()).collect()
    }

    fn at(seconds: u64) -> Time {
        Time::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn who_stays_keeps_its_state_and_who_comes_later_is_admitted_then() {
        let endpoints = Endpoints::new(1);
        endpoints.replace(vec![member("a:1"), member("b:1"), member("a:1")], at(1));
        assert_eq!(names(&endpoints), ["a:1", "b:1"]);
        let b = endpoints.entries()[1].endpoint.clone();
        assert_eq!(b.admitted(), Time::ZERO);
        b.set_duty(Duty::Draining, at(2));
        endpoints.replace(vec![member("b:1"), member("c:1")], at(3));
        let entries = endpoints.entries();
        assert!(Arc::ptr_eq(&entries[0].endpoint, &b));
        assert_eq!(entries[0].endpoint.duty(), Duty::Draining);
        assert_eq!(entries[1].endpoint.admitted(), at(3));
    }

    #[test]
    fn a_set_that_follows_leaves_the_one_before_alone() {
        let before = Endpoints::new(1);
        before.replace(vec![member("a:1")], at(1));
        let after = Endpoints::following(&before, vec![member("a:1"), member("b:1")], at(2));
        assert_eq!((names(&before), names(&after).len()), (vec!["a:1".to_owned()], 2));
        let seen = (before.version(), after.version());
        after.entries()[0].endpoint.set_health(Health::Failing, at(3));
        assert_ne!((before.version(), after.version()), seen);
        assert_eq!(before.entries()[0].endpoint.health(), Health::Failing);
    }

    #[test]
    fn the_version_moves_only_when_something_has_changed() {
        let endpoints = Endpoints::new(1);
        endpoints.replace(vec![member("a:1")], at(1));
        let endpoint = endpoints.entries()[0].endpoint.clone();
        let version = endpoints.version();
        endpoint.set_health(Health::Passing, at(2));
        endpoint.set_duty(Duty::Serving, at(2));
        assert_eq!(endpoints.version(), version);
        endpoint.eject(at(9));
        assert!(!endpoint.is_in_service(at(8)) && endpoint.is_in_service(at(9)));
        assert_eq!((endpoint.admitted(), endpoints.version()), (at(9), version + 1));
    }
}
