//! What a listener is written as.
//!
//! The doc line of each field is what the reference page and editors show: it says the unit, the
//! effect, and what 0 means. The defaults are the safe ones. See `compile/listeners.rs` for what
//! becomes of it.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::address::{Address, Network};
use super::forwarding::ForwardingConfig;
use super::secret::Secret;
use super::timeouts::{KeepaliveConfig, ListenerTimeouts};
use super::tls::ListenerTls;
use super::units::{Limit, Period, Size};

/// An address on which calls are accepted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["address"]))]
pub struct ListenerConfig {
    /// Address and port to listen on, such as `0.0.0.0:8091` or `[::]:8091`. Port 0 lets the system
    /// choose one.
    pub address: Address,
    /// What is spoken on it.
    pub protocol: ListenerProtocol,
    /// The upstream that takes each connection, for protocol `tcp`; with `passthrough`, those that no
    /// rule of it takes, which are closed without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
    /// Where TLS connections go, for protocol `tcp` without `tls`: by what the client asks for, the TLS
    /// itself passing untouched. The first rule that fits wins.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub passthrough: Vec<PassthroughRule>,
    /// Who may reach what, for protocol `forward`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forward: Option<ForwardConfig>,
    /// What each source of connections may have. A source is an address; for IPv6, its /64 network.
    pub sources: SourcesConfig,
    /// Each connection begins with a header of the PROXY protocol, version 1 or 2, which says whose it
    /// is; one without is closed. For listeners that only a trusted balancer can reach.
    pub proxy_protocol: bool,
    /// TLS on this listener. Without it, connections are in the clear.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<ListenerTls>,
    /// HTTP/2 limits towards clients.
    pub http2: ListenerHttp2,
    /// HTTP/1 limits towards clients.
    pub http1: ListenerHttp1,
    /// What becomes of fields that tell of the way of a request, and of where a reply is from.
    pub forwarding: ForwardingConfig,
    /// Limits in time of the protocol itself, and of calls.
    pub timeouts: ListenerTimeouts,
    /// A connection without open streams is closed after this long. `none` or 0: never.
    pub idle_timeout: Limit<Period>,
    /// PINGs for clients that say nothing, over HTTP/2.
    pub keepalive: KeepaliveConfig,
    /// A connection is drained (GOAWAY, open streams finish) after this long, with 10 % jitter, so
    /// that clients spread again over all gateways. `none` or 0: never.
    pub max_connection_age: Limit<Period>,
    /// Calls that are still open on it this long after that end with UNAVAILABLE. `none` or 0: they may take
    /// their time.
    pub max_connection_age_grace: Limit<Period>,
    /// Connections that the kernel keeps for us until they are accepted.
    #[schemars(range(min = 1, max = 65535))]
    pub backlog: u32,
    /// Connections open at once over all workers. More are not accepted until some close.
    #[schemars(range(min = 1))]
    pub max_connections: u32,
    /// Idle time until the kernel probes whether the client is still there.
    pub tcp_keepalive: Period,
}

/// What is spoken on a listener.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ListenerProtocol {
    /// HTTP, every version: which one, each connection tells by its first bytes or by ALPN.
    #[default]
    Http,
    /// Any bytes, relayed to `upstream` as they are.
    Tcp,
    /// HTTP of callers inside who name the host that they want to reach: a forward proxy.
    Forward,
}

/// What each source of connections may have, over all workers. Connections that it may not have are closed at
/// once.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SourcesConfig {
    /// Networks that may connect. Default: all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<Network>,
    /// Networks that may not connect, whatever `allow` says.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<Network>,
    /// Connections of one source open at once. Default: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_connections: Option<u32>,
    /// New connections of one source in a second. Default: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub connections_per_second: Option<u32>,
    /// Bytes in a second over all connections of one source, both directions together. What comes more
    /// quickly has to wait; a second's worth may pass at once. `none` or 0: no limit.
    pub bandwidth: Limit<Size>,
}

/// Who may reach what through a forward proxy. Nothing is open that is not named here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["users", "networks"]))]
pub struct ForwardConfig {
    /// Who may ask: passwords by name (Basic authentication, for the proxy).
    pub users: BTreeMap<String, Secret>,
    /// Names that may be asked for: `api.example.com`, or `*.example.com` for all names below. Default:
    /// none, so that only addresses can be asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// Networks in which the addresses of all targets must be, those of names included, so that a name
    /// that points inside opens nothing.
    pub networks: Vec<Network>,
    /// Ports that may be asked for.
    pub ports: Vec<u16>,
}

/// A rule for TLS connections that pass through. All of its conditions must hold.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["upstream"]))]
pub struct PassthroughRule {
    /// The client asks for one of these hosts (SNI): `api.example.com`, or `*.example.com` for all
    /// names below. Default: whatever it asks for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub server_names: Vec<String>,
    /// The client offers one of these protocols (ALPN), such as `h2`. Default: whatever it offers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alpn: Vec<String>,
    /// The upstream that takes the connection.
    pub upstream: String,
}

/// HTTP/2 limits towards clients.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ListenerHttp2 {
    /// Streams that a client may have open on one connection. A stream counts until the work for it
    /// is finished on both sides.
    #[schemars(range(min = 1))]
    pub max_concurrent_streams: u32,
    /// Bytes that a client may send on a new stream before the node has taken any. At most 2GiB.
    pub initial_window: Size,
    /// The window of a stream grows up to this while its node keeps up. At most 2GiB.
    pub stream_window_max: Size,
    /// Bytes that a client may send on a connection, over all its streams. At most 2GiB.
    pub connection_window: Size,
    /// The header fields of one request together, decoded, 32 bytes added for each field.
    pub header_bytes_max: Size,
    /// Header fields of one request.
    #[schemars(range(min = 8))]
    pub header_fields_max: u32,
}

/// HTTP/1 limits towards clients.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ListenerHttp1 {
    /// The first line of a request: method, target, and version. A longer one is answered 414.
    pub request_line_bytes_max: Size,
    /// The header fields of one request together, 32 bytes added for each field. More are answered 431.
    pub header_bytes_max: Size,
    /// Header fields of one request. More are answered 431.
    #[schemars(range(min = 8, max = 256))]
    pub header_fields_max: u32,
    /// Requests on one connection, which ends with the last of them. Default: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub requests_max: Option<u32>,
}

// === impl ListenerConfig ===

impl ListenerConfig {
    /// The upstreams that it names.
    pub fn upstreams(&self) -> impl Iterator<Item = &String> {
        self.upstream.iter().chain(self.passthrough.iter().map(|rule| &rule.upstream))
    }
}

impl Default for ListenerConfig {
    fn default() -> Self {
        Self {
            address: Address(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))),
            protocol: ListenerProtocol::Http,
            upstream: None,
            passthrough: Vec::new(),
            forward: None,
            sources: SourcesConfig::default(),
            proxy_protocol: false,
            tls: None,
            http2: ListenerHttp2::default(),
            http1: ListenerHttp1::default(),
            forwarding: ForwardingConfig::default(),
            timeouts: ListenerTimeouts::default(),
            idle_timeout: Limit(Some(Period::seconds(120))),
            keepalive: KeepaliveConfig::default(),
            max_connection_age: Limit(None),
            max_connection_age_grace: Limit(None),
            backlog: 1024,
            max_connections: 20_000,
            tcp_keepalive: Period::seconds(60),
        }
    }
}

impl Default for ForwardConfig {
    fn default() -> Self {
        Self {
            users: BTreeMap::new(),
            hosts: Vec::new(),
            networks: Vec::new(),
            ports: vec![80, 443],
        }
    }
}

impl Default for ListenerHttp2 {
    fn default() -> Self {
        Self {
            max_concurrent_streams: 256,
            initial_window: Size(65_535),
            stream_window_max: Size(1 << 20),
            connection_window: Size(1 << 20),
            header_bytes_max: Size(64 << 10),
            header_fields_max: 128,
        }
    }
}

impl Default for ListenerHttp1 {
    fn default() -> Self {
        Self {
            request_line_bytes_max: Size(8 << 10),
            header_bytes_max: Size(64 << 10),
            header_fields_max: 128,
            requests_max: None,
        }
    }
}
