//! Both ends of a link in the words of fields: who is there, and where it connected to.

use std::net::SocketAddr;

use super::{Link, Side};
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

    /// As [`Link::forwarding`], with the other end in the words of fields.
    pub fn hop(&mut self) -> Option<(&Forwarding, &Peer)> {
        self.forwarding()?;
        let encryption = if self.tls.is_some() { Encryption::Tls } else { Encryption::Clear };
        let (peer, local) = (self.peer, self.local());
        self.named.get_or_insert_with(|| Box::new(Peer::new(peer, local, encryption)));
        Some((self.forwarding()?, self.named.as_deref()?))
    }
}
