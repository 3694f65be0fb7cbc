//! The first line of a message: method, target, and version, or version and status.
//!
//! One space stands between the parts and nothing else (RFC 9112 §3, §4). A target has one of four forms
//! (§3.2), and no byte that a next hop could take for the end of it.

use super::Fault;
use crate::codec::{Reason, Refusal};
use crate::fields;

/// The versions that there are to us. Higher minor ones count as 1.1 (RFC 9110 §2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    V10,
    V11,
}

/// The first line of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RequestLine<'a> {
    pub(super) method: &'a [u8],
    pub(super) target: Target<'a>,
    pub(super) version: Version,
}

/// RFC 9112 §3.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target<'a> {
    /// §3.2.1
    Origin(&'a [u8]),
    /// §3.2.2. The path may be empty, or begin with its query.
    Absolute { scheme: &'a [u8], authority: &'a [u8], path: &'a [u8] },
    /// §3.2.3
    Authority(&'a [u8]),
    /// §3.2.4
    Asterisk,
}

/// Bytes of a version.
const VERSION_BYTES: usize = 8;

/// Reads the first line of a request.
pub(super) fn request_line(line: &[u8]) -> Result<RequestLine<'_>, Refusal> {
    let fault = |fault| Refusal::BadRequest(Reason::Http1(fault));
    let method_end = line.iter().position(|byte| *byte == b' ');
    let (method, rest) =
        method_end.and_then(|at| line.split_at_checked(at)).ok_or(fault(Fault::StartLine))?;
    let target_end = rest.len().checked_sub(VERSION_BYTES + 1).ok_or(fault(Fault::StartLine))?;
    let (target, version_text) = rest.split_at(target_end);
    let target = target.strip_prefix(b" ").ok_or(fault(Fault::StartLine))?;
    let version_text = version_text.strip_prefix(b" ").ok_or(fault(Fault::StartLine))?;
    // RFC 9112 §3.1.
    if !fields::is_token(method) {
        return Err(fault(Fault::StartLine));
    }
    let version = version(version_text).map_err(|bad| match bad {
        Fault::Version => Refusal::VersionNotSupported,
        other => fault(other),
    })?;
    // RFC 9112 §3.2: no white space in a target; and no fragment, which is never sent.
    if target.is_empty() || !fields::is_visible(target, b'#') {
        return Err(fault(Fault::Target));
    }
    let target = Target::of(method, target).ok_or(fault(Fault::Target))?;
    Ok(RequestLine { method, target, version })
}

/// Method and path of a first line of which there is only the beginning: enough to tell the route of a
/// request that is refused, if not its query.
pub(super) fn beginning(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let method_end = line.iter().position(|byte| *byte == b' ')?;
    let (method, rest) = line.split_at_checked(method_end)?;
    let path = rest.get(1..)?.split(|byte| matches!(byte, b' ' | b'\r' | b'\n')).next()?;
    let is_able =
        fields::is_token(method) && path.starts_with(b"/") && fields::is_visible(path, b'#');
    is_able.then_some((method, path))
}

/// Reads the first line of a reply: version and status.
pub(super) fn status_line(line: &[u8]) -> Result<(Version, &[u8]), Fault> {
    let (version_text, rest) = line.split_at_checked(VERSION_BYTES).ok_or(Fault::StartLine)?;
    let version = version(version_text)?;
    let rest = rest.strip_prefix(b" ").ok_or(Fault::StartLine)?;
    let (status, reason) = rest.split_at_checked(3).ok_or(Fault::StartLine)?;
    if !status.iter().all(u8::is_ascii_digit) {
        return Err(Fault::StartLine);
    }
    // RFC 9112 §4: the space before a reason that is empty is often left out, which harms nobody.
    let reason = match reason.split_first() {
        None => &[][..],
        Some((b' ', reason)) => reason,
        Some(_) => return Err(Fault::StartLine),
    };
    let is_text = reason.iter().all(|byte| crate::syntax::is_value_byte(*byte));
    is_text.then_some((version, status)).ok_or(Fault::StartLine)
}

/// RFC 9112 §2.3: upper case, one digit, a dot, one digit.
fn version(text: &[u8]) -> Result<Version, Fault> {
    match text {
        b"HTTP/1.1" => Ok(Version::V11),
        b"HTTP/1.0" => Ok(Version::V10),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            // RFC 9110 §2.5: a higher minor version is understood as the highest that we know.
            if *major == b'1' { Ok(Version::V11) } else { Err(Fault::Version) }
        }
        _ => Err(Fault::StartLine),
    }
}

// === impl Target ===

impl<'a> Target<'a> {
    fn of(method: &[u8], text: &'a [u8]) -> Option<Self> {
        // RFC 9112 §3.2.3: CONNECT alone has this form, and no other.
        if method == b"CONNECT" {
            return has_port(text).then_some(Self::Authority(text));
        }
        match text {
            [b'/', ..] => Some(Self::Origin(text)),
            b"*" => (method == b"OPTIONS").then_some(Self::Asterisk),
            _ => Self::absolute(text),
        }
    }

    fn absolute(text: &'a [u8]) -> Option<Self> {
        let colon = text.iter().position(|byte| *byte == b':')?;
        let (scheme, rest) = text.split_at_checked(colon)?;
        let rest = rest.strip_prefix(b"://")?;
        let is_known =
            [&b"http"[..], b"https"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
        let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end)?;
        // RFC 9110 §4.2.1: an empty host is invalid.
        let is_able = is_known && !authority.is_empty();
        is_able.then_some(Self::Absolute { scheme, authority, path })
    }
}

/// RFC 9110 §9.3.6: the port is not optional.
fn has_port(authority: &[u8]) -> bool {
    let Some(colon) = authority.iter().rposition(|byte| *byte == b':') else { return false };
    let (host, port) = authority.split_at(colon);
    let port = port.get(1..).unwrap_or_default();
    !host.is_empty() && (1..=5).contains(&port.len()) && port.iter().all(u8::is_ascii_digit)
}
