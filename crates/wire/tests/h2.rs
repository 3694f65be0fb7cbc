//! The HTTP/2 engine through its public interface.
//!
//! `support.rs` holds a client and a server connection wired in memory, and a peer that writes raw frames.

#[path = "h2/support.rs"]
mod support;

#[path = "h2/calls.rs"]
mod calls;
