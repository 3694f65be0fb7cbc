//! The header rules of a listener (`forwarding.rs`), at their two places in the life of an exchange.
//!
//! A request is rewritten before anything else reads its fields: whose it is decides about routes, keys of
//! lookups, and the log. A reply is rewritten as it comes from the node or is made here, before stages see
//! it. Most gRPC calls need nothing of it and pay for a look at the names.

use narrows_wire::Head;

use super::Worker;
use crate::clock;
use crate::exchange::Exchange;
use crate::forwarding::{Arrival, Departure, Kind, Version};
use crate::io::{Io, Socket};
use crate::link::{Codec, Link};
use crate::slab::Key;

impl<I: Io> Worker<I> {
    /// Does to a request what its listener says, and learns whose it is.
    #[inline]
    pub(super) fn on_arrival(&mut self, key: Key) {
        let Some(exchange) = self.exchanges.get(key) else { return };
        let kind = if exchange.is_grpc { Kind::Grpc } else { Kind::Other };
        let Some(link) = self.links.get(exchange.client.link) else { return };
        let rules = link.forwarding();
        if rules.is_some_and(|rules| rules.look(&exchange.head, kind).is_needed()) {
            self.rewrite_request(key, kind);
        }
    }

    fn rewrite_request(&mut self, key: Key, kind: Kind) {
        let unix_millis = clock::unix(self.now).as_millis() as u64;
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        let Some(link) = self.links.get_mut(exchange.client.link) else { return };
        let version = link.codec.received_version();
        let Some((rules, peer)) = link.hop() else { return };
        let random = &mut self.random;
        let mut arrival = Arrival {
            peer,
            version,
            kind,
            unix_millis,
            random: &mut || random.next_u128(),
            scratch: &mut self.scratch,
        };
        exchange.source = rules.on_request(&mut exchange.head, &mut arrival);
    }

    /// Does to a reply what the listener of its request says. `from`: the link of the node that it came on.
    #[inline]
    pub(super) fn on_departure(&mut self, key: Key, from: Key, head: &mut Head) {
        let Some(exchange) = self.exchanges.get(key) else { return };
        if let Some(id) = exchange.session.as_ref().and_then(|session| session.made.as_deref()) {
            self.set_cookie(exchange, id, head);
        }
        let Some(link) = self.links.get(exchange.client.link) else { return };
        if link.forwarding().is_some_and(|rules| rules.look_at_reply(head).is_needed()) {
            self.rewrite_reply(key, from, head);
        }
    }

    fn rewrite_reply(&mut self, key: Key, from: Key, head: &mut Head) {
        let version = self.links.get(from).map_or(Version::Http2, |l| l.codec.received_version());
        let Some(exchange) = self.exchanges.get(key) else { return };
        let node = exchange.node.and_then(|node| self.pool.get(node));
        let Some(link) = self.links.get_mut(exchange.client.link) else { return };
        let Some((rules, peer)) = link.hop() else { return };
        let mut departure = Departure {
            request: &exchange.head,
            peer,
            node: node.map(|node| node.identity.address),
            node_name: node.and_then(|node| node.name.as_deref()),
            version,
            scratch: &mut self.scratch,
        };
        rules.on_reply(head, &mut departure);
    }
}

/// Does to a reply that is made here what the listener of its request says.
pub(super) fn sign<S: Socket>(
    exchange: &Exchange,
    link: &mut Link<S>,
    head: &mut Head,
    scratch: &mut Vec<u8>,
) {
    if !link.forwarding().is_some_and(|rules| rules.look_at_reply(head).is_needed()) {
        return;
    }
    let version = link.codec.received_version();
    let Some((rules, peer)) = link.hop() else { return };
    let request = &exchange.head;
    let mut departure = Departure { request, peer, node: None, node_name: None, version, scratch };
    rules.on_reply(head, &mut departure);
}

// === impl Codec ===

impl Codec {
    /// In which version the present message came.
    fn received_version(&self) -> Version {
        match self {
            Self::H1(h1) if h1.is_old_request() => Version::Http10,
            Self::H1(_) => Version::Http11,
            Self::H2(_) | Self::Raw(_) | Self::Unknown(_) => Version::Http2,
        }
    }
}
