//! Everything that a worker needs to know about the configuration, compiled and immutable.
//!
//! A reload builds a new snapshot beside the old one and hands it to every worker; a call keeps the one it
//! began with. Nothing in it is a string that the hot path would have to parse.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use narrows_wire::{h1, h2, proxy_protocol};

use crate::balance::Balanced;
use crate::certificates::Certificates;
use crate::drained::Drained;
use crate::filter::Chain;
use crate::forward::Forward;
use crate::forwarding::Forwarding;
use crate::keepalive::Keepalive;
use crate::lookup::Store;
use crate::passthrough::Passthrough;
use crate::retry::{Retry, RetryBudget};
use crate::route::{Router, Template};
use crate::sources::SourceRules;
use crate::stats::{ListenerStats, RouteStats, UpstreamStats};
pub use crate::timeout::Timeouts;
use crate::transcoding::Transcoding;

/// The configuration as the data plane uses it.
#[derive(Debug)]
pub struct Snapshot {
    /// Names this configuration; equal for equal files.
    pub hash: u64,
    /// Where to accept. Fixed addresses; a worker opens what is new and closes what is gone.
    pub listeners: Vec<Arc<Listener>>,
    /// Finds the route of a request.
    pub router: Router,
    /// The upstreams, indexed by [`Route::upstream`].
    pub upstreams: Vec<Arc<Upstream>>,
    /// Whether each call writes a record to the access log.
    pub access_log: AccessLog,
}

/// Whether and how calls are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessLog {
    /// No records.
    Off,
    /// A record at the end of each call, and one at each `interval` while a stream lives.
    On {
        /// Between two records of a live stream; zero: only at the end.
        interval: Duration,
    },
}

/// An address to accept on.
#[derive(Debug)]
pub struct Listener {
    /// Its name in logs and metrics: the address as written.
    pub name: Arc<str>,
    /// Where it listens.
    pub address: SocketAddr,
    /// TLS with these certificates; `None`: in the clear.
    pub tls: Option<Arc<ServerTls>>,
    /// What is spoken on it.
    pub accepts: Accepts,
    /// HTTP/2 limits towards clients.
    pub h2: Arc<h2::Config>,
    /// HTTP/1 limits towards clients.
    pub h1: Arc<h1::Config>,
    /// What each source of connections may have.
    pub sources: SourceRules,
    /// Whether each connection begins with a header that says whose it is.
    pub proxy_protocol: ProxyProtocol,
    /// A client has this long for the TLS handshake, and again to show what it speaks.
    pub preface_timeout: Duration,
    /// Limits in time that it writes for its calls.
    pub timeouts: Timeouts,
    /// What becomes of the fields of requests and replies.
    pub forwarding: Forwarding,
    /// A connection without streams is closed after this long.
    pub idle_timeout: Duration,
    /// When clients are asked for signs of life.
    pub keepalive: Keepalive,
    /// A connection is drained after this long, with 10 % jitter; `None`: never.
    pub max_connection_age: Option<Duration>,
    /// What is left on it ends this long after that; `None`: it is waited for.
    pub max_connection_age_grace: Option<Duration>,
    /// The kernel's queue of connections not yet accepted.
    pub backlog: u32,
    /// Connections open at once, over all workers together; more are not accepted until some close.
    pub max_connections: usize,
    /// TCP keepalive: time until the first probe.
    pub tcp_keepalive: Duration,
    /// What happens on it.
    pub stats: Arc<ListenerStats>,
}

/// Whether connections begin with a header of the PROXY protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyProtocol {
    /// They do not.
    None,
    /// They do, and a connection without one is closed: whoever could leave it out could choose whose
    /// address is believed.
    Required,
}

/// What a listener takes.
#[derive(Debug, Clone)]
pub enum Accepts {
    /// HTTP; which version, a connection tells by its first bytes or by ALPN.
    Http,
    /// Any bytes.
    Bytes(Passthrough),
    /// HTTP of callers who name the host that they want to reach.
    Forward(Arc<Forward>),
}

/// TLS towards clients.
#[derive(Debug)]
pub struct ServerTls {
    /// Versions, keys of tickets, authorities of clients, ALPN; it chooses from `certificates`.
    pub config: Arc<rustls::ServerConfig>,
    /// What clients are shown.
    pub certificates: Arc<Certificates>,
    /// Which requests a connection may carry.
    pub authorities: Authorities,
}

/// Which requests a connection may carry, by their authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authorities {
    /// All of them.
    Any,
    /// Those that the certificate of the connection is good for; others are misdirected.
    OfCertificate,
}

/// What happens to requests that match.
#[derive(Debug)]
pub struct Route {
    /// Its name.
    pub name: Arc<str>,
    /// Index into [`Snapshot::upstreams`]; `None`: a filter answers every request.
    pub upstream: Option<usize>,
    /// Limits in time that it writes.
    pub timeouts: Timeouts,
    /// The largest gRPC message accepted, either direction; `None`: no limit.
    pub message_bytes_max: Option<u32>,
    /// The largest body kept for a replay on another connection.
    pub replay_bytes_max: usize,
    /// When a call that failed is tried once more; `None`: never by rules.
    pub retry: Option<Box<Retry>>,
    /// How long the node of a call may take to begin its reply until another one is asked as well; `None`: for ever.
    pub hedge: Option<Duration>,
    /// What looks at requests and replies.
    pub filters: Chain,
    /// Whether calls in gRPC-Web become calls in gRPC.
    pub grpc_web: Translate,
    /// Counters, one shard per worker.
    pub stats: Arc<RouteStats>,
}

/// Whether a message is made into one of another protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Translate {
    /// It is.
    Yes,
    /// It passes as it is.
    No,
}

/// The protocol spoken to the nodes of an upstream.
#[derive(Debug, Clone)]
pub struct Protocol {
    /// What is spoken.
    pub speaks: Speaks,
    /// TLS below it; `None`: in the clear.
    pub tls: Option<Arc<ClientTls>>,
}

/// What is spoken to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Speaks {
    /// HTTP/2, in the clear with prior knowledge (RFC 9113 §3.3).
    Http2,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2 or HTTP/1.1, whichever the node picks by ALPN.
    Either,
    /// Opaque bytes.
    Bytes,
}

/// TLS towards nodes.
#[derive(Debug, Clone)]
pub struct ClientTls {
    /// Roots, client certificate, ALPN.
    pub config: Arc<rustls::ClientConfig>,
    /// The name that certificates must carry instead of the host of the target.
    pub server_name: Option<rustls::pki_types::ServerName<'static>>,
}

/// A set of nodes.
#[derive(Debug)]
pub struct Upstream {
    /// Its name.
    pub name: Arc<str>,
    /// What is spoken where a target does not say.
    pub protocol: Protocol,
    /// TLS for targets written `grpcs://` in an upstream whose protocol is `h2c`.
    pub tls: Arc<ClientTls>,
    /// Where calls go.
    pub targets: Targets,
    /// Makes requests in JSON into calls in gRPC; `None`: all requests pass as they are.
    pub transcoding: Option<Arc<Transcoding>>,
    /// HTTP/2 limits towards nodes.
    pub h2: Arc<h2::Config>,
    /// HTTP/1 limits towards nodes.
    pub h1: Arc<h1::Config>,
    /// Streams to a node that leaves may go on for this long; `None`: until they end by themselves.
    pub drain_timeout: Option<Duration>,
    /// Limits in time that it writes for its calls.
    pub timeouts: Timeouts,
    /// A connection without streams is closed after this long.
    pub idle_timeout: Duration,
    /// When nodes are asked for signs of life.
    pub keepalive: Keepalive,
    /// A connection takes no new calls after this long, with 10 % jitter; `None`: never.
    pub max_connection_age: Option<Duration>,
    /// Connections to one node, per worker.
    pub max_connections: usize,
    /// Calls that wait for a stream of one node, per worker.
    pub max_pending: usize,
    /// How many of its calls may be tried again at once.
    pub retry_budget: RetryBudget,
    /// The header of the PROXY protocol that each connection begins with, which says whose it is. Only where
    /// connections are not shared.
    pub announces: Option<proxy_protocol::Version>,
    /// Counters, one shard per worker.
    pub stats: Arc<UpstreamStats>,
}

/// How an upstream finds the node of a call.
#[derive(Debug)]
pub enum Targets {
    /// A set of nodes, one of which is chosen for each call.
    Balanced(Box<Balanced>),
    /// The answer of a store.
    Lookup(Lookup),
    /// What the caller of a forward proxy names, if its address is in one of these networks.
    Asked(Networks),
}

/// A node by key.
#[derive(Debug)]
pub struct Lookup {
    /// Who knows.
    pub store: Arc<Store>,
    /// Makes the key from the request.
    pub key: Template,
    /// Where connections may go.
    pub allow: Networks,
    /// Where new calls may not go at the moment.
    pub drained: Arc<Drained>,
    /// How long a call waits for the store.
    pub budget: Duration,
    /// What happens when the store does not know the key, or the node it names can not be reached.
    pub on_missing: OnMissing,
}

/// What happens to a call whose node is not known or gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnMissing {
    /// The call fails.
    Fail,
    /// The call waits this long for a mapping, asking again.
    Wait(Duration),
    /// The call goes to the upstream with this index.
    Fallback(usize),
}

/// A set of networks.
#[derive(Debug, Clone, Default)]
pub struct Networks(Vec<IpNet>);

// === impl Snapshot ===

impl Snapshot {
    /// Where the listener of this name sends bytes, if that is what it takes.
    pub fn passthrough(&self, listener: &str) -> Option<&Passthrough> {
        let listener = self.listeners.iter().find(|known| *known.name == *listener)?;
        match &listener.accepts {
            Accepts::Bytes(passthrough) => Some(passthrough),
            Accepts::Http | Accepts::Forward(_) => None,
        }
    }

    /// What may be reached through the listener of this name, if it is a forward proxy.
    pub fn forward(&self, listener: &str) -> Option<&Arc<Forward>> {
        let listener = self.listeners.iter().find(|known| *known.name == *listener)?;
        match &listener.accepts {
            Accepts::Forward(forward) => Some(forward),
            Accepts::Http | Accepts::Bytes(_) => None,
        }
    }
}

// === impl Speaks ===

impl Speaks {
    /// Whether a connection serves one call at a time, or only one at all.
    pub fn is_exclusive(self) -> bool {
        match self {
            // Until a node of `Either` picks HTTP/1.1 it is believed to take HTTP/2.
            Self::Http2 | Self::Either => false,
            Self::Http1 | Self::Bytes => true,
        }
    }
}

// === impl Networks ===

impl Networks {
    /// The set of these networks.
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// The networks as given.
    pub fn networks(&self) -> &[IpNet] {
        &self.0
    }

    /// Whether the address is in one of them. An IPv4 address written as IPv6 counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}
