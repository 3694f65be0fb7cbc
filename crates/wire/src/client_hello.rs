//! A look into the ClientHello of a TLS connection, without ending the TLS (RFC 8446 §4.1.2).
//!
//! It tells where a connection wants to go, by the host name (SNI, RFC 6066 §3) and the protocols (ALPN,
//! RFC 7301) that the client asks for. A [`ClientHelloReader`] is fed what is read; the caller keeps
//! those bytes and passes them on as they came. Nothing that it says is proven: a client writes what it
//! likes, and with Encrypted Client Hello the name is that of a front. See `client_hello/parse.rs` for
//! what is inside the message.

use crate::client_hello::parse::parse;

mod parse;

#[cfg(test)]
mod tests;

pub use parse::{ClientHello, HOST_BYTES_MAX};

/// The most bytes of a connection that are looked at, records and their headers. Hellos with keys of
/// post-quantum exchanges have two thousand.
pub const HELLO_BYTES_MAX: usize = 16 << 10;

/// RFC 8446 §5.1: content type, version, length.
const RECORD_HEADER_BYTES: usize = 5;
/// RFC 8446 §5.1: the longest record before encryption.
const RECORD_BYTES_MAX: u16 = 1 << 14;
/// Message type and length.
const MESSAGE_HEADER_BYTES: usize = 4;
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;

/// What the bytes so far are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peek {
    /// The beginning of a ClientHello, perhaps.
    NeedMore,
    /// Another protocol: the first bytes are not those of a TLS handshake.
    NotTls,
    /// A whole ClientHello.
    Hello(ClientHello),
}

/// Why TLS begins with something that is no ClientHello.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum HelloFault {
    /// Longer than [`HELLO_BYTES_MAX`].
    #[error("ClientHello is too long")]
    TooLong,
    /// A record that is empty, too long, or not of a handshake (RFC 8446 §5.1).
    #[error("record in the ClientHello is malformed")]
    Record,
    /// Another handshake message comes first.
    #[error("handshake does not begin with a ClientHello")]
    Message,
    /// RFC 8446 §5.1: the message does not end where its record does.
    #[error("bytes follow the ClientHello in its record")]
    Trailing,
    /// A length in it does not fit.
    #[error("ClientHello is malformed")]
    Length,
    /// RFC 8446 §4.2: an extension comes twice.
    #[error("extension of the ClientHello comes twice")]
    ExtensionTwice,
    /// RFC 6066 §3: two names of one kind, or one that is no host name.
    #[error("server name of the ClientHello is malformed")]
    ServerName,
    /// RFC 7301 §3.1: an empty list, or an empty name in it.
    #[error("protocols of the ClientHello are malformed")]
    Alpn,
}

/// Gathers a ClientHello from however many records and reads. Each byte is looked at once.
#[derive(Debug, Clone, Default)]
pub struct ClientHelloReader {
    /// Bytes that have come.
    seen: usize,
    /// The header of the present record, as far as it has come.
    header: [u8; RECORD_HEADER_BYTES],
    header_len: usize,
    /// What is still to come of the present record.
    record_left: u16,
    /// The message, without the headers of records.
    message: Vec<u8>,
}

// === impl ClientHelloReader ===

impl ClientHelloReader {
    /// A reader at the beginning of a connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes of the connection. After anything but [`Peek::NeedMore`] it is to be dropped.
    pub fn feed(&mut self, mut input: &[u8]) -> Result<Peek, HelloFault> {
        while !input.is_empty() {
            // Only what is within the limit is looked at; a hello that ends there is fine.
            let room = HELLO_BYTES_MAX - self.seen;
            let within = input.get(..room).unwrap_or(input);
            if within.is_empty() {
                return Err(HelloFault::TooLong);
            }
            let taken = if self.record_left == 0 {
                match self.header_bytes(within)? {
                    Some(taken) => taken,
                    None => return Ok(Peek::NotTls),
                }
            } else {
                self.record_bytes(within)?
            };
            self.seen += taken;
            input = input.get(taken..).unwrap_or_default();
            if let Some(hello) = self.hello()? {
                return Ok(Peek::Hello(hello));
            }
        }
        Ok(Peek::NeedMore)
    }

    /// Takes bytes of the header of a record; `None`: this is not TLS.
    fn header_bytes(&mut self, input: &[u8]) -> Result<Option<usize>, HelloFault> {
        let room = self.header.get_mut(self.header_len..).unwrap_or_default();
        let taken = room.len().min(input.len());
        for (to, from) in room.iter_mut().zip(input) {
            *to = *from;
        }
        self.header_len += taken;
        let come = self.header.get(..self.header_len).unwrap_or_default();
        // RFC 8446 §5.1: the version is to be ignored, but for its first byte it has never changed.
        if matches!(come, [kind, ..] if *kind != HANDSHAKE)
            || matches!(come, [_, major, ..] if *major != 3)
        {
            return if self.message.is_empty() { Ok(None) } else { Err(HelloFault::Record) };
        }
        if let [_, _, _, high, low] = come {
            let length = u16::from_be_bytes([*high, *low]);
            // RFC 8446 §5.1: records of a handshake must not be empty.
            if length == 0 || length > RECORD_BYTES_MAX {
                return Err(HelloFault::Record);
            }
            self.record_left = length;
            self.header_len = 0;
        }
        Ok(Some(taken))
    }

    /// Takes bytes of the message.
    fn record_bytes(&mut self, input: &[u8]) -> Result<usize, HelloFault> {
        let part = input.get(..usize::from(self.record_left)).unwrap_or(input);
        self.message.extend_from_slice(part);
        self.record_left -= part.len() as u16;
        if self.message.first().is_some_and(|kind| *kind != CLIENT_HELLO) {
            return Err(HelloFault::Message);
        }
        match self.message_bytes() {
            // It can not end within the limit: there is no need to wait for that.
            Some(bytes) if bytes > HELLO_BYTES_MAX - RECORD_HEADER_BYTES => {
                Err(HelloFault::TooLong)
            }
            _ => Ok(part.len()),
        }
    }

    /// The length of the message with its header, once it has come.
    fn message_bytes(&self) -> Option<usize> {
        let (_, [a, b, c], _) = split_header(&self.message)?;
        Some(MESSAGE_HEADER_BYTES + (usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c)))
    }

    fn hello(&self) -> Result<Option<ClientHello>, HelloFault> {
        match self.message_bytes() {
            Some(bytes) if self.message.len() >= bytes => {
                // RFC 8446 §5.1: a message before a change of keys ends its record.
                if self.message.len() > bytes || self.record_left > 0 {
                    return Err(HelloFault::Trailing);
                }
                let (_, _, body) = split_header(&self.message).unwrap_or_default();
                parse(body).map(Some)
            }
            _ => Ok(None),
        }
    }
}

/// Type, length, and body of a handshake message.
fn split_header(message: &[u8]) -> Option<(u8, [u8; 3], &[u8])> {
    let ([kind, length @ ..], body) = message.split_first_chunk::<MESSAGE_HEADER_BYTES>()?;
    Some((*kind, *length, body))
}
