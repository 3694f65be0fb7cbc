//! Conformance with RFC 9112, HTTP/1.1, laid out as the RFC is.
//!
//! A test is one requirement, which is its doc comment, in our words. A peer writes bytes, see
//! `support/message.rs`; what holds for both roles is run against both.

#[path = "support/message.rs"]
#[allow(dead_code, reason = "two test programs share it")]
mod message;

#[path = "rfc9112/s2_messages.rs"]
mod s2_messages;
