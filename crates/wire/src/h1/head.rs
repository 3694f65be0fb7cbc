//! From the lines of a head to its fields in the form that all protocols share.
//!
//! Pseudo fields come first, names are in lower case, and what belongs to the connection alone is read and
//! left out (RFC 9110 §7.6.1): Connection and what it names, Keep-Alive, Proxy-Connection,
//! Transfer-Encoding, Upgrade, TE but for trailers. Then the fields are checked by the table that HTTP/2
//! uses, so that one set of rules holds for both.

use httparse::{EMPTY_HEADER, Header, Status};

use super::framing::{self, Body, Coding};
use super::options::Options;
use super::target::{self, RequestLine, Target, Version};
use super::upgrade::{self, Offer};
use super::{Config, Fault, Scheme};
use crate::codec::{Reason, Refusal};
use crate::fields::{self, Malformed};
use crate::websocket::ACCEPT;
use crate::{Head, Indexing, Name, syntax};

/// Most heads have no more fields than this.
const FIELDS_FEW: usize = 32;
/// No head has more.
pub(super) const FIELDS_MAX: usize = 256;
/// Bytes of the proof of a WebSocket server (RFC 6455 §4.2.2).
const ACCEPT_BYTES: usize = 28;
/// What a field costs beside its text (RFC 9113 §10.5.1).
const FIELD_BYTES: usize = 32;

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

/// What a section belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Request,
    Reply,
    Trailers,
}

/// A head on the wire: where its lines are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lines<'a> {
    /// The first line, without its end; empty in trailers.
    pub(super) first: &'a [u8],
    /// The lines of fields and the empty one, if it is there.
    pub(super) fields: &'a [u8],
    /// How many lines of fields there are.
    pub(super) count: usize,
}

/// What the fields say that are not passed on, and some that are.
#[derive(Debug, Default)]
struct Notes<'a> {
    options: Options<'a>,
    host: Option<&'a [u8]>,
    coding: Option<Coding>,
    te_trailers: bool,
    expects_continue: bool,
    upgrade: upgrade::Notes<'a>,
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
    let read = fields(Kind::Request, lines, config, head);
    if head.get(Name::Authority).is_some_and(<[u8]>::is_empty) {
        head.remove(Name::Authority);
    }
    let notes = read?;
    check_host(&line, &notes, config, head)?;
    finish_request(&line, notes, head)
}

/// Reads the head of a reply.
pub(super) fn reply(lines: Lines<'_>, config: &Config, head: &mut Head) -> Result<Reply, Refusal> {
    head.clear();
    let (version, status) = target::status_line(lines.first).map_err(bad)?;
    head.push(Name::Status, status, Indexing::MayRepeat);
    let notes = fields(Kind::Reply, lines, config, head)?;
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
    fields(Kind::Trailers, lines, config, head)?;
    fields::check_trailers(head).map_err(malformed)
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

/// Splits the lines, and puts what is to be passed on into `head`; on a fault what stands before it.
fn fields<'a>(
    kind: Kind,
    lines: Lines<'a>,
    config: &Config,
    head: &mut Head,
) -> Result<Notes<'a>, Refusal> {
    if lines.count <= FIELDS_FEW {
        fields_in(&mut [EMPTY_HEADER; FIELDS_FEW], kind, lines, config, head)
    } else {
        fields_in(&mut [EMPTY_HEADER; FIELDS_MAX], kind, lines, config, head)
    }
}

fn fields_in<'a>(
    places: &mut [Header<'a>],
    kind: Kind,
    lines: Lines<'a>,
    config: &Config,
    head: &mut Head,
) -> Result<Notes<'a>, Refusal> {
    let split = match httparse::parse_headers(lines.fields, places) {
        Ok(Status::Complete((len, _))) if len == lines.fields.len() => Ok(()),
        Ok(_) | Err(_) => Err(bad(line_fault(lines.fields))),
    };
    // On a fault the places hold the lines before it.
    let headers = || places.iter().take_while(|header| !header.name.is_empty());
    let mut notes = Notes::default();
    if kind != Kind::Trailers {
        for header in headers().filter(|header| is_connection(header.name)) {
            notes.options.read(header.value).map_err(bad)?;
        }
    }
    let mut bytes_left = config.section.bytes_max as usize;
    for header in headers() {
        let size = header.name.len() + header.value.len() + FIELD_BYTES;
        bytes_left = bytes_left.checked_sub(size).ok_or(Refusal::HeadTooLarge)?;
        push(kind, header, &mut notes, head)?;
    }
    split.map(|()| notes)
}

fn is_connection(name: &str) -> bool {
    name.len() == 10 && name.eq_ignore_ascii_case("connection")
}

/// What is wrong with lines that can not be split.
#[cold]
fn line_fault(lines: &[u8]) -> Fault {
    let bare = |pair: &[u8]| matches!(pair, [b'\r', other] if *other != b'\n');
    if lines.windows(2).any(bare) { Fault::BareCarriageReturn } else { Fault::FieldLine }
}

/// Takes one field in.
fn push<'a>(
    kind: Kind,
    header: &Header<'a>,
    notes: &mut Notes<'a>,
    head: &mut Head,
) -> Result<(), Refusal> {
    let name_len = header.name.len();
    let room = head.room(name_len);
    // Once more: what passes here is for one table to say, and for no library.
    if !syntax::lower_name(header.name.as_bytes(), room) {
        return Err(bad(Fault::FieldLine));
    }
    syntax::check_value(header.value).map_err(|fault| Refusal::BadRequest(Reason::Field(fault)))?;
    let text = room.get(..name_len).unwrap_or_default();
    let name = Name::of(text);
    if kind != Kind::Trailers {
        let is_named = notes.options.names(text);
        if is_named || name == Name::Other {
            notes.upgrade.read(text, header.value);
        }
        if is_named
            || upgrade::is_consumed(text)
            || !notes.passes(kind, name, header.value, head)?
        {
            return Ok(());
        }
    }
    let mut own_name_len = 0;
    if name == Name::Other {
        head.advance(name_len as u32);
        own_name_len = name_len as u32;
    }
    head.append(header.value);
    head.push_appended(name, indexing(name), own_name_len, header.value.len() as u32);
    Ok(())
}

/// How HPACK is to treat a field that came without such a hint.
fn indexing(name: Name) -> Indexing {
    match name {
        Name::Authorization
        | Name::ProxyAuthorization
        | Name::Cookie
        | Name::SetCookie
        | Name::Date
        | Name::Etag
        | Name::IfNoneMatch => Indexing::Unique,
        _ => Indexing::MayRepeat,
    }
}

fn bad(fault: Fault) -> Refusal {
    Refusal::BadRequest(Reason::Http1(fault))
}

fn malformed(fault: Malformed) -> Refusal {
    Refusal::BadRequest(Reason::Malformed(fault))
}

// === impl Notes ===

impl<'a> Notes<'a> {
    /// Reads a field that means something to us; whether it is passed on.
    #[inline]
    fn passes(
        &mut self,
        kind: Kind,
        name: Name,
        value: &'a [u8],
        head: &mut Head,
    ) -> Result<bool, Refusal> {
        match name {
            Name::Connection | Name::KeepAlive | Name::ProxyConnection => {}
            Name::Upgrade => self.upgrade.read_protocols(value),
            Name::TransferEncoding => {
                // Twice is once too often: which of them would the next hop read?
                let coding =
                    if self.coding.is_none() { Coding::of(value) } else { Coding::Invalid };
                self.coding = Some(coding);
            }
            // RFC 9110 §10.1.4; of its values only this one reaches beyond the connection.
            Name::Te => self.te_trailers |= kind == Kind::Request && lists(value, b"trailers"),
            Name::Host if kind == Kind::Request => {
                // RFC 9112 §3.2.
                if self.host.replace(value).is_some() {
                    return Err(bad(Fault::HostTwice));
                }
                if head.get(Name::Authority).is_some_and(<[u8]>::is_empty) {
                    head.set(Name::Authority, value, Indexing::MayRepeat);
                }
            }
            Name::Expect => {
                self.expects_continue |= value.eq_ignore_ascii_case(b"100-continue");
                return Ok(true);
            }
            _ => return Ok(true),
        }
        Ok(false)
    }
}

/// Whether a list has this member, parameters aside.
fn lists(value: &[u8], member: &[u8]) -> bool {
    let mut members = value.split(|byte| *byte == b',');
    members.any(|text| {
        let name = text.split(|byte| *byte == b';').next().unwrap_or_default();
        name.trim_ascii().eq_ignore_ascii_case(member)
    })
}
