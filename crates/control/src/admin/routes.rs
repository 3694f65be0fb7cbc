//! The mappings of a store: what `narrows route` works with.
//!
//! Embedded stores are read and written; a Redis store is written by its own clients, here it can only be
//! asked for a key.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{ConnectInfo, Path, Query, State};
use axum::http::StatusCode;
use narrows_gateway::lookup::Outcome;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::reply::{Answer, Failure};
use crate::config::Period;
use crate::daemon::Shared;
use crate::stores::embedded::{ChangeError, Embedded, Entry};

/// Entries of a list, unless `?limit=` says otherwise.
const LIMIT: usize = 1000;

/// A mapping as JSON.
#[derive(Debug, Serialize)]
pub(super) struct Mapping {
    key: String,
    target: String,
    /// Seconds since 1970; `null`: it does not end.
    expires: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SetBody {
    target: String,
    ttl: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct SetQuery {
    ttl: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ListQuery {
    prefix: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
}

pub(super) async fn stores(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let stores = shared.stores.status().into_iter().map(|store| {
        json!({
            "store": store.name, "kind": store.kind, "up": store.up, "entries": store.entries,
            "detail": store.detail, "queries": store.counts.queries,
            "refreshes": store.counts.refreshes, "invalidations": store.counts.invalidations,
            "failures": store.counts.failures, "reconnects": store.counts.reconnects,
        })
    });
    Json(stores.collect())
}

pub(super) async fn get(
    State(shared): State<Arc<Shared>>,
    Path((store, key)): Path<(String, String)>,
) -> Answer<Mapping> {
    let unknown = || Failure::not_found(format!("{key:?} is not in store {store}"));
    if let Some(embedded) = shared.stores.embedded(&store) {
        let name = key.clone();
        let entry = blocking(move || embedded.get(name.as_bytes())).await?;
        return entry.map(|entry| Json(entry.into())).ok_or_else(unknown);
    }
    match shared.stores.lookup(&store, key.as_bytes()).await {
        None => Err(no_store(&store)),
        Some(Err(error)) => Err(Failure::new(StatusCode::SERVICE_UNAVAILABLE, error)),
        Some(Ok(Outcome::Missing)) => Err(unknown()),
        Some(Ok(Outcome::Malformed(why))) => Err(Failure::new(StatusCode::CONFLICT, why)),
        Some(Ok(Outcome::Found(target))) => {
            Ok(Json(Mapping { key, target: target.to_string(), expires: None }))
        }
    }
}

pub(super) async fn set(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(actor): ConnectInfo<SocketAddr>,
    Path((store, key)): Path<(String, String)>,
    Query(query): Query<SetQuery>,
    body: Result<Json<SetBody>, JsonRejection>,
) -> Answer<Value> {
    let Json(body) = body.map_err(|error| Failure::bad(error.body_text()))?;
    let embedded = embedded(&shared, &store)?;
    let ttl = query.ttl.or(body.ttl).map(|text| text.parse::<Period>().map_err(Failure::bad));
    let ttl = ttl.transpose()?.map(|period| period.0);
    embedded.set(key.as_bytes(), &body.target, ttl).await.map_err(change_failed)?;
    let target = body.target.trim();
    tracing::info!(target: "audit", %actor, action = "route set", store, key, target, ?ttl, "change");
    Ok(Json(json!({ "key": key, "target": target })))
}

pub(super) async fn del(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(actor): ConnectInfo<SocketAddr>,
    Path((store, key)): Path<(String, String)>,
) -> Answer<Value> {
    let embedded = embedded(&shared, &store)?;
    let removed = embedded.del(key.as_bytes()).await.map_err(change_failed)?;
    tracing::info!(target: "audit", %actor, action = "route del", store, key, removed, "change");
    Ok(Json(json!({ "key": key, "removed": removed })))
}

pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    Path(store): Path<String>,
    Query(query): Query<ListQuery>,
) -> Answer<Vec<Mapping>> {
    let embedded = embedded(&shared, &store)?;
    let entries = blocking(move || {
        let after = query.after.as_deref().map(str::as_bytes);
        let prefix = query.prefix.unwrap_or_default();
        embedded.list(prefix.as_bytes(), after, query.limit.unwrap_or(LIMIT))
    });
    Ok(Json(entries.await?.into_iter().map(Mapping::from).collect()))
}

fn embedded(shared: &Shared, store: &str) -> Result<Arc<Embedded>, Failure> {
    if let Some(embedded) = shared.stores.embedded(store) {
        return Ok(embedded);
    }
    let known = shared.stores.status().iter().any(|status| status.name == store);
    Err(match known {
        true => Failure::bad(format!(
            "store {store} is not embedded; change it through its own clients"
        )),
        false => no_store(store),
    })
}

fn no_store(store: &str) -> Failure {
    Failure::not_found(format!("there is no store {store}"))
}

/// Reads a file off the threads that answer.
async fn blocking<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, ChangeError> + Send + 'static,
) -> Result<T, Failure> {
    match tokio::task::spawn_blocking(read).await {
        Ok(result) => result.map_err(change_failed),
        Err(error) => Err(Failure::new(StatusCode::INTERNAL_SERVER_ERROR, error)),
    }
}

fn change_failed(error: ChangeError) -> Failure {
    match error {
        ChangeError::Storage(_) => Failure::new(StatusCode::INSUFFICIENT_STORAGE, error),
        ChangeError::Key(_) | ChangeError::Target { .. } | ChangeError::TimeToLive => {
            Failure::bad(error)
        }
    }
}

impl From<Entry> for Mapping {
    fn from(entry: Entry) -> Self {
        Self {
            key: String::from_utf8_lossy(&entry.key).into_owned(),
            target: entry.target.into(),
            expires: entry.expires,
        }
    }
}
