//! Frames as bytes: the header, the types, the flags, and the writers of those with a fixed layout.
//!
//! Nothing here knows of streams or states. RFC 9113 §4.1 draws the header, §6 the types.

use crate::codec::ErrorCode;

/// Bytes of a frame header.
pub(super) const HEADER_BYTES: usize = 9;
/// What a client sends first (RFC 9113 §3.4).
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The types of frames (RFC 9113 §6).
pub(super) mod kind {
    pub(in crate::h2) const DATA: u8 = 0x0;
    pub(in crate::h2) const HEADERS: u8 = 0x1;
    pub(in crate::h2) const PRIORITY: u8 = 0x2;
    pub(in crate::h2) const RST_STREAM: u8 = 0x3;
    pub(in crate::h2) const SETTINGS: u8 = 0x4;
    pub(in crate::h2) const PUSH_PROMISE: u8 = 0x5;
    pub(in crate::h2) const PING: u8 = 0x6;
    pub(in crate::h2) const GOAWAY: u8 = 0x7;
    pub(in crate::h2) const WINDOW_UPDATE: u8 = 0x8;
    pub(in crate::h2) const CONTINUATION: u8 = 0x9;
}

/// The flags of frames (RFC 9113 §6).
pub(super) mod flag {
    pub(in crate::h2) const END_STREAM: u8 = 0x1;
    pub(in crate::h2) const ACK: u8 = 0x1;
    pub(in crate::h2) const END_HEADERS: u8 = 0x4;
    pub(in crate::h2) const PADDED: u8 = 0x8;
    pub(in crate::h2) const PRIORITY: u8 = 0x20;
}

/// A frame header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameHeader {
    pub(super) len: u32,
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
}

/// A payload that is too short for what its flags promise, or padded beyond itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PayloadFault {
    Short,
    Padding,
}

// === impl FrameHeader ===

impl FrameHeader {
    /// The header at the front of `bytes`, if it is there.
    #[inline]
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let ([l0, l1, l2, kind, flags], rest) = bytes.split_first_chunk::<5>()?;
        let len_and_kind = u32::from_be_bytes([*l0, *l1, *l2, *kind]);
        Some(Self {
            len: len_and_kind >> 8,
            kind: *kind,
            flags: *flags,
            // RFC 9113 §4.1: the reserved bit is ignored.
            stream: u32::from_be_bytes(*rest.first_chunk()?) & 0x7fff_ffff,
        })
    }

    #[inline]
    pub(super) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Appends this header.
    #[inline]
    pub(super) fn write(self, out: &mut Vec<u8>) {
        let ([_, l0, l1, l2], [s0, s1, s2, s3]) =
            (self.len.to_be_bytes(), self.stream.to_be_bytes());
        out.extend_from_slice(&[l0, l1, l2, self.kind, self.flags, s0, s1, s2, s3]);
    }
}

/// What stands between the length byte and the padding of a padded payload (RFC 9113 §6.1, §6.2).
#[inline]
pub(super) fn unpad(payload: &[u8]) -> Result<&[u8], PayloadFault> {
    let (padding, rest) = payload.split_first().ok_or(PayloadFault::Short)?;
    let len = rest.len().checked_sub(usize::from(*padding)).ok_or(PayloadFault::Padding)?;
    Ok(rest.get(..len).unwrap_or_default())
}

/// The first four bytes of a payload as a number; the caller has checked the length.
#[inline]
pub(super) fn word(payload: &[u8]) -> u32 {
    payload.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

/// Overwrites the length and the flags of the header at `at`.
#[inline]
pub(super) fn patch(out: &mut [u8], at: usize, len: usize, flags: u8) {
    let [.., l0, l1, l2] = (len as u32).to_be_bytes();
    if let Some([p0, p1, p2, _, f]) = out.get_mut(at..).and_then(<[u8]>::first_chunk_mut::<5>) {
        [*p0, *p1, *p2] = [l0, l1, l2];
        *f = flags;
    }
}

pub(super) fn put_reset(out: &mut Vec<u8>, stream: u32, code: ErrorCode) {
    FrameHeader { len: 4, kind: kind::RST_STREAM, flags: 0, stream }.write(out);
    out.extend_from_slice(&code.0.to_be_bytes());
}

#[inline]
pub(super) fn put_window_update(out: &mut Vec<u8>, stream: u32, increment: u32) {
    let [s0, s1, s2, s3] = stream.to_be_bytes();
    let [i0, i1, i2, i3] = increment.to_be_bytes();
    out.extend_from_slice(&[0, 0, 4, kind::WINDOW_UPDATE, 0, s0, s1, s2, s3, i0, i1, i2, i3]);
}

pub(super) fn put_ping(out: &mut Vec<u8>, flags: u8, payload: &[u8; 8]) {
    FrameHeader { len: 8, kind: kind::PING, flags, stream: 0 }.write(out);
    out.extend_from_slice(payload);
}

pub(super) fn put_settings_ack(out: &mut Vec<u8>) {
    FrameHeader { len: 0, kind: kind::SETTINGS, flags: flag::ACK, stream: 0 }.write(out);
}

pub(super) fn put_goaway(out: &mut Vec<u8>, last_stream: u32, code: ErrorCode, debug: &[u8]) {
    let len = 8 + debug.len() as u32;
    FrameHeader { len, kind: kind::GOAWAY, flags: 0, stream: 0 }.write(out);
    out.extend_from_slice(&last_stream.to_be_bytes());
    out.extend_from_slice(&code.0.to_be_bytes());
    out.extend_from_slice(debug);
}
