//! Orders: reload, drain, log level.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::{ConnectInfo, Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::reply::{Answer, Failure};
use crate::config::{LogLevel, Period};
use crate::daemon::{Applied, Order, Refused, Shared, logging};

#[derive(Debug, Deserialize)]
pub(super) struct DrainQuery {
    timeout: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct LoggingQuery {
    level: LogLevel,
}

pub(super) async fn reload(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(actor): ConnectInfo<SocketAddr>,
) -> Answer<Applied> {
    tracing::info!(target: "audit", %actor, action = "reload", "change");
    let (answer, result) = oneshot::channel();
    if !shared.order(Order::Reload(answer)).await {
        return Err(Failure::ending());
    }
    match result.await {
        Ok(Ok(applied)) => Ok(Json(applied)),
        Ok(Err(Refused::Config(faults))) => {
            let refused = "the configuration can not be used; the one before stays in force";
            let faults = faults.iter().map(|fault| Value::from(fault.to_string()));
            let failure = Failure::new(StatusCode::UNPROCESSABLE_ENTITY, refused);
            Err(failure.with("faults", faults.collect::<Vec<_>>()))
        }
        Ok(Err(Refused::Draining)) | Err(_) => Err(Failure::ending()),
    }
}

pub(super) async fn drain(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(actor): ConnectInfo<SocketAddr>,
    Query(query): Query<DrainQuery>,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let timeout = query.timeout.map(|text| text.parse::<Period>().map_err(Failure::bad));
    let timeout = timeout.transpose()?.map(|period| period.0);
    tracing::info!(target: "audit", %actor, action = "drain", ?timeout, "change");
    if !shared.order(Order::Drain(timeout)).await {
        return Err(Failure::ending());
    }
    let timeout = timeout.unwrap_or(shared.current().loaded.config.drain.grace.0);
    let body = json!({ "status": "draining", "timeout_seconds": timeout.as_secs_f64() });
    Ok((StatusCode::ACCEPTED, Json(body)))
}

pub(super) async fn logging(
    ConnectInfo(actor): ConnectInfo<SocketAddr>,
    query: Result<Query<LoggingQuery>, axum::extract::rejection::QueryRejection>,
) -> Answer<Value> {
    let expected = "expected ?level= with error, warn, info, debug, or trace";
    let Query(query) = query.map_err(|_| Failure::bad(expected))?;
    tracing::info!(target: "audit", %actor, action = "logging", level = query.level.word(), "change");
    logging::set_level(query.level);
    Ok(Json(json!({ "level": query.level.word() })))
}
