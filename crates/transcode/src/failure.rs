//! Why a call can not be carried on, as it is told to the caller: `google.rpc.Status` as JSON.

use narrows_wire::grpc::Status;
use serde_json::json;

use crate::call::ReplyHead;

/// What ended a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// The status, for the body and for the log.
    pub status: Status,
    /// The status of HTTP. That of the table, unless HTTP says it better.
    pub http_status: u16,
    /// What happened, in words.
    pub message: String,
    /// The methods that the path has, if it lacks the one of the request: the field `allow`
    /// (RFC 9110 §15.5.6).
    pub allow: Vec<String>,
    /// Details as JSON, each with its `@type`.
    pub(crate) details: Vec<serde_json::Value>,
}

// === impl Failure ===

impl Failure {
    /// With the status of HTTP that belongs to the status (google.rpc.Code).
    pub fn new(status: Status, message: impl Into<String>) -> Self {
        let http_status = status.to_http();
        let (message, allow, details) = (message.into(), Vec::new(), Vec::new());
        Self { status, http_status, message, allow, details }
    }

    /// The caller's mistake.
    pub(crate) fn wrong(message: impl Into<String>) -> Self {
        Self::new(Status::InvalidArgument, message)
    }

    /// Content that is too large (RFC 9110 §15.5.14).
    pub(crate) fn too_large(message: impl Into<String>) -> Self {
        Self { http_status: 413, ..Self::new(Status::ResourceExhausted, message) }
    }

    /// Content of a kind that is not taken (RFC 9110 §15.5.16).
    pub(crate) fn media(message: impl Into<String>) -> Self {
        Self { http_status: 415, ..Self::wrong(message) }
    }

    /// What the node sent makes no sense.
    pub(crate) fn node(message: impl Into<String>) -> Self {
        Self::new(Status::Internal, message)
    }

    /// Appends the body of a reply that is nothing but this failure, and gives its head.
    pub fn write(&self, out: &mut Vec<u8>) -> ReplyHead {
        out.extend_from_slice(self.json().to_string().as_bytes());
        let head = ReplyHead::new(self.http_status, "application/json");
        ReplyHead { allow: self.allow.clone(), ..head }
    }

    /// The body: `{"code":5,"message":"...","details":[]}`.
    pub fn json(&self) -> serde_json::Value {
        json!({
            "code": self.status.code(),
            "message": self.message,
            "details": self.details,
        })
    }
}
