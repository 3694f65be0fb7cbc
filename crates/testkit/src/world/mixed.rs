//! Actors of all protocols in one world: HTTP/1.1 and HTTP/2 on both sides of the gateway, WebSockets, gRPC-Web,
//! JSON, and connections of opaque bytes.
//!
//! They join the actors that every world has, on the same gateway. [`setup`] says where they listen and what the
//! gateway is told of them, [`call`] what is asked for and how it has to end, [`talk`] what is said, [`line`] how
//! it is written on the wire.

mod base64;
mod call;
mod client;
mod line;
mod node;
pub(super) mod setup;
mod talk;
mod tcp;
