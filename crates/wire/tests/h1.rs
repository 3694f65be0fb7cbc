//! HTTP/1 connections: limits, time, tunnels, flow, and models of their behaviour.
//!
//! What RFC 9112 asks for one by one is in `rfc9112.rs`.

#[path = "support/message.rs"]
#[allow(dead_code, reason = "two test programs share it")]
mod message;

#[path = "h1/bytes.rs"]
mod bytes;
#[path = "support/chance.rs"]
mod chance;
#[path = "h1/expect.rs"]
mod expect;
#[path = "h1/flow.rs"]
mod flow;
#[path = "h1/garbage.rs"]
mod garbage;
#[path = "h1/h2c.rs"]
mod h2c;
#[path = "h1/keys.rs"]
mod keys;
#[path = "h1/limits.rs"]
mod limits;
#[path = "h1/random.rs"]
mod random;
#[path = "h1/roundtrip.rs"]
mod roundtrip;
#[path = "h1/splits.rs"]
mod splits;
#[path = "h1/states.rs"]
mod states;
#[path = "h1/time.rs"]
mod time;
#[path = "h1/translation.rs"]
mod translation;
#[path = "h1/tunnels.rs"]
mod tunnels;
#[path = "h1/websocket.rs"]
mod websocket;
