//! Heads on their way out: the first line, the fields, and what the connection adds.
//!
//! Nothing that belongs to a connection is taken from a head that is passed on; framing is decided by the
//! caller. A field with a byte that is not legal is left out: it would be a second field, or a second
//! message, to the peer.

use super::target::Version;
use super::upgrade;
use crate::fields::is_trailer;
use crate::websocket::{ACCEPT, KEY};
use crate::{Field, Head, Name, syntax};

/// How a message says where its body ends, and what becomes of the connection behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Closing<'a> {
    pub(super) length: Length,
    /// The value of Connection, if there is anything to say.
    pub(super) connection: &'a [u8],
}

/// What is said of the length of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    /// Content-Length as the head has it, if it has one.
    AsGiven,
    /// Nothing, whatever the head has: the message can have no body.
    Nothing,
    /// Content-Length: 0.
    Zero,
    /// Transfer-Encoding: chunked.
    Chunked,
}

/// Appends the first line of a request.
pub(super) fn put_request_line(out: &mut Vec<u8>, method: &[u8], target: &[u8]) {
    for part in [method, b" ", target, b" HTTP/1.1\r\n"] {
        out.extend_from_slice(part);
    }
}

/// Appends the first line of a reply. RFC 9110 §2.5: the version is the highest that we speak.
pub(super) fn put_status_line(out: &mut Vec<u8>, status: u16) {
    let digits = [status / 100, status / 10 % 10, status % 10].map(|digit| b'0' + digit as u8);
    for part in [b"HTTP/1.1 ", &digits[..], b" ", reason(status).as_bytes(), b"\r\n"] {
        out.extend_from_slice(part);
    }
}

/// Appends one field.
pub(super) fn put_field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.reserve(name.len() + value.len() + 4);
    for part in [name, b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

/// Appends the fields of a head behind its first line, and the empty line.
pub(super) fn put_fields(out: &mut Vec<u8>, head: &Head, closing: Closing<'_>) {
    let (mut has_cookie, mut has_length) = (false, closing.length != Length::AsGiven);
    for field in head.fields() {
        match field.name {
            name if name.is_pseudo() => {}
            Name::Connection
            | Name::KeepAlive
            | Name::ProxyConnection
            | Name::TransferEncoding
            | Name::Upgrade
            | Name::Te
            | Name::Host => {}
            // RFC 9110 §8.6: once at most, whatever we are given.
            Name::ContentLength if std::mem::replace(&mut has_length, true) => {}
            Name::Cookie => {
                if !std::mem::replace(&mut has_cookie, true) {
                    put_cookie(out, head);
                }
            }
            _ => put_legal(out, head, field),
        }
    }
    match closing.length {
        Length::AsGiven | Length::Nothing => {}
        Length::Zero => put_field(out, b"content-length", b"0"),
        Length::Chunked => put_field(out, b"transfer-encoding", b"chunked"),
    }
    if !closing.connection.is_empty() {
        put_field(out, b"connection", closing.connection);
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends trailers and the empty line, without what has no place there.
pub(super) fn put_trailers(out: &mut Vec<u8>, head: &Head) {
    for field in head.fields().iter().filter(|field| is_trailer(field.name)) {
        put_legal(out, head, field);
    }
    out.extend_from_slice(b"\r\n");
}

/// RFC 9113 §8.2.3: crumbs of a cookie are one field again.
fn put_cookie(out: &mut Vec<u8>, head: &Head) {
    let crumbs = head.fields().iter().filter(|field| field.name == Name::Cookie);
    let mut separator: &[u8] = b"cookie: ";
    let start = out.len();
    for crumb in crumbs.map(|field| head.value(field)) {
        if syntax::check_value(crumb).is_ok() {
            out.extend_from_slice(separator);
            out.extend_from_slice(crumb);
            separator = b"; ";
        }
    }
    if out.len() > start {
        out.extend_from_slice(b"\r\n");
    }
}

#[inline]
fn put_legal(out: &mut Vec<u8>, head: &Head, field: &Field) {
    let (name, value) = (head.name(field), head.value(field));
    let is_known = field.name != Name::Other;
    let is_legal =
        (is_known || syntax::check_name(name).is_ok()) && syntax::check_value(value).is_ok();
    if is_legal && !is_ours(name) {
        put_field(out, name, value);
    }
}

/// Fields that belong to the connection and are not known names.
fn is_ours(name: &[u8]) -> bool {
    matches!(name, KEY | ACCEPT) || upgrade::is_consumed(name)
}

/// What Connection says in a reply. RFC 9112 §9.3: a client of HTTP/1.0 has to be told that it may go on.
pub(super) fn persistence(closes: super::head::Persistence, version: Version) -> &'static [u8] {
    match (closes, version) {
        (super::head::Persistence::Closes, _) => b"close",
        (super::head::Persistence::Stays, Version::V10) => b"keep-alive",
        (super::head::Persistence::Stays, Version::V11) => b"",
    }
}

/// RFC 9110 §15; a phrase that nobody needs, but that people read.
fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        103 => "Early Hints",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        499 => "Client Closed Request",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}
