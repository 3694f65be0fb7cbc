//! How the node of a call is chosen from the set of an upstream.
//!
//! Each way is a file of `balance/` that implements [`Balance`], and a line in [`Policy::balance`]. A worker
//! balances by itself, per call and not per connection: it knows the calls that it has at each node and how fast they
//! were answered. `level.rs` says which members take part, `subset.rs` which of them a call may go to, `hash_on.rs`
//! what calls have in common that should reach the same node, `sticky.rs` what keeps sessions. `worker/balance.rs` keeps the candidates up to
//! date.

mod bound;
mod hash;
mod hash_on;
mod ip_hash;
mod least_request;
mod level;
mod maglev;
mod peak_ewma;
mod random;
mod ring_hash;
mod round_robin;
mod sticky;
mod subset;
mod tables;
mod weighted;

use std::cell::Cell;
use std::fmt::Debug;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use narrows_wire::Time;

use crate::endpoints::{Endpoint, Endpoints};
use crate::outlier::Detection;
use crate::random::Random;
use crate::route::Request;
use crate::slow_start::SlowStart;

pub use hash::hash;
pub use hash_on::{HashKey, HashOn};
pub use level::{Level, Panic};
pub use peak_ewma::Latency;
pub use ring_hash::RingOptions;
pub use sticky::{OnGone, Session, SessionCookie, Sticky};
pub use subset::{Fallback, Subset};
pub use tables::Tables;

/// A set of nodes and how one is chosen.
#[derive(Debug)]
pub struct Balanced {
    /// The nodes.
    pub endpoints: Arc<Endpoints>,
    /// How one is chosen.
    pub policy: Policy,
    /// What it is chosen by.
    pub rules: Rules,
    /// When one is left alone for a while because it fails calls.
    pub outliers: Detection,
    /// How the share of one that joins or comes back grows; `None`: it has all of it at once.
    pub slow_start: Option<SlowStart>,
}

/// What of a call and of the set a choice goes by.
#[derive(Debug)]
pub struct Rules {
    /// What calls that should reach the same node have in common.
    pub hash_on: HashOn,
    /// Which nodes a call may go to; `None`: to all.
    pub subset: Option<Subset>,
    /// If a smaller share of the nodes is in service, all are used.
    pub panic_percent: u32,
    /// What keeps the calls of a session together; `None`: each goes by itself.
    pub sticky: Option<Sticky>,
    /// What workers have built for the set.
    pub tables: Arc<Tables>,
}

/// A way to choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// In turn, each as often as its weight says.
    RoundRobin,
    /// At random, each as often as its weight says.
    Random,
    /// The one with the fewest calls for its weight, of so many at random.
    LeastRequest(u32),
    /// The one that is likely to answer first, of two at random.
    PeakEwma,
    /// By the key of the call, on a ring.
    RingHash(RingOptions),
    /// By the key of the call, from a table; how much of its share a node may have at most, in percent.
    Maglev(Option<u32>),
    /// By the network of the caller.
    IpHash,
}

/// A node that may be chosen.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// What this worker knows of it.
    pub peer: Rc<Peer>,
    /// Its share relative to the others, at least 1.
    pub weight: u32,
}

/// A node as one worker sees it. It is the same one for all configurations that have the node.
#[derive(Debug)]
pub struct Peer {
    /// What all know of it.
    pub endpoint: Arc<Endpoint>,
    /// The number of the worker.
    pub worker: usize,
    /// Equal for nodes with the same address, in all workers and gateways.
    pub id: u64,
    /// How long calls took until their reply began.
    pub latency: Cell<Latency>,
    /// Calls that this worker has at all nodes of the set.
    calls: Rc<Cell<u64>>,
}

/// What is chosen for.
#[derive(Debug)]
pub struct Choice<'a> {
    /// What is equal for calls that should reach the same node.
    pub hash: Option<u64>,
    /// Nodes that have failed this call: others come first.
    pub tried: &'a [Rc<Peer>],
    /// The present time.
    pub now: Time,
    /// Numbers that nobody else has.
    pub random: &'a mut Random,
}

/// Chooses one of some candidates.
pub trait Balance: Debug {
    /// The candidates, or their weights, are others than before.
    fn update(&mut self, candidates: &[Candidate]);

    /// The index of the candidate for a call. There is at least one.
    fn choose(&mut self, candidates: &[Candidate], choice: &mut Choice<'_>) -> usize;

    /// A call at the candidate with this index has failed.
    fn on_failure(&mut self, _candidate: usize) {}
}

// === impl Balanced ===

impl Balanced {
    /// What is equal for calls that should reach the same node, if that matters. `buffer` is room for a key.
    pub fn hash(&self, request: &Request<'_>, buffer: &mut Vec<u8>) -> Option<u64> {
        match self.policy {
            Policy::RingHash(_) | Policy::Maglev(_) => self.rules.hash_on.hash(request, buffer),
            Policy::IpHash => Some(ip_hash::hash_of_network(request.source)),
            Policy::RoundRobin | Policy::Random | Policy::LeastRequest(_) | Policy::PeakEwma => {
                None
            }
        }
    }
}

// === impl Rules ===

impl Default for Rules {
    fn default() -> Self {
        Self {
            hash_on: HashOn::default(),
            subset: None,
            panic_percent: 50,
            sticky: None,
            tables: Arc::default(),
        }
    }
}

// === impl Policy ===

impl Policy {
    /// What chooses in this way. Those that take turns begin where `start` says.
    pub fn balance(&self, tables: &Arc<Tables>, start: u64) -> Box<dyn Balance> {
        match *self {
            Self::RoundRobin => Box::new(round_robin::RoundRobin::new(start)),
            Self::Random => Box::<random::AtRandom>::default(),
            Self::LeastRequest(choices) => Box::new(least_request::LeastRequest::new(choices)),
            Self::PeakEwma => Box::<peak_ewma::PeakEwma>::default(),
            Self::RingHash(options) => Box::new(ring_hash::RingHash::new(options, tables)),
            Self::Maglev(load_max) => Box::new(maglev::MaglevHash::new(load_max, tables)),
            Self::IpHash => Box::new(maglev::MaglevHash::new(None, tables)),
        }
    }
}

// === impl Peer ===

impl Peer {
    /// An endpoint, seen by the worker with this number; the first of its set.
    pub fn new(endpoint: Arc<Endpoint>, worker: usize) -> Self {
        Self::counted(endpoint, worker, Rc::default())
    }

    /// Another endpoint of the same set.
    pub fn beside(&self, endpoint: Arc<Endpoint>) -> Self {
        Self::counted(endpoint, self.worker, self.calls.clone())
    }

    fn counted(endpoint: Arc<Endpoint>, worker: usize, calls: Rc<Cell<u64>>) -> Self {
        let id = hash(endpoint.target.to_string().as_bytes());
        Self { endpoint, worker, id, latency: Cell::default(), calls }
    }

    /// Calls that it has from this worker now.
    pub fn active(&self) -> u64 {
        u64::try_from(self.endpoint.shard(self.worker).active.get()).unwrap_or(0)
    }

    /// Calls that all nodes of its set have from this worker now.
    pub fn calls_of_set(&self) -> u64 {
        self.calls.get()
    }

    /// It gets another call.
    pub fn begin(&self) {
        let shard = self.endpoint.shard(self.worker);
        shard.active.add(1);
        shard.calls.add(1);
        self.calls.set(self.calls.get() + 1);
    }

    /// It has one call less.
    pub fn end(&self) {
        self.endpoint.shard(self.worker).active.add(-1);
        self.calls.set(self.calls.get().saturating_sub(1));
    }

    /// A call had its reply begin after so long.
    pub fn on_reply(&self, took: Duration, now: Time) {
        self.latency.set(self.latency.get().after(took, now));
    }

    /// A call failed after so long.
    pub fn on_failure(&self, took: Duration, now: Time) {
        self.latency.set(self.latency.get().after_failure(took, now));
    }
}

// === impl Candidate ===

impl Candidate {
    /// Whether it is one of these.
    fn is_among(&self, peers: &[Rc<Peer>]) -> bool {
        peers.iter().any(|peer| Rc::ptr_eq(peer, &self.peer))
    }
}

// === impl Choice ===

impl Choice<'_> {
    /// The hash of the call, or if it has none, any.
    fn hash_or_any(&mut self) -> u64 {
        match self.hash {
            Some(hash) => hash,
            None => self.random.next_u64(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::endpoints::Member;

    /// A choice and what it borrows.
    #[derive(Debug)]
    pub(crate) struct TestChoice {
        pub(crate) hash: Option<u64>,
        pub(crate) tried: Vec<Rc<Peer>>,
        pub(crate) now: Time,
        pub(crate) random: Random,
    }

    impl Default for TestChoice {
        fn default() -> Self {
            Self { hash: None, tried: Vec::new(), now: Time::ZERO, random: Random::new(1) }
        }
    }

    impl TestChoice {
        /// For a call that has failed at these.
        pub(crate) fn tried(candidates: &[Candidate]) -> Self {
            let tried = candidates.iter().map(|candidate| candidate.peer.clone()).collect();
            Self { tried, ..Self::default() }
        }

        pub(crate) fn choice(&mut self) -> Choice<'_> {
            let Self { hash, tried, now, random } = self;
            Choice { hash: *hash, tried, now: *now, random }
        }
    }

    /// Candidates with these weights.
    pub(crate) fn candidates(weights: &[u32]) -> Vec<Candidate> {
        let endpoints = Endpoints::new(1);
        let member = |(at, weight): (usize, &u32)| Member {
            target: Arc::new(
                format!("n{}.nodes:{}", at / 1000, at % 1000 + 1).parse().expect("a target"),
            ),
            weight: *weight,
            priority: 0,
            labels: Default::default(),
        };
        endpoints.replace(weights.iter().enumerate().map(member).collect(), Time::ZERO);
        let mut candidates: Vec<Candidate> = Vec::new();
        for entry in endpoints.entries().iter() {
            let peer = match candidates.first() {
                Some(first) => first.peer.beside(entry.endpoint.clone()),
                None => Peer::new(entry.endpoint.clone(), 0),
            };
            candidates.push(Candidate { peer: Rc::new(peer), weight: entry.member.weight });
        }
        candidates
    }
}
