//! gRPC-Web (PROTOCOL-WEB.md): gRPC for clients that can read no trailers, which is every browser.
//!
//! Messages are framed as in gRPC; trailers become a last frame of the body. In the format *text* the body
//! is base64 as well. Heads are rewritten here, bodies by [`TextDecoder`] and [`ReplyEncoder`] in
//! `grpc_web/body.rs`, which hold at most three bytes. CORS is not a part of it.

use crate::{Head, Indexing, Name};

mod body;

#[cfg(test)]
mod tests;

pub use body::{ReplyEncoder, TextDecoder, TextFault};

const GRPC: &[u8] = b"application/grpc";
const WEB: &[u8] = b"application/grpc-web";
const WEB_TEXT: &[u8] = b"application/grpc-web-text";

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// As it is.
    Binary,
    /// In base64.
    Text,
}

/// Both bodies of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Formats {
    /// That of the request.
    pub request: Format,
    /// That of the reply, as the client accepts it.
    pub reply: Format,
}

/// Whether a reply was translated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Translation {
    /// Its body has to go through a [`ReplyEncoder`], and its trailers into the body. A reply that has no
    /// body (trailers-only) ends with its head, in gRPC-Web as in gRPC.
    Needed,
    /// It is not gRPC, and left as it came.
    None,
}

// === impl Format ===

impl Format {
    /// The format that this `content-type` or one of this `accept` names; `None`: it is not gRPC-Web.
    fn of(kind: &[u8]) -> Option<Self> {
        if suffix(kind, WEB_TEXT).is_some() {
            return Some(Self::Text);
        }
        suffix(kind, WEB).map(|_| Self::Binary)
    }
}

/// The formats of a call; `None`: it is not gRPC-Web.
pub fn formats(request: &Head) -> Option<Formats> {
    let format = Format::of(request.get(Name::ContentType)?)?;
    let accepted = request.get(Name::Accept).unwrap_or_default();
    let reply = accepted.split(|byte| *byte == b',').find_map(|kind| Format::of(kind.trim_ascii()));
    Some(Formats { request: format, reply: reply.unwrap_or(format) })
}

/// Makes the head of a request with a body of this format one of gRPC. What messages are made of
/// (`+proto`) and how they may be compressed (`grpc-accept-encoding`) is left.
pub fn rewrite_request(head: &mut Head, format: Format) {
    let kind = head.get(Name::ContentType).unwrap_or_default();
    let rest = suffix(kind, WEB_TEXT).or_else(|| suffix(kind, WEB)).unwrap_or_default();
    let kind = [GRPC, rest].concat();
    head.set(Name::ContentType, &kind, Indexing::MayRepeat);
    // PROTOCOL-HTTP2.md: te detects proxies that lose trailers.
    head.set(Name::Te, b"trailers", Indexing::MayRepeat);
    if format == Format::Text {
        head.remove(Name::ContentLength);
    }
}

/// Makes the head of a gRPC reply one of gRPC-Web.
pub fn rewrite_reply(head: &mut Head, format: Format) -> Translation {
    let kind = head.get(Name::ContentType).unwrap_or_default();
    let Some(rest) = suffix(kind, GRPC) else { return Translation::None };
    let web = if format == Format::Text { WEB_TEXT } else { WEB };
    // PROTOCOL-WEB.md: what messages are made of is always said.
    let made_of: &[u8] = if rest.first() == Some(&b'+') { b"" } else { b"+proto" };
    let kind = [web, made_of, rest].concat();
    head.set(Name::ContentType, &kind, Indexing::MayRepeat);
    // The body gets longer, and no trailers follow it.
    head.remove(Name::ContentLength);
    head.remove(Name::Trailer);
    Translation::Needed
}

/// What stands behind the name of a media type: nothing, `+...`, or parameters. `None`: it is another
/// type.
fn suffix<'a>(kind: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (have, rest) = kind.split_at_checked(name.len())?;
    let is_this = have.eq_ignore_ascii_case(name);
    (is_this && matches!(rest.first(), None | Some(b'+' | b';' | b' '))).then_some(rest)
}
