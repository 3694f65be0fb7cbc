//! What an upstream is written as: a set of nodes and how they are reached.
//!
//! Ways to balance, sessions, discovery, checks, and retries have files of their own beside this one. See
//! `compile/upstreams.rs` for what becomes of it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::address::{Network, NodeAddress};
use super::balancing::{HashOnConfig, LoadBalancing, SubsetConfig};
use super::discovery::SourcesOfNodes;
use super::filter::FilterConfig;
use super::health::{OutlierConfig, SlowStartConfig};
use super::health_check::HealthCheckConfig;
use super::path::FilePath;
use super::retry::RetryBudgetConfig;
use super::sticky::StickyConfig;
use super::timeouts::{CallTimeouts, KeepaliveConfig};
use super::transcode::TranscodeConfig;
use super::units::{Limit, Period, Size};

/// A set of nodes. Exactly one of `endpoints`, `discovery`, and `lookup` says which node takes a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UpstreamConfig {
    /// What is spoken to the nodes, where a target does not say (`grpc://`, `grpcs://`).
    pub protocol: ProtocolWord,
    /// TLS to nodes, for protocols `h2`, `https`, and `tls`, and for targets written `grpcs://`.
    pub tls: UpstreamTls,
    /// The nodes, as `host:port` or with a weight.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<EndpointConfig>,
    /// Where the nodes come from, if they come and go: one source, or a list of several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discovery: Option<SourcesOfNodes>,
    /// How the node of a call is chosen from `endpoints` or `discovery`.
    pub load_balancing: LoadBalancing,
    /// What of a call is hashed, for `ring_hash` and `maglev`: the first that it has. One that has none of them
    /// goes anywhere.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hash_on: Vec<HashOnConfig>,
    /// Which of the nodes a call may go to. Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subset: Option<SubsetConfig>,
    /// Keeps the calls of a session at one node, whatever becomes of the others. Default: each call goes by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sticky: Option<StickyConfig>,
    /// If less than so many percent of the nodes are in service, all are used but those that are drained. 0: never.
    #[schemars(range(max = 100))]
    pub panic_threshold: u32,
    /// Finds the node of each call in a store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lookup: Option<LookupConfig>,
    /// Makes requests in JSON into calls in gRPC, for protocols `h2c` and `h2`. Default: every
    /// request passes as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transcode: Option<TranscodeConfig>,
    /// Asks the nodes of `endpoints` whether they are well. One that is not gets no calls. Default: nobody is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_check: Option<HealthCheckConfig>,
    /// When a node of `endpoints` that fails calls is left alone for a while. Default: after 5 failures to connect
    /// in a row, for 10s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outlier_detection: Option<OutlierConfig>,
    /// Gives a node of `endpoints` that joins the others or comes back a share of calls that grows. Default: it has
    /// its whole share at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slow_start: Option<SlowStartConfig>,
    /// Streams to a node that is drained, or that is in the list no more, may go on for this long. `none` or 0:
    /// until they end by themselves.
    pub drain_timeout: Limit<Period>,
    /// Limits in time of its calls, as far as their routes do not say.
    pub timeouts: CallTimeouts,
    /// A connection without open streams is closed after this long. `none` or 0: never.
    pub idle_timeout: Limit<Period>,
    /// PINGs for nodes that say nothing, over HTTP/2.
    pub keepalive: KeepaliveConfig,
    /// A connection takes no new calls after this long, with 10 % jitter. `none` or 0: never.
    pub max_connection_age: Limit<Period>,
    /// Connections to one node, per worker. The next one opens only when those open are full.
    #[schemars(range(min = 1))]
    pub max_connections: u32,
    /// Calls that wait for a stream of one node, per worker; more are refused.
    #[schemars(range(min = 1))]
    pub max_pending: u32,
    /// How many calls may be tried again at once.
    pub retry_budget: RetryBudgetConfig,
    /// Begins each connection with a header of the PROXY protocol, which tells the node whose it is. For
    /// protocols `tcp` and `tls`, whose connections are each client's own; requests tell it in their
    /// fields (`forwarding` of the listener). Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_protocol: Option<ProxyVersion>,
    /// Filters of the routes that lead here, in this order, behind the global ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<FilterConfig>,
    /// HTTP/2 limits towards nodes.
    pub http2: UpstreamHttp2,
    /// HTTP/1 limits towards nodes.
    pub http1: UpstreamHttp1,
}

/// A protocol spoken to nodes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProtocolWord {
    /// HTTP/2 in the clear, with prior knowledge.
    #[default]
    H2c,
    /// HTTP/2 over TLS.
    H2,
    /// HTTP/1.1 in the clear.
    Http1,
    /// HTTP over TLS: HTTP/2 or HTTP/1.1, whichever the node picks.
    Https,
    /// Any bytes, each client's connection by itself: for listeners with protocol `tcp`.
    Tcp,
    /// Any bytes over TLS.
    Tls,
}

/// A version of the PROXY protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProxyVersion {
    /// A line of text with the addresses.
    V1,
    /// Binary: the addresses, and for TLS that ends here the protocol (ALPN) and the host (SNI).
    V2,
}

/// TLS to nodes. Files are read again at each reload.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UpstreamTls {
    /// PEM file with the authorities that certificates of nodes must come from. Default: those of
    /// the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<FilePath>,
    /// PEM file with our certificate, for nodes that ask for one (mutual TLS).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<FilePath>,
    /// PEM file with the private key of `certificate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private_key: Option<FilePath>,
    /// The name that certificates of nodes must carry. Default: the host of the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// Accepts any certificate. For tests only: whoever is in the middle reads every call.
    pub insecure_skip_verify: bool,
}

/// A node of `endpoints`: an address alone, or with a weight.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum EndpointConfig {
    /// The address; the weight is 1.
    Address(NodeAddress),
    /// The address and its weight.
    Weighted(WeightedEndpoint),
}

/// A node and its weight.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WeightedEndpoint {
    /// `host:port`, `grpc://host:port`, or `grpcs://host:port`.
    pub address: NodeAddress,
    /// Share of calls, relative to the other endpoints.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1000))]
    pub weight: u32,
    /// The endpoints with the lowest number take all calls as long as the panic threshold of them is in service;
    /// then those with the next.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub priority: u8,
    /// What subsets are made by.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// A node by key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["store", "key", "allow"]))]
pub struct LookupConfig {
    /// The name of the store that knows.
    pub store: String,
    /// Makes the key from the request, such as `{header.jobid}`.
    pub key: String,
    /// Networks in which targets may be. A target elsewhere is refused, so that a poisoned store
    /// can not make the gateway a relay to anywhere.
    pub allow: Vec<Network>,
    /// How long a call waits for the store.
    pub budget: Period,
    /// What happens when the store does not know the key or the node can not be reached.
    pub on_missing: OnMissingConfig,
}

/// What happens to a call whose node is not known or gone.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnMissingConfig {
    /// The call fails: NOT_FOUND for an unknown key, UNAVAILABLE for a node that is gone.
    #[default]
    Fail,
    /// The call waits this long for a mapping, then fails.
    Wait(Period),
    /// The call goes to the upstream with this name.
    Fallback(String),
}

/// HTTP/2 limits towards nodes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UpstreamHttp2 {
    /// Bytes that a node may send on a new stream before the client has taken any. At most 2GiB.
    pub initial_window: Size,
    /// The window of a stream grows up to this while its client keeps up. At most 2GiB.
    pub stream_window_max: Size,
    /// Bytes that a node may send on a connection, over all its streams. At most 2GiB.
    pub connection_window: Size,
    /// The header fields of one reply together, decoded, 32 bytes added for each field.
    pub header_bytes_max: Size,
    /// Header fields of one reply.
    #[schemars(range(min = 8))]
    pub header_fields_max: u32,
}

/// HTTP/1 limits towards nodes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UpstreamHttp1 {
    /// The header fields of one reply together, 32 bytes added for each field.
    pub header_bytes_max: Size,
    /// Header fields of one reply.
    #[schemars(range(min = 8, max = 256))]
    pub header_fields_max: u32,
    /// Requests on one connection, which ends with the last of them. Default: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub requests_max: Option<u32>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_zero(number: &u8) -> bool {
    *number == 0
}

fn one() -> u32 {
    1
}

// === impl ProtocolWord ===

impl ProtocolWord {
    /// Whether TLS is spoken.
    pub fn is_secure(self) -> bool {
        match self {
            Self::H2 | Self::Https | Self::Tls => true,
            Self::H2c | Self::Http1 | Self::Tcp => false,
        }
    }

    /// Whether bytes are relayed that nobody looks into.
    pub fn is_opaque(self) -> bool {
        matches!(self, Self::Tcp | Self::Tls)
    }
}

// === impl UpstreamConfig ===

impl Default for UpstreamConfig {
    fn default() -> Self {
        Self {
            protocol: ProtocolWord::default(),
            tls: UpstreamTls::default(),
            endpoints: Vec::new(),
            discovery: None,
            load_balancing: LoadBalancing::default(),
            hash_on: Vec::new(),
            subset: None,
            sticky: None,
            panic_threshold: 50,
            lookup: None,
            transcode: None,
            health_check: None,
            outlier_detection: None,
            slow_start: None,
            drain_timeout: Limit(None),
            timeouts: CallTimeouts::default(),
            idle_timeout: Limit(Some(Period::seconds(60))),
            keepalive: KeepaliveConfig::default(),
            max_connection_age: Limit(None),
            max_connections: 128,
            max_pending: 1024,
            retry_budget: RetryBudgetConfig::default(),
            proxy_protocol: None,
            filters: Vec::new(),
            http2: UpstreamHttp2::default(),
            http1: UpstreamHttp1::default(),
        }
    }
}

impl Default for UpstreamHttp1 {
    fn default() -> Self {
        Self { header_bytes_max: Size(64 << 10), header_fields_max: 128, requests_max: None }
    }
}

impl Default for UpstreamHttp2 {
    fn default() -> Self {
        Self {
            initial_window: Size(65_535),
            stream_window_max: Size(1 << 20),
            connection_window: Size(1 << 20),
            header_bytes_max: Size(64 << 10),
            header_fields_max: 128,
        }
    }
}

// === impl LookupConfig ===

impl Default for LookupConfig {
    fn default() -> Self {
        Self {
            store: String::new(),
            key: String::new(),
            allow: Vec::new(),
            budget: Period::millis(500),
            on_missing: OnMissingConfig::Fail,
        }
    }
}

// === impl EndpointConfig ===

impl EndpointConfig {
    /// Where it is and its weight.
    pub fn parts(&self) -> (&NodeAddress, u32) {
        match self {
            Self::Address(address) => (address, 1),
            Self::Weighted(endpoint) => (&endpoint.address, endpoint.weight),
        }
    }
}
