//! Conformance with RFC 9112, HTTP/1.1, laid out as the RFC is.
//!
//! A test is one requirement, which is its doc comment, in our words. A peer writes bytes, see
//! `support/message.rs`; what holds for both roles is run against both.

#[path = "support/message.rs"]
#[allow(dead_code, reason = "two test programs share it")]
mod message;

#[path = "rfc9112/s2_messages.rs"]
mod s2_messages;
#[path = "rfc9112/s3_request_line.rs"]
mod s3_request_line;
#[path = "rfc9112/s4_status_line.rs"]
mod s4_status_line;
#[path = "rfc9112/s5_fields.rs"]
mod s5_fields;
#[path = "rfc9112/s6_body.rs"]
mod s6_body;
#[path = "rfc9112/s7_chunked.rs"]
mod s7_chunked;
#[path = "rfc9112/s8_incomplete.rs"]
mod s8_incomplete;
#[path = "rfc9112/s9_connections.rs"]
mod s9_connections;
