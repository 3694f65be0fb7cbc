//! What callers in JSON can call, in OpenAPI.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::reply::Failure;
use crate::daemon::Shared;

pub(super) async fn openapi(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
) -> Result<Response, Failure> {
    let snapshot = shared.current().snapshot.clone();
    let upstream = snapshot.upstreams.iter().find(|upstream| *upstream.name == *name);
    let missing = || Failure::not_found(format!("there is no upstream {name}"));
    let transcoding = upstream.ok_or_else(missing)?.transcoding.as_ref();
    let none = || Failure::not_found(format!("upstream {name} takes no JSON"));
    let unknown = || {
        let message = format!("no node of upstream {name} has described its methods yet");
        Failure::new(StatusCode::SERVICE_UNAVAILABLE, message)
    };
    let methods = transcoding.ok_or_else(none)?.methods().ok_or_else(unknown)?;
    let body = methods.description.to_vec();
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}
