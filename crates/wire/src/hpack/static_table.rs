//! HPACK's static table (RFC 7541 Appendix A), by way of [`Name`].
//!
//! The known names stand in the order of the table, so that an index is a name and a name an index
//! without searching.

use super::FIELD_OVERHEAD_BYTES;
use crate::Name;

/// An entry of the static table in full. Only the decoder makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StaticIndex(u8);

/// Entries of the static table; dynamic ones follow.
pub(super) const ENTRIES: u32 = 61;

/// Values of the entries that have one: those of the pseudo fields, and one more.
const VALUES: [&[u8]; 17] = [
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

/// An entry, with its value in a fixed room so that it is copied without asking for its length.
#[derive(Debug, Clone, Copy)]
pub(super) struct StaticEntry {
    pub(super) name: Name,
    /// RFC 7541 §4.1.
    pub(super) size: u32,
    pub(super) value_len: u8,
    pub(super) value: [u8; VALUE_BYTES],
}

/// Room for a value.
pub(super) const VALUE_BYTES: usize = 16;

/// The entries by index; entry 0 does not exist.
static TABLE: [StaticEntry; ENTRIES as usize + 1] = table();

/// Indexes by name; zero for a name that the table does not have.
static INDEXES: [u8; Name::KNOWN.len() + 1] = indexes();

const fn table() -> [StaticEntry; ENTRIES as usize + 1] {
    let none = StaticEntry { name: Name::Other, size: 0, value_len: 0, value: [0; VALUE_BYTES] };
    let mut table = [none; ENTRIES as usize + 1];
    let mut at = 1;
    while at < table.len() {
        table[at].name = if at < PSEUDO.len() {
            PSEUDO[at]
        } else {
            Name::KNOWN[at - PSEUDO.len() + Name::AcceptCharset as usize]
        };
        if at < VALUES.len() {
            table[at].value_len = VALUES[at].len() as u8;
            let (front, _) = table[at].value.split_at_mut(VALUES[at].len());
            front.copy_from_slice(VALUES[at]);
        }
        let text_len = table[at].name.as_str().len() as u32 + table[at].value_len as u32;
        table[at].size = text_len + FIELD_OVERHEAD_BYTES;
        at += 1;
    }
    table
}

const fn indexes() -> [u8; Name::KNOWN.len() + 1] {
    let mut table = [0; Name::KNOWN.len() + 1];
    let mut at = ENTRIES as usize;
    // Downwards, so that the first entry of a name wins.
    while at > 0 {
        table[TABLE[at].name as usize] = at as u8;
        at -= 1;
    }
    table
}

/// The entry with this index, counted from 1.
#[inline]
pub(super) fn get(index: u32) -> Option<&'static StaticEntry> {
    match index {
        0 => None,
        _ => TABLE.get(index as usize),
    }
}

/// The first entry with this name, or zero.
#[inline]
pub(super) fn name_index(name: Name) -> u32 {
    u32::from(INDEXES[name as usize])
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
            assert_eq!(get(index).map(|entry| entry.name.as_str()), Some(text));
        }
        assert!(get(0).is_none() && get(62).is_none());
        for index in 1..=ENTRIES {
            let name = get(index).unwrap().name;
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
            let entry = get(index).unwrap();
            let value = &entry.value[..usize::from(entry.value_len)];
            let found = find(entry.name, value).map(StaticIndex::get);
            let expected = (!value.is_empty()).then_some(index as u8);
            assert_eq!(found, expected, "entry {index}");
        }
        assert_eq!(find(Name::Status, b"201"), None);
        assert_eq!(find(Name::Method, b"get"), None);
    }
}
