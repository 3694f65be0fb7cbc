//! Finding entries of the encoder's table by content.
//!
//! Three small arrays, made when the first field is looked up, and again after a rest. They hold hints: sequence numbers of
//! entries, of which some may be evicted, so every hit is compared byte by byte. A hint that is lost costs
//! some compression. Every search ends after a fixed number of places, however the hashes collide.

use super::hash;
use super::table::{Entry, Table};
use crate::{Field, Head, Name};

/// Places for entries; twice as many as a table of 4,096 bytes can hold.
const SLOTS: usize = 256;
/// Places that a search looks at.
const PROBES: usize = 4;
/// Places for names: one for each known one, and some more that the others share.
const KNOWN_NAMES: usize = Name::KNOWN.len();
const OTHER_NAMES: usize = 32;
/// Fields seen lately that are not in the table. Few, so that a value that comes back only after many
/// others have come counts as new.
const SEEN: usize = 64;

#[derive(Debug, Clone)]
pub(super) struct Index {
    fields: [u16; SLOTS],
    names: [u16; KNOWN_NAMES + OTHER_NAMES],
    seen: [u32; SEEN],
}

// === impl Index ===

impl Index {
    fn new() -> Self {
        Self { fields: [0; SLOTS], names: [0; KNOWN_NAMES + OTHER_NAMES], seen: [0; SEEN] }
    }

    /// Finds everything that is in the table.
    pub(super) fn of(table: &Table) -> Self {
        let mut index = Self::new();
        for at in (0..table.len()).rev() {
            let Some(entry) = table.get(at) else { continue };
            let name_hash = hash::of_name(entry.name, table.name_text(entry));
            let sequence = table.next_sequence().wrapping_sub(1).wrapping_sub(at as u16);
            index.insert(table, sequence, entry.name, name_hash, entry.hash);
        }
        index
    }

    /// The index in the table of this field, if it stands at its first place, as almost all do.
    #[inline(always)]
    pub(super) fn find_fast(
        &self,
        table: &Table,
        head: &Head,
        field: &Field,
        hash: u32,
    ) -> Option<u32> {
        let (index, entry) = table.by_sequence(self.fields[slot(hash, 0)])?;
        if !describes(field, hash, entry) {
            return None;
        }
        // A short text that came from a table is filled up with zeros on both sides.
        let blocks = (table.block(entry), head.block(field.text_start()));
        let same = matches!(blocks, (Some(have), Some(wanted)) if have == wanted)
            || table.text(entry) == head.field_text(field);
        same.then_some(index)
    }

    /// The index in the table of this field.
    pub(super) fn find(&self, table: &Table, head: &Head, field: &Field, hash: u32) -> Option<u32> {
        let text = head.field_text(field);
        (0..PROBES).find_map(|probe| {
            let (index, entry) = table.by_sequence(self.fields[slot(hash, probe)])?;
            (describes(field, hash, entry) && table.text(entry) == text).then_some(index)
        })
    }

    /// The index in the table of an entry with this name, which is a known one.
    #[inline]
    pub(super) fn find_known_name(&self, table: &Table, name: Name) -> Option<u32> {
        let (index, entry) = table.by_sequence(self.names[name_slot(name, 0)])?;
        (entry.name == name).then_some(index)
    }

    /// The index in the table of an entry with this name, which is not a known one.
    #[inline]
    pub(super) fn find_other_name(&self, table: &Table, hash: u32, text: &[u8]) -> Option<u32> {
        let (index, entry) = table.by_sequence(self.names[name_slot(Name::Other, hash)])?;
        (entry.name == Name::Other && table.name_text(entry) == text).then_some(index)
    }

    /// Takes note of the entry that was just inserted under this number.
    pub(super) fn insert(
        &mut self,
        table: &Table,
        sequence: u16,
        name: Name,
        name_hash: u32,
        hash: u32,
    ) {
        let free = (0..PROBES).find(|probe| {
            let held = self.fields[slot(hash, *probe)];
            held == sequence || table.by_sequence(held).is_none()
        });
        self.fields[slot(hash, free.unwrap_or(0))] = sequence;
        self.names[name_slot(name, name_hash)] = sequence;
    }

    /// Whether this hash was among those noted lately; notes it.
    #[inline]
    pub(super) fn seen_before(&mut self, hash: u32) -> bool {
        std::mem::replace(&mut self.seen[(hash >> 8) as usize % SEEN], hash) == hash
    }
}

/// Whether an entry is this field, as far as can be told without the text.
#[inline]
fn describes(field: &Field, hash: u32, entry: &Entry) -> bool {
    entry.hash == hash
        && entry.name == field.name
        && entry.name_len == field.name_len
        && entry.text_len == field.text_len()
}

#[inline]
fn slot(hash: u32, probe: usize) -> usize {
    ((hash >> 16) as usize + probe) % SLOTS
}

#[inline]
fn name_slot(name: Name, name_hash: u32) -> usize {
    match name {
        Name::Other => KNOWN_NAMES + (name_hash >> 16) as usize % OTHER_NAMES,
        known => known as usize,
    }
}
