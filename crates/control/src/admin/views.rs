//! Lists of what is configured and what is alive.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use narrows_gateway::balance::{Level, Panic};
use narrows_gateway::clock;
use narrows_gateway::control::{ConnectionInfo, StreamInfo};
use narrows_gateway::endpoints::{Duty, Entry, Health};
use narrows_gateway::snapshot::{OnMissing, Route, Snapshot, Speaks, Targets, Upstream};
use serde_json::{Value, json};

use super::PATIENCE;
use super::reply::{Answer, Failure};
use crate::compile::{Call, Explanation, TargetExplanation, explain as explain_call};
use crate::daemon::Shared;
use crate::discovery::SourceStatus;

pub(super) async fn config(State(shared): State<Arc<Shared>>) -> Answer<Value> {
    let current = shared.current();
    let config = serde_json::to_value(&current.loaded.config)
        .map_err(|error| Failure::new(StatusCode::INTERNAL_SERVER_ERROR, error))?;
    let files = current.loaded.files.iter().map(|file| file.display().to_string());
    Ok(Json(json!({
        "hash": current.hash_text(),
        "loaded_at": current.loaded_at.as_secs(),
        "files": files.collect::<Vec<_>>(),
        "warnings": current.warnings.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "config": config,
    })))
}

pub(super) async fn routes(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let snapshot = shared.current().snapshot.clone();
    Json(snapshot.router.routes().map(|of| route(&snapshot, of)).collect())
}

pub(super) async fn upstreams(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let connections = connections_of(&shared).await;
    let snapshot = shared.current().snapshot.clone();
    let discovered = shared.discovery.status();
    let all = snapshot.upstreams.iter().map(|of| {
        let mut view = upstream(&shared, &snapshot, of, &connections);
        if let Some((_, sources)) = discovered.iter().find(|(name, _)| *name == of.name) {
            view["discovery"] = sources.iter().map(source).collect();
        }
        view
    });
    Json(all.collect())
}

pub(super) async fn connections(State(shared): State<Arc<Shared>>) -> Json<Value> {
    Json(connections_of(&shared).await.iter().map(connection).collect())
}

pub(super) async fn streams(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let handle = shared.handle.clone();
    let streams = tokio::task::spawn_blocking(move || handle.streams(PATIENCE)).await;
    let mut streams = streams.unwrap_or_default();
    streams.sort_by_key(|stream| std::cmp::Reverse(stream.age));
    Json(streams.iter().map(stream).collect())
}

pub(super) async fn explain(
    State(shared): State<Arc<Shared>>,
    call: Result<Json<Call>, JsonRejection>,
) -> Answer<Explanation> {
    let Json(call) = call.map_err(|error| Failure::bad(error.body_text()))?;
    let snapshot = shared.current().snapshot.clone();
    let explanation = explain_call(&snapshot, &call);
    if let Some(TargetExplanation::NotAsked { store, key }) = &explanation.target
        && let Some(Ok(_)) = shared.stores.lookup(store, key.as_bytes()).await
    {
        // What the store said is in its table now.
        return Ok(Json(explain_call(&snapshot, &call)));
    }
    Ok(Json(explanation))
}

async fn connections_of(shared: &Shared) -> Vec<ConnectionInfo> {
    let handle = shared.handle.clone();
    let connections = tokio::task::spawn_blocking(move || handle.connections(PATIENCE)).await;
    connections.unwrap_or_default()
}

fn route(snapshot: &Snapshot, route: &Arc<Route>) -> Value {
    let shards = route.stats.shards();
    let upstream =
        route.upstream.and_then(|at| snapshot.upstreams.get(at)).map(|upstream| &*upstream.name);
    json!({
        "route": *route.name,
        "upstream": upstream,
        "timeouts": {
            "total": seconds(route.timeouts.total),
            "idle": seconds(route.timeouts.idle),
            "response": seconds(route.timeouts.response),
            "grpc_timeout_max": seconds(route.timeouts.grpc_timeout_max),
        },
        "active": shards.iter().map(|shard| shard.active.get()).sum::<i64>(),
        "started": shards.iter().map(|shard| shard.started.get()).sum::<u64>(),
        "bytes_in": shards.iter().map(|shard| shard.bytes_in.body.get()).sum::<u64>(),
        "bytes_out": shards.iter().map(|shard| shard.bytes_out.body.get()).sum::<u64>(),
    })
}

fn upstream(
    shared: &Shared,
    snapshot: &Snapshot,
    upstream: &Upstream,
    connections: &[ConnectionInfo],
) -> Value {
    let shards = upstream.stats.shards();
    let protocol = match (upstream.protocol.speaks, &upstream.protocol.tls) {
        (Speaks::Http2, None) => "h2c",
        (Speaks::Http2, Some(_)) => "h2",
        (Speaks::Http1, None) => "http1",
        (Speaks::Http1 | Speaks::Either, _) => "https",
        (Speaks::Bytes, None) => "tcp",
        (Speaks::Bytes, Some(_)) => "tls",
    };
    json!({
        "upstream": *upstream.name,
        "protocol": protocol,
        "targets": targets(shared, snapshot, upstream),
        "connections": shards.iter().map(|shard| shard.connections.get()).sum::<i64>(),
        "streams": shards.iter().map(|shard| shard.streams.get()).sum::<i64>(),
        "pending": shards.iter().map(|shard| shard.pending.get()).sum::<i64>(),
        "connects": shards.iter().map(|shard| shard.connects.get()).sum::<u64>(),
        "connect_failures": shards.iter().map(|shard| shard.connect_failures.get()).sum::<u64>(),
        "nodes": nodes(upstream, connections),
    })
}

fn targets(shared: &Shared, snapshot: &Snapshot, upstream: &Upstream) -> Value {
    match &upstream.targets {
        Targets::Balanced(balanced) => {
            let entries = balanced.endpoints.entries();
            let endpoint = |entry| endpoint(entry, check(shared, upstream, entry));
            let percent = balanced.rules.panic_percent;
            let level = Level::of(entries.iter(), percent, clock::now());
            json!({
                "endpoints": entries.iter().map(endpoint).collect::<Vec<_>>(),
                "level": level.map(|level| level.priority),
                "panic": level.is_some_and(|level| level.panic == Panic::Yes),
            })
        }
        Targets::Asked(networks) => {
            let networks = networks.networks().iter().map(ToString::to_string);
            json!({ "asked": { "networks": networks.collect::<Vec<_>>() } })
        }
        Targets::Lookup(lookup) => {
            let on_missing = match lookup.on_missing {
                OnMissing::Fail => json!("fail"),
                OnMissing::Wait(time) => json!({ "wait": time.as_secs_f64() }),
                OnMissing::Fallback(at) => {
                    json!({ "fallback": snapshot.upstreams.get(at).map(|upstream| &*upstream.name) })
                }
            };
            json!({ "lookup": {
                "store": *lookup.store.name,
                "key": lookup.key.to_string(),
                "up": lookup.store.is_up(),
                "on_missing": on_missing,
                "drained": lookup.drained.targets().iter().map(ToString::to_string).collect::<Vec<_>>(),
            } })
        }
    }
}

/// The last check of a node, if it is checked.
fn check(shared: &Shared, upstream: &Upstream, entry: &Entry) -> Value {
    let last = shared.health.last(&upstream.name, &entry.member.target.to_string());
    last.map_or(Value::Null, |last| {
        let ago = clock::now().since(last.at).as_secs_f64();
        json!({ "passed": last.failure.is_none(), "failure": last.failure, "seconds_ago": ago })
    })
}

fn endpoint(entry: &Entry, check: Value) -> Value {
    let Entry { member, endpoint } = entry;
    let shards = endpoint.shards();
    let now = clock::now();
    let ejected_until = endpoint.ejected_until();
    let ejected = (now < ejected_until).then(|| {
        let left = ejected_until.since(now).as_secs_f64();
        json!({ "reason": endpoint.ejected_for().word(), "seconds_left": left })
    });
    json!({
        "address": member.target.to_string(),
        "weight": endpoint.weight().unwrap_or(member.weight),
        "priority": member.priority,
        "labels": member.labels,
        "in_service": endpoint.is_in_service(now),
        "healthy": endpoint.health() == Health::Passing,
        "check": check,
        "draining": endpoint.duty() == Duty::Draining,
        "ejected": ejected,
        "active": shards.iter().map(|shard| shard.active.get()).sum::<i64>(),
        "calls": shards.iter().map(|shard| shard.calls.get()).sum::<u64>(),
        "failures": shards.iter().map(|shard| shard.failures.get()).sum::<u64>(),
    })
}

/// Where nodes come from, and how that is doing.
fn source(source: &SourceStatus) -> Value {
    json!({
        "source": *source.source,
        "place": *source.place,
        "up": source.up,
        "trouble": source.trouble,
        "nodes": source.nodes,
        "held": source.held,
        "updates": source.updates,
        "errors": source.errors,
        "refused": source.refused,
        "holds": source.holds,
    })
}

/// The nodes that have connections now.
fn nodes(upstream: &Upstream, connections: &[ConnectionInfo]) -> Value {
    let mut nodes: BTreeMap<SocketAddr, (usize, usize, usize)> = BTreeMap::new();
    let own = |link: &&ConnectionInfo| link.side == "upstream" && link.owner == upstream.name;
    for link in connections.iter().filter(own) {
        let (count, streams, waiting) = nodes.entry(link.peer).or_default();
        *count += 1;
        *streams += link.streams;
        *waiting += link.pending_bytes;
    }
    let nodes = nodes.into_iter().map(|(node, (count, streams, waiting))| {
        json!({
            "node": node.to_string(), "connections": count, "streams": streams,
            "pending_bytes": waiting,
        })
    });
    nodes.collect()
}

fn connection(link: &ConnectionInfo) -> Value {
    json!({
        "side": link.side,
        "peer": link.peer.to_string(),
        "owner": *link.owner,
        "state": link.state,
        "protocol": link.protocol,
        "streams": link.streams,
        "pending_bytes": link.pending_bytes,
        "age_seconds": link.age.as_secs_f64(),
        "worker": link.worker,
    })
}

fn stream(stream: &StreamInfo) -> Value {
    json!({
        "id": format!("{}-{}", stream.worker, stream.exchange),
        "client": stream.client.to_string(),
        "path": stream.path,
        "route": *stream.route,
        "node": stream.node.map(|node| node.to_string()),
        "job": stream.job,
        "stage": stream.stage,
        "age_seconds": stream.age.as_secs_f64(),
        "idle_seconds": stream.idle.as_secs_f64(),
        "bytes_in": stream.bytes_in,
        "bytes_out": stream.bytes_out,
    })
}

fn seconds(time: Option<Duration>) -> Option<f64> {
    time.map(|time| time.as_secs_f64())
}
