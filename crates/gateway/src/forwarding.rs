//! What a hop does to the fields of a request and of its reply (RFC 9110 §7.6).
//!
//! Fields that tell of the way so far are believed only from peers that the configuration trusts, and
//! replaced otherwise; what would tell of our inside is taken out of replies. Fields of one connection
//! never get here: the engines of `wire` leave them out of a head or refuse it. Pure functions on a [`Head`]: time and randomness come in with [`Arrival`]. Most calls need
//! nothing of it, so [`Forwarding::look`] finds that out in one pass over the names, without a value.
//! The files of `forwarding/` have a rule each: `client`, `trail`, `ids`, `reply`.

use std::net::{IpAddr, SocketAddr};

use narrows_wire::{Head, Indexing, Name};

use crate::snapshot::Networks;

mod client;
mod ids;
mod reply;
mod trail;

#[cfg(test)]
mod tests;

pub use client::HOPS_MAX;
pub use ids::REQUEST_ID_BYTES_MAX;
pub use reply::Departure;

/// A field that tells of the way of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trail {
    /// `x-forwarded-for`: the addresses of the client and of each proxy but the last.
    XForwardedFor,
    /// `x-forwarded-proto`: `http` or `https`, as the client spoke it.
    XForwardedProto,
    /// `x-forwarded-host`: the authority that the client asked for.
    XForwardedHost,
    /// `x-forwarded-port`: the port that the client connected to.
    XForwardedPort,
    /// `x-real-ip`: the address of the client.
    XRealIp,
    /// `forwarded` (RFC 7239), with `for`, `host`, and `proto`.
    Forwarded,
}

/// What happens to `x-request-id`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RequestIds {
    /// It goes on as it came, or not at all.
    #[default]
    Pass,
    /// It is made where there is none.
    Fill,
    /// It is made where there is none, and where it came from a peer that is not trusted.
    Replace,
}

/// What happens to `traceparent` (W3C Trace Context).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Traces {
    /// It goes on as it came, or not at all.
    #[default]
    Pass,
    /// A trace begins here where there is none.
    Begin,
}

/// What happens to `server` of a reply.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ServerField {
    /// It goes on as it came.
    #[default]
    Pass,
    /// It is removed.
    Remove,
    /// It is replaced, or added.
    Replace(Box<str>),
}

/// What kind of request it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// gRPC, by its `content-type`.
    Grpc,
    /// Any other.
    Other,
}

/// Which requests fields are added to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AddTo {
    /// All but gRPC, whose servers hardly ever read them.
    #[default]
    NotGrpc,
    /// All.
    All,
}

/// Whether the client is told the `x-request-id` of its request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Echo {
    /// It is not.
    #[default]
    Off,
    /// It is.
    On,
}

/// What is done, as configured.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// Peers whose fields are believed.
    pub trusted: Networks,
    /// So many proxies before us are believed, whatever their addresses.
    pub trusted_hops: u32,
    /// The fields that are added.
    pub add: Vec<Trail>,
    /// To which requests.
    pub add_to: AddTo,
    /// Our name in `via`; `None`: it is left as it came.
    pub via: Option<Box<str>>,
    /// What happens to `x-request-id`.
    pub request_ids: RequestIds,
    /// Whether replies carry it.
    pub echo: Echo,
    /// What happens to `traceparent`.
    pub traces: Traces,
    /// What happens to `server`.
    pub server: ServerField,
}

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

// === impl Rules ===

impl Rules {
    fn added_to(&self, kind: Kind) -> &[Trail] {
        match (self.add_to, kind) {
            (AddTo::NotGrpc, Kind::Grpc) => &[],
            (AddTo::All, Kind::Grpc) | (_, Kind::Other) => &self.add,
        }
    }

    fn trust(&self, peer: IpAddr) -> Trust {
        if self.trusted_hops > 0 || self.trusted.contains(peer) { Trust::Yes } else { Trust::No }
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
