//! What a snapshot would do with a call, and why: which route and why not the others, which key,
//! which node as far as the store's table knows.
//!
//! Asks nobody: a key that a remote store has not been asked for yet is said to be unknown so far.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use narrows_gateway::lookup::Outcome;
use narrows_gateway::route::Request;
use narrows_gateway::snapshot::{Lookup, OnMissing, Snapshot, Targets, Upstream};
use narrows_wire::{Head, Indexing, Name};
use serde::{Deserialize, Serialize};

/// A call to be explained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Call {
    /// The request method. Default: `POST`.
    pub method: String,
    /// The path with the query, `/service/method` for gRPC. Default: `/`.
    pub path: String,
    /// The authority. Default: `localhost`.
    pub authority: String,
    /// Header fields in order. Without a `content-type` the call is a gRPC call.
    pub headers: Vec<(String, String)>,
    /// The address of the caller. Default: 127.0.0.1.
    pub source: IpAddr,
}

/// What happens to a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The route that it takes, if any.
    pub route: Option<String>,
    /// The upstream of the route.
    pub upstream: Option<String>,
    /// Where the upstream sends it.
    pub target: Option<TargetExplanation>,
    /// Every route in the order in which they are considered.
    pub considered: Vec<Considered>,
}

/// A route that was considered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Considered {
    /// Its name.
    pub route: String,
    /// The first condition that does not hold; `None`: all hold.
    pub failed: Option<String>,
}

/// Where an upstream sends a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum TargetExplanation {
    /// To one of these in turn.
    Endpoints {
        /// The nodes.
        endpoints: Vec<String>,
    },
    /// The request lacks what names its target.
    NoKey {
        /// The store that would be asked.
        store: String,
        /// What it lacks.
        missing: String,
    },
    /// To this node.
    Found {
        /// The store that knows it.
        store: String,
        /// The key.
        key: String,
        /// The node.
        target: String,
    },
    /// Nowhere: the node is outside the allowed networks.
    NotAllowed {
        /// The store that named it.
        store: String,
        /// The key.
        key: String,
        /// The node.
        target: String,
    },
    /// The value in the store is no target.
    Malformed {
        /// The store.
        store: String,
        /// The key.
        key: String,
        /// Why.
        reason: String,
    },
    /// The store does not know the key.
    Missing {
        /// The store.
        store: String,
        /// The key.
        key: String,
        /// What happens then.
        then: String,
    },
    /// The store has not been asked for this key yet.
    NotAsked {
        /// The store.
        store: String,
        /// The key.
        key: String,
    },
}

/// Explains what the snapshot does with a call.
pub fn explain(snapshot: &Snapshot, call: &Call) -> Explanation {
    let head = call.head();
    let request = Request { head: &head, source: call.source };
    let considered = snapshot.router.explain(&request);
    let taken = considered.iter().find(|(_, verdict)| verdict.is_ok()).map(|(route, _)| route);
    let upstream = taken.and_then(|route| snapshot.upstreams.get(route.upstream?));
    Explanation {
        route: taken.map(|route| route.name.to_string()),
        upstream: upstream.map(|upstream| upstream.name.to_string()),
        target: upstream.map(|upstream| target(snapshot, upstream, &request)),
        considered: considered
            .iter()
            .map(|(route, verdict)| Considered {
                route: route.name.to_string(),
                failed: verdict.clone().err(),
            })
            .collect(),
    }
}

fn target(snapshot: &Snapshot, upstream: &Upstream, request: &Request<'_>) -> TargetExplanation {
    match &upstream.targets {
        Targets::Balanced(balanced) => {
            let entries = balanced.endpoints.entries();
            let endpoints = entries.iter().map(|entry| entry.member.target.to_string());
            TargetExplanation::Endpoints { endpoints: endpoints.collect() }
        }
        Targets::Lookup(lookup) => looked_up(snapshot, lookup, request),
        // No request that routes find comes here.
        Targets::Asked(_) => TargetExplanation::Endpoints { endpoints: Vec::new() },
    }
}

fn looked_up(snapshot: &Snapshot, lookup: &Lookup, request: &Request<'_>) -> TargetExplanation {
    let store = lookup.store.name.to_string();
    let mut bytes = Vec::new();
    if let Err(missing) = lookup.key.render(request, &mut bytes) {
        return TargetExplanation::NoKey { store, missing: missing.to_string() };
    }
    let key = String::from_utf8_lossy(&bytes).into_owned();
    let known = lookup.store.table.read(&bytes, |seen| seen.map(|seen| seen.outcome.clone()));
    match known {
        None if !lookup.store.complete => TargetExplanation::NotAsked { store, key },
        None | Some(Outcome::Missing) => {
            TargetExplanation::Missing { store, key, then: then(snapshot, lookup) }
        }
        Some(Outcome::Malformed(reason)) => {
            TargetExplanation::Malformed { store, key, reason: reason.to_string() }
        }
        Some(Outcome::Found(target)) => {
            let refused = target.address().is_some_and(|at| !lookup.allow.contains(at.ip()));
            let target = target.to_string();
            match refused {
                true => TargetExplanation::NotAllowed { store, key, target },
                false => TargetExplanation::Found { store, key, target },
            }
        }
    }
}

fn then(snapshot: &Snapshot, lookup: &Lookup) -> String {
    match lookup.on_missing {
        OnMissing::Fail => "the call fails".to_owned(),
        OnMissing::Wait(period) => format!("the call waits {period:?}, then fails"),
        OnMissing::Fallback(at) => match snapshot.upstreams.get(at) {
            Some(upstream) => format!("the call goes to upstream {}", upstream.name),
            None => "the call fails".to_owned(),
        },
    }
}

// === impl Call ===

impl Default for Call {
    fn default() -> Self {
        Self {
            method: "POST".to_owned(),
            path: "/".to_owned(),
            authority: "localhost".to_owned(),
            headers: Vec::new(),
            source: Ipv4Addr::LOCALHOST.into(),
        }
    }
}

impl Call {
    fn head(&self) -> Head {
        let mut head = Head::new();
        head.push(Name::Method, self.method.as_bytes(), Indexing::MayRepeat);
        head.push(Name::Scheme, b"http", Indexing::MayRepeat);
        head.push(Name::Authority, self.authority.as_bytes(), Indexing::MayRepeat);
        head.push(Name::Path, self.path.as_bytes(), Indexing::MayRepeat);
        if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            head.push(Name::ContentType, b"application/grpc", Indexing::MayRepeat);
        }
        for (name, value) in &self.headers {
            let name = name.to_ascii_lowercase();
            head.push_text(name.as_bytes(), value.as_bytes(), Indexing::MayRepeat);
        }
        head
    }
}

// === impl Explanation ===

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.route {
            Some(route) => writeln!(f, "route     {route}")?,
            None => writeln!(f, "route     none: the call is refused (UNIMPLEMENTED, HTTP 404)")?,
        }
        if let Some(upstream) = &self.upstream {
            writeln!(f, "upstream  {upstream}")?;
        }
        if let Some(target) = &self.target {
            writeln!(f, "target    {target}")?;
        }
        writeln!(f, "\nroutes in the order in which they are considered:")?;
        let width = self.considered.iter().map(|c| c.route.chars().count()).max().unwrap_or(0);
        for considered in &self.considered {
            let taken = self.route.as_ref() == Some(&considered.route);
            let verdict = match &considered.failed {
                None if taken => "taken",
                None => "matches too, but comes later",
                Some(failed) => &format!("not met: {failed}"),
            };
            writeln!(f, "  {:width$}  {verdict}", considered.route)?;
        }
        Ok(())
    }
}

impl fmt::Display for TargetExplanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Endpoints { endpoints } => write!(f, "one of {}", endpoints.join(", ")),
            Self::NoKey { store, missing } => {
                write!(f, "none: no key for store {store}: {missing}")
            }
            Self::Found { store, key, target } => {
                write!(f, "{target} (key {key:?} in store {store})")
            }
            Self::NotAllowed { store, key, target } => {
                write!(f, "none: {target} (key {key:?} in store {store}) is not allowed")
            }
            Self::Malformed { store, key, reason } => {
                write!(f, "none: key {key:?} in store {store} holds no target: {reason}")
            }
            Self::Missing { store, key, then } => {
                write!(f, "key {key:?} is not in store {store}: {then}")
            }
            Self::NotAsked { store, key } => {
                write!(f, "store {store} has not been asked for key {key:?} yet")
            }
        }
    }
}
