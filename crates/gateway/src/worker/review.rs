//! Nodes that leave: an operator drains them, or they are in no set any more.
//!
//! Balancing sends them no new calls by itself. What is left to do is done here, when the control plane says that
//! something has changed: calls that wait for such a node go elsewhere, its connections end with their last
//! stream, at once if they have none, and streams have the grace of their upstream, if it has one.

use std::collections::HashSet;

use narrows_wire::Time;

use super::Worker;
use super::judge::{Outcome, detach};
use crate::closes::Close;
use crate::drained::is_at;
use crate::endpoints::Duty;
use crate::exchange::{Exchange, Stage};
use crate::io::Io;
use crate::link::State;
use crate::pool::{Node, Pool};
use crate::slab::Key;
use crate::snapshot::{Snapshot, Targets};
use crate::target::{Host, Target};

/// Where calls go at present, of an upstream: what nodes are compared with.
enum Wanted {
    /// Only there.
    Only(HashSet<(Host, u16)>),
    /// Anywhere but there.
    AllBut(Vec<std::sync::Arc<Target>>),
}

impl<I: Io> Worker<I> {
    /// Lets go of nodes that leave, and takes back those that do not leave after all.
    pub(super) fn review(&mut self) {
        let wanted: Vec<Wanted> = wanted(&self.active.snapshot);
        let leaves = |node: &Node| wanted.get(node.upstream).is_none_or(|w| !w.has(node));
        let leaving: Vec<Key> =
            self.pool.iter().filter(|(_, node)| leaves(node)).map(|(key, _)| key).collect();
        for key in &leaving {
            self.retire_links(*key);
        }
        self.set_graces();
        for key in leaving {
            self.send_elsewhere(key);
        }
    }

    /// The connections of a node take no more calls and end with their last stream.
    fn retire_links(&mut self, node: Key) {
        let links = self.pool.get(node).map(|node| node.links.clone()).unwrap_or_default();
        for key in links {
            let Some(link) = self.links.get_mut(key) else { continue };
            link.retired = true;
            link.ending.leave(Close::Drained);
            match link.state {
                State::Open => self.end_if_unused(key),
                State::Connecting | State::Handshake if link.codec.active_streams() == 0 => {
                    self.lose_link(key, Close::Drained);
                }
                // Calls are on their way already, or it ends anyway.
                State::Connecting | State::Handshake | State::Closing | State::Lingering => {}
            }
        }
    }

    /// Streams to nodes that leave end when the grace is over. One that stays after all takes it back.
    fn set_graces(&mut self) {
        let (now, pool) = (self.now, &self.pool);
        let mut changed = Vec::new();
        for (key, exchange) in self.exchanges.iter_mut() {
            let before = exchange.clocks.drain;
            exchange.clocks.drain = match leaves(exchange, pool) {
                true => before.min(grace_end(exchange, now)),
                false => Time::NEVER,
            };
            if exchange.clocks.drain < before {
                changed.push(key);
            }
        }
        for key in changed {
            self.arm_exchange(key);
        }
    }

    /// Calls that wait for a stream to a node that leaves look for another one.
    fn send_elsewhere(&mut self, node: Key) {
        let waiting = self.pool.get_mut(node).map(|node| std::mem::take(&mut node.waiting));
        let waiting = waiting.unwrap_or_default();
        if let Some(upstream) = self.upstream_of(node) {
            upstream.stats.shard(self.index).pending.add(-(waiting.len() as i64));
        }
        for key in waiting {
            let waits =
                |e: &Exchange| matches!(e.stage, Stage::Queued { node: at, .. } if at == node);
            let Some(exchange) = self.exchanges.get_mut(key).filter(|e| waits(e)) else { continue };
            detach(exchange, Outcome::Unknown, self.now);
            if let Err(failure) = self.locate(key) {
                self.fail(key, failure.cause, failure.detail);
            }
        }
        self.pool.forget_if_unused(node);
    }
}

/// Of each upstream, in their order.
fn wanted(snapshot: &Snapshot) -> Vec<Wanted> {
    let wanted = |targets: &Targets| match targets {
        Targets::Balanced(balanced) => {
            let entries = balanced.endpoints.entries();
            let serving = entries.iter().filter(|entry| entry.endpoint.duty() == Duty::Serving);
            let place = |target: &Target| (target.host.clone(), target.port);
            Wanted::Only(serving.map(|entry| place(&entry.member.target)).collect())
        }
        Targets::Lookup(lookup) => Wanted::AllBut(lookup.drained.targets()),
        Targets::Asked(_) => Wanted::AllBut(Vec::new()),
    };
    snapshot.upstreams.iter().map(|upstream| wanted(&upstream.targets)).collect()
}

/// Whether the node of an exchange is to lose what it has.
fn leaves(exchange: &Exchange, pool: &Pool) -> bool {
    if let Some(peer) = &exchange.peer {
        return peer.endpoint.is_leaving();
    }
    let Some(Targets::Lookup(lookup)) = exchange.upstream().map(|upstream| &upstream.targets)
    else {
        return false;
    };
    let node = exchange.node_leg().and(exchange.node).and_then(|node| pool.get(node));
    node.is_some_and(|node| lookup.drained.holds(node))
}

fn grace_end(exchange: &Exchange, now: Time) -> Time {
    let grace = exchange.upstream().and_then(|upstream| upstream.drain_timeout);
    grace.map_or(Time::NEVER, |grace| now + grace)
}

// === impl Wanted ===

impl Wanted {
    fn has(&self, node: &Node) -> bool {
        match self {
            Self::Only(places) => {
                let address = node.identity.address;
                let by_name = |name: &str| (Host::Name(name.into()), address.port());
                places.contains(&(Host::Ip(address.ip()), address.port()))
                    || node.name.as_deref().is_some_and(|name| places.contains(&by_name(name)))
            }
            Self::AllBut(drained) => !drained.iter().any(|target| is_at(target, node)),
        }
    }
}
