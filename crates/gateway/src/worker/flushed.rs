//! When a request has left for its node, which is when the node's time to reply begins.
//!
//! What goes into the output of a link leaves it at the end of the turn, or much later if the node takes
//! nothing. So the end of each request that has a limit for its reply leaves a mark in its link, and a flush
//! looks which marks it has passed. A link without marks pays a comparison.

use narrows_wire::Time;

use super::Worker;
use crate::exchange::{Exchange, Progress};
use crate::io::Io;
use crate::link::Side;
use crate::slab::Key;
use crate::timeout::{Layers, Timeouts};

impl<I: Io> Worker<I> {
    /// The end of a request is in the output of its link, or waits in its stream behind bytes that are told of
    /// later ([`Worker::on_taken`]).
    pub(super) fn await_flush(&mut self, key: Key) {
        let Some(exchange) = self.exchanges.get(key) else { return };
        if exchange.clocks.response.is_none() || !exchange.request.is_taken() {
            return;
        }
        let Some(leg) = exchange.node_leg() else { return };
        if let Some(link) = self.links.get_mut(leg.link) {
            let mark = link.written + link.codec.output().len() as u64;
            link.unflushed.push_back((mark, key));
        }
    }

    /// All waiting bytes of a direction have gone into the output.
    pub(super) fn on_taken(&mut self, key: Key, is_reply: bool) {
        let Some(exchange) = self.exchanges.get(key) else { return };
        if is_reply {
            // From now on it is the node again that is waited for.
            if exchange.clocks.body.is_some() {
                self.arm_exchange(key);
            }
        } else if exchange.request.progress == Progress::Ended {
            self.await_flush(key);
        }
    }

    /// A link with marks has been written.
    pub(super) fn on_flushed(&mut self, key: Key) {
        while let Some(link) = self.links.get_mut(key)
            && let Some((mark, call)) = link.unflushed.front().copied()
            && mark <= link.written
        {
            link.unflushed.pop_front();
            let Some(exchange) = self.exchanges.get_mut(call) else { continue };
            // It may be elsewhere by now, or have been sent anew on the same link.
            let is_first = exchange.node_leg().is_some_and(|leg| leg.link == key);
            let second = exchange.hedge.as_ref().filter(|hedge| hedge.leg.link == key);
            let sent_mark = match is_first {
                true => Some(exchange.sent_mark),
                false => second.map(|hedge| hedge.sent_mark),
            };
            // Of two nodes the one that has it first is the one that the time is counted from.
            if exchange.times.request_flushed == Time::ZERO
                && sent_mark.is_some_and(|sent_mark| mark > sent_mark)
            {
                exchange.times.request_flushed = self.now;
                self.arm_exchange(call);
            }
        }
    }

    /// What limits the time of an exchange.
    pub(super) fn layers_of<'a>(&'a self, exchange: &'a Exchange) -> Layers<'a> {
        exchange.layers(self.links.get(exchange.client.link).map(|link| &link.side))
    }

    /// How long a call waits for a stream that begins to wait now.
    pub(super) fn acquire_due(&self, key: Key) -> Time {
        let Some(exchange) = self.exchanges.get(key) else { return Time::NEVER };
        self.layers_of(exchange).due(self.now, |place| place.acquire)
    }
}

// === impl Exchange ===

impl Exchange {
    /// What limits its time; `client` is the side of its client's link.
    pub(super) fn layers<'a>(&'a self, client: Option<&'a Side>) -> Layers<'a> {
        const NOTHING: &Timeouts = &Timeouts::NOTHING;
        let listener = match client {
            Some(Side::Downstream(listener)) => &listener.timeouts,
            Some(Side::Upstream(_)) | None => NOTHING,
        };
        let route = self.route().map_or(NOTHING, |route| &route.timeouts);
        let upstream = self.upstream().map_or(NOTHING, |upstream| &upstream.timeouts);
        Layers([route, upstream, listener])
    }
}
