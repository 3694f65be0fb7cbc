//! How the node of a call is chosen from the set of an upstream.
//!
//! Each way is a file of `balance/` that implements [`Balance`], and a line in [`Policy::balance`]. A worker
//! balances by itself, per call: it knows the calls that it has at each node and how fast they were answered.
//! `worker/balance.rs` keeps the candidates up to date.

mod round_robin;

use std::cell::Cell;
use std::fmt::Debug;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use narrows_wire::Time;

use crate::endpoints::{Endpoint, Endpoints};
use crate::random::Random;

/// A set of nodes and how one is chosen.
#[derive(Debug)]
pub struct Balanced {
    /// The nodes.
    pub endpoints: Arc<Endpoints>,
    /// How one is chosen.
    pub policy: Policy,
}

/// A way to choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Policy {
    /// In turn, each as often as its weight says.
    RoundRobin,
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
    /// When its last call ended, and the moving average of how long calls took until their reply began.
    pub latency: Cell<(Time, Duration)>,
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

// === impl Policy ===

impl Policy {
    /// What chooses in this way.
    pub fn balance(&self) -> Box<dyn Balance> {
        match self {
            Self::RoundRobin => Box::<round_robin::RoundRobin>::default(),
        }
    }
}

// === impl Peer ===

impl Peer {
    /// An endpoint, seen by the worker with this number.
    pub fn new(endpoint: Arc<Endpoint>, worker: usize) -> Self {
        Self { endpoint, worker, latency: Cell::new((Time::ZERO, Duration::ZERO)) }
    }

    /// Calls that it has from this worker now.
    pub fn active(&self) -> u64 {
        u64::try_from(self.endpoint.shard(self.worker).active.get()).unwrap_or(0)
    }
}

// === impl Choice ===

impl Choice<'_> {
    /// Whether the call has failed at this candidate.
    pub fn has_tried(&self, candidate: &Candidate) -> bool {
        self.tried.iter().any(|peer| Rc::ptr_eq(peer, &candidate.peer))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::endpoints::Member;

    /// Candidates with these weights.
    pub(crate) fn candidates(weights: &[u32]) -> Vec<Candidate> {
        let endpoints = Endpoints::new(1);
        let member = |(at, weight): (usize, &u32)| Member {
            target: Arc::new(format!("10.0.0.1:{}", at + 1).parse().expect("a target")),
            weight: *weight,
            priority: 0,
            labels: Default::default(),
        };
        endpoints.replace(weights.iter().enumerate().map(member).collect(), Time::ZERO);
        let candidate = |entry: &crate::endpoints::Entry| Candidate {
            peer: Rc::new(Peer::new(entry.endpoint.clone(), 0)),
            weight: entry.member.weight,
        };
        endpoints.entries().iter().map(candidate).collect()
    }

    /// What is chosen for so many calls without anything special.
    pub(crate) fn picks(policy: &Policy, candidates: &[Candidate], calls: usize) -> Vec<usize> {
        let mut balance = policy.balance();
        balance.update(candidates);
        let mut random = Random::new(1);
        let mut choice = Choice { hash: None, tried: &[], now: Time::ZERO, random: &mut random };
        (0..calls).map(|_| balance.choose(candidates, &mut choice)).collect()
    }
}
