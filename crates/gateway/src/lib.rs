//! The data plane of Narrows: listener -> link -> exchange -> route -> target -> upstream -> reply.
//!
//! Workers are plain threads, each with its own sockets, streams, pools, and timers; they share nothing
//! but immutable snapshots, lookup tables, and counters. What needs I/O of another kind is posted to the
//! control plane through [`control::ControlPort`] and comes back by mailbox. This crate never names the
//! control plane's own crate. Read ARCHITECTURE.md, then [`control`], the one door in.
#![warn(missing_docs)]

pub mod balance;
pub mod certificates;
pub mod clock;
pub mod closes;
pub mod control;
pub mod drained;
pub mod endpoints;
pub mod exchange;
pub mod filter;
pub mod forward;
pub mod forwarding;
pub mod io;
pub mod keepalive;
pub mod link;
pub mod lookup;
pub mod outlier;
pub mod passthrough;
pub mod pool;
pub mod random;
pub mod record;
pub mod reply;
pub mod retry;
pub mod route;
pub mod runtime;
pub mod slab;
pub mod slow_start;
pub mod snapshot;
pub mod sources;
pub mod stage;
pub mod stats;
pub mod target;
pub mod timeout;
pub mod timer;
pub mod transcoding;
pub mod websocket;
pub mod worker;
