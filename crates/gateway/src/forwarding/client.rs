//! Whose request it is, when it came through proxies that we trust.
//!
//! Each proxy appends whom it got the request from to `x-forwarded-for`, so the list is read from its
//! end: an entry is believed if the one who wrote it is. The first one who is not trusted is the client;
//! what stands before it anybody may have written.

use std::net::{IpAddr, SocketAddr};

use narrows_wire::{Head, Name};

use super::Rules;

/// Entries of `x-forwarded-for` that are looked at, from the end.
pub const HOPS_MAX: usize = 32;

/// The address of the client behind `peer`.
pub(super) fn derive(head: &Head, peer: IpAddr, rules: &Rules) -> IpAddr {
    let fields = head.fields().iter().rev().filter(|field| field.name == Name::XForwardedFor);
    let entries = fields.flat_map(|field| head.value(field).rsplit(|byte| *byte == b','));
    let mut client = peer;
    for (hops, entry) in (0..).zip(entries.take(HOPS_MAX)) {
        if hops >= rules.trusted_hops && !rules.trusted.contains(client) {
            break;
        }
        // Who does not say from whom it came has to answer for it.
        let Some(address) = parse(entry.trim_ascii()) else { break };
        client = address;
    }
    client
}

/// An address, which some write with a port, and IPv6 in brackets.
fn parse(entry: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(entry).ok()?;
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().or_else(|_| text.parse::<SocketAddr>().map(|with| with.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}
