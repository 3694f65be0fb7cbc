//! The opening handshake (RFC 6455 §4): what makes a request and a reply one.

use super::{ACCEPT, KEY, VERSION, VERSION_13, WEBSOCKET};
use crate::base64;
use crate::{Head, Name};

/// RFC 6455 §1.3: what is appended to the key.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

const KEY_BYTES: usize = 16;
const KEY_TEXT_BYTES: usize = 24;
const ACCEPT_TEXT_BYTES: usize = 28;

/// A client's key, as it is written: 16 bytes in base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key([u8; KEY_TEXT_BYTES]);

/// Why a request or a reply is no opening handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum HandshakeFault {
    /// RFC 6455 §4.1: GET; RFC 8441 §5: CONNECT.
    #[error("method of the WebSocket handshake is wrong")]
    Method,
    /// RFC 6455 §4.1: `upgrade` does not name WebSocket, or `:protocol` does not.
    #[error("WebSocket is not asked for")]
    Upgrade,
    /// RFC 6455 §4.1: `connection` does not name `upgrade`.
    #[error("connection field of the WebSocket handshake does not name upgrade")]
    Connection,
    /// RFC 6455 §4.2.1: not one key of 16 bytes in base64.
    #[error("key of the WebSocket handshake is malformed")]
    Key,
    /// RFC 6455 §4.4: another version than 13. The client is told ours with 426.
    #[error("version of WebSocket is not 13")]
    Version,
    /// RFC 6455 §4.1: the accept value does not belong to the key.
    #[error("accept value of the WebSocket handshake is wrong")]
    Accept,
    /// The server did not switch. Its reply is an ordinary one and goes to the client as it is.
    #[error("server did not switch to WebSocket")]
    Refused,
}

// === impl Key ===

impl Key {
    /// A key of these random bytes.
    pub fn new(random: [u8; KEY_BYTES]) -> Self {
        let mut text = Vec::with_capacity(KEY_TEXT_BYTES);
        base64::encode(&random, &mut text);
        Self(text.try_into().expect("16 bytes are 24 characters"))
    }

    /// A key as a client wrote it. `None`: it is not 16 bytes in base64.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = <[u8; KEY_TEXT_BYTES]>::try_from(text).ok()?;
        let mut bytes = Vec::with_capacity(KEY_BYTES);
        base64::decode(&text, &mut bytes)?;
        (bytes.len() == KEY_BYTES).then_some(Self(text))
    }

    /// Its text.
    pub fn text(&self) -> &[u8] {
        &self.0
    }

    /// What the server answers to it (RFC 6455 §4.2.2).
    pub fn accept(&self) -> [u8; ACCEPT_TEXT_BYTES] {
        let mut sha1 = sha1_smol::Sha1::new();
        sha1.update(&self.0);
        sha1.update(GUID);
        let mut text = Vec::with_capacity(ACCEPT_TEXT_BYTES);
        base64::encode(&sha1.digest().bytes(), &mut text);
        text.try_into().expect("20 bytes are 28 characters")
    }
}

/// Whether a request of HTTP/1.1 asks for WebSocket. Cheap, and true for wrong ones too.
pub fn is_upgrade(head: &Head) -> bool {
    head.get(Name::Method) == Some(b"GET") && names(head, Name::Upgrade, WEBSOCKET)
}

/// Checks a client's request of HTTP/1.1 (RFC 6455 §4.2.1). That it is one of HTTP/1.1, with a host, was
/// checked with the head itself.
pub fn check_request(head: &Head) -> Result<Key, HandshakeFault> {
    if head.get(Name::Method) != Some(b"GET") {
        return Err(HandshakeFault::Method);
    }
    check_switch(head)?;
    // RFC 6455 §11.3.1: the key comes once.
    let key = only(head, KEY).ok_or(HandshakeFault::Key)?;
    let key = Key::parse(key).ok_or(HandshakeFault::Key)?;
    check_version(head)?;
    Ok(key)
}

/// Checks a server's reply to a request with this key (RFC 6455 §4.1).
pub fn check_reply(head: &Head, key: &Key) -> Result<(), HandshakeFault> {
    if head.get(Name::Status) != Some(b"101") {
        return Err(HandshakeFault::Refused);
    }
    check_switch(head)?;
    match only(head, ACCEPT) {
        Some(accept) if accept == key.accept() => Ok(()),
        _ => Err(HandshakeFault::Accept),
    }
}

/// Checks a client's extended CONNECT of HTTP/2 (RFC 8441 §5), of which the engine has checked that its
/// pseudo fields are complete.
pub fn check_connect(head: &Head) -> Result<(), HandshakeFault> {
    if head.get(Name::Method) != Some(b"CONNECT") {
        return Err(HandshakeFault::Method);
    }
    match head.get(Name::Protocol) {
        Some(protocol) if protocol.eq_ignore_ascii_case(WEBSOCKET) => check_version(head),
        _ => Err(HandshakeFault::Upgrade),
    }
}

fn check_version(head: &Head) -> Result<(), HandshakeFault> {
    match only(head, VERSION) {
        Some(version) if version == VERSION_13 => Ok(()),
        _ => Err(HandshakeFault::Version),
    }
}

fn check_switch(head: &Head) -> Result<(), HandshakeFault> {
    if !names(head, Name::Upgrade, WEBSOCKET) {
        return Err(HandshakeFault::Upgrade);
    }
    if !names(head, Name::Connection, b"upgrade") {
        return Err(HandshakeFault::Connection);
    }
    Ok(())
}

/// Whether a field that is a list has this member, in any case. It may come several times.
fn names(head: &Head, name: Name, member: &[u8]) -> bool {
    head.fields().iter().filter(|field| field.name == name).any(|field| {
        let members = head.value(field).split(|byte| *byte == b',');
        members.map(<[u8]>::trim_ascii).any(|have| have.eq_ignore_ascii_case(member))
    })
}

/// The value of a field that comes once.
fn only<'a>(head: &'a Head, name: &[u8]) -> Option<&'a [u8]> {
    let mut values = head.iter().filter(|(have, _)| *have == name).map(|(_, value)| value);
    let first = values.next()?;
    values.next().is_none().then_some(first)
}
