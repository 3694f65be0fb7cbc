//! HPACK's static table (RFC 7541 Appendix A), by way of [`Name`].
//!
//! The known names stand in the order of the table, so that an index is a name and a name an index
//! without searching.

use crate::Name;

/// An entry of the static table in full. Only the decoder makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StaticIndex(u8);

/// Entries of the static table; dynamic ones follow.
pub(super) const ENTRIES: u32 = 61;

/// Values of the entries that have one: those of the pseudo fields, and one more.
static VALUES: [&[u8]; 17] = [
    b"",
    b"",
    b"GET",
    b"POST",
    b"/",
    b"/index.html",
    b"http",
    b"https",
    b"200",
    b"204",
    b"206",
    b"304",
    b"400",
    b"404",
    b"500",
    b"",
    b"gzip, deflate",
];

/// Names of the entries 1 to 14; entry 0 does not exist.
const PSEUDO: [Name; 15] = [
    Name::Other,
    Name::Authority,
    Name::Method,
    Name::Method,
    Name::Path,
    Name::Path,
    Name::Scheme,
    Name::Scheme,
    Name::Status,
    Name::Status,
    Name::Status,
    Name::Status,
    Name::Status,
    Name::Status,
    Name::Status,
];

/// Names by index; entry 0 does not exist.
static NAMES: [Name; ENTRIES as usize + 1] = names();

/// Indexes by name; zero for a name that the table does not have.
static INDEXES: [u8; Name::KNOWN.len() + 1] = indexes();

const fn names() -> [Name; ENTRIES as usize + 1] {
    let mut table = [Name::Other; ENTRIES as usize + 1];
    let mut at = 1;
    while at < table.len() {
        table[at] = if at < PSEUDO.len() {
            PSEUDO[at]
        } else {
            Name::KNOWN[at - PSEUDO.len() + Name::AcceptCharset as usize]
        };
        at += 1;
    }
    table
}

const fn indexes() -> [u8; Name::KNOWN.len() + 1] {
    let mut table = [0; Name::KNOWN.len() + 1];
    let mut at = ENTRIES as usize;
    // Downwards, so that the first entry of a name wins.
    while at > 0 {
        table[NAMES[at] as usize] = at as u8;
        at -= 1;
    }
    table
}

/// The name of an entry, counted from 1.
#[inline]
pub(super) fn name(index: u32) -> Option<Name> {
    match index {
        0 => None,
        _ => NAMES.get(index as usize).copied(),
    }
}

/// The first entry with this name, or zero.
#[inline]
pub(super) fn name_index(name: Name) -> u32 {
    u32::from(INDEXES[name as usize])
}

/// The value of an entry, counted from 1.
#[inline]
pub(super) fn value(index: u32) -> &'static [u8] {
    VALUES.get(index as usize).copied().unwrap_or_default()
}

/// The entry with this name and value.
pub(super) fn find(name: Name, value: &[u8]) -> Option<StaticIndex> {
    let candidates = match name {
        Name::Method => 2..=3,
        Name::Path => 4..=5,
        Name::Scheme => 6..=7,
        Name::Status => 8..=14,
        Name::AcceptEncoding => 16..=16,
        _ => return None,
    };
    candidates
        .clone()
        .zip(&VALUES[candidates])
        .find(|(_, have)| **have == value)
        .map(|(at, _)| StaticIndex(at as u8))
}

// === impl StaticIndex ===

impl StaticIndex {
    /// An entry that exists.
    pub(super) const fn new(index: u32) -> Self {
        debug_assert!(index > 0 && index <= ENTRIES);
        Self(index as u8)
    }

    pub(super) const fn get(self) -> u8 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_indexes_agree_with_the_rfc() {
        for (index, text) in [
            (1, ":authority"),
            (2, ":method"),
            (3, ":method"),
            (5, ":path"),
            (7, ":scheme"),
            (14, ":status"),
            (15, "accept-charset"),
            (16, "accept-encoding"),
            (23, "authorization"),
            (28, "content-length"),
            (31, "content-type"),
            (32, "cookie"),
            (38, "host"),
            (46, "location"),
            (55, "set-cookie"),
            (58, "user-agent"),
            (61, "www-authenticate"),
        ] {
            assert_eq!(name(index).map(Name::as_str), Some(text));
        }
        assert_eq!((name(0), name(62)), (None, None));
        for index in 1..=ENTRIES {
            let name = name(index).unwrap();
            assert!(name_index(name) <= index && name_index(name) > 0);
        }
        assert_eq!(name_index(Name::Protocol), 0);
        assert_eq!(name_index(Name::Te), 0);
        assert_eq!(name_index(Name::Other), 0);
        assert_eq!(name_index(Name::Status), 8);
    }

    #[test]
    fn fields_are_found_by_name_and_value() {
        for index in 1..=ENTRIES {
            let found = find(name(index).unwrap(), value(index)).map(StaticIndex::get);
            let expected = (!value(index).is_empty()).then_some(index as u8);
            assert_eq!(found, expected, "entry {index}");
        }
        assert_eq!(find(Name::Status, b"201"), None);
        assert_eq!(find(Name::Method, b"get"), None);
    }
}
