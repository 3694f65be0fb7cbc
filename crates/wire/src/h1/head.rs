//! What a head means: the request or the reply that it begins, in the form that all protocols share.
//!
//! Pseudo fields come first; what `section.rs` has read of the fields decides about body and connection.
//! Then the fields are checked by the table that HTTP/2 uses, so that one set of rules holds for both.

use super::framing::{self, Body, Coding};
use super::section::{self, Kind, Lines, Notes, bad};
use super::target::{self, RequestLine, Target, Version};
use super::upgrade::{self, Offer};
use super::{Config, Fault, Scheme};
use crate::codec::{Reason, Refusal};
use crate::fields::{self, Malformed};
use crate::websocket::ACCEPT;
use crate::{Head, Indexing, Name};

/// Bytes of the proof of a WebSocket server (RFC 6455 §4.2.2).
const ACCEPT_BYTES: usize = 28;

/// What a method means for framing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    /// Its reply has no body.
    Head,
    /// Asks for a tunnel.
    Connect,
    Other,
}

/// Whether the peer lets the connection live on behind this message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Persistence {
    Stays,
    Closes,
}

/// What a request is, apart from its fields.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) version: Version,
    pub(super) method: Method,
    pub(super) body: Option<Body>,
    pub(super) persistence: Persistence,
    /// Whether it waits for 100 before it sends its body.
    pub(super) expects_continue: bool,
    /// What it would switch to.
    pub(super) upgrade: Option<Offer>,
}

/// What a reply is, apart from its fields.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) version: Version,
    pub(super) status: u16,
    pub(super) coding: Option<Coding>,
    pub(super) length: Option<u64>,
    pub(super) persistence: Persistence,
    /// Whether it says that it switches to WebSocket, and its proof.
    pub(super) websocket: bool,
    pub(super) accept: Option<[u8; ACCEPT_BYTES]>,
}

/// Reads the head of a request. After a refusal `head` holds what there was.
pub(super) fn request(
    lines: Lines<'_>,
    config: &Config,
    scheme: Scheme,
    head: &mut Head,
) -> Result<Request, Refusal> {
    head.clear();
    let line = target::request_line(lines.first)?;
    put_target(&line, scheme, head);
    let read = section::read(Kind::Request, lines, config, head);
    if head.get(Name::Authority).is_some_and(<[u8]>::is_empty) {
        head.remove(Name::Authority);
    }
    let notes = read?;
    check_host(&line, &notes, config, head)?;
    finish_request(&line, notes, head)
}

/// Reads what there is of a request whose first line is not complete.
pub(super) fn beginning(line: &[u8], scheme: Scheme, head: &mut Head) {
    head.clear();
    if let Some((method, path)) = target::beginning(line) {
        head.push(Name::Method, method, Indexing::MayRepeat);
        head.push(Name::Scheme, scheme.as_bytes(), Indexing::MayRepeat);
        head.push(Name::Path, path, Indexing::MayRepeat);
    }
}

/// Reads the head of a reply.
pub(super) fn reply(lines: Lines<'_>, config: &Config, head: &mut Head) -> Result<Reply, Refusal> {
    head.clear();
    let (version, status) = target::status_line(lines.first).map_err(bad)?;
    head.push(Name::Status, status, Indexing::MayRepeat);
    let notes = section::read(Kind::Reply, lines, config, head)?;
    let persistence = notes.options.persistence(version);
    let (coding, switch) = (notes.coding, notes.upgrade);
    let websocket = switch.websocket && notes.options.upgrade;
    let accept = switch.accept.and_then(|accept| accept.try_into().ok());
    if status == b"101" {
        // RFC 9113 §8.6 has no 101: a tunnel is accepted with 200 (RFC 8441 §5).
        head.set(Name::Status, b"200", Indexing::MayRepeat);
        head.retain(|head, field| head.name(field) != ACCEPT);
    }
    let checked = fields::check_reply(head).map_err(malformed)?;
    let status = if status == b"101" { 101 } else { checked.status };
    if matches!(status, 100..=199 | 204) {
        // RFC 9110 §8.6: it has no place there.
        head.remove(Name::ContentLength);
    }
    let length = checked.content_length;
    Ok(Reply { version, status, coding, length, persistence, websocket, accept })
}

/// Reads trailers.
pub(super) fn trailers(lines: Lines<'_>, config: &Config, head: &mut Head) -> Result<(), Refusal> {
    head.clear();
    section::read(Kind::Trailers, lines, config, head)?;
    fields::take_trailers(head).map_err(malformed)
}

/// The pseudo fields of a request (RFC 9113 §8.3.1). The authority is not known yet if it is that of Host,
/// but has its place.
fn put_target(line: &RequestLine<'_>, scheme: Scheme, head: &mut Head) {
    let push = |head: &mut Head, name, value: &[u8]| head.push(name, value, Indexing::MayRepeat);
    push(head, Name::Method, line.method);
    match line.target {
        // RFC 9113 §8.5.
        Target::Authority(authority) => push(head, Name::Authority, authority),
        Target::Origin(path) => {
            push(head, Name::Scheme, scheme.as_bytes());
            push(head, Name::Authority, b"");
            push(head, Name::Path, path);
        }
        Target::Asterisk => {
            push(head, Name::Scheme, scheme.as_bytes());
            push(head, Name::Authority, b"");
            push(head, Name::Path, b"*");
        }
        Target::Absolute { scheme, authority, path } => {
            let is_secure = scheme.len() == Scheme::Https.as_bytes().len();
            let scheme = if is_secure { Scheme::Https } else { Scheme::Http };
            push(head, Name::Scheme, scheme.as_bytes());
            push(head, Name::Authority, authority);
            match (path.first(), line.method) {
                (Some(b'/'), _) => push(head, Name::Path, path),
                // RFC 9112 §3.2.4.
                (None, b"OPTIONS") => push(head, Name::Path, b"*"),
                // RFC 9110 §4.2.3: an empty path is that of the root.
                _ => {
                    head.append(b"/");
                    head.append(path);
                    let len = path.len() as u32 + 1;
                    head.push_appended(Name::Path, Indexing::MayRepeat, 0, len);
                }
            }
        }
    }
}

/// RFC 9112 §3.2: one Host, and valid, even if the target has an authority of its own, which wins (§3.2.2).
fn check_host(
    line: &RequestLine<'_>,
    notes: &Notes<'_>,
    config: &Config,
    head: &mut Head,
) -> Result<(), Refusal> {
    match (notes.host, line.version) {
        (Some(host), _) if fields::is_authority(host) => {}
        (Some(_), _) => return Err(malformed(Malformed::Authority)),
        (None, Version::V11) => return Err(bad(Fault::HostMissing)),
        (None, Version::V10) if head.get(Name::Authority).is_none() => {
            // RFC 9112 §3.3: then it is for our configuration to say.
            let place = config.default_authority.as_bytes();
            let mut rest = Head::new();
            std::mem::swap(head, &mut rest);
            for (at, field) in rest.fields().iter().enumerate() {
                if at == 2 {
                    head.push(Name::Authority, place, Indexing::MayRepeat);
                }
                head.push_text(rest.name(field), rest.value(field), field.indexing);
            }
        }
        (None, Version::V10) => {}
    }
    Ok(())
}

fn finish_request(
    line: &RequestLine<'_>,
    notes: Notes<'_>,
    head: &mut Head,
) -> Result<Request, Refusal> {
    let method = match line.method {
        b"HEAD" => Method::Head,
        b"CONNECT" => Method::Connect,
        _ => Method::Other,
    };
    if notes.te_trailers {
        head.push(Name::Te, b"trailers", Indexing::MayRepeat);
    }
    let mut expects_continue = notes.expects_continue;
    if line.version == Version::V10 {
        // RFC 9110 §10.1.1: to be ignored, and so not to be passed on to one who would not.
        head.remove(Name::Expect);
        expects_continue = false;
    }
    let persistence = notes.options.persistence(line.version);
    let length = fields::check_request(head, false).map_err(malformed)?.content_length;
    let body = framing::of_request(line.version, method, notes.coding, length)?;
    // RFC 9110 §7.8: not in HTTP/1.0, and only if Connection says so.
    let is_able = line.version == Version::V11 && notes.options.upgrade && body.is_none();
    let upgrade = match is_able {
        true => upgrade::offered(line.method, &notes.upgrade, &notes.options, head),
        false => None,
    };
    Ok(Request { version: line.version, method, body, persistence, expects_continue, upgrade })
}

fn malformed(fault: Malformed) -> Refusal {
    Refusal::BadRequest(Reason::Malformed(fault))
}
