//! Version 2: binary, with extensions (proxy-protocol.txt §2.2).

use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Endpoints, Family, Header, Origin, Progress, ProxyFault, Version, agrees};
use crate::crc32c;

/// The longest payload: addresses and extensions. The length field could say 64 KiB; a client's
/// certificate is the largest that anybody sends.
pub const V2_PAYLOAD_BYTES_MAX: usize = 4096;

/// The longest host name in an extension.
pub const AUTHORITY_BYTES_MAX: usize = 255;

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
const VERSION: u8 = 2;
const LOCAL: u8 = 0;
const PROXY: u8 = 1;

/// Family and transport in one byte.
const UNSPECIFIED: u8 = 0x00;
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;
const UNIX_STREAM: u8 = 0x31;
/// Two paths of 108 bytes.
const UNIX_BYTES: usize = 216;

/// Types of extensions that are read.
const ALPN: u8 = 0x01;
const AUTHORITY: u8 = 0x02;
const CRC32C: u8 = 0x03;

/// Whether a header that is written carries its checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    /// It does.
    Present,
    /// It does not.
    Absent,
}

/// What the extensions say.
#[derive(Default)]
struct Extensions<'a> {
    alpn: Option<&'a [u8]>,
    authority: Option<&'a str>,
    /// The checksum, and where its four bytes begin in the extensions.
    checksum: Option<(u32, usize)>,
}

/// Parses a header; `input` begins with the first byte of the signature.
pub(super) fn parse(input: &[u8]) -> Result<Progress<'_>, ProxyFault> {
    if !agrees(input, SIGNATURE) {
        return Err(ProxyFault::Absent);
    }
    let fixed = input.get(SIGNATURE.len()..).unwrap_or_default();
    if fixed.first().is_some_and(|byte| byte >> 4 != VERSION) {
        return Err(ProxyFault::Version);
    }
    let [version_command, family, high, low, rest @ ..] = fixed else {
        return Ok(Progress::NeedMore);
    };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    if length > V2_PAYLOAD_BYTES_MAX {
        return Err(ProxyFault::PayloadTooLong);
    }
    let Some(payload) = rest.get(..length) else { return Ok(Progress::NeedMore) };
    let consumed = input.len() - rest.len() + length;
    let whole = input.get(..consumed).unwrap_or(input);
    let header = match version_command & 0xf {
        // proxy-protocol.txt §2.2: the payload is skipped, whatever it is.
        LOCAL => Header::bare(Origin::Local),
        PROXY => proxied(*family, payload, whole)?,
        _ => return Err(ProxyFault::Command),
    };
    Ok(Progress::Parsed { consumed, header })
}

fn proxied<'a>(family: u8, payload: &'a [u8], whole: &'a [u8]) -> Result<Header<'a>, ProxyFault> {
    let short = ProxyFault::PayloadTooShort;
    let (origin, extensions) = match family {
        UNSPECIFIED => (Origin::Unknown, payload),
        TCP4 => tcp4(payload).ok_or(short)?,
        TCP6 => tcp6(payload).ok_or(short)?,
        UNIX_STREAM => (Origin::Unknown, payload.get(UNIX_BYTES..).ok_or(short)?),
        // proxy-protocol.txt §2.2: other values must be rejected. Datagrams do not come over TCP.
        _ => return Err(ProxyFault::Family),
    };
    let found = match family {
        // What stands behind unspecified addresses can not be told from them.
        UNSPECIFIED => Extensions::default(),
        _ => Extensions::parse(extensions)?,
    };
    if let Some((sum, at)) = found.checksum {
        verify(whole, whole.len() - extensions.len() + at, sum)?;
    }
    Ok(Header { alpn: found.alpn, authority: found.authority, ..Header::bare(origin) })
}

fn tcp4(payload: &[u8]) -> Option<(Origin, &[u8])> {
    let (source, rest) = payload.split_first_chunk::<4>()?;
    let (destination, rest) = rest.split_first_chunk::<4>()?;
    ends(Ipv4Addr::from(*source), Ipv4Addr::from(*destination), rest)
}

fn tcp6(payload: &[u8]) -> Option<(Origin, &[u8])> {
    let (source, rest) = payload.split_first_chunk::<16>()?;
    let (destination, rest) = rest.split_first_chunk::<16>()?;
    ends(Ipv6Addr::from(*source), Ipv6Addr::from(*destination), rest)
}

fn ends<A>(source: A, destination: A, ports: &[u8]) -> Option<(Origin, &[u8])>
where
    (A, u16): Into<SocketAddr>,
{
    let (source_port, rest) = ports.split_first_chunk::<2>()?;
    let (destination_port, rest) = rest.split_first_chunk::<2>()?;
    let endpoints = Endpoints {
        source: (source, u16::from_be_bytes(*source_port)).into(),
        destination: (destination, u16::from_be_bytes(*destination_port)).into(),
    };
    Some((Origin::Proxied(endpoints), rest))
}

/// proxy-protocol.txt §2.2.3: the checksum is that of the whole header with zeros in its place, and a
/// header with another one must be refused.
fn verify(whole: &[u8], at: usize, sum: u32) -> Result<(), ProxyFault> {
    let (before, behind) = whole.split_at(at.min(whole.len()));
    let behind = behind.get(4..).unwrap_or_default();
    match crc32c::checksum(&[before, &[0; 4], behind]) == sum {
        true => Ok(()),
        false => Err(ProxyFault::Checksum),
    }
}

// === impl Header ===

impl Header<'_> {
    /// A header of version 2 without extensions.
    fn bare(origin: Origin) -> Self {
        Self { version: Version::V2, origin, alpn: None, authority: None }
    }
}

// === impl Extensions ===

impl<'a> Extensions<'a> {
    /// Walks over all extensions (proxy-protocol.txt §2.2): a type, a length of two bytes, a value.
    fn parse(all: &'a [u8]) -> Result<Self, ProxyFault> {
        let mut found = Self::default();
        let mut rest = all;
        while let [kind, after @ ..] = rest {
            let (length, after) = after.split_first_chunk::<2>().ok_or(ProxyFault::ExtensionCut)?;
            let length = usize::from(u16::from_be_bytes(*length));
            let (value, after) = after.split_at_checked(length).ok_or(ProxyFault::ExtensionCut)?;
            let at = all.len() - after.len() - length;
            found.take(*kind, value, at)?;
            rest = after;
        }
        Ok(found)
    }

    fn take(&mut self, kind: u8, value: &'a [u8], at: usize) -> Result<(), ProxyFault> {
        let is_second = match kind {
            ALPN => self.alpn.replace(value).is_some(),
            AUTHORITY => self.authority.replace(host(value)?).is_some(),
            CRC32C => {
                let sum = value.try_into().map_err(|_| ProxyFault::ExtensionMalformed)?;
                self.checksum.replace((u32::from_be_bytes(sum), at)).is_some()
            }
            _ => false,
        };
        if is_second { Err(ProxyFault::ExtensionTwice) } else { Ok(()) }
    }
}

/// The text of a host name, which will stand in logs and be compared with names of certificates.
fn host(value: &[u8]) -> Result<&str, ProxyFault> {
    let is_fine = !value.is_empty()
        && value.len() <= AUTHORITY_BYTES_MAX
        && value.iter().all(u8::is_ascii_graphic);
    let text = str::from_utf8(value).ok().filter(|_| is_fine);
    text.ok_or(ProxyFault::ExtensionMalformed)
}

/// Appends a header. What is longer than may be written of it is left out: nothing else depends on the
/// extensions. `version` of the header does not matter.
pub fn encode_v2(header: &Header<'_>, checksum: Checksum, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(SIGNATURE);
    let command = if header.origin == Origin::Local { LOCAL } else { PROXY };
    out.push(VERSION << 4 | command);
    let length_at = out.len() + 1;
    match &header.origin {
        // Extensions of these would not be read.
        Origin::Local | Origin::Unknown => out.extend_from_slice(&[UNSPECIFIED, 0, 0]),
        Origin::Proxied(endpoints) => {
            encode_endpoints(endpoints, out);
            extension(ALPN, header.alpn, out);
            extension(AUTHORITY, header.authority.map(str::as_bytes), out);
            if checksum == Checksum::Present {
                extension(CRC32C, Some(&[0; 4]), out);
            }
        }
    }
    let length = (out.len() - length_at - 2) as u16;
    out[length_at..length_at + 2].copy_from_slice(&length.to_be_bytes());
    if checksum == Checksum::Present && length > 0 {
        let sum = crc32c::checksum(&[&out[start..]]);
        let at = out.len() - 4;
        out[at..].copy_from_slice(&sum.to_be_bytes());
    }
}

/// Family and transport, room for the length, addresses, ports.
fn encode_endpoints(endpoints: &Endpoints, out: &mut Vec<u8>) {
    match endpoints.in_one_family() {
        Family::V4(source, destination) => {
            out.extend_from_slice(&[TCP4, 0, 0]);
            out.extend_from_slice(&source.octets());
            out.extend_from_slice(&destination.octets());
        }
        Family::V6(source, destination) => {
            out.extend_from_slice(&[TCP6, 0, 0]);
            out.extend_from_slice(&source.octets());
            out.extend_from_slice(&destination.octets());
        }
    }
    out.extend_from_slice(&endpoints.source.port().to_be_bytes());
    out.extend_from_slice(&endpoints.destination.port().to_be_bytes());
}

fn extension(kind: u8, value: Option<&[u8]>, out: &mut Vec<u8>) {
    let Some(value) = value.filter(|value| value.len() <= AUTHORITY_BYTES_MAX) else { return };
    out.push(kind);
    out.extend_from_slice(&(value.len() as u16).to_be_bytes());
    out.extend_from_slice(value);
}
