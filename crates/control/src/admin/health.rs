//! Health, version, metrics.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::PATIENCE;
use super::reply::Failure;
use crate::daemon::Shared;
use crate::metrics;

pub(super) async fn index() -> Json<Value> {
    Json(json!({ "pages": [
        "GET /healthz", "GET /livez", "GET /readyz", "GET /version", "GET /metrics", "GET /config",
        "GET /routes", "GET /upstreams", "GET /connections", "GET /streams", "POST /explain",
        "GET /openapi/{upstream}",
        "GET /stores", "GET /stores/{store}/routes?prefix=&after=&limit=",
        "GET|PUT|DELETE /stores/{store}/routes/{key}?ttl=",
        "POST /upstreams/{upstream}/nodes/{node}:{drain|undrain|weight}?weight=",
        "POST /nodes/{node}:{drain|undrain|weight}?weight=",
        "POST /reload", "POST /drain?timeout=", "PUT /logging?level=",
    ] }))
}

/// The process runs and its control plane answers.
pub(super) async fn alive() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// New callers may come. A reload that failed does not change that: the configuration before serves on.
pub(super) async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    if shared.is_draining() {
        let failure = Failure::new(StatusCode::SERVICE_UNAVAILABLE, "the gateway is draining");
        return failure.with("status", "draining").into_response();
    }
    Json(json!({ "status": "ok" })).into_response()
}

pub(super) async fn version(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let listeners = shared
        .listeners
        .iter()
        .map(|(name, address)| json!({ "listener": **name, "address": address.to_string() }));
    Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "uptime_seconds": shared.uptime().as_secs(),
        "workers": shared.workers.len(),
        "config_hash": shared.current().hash_text(),
        "state": if shared.is_draining() { "draining" } else { "serving" },
        "listeners": listeners.collect::<Vec<_>>(),
    }))
}

pub(super) async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    // Waits for workers and reads files.
    let page = tokio::task::spawn_blocking(move || {
        let connections = shared.handle.connections(PATIENCE);
        let current = shared.current();
        metrics::render(&metrics::Sources {
            snapshot: &current.snapshot,
            workers: &shared.workers,
            connections: &connections,
            refreshes: &current.duties.refreshes,
            health: &shared.health,
            discovered: &shared.discovery.status(),
            condition: shared.condition(),
        })
    });
    match page.await {
        Ok(page) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], page).into_response(),
        Err(error) => Failure::new(StatusCode::INTERNAL_SERVER_ERROR, error).into_response(),
    }
}
