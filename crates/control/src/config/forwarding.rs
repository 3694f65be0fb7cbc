//! What a listener does to the fields of requests and replies, as it is written.
//!
//! The defaults believe nobody: what a client says of the way so far is removed. A gRPC call pays for
//! nothing else; other requests are told apart by address and scheme, as people are used to. See `compile/forwarding.rs` for what becomes of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::address::Network;

/// Fields of requests and replies on their way through a listener. Those of one connection
/// (`connection`, `keep-alive`, `upgrade`, and others) never go on, and `location` of a reply never
/// names the node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ForwardingConfig {
    /// Networks of proxies in front of this one. What they say of the way so far (`x-forwarded-*`,
    /// `x-real-ip`, `forwarded`) is believed and continued; what others say is removed. The client is
    /// the last address in `x-forwarded-for` that is in none of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trusted_proxies: Vec<Network>,
    /// So many proxies in front of this one are believed whatever their addresses, as
    /// `xff_num_trusted_hops` of Envoy. Only for a listener that nobody can reach past them.
    #[schemars(range(max = 32))]
    pub trusted_hops: u32,
    /// Fields that requests to nodes carry.
    pub add: Vec<TrailWord>,
    /// Which requests they are added to. Removed they are from all.
    pub add_to: AddToWord,
    /// Our name in `via` of requests and replies. Without it, `via` goes on as it came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub via: Option<String>,
    /// What happens to `x-request-id` of a request.
    pub request_id: RequestIdWord,
    /// Replies carry the `x-request-id` of their request.
    pub echo_request_id: bool,
    /// What happens to `traceparent` of a request.
    pub traceparent: TraceWord,
    /// What `server` of a reply becomes: `pass`, `remove`, or `{ replace: NAME }`.
    pub server: ServerWord,
}

/// Which requests fields are added to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AddToWord {
    /// All but gRPC, whose servers hardly ever read them: each field costs a call some of its time.
    #[default]
    NotGrpc,
    /// All.
    All,
}

/// A field that tells a node of the way of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TrailWord {
    /// `x-forwarded-for`: the addresses of the client and of each proxy but this one.
    XForwardedFor,
    /// `x-forwarded-proto`: `http` or `https`, as the client spoke it.
    XForwardedProto,
    /// `x-forwarded-host`: the authority that the client asked for.
    XForwardedHost,
    /// `x-forwarded-port`: the port that the client connected to.
    XForwardedPort,
    /// `x-real-ip`: the address of the client.
    XRealIp,
    /// `forwarded` (RFC 7239), with `for`, `proto`, and `host`.
    Forwarded,
}

/// What happens to `x-request-id`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RequestIdWord {
    /// It goes on as it came, or not at all.
    #[default]
    Pass,
    /// One is made where there is none.
    Fill,
    /// One is made where there is none, and where it did not come from a trusted proxy.
    Replace,
}

/// What happens to `traceparent`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TraceWord {
    /// It goes on as it came, or not at all.
    #[default]
    Pass,
    /// A trace begins here where there is none. It is not marked as sampled.
    Begin,
}

/// What happens to `server` of a reply.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServerWord {
    /// It goes on as it came.
    #[default]
    Pass,
    /// It is removed.
    Remove,
    /// It is replaced by this, or added.
    Replace(String),
}

// === impl ForwardingConfig ===

impl Default for ForwardingConfig {
    fn default() -> Self {
        Self {
            trusted_proxies: Vec::new(),
            trusted_hops: 0,
            add: vec![TrailWord::XForwardedFor, TrailWord::XForwardedProto],
            add_to: AddToWord::default(),
            via: None,
            request_id: RequestIdWord::default(),
            echo_request_id: false,
            traceparent: TraceWord::default(),
            server: ServerWord::default(),
        }
    }
}
