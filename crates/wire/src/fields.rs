//! What makes a field section a message (RFC 9113 §8.2, §8.3; RFC 8441).
//!
//! One pass over the fields, driven by one table: each known name has a rule, other names have none. The
//! decoder has checked every byte of names and values before. Whatever a next hop could read in two ways
//! is refused here, so that nothing behind has to be careful.

use crate::{Field, Head, Name};

/// Why fields do not form a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Malformed {
    /// §8.3
    #[error("pseudo field after a regular field")]
    PseudoLate,
    /// §8.3
    #[error("pseudo field twice")]
    PseudoTwice,
    /// §8.3: unknown, or one of the other kind of message, or in trailers.
    #[error("pseudo field that has no place here")]
    PseudoMisplaced,
    /// §8.3.1, §8.3.2
    #[error("pseudo field is missing")]
    PseudoMissing,
    /// §8.2.2
    #[error("connection-specific field")]
    ConnectionSpecific,
    /// §8.2.2
    #[error("te other than trailers")]
    Te,
    /// RFC 9110 §9.1
    #[error("method is not a token")]
    Method,
    /// §8.3.1
    #[error("scheme is not valid")]
    Scheme,
    /// §8.3.1
    #[error("path is not valid")]
    Path,
    /// §8.3.1
    #[error("authority is not valid")]
    Authority,
    /// §8.3.1
    #[error("neither authority nor host")]
    AuthorityMissing,
    /// §8.3.1
    #[error("host differs from authority or comes twice")]
    Host,
    /// §8.3.2
    #[error("status is not valid")]
    Status,
    /// RFC 9110 §8.6
    #[error("content-length is not one number")]
    ContentLength,
    /// RFC 8441 §4
    #[error("protocol without extended CONNECT")]
    Protocol,
    /// RFC 9110 §6.5.1
    #[error("field that frames or routes a message, in trailers")]
    Trailers,
}

/// What the engine has to know of a valid request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) content_length: Option<u64>,
}

/// What the engine has to know of a valid reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) content_length: Option<u64>,
}

/// What one pass has gathered.
#[derive(Default)]
struct Seen<'a> {
    /// A bit for each pseudo field, and [`REGULAR`].
    bits: u8,
    te: bool,
    host: Option<&'a [u8]>,
    content_length: Option<u64>,
}

const AUTHORITY: u8 = bit(Name::Authority);
const METHOD: u8 = bit(Name::Method);
const PATH: u8 = bit(Name::Path);
const SCHEME: u8 = bit(Name::Scheme);
const STATUS: u8 = bit(Name::Status);
const PROTOCOL: u8 = bit(Name::Protocol);
/// The bits of all pseudo fields.
const PSEUDO: u8 = AUTHORITY | METHOD | PATH | SCHEME | STATUS | PROTOCOL;
/// A rule: the value matters, or the field is forbidden.
const SPECIAL: u8 = 0x40;
/// A regular field was seen. As a rule: nothing else is to be said about the field.
const REGULAR: u8 = 0x80;

/// As a rule: the field says what a message is, to whom it goes, or who asks, and has no place behind it.
const HEAD_ONLY: u8 = SPECIAL | REGULAR;

/// The rule of each name, [`Name::Other`] last: the bit of a pseudo field, or one of the above.
static RULES: [u8; Name::KNOWN.len() + 1] = {
    let mut rules = [REGULAR; Name::KNOWN.len() + 1];
    let mut at = 0;
    while at < Name::KNOWN.len() {
        rules[at] = rule(Name::KNOWN[at]);
        at += 1;
    }
    rules
};

const fn rule(name: Name) -> u8 {
    match name {
        _ if name.is_pseudo() => bit(name),
        // RFC 9113 §8.2.2.
        Name::Connection
        | Name::KeepAlive
        | Name::ProxyConnection
        | Name::TransferEncoding
        | Name::Upgrade
        | Name::Te
        | Name::Host
        | Name::ContentLength => SPECIAL,
        _ if is_head_only(name) => HEAD_ONLY,
        _ => REGULAR,
    }
}

/// RFC 9110 §6.5.1: what modifies a request, authenticates, controls a reply, or tells how to read a body. A
/// peer that adds trailers to the head would believe them, and nobody looked at them on the way.
const fn is_head_only(name: Name) -> bool {
    matches!(
        name,
        // Who asks, and for whom.
        Name::Authorization
            | Name::ProxyAuthorization
            | Name::ProxyAuthenticate
            | Name::WwwAuthenticate
            | Name::Cookie
            | Name::SetCookie
            | Name::Forwarded
            | Name::XForwardedFor
            | Name::XForwardedProto
            | Name::XForwardedHost
            | Name::XForwardedPort
            | Name::XRealIp
            // What is asked for, and under which conditions.
            | Name::CacheControl
            | Name::Expect
            | Name::MaxForwards
            | Name::Range
            | Name::IfMatch
            | Name::IfModifiedSince
            | Name::IfNoneMatch
            | Name::IfRange
            | Name::IfUnmodifiedSince
            // What becomes of a reply.
            | Name::Age
            | Name::Date
            | Name::Expires
            | Name::Location
            | Name::RetryAfter
            | Name::Vary
            // How a body is to be read.
            | Name::ContentEncoding
            | Name::ContentRange
            | Name::ContentType
            | Name::Trailer
    )
}

const fn bit(name: Name) -> u8 {
    1 << name as u8
}

/// Checks the head of a request. `connect_protocol`: extended CONNECT was announced.
pub(crate) fn check_request(head: &Head, connect_protocol: bool) -> Result<Request, Malformed> {
    let seen = Seen::of(head)?;
    let method = head.get(Name::Method).ok_or(Malformed::PseudoMissing)?;
    if !is_token(method) {
        return Err(Malformed::Method);
    }
    let expected = match (method, seen.has(PROTOCOL)) {
        // RFC 8441 §4: only once we have announced it, and only with CONNECT.
        (b"CONNECT", true) if connect_protocol => METHOD | SCHEME | PATH | AUTHORITY | PROTOCOL,
        (_, true) => return Err(Malformed::Protocol),
        // RFC 9113 §8.5.
        (b"CONNECT", false) => METHOD | AUTHORITY,
        // RFC 9113 §8.3.1; authority is optional.
        _ => METHOD | SCHEME | PATH | (seen.bits & AUTHORITY),
    };
    if seen.bits & expected != expected {
        return Err(Malformed::PseudoMissing);
    }
    if seen.pseudo() != expected {
        return Err(Malformed::PseudoMisplaced);
    }
    check_target(head, &seen, method)?;
    Ok(Request { content_length: seen.content_length })
}

/// Checks the head of a reply (RFC 9113 §8.3.2).
pub(crate) fn check_reply(head: &Head) -> Result<Reply, Malformed> {
    let seen = Seen::of(head)?;
    // RFC 9113 §8.2.2: te is excepted in requests alone.
    if seen.te {
        return Err(Malformed::ConnectionSpecific);
    }
    match seen.pseudo() {
        STATUS => {}
        0 => return Err(Malformed::PseudoMissing),
        _ => return Err(Malformed::PseudoMisplaced),
    }
    let status = match head.get(Name::Status) {
        Some(&[a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9']) => {
            u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0')
        }
        _ => return Err(Malformed::Status),
    };
    // RFC 9113 §8.6: there is no 101.
    if status == 101 {
        return Err(Malformed::Status);
    }
    Ok(Reply { status, content_length: seen.content_length })
}

/// Whether a field may stand behind a body. Those that may not and came there are left out.
pub(crate) fn is_trailer(name: Name) -> bool {
    RULES[name as usize] == REGULAR
}

/// Checks trailers, and leaves out what has no place there.
pub(crate) fn take_trailers(head: &mut Head) -> Result<(), Malformed> {
    let seen = Seen::of(head)?;
    // RFC 9113 §8.1: no pseudo fields in trailers.
    if seen.has(PSEUDO) {
        return Err(Malformed::PseudoMisplaced);
    }
    // RFC 9110 §6.5.1: nothing that would have been needed earlier.
    if seen.te || seen.host.is_some() || seen.content_length.is_some() {
        return Err(Malformed::Trailers);
    }
    if seen.has(SPECIAL) {
        head.retain(|_, field| is_trailer(field.name));
    }
    Ok(())
}

// === impl Seen ===

impl<'a> Seen<'a> {
    #[inline]
    fn of(head: &'a Head) -> Result<Self, Malformed> {
        let mut seen = Self::default();
        for field in head.fields() {
            let rule = RULES[field.name as usize];
            if rule & PSEUDO != 0 {
                // RFC 9113 §8.3: before all regular fields, and once.
                if seen.bits & (rule | REGULAR) != 0 {
                    return Err(seen.misplaced());
                }
                seen.bits |= rule;
                continue;
            }
            seen.bits |= rule | REGULAR;
            if rule == SPECIAL {
                seen.special(head, field)?;
            }
        }
        Ok(seen)
    }

    #[cold]
    fn misplaced(&self) -> Malformed {
        if self.has(REGULAR) { Malformed::PseudoLate } else { Malformed::PseudoTwice }
    }

    fn has(&self, bits: u8) -> bool {
        self.bits & bits != 0
    }

    fn pseudo(&self) -> u8 {
        self.bits & PSEUDO
    }

    fn special(&mut self, head: &'a Head, field: &Field) -> Result<(), Malformed> {
        let value = head.value(field);
        match field.name {
            Name::Te => {
                if value != b"trailers".as_slice() {
                    check_te(value)?;
                }
                self.te = true;
            }
            Name::Host if self.host.is_none() => self.host = Some(value),
            Name::Host => return Err(Malformed::Host),
            Name::ContentLength if self.content_length.is_none() => {
                self.content_length = Some(number(value).ok_or(Malformed::ContentLength)?);
            }
            Name::ContentLength => return Err(Malformed::ContentLength),
            _ => return Err(Malformed::ConnectionSpecific),
        }
        Ok(())
    }
}

/// RFC 9110 §10.1.4: `trailers`, in any case.
#[cold]
fn check_te(value: &[u8]) -> Result<(), Malformed> {
    value.eq_ignore_ascii_case(b"trailers").then_some(()).ok_or(Malformed::Te)
}

/// The parts of the target: scheme, path, authority (RFC 9113 §8.3.1).
fn check_target(head: &Head, seen: &Seen<'_>, method: &[u8]) -> Result<(), Malformed> {
    let authority = head.get(Name::Authority);
    if let Some(scheme) = head.get(Name::Scheme) {
        if !is_scheme(scheme) {
            return Err(Malformed::Scheme);
        }
        let path = head.get(Name::Path).unwrap_or_default();
        let is_rooted = path.first() == Some(&b'/') && is_visible(path, b'#');
        let is_asterisk = path == b"*" && method == b"OPTIONS";
        if !(is_rooted || is_asterisk) {
            return Err(Malformed::Path);
        }
    }
    match (authority, seen.host) {
        (None, None) => return Err(Malformed::AuthorityMissing),
        // Two names for one request: which of them would the next hop believe?
        (Some(authority), Some(host)) if !authority.eq_ignore_ascii_case(host) => {
            return Err(Malformed::Host);
        }
        _ => {}
    }
    let name = authority.or(seen.host).unwrap_or_default();
    if name.is_empty() || !is_authority(name) {
        return Err(Malformed::Authority);
    }
    Ok(())
}

/// RFC 3986 §3.1.
fn is_scheme(scheme: &[u8]) -> bool {
    matches!(scheme, b"http" | b"https")
        || (scheme.first().is_some_and(u8::is_ascii_alphabetic)
            && scheme.iter().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(b)))
}

/// Whether all bytes are visible ASCII other than `not`. No early exit, so that it is done in vectors.
pub(crate) fn is_visible(text: &[u8], not: u8) -> bool {
    text.iter().fold(true, |fine, b| fine & (b.wrapping_sub(0x21) < 0x5e) & (*b != not))
}

/// RFC 3986 §3.2 without user information (RFC 9113 §8.3.1), and without the comma that would make a
/// list of it.
pub(crate) fn is_authority(name: &[u8]) -> bool {
    name.iter().fold(true, |fine, b| fine & ALLOWED_IN_AUTHORITY[usize::from(*b)])
}

/// RFC 9110 §5.6.2.
pub(crate) fn is_token(text: &[u8]) -> bool {
    if matches!(text, b"POST" | b"GET") {
        return true;
    }
    !text.is_empty() && text.iter().all(|b| is_token_byte(*b))
}

/// RFC 9110 §5.6.2: tchar.
pub(crate) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

static ALLOWED_IN_AUTHORITY: [bool; 256] = {
    let others = b"-._~%!$&'()*+;=:[]";
    let mut allowed = [false; 256];
    let mut at = 0;
    while at < 256 {
        allowed[at] = (at as u8).is_ascii_alphanumeric();
        at += 1;
    }
    let mut at = 0;
    while at < others.len() {
        allowed[others[at] as usize] = true;
        at += 1;
    }
    allowed
};

/// RFC 9110 §8.6: digits only, no sign, no list; 18 of them at most.
pub(crate) fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 18 || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(text.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests;
