//! The Connection field (RFC 9110 §7.6.1): what it says of the connection, and which fields it names.

use super::Fault;
use super::head::Persistence;
use super::target::Version;
use crate::fields;

/// Fields that one message may name.
const NAMED_MAX: usize = 16;

/// What Connection lists.
#[derive(Debug, Default)]
pub(super) struct Options<'a> {
    close: bool,
    keep_alive: bool,
    pub(super) upgrade: bool,
    named: [&'a [u8]; NAMED_MAX],
    count: usize,
}

// === impl Options ===

impl<'a> Options<'a> {
    /// Reads a value of Connection.
    pub(super) fn read(&mut self, value: &'a [u8]) -> Result<(), Fault> {
        for option in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            if option.is_empty() {
                continue;
            }
            if !fields::is_token(option) {
                return Err(Fault::ConnectionOption);
            }
            let is = |name: &[u8]| option.eq_ignore_ascii_case(name);
            if is(b"close") {
                self.close = true;
            } else if is(b"keep-alive") {
                self.keep_alive = true;
            } else if is(b"upgrade") {
                self.upgrade = true;
            } else if !is(b"te") {
                self.name(option)?;
            }
        }
        Ok(())
    }

    /// A field is named, which then goes no further.
    fn name(&mut self, option: &'a [u8]) -> Result<(), Fault> {
        // RFC 9110 §7.6.1: never a field that is meant for all recipients. Who names these wants the next
        // hop to see another message than we do.
        let is_needed = [&b"host"[..], b"content-length", b"transfer-encoding", b"expect"]
            .iter()
            .any(|name| option.eq_ignore_ascii_case(name));
        let place = self.named.get_mut(self.count).filter(|_| !is_needed);
        *place.ok_or(Fault::ConnectionOption)? = option;
        self.count += 1;
        Ok(())
    }

    /// Whether a field (lower case) is named.
    #[inline]
    pub(super) fn names(&self, field: &[u8]) -> bool {
        let named = self.named.get(..self.count).unwrap_or_default();
        named.iter().any(|name| name.eq_ignore_ascii_case(field))
    }

    /// RFC 9112 §9.3.
    pub(super) fn persistence(&self, version: Version) -> Persistence {
        let stays = match version {
            Version::V11 => !self.close,
            Version::V10 => self.keep_alive && !self.close,
        };
        if stays { Persistence::Stays } else { Persistence::Closes }
    }
}
