//! Limits in time of a call, in the same words on a route, an upstream, and a listener.
//!
//! What the most specific place writes holds: the route, else its upstream, else the listener, else the
//! default. Every field is optional, so that a place which writes nothing leaves the others theirs. See
//! `compile/timeouts.rs` for what becomes of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::units::{Limit, Period};

/// Limits in time of a call, on a route or an upstream. `none` or 0: no limit. What a route leaves out its upstream may
/// say, and what both leave out the listener (`listeners[].timeouts`).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CallTimeouts {
    /// TCP connect, for a connection to a node that is made for the call. Default: 2s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect: Option<Limit<Period>>,
    /// The TLS handshake on it. Default: 2s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Limit<Period>>,
    /// How long the call waits for a connection to a node, or for a stream on one. Default: 5s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acquire: Option<Limit<Period>>,
    /// Bytes wait to be written and make no progress. On an upstream: towards its nodes; on a route: in both
    /// directions, except that a connection which takes nothing at all keeps to its upstream or listener.
    /// Default: 30s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write: Option<Limit<Period>>,
    /// From when the whole request has left for the node to the head of the reply. Default: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<Limit<Period>>,
    /// Without a byte of the reply's body, while the client takes what comes. Default: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Limit<Period>>,
    /// Without a byte of the body in either direction. Default: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<Limit<Period>>,
    /// From the first header to the end of the call. Default: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<Limit<Period>>,
    /// Cap of `grpc-timeout` for calls that carry one. Default: as the client says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_grpc_timeout: Option<Limit<Period>>,
    /// Without a byte in either direction of a WebSocket or another tunnel, in place of `idle`. Default: 1h.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tunnel_idle: Option<Limit<Period>>,
}

/// Limits in time on a listener: of the protocol itself, and of its calls as far as their route and upstream do not
/// say. `none` or 0: no limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ListenerTimeouts {
    /// For the TLS handshake; and again for the first bytes, which show what is spoken, and the whole
    /// HTTP/2 preface.
    pub preface: Period,
    /// Until the client has acknowledged our SETTINGS.
    pub settings: Period,
    /// From the first byte of a header block to its end.
    pub parse: Period,
    /// Bytes wait for a client that takes none of them.
    pub write: Period,
    /// As on a route. Default: 2s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect: Option<Limit<Period>>,
    /// As on a route. Default: 2s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Limit<Period>>,
    /// As on a route. Default: 5s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acquire: Option<Limit<Period>>,
    /// As on a route. Default: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<Limit<Period>>,
    /// As on a route. Default: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Limit<Period>>,
    /// As on a route. Default: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<Limit<Period>>,
    /// As on a route. Default: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<Limit<Period>>,
    /// As on a route. Default: as the client says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_grpc_timeout: Option<Limit<Period>>,
    /// Nothing has moved for this long, in either direction, in a tunnel or on a connection of protocol `tcp`.
    /// Default: 1h.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tunnel_idle: Option<Limit<Period>>,
}

/// Whether the peer of an HTTP/2 connection with open streams is still there. Without streams nothing is sent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KeepaliveConfig {
    /// A peer that says nothing for this long is sent a PING; twice as long after each time that it complains of
    /// too many. gRPC servers complain of less than 5m unless they are told to allow it. `none` or 0: never.
    pub interval: Limit<Period>,
    /// A peer that says nothing for this long after it is lost: its calls end, or are tried elsewhere.
    pub timeout: Period,
}

// === impl KeepaliveConfig ===

impl Default for KeepaliveConfig {
    fn default() -> Self {
        Self { interval: Limit(None), timeout: Period::seconds(20) }
    }
}

// === impl ListenerTimeouts ===

impl ListenerTimeouts {
    /// Those of its calls.
    pub fn of_calls(&self) -> CallTimeouts {
        CallTimeouts {
            connect: self.connect,
            tls: self.tls,
            acquire: self.acquire,
            // Its own is that of its connections.
            write: None,
            response: self.response,
            body: self.body,
            idle: self.idle,
            total: self.total,
            max_grpc_timeout: self.max_grpc_timeout,
            tunnel_idle: self.tunnel_idle,
        }
    }
}

impl Default for ListenerTimeouts {
    fn default() -> Self {
        Self {
            preface: Period::seconds(5),
            settings: Period::seconds(10),
            parse: Period::seconds(10),
            write: Period::seconds(30),
            connect: None,
            tls: None,
            acquire: None,
            response: None,
            body: None,
            idle: None,
            total: None,
            max_grpc_timeout: None,
            tunnel_idle: None,
        }
    }
}
