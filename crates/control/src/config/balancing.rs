//! What the choice among the nodes of an upstream is written as.
//!
//! A way is a word, or a key with options of its own. See `compile/balancing.rs` for what becomes of it, and
//! docs/balancing.md for which way is for what.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A way to choose a node: a word, or a key with options.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum LoadBalancing {
    /// With the defaults of the way.
    Word(BalanceWord),
    /// With options.
    With(BalanceOptions),
}

/// A way to choose a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BalanceWord {
    /// In turn, each as often as its weight says; one that fails a call sits out a turn.
    RoundRobin,
    /// At random, each as often as its weight says.
    Random,
    /// The one with the fewest calls for its weight, of two at random.
    LeastRequest,
    /// The one that is likely to answer first, of two at random: latency times calls.
    PeakEwma,
    /// By `hash_on`, on a ring of hashes.
    RingHash,
    /// By `hash_on`, from a table with nearly equal shares.
    Maglev,
    /// By the network of the caller: 24 bits of an IPv4 address, 64 of an IPv6 address.
    IpHash,
}

/// A way to choose a node, with its options.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BalanceOptions {
    /// The one with the fewest calls for its weight, of some at random.
    LeastRequest(LeastRequestConfig),
    /// By `hash_on`, on a ring of hashes.
    RingHash(RingHashConfig),
    /// By `hash_on`, from a table with nearly equal shares.
    Maglev(MaglevConfig),
}

/// Options of `least_request`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LeastRequestConfig {
    /// Nodes that are compared.
    #[schemars(range(min = 2, max = 16))]
    pub choices: u32,
}

/// Options of `ring_hash`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RingHashConfig {
    /// Points of the ring at least. A node of mean weight has 160 points, or twice as many, or four times, if
    /// those are too few together.
    #[schemars(range(min = 1, max = 262_144))]
    pub minimum_ring_size: u32,
    /// How many of the calls that there are now a node may have, in percent of its share; further ones go to
    /// the next on the ring. 125 is a good start. Default: any number.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 100, max = 10_000))]
    pub hash_balance_factor: Option<u32>,
}

/// Options of `maglev`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MaglevConfig {
    /// How many of the calls that there are now a node may have, in percent of its share; further ones go to
    /// the next in the table. Default: any number.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 100, max = 10_000))]
    pub hash_balance_factor: Option<u32>,
}

/// What of a call is hashed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HashOnConfig {
    /// The address of the caller.
    Source,
    /// The path, without the query.
    Path,
    /// The header field with this name.
    Header(String),
    /// The cookie with this name.
    Cookie(String),
    /// The query parameter with this name.
    Query(String),
    /// A key made from the request, such as `{header.tenant}/{path}`.
    Key(String),
}

/// Nodes by labels: a call goes to those whose labels are what its request says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SubsetConfig {
    /// Labels, and what they have to be, such as `zone: "{header.x-zone}"`.
    pub labels: BTreeMap<String, String>,
    /// Where a call goes that lacks what the labels are made from, or finds no such node.
    #[serde(default)]
    pub fallback: FallbackWord,
}

/// Where a call goes that finds no subset.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FallbackWord {
    /// To any node.
    #[default]
    Any,
    /// To none: it fails with UNAVAILABLE.
    None,
}

// === impl LoadBalancing ===

impl Default for LoadBalancing {
    fn default() -> Self {
        Self::Word(BalanceWord::RoundRobin)
    }
}

// === impl LeastRequestConfig ===

impl Default for LeastRequestConfig {
    fn default() -> Self {
        Self { choices: 2 }
    }
}

// === impl RingHashConfig ===

impl Default for RingHashConfig {
    fn default() -> Self {
        Self { minimum_ring_size: 160, hash_balance_factor: None }
    }
}
