//! Connections to nodes, kept warm: one pool per worker.
//!
//! A node is an address of an upstream, spoken to in one way (TLS identity or none). Calls fill the first of
//! its connections up to the peer's limit of streams, then the next: few connections, well filled, is where
//! batching comes from. When all are full and no more may be opened, calls wait in order.
//! Invariant: a node without connections and without waiting calls is forgotten.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

use narrows_wire::Time;

use crate::slab::{Key, Slab};
use crate::snapshot::{ClientTls, Speaks};

/// Streams that are put on a connection before its peer has told its limit (RFC 9113 §6.5.2 recommends that
/// peers take no fewer).
pub const STREAMS_ASSUMED: u32 = 100;

/// Nodes whose complaints of too many PINGs are remembered, the last ones.
const COMPLAINERS_MAX: usize = 256;

/// What tells nodes apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The name of the upstream.
    pub upstream: Arc<str>,
    /// The address.
    pub address: SocketAddr,
    /// What is spoken.
    pub speaks: Speaks,
    /// The TLS configuration (by identity) and the name that certificates must carry.
    pub tls: Option<(usize, String)>,
}

/// An address that calls go to.
#[derive(Debug)]
pub struct Node {
    /// What tells it from others.
    pub identity: Identity,
    /// The name that its target is written with, if it is not an address.
    pub name: Option<Box<str>>,
    /// TLS towards it.
    pub tls: Option<NodeTls>,
    /// Its connections in the order they were opened.
    pub links: Vec<Key>,
    /// Whether its connections serve one call at a time.
    pub is_exclusive: bool,
    /// Its connections without a call, the last used last; some may be gone. Only if it is exclusive.
    pub idle: Vec<Key>,
    /// Exchanges that wait for a stream, oldest first. Some may be gone.
    pub waiting: VecDeque<Key>,
    /// Streams that a new connection to it is believed to take at once: what an earlier one told.
    pub streams_max: u32,
    /// The index of its upstream in the snapshot it was last used with.
    pub upstream: usize,
}

/// How TLS is spoken to a node.
#[derive(Debug, Clone)]
pub struct NodeTls {
    /// The configuration.
    pub client: Arc<ClientTls>,
    /// The name to ask for and to verify.
    pub name: rustls::pki_types::ServerName<'static>,
}

/// The addresses of a name, as long as they hold.
#[derive(Debug)]
pub struct Resolved {
    /// The addresses.
    pub addresses: Arc<[SocketAddr]>,
    /// Until when.
    pub until: Time,
}

/// The nodes of a worker.
#[derive(Debug, Default)]
pub struct Pool {
    nodes: Slab<Node>,
    by_identity: HashMap<Identity, Key>,
    /// Addresses of names that targets are written with.
    pub names: HashMap<Box<str>, Resolved>,
    /// Who has complained of too many PINGs, and how often, the latest last. A node is forgotten when its connection
    /// ends, as it does for just that.
    complainers: VecDeque<(SocketAddr, u32)>,
}

// === impl Pool ===

impl Pool {
    /// The node with this identity, made if it is not there.
    pub fn node(&mut self, identity: Identity, tls: Option<NodeTls>, upstream: usize) -> Key {
        if let Some(key) = self.by_identity.get(&identity) {
            if let Some(node) = self.nodes.get_mut(*key) {
                node.upstream = upstream;
            }
            return *key;
        }
        let key = self.nodes.insert(Node {
            identity: identity.clone(),
            name: None,
            tls,
            links: Vec::new(),
            is_exclusive: identity.speaks.is_exclusive(),
            idle: Vec::new(),
            waiting: VecDeque::new(),
            streams_max: STREAMS_ASSUMED,
            upstream,
        });
        self.by_identity.insert(identity, key);
        key
    }

    /// A node, if it is still there.
    pub fn get(&self, key: Key) -> Option<&Node> {
        self.nodes.get(key)
    }

    /// A node, if it is still there.
    pub fn get_mut(&mut self, key: Key) -> Option<&mut Node> {
        self.nodes.get_mut(key)
    }

    /// All nodes and their keys.
    pub fn iter(&self) -> impl Iterator<Item = (Key, &Node)> {
        self.nodes.iter()
    }

    /// All nodes.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Node> {
        self.nodes.iter_mut().map(|(_, node)| node)
    }

    /// Forgets the node if it has no connection and nothing waits for one.
    pub fn forget_if_unused(&mut self, key: Key) {
        let unused = |node: &Node| node.links.is_empty() && node.waiting.is_empty();
        if self.nodes.get(key).is_some_and(unused)
            && let Some(node) = self.nodes.remove(key)
        {
            self.by_identity.remove(&node.identity);
        }
    }

    /// How often who is at this address has complained of too many PINGs.
    pub fn complaints(&self, address: SocketAddr) -> u32 {
        let known = self.complainers.iter().find(|(known, _)| *known == address);
        known.map_or(0, |(_, complaints)| *complaints)
    }

    /// Who is at this address complains for so many times by now. Connections that complain of the same are one
    /// complaint.
    pub fn note_complaints(&mut self, address: SocketAddr, complaints: u32) {
        let complaints = complaints.max(self.complaints(address));
        self.complainers.retain(|(known, _)| *known != address);
        if self.complainers.len() == COMPLAINERS_MAX {
            self.complainers.pop_front();
        }
        self.complainers.push_back((address, complaints));
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.by_identity.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_identity.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_complaints_are_remembered() {
        let address = |port: usize| SocketAddr::from(([192, 0, 2, 1], port as u16));
        let mut pool = Pool::default();
        for port in 1..=COMPLAINERS_MAX {
            pool.note_complaints(address(port), 1);
        }
        pool.note_complaints(address(1), 2);
        pool.note_complaints(address(1), 1);
        assert_eq!([1, 2, 3].map(|port| pool.complaints(address(port))), [2, 1, 1]);
        pool.note_complaints(address(COMPLAINERS_MAX + 1), 1);
        assert_eq!([1, 2, 3].map(|port| pool.complaints(address(port))), [2, 0, 1]);
    }
}
