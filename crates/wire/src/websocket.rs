//! WebSocket as far as a gateway that tunnels it needs to know (RFC 6455, RFC 8441).
//!
//! The opening handshake is checked on both sides, and translated between the Upgrade of HTTP/1.1 and the
//! extended CONNECT of HTTP/2: `websocket/handshake.rs`, `websocket/translate.rs`. After it, bytes go
//! through as they come; a [`FrameScanner`] tells where a frame of ours may be put between them, which is
//! how a tunnel is closed when the gateway drains. Payload is neither held, nor copied, nor unmasked.

mod frame;
mod handshake;
mod translate;

#[cfg(test)]
mod tests;

pub use frame::{CloseCode, FrameScanner, Masking, Position, write_close};
pub use handshake::{HandshakeFault, Key, check_connect, check_reply, check_request, is_upgrade};
pub use translate::{reply_to_connect, reply_to_upgrade, to_connect, to_upgrade};

/// The protocol's name in `upgrade` and `:protocol`.
pub(crate) const WEBSOCKET: &[u8] = b"websocket";

pub(crate) const KEY: &[u8] = b"sec-websocket-key";
pub(crate) const ACCEPT: &[u8] = b"sec-websocket-accept";
pub(crate) const VERSION: &[u8] = b"sec-websocket-version";

/// The only version (RFC 6455 §4.1).
pub(crate) const VERSION_13: &[u8] = b"13";
