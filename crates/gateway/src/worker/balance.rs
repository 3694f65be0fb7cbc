//! Choosing the node of a call: keeps the candidates of each balanced upstream up to date, and the books of who has
//! which call.
//!
//! A set tells by its version that something has changed; until then a choice costs no more than the way of
//! balancing itself.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use narrows_wire::Time;

use super::failure::Failure;
use super::judge::{Outcome, detach};
use super::warmth::Warmth;
use super::{Active, Fast, Worker};
use crate::balance::{Balance, Balanced, Candidate, Choice, Fallback, Level, Panic, Peer, Subset};
use crate::endpoints::Entry;
use crate::io::Io;
use crate::reply::Cause;
use crate::route::Request;
use crate::slab::Key;
use crate::snapshot::{Targets, Upstream};
use crate::target::Target;

/// Chooses among the nodes of an upstream, for one configuration.
#[derive(Debug)]
pub(super) struct Balancer {
    /// All nodes that take calls.
    all: Group,
    /// All nodes of the set, where sessions stick to them.
    known: Vec<Rc<Peer>>,
    /// Those of each subset, by its name.
    subsets: BTreeMap<Box<[u8]>, Group>,
    /// Where those begin that take turns.
    start: u64,
    /// The version of the set that the candidates are from.
    seen: Option<u64>,
    /// When the candidates are no longer what they should be, whatever the version is.
    stale_at: Time,
}

/// Nodes among which one is chosen.
#[derive(Debug)]
struct Group {
    balance: Box<dyn Balance>,
    candidates: Vec<Candidate>,
    panic: Panic,
    /// Whether `balance` knows the candidates. It is told with the first call: many subsets never have one.
    is_told: bool,
}

/// A member of the set, and what it would be as a candidate.
type Member<'a> = (&'a Entry, Candidate);

/// The endpoints that this worker knows, by identity.
pub(super) type Peers = HashMap<usize, Rc<Peer>, Fast>;

// === impl Balancer ===

impl Balancer {
    /// What chooses for this upstream; `None` if its nodes are found in another way.
    pub(super) fn of(upstream: &Upstream, start: u64) -> Option<Self> {
        let Targets::Balanced(balanced) = &upstream.targets else { return None };
        Some(Self {
            all: Group::new(balanced, start),
            known: Vec::new(),
            subsets: BTreeMap::new(),
            start,
            seen: None,
            stale_at: Time::ZERO,
        })
    }

    /// Finds the candidates anew if anything has changed.
    pub(super) fn refresh(
        &mut self,
        balanced: &Balanced,
        peers: &mut Peers,
        (worker, now): (usize, Time),
    ) {
        if !self.is_current(balanced, now) {
            self.look_again(balanced, peers, (worker, now));
            peers.retain(|_, peer| Rc::strong_count(peer) > 1);
        }
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
        let entries = balanced.endpoints.entries();
        let warmth = Warmth::of(balanced, &entries, now);
        self.stale_at = self.stale_at.min(warmth.next_look());
        let mut members: Vec<Member<'_>> = Vec::with_capacity(entries.len());
        let mut first = entries.iter().find_map(|entry| peers.get(&identity(entry)).cloned());
        for entry in entries.iter() {
            let ejected_until = entry.endpoint.ejected_until();
            if now < ejected_until {
                self.stale_at = self.stale_at.min(ejected_until);
            }
            let mut candidate = candidate(entry, peers, first.as_deref(), worker);
            candidate.weight = warmth.weight(entry, candidate.weight);
            first.get_or_insert_with(|| candidate.peer.clone());
            members.push((entry, candidate));
        }
        self.all.take(balanced, members.iter(), now);
        self.known.clear();
        if balanced.rules.sticky.is_some() {
            self.known.extend(members.iter().map(|(_, candidate)| candidate.peer.clone()));
        }
        if let Some(subset) = &balanced.rules.subset {
            self.divide(balanced, subset, &members, now);
        }
    }

    /// Finds the candidates of each subset.
    fn divide(&mut self, balanced: &Balanced, subset: &Subset, members: &[Member<'_>], now: Time) {
        let mut parts = BTreeMap::<Box<[u8]>, Vec<&Member<'_>>>::new();
        for member in members {
            if let Some(name) = subset.of(&member.0.member) {
                parts.entry(name).or_default().push(member);
            }
        }
        self.subsets.retain(|name, _| parts.contains_key(name));
        for (name, part) in parts {
            let group =
                self.subsets.entry(name).or_insert_with(|| Group::new(balanced, self.start));
            group.take(balanced, part.into_iter(), now);
        }
    }

    /// The nodes that a call may go to; `None`: there is none.
    fn group(&mut self, balanced: &Balanced, subset: Option<&[u8]>) -> Option<&mut Group> {
        let group = match (&balanced.rules.subset, subset) {
            (None, _) => &mut self.all,
            (Some(rules), subset) => {
                let found = subset.and_then(|name| self.subsets.get_mut(name));
                match (found.filter(|group| !group.candidates.is_empty()), rules.fallback) {
                    (Some(group), _) => group,
                    (None, Fallback::Any) => &mut self.all,
                    (None, Fallback::None) => return None,
                }
            }
        };
        (!group.candidates.is_empty()).then_some(group)
    }

    /// The node with this target, if it may have new calls: as long as it is in service, of whatever level.
    pub(super) fn pinned(&self, target: &Target, now: Time) -> Option<Rc<Peer>> {
        let peer = self.known.iter().find(|peer| *peer.endpoint.target == *target)?;
        let takes_calls = || self.all.candidates.iter().any(|it| Rc::ptr_eq(&it.peer, peer));
        (peer.endpoint.is_in_service(now) || takes_calls()).then(|| peer.clone())
    }

    /// A call has failed at a node.
    #[cold]
    fn on_failure(&mut self, peer: &Rc<Peer>) {
        for group in self.subsets.values_mut().chain([&mut self.all]).filter(|it| it.is_told) {
            let is_it = |candidate: &Candidate| Rc::ptr_eq(&candidate.peer, peer);
            if let Some(at) = group.candidates.iter().position(is_it) {
                group.balance.on_failure(at);
            }
        }
    }
}

// === impl Group ===

impl Group {
    fn new(balanced: &Balanced, start: u64) -> Self {
        let balance = balanced.policy.balance(&balanced.rules.tables, start);
        Self { balance, candidates: Vec::new(), panic: Panic::No, is_told: false }
    }

    /// From now on its candidates are those of these members that take calls.
    fn take<'a>(
        &mut self,
        balanced: &Balanced,
        members: impl Iterator<Item = &'a Member<'a>> + Clone,
        now: Time,
    ) {
        self.candidates.clear();
        self.is_told = false;
        let entries = members.clone().map(|(entry, _)| *entry);
        if let Some(level) = Level::of(entries, balanced.rules.panic_percent, now) {
            self.panic = level.panic;
            let taking = members.filter(|(entry, _)| level.takes(entry, now));
            self.candidates.extend(taking.map(|(_, candidate)| candidate.clone()));
        }
    }

    fn choose(&mut self, choice: &mut Choice<'_>) -> Option<&Candidate> {
        if !self.is_told {
            self.balance.update(&self.candidates);
            self.is_told = true;
        }
        let chosen = self.balance.choose(&self.candidates, choice);
        self.candidates.get(chosen)
    }
}

fn identity(entry: &Entry) -> usize {
    Arc::as_ptr(&entry.endpoint) as usize
}

/// What a member is as a candidate; `first` is one of the set that is known already.
fn candidate(entry: &Entry, peers: &mut Peers, first: Option<&Peer>, worker: usize) -> Candidate {
    let new = || match first {
        Some(first) => Rc::new(first.beside(entry.endpoint.clone())),
        None => Rc::new(Peer::new(entry.endpoint.clone(), worker)),
    };
    let peer = peers.entry(identity(entry)).or_insert_with(new).clone();
    Candidate { peer, weight: entry.endpoint.weight().unwrap_or(entry.member.weight) }
}

// === impl Active ===

impl Active {
    /// A call has failed at a node of an upstream.
    pub(super) fn on_failure(&self, upstream: usize, peer: &Rc<Peer>) {
        let mut balancers = self.balancers.borrow_mut();
        if let Some(Some(balancer)) = balancers.get_mut(upstream) {
            balancer.on_failure(peer);
        }
    }
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
        self.go_to_peer(key, peer)
    }

    /// Sends the exchange to a node of a set.
    pub(super) fn go_to_peer(&mut self, key: Key, peer: Rc<Peer>) -> Result<(), Failure> {
        let target = peer.endpoint.target.clone();
        if let Some(exchange) = self.exchanges.get_mut(key) {
            detach(exchange, Outcome::Unknown, self.now);
            peer.begin();
            exchange.peer = Some(peer);
            exchange.times.chosen = self.now;
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
        let exchange = self.exchanges.get(key).ok_or_else(none)?;
        let active = exchange.active.clone();
        let mut balancers = active.balancers.borrow_mut();
        let balancer = balancers.get_mut(index).and_then(Option::as_mut).ok_or_else(none)?;
        balancer.refresh(balanced, &mut self.peers, (self.index, self.now));
        let request = Request { head: &exchange.head, source: exchange.source };
        let hash = balanced.hash(&request, &mut self.lookup_key);
        let subset = balanced
            .rules
            .subset
            .as_ref()
            .filter(|subset| subset.asked(&request, &mut self.lookup_key, &mut self.scratch));
        let subset = subset.map(|_| self.scratch.as_slice());
        let group = balancer.group(balanced, subset).ok_or_else(none)?;
        let tried = exchange.retried.as_ref().map_or(&[][..], |retried| &retried.tried);
        if group.panic == Panic::Yes
            && let Some(upstream) = active.snapshot.upstreams.get(index)
        {
            upstream.stats.shard(self.index).panic_calls.add(1);
        }
        let mut choice = Choice { hash, tried, now: self.now, random: &mut self.random };
        group.choose(&mut choice).map(|candidate| candidate.peer.clone()).ok_or_else(none)
    }
}
