//! The fields that tell of the way so far: `x-forwarded-*`, `x-real-ip`, `forwarded`.
//!
//! From a peer that is not trusted none of them passes, added or not: the node behind us can not tell
//! them from ours. From one that is trusted they are kept, and the lists among them continued.
//! Addresses are pushed as unique: looking them up in a table of HPACK costs more than to write them.

use std::io::Write as _;
use std::net::IpAddr;

use narrows_wire::{Head, Indexing, Name};

use super::{Arrival, CLASSES, TRAIL, Trail, Trust};

/// Whether the request came with any of these fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Came {
    None,
    Some,
}

pub(super) fn rewrite(
    head: &mut Head,
    add: &[Trail],
    (came, trust): (Came, Trust),
    client: IpAddr,
    arrival: &mut Arrival<'_>,
) {
    let kept = if trust == Trust::Yes { came } else { Came::None };
    if came != kept {
        head.retain(|_, field| CLASSES[field.name as usize] != TRAIL);
    }
    for trail in add {
        put(head, *trail, kept, client, arrival);
    }
}

fn put(head: &mut Head, trail: Trail, kept: Came, client: IpAddr, arrival: &mut Arrival<'_>) {
    let (peer, scratch) = (arrival.peer, &mut *arrival.scratch);
    let name = trail.name();
    let is_there = kept == Came::Some && head.fields().iter().any(|field| field.name == name);
    match trail {
        Trail::XForwardedFor if is_there => {
            super::join(head, name, scratch);
            scratch.extend_from_slice(peer.text.as_bytes());
            head.set(name, scratch, Indexing::Unique);
        }
        Trail::Forwarded => {
            scratch.clear();
            if is_there {
                super::join(head, name, scratch);
            }
            write_element(head, arrival);
            head.set(name, arrival.scratch, Indexing::Unique);
        }
        // The first proxy has said it.
        _ if is_there => {}
        Trail::XForwardedFor => head.push(name, peer.text.as_bytes(), Indexing::Unique),
        Trail::XForwardedProto => head.push(name, peer.scheme.as_bytes(), Indexing::MayRepeat),
        Trail::XForwardedPort => head.push(name, peer.port.as_bytes(), Indexing::MayRepeat),
        Trail::XRealIp if client == peer.address => {
            head.push(name, peer.text.as_bytes(), Indexing::Unique);
        }
        Trail::XRealIp => {
            scratch.clear();
            write!(scratch, "{client}").expect("a vector takes every byte");
            head.push(name, scratch, Indexing::Unique);
        }
        Trail::XForwardedHost => {
            scratch.clear();
            scratch.extend_from_slice(authority(head));
            if !scratch.is_empty() {
                head.push(name, scratch, Indexing::MayRepeat);
            }
        }
    }
}

/// RFC 7239 §4: appends what we know of this hop.
fn write_element(head: &Head, arrival: &mut Arrival<'_>) {
    let (peer, out) = (arrival.peer, &mut *arrival.scratch);
    // RFC 7239 §6: an IPv6 address stands in brackets, and then in quotes.
    let quotes = if peer.address.is_ipv6() { ("\"[", "]\"") } else { ("", "") };
    for part in ["for=", quotes.0, &peer.text, quotes.1, ";proto=", peer.scheme] {
        out.extend_from_slice(part.as_bytes());
    }
    let host = authority(head);
    // Nothing in a host name needs an escape.
    if !host.is_empty() && !host.iter().any(|byte| matches!(byte, b'"' | b'\\')) {
        for part in [b";host=\"", host, b"\""] {
            out.extend_from_slice(part);
        }
    }
}

fn authority(head: &Head) -> &[u8] {
    head.get(Name::Authority).or_else(|| head.get(Name::Host)).unwrap_or_default()
}

// === impl Trail ===

impl Trail {
    const fn name(self) -> Name {
        match self {
            Self::XForwardedFor => Name::XForwardedFor,
            Self::XForwardedProto => Name::XForwardedProto,
            Self::XForwardedHost => Name::XForwardedHost,
            Self::XForwardedPort => Name::XForwardedPort,
            Self::XRealIp => Name::XRealIp,
            Self::Forwarded => Name::Forwarded,
        }
    }
}
