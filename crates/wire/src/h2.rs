//! HTTP/2 (RFC 9113) as a pure state machine, for both roles.
//!
//! [`Connection::receive`] turns bytes into [`Event`](crate::codec::Event)s; commands such as
//! [`Connection::send_head`] append frames to one [`Output`](crate::codec::Output). Both are one pass over
//! the bytes, and allocate nothing once the connection is warm. Every rule of the RFC is enforced strictly,
//! and every abuse has a budget in [`guard`]; nothing here reads a clock, a socket, or randomness.
//!
//! Read `connection.rs` for the whole, `connection/receive.rs` for the way in, `connection/send.rs` for
//! the way out, `state.rs` for the life of a stream, `fields.rs` for what makes a message valid.

mod config;
mod connection;
mod flow;
mod frame;
pub mod guard;
mod lingering;
mod settings;
mod state;
mod streams;
mod timers;
mod waiting;

pub use config::Config;
pub use connection::Connection;
pub use frame::PREFACE;
pub use settings::Settings;
