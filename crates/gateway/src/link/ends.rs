//! A link in words: who is at its other end, where it connected to, and what is spoken on it.

use std::net::SocketAddr;

use super::{Codec, Link, Side};
use crate::forwarding::{Encryption, Forwarding, Peer};
use crate::io::Socket;
use crate::snapshot::Accepts;

impl<S: Socket> Link<S> {
    /// What becomes of the fields of requests that come on it, if any do.
    pub fn forwarding(&self) -> Option<&Forwarding> {
        match &self.side {
            Side::Downstream(listener) => match listener.accepts {
                Accepts::Http => Some(&listener.forwarding),
                // A forward proxy does not tell the outside who is inside.
                Accepts::Bytes(_) | Accepts::Forward(_) => None,
            },
            Side::Upstream(_) => None,
        }
    }

    /// Where a client connected to.
    pub fn local(&self) -> SocketAddr {
        let known = self.proxied_to.or_else(|| self.socket.local());
        known.unwrap_or_else(|| match &self.side {
            Side::Downstream(listener) => listener.address,
            Side::Upstream(_) => self.peer,
        })
    }

    /// What is spoken on it, in the words of the configuration; not before it is known.
    pub fn spoken(&self) -> &'static str {
        match (&self.codec, &self.tls) {
            (Codec::H2(_), Some(_)) => "h2",
            (Codec::H2(_), None) => "h2c",
            (Codec::H1(_), _) => "http/1.1",
            (Codec::Raw(_), Some(_)) => "tls",
            (Codec::Raw(_), None) => "tcp",
            (Codec::Unknown(_), _) => "detecting",
        }
    }

    /// As [`Link::forwarding`], with the other end in the words of fields.
    pub fn hop(&mut self) -> Option<(&Forwarding, &Peer)> {
        self.forwarding()?;
        let encryption = if self.tls.is_some() { Encryption::Tls } else { Encryption::Clear };
        let (peer, local) = (self.peer, self.local());
        self.named.get_or_insert_with(|| Box::new(Peer::new(peer, local, encryption)));
        Some((self.forwarding()?, self.named.as_deref()?))
    }
}
