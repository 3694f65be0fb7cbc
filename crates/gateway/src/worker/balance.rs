//! Choosing the node of a call: keeps the candidates of each balanced upstream up to date, and the books of who has
//! which call.
//!
//! A set tells by its version that something has changed; until then a choice costs no more than the way of
//! balancing itself.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use narrows_wire::Time;

use super::failure::Failure;
use super::{Fast, Worker};
use crate::balance::{Balance, Balanced, Candidate, Choice, Peer};
use crate::endpoints::Entry;
use crate::exchange::Exchange;
use crate::io::Io;
use crate::reply::Cause;
use crate::slab::Key;
use crate::snapshot::{Targets, Upstream};

/// Chooses among the nodes of an upstream, for one configuration.
#[derive(Debug)]
pub(super) struct Balancer {
    balance: Box<dyn Balance>,
    candidates: Vec<Candidate>,
    /// The version of the set that the candidates are from.
    seen: Option<u64>,
    /// When the candidates are no longer what they should be, whatever the version is.
    stale_at: Time,
}

/// How a call went, as far as its node has to answer for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The node did what it was asked.
    Success,
    /// The node did not.
    Failure,
    /// The call ended for reasons of others.
    Unknown,
}

/// The endpoints that this worker knows, by identity.
pub(super) type Peers = HashMap<usize, Rc<Peer>, Fast>;

// === impl Balancer ===

impl Balancer {
    /// What chooses for this upstream; `None` if its nodes are found in another way.
    pub(super) fn of(upstream: &Upstream) -> Option<Self> {
        let Targets::Balanced(balanced) = &upstream.targets else { return None };
        Some(Self {
            balance: balanced.policy.balance(),
            candidates: Vec::new(),
            seen: None,
            stale_at: Time::ZERO,
        })
    }

    fn is_current(&self, balanced: &Balanced, now: Time) -> bool {
        self.seen == Some(balanced.endpoints.version()) && now < self.stale_at
    }

    /// Finds the candidates anew.
    #[cold]
    fn look_again(&mut self, balanced: &Balanced, peers: &mut Peers, (worker, now): (usize, Time)) {
        // Read before the entries: what changes in between is seen next time.
        self.seen = Some(balanced.endpoints.version());
        self.stale_at = Time::NEVER;
        self.candidates.clear();
        let entries = balanced.endpoints.entries();
        for entry in entries.iter() {
            let ejected_until = entry.endpoint.ejected_until();
            if now < ejected_until {
                self.stale_at = self.stale_at.min(ejected_until);
            }
            if entry.endpoint.is_in_service(now) {
                self.candidates.push(candidate(entry, peers, worker));
            }
        }
        self.balance.update(&self.candidates);
    }
}

fn candidate(entry: &Entry, peers: &mut Peers, worker: usize) -> Candidate {
    let identity = Arc::as_ptr(&entry.endpoint) as usize;
    let peer = peers
        .entry(identity)
        .or_insert_with(|| Rc::new(Peer::new(entry.endpoint.clone(), worker)))
        .clone();
    Candidate { peer, weight: entry.endpoint.weight().unwrap_or(entry.member.weight) }
}

// === impl Worker ===

impl<I: Io> Worker<I> {
    /// Chooses a node of a set and sends the exchange there.
    pub(super) fn balance(
        &mut self,
        key: Key,
        index: usize,
        balanced: &Balanced,
    ) -> Result<(), Failure> {
        let peer = self.choose(key, index, balanced)?;
        let target = peer.endpoint.target.clone();
        if let Some(exchange) = self.exchanges.get_mut(key) {
            detach(exchange, Outcome::Failure);
            enter(&peer);
            exchange.peer = Some(peer);
        }
        self.go_to(key, &target)
    }

    /// Chooses a node of a set for the exchange.
    pub(super) fn choose(
        &mut self,
        key: Key,
        index: usize,
        balanced: &Balanced,
    ) -> Result<Rc<Peer>, Failure> {
        let none = || Failure::new(Cause::NoEndpoint);
        let exchange = self.exchanges.get_mut(key).ok_or_else(none)?;
        let active = exchange.active.clone();
        let mut balancers = active.balancers.borrow_mut();
        let balancer = balancers.get_mut(index).and_then(Option::as_mut).ok_or_else(none)?;
        if !balancer.is_current(balanced, self.now) {
            balancer.look_again(balanced, &mut self.peers, (self.index, self.now));
            self.peers.retain(|_, peer| Rc::strong_count(peer) > 1);
        }
        if balancer.candidates.is_empty() {
            return Err(none());
        }
        let tried = exchange.retried.as_ref().map_or(&[][..], |retried| &retried.tried);
        let mut choice = Choice { hash: None, tried, now: self.now, random: &mut self.random };
        let chosen = balancer.balance.choose(&balancer.candidates, &mut choice);
        balancer.candidates.get(chosen).map(|candidate| candidate.peer.clone()).ok_or_else(none)
    }
}

/// A node gets a call.
pub(super) fn enter(peer: &Peer) {
    let shard = peer.endpoint.shard(peer.worker);
    shard.active.add(1);
    shard.calls.add(1);
}

/// A node has a call no longer.
pub(super) fn release(peer: &Peer, outcome: Outcome) {
    let shard = peer.endpoint.shard(peer.worker);
    shard.active.add(-1);
    shard.failures.add(u64::from(outcome == Outcome::Failure));
}

/// The node that was chosen has the exchange no longer.
pub(super) fn detach(exchange: &mut Exchange, outcome: Outcome) {
    if let Some(peer) = exchange.peer.take() {
        release(&peer, outcome);
    }
}

/// How an exchange that has ended went at its node.
pub(super) fn outcome(exchange: &Exchange) -> Outcome {
    match exchange.cause {
        None => Outcome::Success,
        Some(
            Cause::ConnectFailed
            | Cause::ConnectTimeout
            | Cause::ResponseTimeout
            | Cause::UpstreamReset
            | Cause::UpstreamClosed
            | Cause::UpstreamProtocol
            | Cause::UpstreamCalm
            | Cause::Unprocessed,
        ) => Outcome::Failure,
        Some(_) => Outcome::Unknown,
    }
}
