//! A second node for a call that its first one takes long to answer: whoever answers first is heard.
//!
//! Only where the route says so, which knows that a request does no harm twice; only once all of the request is there;
//! and only on a connection that can take it now. The budget of retries counts these calls too.

use std::rc::Rc;

use narrows_wire::Time;
use narrows_wire::codec::{ErrorCode, StreamKey};

use super::Worker;
use super::judge::{Outcome, detach, release};
use crate::balance::Peer;
use crate::exchange::{Leg, Progress, Stage};
use crate::io::Io;
use crate::outlier::Fault;
use crate::slab::Key;
use crate::snapshot::Targets;

/// The second node of a call.
#[derive(Debug)]
pub struct Hedge {
    /// The stream to it.
    pub leg: Leg,
    /// The node.
    pub node: Key,
    /// What was chosen.
    pub peer: Rc<Peer>,
    /// When it was.
    since: Time,
    /// Output bytes of its link when the request was put into it.
    pub(super) sent_mark: u64,
}

/// Which of the two nodes of a call something concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    First,
    Second,
}

impl<I: Io> Worker<I> {
    /// The first node takes long: asks another one as well, if that is possible now.
    pub(super) fn hedge(&mut self, key: Key) {
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        exchange.clocks.hedge = Time::NEVER;
        let is_whole = exchange.request.progress == Progress::Ended && exchange.trailers.is_none();
        if !is_whole || !exchange.is_repeatable() || exchange.hedge.is_some() {
            return;
        }
        let (Stage::Relaying(first), Some(peer)) = (exchange.stage, exchange.peer.clone()) else {
            return;
        };
        exchange.retried.get_or_insert_default().tried.push(peer.clone());
        let Some((second, node)) =
            self.second(key).filter(|(second, _)| !Rc::ptr_eq(second, &peer))
        else {
            return;
        };
        if !self.enter_budget(key) {
            return;
        }
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        exchange.count_attempt();
        let first_node = exchange.node.replace(node);
        let first_mark = exchange.sent_mark;
        let first_flushed = exchange.times.request_flushed;
        let sent = self.link_for(key, node).is_some_and(|link| self.send(key, link).is_ok());
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        exchange.node = first_node;
        exchange.times.request_flushed = first_flushed;
        let sent_mark = std::mem::replace(&mut exchange.sent_mark, first_mark);
        let stage = std::mem::replace(&mut exchange.stage, Stage::Relaying(first));
        if let (true, Stage::Relaying(leg)) = (sent, stage) {
            second.begin();
            exchange.hedge =
                Some(Box::new(Hedge { leg, node, peer: second, since: self.now, sent_mark }));
            if let Some(upstream) = exchange.upstream() {
                upstream.stats.shard(self.index).hedges.add(1);
            }
        }
    }

    /// Another node for a call, if its address is known.
    fn second(&mut self, key: Key) -> Option<(Rc<Peer>, Key)> {
        let exchange = self.exchanges.get(key)?;
        let (active, index) = (exchange.active.clone(), exchange.upstream);
        let upstream = active.snapshot.upstreams.get(index)?;
        let Targets::Balanced(balanced) = &upstream.targets else { return None };
        if balanced.rules.sticky.is_some() {
            return None; // A session has one node.
        }
        let peer = self.choose(key, index, balanced).ok()?;
        let target = &peer.endpoint.target;
        let address = self.address_of(target, key)?;
        let node = self.node_at(index, upstream, target, address).ok()?;
        Some((peer, node))
    }

    /// A connection to the node that takes a call at once.
    fn link_for(&mut self, key: Key, node: Key) -> Option<Key> {
        let link = match self.link_with_room(node) {
            Some(link) => link,
            None => self.connect(key, node, 1).ok()??,
        };
        (!self.is_undecided(link)).then_some(link)
    }

    /// One of the two nodes of a call begins its reply: the other one is not needed any more.
    pub(super) fn settle_hedge(&mut self, key: Key, from: (Key, StreamKey)) {
        match self.hedged_side(key, from.0) {
            Some(Side::First) => self.drop_second(key, Some(ErrorCode::CANCEL)),
            Some(Side::Second) => self.drop_first(key, Some(ErrorCode::CANCEL)),
            None => {}
        }
    }

    /// One of the two nodes of a call fails it: the other one may still answer. `false`: there is no other.
    /// `open`: the stream still goes on and is to be reset.
    pub(super) fn lose_hedged(&mut self, key: Key, link: Key, open: Option<ErrorCode>) -> bool {
        match self.hedged_side(key, link) {
            Some(Side::First) => self.drop_first(key, open),
            Some(Side::Second) => self.drop_second(key, open),
            None => return false,
        }
        true
    }

    fn hedged_side(&self, key: Key, link: Key) -> Option<Side> {
        let exchange = self.exchanges.get(key)?;
        let hedge = exchange.hedge.as_ref()?;
        let is_first = || exchange.node_leg().is_some_and(|leg| leg.link == link);
        match hedge.leg.link == link {
            true => Some(Side::Second),
            false => is_first().then_some(Side::First),
        }
    }

    /// The second node takes the place of the first.
    fn drop_first(&mut self, key: Key, open: Option<ErrorCode>) {
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        let Some(hedge) = exchange.hedge.take() else { return };
        let first = exchange.node_leg();
        if let (Some(peer), true) = (&exchange.peer, open.is_some()) {
            // It would have taken at least as long.
            peer.on_reply(self.now.since(exchange.times.chosen), self.now);
        }
        detach(exchange, lost(open), self.now);
        exchange.stage = Stage::Relaying(hedge.leg);
        exchange.node = Some(hedge.node);
        exchange.sent_mark = hedge.sent_mark;
        exchange.peer = Some(hedge.peer);
        exchange.times.chosen = hedge.since;
        if let Some(first) = first {
            if let Some(code) = open {
                self.reset_stream(first.link, first.stream, code);
            }
            self.free_link(first.link);
        }
    }

    /// The second node of a call, if it has one, is not needed any more, or has failed it.
    pub(super) fn drop_second(&mut self, key: Key, open: Option<ErrorCode>) {
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        let Some(hedge) = exchange.hedge.take() else { return };
        release(exchange, &hedge.peer, lost(open), self.now);
        if let Some(code) = open {
            self.reset_stream(hedge.leg.link, hedge.leg.stream, code);
        }
        self.free_link(hedge.leg.link);
    }
}

/// What it says of a node that it loses a call: nothing, if we end it.
fn lost(open: Option<ErrorCode>) -> Outcome {
    match open {
        Some(_) => Outcome::Unknown,
        None => Outcome::Failure(Fault::Reset),
    }
}
