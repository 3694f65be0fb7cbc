//! The handshake from HTTP/1.1 to HTTP/2 and back (RFC 8441 §5).
//!
//! Each function writes a new head: pseudo fields come first in it, and an exchange keeps the old one.
//! Heads are checked beforehand; a reply that does not switch needs no translation.

use super::{ACCEPT, KEY, Key, VERSION, VERSION_13, WEBSOCKET};
use crate::{Field, Head, Indexing, Name};

/// Writes an Upgrade request as extended CONNECT. The key stays behind: RFC 8441 §5 has no use for it.
pub fn to_connect(request: &Head, out: &mut Head) {
    out.clear();
    out.push(Name::Method, b"CONNECT", Indexing::MayRepeat);
    out.push(Name::Protocol, WEBSOCKET, Indexing::MayRepeat);
    let authority = request.get(Name::Authority).or_else(|| request.get(Name::Host));
    for (name, value) in [
        (Name::Scheme, request.get(Name::Scheme)),
        (Name::Authority, authority),
        (Name::Path, request.get(Name::Path)),
    ] {
        if let Some(value) = value {
            out.push(name, value, Indexing::MayRepeat);
        }
    }
    copy(request, out, |head, field| {
        // The host is the authority, which HTTP/2 has a place for.
        !is_of_upgrade(field) && field.name != Name::Host && head.name(field) != KEY
    });
}

/// Writes an extended CONNECT as Upgrade request with a key of the caller's.
pub fn to_upgrade(request: &Head, key: &Key, out: &mut Head) {
    out.clear();
    out.push(Name::Method, b"GET", Indexing::MayRepeat);
    for name in [Name::Scheme, Name::Authority, Name::Path] {
        if let Some(value) = request.get(name) {
            out.push(name, value, Indexing::MayRepeat);
        }
    }
    put_switch(out);
    out.push_text(KEY, key.text(), Indexing::Unique);
    copy(request, out, |head, field| {
        !is_of_upgrade(field) && ![KEY, ACCEPT, VERSION].contains(&head.name(field))
    });
    out.push_text(VERSION, VERSION_13, Indexing::MayRepeat);
}

/// Writes the reply 101 to an Upgrade as the reply 200 to an extended CONNECT.
pub fn reply_to_connect(reply: &Head, out: &mut Head) {
    out.clear();
    out.push(Name::Status, b"200", Indexing::MayRepeat);
    copy(reply, out, |head, field| !is_of_upgrade(field) && head.name(field) != ACCEPT);
}

/// Writes the reply 2xx to an extended CONNECT as the reply 101 to an Upgrade with this key.
pub fn reply_to_upgrade(reply: &Head, key: &Key, out: &mut Head) {
    out.clear();
    out.push(Name::Status, b"101", Indexing::MayRepeat);
    put_switch(out);
    out.push_text(ACCEPT, &key.accept(), Indexing::Unique);
    copy(reply, out, |head, field| !is_of_upgrade(field) && head.name(field) != ACCEPT);
}

fn put_switch(out: &mut Head) {
    out.push(Name::Connection, b"Upgrade", Indexing::MayRepeat);
    out.push(Name::Upgrade, WEBSOCKET, Indexing::MayRepeat);
}

/// Fields that have no place in a tunnel: those of the connection, and those that frame a body (RFC 6455
/// §4.1, RFC 9110 §9.3.6: there is none).
fn is_of_upgrade(field: &Field) -> bool {
    matches!(
        field.name,
        Name::Connection
            | Name::Upgrade
            | Name::KeepAlive
            | Name::ProxyConnection
            | Name::TransferEncoding
            | Name::ContentLength
    )
}

/// Appends the regular fields that are to be kept.
fn copy(from: &Head, out: &mut Head, keep: impl Fn(&Head, &Field) -> bool) {
    let kept = from.fields().iter().filter(|field| !field.name.is_pseudo() && keep(from, field));
    for field in kept {
        out.push_text(from.name(field), from.value(field), field.indexing);
    }
}
