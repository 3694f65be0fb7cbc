//! What a hop does to the fields of a request and of its reply (RFC 9110 §7.6).
//!
//! Fields that tell of the way so far are believed only from peers that the configuration trusts, and
//! replaced otherwise; what would tell of our inside is taken out of replies. Fields of one connection
//! never get here: the engines of `wire` leave them out of a head or refuse it. Pure functions on a
//! [`Head`]: time and randomness come in with [`Arrival`]. Most calls need nothing of it, so
//! [`Forwarding::look`] finds that out in one pass over the names. The files of `forwarding/` have a rule
//! each: `client`, `trail`, `ids`, `reply`; `rules` has what is configured.

use std::net::{IpAddr, SocketAddr};

use narrows_wire::{Head, Indexing, Name};

mod client;
mod ids;
mod reply;
mod rules;
mod trail;

#[cfg(test)]
mod tests;

pub use client::HOPS_MAX;
pub use ids::REQUEST_ID_BYTES_MAX;
pub use reply::Departure;
pub use rules::{AddTo, Echo, Kind, RequestIds, Rules, ServerField, Traces, Trail};

/// The rules of a listener, and which names they look for.
#[derive(Debug, Clone)]
pub struct Forwarding {
    rules: Rules,
    requests: Interest,
    grpc_requests: Interest,
    replies: Interest,
}

/// Which names mean work, by classes.
#[derive(Debug, Clone, Copy, Default)]
struct Interest {
    /// When a field of these is there.
    present: u8,
    /// When no field of these is there.
    absent: u8,
    /// Whatever is there.
    always: u8,
}

/// What a look at the names found to be done: bits of classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work(u8);

/// The client's end of a link, in the words that fields need. Made once for each connection.
#[derive(Debug, Clone)]
pub struct Peer {
    address: IpAddr,
    text: Box<str>,
    port: Box<str>,
    scheme: &'static str,
}

/// How a message came, for `via`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
    /// HTTP/2.
    Http2,
}

/// Whether a client's link is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// In the clear: `http`.
    Clear,
    /// TLS: `https`.
    Tls,
}

/// A request at the moment when it came.
pub struct Arrival<'a> {
    /// Who sent it.
    pub peer: &'a Peer,
    /// In which protocol.
    pub version: Version,
    /// What kind it is.
    pub kind: Kind,
    /// When, in milliseconds since 1970.
    pub unix_millis: u64,
    /// Gives random bits; asked only when an id is made.
    pub random: &'a mut dyn FnMut() -> u128,
    /// Room for values while they are put together.
    pub scratch: &'a mut Vec<u8>,
}

/// Whether what a peer says of others is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    Yes,
    No,
}

/// Classes of names.
const CREDENTIALS: u8 = 1;
const TRAIL: u8 = 2;
const REQUEST_ID: u8 = 4;
const TRACE: u8 = 8;
const SERVER: u8 = 16;
const LOCATION: u8 = 32;
/// What needs no name.
const ADD: u8 = 64;

/// The class of each name, [`Name::Other`] last.
static CLASSES: [u8; Name::KNOWN.len() + 1] = {
    let mut classes = [0; Name::KNOWN.len() + 1];
    let mut at = 0;
    while at < Name::KNOWN.len() {
        classes[at] = class(Name::KNOWN[at]);
        at += 1;
    }
    classes
};

const fn class(name: Name) -> u8 {
    match name {
        // RFC 9110 §11.7: they are for us and from us.
        Name::ProxyAuthorization | Name::ProxyAuthenticate => CREDENTIALS,
        Name::XForwardedFor
        | Name::XForwardedProto
        | Name::XForwardedHost
        | Name::XForwardedPort
        | Name::XRealIp
        | Name::Forwarded => TRAIL,
        Name::XRequestId => REQUEST_ID,
        Name::Traceparent => TRACE,
        Name::Server => SERVER,
        Name::Location | Name::ContentLocation => LOCATION,
        _ => 0,
    }
}

// === impl Forwarding ===

impl Default for Forwarding {
    fn default() -> Self {
        Self::new(Rules::default())
    }
}

impl Forwarding {
    /// Takes the rules.
    pub fn new(rules: Rules) -> Self {
        let requests = Interest::in_requests(&rules, Kind::Other);
        let grpc_requests = Interest::in_requests(&rules, Kind::Grpc);
        let replies = Interest::in_replies(&rules);
        Self { rules, requests, grpc_requests, replies }
    }

    /// Whether anything of a request has to be changed: one pass over the names.
    #[inline]
    pub fn look(&self, head: &Head, kind: Kind) -> Work {
        match kind {
            Kind::Grpc => self.grpc_requests.of(head),
            Kind::Other => self.requests.of(head),
        }
    }

    /// Changes a request as the rules say, and tells whose it is: the address of the client.
    pub fn on_request(&self, head: &mut Head, arrival: &mut Arrival<'_>) -> IpAddr {
        let peer = arrival.peer;
        let work = self.look(head, arrival.kind);
        if !work.is_needed() {
            return peer.address;
        }
        if work.has(CREDENTIALS) {
            head.remove(Name::ProxyAuthorization);
        }
        let trust = self.rules.trust(peer.address);
        let client = match trust {
            Trust::Yes => client::derive(head, peer.address, &self.rules),
            Trust::No => peer.address,
        };
        if work.has(TRAIL | ADD) {
            let add = self.rules.added_to(arrival.kind);
            let trail = if work.has(TRAIL) { trail::Came::Some } else { trail::Came::None };
            trail::rewrite(head, add, (trail, trust), client, arrival);
        }
        ids::rewrite(head, &self.rules, trust, arrival);
        if let Some(name) = &self.rules.via {
            put_via(head, arrival.version, name, arrival.scratch);
        }
        client
    }
}

// === impl Interest ===

impl Interest {
    fn in_requests(rules: &Rules, kind: Kind) -> Self {
        let mut interest = Self { present: CREDENTIALS | TRAIL, absent: 0, always: 0 };
        if !rules.added_to(kind).is_empty() || rules.via.is_some() {
            interest.always |= ADD;
        }
        match rules.request_ids {
            RequestIds::Pass => {}
            RequestIds::Fill => interest.absent |= REQUEST_ID,
            RequestIds::Replace => interest.always |= REQUEST_ID,
        }
        if rules.traces == Traces::Begin {
            interest.absent |= TRACE;
        }
        interest
    }

    fn in_replies(rules: &Rules) -> Self {
        let mut interest = Self { present: CREDENTIALS | LOCATION, absent: 0, always: 0 };
        match rules.server {
            ServerField::Pass => {}
            ServerField::Remove => interest.present |= SERVER,
            ServerField::Replace(_) => interest.always |= SERVER,
        }
        if rules.via.is_some() || rules.echo == Echo::On {
            interest.always |= ADD;
        }
        interest
    }

    #[inline]
    fn of(self, head: &Head) -> Work {
        let mut seen = 0;
        for field in head.fields() {
            seen |= CLASSES[field.name as usize];
        }
        Work((seen & self.present) | (!seen & self.absent) | self.always)
    }
}

// === impl Work ===

impl Work {
    /// Whether there is any.
    #[inline]
    pub const fn is_needed(self) -> bool {
        self.0 != 0
    }

    const fn has(self, classes: u8) -> bool {
        self.0 & classes != 0
    }
}

// === impl Peer ===

impl Peer {
    /// The peer at `address`, as the socket or a PROXY header has it, which connected to `local`.
    pub fn new(address: SocketAddr, local: SocketAddr, encryption: Encryption) -> Self {
        let ip = address.ip().to_canonical();
        let scheme = match encryption {
            Encryption::Clear => "http",
            Encryption::Tls => "https",
        };
        let (text, port) = (ip.to_string().into(), local.port().to_string().into());
        Self { address: ip, text, port, scheme }
    }

    /// Its address; IPv4 is not written as IPv6.
    pub fn address(&self) -> IpAddr {
        self.address
    }
}

// === impl Version ===

impl Version {
    const fn text(self) -> &'static str {
        match self {
            Self::Http10 => "1.0",
            Self::Http11 => "1.1",
            Self::Http2 => "2",
        }
    }
}

/// Names us in `via`, behind those before us (RFC 9110 §7.6.3).
fn put_via(head: &mut Head, version: Version, name: &str, scratch: &mut Vec<u8>) {
    join(head, Name::Via, scratch);
    for part in [version.text(), " ", name] {
        scratch.extend_from_slice(part.as_bytes());
    }
    head.set(Name::Via, scratch, Indexing::MayRepeat);
}

/// Writes all values of a field that is a list into `scratch`, ready for one more member.
fn join(head: &Head, name: Name, scratch: &mut Vec<u8>) {
    scratch.clear();
    let fields = head.fields().iter().filter(|field| field.name == name);
    for value in fields.map(|field| head.value(field)).filter(|value| !value.is_empty()) {
        scratch.extend_from_slice(value);
        scratch.extend_from_slice(b", ");
    }
}

// === impl Arrival ===

impl std::fmt::Debug for Arrival<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Arrival").field("peer", self.peer).finish_non_exhaustive()
    }
}
