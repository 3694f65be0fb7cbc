//! Bodies of gRPC-Web: base64 both ways, and trailers as a frame.

use super::Format;
use crate::Head;
use crate::base64;

/// PROTOCOL-WEB.md: the highest bit of a frame's flags says that it holds trailers.
const TRAILERS: u8 = 0x80;

/// Why a body is no text of gRPC-Web.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum TextFault {
    /// A character that base64 does not have, padding in a wrong place, or bits behind the last byte.
    #[error("body of the gRPC-Web request is no base64")]
    Malformed,
    /// The body ends inside a group of four characters.
    #[error("body of the gRPC-Web request is cut short")]
    Cut,
}

/// Turns a request's body from base64 into bytes, in chunks of any size. Clients flush by padding, so a
/// body may be several texts one behind the other (PROTOCOL-WEB.md).
#[derive(Debug, Clone, Copy, Default)]
pub struct TextDecoder {
    group: [u8; 4],
    len: u8,
}

/// Turns a reply's body into that of gRPC-Web. What was given is not held back: the caller flushes where
/// a read ended, so that a stream of messages is not delayed.
#[derive(Debug, Clone, Copy)]
pub struct ReplyEncoder {
    format: Format,
    /// Bytes that make no group of three yet.
    group: [u8; 2],
    len: u8,
}

// === impl TextDecoder ===

impl TextDecoder {
    /// A decoder at the beginning of a body.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next characters and appends the bytes that they are. After a fault the decoder is to be
    /// dropped.
    pub fn feed(&mut self, mut input: &[u8], out: &mut Vec<u8>) -> Result<(), TextFault> {
        while self.len > 0
            && let Some((character, rest)) = input.split_first()
        {
            input = rest;
            self.push(*character, out)?;
        }
        let (groups, rest) = input.as_chunks::<4>();
        out.reserve(groups.len() * 3);
        for group in groups {
            base64::decode_group(*group, out).ok_or(TextFault::Malformed)?;
        }
        rest.iter().try_for_each(|character| self.push(*character, out))
    }

    /// The body has ended.
    pub fn finish(self) -> Result<(), TextFault> {
        if self.len == 0 { Ok(()) } else { Err(TextFault::Cut) }
    }

    fn push(&mut self, character: u8, out: &mut Vec<u8>) -> Result<(), TextFault> {
        let [_, b, c, d] = self.group;
        self.group = [b, c, d, character];
        self.len = (self.len + 1) % 4;
        match self.len {
            0 => base64::decode_group(self.group, out).ok_or(TextFault::Malformed),
            _ => Ok(()),
        }
    }
}

// === impl ReplyEncoder ===

impl ReplyEncoder {
    /// An encoder at the beginning of a reply's body.
    pub fn new(format: Format) -> Self {
        Self { format, group: [0; 2], len: 0 }
    }

    /// Takes bytes of the body.
    pub fn data(&mut self, mut input: &[u8], out: &mut Vec<u8>) {
        if self.format == Format::Binary {
            return out.extend_from_slice(input);
        }
        while self.len > 0
            && let Some((byte, rest)) = input.split_first()
        {
            input = rest;
            self.push(*byte, out);
        }
        let (groups, rest) = input.as_chunks::<3>();
        base64::encode(groups.as_flattened(), out);
        rest.iter().for_each(|byte| self.push(*byte, out));
    }

    /// Appends what is still held, padded: the client gets everything that was given so far.
    pub fn flush(&mut self, out: &mut Vec<u8>) {
        let held = self.group.get(..usize::from(self.len)).unwrap_or_default();
        base64::encode(held, out);
        self.len = 0;
    }

    /// The reply ends with these trailers: appends them as a frame, which is the last.
    pub fn trailers(&mut self, trailers: &Head, out: &mut Vec<u8>) {
        let fields = || trailers.iter().filter(|(name, _)| name.first() != Some(&b':'));
        // RFC 9112 §5: as a field section of HTTP/1.1, with names in lower case.
        let length: usize = fields().map(|(name, value)| name.len() + value.len() + 4).sum();
        let mut frame = Vec::with_capacity(length + 5);
        frame.push(TRAILERS);
        frame.extend_from_slice(&(length as u32).to_be_bytes());
        for (name, value) in fields() {
            for part in [name, b": ", value, b"\r\n"] {
                frame.extend_from_slice(part);
            }
        }
        self.data(&frame, out);
        self.flush(out);
    }

    fn push(&mut self, byte: u8, out: &mut Vec<u8>) {
        let [a, b] = self.group;
        match self.len {
            2 => {
                base64::encode(&[a, b, byte], out);
                self.len = 0;
            }
            1 => (self.group, self.len) = ([a, byte], 2),
            _ => (self.group, self.len) = ([byte, 0], 1),
        }
    }
}
