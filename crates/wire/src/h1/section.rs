//! From the lines of a head to its fields.
//!
//! Names come out in lower case, and what belongs to the connection alone is read and left out (RFC 9110
//! §7.6.1): Connection and what it names, Keep-Alive, Proxy-Connection, Transfer-Encoding, Upgrade, TE but
//! for trailers. Each byte is asked of the table that all protocols share. Nothing is left out of trailers:
//! what has no place there is a fault.

use httparse::{EMPTY_HEADER, Header, Status};

use super::framing::Coding;
use super::options::Options;
use super::{Config, Fault, upgrade};
use crate::codec::{Reason, Refusal};
use crate::{Head, Indexing, Name, syntax};

/// Most heads have no more fields than this.
const FIELDS_FEW: usize = 32;
/// No head has more.
pub(super) const FIELDS_MAX: usize = 256;
/// What a field costs beside its text (RFC 9113 §10.5.1).
const FIELD_BYTES: usize = 32;

/// What a section belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
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
pub(super) struct Notes<'a> {
    pub(super) options: Options<'a>,
    pub(super) host: Option<&'a [u8]>,
    pub(super) coding: Option<Coding>,
    pub(super) te_trailers: bool,
    pub(super) expects_continue: bool,
    pub(super) upgrade: upgrade::Notes<'a>,
}

/// Splits the lines, and puts what is to be passed on into `head`; on a fault what stands before it.
pub(super) fn read<'a>(
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
    // RFC 9112 §5.1: a name, a colon right behind it, a value.
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

pub(super) fn bad(fault: Fault) -> Refusal {
    Refusal::BadRequest(Reason::Http1(fault))
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
