//! WebSocket as far as a gateway that tunnels it needs to know (RFC 6455).
//!
//! In the form that all protocols share, a tunnel is an extended CONNECT (RFC 8441); the engine of HTTP/1
//! turns its Upgrade into that and back, with a [`Key`]. Then bytes go through as they come; a
//! [`FrameScanner`] tells where a frame of ours may be put between them, which is how a tunnel is closed
//! when the gateway drains. Payload is neither held, nor copied, nor unmasked.

mod frame;
mod key;

#[cfg(test)]
mod tests;

pub use frame::{CloseCode, FrameScanner, Masking, Position, write_close};
pub use key::Key;

/// The protocol's name in `upgrade` and `:protocol`.
pub(crate) const WEBSOCKET: &[u8] = b"websocket";

pub(crate) const KEY: &[u8] = b"sec-websocket-key";
pub(crate) const ACCEPT: &[u8] = b"sec-websocket-accept";
pub(crate) const VERSION: &[u8] = b"sec-websocket-version";

/// The only version (RFC 6455 §4.1).
pub(crate) const VERSION_13: &[u8] = b"13";
