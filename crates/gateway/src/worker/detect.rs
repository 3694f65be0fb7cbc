//! What a new connection speaks: told by the listener, by ALPN, or by its first bytes.
//!
//! Until it is known the link has no engine, and what has come is kept as it is. HTTP/2 with prior knowledge
//! begins with a preface that no other protocol can begin with (RFC 9113 §3.4). On a listener for any bytes the
//! ClientHello tells the route, if there are rules for it. Before all of that a header of the PROXY protocol may
//! say whose connection it is.

use narrows_wire::client_hello::Peek;
use narrows_wire::codec::{End, Role};
use narrows_wire::proxy_protocol::{self, Origin, Progress};
use narrows_wire::{Time, h1, h2, raw};
use tracing::debug;

use super::Worker;
use crate::closes::Close;
use crate::io::Io;
use crate::link::{Alpn, Codec, Side, State};
use crate::passthrough::Passthrough;
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
        let listener = listener.clone();
        let codec = match listener.accepts {
            Accepts::Http | Accepts::Forward(_) => listener.codec_for(input, self.now),
            Accepts::Bytes(_) => self.find_passthrough(key, &listener, input),
        };
        let Some(codec) = codec else { return false };
        let Some(link) = self.links.get_mut(key) else { return false };
        link.codec = codec;
        self.on_open(key);
        true
    }

    /// A connection that need not be seen: perhaps it is the node that speaks first.
    pub(super) fn settle_without_input(&mut self, key: Key) {
        let Some(link) = self.links.get(key) else { return };
        if link.state == State::Open && !link.awaits_proxy_header && !link.codec.is_known() {
            self.is_known(key, &[]);
            self.mark_dirty(key);
        }
    }

    /// The engine of a listener for any bytes, once the route is known.
    fn find_passthrough(&mut self, key: Key, listener: &Listener, input: &[u8]) -> Option<Codec> {
        let active = self.active.clone();
        let none = Passthrough::default();
        let rules = active.snapshot.passthrough(&listener.name).unwrap_or(&none);
        let link = self.links.get_mut(key)?;
        // Whoever ends the TLS here has seen the hello already.
        if rules.rules.is_empty() || link.tls.is_some() {
            link.route = rules.find(None);
            return Some(opaque(Role::Server));
        }
        let Codec::Unknown(unknown) = &mut link.codec else { return None };
        let news = input.get(unknown.seen..).unwrap_or_default();
        unknown.seen = input.len();
        let hello = match unknown.hello.feed(news) {
            Ok(Peek::NeedMore) => return None,
            Ok(Peek::NotTls) => None,
            Ok(Peek::Hello(hello)) => Some(hello),
            Err(fault) => {
                debug!(peer = %link.peer, %fault, "no TLS that can be routed");
                self.lose_link(key, Close::Protocol);
                return None;
            }
        };
        link.route = rules.find(hello.as_ref());
        Some(opaque(Role::Server))
    }

    /// Whether a client that began in HTTP/1.1 has asked to go on in HTTP/2, which it does from here on. Its
    /// request becomes the first stream (RFC 7540 §3.2).
    pub(super) fn goes_on_in_http2(&mut self, key: Key) -> bool {
        let Some(link) = self.links.get_mut(key) else { return false };
        let (Codec::H1(h1), Side::Downstream(listener)) = (&mut link.codec, &link.side) else {
            return false;
        };
        let Some(mut switch) = h1.take_h2c() else { return false };
        let limits = listener.h2.clone();
        match h2::Connection::upgraded(limits, &switch.settings, switch.output, self.now) {
            Ok((connection, stream)) => {
                link.codec = Codec::H2(connection);
                self.on_request(key, stream, End::Stream, &mut switch.head);
                true
            }
            Err(error) => {
                debug!(peer = %link.peer, %error, "no HTTP/2 with these settings");
                self.lose_link(key, Close::Protocol);
                false
            }
        }
    }

    /// Takes the header of the PROXY protocol, and what follows it.
    pub(super) fn take_proxy_header(&mut self, key: Key, wire: &[u8]) {
        let Some(link) = self.links.get_mut(key) else { return };
        let mut all = std::mem::take(&mut link.kept);
        all.extend_from_slice(wire);
        match proxy_protocol::parse(&all) {
            Ok(Progress::NeedMore) => link.kept = all,
            Ok(Progress::Parsed { consumed, header }) => {
                if let Origin::Proxied(ends) = header.origin {
                    link.peer = ends.source;
                    link.proxied_to = Some(ends.destination);
                }
                link.awaits_proxy_header = false;
                if !self.let_in(key) {
                    return;
                }
                self.settle_without_input(key);
                self.take_input(key, all.get(consumed..).unwrap_or_default());
            }
            Err(fault) => {
                debug!(peer = %link.peer, %fault, "no PROXY header");
                self.lose_link(key, Close::Protocol);
            }
        }
    }
}

// === impl Listener ===

impl Listener {
    /// The engine for an HTTP connection that begins with these bytes, if they tell.
    fn codec_for(&self, input: &[u8], now: Time) -> Option<Codec> {
        let first = input.len().min(h2::PREFACE.len());
        match h2::PREFACE.starts_with(input.get(..first)?) {
            false => Some(self.h1(now)),
            true if first == h2::PREFACE.len() => Some(self.h2(now)),
            true => None,
        }
    }

    /// The engine for a client that agreed on this by ALPN, if that tells.
    pub(super) fn codec_by_alpn(&self, alpn: Alpn, now: Time) -> Option<Codec> {
        match (&self.accepts, alpn) {
            (Accepts::Bytes(_), _) | (_, Alpn::None) => None,
            (Accepts::Http | Accepts::Forward(_), Alpn::H2) => Some(self.h2(now)),
            (Accepts::Http | Accepts::Forward(_), Alpn::Http1) => Some(self.h1(now)),
        }
    }

    /// The engine for a client that speaks HTTP/1.
    fn h1(&self, now: Time) -> Codec {
        let scheme = scheme(self.tls.is_some());
        Codec::H1(h1::Connection::new(Role::Server, scheme, self.h1.clone(), 0, now))
    }

    /// The engine for a client that speaks HTTP/2.
    fn h2(&self, now: Time) -> Codec {
        Codec::H2(h2::Connection::new(Role::Server, self.h2.clone(), now))
    }
}

// === impl Upstream ===

impl Upstream {
    /// The engine for a new connection to a node; `seed`: another one for each connection.
    pub(super) fn codec(&self, seed: u64, now: Time) -> Codec {
        match self.protocol.speaks {
            Speaks::Http2 => self.h2(now),
            Speaks::Http1 => self.h1(seed, now),
            Speaks::Bytes => opaque(Role::Client),
            Speaks::Either => Codec::unknown(),
        }
    }

    /// Whether a node may have agreed on this by ALPN. One without ALPN is taken at its word: it speaks as
    /// is expected of it, or is told off by the engine.
    pub(super) fn is_spoken(&self, alpn: Alpn) -> bool {
        match (self.protocol.speaks, alpn) {
            (Speaks::Http2, Alpn::Http1) | (Speaks::Http1, Alpn::H2) => false,
            (Speaks::Http2 | Speaks::Http1 | Speaks::Either | Speaks::Bytes, _) => true,
        }
    }

    /// The engine that a node picked by ALPN, where it had the choice.
    pub(super) fn picked(&self, alpn: Alpn, seed: u64, now: Time) -> Option<Codec> {
        match (self.protocol.speaks, alpn) {
            (Speaks::Either, Alpn::H2) => Some(self.h2(now)),
            // A node without ALPN knows nothing newer.
            (Speaks::Either, Alpn::Http1 | Alpn::None) => Some(self.h1(seed, now)),
            (Speaks::Http2 | Speaks::Http1 | Speaks::Bytes, _) => None,
        }
    }

    fn h2(&self, now: Time) -> Codec {
        Codec::H2(h2::Connection::new(Role::Client, self.h2.clone(), now))
    }

    fn h1(&self, seed: u64, now: Time) -> Codec {
        let scheme = scheme(self.protocol.tls.is_some());
        Codec::H1(h1::Connection::new(Role::Client, scheme, self.h1.clone(), seed, now))
    }
}

fn scheme(is_secure: bool) -> h1::Scheme {
    if is_secure { h1::Scheme::Https } else { h1::Scheme::Http }
}

fn opaque(role: Role) -> Codec {
    Codec::Raw(raw::Connection::new(role, raw::Limits::default()))
}
