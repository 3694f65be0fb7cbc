//! The protocols of Narrows as pure state machines: bytes in, events out.
//!
//! Nothing here touches a socket, a clock, a thread, or randomness. The caller passes the bytes it
//! read and the present [`Time`], takes typed events, gives commands, and writes what has gathered
//! in the output. So the same code runs in production, in the simulated world, and under a fuzzer.
//! Start reading at [`h2::Connection`]; [`Head`] is what it produces and takes.
#![warn(missing_docs)]

pub mod client_hello;
pub mod codec;
pub mod grpc;
pub mod grpc_web;
pub mod h1;
pub mod h2;
pub mod hpack;
pub mod proxy_protocol;
pub mod raw;
pub mod syntax;
pub mod websocket;

mod base64;
mod crc32c;
mod fields;
mod head;
mod name;
mod time;

pub use fields::Malformed;
pub use head::{Field, Head, HeadBytes, Indexing};
pub use name::Name;
pub use time::Time;
