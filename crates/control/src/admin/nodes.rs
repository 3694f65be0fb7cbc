//! What an operator says of a node: drain it, take it back, give it another weight.
//!
//! It holds until the gateway ends, over reloads, as long as the node stays. An upstream that looks its nodes up has
//! no list of them; it is told which addresses to leave alone.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::{ConnectInfo, Path, Query, State};
use axum::http::StatusCode;
use narrows_gateway::clock;
use narrows_gateway::endpoints::{Duty, Endpoint, Endpoints};
use narrows_gateway::snapshot::{Lookup, Targets, Upstream};
use narrows_gateway::target::{Host, Target};
use serde::Deserialize;
use serde_json::{Value, json};

use super::reply::{Answer, Failure};
use crate::daemon::Shared;

/// The largest weight, as in the configuration.
const WEIGHT_MAX: u32 = 1000;

#[derive(Debug, Deserialize)]
pub(super) struct WeightQuery {
    weight: Option<u32>,
}

/// What becomes of a node.
#[derive(Debug, Clone, Copy)]
enum Change {
    Duty(Duty),
    /// `None`: that of the configuration again.
    Weight(Option<u32>),
}

/// Which upstreams are meant.
#[derive(Debug, Clone, Copy)]
enum Of<'a> {
    /// All that may send calls to the node.
    Any,
    /// The one with this name.
    One(&'a str),
}

pub(super) async fn of_upstream(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(actor): ConnectInfo<SocketAddr>,
    Path((upstream, node)): Path<(String, String)>,
    Query(query): Query<WeightQuery>,
) -> Answer<Value> {
    change(&shared, actor, Of::One(&upstream), &node, query.weight)
}

pub(super) async fn of_any(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(actor): ConnectInfo<SocketAddr>,
    Path(node): Path<String>,
    Query(query): Query<WeightQuery>,
) -> Answer<Value> {
    change(&shared, actor, Of::Any, &node, query.weight)
}

fn change(
    shared: &Shared,
    actor: SocketAddr,
    of: Of<'_>,
    node: &str,
    weight: Option<u32>,
) -> Answer<Value> {
    let expected =
        "expected a node and what becomes of it: 10.0.0.5:50051:drain, undrain, or weight";
    let (node, verb) = node.rsplit_once(':').ok_or_else(|| Failure::bad(expected))?;
    let change = match (verb, weight) {
        ("drain", None) => Change::Duty(Duty::Draining),
        ("undrain", None) => Change::Duty(Duty::Serving),
        ("weight", Some(weight)) if weight <= WEIGHT_MAX => {
            Change::Weight((weight > 0).then_some(weight))
        }
        ("weight", _) => {
            let expected = format!("expected ?weight= with 0 to {WEIGHT_MAX}; 0: as configured");
            return Err(Failure::bad(expected));
        }
        _ => return Err(Failure::bad(expected)),
    };
    let target: Target = node.parse().map_err(Failure::bad)?;
    let current = shared.current();
    let mut changed = Vec::new();
    for upstream in current.snapshot.upstreams.iter().filter(|upstream| of.has(upstream)) {
        if apply(upstream, &target, change, of)? {
            changed.push(&*upstream.name);
        }
    }
    if changed.is_empty() {
        return Err(Failure::not_found(of.stranger(node)));
    }
    tracing::info!(target: "audit", %actor, action = verb, node, weight, upstreams = ?changed, "change");
    shared.handle.review();
    Ok(Json(json!({ "node": node, "action": verb, "upstreams": changed })))
}

/// Whether the change concerns the upstream; it has been made then.
fn apply(
    upstream: &Upstream,
    target: &Target,
    change: Change,
    of: Of<'_>,
) -> Result<bool, Failure> {
    match (&upstream.targets, change) {
        (Targets::Balanced(balanced), _) => {
            let found = members(&balanced.endpoints, target);
            found.iter().for_each(|endpoint| change.apply(endpoint));
            Ok(!found.is_empty())
        }
        (Targets::Lookup(lookup), Change::Duty(duty)) if may_reach(lookup, target, of) => {
            match duty {
                Duty::Draining => lookup
                    .drained
                    .drain(target)
                    .map_err(|full| Failure::new(StatusCode::INSUFFICIENT_STORAGE, full))?,
                Duty::Serving => lookup.drained.undrain(target),
            }
            Ok(true)
        }
        (Targets::Lookup(_) | Targets::Asked(_), _) => Ok(false),
    }
}

/// The node, in each way in which it is spoken to.
fn members(endpoints: &Endpoints, target: &Target) -> Vec<Arc<Endpoint>> {
    let entries = endpoints.entries();
    let is_it = |known: &Target| known.host == target.host && known.port == target.port;
    let found = entries.iter().filter(|entry| is_it(&entry.member.target));
    found.map(|entry| entry.endpoint.clone()).collect()
}

/// Whether the lookup may name the target. What a name resolves to is not known here.
fn may_reach(lookup: &Lookup, target: &Target, of: Of<'_>) -> bool {
    match (&target.host, of) {
        (Host::Ip(ip), _) => lookup.allow.contains(*ip),
        (Host::Name(_), Of::One(_)) => true,
        (Host::Name(_), Of::Any) => false,
    }
}

// === impl Change ===

impl Change {
    fn apply(self, endpoint: &Endpoint) {
        match self {
            Self::Duty(duty) => endpoint.set_duty(duty, clock::now()),
            Self::Weight(weight) => endpoint.set_weight(weight),
        }
    }
}

// === impl Of ===

impl Of<'_> {
    fn has(self, upstream: &Upstream) -> bool {
        match self {
            Self::Any => true,
            Self::One(name) => *upstream.name == *name,
        }
    }

    fn stranger(self, node: &str) -> String {
        match self {
            Self::Any => format!("no upstream has a node {node}"),
            Self::One(upstream) => format!("no upstream {upstream} has a node {node}"),
        }
    }
}
