//! The PROXY protocol towards nodes: a new connection begins with whose it is.
//!
//! Only connections that one client has for itself can say so; the configuration sees to that. The header
//! goes out before everything, TLS included (proxy-protocol.txt §2).

use narrows_wire::proxy_protocol::{
    Checksum, Endpoints, Header, Origin, Version, encode_v1, encode_v2,
};

use super::Worker;
use crate::io::Io;
use crate::link::Alpn;
use crate::slab::Key;

impl<I: Io> Worker<I> {
    /// Puts the header before the connection that was just begun for an exchange, if its upstream wants one.
    pub(super) fn announce(&mut self, key: Key, link: Key) {
        let Some(exchange) = self.exchanges.get(key) else { return };
        let Some(version) = exchange.upstream().and_then(|upstream| upstream.announces) else {
            return;
        };
        let mut preamble = Vec::new();
        let Some(client) = self.links.get(exchange.client.link) else { return };
        let ends = Endpoints { source: client.peer, destination: client.local() };
        let origin = Origin::Proxied(ends);
        match version {
            Version::V1 => encode_v1(&origin, &mut preamble),
            Version::V2 => {
                let handshake = client.tls.as_ref().and_then(|tls| tls.handshake.as_ref());
                let authority = handshake.map(|h| &*h.sni).filter(|sni| !sni.is_empty());
                let alpn = handshake.and_then(|handshake| handshake.alpn.name());
                let header = Header { version, origin, alpn, authority };
                encode_v2(&header, Checksum::Present, &mut preamble);
            }
        }
        if let Some(link) = self.links.get_mut(link) {
            link.preamble = preamble;
        }
    }
}

// === impl Alpn ===

impl Alpn {
    /// Its name on the wire (RFC 7301 §6).
    const fn name(self) -> Option<&'static [u8]> {
        match self {
            Self::H2 => Some(b"h2"),
            Self::Http1 => Some(b"http/1.1"),
            Self::None => None,
        }
    }
}
