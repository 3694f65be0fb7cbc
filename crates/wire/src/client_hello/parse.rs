//! The fields of a ClientHello (RFC 8446 §4.1.2), read to the end although few of them are kept.

use core::net::IpAddr;

use super::HelloFault;

/// The longest host name (RFC 1035 §2.3.4).
pub const HOST_BYTES_MAX: usize = 253;

/// The longest part of a host name between dots (RFC 1035 §2.3.4).
const LABEL_BYTES_MAX: usize = 63;

/// Numbers of extensions.
const SERVER_NAME: u16 = 0;
const ALPN: u16 = 16;
const SUPPORTED_VERSIONS: u16 = 43;

/// The kind of name that SNI knows.
const HOST_NAME: u8 = 0;

/// What a client asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientHello {
    server_name: Option<Box<str>>,
    /// The list as it came: each name behind a byte with its length.
    alpn: Box<[u8]>,
    versions: Vec<u16>,
}

/// Which of the extensions that we read have come.
#[derive(Default)]
struct Seen {
    server_name: bool,
    alpn: bool,
    versions: bool,
}

/// Bytes of which no length has been checked yet.
#[derive(Clone, Copy)]
struct Reader<'a>(&'a [u8]);

/// Parses the body of the message.
pub(super) fn parse(body: &[u8]) -> Result<ClientHello, HelloFault> {
    let mut reader = Reader(body);
    let legacy_version = reader.u16()?;
    // Random, session id, cipher suites, compression methods.
    reader.take(32)?;
    if reader.vector8()?.0.len() > 32 {
        return Err(HelloFault::Length);
    }
    let suites = reader.vector16()?.0.len();
    if suites == 0 || suites % 2 == 1 || reader.vector8()?.0.is_empty() {
        return Err(HelloFault::Length);
    }
    let mut hello = ClientHello { versions: vec![legacy_version], ..ClientHello::default() };
    // RFC 8446 §4.1.2: older clients may leave extensions out.
    if !reader.0.is_empty() {
        let extensions = reader.vector16()?;
        reader.end()?;
        hello.read_extensions(extensions)?;
    }
    Ok(hello)
}

// === impl ClientHello ===

impl ClientHello {
    /// The host name that the client asks for, lower case. `None` as well if it names an address, which
    /// RFC 6066 §3 does not permit but some clients do.
    pub fn server_name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }

    /// The protocols that the client offers, best first, without the senseless ones of RFC 8701.
    pub fn alpn(&self) -> impl Iterator<Item = &[u8]> {
        let mut list = Reader(&self.alpn);
        std::iter::from_fn(move || list.vector8().ok().map(|name| name.0))
            .filter(|name| !matches!(name, [a, b] if is_grease(u16::from_be_bytes([*a, *b]))))
    }

    /// The versions that the client offers, such as 0x0304 for TLS 1.3, in its order, without the
    /// senseless ones of RFC 8701.
    pub fn versions(&self) -> &[u16] {
        &self.versions
    }

    fn read_extensions(&mut self, mut extensions: Reader<'_>) -> Result<(), HelloFault> {
        let mut seen = Seen::default();
        while !extensions.0.is_empty() {
            let kind = extensions.u16()?;
            let data = extensions.vector16()?;
            let is_second = match kind {
                SERVER_NAME => {
                    self.server_name = server_name(data)?;
                    std::mem::replace(&mut seen.server_name, true)
                }
                ALPN => {
                    self.alpn = alpn(data)?;
                    std::mem::replace(&mut seen.alpn, true)
                }
                SUPPORTED_VERSIONS => {
                    self.versions = versions(data)?;
                    std::mem::replace(&mut seen.versions, true)
                }
                _ => false,
            };
            // RFC 8446 §4.2: no two extensions of a type. Those that are not read can not mislead.
            if is_second {
                return Err(HelloFault::ExtensionTwice);
            }
        }
        Ok(())
    }
}

/// RFC 6066 §3: a list of names, at most one of each kind.
fn server_name(mut data: Reader<'_>) -> Result<Option<Box<str>>, HelloFault> {
    let mut list = data.vector16()?;
    data.end()?;
    if list.0.is_empty() {
        return Err(HelloFault::ServerName);
    }
    let mut found = None;
    while !list.0.is_empty() {
        let kind = list.u8()?;
        let name = list.vector16()?;
        if kind == HOST_NAME && found.replace(name.0).is_some() {
            return Err(HelloFault::ServerName);
        }
    }
    match found {
        None => Ok(None),
        Some(name) if is_address(name) => Ok(None),
        Some(name) => host_name(name).map(Some).ok_or(HelloFault::ServerName),
    }
}

fn is_address(name: &[u8]) -> bool {
    str::from_utf8(name).is_ok_and(|text| text.parse::<IpAddr>().is_ok())
}

/// A host name in lower case: letters, digits, hyphens, and the underscores that people use.
fn host_name(name: &[u8]) -> Option<Box<str>> {
    if name.is_empty() || name.len() > HOST_BYTES_MAX {
        return None;
    }
    // RFC 6066 §3: without a dot at the end.
    for label in name.split(|byte| *byte == b'.') {
        let is_fine = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if label.is_empty()
            || label.len() > LABEL_BYTES_MAX
            || !label.iter().all(is_fine)
            || label.first() == Some(&b'-')
            || label.last() == Some(&b'-')
        {
            return None;
        }
    }
    Some(str::from_utf8(name).ok()?.to_ascii_lowercase().into_boxed_str())
}

/// RFC 7301 §3.1: a list of names, none of them empty.
fn alpn(mut data: Reader<'_>) -> Result<Box<[u8]>, HelloFault> {
    let list = data.vector16()?;
    data.end()?;
    let mut names = list;
    while !names.0.is_empty() {
        if names.vector8()?.0.is_empty() {
            return Err(HelloFault::Alpn);
        }
    }
    if list.0.is_empty() { Err(HelloFault::Alpn) } else { Ok(list.0.into()) }
}

/// RFC 8446 §4.2.1.
fn versions(mut data: Reader<'_>) -> Result<Vec<u16>, HelloFault> {
    let mut list = data.vector8()?;
    data.end()?;
    if list.0.is_empty() {
        return Err(HelloFault::Length);
    }
    let mut versions = Vec::new();
    while !list.0.is_empty() {
        let version = list.u16()?;
        if !is_grease(version) {
            versions.push(version);
        }
    }
    Ok(versions)
}

/// RFC 8701 §2: values that mean nothing, sent so that nobody stumbles over what is new.
const fn is_grease(value: u16) -> bool {
    value & 0x0f0f == 0x0a0a && value >> 8 == value & 0xff
}

// === impl Reader ===

impl<'a> Reader<'a> {
    fn take(&mut self, bytes: usize) -> Result<&'a [u8], HelloFault> {
        let (taken, rest) = self.0.split_at_checked(bytes).ok_or(HelloFault::Length)?;
        self.0 = rest;
        Ok(taken)
    }

    fn u8(&mut self) -> Result<u8, HelloFault> {
        let (byte, rest) = self.0.split_first().ok_or(HelloFault::Length)?;
        self.0 = rest;
        Ok(*byte)
    }

    fn u16(&mut self) -> Result<u16, HelloFault> {
        let (bytes, rest) = self.0.split_first_chunk::<2>().ok_or(HelloFault::Length)?;
        self.0 = rest;
        Ok(u16::from_be_bytes(*bytes))
    }

    /// What stands behind a length of one byte.
    fn vector8(&mut self) -> Result<Self, HelloFault> {
        let length = self.u8()?;
        self.take(usize::from(length)).map(Self)
    }

    /// What stands behind a length of two bytes.
    fn vector16(&mut self) -> Result<Self, HelloFault> {
        let length = self.u16()?;
        self.take(usize::from(length)).map(Self)
    }

    /// Nothing may be left.
    fn end(self) -> Result<(), HelloFault> {
        if self.0.is_empty() { Ok(()) } else { Err(HelloFault::Length) }
    }
}
