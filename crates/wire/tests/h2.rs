//! The HTTP/2 engine through its public interface.
//!
//! `support.rs` holds a client and a server connection wired in memory, and a peer that writes raw frames.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/chance.rs"]
mod chance;
#[path = "h2/support.rs"]
mod support;

#[path = "h2/abuse.rs"]
mod abuse;
#[path = "h2/calls.rs"]
mod calls;
#[path = "h2/flow.rs"]
mod flow;
#[path = "h2/garbage.rs"]
mod garbage;
#[path = "h2/goaway.rs"]
mod goaway;
#[path = "h2/legitimate.rs"]
mod legitimate;
#[path = "h2/memory.rs"]
mod memory;
#[path = "h2/model.rs"]
mod model;
#[path = "h2/time.rs"]
mod time;
