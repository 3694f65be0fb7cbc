//! What a new connection speaks: told by the listener, by ALPN, or by its first bytes.
//!
//! Until it is known the link has no engine, and what has come is kept as it is. HTTP/2 with prior knowledge
//! begins with a preface that no other protocol can begin with (RFC 9113 §3.4).

use narrows_wire::codec::Role;
use narrows_wire::{Time, h2, raw};

use super::Worker;
use crate::io::Io;
use crate::link::{Alpn, Codec, Side};
use crate::slab::Key;
use crate::snapshot::{Accepts, Listener, Speaks, Upstream};

impl<I: Io> Worker<I> {
    /// Whether it is known what a link speaks, as far as its first bytes tell.
    pub(super) fn is_known(&mut self, key: Key, input: &[u8]) -> bool {
        let Some(link) = self.links.get_mut(key) else { return false };
        if link.codec.is_known() {
            return true;
        }
        let Side::Downstream(listener) = &link.side else { return false };
        let Some(codec) = listener.codec_for(input, self.now) else { return false };
        link.codec = codec;
        self.on_open(key);
        true
    }
}

// === impl Listener ===

impl Listener {
    /// The engine for a connection that begins with these bytes, if they tell.
    pub(super) fn codec_for(&self, input: &[u8], now: Time) -> Option<Codec> {
        match self.accepts {
            Accepts::Bytes(_) => {
                let limits = raw::Limits::default();
                Some(Codec::Raw(raw::Connection::new(Role::Server, limits)))
            }
            Accepts::Http if input.is_empty() => None,
            Accepts::Http => Some(self.h2(now)),
        }
    }

    /// The engine for a client that agreed on this by ALPN, if that tells.
    pub(super) fn codec_by_alpn(&self, alpn: Alpn, now: Time) -> Option<Codec> {
        match (&self.accepts, alpn) {
            (Accepts::Http, Alpn::H2) => Some(self.h2(now)),
            (Accepts::Http, Alpn::Http1 | Alpn::None) | (Accepts::Bytes(_), _) => {
                self.codec_for(&[], now)
            }
        }
    }

    /// The engine for a client that speaks HTTP/2.
    pub(super) fn h2(&self, now: Time) -> Codec {
        Codec::H2(h2::Connection::new(Role::Server, self.h2.clone(), now))
    }
}

// === impl Upstream ===

impl Upstream {
    /// The engine for a new connection to a node.
    pub(super) fn codec(&self, now: Time) -> Codec {
        match self.protocol.speaks {
            Speaks::Http2 => Codec::H2(h2::Connection::new(Role::Client, self.h2.clone(), now)),
            Speaks::Bytes => Codec::Raw(raw::Connection::new(Role::Client, raw::Limits::default())),
        }
    }
}
