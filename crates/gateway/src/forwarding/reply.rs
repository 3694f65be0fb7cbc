//! What a hop does to a reply: nothing in it tells of our inside.

use std::net::{IpAddr, SocketAddr};

use narrows_wire::{Head, Indexing, Name};

use super::{CREDENTIALS, Echo, Forwarding, LOCATION, Peer, SERVER, ServerField, Version, Work};

/// A reply on its way to the client.
#[derive(Debug)]
pub struct Departure<'a> {
    /// The request, as it came.
    pub request: &'a Head,
    /// Who gets it.
    pub peer: &'a Peer,
    /// Where the node is; `None`: the reply is ours.
    pub node: Option<SocketAddr>,
    /// The name of the node, if its target has one.
    pub node_name: Option<&'a str>,
    /// In which protocol the reply came.
    pub version: Version,
    /// Room for values while they are put together.
    pub scratch: &'a mut Vec<u8>,
}

// === impl Forwarding ===

impl Forwarding {
    /// Whether anything of a reply has to be changed.
    #[inline]
    pub fn look_at_reply(&self, head: &Head) -> Work {
        self.replies.of(head)
    }

    /// Changes a reply as the rules say.
    pub fn on_reply(&self, head: &mut Head, departure: &mut Departure<'_>) {
        let work = self.look_at_reply(head);
        if !work.is_needed() {
            return;
        }
        if work.has(CREDENTIALS) {
            head.remove(Name::ProxyAuthenticate);
        }
        if work.has(LOCATION) {
            departure.hide_node(head, Name::Location);
            departure.hide_node(head, Name::ContentLocation);
        }
        if work.has(SERVER) {
            match &self.rules.server {
                ServerField::Pass => {}
                ServerField::Remove => head.remove(Name::Server),
                ServerField::Replace(name) => {
                    head.set(Name::Server, name.as_bytes(), Indexing::MayRepeat);
                }
            }
        }
        if let Some(name) = &self.rules.via {
            super::put_via(head, departure.version, name, departure.scratch);
        }
        if self.rules.echo == Echo::On
            && let Some(id) = departure.request.get(Name::XRequestId)
        {
            head.set(Name::XRequestId, id, Indexing::Unique);
        }
    }
}

// === impl Departure ===

impl Departure<'_> {
    /// A reference to the node itself becomes one to where the client found us.
    fn hide_node(&mut self, head: &mut Head, name: Name) {
        let Some(value) = head.get(name) else { return };
        let Some(rest) = self.behind_node(value) else { return };
        let request = self.request;
        let ours = request.get(Name::Authority).or_else(|| request.get(Name::Host));
        self.scratch.clear();
        // Without a name of ours the path is enough (RFC 9110 §10.2.2: a relative reference).
        if let Some(ours) = ours {
            for part in [self.peer.scheme.as_bytes(), b"://", ours] {
                self.scratch.extend_from_slice(part);
            }
        }
        self.scratch.extend_from_slice(if rest.is_empty() { b"/" } else { rest });
        head.set(name, self.scratch, Indexing::MayRepeat);
    }

    /// What stands behind the authority of an absolute reference to the node.
    fn behind_node<'v>(&self, value: &'v [u8]) -> Option<&'v [u8]> {
        let at = value.windows(3).position(|window| window == b"://")?;
        let (scheme, rest) = (value.get(..at)?, value.get(at + 3..)?);
        let port = match () {
            () if scheme.eq_ignore_ascii_case(b"http") => 80,
            () if scheme.eq_ignore_ascii_case(b"https") => 443,
            () => return None,
        };
        let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#'));
        let (authority, behind) = rest.split_at(end.unwrap_or(rest.len()));
        self.is_node(str::from_utf8(authority).ok()?, port).then_some(behind)
    }

    fn is_node(&self, authority: &str, default_port: u16) -> bool {
        if let Ok(address) = authority.parse::<SocketAddr>() {
            return self.is_address(address.ip(), address.port());
        }
        let bare = authority.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        if let Ok(address) = bare.unwrap_or(authority).parse::<IpAddr>() {
            return self.is_address(address, default_port);
        }
        let (name, port) = match authority.rsplit_once(':') {
            None => (authority, Some(default_port)),
            Some((name, port)) => (name, port.parse().ok()),
        };
        port.is_some()
            && port == self.node.map(|node| node.port())
            && self.node_name.is_some_and(|node| node.eq_ignore_ascii_case(name))
    }

    fn is_address(&self, address: IpAddr, port: u16) -> bool {
        self.node.is_some_and(|node| {
            port == node.port() && address.to_canonical() == node.ip().to_canonical()
        })
    }
}
