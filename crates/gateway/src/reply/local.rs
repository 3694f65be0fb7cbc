//! A reply that a filter makes in the node's place, in the caller's protocol.
//!
//! It is written as an HTTP reply. A gRPC caller gets the gRPC status that stands for the HTTP status, or the
//! one that was chosen, and the fields as metadata; a body would be no message.

use std::sync::Arc;

use narrows_wire::grpc::{self, Status};
use narrows_wire::syntax::check_value;
use narrows_wire::{Head, Indexing, Name};

use crate::filter::FilterError;
use crate::route::HeaderName;

/// A reply that a filter makes.
#[derive(Debug, Clone)]
pub struct LocalReply {
    status: u16,
    fields: Vec<(HeaderName, Box<[u8]>)>,
    body: Arc<[u8]>,
    grpc: Option<(Status, Arc<str>)>,
}

// === impl LocalReply ===

impl LocalReply {
    /// A reply with this HTTP status, 200 to 599, and nothing else.
    pub fn new(status: u16) -> Self {
        Self { status, fields: Vec::new(), body: Arc::default(), grpc: None }
    }

    /// With a field. `value` has been checked.
    pub fn field(mut self, name: HeaderName, value: &[u8]) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    /// With a field whose value has not been checked.
    pub fn checked_field(self, name: HeaderName, value: &[u8]) -> Result<Self, FilterError> {
        match check_value(value) {
            Ok(()) => Ok(self.field(name, value)),
            Err(fault) => Err(FilterError::Value { field: name, fault }),
        }
    }

    /// With a body.
    pub fn body(mut self, body: Arc<[u8]>) -> Self {
        self.body = body;
        self
    }

    /// With this status and message for gRPC callers.
    pub fn grpc(mut self, status: Status, message: Arc<str>) -> Self {
        self.grpc = Some((status, message));
        self
    }

    /// The gRPC status that a gRPC caller is told.
    pub fn grpc_status(&self) -> Status {
        self.grpc.as_ref().map_or(Status::from_http(self.status), |(status, _)| *status)
    }

    /// Fills `head` for a caller that does not speak gRPC, and gives the body.
    pub fn plain(&self, head: &mut Head) -> &[u8] {
        head.clear();
        head.push(Name::Status, self.status.to_string().as_bytes(), Indexing::MayRepeat);
        for (name, value) in &self.fields {
            name.push_to(head, value);
        }
        // RFC 9110 §8.6: none with 204; in 304 it would be the length of what is not sent.
        if matches!(self.status, 204 | 304) {
            return &[];
        }
        let length = self.body.len().to_string();
        head.push(Name::ContentLength, length.as_bytes(), Indexing::MayRepeat);
        &self.body
    }

    /// Fills `head` with the whole reply for a gRPC caller, whose content type it takes.
    pub fn trailers_only(&self, head: &mut Head, content_type: &[u8]) {
        head.clear();
        head.push(Name::Status, b"200", Indexing::MayRepeat);
        head.push(Name::ContentType, content_type, Indexing::MayRepeat);
        for (name, value) in &self.fields {
            if !matches!(name.as_str(), "content-type" | "location") {
                name.push_to(head, value);
            }
        }
        let status = self.grpc_status();
        head.push(Name::GrpcStatus, status.digits().as_bytes(), Indexing::MayRepeat);
        let message = match &self.grpc {
            Some((_, message)) => message.to_string(),
            None => format!("the gateway answers with HTTP status {}", self.status),
        };
        if !message.is_empty() {
            let mut text = Vec::new();
            grpc::encode_message(message.as_bytes(), &mut text);
            head.push(Name::GrpcMessage, &text, Indexing::MayRepeat);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> HeaderName {
        HeaderName::new(text).expect("a name")
    }

    #[test]
    fn a_browser_gets_status_fields_and_body() {
        let reply = LocalReply::new(200)
            .field(name("content-type"), b"text/plain")
            .body(Arc::from(&b"hello"[..]));
        let mut head = Head::new();
        assert_eq!(reply.plain(&mut head), b"hello");
        assert_eq!(head.get(Name::Status), Some(&b"200"[..]));
        assert_eq!(head.get(Name::ContentLength), Some(&b"5"[..]));
        assert_eq!(LocalReply::new(204).body(Arc::from(&b"x"[..])).plain(&mut head), b"");
        assert_eq!(head.get(Name::ContentLength), None);
    }

    #[test]
    fn a_grpc_caller_gets_a_grpc_status() {
        let mut head = Head::new();
        let reply = LocalReply::new(403).field(name("x-why"), b"list").body(Arc::from(&b"no"[..]));
        reply.trailers_only(&mut head, b"application/grpc+proto");
        assert_eq!(head.get(Name::Status), Some(&b"200"[..]));
        assert_eq!(head.get(Name::ContentType), Some(&b"application/grpc+proto"[..]));
        assert_eq!(head.get(Name::GrpcStatus), Some(&b"7"[..]));
        assert_eq!(head.find(b"x-why"), Some(&b"list"[..]));
        let reply = reply.grpc(Status::Ok, "".into());
        reply.trailers_only(&mut head, b"application/grpc");
        assert_eq!(head.get(Name::GrpcStatus), Some(&b"0"[..]));
        assert_eq!(head.get(Name::GrpcMessage), None);
    }
}
