//! What keeps the calls of a session at one node is written as.
//!
//! See `compile/sticky.rs` for what becomes of it, and docs/balancing.md for what it promises.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::units::Period;

/// Sessions that stay with their node. Exactly one of `header` and `cookie` names them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["store"]))]
pub struct StickyConfig {
    /// The header field whose value names the session. A call without it goes to any node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// The cookie whose value names the session. A caller without it is given one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cookie: Option<String>,
    /// The name of the store that remembers the nodes of sessions; all gateways with this store agree on them.
    pub store: String,
    /// A session without calls is forgotten after this long, at least 1s. Calls prolong it, in each worker once in a
    /// quarter of this time.
    pub ttl: Period,
    /// How long the first call of a session waits for the store.
    pub budget: Period,
    /// What happens if the node of a session is not among the endpoints any more, or not in service.
    pub on_gone: OnGoneConfig,
}

/// What happens to a call whose session has lost its node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnGoneConfig {
    /// The call fails with UNAVAILABLE, and the session keeps its node.
    #[default]
    Fail,
    /// The call waits this long for the node to come back, then fails.
    Wait(Period),
    /// The session moves to another node.
    Rebalance,
}

// === impl StickyConfig ===

impl Default for StickyConfig {
    fn default() -> Self {
        Self {
            header: None,
            cookie: None,
            store: String::new(),
            ttl: Period::seconds(3600),
            budget: Period::millis(500),
            on_gone: OnGoneConfig::Fail,
        }
    }
}
