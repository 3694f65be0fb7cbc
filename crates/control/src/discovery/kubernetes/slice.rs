//! EndpointSlices (`discovery.k8s.io/v1`) as the API server writes them, and the nodes in them.
//!
//! What is not known is skipped, and what may be left out may also be null.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use narrows_gateway::target::{Host, Scheme, Target};
use serde::Deserialize;

use super::Slices;
use super::api::ApiError;
use crate::discovery::node::{Node, NodeError};

/// `EndpointSliceList`.
#[derive(Debug, Deserialize)]
pub(super) struct List {
    metadata: Metadata,
    items: Option<Vec<Slice>>,
}

/// `EndpointSlice`. A bookmark is one of which only the version counts.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Slice {
    metadata: Metadata,
    address_type: Option<String>,
    endpoints: Option<Vec<Endpoint>>,
    ports: Option<Vec<Port>>,
}

/// What happened (`WatchEvent`).
#[derive(Debug, Deserialize)]
#[serde(tag = "type", content = "object", rename_all = "UPPERCASE")]
pub(super) enum Event {
    Added(Slice),
    Modified(Slice),
    Deleted(Slice),
    Bookmark(Slice),
    Error(Status),
}

/// `Status`: what went wrong.
#[derive(Debug, Deserialize)]
pub(super) struct Status {
    code: Option<u16>,
    reason: Option<String>,
    message: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: Option<String>,
    resource_version: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Endpoint {
    addresses: Vec<String>,
    conditions: Option<Conditions>,
    node_name: Option<String>,
    zone: Option<String>,
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
struct Conditions {
    ready: Option<bool>,
    serving: Option<bool>,
    terminating: Option<bool>,
}

#[derive(Debug, Deserialize)]
struct Port {
    name: Option<String>,
    port: Option<u16>,
}

/// The nodes of the slices at this port: those that are ready, or else those that serve while they end.
pub(super) fn entries<'a>(
    slices: impl Iterator<Item = &'a Slice>,
    port: &str,
) -> Vec<(String, Result<Option<Node>, NodeError>)> {
    let (mut ready, mut ending) = (Vec::new(), Vec::new());
    for slice in slices {
        let Some(port) = slice.port(port) else { continue };
        for endpoint in slice.endpoints.iter().flatten() {
            let conditions = endpoint.conditions.unwrap_or_default();
            if conditions.is_ready() {
                ready.extend(endpoint.entry(port));
            } else if conditions.serves_while_ending() {
                ending.extend(endpoint.entry(port));
            }
        }
    }
    if ready.is_empty() { ending } else { ready }
}

// === impl List ===

impl List {
    pub(super) fn version(&self) -> Result<String, ApiError> {
        self.metadata.version()
    }

    pub(super) fn slices(self) -> Slices {
        let named = |slice: Slice| (slice.name().to_owned(), slice);
        self.items.into_iter().flatten().map(named).collect()
    }
}

// === impl Slice ===

impl Slice {
    pub(super) fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }

    pub(super) fn version(&self) -> Result<String, ApiError> {
        self.metadata.version()
    }

    /// The number of a port, by its name or its number. Names of hosts are no addresses of pods.
    fn port(&self, wanted: &str) -> Option<u16> {
        if self.address_type.as_deref() == Some("FQDN") {
            return None;
        }
        let is_it = |port: &&Port| match (wanted.parse::<u16>(), port.port) {
            (Ok(number), Some(port)) => number == port,
            _ => port.name.as_deref().unwrap_or_default() == wanted,
        };
        self.ports.iter().flatten().find(is_it)?.port
    }
}

// === impl Endpoint ===

impl Endpoint {
    /// Its addresses are all the same; the first one counts.
    fn entry(&self, port: u16) -> Option<(String, Result<Option<Node>, NodeError>)> {
        let address = self.addresses.first()?;
        let Ok(ip) = address.parse::<IpAddr>() else {
            return Some((address.clone(), Err(NodeError::NoHost)));
        };
        let target = Target { scheme: Scheme::Inherit, host: Host::Ip(ip), port };
        let labels = [("zone", &self.zone), ("node", &self.node_name)];
        let labels: BTreeMap<_, _> = labels
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)))
            .collect();
        Some((address.clone(), Ok(Some(Node { labels, ..Node::new(target) }))))
    }
}

// === impl Conditions ===

impl Conditions {
    /// What is unknown counts as ready.
    fn is_ready(self) -> bool {
        self.ready.unwrap_or(true)
    }

    fn serves_while_ending(self) -> bool {
        self.serving == Some(true) && self.terminating == Some(true)
    }
}

// === impl Metadata ===

impl Metadata {
    fn version(&self) -> Result<String, ApiError> {
        // It is opaque, but goes into a URI.
        let plain = |version: &&String| {
            !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        let version = self.resource_version.as_ref().filter(plain);
        version.cloned().ok_or_else(|| ApiError::Malformed("no resourceVersion".to_owned()))
    }
}

// === impl Status ===

impl Status {
    pub(super) fn is_gone(&self) -> bool {
        self.code == Some(410)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = [self.reason.as_deref(), self.message.as_deref()];
        f.write_str(&text.into_iter().flatten().collect::<Vec<_>>().join(": "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn slice(conditions: &[serde_json::Value]) -> Slice {
        let endpoint = |(at, conditions): (usize, &serde_json::Value)| {
            json!({
                "addresses": [format!("10.0.0.{at}"), "10.9.9.9"], "conditions": conditions,
                "zone": "a", "nodeName": null, "targetRef": { "kind": "Pod" },
            })
        };
        let endpoints: Vec<_> = conditions.iter().enumerate().map(endpoint).collect();
        let ports = json!([
            { "name": "metrics", "port": 9090, "protocol": "TCP" },
            { "name": "grpc", "port": 50051, "protocol": "TCP" },
        ]);
        let slice = json!({
            "kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1", "addressType": "IPv4",
            "metadata": { "name": "s-1", "resourceVersion": "7" },
            "endpoints": endpoints, "ports": ports,
        });
        serde_json::from_value(slice).expect("a slice")
    }

    fn found(slice: &Slice, port: &str) -> Vec<String> {
        let entries = entries([slice].into_iter(), port);
        let node = |node: Result<Option<Node>, NodeError>| node.ok().flatten();
        entries.into_iter().filter_map(|(_, n)| Some(node(n)?.target.to_string())).collect()
    }

    #[test]
    fn those_that_are_ready_are_nodes_or_else_those_that_still_serve() {
        let ready = json!({ "ready": true, "serving": true, "terminating": false });
        let ending = json!({ "ready": false, "serving": true, "terminating": true });
        let starting = json!({ "ready": false, "serving": false, "terminating": false });
        let unknown = json!({});
        let all = slice(&[ready, ending.clone(), starting.clone(), unknown, json!(null)]);
        assert_eq!(found(&all, "grpc"), ["10.0.0.0:50051", "10.0.0.3:50051", "10.0.0.4:50051"]);
        assert_eq!(found(&slice(&[starting.clone(), ending]), "grpc"), ["10.0.0.1:50051"]);
        assert!(found(&slice(&[starting]), "grpc").is_empty());
    }

    #[test]
    fn a_port_is_told_by_name_or_number() {
        let one = slice(&[json!({})]);
        assert_eq!(found(&one, "9090"), ["10.0.0.0:9090"]);
        assert_eq!(found(&one, "metrics"), ["10.0.0.0:9090"]);
        assert!(found(&one, "http").is_empty());
        assert!(found(&one, "80").is_empty());
    }

    #[test]
    fn events_are_read_and_versions_are_not_believed() {
        let read = |text: &str| serde_json::from_str::<Event>(text).expect("an event");
        let text = r#"{"type":"BOOKMARK","object":{"kind":"EndpointSlice","metadata":{"resourceVersion":"12"}}}"#;
        assert!(matches!(read(text), Event::Bookmark(slice) if slice.version().is_ok()));
        let text = text.replace("\"12\"", "\"1&watch=0\"");
        assert!(matches!(read(&text), Event::Bookmark(slice) if slice.version().is_err()));
        let gone = r#"{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}}"#;
        assert!(matches!(read(gone), Event::Error(status) if status.is_gone()));
    }
}
