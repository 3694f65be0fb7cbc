//! Version 1: a line of text (proxy-protocol.txt §2.1).
//!
//! One space between words, numbers without leading zeros, CR LF at the end: what two readers could
//! understand in two ways is refused.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::io::Write as _;

use super::{Endpoints, Family, Header, Origin, Progress, ProxyFault, Version, agrees};

/// The longest line, its end included (proxy-protocol.txt §2.1).
pub const V1_BYTES_MAX: usize = 107;

const BEGINNING: &[u8] = b"PROXY ";

/// Parses a line; `input` begins with the first byte of [`BEGINNING`].
pub(super) fn parse(input: &[u8]) -> Result<Progress<'_>, ProxyFault> {
    if !agrees(input, BEGINNING) {
        return Err(ProxyFault::Absent);
    }
    let within = input.get(..V1_BYTES_MAX).unwrap_or(input);
    let end = within.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
    let line = match end.map(|at| within.split_at(at)) {
        Some((line, [b'\r', b'\n', ..])) => line,
        // Cut between the two, and there is room for the second.
        Some((line, [b'\r'])) if line.len() + 2 <= V1_BYTES_MAX => return Ok(Progress::NeedMore),
        Some((_, [b'\r'])) => return Err(ProxyFault::LineTooLong),
        Some(_) => return Err(ProxyFault::LineEnd),
        None if within.len() == V1_BYTES_MAX => return Err(ProxyFault::LineTooLong),
        None => return Ok(Progress::NeedMore),
    };
    let words = line.get(BEGINNING.len()..).unwrap_or_default();
    let header =
        Header { version: Version::V1, origin: origin(words)?, alpn: None, authority: None };
    Ok(Progress::Parsed { consumed: line.len() + 2, header })
}

fn origin(words: &[u8]) -> Result<Origin, ProxyFault> {
    let mut words = words.split(|byte| *byte == b' ');
    let protocol = words.next().unwrap_or_default();
    let address: fn(&[u8]) -> Option<IpAddr> = match protocol {
        // proxy-protocol.txt §2.1: whatever follows is ignored.
        b"UNKNOWN" => return Ok(Origin::Unknown),
        b"TCP4" => |word| text(word)?.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        b"TCP6" => |word| text(word)?.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        _ => return Err(ProxyFault::Protocol),
    };
    let mut word = || words.next().ok_or(ProxyFault::Words);
    let [source, destination, source_port, destination_port] = [word()?, word()?, word()?, word()?];
    if words.next().is_some() {
        return Err(ProxyFault::Words);
    }
    let end = |word, at| {
        let address = address(word).ok_or(ProxyFault::Address)?;
        Ok(SocketAddr::new(address, port(at).ok_or(ProxyFault::Port)?))
    };
    Ok(Origin::Proxied(Endpoints {
        source: end(source, source_port)?,
        destination: end(destination, destination_port)?,
    }))
}

fn port(word: &[u8]) -> Option<u16> {
    match word {
        [b'0'] => Some(0),
        [b'1'..=b'9', rest @ ..] if rest.iter().all(u8::is_ascii_digit) => text(word)?.parse().ok(),
        _ => None,
    }
}

fn text(word: &[u8]) -> Option<&str> {
    str::from_utf8(word).ok()
}

/// Appends a line. An origin without addresses is written `UNKNOWN`: version 1 has no word for
/// [`Origin::Local`].
pub fn encode_v1(origin: &Origin, out: &mut Vec<u8>) {
    let Origin::Proxied(endpoints) = origin else {
        return out.extend_from_slice(b"PROXY UNKNOWN\r\n");
    };
    let ports = (endpoints.source.port(), endpoints.destination.port());
    let (word, source, destination): (_, IpAddr, IpAddr) = match endpoints.in_one_family() {
        Family::V4(source, destination) => ("TCP4", source.into(), destination.into()),
        Family::V6(source, destination) => ("TCP6", source.into(), destination.into()),
    };
    let written = write!(out, "PROXY {word} {source} {destination} {} {}\r\n", ports.0, ports.1);
    written.expect("a vector takes every byte");
}
