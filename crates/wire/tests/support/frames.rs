//! Frames as bytes, written and read without the help of the engine.
//!
//! Heads are written as literals that are not indexed, so that a test can see every byte of what it sends.

use narrows_wire::codec::ErrorCode;

/// Types of frames (RFC 9113 §6).
pub(crate) mod kind {
    pub(crate) const DATA: u8 = 0;
    pub(crate) const HEADERS: u8 = 1;
    pub(crate) const PRIORITY: u8 = 2;
    pub(crate) const RST_STREAM: u8 = 3;
    pub(crate) const SETTINGS: u8 = 4;
    pub(crate) const PUSH_PROMISE: u8 = 5;
    pub(crate) const PING: u8 = 6;
    pub(crate) const GOAWAY: u8 = 7;
    pub(crate) const WINDOW_UPDATE: u8 = 8;
    pub(crate) const CONTINUATION: u8 = 9;
    /// Of no RFC.
    pub(crate) const UNKNOWN: u8 = 0xbe;
}

/// Flags of frames (RFC 9113 §6).
pub(crate) mod flag {
    pub(crate) const NONE: u8 = 0;
    pub(crate) const END_STREAM: u8 = 0x1;
    pub(crate) const ACK: u8 = 0x1;
    pub(crate) const END_HEADERS: u8 = 0x4;
    pub(crate) const PADDED: u8 = 0x8;
    pub(crate) const PRIORITY: u8 = 0x20;
    /// A whole message in one frame.
    pub(crate) const END_BOTH: u8 = END_STREAM | END_HEADERS;
}

/// Settings (RFC 9113 §6.5.2).
pub(crate) mod setting {
    pub(crate) const HEADER_TABLE_SIZE: u16 = 1;
    pub(crate) const ENABLE_PUSH: u16 = 2;
    pub(crate) const MAX_CONCURRENT_STREAMS: u16 = 3;
    pub(crate) const INITIAL_WINDOW_SIZE: u16 = 4;
    pub(crate) const MAX_FRAME_SIZE: u16 = 5;
}

/// The client's first bytes (RFC 9113 §3.4).
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The fields of a request that any server takes.
pub(crate) const REQUEST: &[(&str, &str)] =
    &[(":method", "POST"), (":scheme", "http"), (":path", "/a"), (":authority", "localhost")];
/// The fields of a reply that any client takes.
pub(crate) const REPLY: &[(&str, &str)] = &[(":status", "200")];
/// Trailers.
pub(crate) const TRAILERS: &[(&str, &str)] = &[("x-test", "ok")];

/// A frame that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

// === impl Frame ===

impl Frame {
    /// Splits bytes into frames; the last one must be whole.
    pub(crate) fn all(mut bytes: &[u8]) -> Vec<Self> {
        let mut frames = Vec::new();
        while let Some(([l0, l1, l2, kind, flags, s0, s1, s2, s3], rest)) =
            bytes.split_first_chunk()
        {
            let len = u32::from_be_bytes([0, *l0, *l1, *l2]) as usize;
            let (payload, rest) = rest.split_at(len);
            let stream = u32::from_be_bytes([*s0, *s1, *s2, *s3]);
            frames.push(Self { kind: *kind, flags: *flags, stream, payload: payload.to_vec() });
            bytes = rest;
        }
        assert!(bytes.is_empty(), "bytes behind the last frame: {bytes:?}");
        frames
    }

    /// The number at this place of the payload.
    pub(crate) fn word(&self, at: usize) -> u32 {
        let bytes = self.payload[at..].first_chunk().expect("the payload holds the number");
        u32::from_be_bytes(*bytes)
    }

    /// Of RST_STREAM and GOAWAY.
    pub(crate) fn code(&self) -> ErrorCode {
        ErrorCode(self.word(if self.kind == kind::GOAWAY { 4 } else { 0 }))
    }
}

/// Any frame; its length is that of the payload.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = frame_header(payload.len(), kind, flags, stream);
    bytes.extend_from_slice(payload);
    bytes
}

/// The nine bytes in front of a payload.
pub(crate) fn frame_header(len: usize, kind: u8, flags: u8, stream: u32) -> Vec<u8> {
    let [_, len @ ..] = (len as u32).to_be_bytes();
    let mut bytes = len.to_vec();
    bytes.extend_from_slice(&[kind, flags]);
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes
}

pub(crate) fn data(stream: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    frame(kind::DATA, flags, stream, payload)
}

/// HEADERS with these fields, all in this frame.
pub(crate) fn headers(stream: u32, flags: u8, fields: &[(&str, &str)]) -> Vec<u8> {
    frame(kind::HEADERS, flags | flag::END_HEADERS, stream, &block(fields))
}

/// HEADERS with this fragment of a block.
pub(crate) fn fragment(stream: u32, flags: u8, fragment: &[u8]) -> Vec<u8> {
    frame(kind::HEADERS, flags, stream, fragment)
}

pub(crate) fn continuation(stream: u32, flags: u8, fragment: &[u8]) -> Vec<u8> {
    frame(kind::CONTINUATION, flags, stream, fragment)
}

/// The five bytes of a priority: 31 bits and the exclusive bit, then the weight less one.
pub(crate) fn priority_fields(dependency: u32, weight: u8) -> Vec<u8> {
    let mut payload = dependency.to_be_bytes().to_vec();
    payload.push(weight);
    payload
}

pub(crate) fn priority(stream: u32, dependency: u32, weight: u8) -> Vec<u8> {
    frame(kind::PRIORITY, flag::NONE, stream, &priority_fields(dependency, weight))
}

pub(crate) fn reset(stream: u32, code: ErrorCode) -> Vec<u8> {
    frame(kind::RST_STREAM, flag::NONE, stream, &code.0.to_be_bytes())
}

pub(crate) fn settings(entries: &[(u16, u32)]) -> Vec<u8> {
    let entry = |(id, value): &(u16, u32)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat();
    let payload: Vec<u8> = entries.iter().flat_map(entry).collect();
    frame(kind::SETTINGS, flag::NONE, 0, &payload)
}

pub(crate) fn settings_ack() -> Vec<u8> {
    frame(kind::SETTINGS, flag::ACK, 0, b"")
}

pub(crate) fn ping(flags: u8, payload: &[u8; 8]) -> Vec<u8> {
    frame(kind::PING, flags, 0, payload)
}

pub(crate) fn goaway(last_stream: u32, code: ErrorCode, debug: &[u8]) -> Vec<u8> {
    let payload = [&last_stream.to_be_bytes()[..], &code.0.to_be_bytes(), debug].concat();
    frame(kind::GOAWAY, flag::NONE, 0, &payload)
}

pub(crate) fn window_update(stream: u32, increment: u32) -> Vec<u8> {
    frame(kind::WINDOW_UPDATE, flag::NONE, stream, &increment.to_be_bytes())
}

/// A payload with its padding, for a frame with the flag PADDED.
pub(crate) fn padded(payload: &[u8], padding: u8) -> Vec<u8> {
    [&[padding][..], payload, &vec![0; padding.into()]].concat()
}

/// A header block: literals without indexing, names and values plain (RFC 7541 §6.2.2).
pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    fields.iter().flat_map(|(name, value)| literal(0, name.as_bytes(), value.as_bytes())).collect()
}

/// A literal with a new name; `first` says what becomes of it: 0x40 indexed, 0 not, 0x10 never.
pub(crate) fn literal(first: u8, name: &[u8], value: &[u8]) -> Vec<u8> {
    [&[first][..], &string(name), &string(value)].concat()
}

/// A string without Huffman coding (RFC 7541 §5.2).
pub(crate) fn string(text: &[u8]) -> Vec<u8> {
    [&integer(0, 7, text.len())[..], text].concat()
}

/// An integer behind a prefix of so many bits (RFC 7541 §5.1); `first` holds the bits before it.
pub(crate) fn integer(first: u8, prefix: u32, value: usize) -> Vec<u8> {
    let full = (1 << prefix) - 1;
    if value < full {
        return vec![first | value as u8];
    }
    let mut bytes = vec![first | full as u8];
    let mut rest = value - full;
    while rest >= 128 {
        bytes.push((rest % 128) as u8 | 128);
        rest /= 128;
    }
    bytes.push(rest as u8);
    bytes
}
