//! The dynamic table (RFC 7541 §2.3.2, §4): a queue of fields within a size, the same for both directions.
//!
//! Entries stand in a ring, their text in one arena that is written round and round. Inserting, evicting,
//! and reading by index take constant time, and nothing is allocated once both have grown to the size in
//! use. The size counted is that of the RFC, so the memory held is at most twice the table's size for
//! the text, plus the ring.

use super::{FIELD_OVERHEAD_BYTES, hash};
use crate::Name;

/// First sizes; both double on demand.
const ENTRIES_MIN: usize = 16;
const ARENA_BYTES_MIN: usize = 512;

/// A field of the table. Its text is read through the table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) name: Name,
    pub(super) legal: Legal,
    /// Zero until somebody asked.
    pub(super) hash: u32,
    start: u32,
    /// Zero for a known name, whose text is not kept.
    pub(super) name_len: u32,
    pub(super) value_len: u32,
}

/// Whether the bytes of an entry may stand in a field, found out once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Legal {
    Yes,
    /// The value has a fault.
    NameOnly,
    /// The name has one, and perhaps the value too.
    No,
}

/// A field to insert.
#[derive(Debug, Clone, Copy)]
pub(super) struct NewEntry<'a> {
    pub(super) name: Name,
    /// For [`Name::Other`] only.
    pub(super) name_text: &'a [u8],
    pub(super) value: &'a [u8],
    /// Zero if not known.
    pub(super) hash: u32,
    pub(super) legal: Legal,
}

#[derive(Debug)]
pub(super) struct Table {
    /// A power of two in length; the entry with sequence number `n` stands at `n` modulo that length.
    ring: Vec<Entry>,
    /// Twice a power of two in length, or empty. Live text is never longer than half of it.
    arena: Vec<u8>,
    /// Where the next text goes.
    write: usize,
    /// Sequence number of the next entry.
    next: u32,
    /// Entries that live.
    live: u32,
    /// Their size.
    bytes: u32,
    bytes_max: u32,
}

// === impl Table ===

impl Table {
    pub(super) const fn new(bytes_max: u32) -> Self {
        Self {
            ring: Vec::new(),
            arena: Vec::new(),
            write: 0,
            next: 0,
            live: 0,
            bytes: 0,
            bytes_max,
        }
    }

    /// Bytes of memory held.
    pub(super) fn memory_bytes(&self) -> usize {
        self.ring.capacity() * size_of::<Entry>() + self.arena.capacity()
    }

    pub(super) fn bytes_max(&self) -> u32 {
        self.bytes_max
    }

    /// RFC 7541 §4.3: entries are evicted until the rest fits.
    pub(super) fn set_bytes_max(&mut self, bytes_max: u32) {
        self.bytes_max = bytes_max;
        self.evict_to(bytes_max);
    }

    /// The entry with this index, the newest being 0.
    #[inline]
    pub(super) fn get(&self, index: u32) -> Option<&Entry> {
        if index >= self.live {
            return None;
        }
        let slot = self.next.wrapping_sub(1).wrapping_sub(index) as usize;
        self.ring.get(slot & self.ring.len().wrapping_sub(1))
    }

    /// The index of the entry whose sequence number ends in these bits, if there is a live one.
    #[inline]
    pub(super) fn index_of(&self, sequence: u16) -> Option<u32> {
        let index = u32::from((self.next as u16).wrapping_sub(1).wrapping_sub(sequence));
        (index < self.live).then_some(index)
    }

    /// The sequence number that the next entry gets.
    pub(super) fn next_sequence(&self) -> u16 {
        self.next as u16
    }

    /// Name (for [`Name::Other`]) and value, one behind the other.
    #[inline]
    pub(super) fn text(&self, entry: &Entry) -> &[u8] {
        let start = entry.start as usize;
        let end = start + (entry.name_len + entry.value_len) as usize;
        self.arena.get(start..end).unwrap_or_default()
    }

    pub(super) fn name_text(&self, entry: &Entry) -> &[u8] {
        self.text(entry).get(..entry.name_len as usize).unwrap_or_default()
    }

    pub(super) fn value(&self, entry: &Entry) -> &[u8] {
        self.text(entry).get(entry.name_len as usize..).unwrap_or_default()
    }

    /// The hash of the entry with this index, computed when first asked for: many are never.
    #[inline]
    pub(super) fn hash(&mut self, index: u32) -> u32 {
        match self.get(index) {
            Some(entry) if entry.hash == 0 => self.compute_hash(index),
            Some(entry) => entry.hash,
            None => 0,
        }
    }

    /// Inserts a field; whether it stayed. RFC 7541 §4.4: one larger than the table empties it.
    pub(super) fn insert(&mut self, new: &NewEntry<'_>) -> bool {
        let size = size_of_field(new.name, new.name_text.len(), new.value.len());
        if size > self.bytes_max {
            self.evict_to(0);
            return false;
        }
        self.evict_to(self.bytes_max - size);
        let start = self.append(new.name_text, new.value);
        if self.live as usize == self.ring.len() {
            self.grow_ring();
        }
        let slot = self.next as usize & (self.ring.len() - 1);
        self.ring[slot] = Entry {
            name: new.name,
            legal: new.legal,
            hash: new.hash,
            start: start as u32,
            name_len: new.name_text.len() as u32,
            value_len: new.value.len() as u32,
        };
        self.next = self.next.wrapping_add(1);
        self.live += 1;
        self.bytes += size;
        true
    }

    fn evict_to(&mut self, bytes: u32) {
        while self.bytes > bytes {
            let Some(oldest) = self.get(self.live.wrapping_sub(1)) else { return };
            self.bytes -= oldest.size();
            self.live -= 1;
        }
    }

    /// Appends text to the arena. What lives was written last, is not longer than half of the arena with
    /// the new text included, and so cannot be reached when writing begins at the front again.
    fn append(&mut self, name: &[u8], value: &[u8]) -> usize {
        let len = name.len() + value.len();
        if self.arena.len() < 2 * (self.bytes as usize + len) {
            self.grow_arena(len);
        }
        if self.arena.len() - self.write < len {
            self.write = 0;
        }
        let start = self.write;
        let (to_name, rest) = self.arena[start..].split_at_mut(name.len());
        to_name.copy_from_slice(name);
        rest[..value.len()].copy_from_slice(value);
        self.write = start + len;
        start
    }

    #[cold]
    fn compute_hash(&mut self, index: u32) -> u32 {
        let Some(entry) = self.get(index).copied() else { return 0 };
        let name_hash = hash::of_name(entry.name, self.name_text(&entry));
        let hash = hash::of_field(name_hash, self.value(&entry));
        let slot = self.next.wrapping_sub(1).wrapping_sub(index) as usize;
        let mask = self.ring.len() - 1;
        self.ring[slot & mask].hash = hash;
        hash
    }

    #[cold]
    fn grow_ring(&mut self) {
        let mut ring = vec![Entry::EMPTY; (self.ring.len() * 2).max(ENTRIES_MIN)];
        let mask = ring.len() - 1;
        for index in 0..self.live {
            if let Some(entry) = self.get(index) {
                ring[self.next.wrapping_sub(1).wrapping_sub(index) as usize & mask] = *entry;
            }
        }
        self.ring = ring;
    }

    #[cold]
    fn grow_arena(&mut self, len: usize) {
        let needed = 2 * (self.bytes as usize + len).next_power_of_two();
        let mut arena = vec![0; needed.max(ARENA_BYTES_MIN)];
        let mut write = 0;
        let mask = self.ring.len().wrapping_sub(1);
        for index in (0..self.live).rev() {
            let slot = self.next.wrapping_sub(1).wrapping_sub(index) as usize & mask;
            let Some(entry) = self.ring.get(slot).copied() else { continue };
            let text = self.text(&entry);
            let len = text.len();
            arena[write..write + len].copy_from_slice(text);
            self.ring[slot].start = write as u32;
            write += len;
        }
        self.arena = arena;
        self.write = write;
    }
}

// === impl Entry ===

impl Entry {
    const EMPTY: Self =
        Self { name: Name::Other, legal: Legal::No, hash: 0, start: 0, name_len: 0, value_len: 0 };

    /// RFC 7541 §4.1.
    #[inline]
    pub(super) fn size(&self) -> u32 {
        size_of_field(self.name, self.name_len as usize, self.value_len as usize)
    }
}

/// The size of a field; `name_len` counts for [`Name::Other`].
#[inline]
pub(super) fn size_of_field(name: Name, name_len: usize, value_len: usize) -> u32 {
    (name.as_str().len() + name_len + value_len) as u32 + FIELD_OVERHEAD_BYTES
}
