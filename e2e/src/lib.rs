//! What the end-to-end tests share: the tonic peers of `narrows.test.Echo`, clients that see the wire, and the
//! configurations that the tests run the gateway with.
//!
//! e2e/README.md describes the service and the cases; the tests are in `tests`, one file for each subject. The
//! launchers of real programs are in the crate `narrows-testkit`.

pub mod cases;
pub mod client;
pub mod codec;
pub mod config;
pub mod differential;
pub mod discovery;
pub mod frames;
pub mod handshake;
pub mod hostile;
pub mod openssl;
pub mod server;
pub mod shop;
pub mod sockets;
pub mod strict;
pub mod web;
pub mod wire;
