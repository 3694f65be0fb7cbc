//! What a route is written as: which requests, to which upstream, within which limits.
//!
//! There is no limit in time unless one is written: a stream may live for hours. See
//! `compile/routes.rs` for what becomes of it, and the data plane's `route.rs` for which of several
//! routes wins.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::address::Network;
use super::filter::FilterConfig;
use super::retry::{HedgeConfig, RetryConfig};
use super::timeouts::CallTimeouts;
use super::units::{Limit, Size};

/// Requests that match go to an upstream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["name"]))]
pub struct RouteConfig {
    /// Its name in logs and metrics; no two routes have the same.
    pub name: String,
    /// Which requests. All conditions must hold; without any, every request matches.
    #[serde(rename = "match")]
    pub matches: MatchConfig,
    /// The name of the upstream that takes them. Left out only where a filter answers every request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
    /// Filters, in this order, behind the global ones and those of the upstream.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<FilterConfig>,
    /// Limits in time of its calls, which may live for hours unless a limit is written.
    pub timeouts: CallTimeouts,
    /// When a call that failed at a node is tried once more. Default: only when a node provably did not
    /// process it, and then once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryConfig>,
    /// Asks a second node of the upstream when the first takes long, and takes the reply that begins first. For
    /// requests that do no harm twice. Default: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hedge: Option<HedgeConfig>,
    /// What is done with calls in gRPC-Web.
    pub grpc_web: GrpcWebRule,
    /// The largest gRPC message, in either direction. `none` or 0: no limit.
    pub message_bytes_max: Limit<Size>,
    /// The largest request body kept, so that a call can be sent once more. 0: none is kept, only calls without a body are sent again.
    pub replay_bytes_max: Size,
}

/// What is done with calls in gRPC-Web.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GrpcWebRule {
    /// They become calls in gRPC; other requests pass as they are.
    #[default]
    Translate,
    /// They pass as they are, to nodes that understand them.
    Pass,
}

/// Conditions on a request.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MatchConfig {
    /// The path, without the query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathMatch>,
    /// That it is a gRPC call, and of which service and method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grpc: Option<GrpcMatch>,
    /// Any of these hosts: `api.example.com`, or `*.example.com` for all names below. The port
    /// matters only where one is written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub authorities: Vec<String>,
    /// Any of these methods, such as `POST`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// All of these header fields, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, ValueMatch>,
    /// All of these query parameters, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub query: BTreeMap<String, ValueMatch>,
    /// The client is in any of these networks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Network>,
}

/// A condition on the path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PathMatch {
    /// The whole path.
    Exact(String),
    /// What the path begins with, not necessarily up to a slash.
    Prefix(String),
    /// A regular expression that the whole path matches.
    Regex(String),
}

/// A gRPC call. `{}` is every gRPC call.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GrpcMatch {
    /// The full name of the service, such as `search.v1.Search`. Default: every service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The name of the method. Default: every method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
}

/// A condition on a value: the value itself, or a rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ValueMatch {
    /// Exactly this value.
    Exact(String),
    /// A rule.
    Rule(ValueRule),
}

/// A rule on a value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ValueRule {
    /// `true`: it is there, whatever its value. `false`: it is not there.
    Present(bool),
    /// Exactly this value.
    Exact(String),
    /// What the value begins with.
    Prefix(String),
    /// What the value ends with.
    Suffix(String),
    /// What the value holds somewhere.
    Contains(String),
    /// A regular expression that the whole value matches.
    Regex(String),
}

// === impl RouteConfig ===

impl Default for RouteConfig {
    fn default() -> Self {
        Self {
            name: String::new(),
            matches: MatchConfig::default(),
            upstream: None,
            filters: Vec::new(),
            timeouts: CallTimeouts::default(),
            retry: None,
            hedge: None,
            grpc_web: GrpcWebRule::Translate,
            message_bytes_max: Limit(None),
            replay_bytes_max: Size(64 << 10),
        }
    }
}
