//! The PROXY protocol, versions 1 and 2 (proxy-protocol.txt of HAProxy): who a connection is from.
//!
//! A proxy in front of us writes one header before the first byte of the connection. [`parse`] is given
//! all bytes that have come, and again with more when it asks for them; it keeps nothing, and the header
//! that it gives borrows from them. It is strict: a listener that expects a header takes nothing else,
//! since whoever could leave it out could be anyone. Whether a peer may be believed is for the caller to
//! decide. [`encode_v1`] and [`encode_v2`] write headers for those behind us.

use core::net::{IpAddr, SocketAddr};

mod v1;
mod v2;

#[cfg(test)]
mod tests;

pub use v1::{V1_BYTES_MAX, encode_v1};
pub use v2::{AUTHORITY_BYTES_MAX, Checksum, V2_PAYLOAD_BYTES_MAX, encode_v2};

/// How far parsing has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress<'a> {
    /// The header is there; the connection's own bytes begin after `consumed`.
    Parsed {
        /// Bytes of the header.
        consumed: usize,
        /// What it says.
        header: Header<'a>,
    },
    /// So far it may become a header.
    NeedMore,
}

/// Which version a header has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// A line of text.
    V1,
    /// Binary.
    V2,
}

/// What a header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    /// Its version.
    pub version: Version,
    /// Who speaks to whom.
    pub origin: Origin,
    /// The protocol that was agreed by ALPN, if that is told (version 2).
    pub alpn: Option<&'a [u8]>,
    /// The host name that the client asked for, if that is told (version 2): visible ASCII, not checked
    /// any further.
    pub authority: Option<&'a str>,
}

/// Whose connection it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The proxy's own, such as a health check: the addresses of the socket count.
    Local,
    /// A client's, whose addresses the proxy does not know or can not say.
    Unknown,
    /// A client's.
    Proxied(Endpoints),
}

/// Both ends of a client's connection to the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoints {
    /// The client.
    pub source: SocketAddr,
    /// Where it connected to.
    pub destination: SocketAddr,
}

/// Why bytes are no header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ProxyFault {
    /// Neither version begins like this.
    #[error("connection does not begin with a PROXY header")]
    Absent,
    /// Version 1: no end of the line within [`V1_BYTES_MAX`] bytes.
    #[error("line of the PROXY header is too long")]
    LineTooLong,
    /// Version 1: CR without LF, or LF without CR.
    #[error("line of the PROXY header does not end in CR LF")]
    LineEnd,
    /// Version 1: neither TCP4, TCP6, nor UNKNOWN.
    #[error("PROXY header names an unknown protocol")]
    Protocol,
    /// Version 1: not an address of the family that was named.
    #[error("PROXY header has a malformed address")]
    Address,
    /// Version 1: not a decimal number up to 65535, without leading zeros.
    #[error("PROXY header has a malformed port")]
    Port,
    /// Version 1: more or fewer than four words behind the protocol.
    #[error("PROXY header has the wrong number of words")]
    Words,
    /// Version 2: another version than 2 in its version field.
    #[error("PROXY header has an unknown version")]
    Version,
    /// Version 2: neither LOCAL nor PROXY.
    #[error("PROXY header has an unknown command")]
    Command,
    /// Version 2: a family or transport that no TCP connection has.
    #[error("PROXY header has an unknown address family or transport")]
    Family,
    /// Version 2: the payload is longer than [`V2_PAYLOAD_BYTES_MAX`].
    #[error("PROXY header is too long")]
    PayloadTooLong,
    /// Version 2: the payload is shorter than addresses of its family.
    #[error("PROXY header is too short for its addresses")]
    PayloadTooShort,
    /// Version 2: an extension that reaches beyond the payload.
    #[error("extension of the PROXY header is cut short")]
    ExtensionCut,
    /// Version 2: an extension that may come once, and came twice.
    #[error("extension of the PROXY header comes twice")]
    ExtensionTwice,
    /// Version 2: the host name is too long or not visible ASCII, or the checksum not four bytes.
    #[error("extension of the PROXY header is malformed")]
    ExtensionMalformed,
    /// Version 2: the checksum is not that of the header.
    #[error("checksum of the PROXY header is wrong")]
    Checksum,
}

/// Parses the first bytes of a connection. They are judged as soon as they can be.
pub fn parse(input: &[u8]) -> Result<Progress<'_>, ProxyFault> {
    // Both beginnings differ in their first byte.
    match input.first() {
        None => Ok(Progress::NeedMore),
        Some(b'P') => v1::parse(input),
        Some(b'\r') => v2::parse(input),
        Some(_) => Err(ProxyFault::Absent),
    }
}

/// Whether `input` is a beginning of `expected`, or the other way round.
fn agrees(input: &[u8], expected: &[u8]) -> bool {
    input.iter().zip(expected).all(|(a, b)| a == b)
}

// === impl Endpoints ===

impl Endpoints {
    /// Both addresses in one family: IPv4 if both can be, else IPv6 (proxy-protocol.txt §2.1: one word
    /// names the family of both).
    fn in_one_family(self) -> Family {
        let (source, destination) = (self.source.ip(), self.destination.ip());
        match (source.to_canonical(), destination.to_canonical()) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => Family::V4(source, destination),
            _ => Family::V6(mapped(source), mapped(destination)),
        }
    }
}

/// Two addresses of one family.
enum Family {
    V4(core::net::Ipv4Addr, core::net::Ipv4Addr),
    V6(core::net::Ipv6Addr, core::net::Ipv6Addr),
}

fn mapped(address: IpAddr) -> core::net::Ipv6Addr {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}
