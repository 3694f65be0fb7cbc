//! HTTP/1.1 and 1.0 (RFC 9112) as a pure state machine, for both roles.
//!
//! [`Connection`] keeps the contract of [`codec`](crate::codec) as HTTP/2 does: heads come out with pseudo
//! fields and without what belongs to the connection, bodies without their framing, WebSocket and CONNECT as
//! tunnels; and it writes what is given to it in that form. `httparse` splits lines of fields into names and
//! values; every rule of framing is ours and strict, because two readers that disagree about where a message
//! ends are how requests are smuggled. Nothing here reads a clock, a socket, or randomness.
//!
//! Read `connection.rs` for the whole, `scan.rs` for where a head ends, `section.rs` for its fields,
//! `head.rs` for what it means, `framing.rs` for where its body ends, `write.rs` for the way out.

mod chunk;
mod config;
mod connection;
mod fault;
mod framing;
mod head;
mod options;
mod scan;
mod section;
mod target;
mod upgrade;
mod write;

pub use config::Config;
pub use connection::{Connection, Scheme, Switch};
pub use fault::Fault;
