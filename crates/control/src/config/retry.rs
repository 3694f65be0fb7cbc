//! What trying a call again is written as: the rules of a route, and the budget of an upstream.
//!
//! The words and their meaning are Envoy's; see `compile/retry.rs` for what becomes of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::units::Period;

/// When a call that failed at a node is tried once more. Only before the first byte of a reply, and only if all of
/// the request is within `replay_bytes_max`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["retry_on"]))]
pub struct RetryConfig {
    /// After which failures.
    pub retry_on: Vec<RetryWord>,
    /// How often, beside the first time.
    #[schemars(range(min = 1, max = 10))]
    pub num_retries: u8,
    /// How long each time may take until the reply begins. Default: no limit of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_try_timeout: Option<Period>,
    /// How long to wait before.
    pub retry_back_off: BackOffConfig,
    /// HTTP statuses for `retriable-status-codes`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub retriable_status_codes: Vec<u16>,
}

/// A kind of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RetryWord {
    /// No connection to the node could be made.
    ConnectFailure,
    /// The node refused the stream without processing it.
    RefusedStream,
    /// The node gave no reply at all: it reset the stream, its connection was lost, its time was over.
    Reset,
    /// gRPC status UNAVAILABLE.
    Unavailable,
    /// gRPC status CANCELLED.
    Cancelled,
    /// gRPC status DEADLINE_EXCEEDED, or the node did not answer in time.
    DeadlineExceeded,
    /// gRPC status INTERNAL.
    Internal,
    /// gRPC status RESOURCE_EXHAUSTED.
    ResourceExhausted,
    /// An HTTP status of 500 and above, or no reply at all.
    #[serde(rename = "5xx")]
    Status5xx,
    /// HTTP status 502, 503, or 504.
    GatewayError,
    /// Any of `retriable_status_codes`.
    RetriableStatusCodes,
}

/// Waits between the times a call is tried: a part of the interval, chosen by chance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BackOffConfig {
    /// The first interval; it doubles each time.
    pub base_interval: Period,
    /// No interval is longer.
    pub max_interval: Period,
}

/// When a second node is asked as well. The request must be complete by then, and within `replay_bytes_max`; the calls
/// count in the `retry_budget` of the upstream. An answer for which `retry` has a rule is not taken from one node as
/// long as the other may still answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HedgeConfig {
    /// How long the first node has to begin its reply.
    pub delay: Period,
}

/// How many calls of an upstream may be in retries at once, per worker: the larger of the two.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RetryBudgetConfig {
    /// Of the calls that its nodes have now, in percent.
    #[schemars(range(max = 100))]
    pub budget_percent: u32,
    /// So many are always allowed.
    pub min_retry_concurrency: u32,
}

// === impl RetryConfig ===

impl Default for RetryConfig {
    fn default() -> Self {
        Self {
            retry_on: Vec::new(),
            num_retries: 1,
            per_try_timeout: None,
            retry_back_off: BackOffConfig::default(),
            retriable_status_codes: Vec::new(),
        }
    }
}

impl Default for BackOffConfig {
    fn default() -> Self {
        Self { base_interval: Period::millis(25), max_interval: Period::millis(250) }
    }
}

impl Default for RetryBudgetConfig {
    fn default() -> Self {
        Self { budget_percent: 20, min_retry_concurrency: 3 }
    }
}
