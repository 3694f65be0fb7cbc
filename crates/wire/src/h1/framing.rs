//! Where the body of a message ends (RFC 9112 §6.3).
//!
//! There is one rule for each combination of fields, and no way to be lenient: two readers that apply
//! different rules to the same bytes are how requests are smuggled.

use super::chunk::Chunks;
use super::target::Version;
use super::{Fault, head::Method};
use crate::codec::{Reason, Refusal};

/// What is to come of a message behind its head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    /// So many bytes, more than none.
    Length(u64),
    /// Chunks.
    Chunked(Chunks),
    /// Whatever comes until the connection ends (replies).
    UntilClose,
    /// Bytes of another protocol.
    Tunnel,
}

/// What Transfer-Encoding says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    /// `chunked`, and nothing else.
    Chunked,
    /// Others, and chunked at the end.
    Unknown,
    /// Anything else, or the field came twice.
    Invalid,
}

// === impl Coding ===

impl Coding {
    /// RFC 9112 §6.1: chunked is the last coding, and is applied once.
    pub(super) fn of(value: &[u8]) -> Self {
        if value.eq_ignore_ascii_case(b"chunked") {
            return Self::Chunked;
        }
        let is_chunked = |coding: &[u8]| coding.trim_ascii().eq_ignore_ascii_case(b"chunked");
        let mut codings = value.rsplit(|byte| *byte == b',');
        let ends_well = codings.next().is_some_and(is_chunked);
        if ends_well && !codings.any(is_chunked) { Self::Unknown } else { Self::Invalid }
    }
}

/// The body of a request; none if it has none.
pub(super) fn of_request(
    version: Version,
    method: Method,
    coding: Option<Coding>,
    length: Option<u64>,
) -> Result<Option<Body>, Refusal> {
    let bad = |fault| Refusal::BadRequest(Reason::Http1(fault));
    let body = coded(version, coding, length).map_err(|fault| match fault {
        Fault::UnknownCoding => Refusal::UnsupportedTransferCoding,
        other => bad(other),
    })?;
    match (method, body) {
        // RFC 9110 §9.3.6: a body of CONNECT has no meaning; what stands behind the head is the tunnel's.
        (Method::Connect, Some(_)) => Err(bad(Fault::ConnectWithBody)),
        (_, body) => Ok(body),
    }
}

/// The body of a final reply; none if it has none.
pub(super) fn of_reply(
    version: Version,
    method: Method,
    status: u16,
    coding: Option<Coding>,
    length: Option<u64>,
) -> Result<Option<Body>, Fault> {
    match (method, status) {
        // RFC 9112 §6.3 (2): whatever its fields say.
        (Method::Connect, 200..=299) => return Ok(Some(Body::Tunnel)),
        // RFC 9112 §6.3 (1).
        (Method::Head, _) | (_, 204 | 304) => return Ok(None),
        _ => {}
    }
    let body = coded(version, coding, length)?;
    // RFC 9112 §6.3 (8).
    Ok(if body.is_none() && length.is_none() { Some(Body::UntilClose) } else { body })
}

/// RFC 9112 §6.3 (3) to (6), for requests and replies.
fn coded(
    version: Version,
    coding: Option<Coding>,
    length: Option<u64>,
) -> Result<Option<Body>, Fault> {
    match (coding, length) {
        // RFC 9112 §6.2: the table of fields has seen to it that the length is one number.
        (None, None | Some(0)) => Ok(None),
        (None, Some(length)) => Ok(Some(Body::Length(length))),
        // RFC 9112 §6.1: a sign of a message that was relayed by someone who did not understand it.
        (Some(_), _) if version == Version::V10 => Err(Fault::TransferCodingOld),
        // RFC 9112 §6.3 (3): it ought to be handled as an error.
        (Some(_), Some(_)) => Err(Fault::LengthAndCoding),
        (Some(Coding::Chunked), None) => Ok(Some(Body::Chunked(Chunks::Line))),
        (Some(Coding::Unknown), None) => Err(Fault::UnknownCoding),
        (Some(Coding::Invalid), None) => Err(Fault::TransferCoding),
    }
}
