//! What goes wrong in the admin listener, as JSON.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// An answer that is not the one asked for.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    body: Value,
}

/// An answer as JSON, or why there is none.
pub(super) type Answer<T> = Result<Json<T>, Failure>;

// === impl Failure ===

impl Failure {
    pub(super) fn new(status: StatusCode, error: impl std::fmt::Display) -> Self {
        Self { status, body: json!({ "error": error.to_string() }) }
    }

    pub(super) fn bad(error: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }

    pub(super) fn not_found(error: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, error)
    }

    pub(super) fn method() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "this page does not take that method")
    }

    pub(super) fn ending() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "the gateway is ending")
    }

    /// Adds a field to the body.
    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.body[name] = value.into();
        self
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.status, Json(self.body)).into_response()
    }
}
