//! Finding entries of the encoder's table by content.
//!
//! Three small arrays, made when the first field is looked up. They hold hints: sequence numbers of
//! entries, of which some may be evicted, so every hit is compared byte by byte. A hint that is lost costs
//! some compression. Every search ends after a fixed number of places, however the hashes collide.

use super::hash;
use super::table::{Entry, Table};
use crate::Name;

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
    pub(super) fn new() -> Self {
        Self { fields: [0; SLOTS], names: [0; KNOWN_NAMES + OTHER_NAMES], seen: [0; SEEN] }
    }

    /// The index in the table of the field with this hash and content.
    #[inline]
    pub(super) fn find(
        &self,
        table: &Table,
        hash: u32,
        is_it: impl Fn(&Entry) -> bool,
    ) -> Option<u32> {
        (0..PROBES).find_map(|probe| {
            let index = table.index_of(self.fields[slot(hash, probe)])?;
            table.get(index).is_some_and(&is_it).then_some(index)
        })
    }

    /// The index in the table of an entry with this name.
    #[inline]
    pub(super) fn find_name(
        &self,
        table: &Table,
        name: Name,
        name_hash: u32,
        text: &[u8],
    ) -> Option<u32> {
        let index = table.index_of(self.names[name_slot(name, name_hash)])?;
        let entry = table.get(index)?;
        (entry.name == name && table.name_text(entry) == text).then_some(index)
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
            held == sequence || table.index_of(held).is_none()
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

fn slot(hash: u32, probe: usize) -> usize {
    ((hash >> 16) as usize + probe) % SLOTS
}

fn name_slot(name: Name, name_hash: u32) -> usize {
    match name {
        Name::Other => KNOWN_NAMES + (name_hash >> 16) as usize % OTHER_NAMES,
        known => known as usize,
    }
}

/// The hash of a name as a hint that it was seen, apart from those of fields.
pub(super) fn name_sighting(name: Name, text: &[u8]) -> u32 {
    !hash::of_name(name, text)
}
