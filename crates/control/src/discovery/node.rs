//! A node as a source tells it, and the two ways in which sources write one.
//!
//! Either an address alone, or a JSON object. Objects of others are read as far as they are understood:
//! what Curator registers (`address` and `port` apart) and what gRPC's naming in etcd writes (`Addr`). An
//! entry that can not be read is left out and told; it never takes the others with it.

use std::collections::BTreeMap;

use narrows_gateway::target::{Target, TargetError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The largest weight; larger ones are brought down, in proportion to each other.
pub(super) const WEIGHT_MAX: u32 = 1000;

/// The most labels of a node.
pub(super) const LABELS_MAX: usize = 64;

/// The longest entry that is read.
pub(super) const ENTRY_BYTES_MAX: usize = 16 << 10;

/// A node and what its source says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Where it is.
    pub target: Target,
    /// Its share of calls relative to the others, at least 1.
    pub weight: u32,
    /// Nodes with the lowest number come first.
    pub priority: u8,
    /// What is written about it.
    pub labels: BTreeMap<String, String>,
}

/// Why an entry is no node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NodeError {
    /// The address is none.
    #[error("{text:?}: {error}")]
    Address {
        /// As written.
        text: String,
        /// Why not.
        error: TargetError,
    },
    /// An object that does not say where the node is.
    #[error("no address; write address, or host and port")]
    NoAddress,
    /// Neither text nor an object, or one with something else in a field.
    #[error("neither host:port nor an object with an address: {0}")]
    Form(String),
    /// Longer than is read.
    #[error("longer than {ENTRY_BYTES_MAX} bytes")]
    TooLong,
    /// A weight that is none.
    #[error("weight {0:?}: expected a number from 0 on")]
    Weight(String),
    /// A name that stands for nothing.
    #[error("no such host")]
    NoHost,
    /// More labels than are kept.
    #[error("more than {LABELS_MAX} labels")]
    TooManyLabels,
}

/// An object as it is written.
#[derive(Debug, Deserialize)]
struct Written {
    #[serde(alias = "Addr")]
    address: Option<String>,
    #[serde(alias = "ip")]
    host: Option<String>,
    port: Option<u16>,
    weight: Option<u32>,
    priority: Option<u8>,
    labels: Option<BTreeMap<String, Value>>,
}

/// A node in a file: the same on disk as in the sources.
#[derive(Debug, Serialize)]
struct Kept<'a> {
    address: String,
    weight: u32,
    priority: u8,
    labels: &'a BTreeMap<String, String>,
}

// === impl Node ===

impl Node {
    /// A node at this place, like any other.
    pub fn new(target: Target) -> Self {
        Self { target, weight: 1, priority: 0, labels: BTreeMap::new() }
    }

    /// Reads an entry. `None`: its weight is 0, so it takes no calls.
    pub fn read(text: &str) -> Result<Option<Self>, NodeError> {
        if text.len() > ENTRY_BYTES_MAX {
            return Err(NodeError::TooLong);
        }
        let text = text.trim();
        if !text.starts_with('{') {
            return Ok(Some(Self::new(address(text)?)));
        }
        let value = serde_json::from_str(text).map_err(|e| NodeError::Form(e.to_string()))?;
        Self::from_value(value)
    }

    /// Reads an entry that has a name and data: either may be the node. `None` as in [`Node::read`].
    pub fn named(name: &str, data: &[u8]) -> Result<Option<Self>, NodeError> {
        let text = std::str::from_utf8(data).unwrap_or_default().trim();
        if text.is_empty() {
            return Self::read(name);
        }
        // Data may be about a node that only the name tells.
        Self::read(text)
            .or_else(|error| address(name).map(|at| Some(Self::new(at))).map_err(|_| error))
    }

    /// Reads an entry of a list. `None` as in [`Node::read`].
    pub fn from_value(value: Value) -> Result<Option<Self>, NodeError> {
        if let Value::String(text) = value {
            return Ok(Some(Self::new(address(&text)?)));
        }
        let written: Written =
            serde_json::from_value(value).map_err(|e| NodeError::Form(e.to_string()))?;
        let labels = written.labels.unwrap_or_default();
        if labels.len() > LABELS_MAX {
            return Err(NodeError::TooManyLabels);
        }
        let place = match (written.address, written.host, written.port) {
            (Some(host), _, Some(port)) | (None, Some(host), Some(port)) => with_port(&host, port),
            (Some(address), _, None) => address,
            (None, _, _) => return Err(NodeError::NoAddress),
        };
        let weight = written.weight.unwrap_or(1);
        let node = Self {
            target: address(&place)?,
            weight,
            priority: written.priority.unwrap_or(0),
            labels: labels.into_iter().map(|(name, value)| (name, plain(value))).collect(),
        };
        Ok((weight > 0).then_some(node))
    }

    /// The node as [`Node::from_value`] reads it.
    pub fn to_value(&self) -> Value {
        let Self { target, weight, priority, labels } = self;
        let (weight, priority) = (*weight, *priority);
        let kept = Kept { address: target.to_string(), weight, priority, labels };
        serde_json::to_value(kept).unwrap_or_default()
    }
}

/// Brings weights within their limit. Their proportions stay, except that none falls below 1.
pub(super) fn scale(nodes: &mut [Node]) {
    let largest = nodes.iter().map(|node| node.weight).max().unwrap_or(1);
    if largest <= WEIGHT_MAX {
        return;
    }
    for node in nodes {
        let scaled = u64::from(node.weight) * u64::from(WEIGHT_MAX) / u64::from(largest);
        node.weight = u32::try_from(scaled).unwrap_or(WEIGHT_MAX).max(1);
    }
}

fn address(text: &str) -> Result<Target, NodeError> {
    text.parse().map_err(|error| NodeError::Address { text: text.to_owned(), error })
}

/// Some write the port apart and also behind the host.
fn with_port(host: &str, port: u16) -> String {
    match host.parse::<Target>() {
        Ok(_) => host.to_owned(),
        Err(_) if host.contains(':') && !host.starts_with('[') && !host.contains("://") => {
            format!("[{host}]:{port}")
        }
        Err(_) => format!("{host}:{port}"),
    }
}

fn plain(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Result<String, String> {
        match Node::read(text) {
            Ok(Some(node)) => Ok(node.to_value().to_string()),
            Ok(None) => Ok("none".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn an_entry_is_an_address_or_an_object() {
        let plain = r#"{"address":"10.0.0.1:80","weight":1,"priority":0,"labels":{}}"#;
        assert_eq!(shown(" 10.0.0.1:80\n"), Ok(plain.to_owned()));
        assert_eq!(shown(r#"{"address":"10.0.0.1:80"}"#), Ok(plain.to_owned()));
        assert_eq!(shown(r#"{"host":"10.0.0.1","port":80,"more":[1]}"#), Ok(plain.to_owned()));
        let full =
            r#"{"address":"grpcs://node:80","weight":3,"priority":1,"labels":{"zone":"a","n":7}}"#;
        let kept = r#"{"address":"grpcs://node:80","weight":3,"priority":1,"labels":{"n":"7","zone":"a"}}"#;
        assert_eq!(shown(full), Ok(kept.to_owned()));
        assert_eq!(shown(kept), Ok(kept.to_owned()));
    }

    #[test]
    fn objects_of_others_are_understood() {
        let curator =
            r#"{"name":"s","id":"1","address":"::1","port":80,"sslPort":null,"payload":{}}"#;
        assert!(shown(curator).expect("a node").contains("[::1]:80"));
        let grpc = r#"{"Op":0,"Addr":"10.0.0.1:80","Metadata":""}"#;
        assert!(shown(grpc).expect("a node").contains("10.0.0.1:80"));
    }

    #[test]
    fn a_node_is_told_by_data_or_else_by_a_name() {
        let at = |name: &str, data: &str| {
            let node = Node::named(name, data.as_bytes()).map(|node| node.map(|node| node.target));
            node.map(|target| target.map(|target| target.to_string())).map_err(|e| e.to_string())
        };
        assert_eq!(at("10.0.0.1:1", ""), Ok(Some("10.0.0.1:1".to_owned())));
        assert_eq!(at("10.0.0.1:1", "started today"), Ok(Some("10.0.0.1:1".to_owned())));
        assert_eq!(at("node-0000000001", "10.0.0.2:1"), Ok(Some("10.0.0.2:1".to_owned())));
        assert_eq!(at("10.0.0.1:1", r#"{"address":"10.0.0.2:1","weight":0}"#), Ok(None));
        assert!(at("node-1", "started today").expect_err("neither").contains("started today"));
        assert!(Node::named("10.0.0.1:1", &[0xff]).is_ok());
    }

    #[test]
    fn a_node_of_weight_0_takes_no_calls() {
        assert_eq!(shown(r#"{"address":"10.0.0.1:80","weight":0}"#), Ok("none".to_owned()));
    }

    #[test]
    fn what_is_no_node_is_told() {
        for text in ["", "10.0.0.1", "{", "{}", r#"{"address":1}"#, r#"{"host":"h"}"#, "h:0"] {
            assert!(shown(text).is_err(), "{text}");
        }
        assert!(shown(&format!("{}:1", "a".repeat(ENTRY_BYTES_MAX))).is_err());
        let labels: BTreeMap<_, _> = (0..=LABELS_MAX).map(|n| (n.to_string(), n)).collect();
        let many = serde_json::json!({ "address": "h:1", "labels": labels });
        assert_eq!(Node::from_value(many), Err(NodeError::TooManyLabels));
    }

    #[test]
    fn weights_keep_their_proportions_below_the_limit() {
        let node = |weight| Node { weight, ..Node::new("h:1".parse().expect("a target")) };
        let mut nodes = [node(60_000), node(30_000), node(1)];
        scale(&mut nodes);
        assert_eq!(nodes.map(|node| node.weight), [WEIGHT_MAX, WEIGHT_MAX / 2, 1]);
    }
}
