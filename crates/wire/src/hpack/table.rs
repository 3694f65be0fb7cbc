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

/// Text up to this length is copied and compared as one block of this size. In a table it is filled up
/// with zeros, so that equal texts are equal blocks.
pub(super) const BLOCK_BYTES: usize = 32;

/// For each length of a short text, ones where it stands in its block.
static MASKS: [[u8; BLOCK_BYTES]; BLOCK_BYTES + 1] = masks();

/// A field of the table. Its text is read through the table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    /// Zero until somebody asked.
    pub(super) hash: u32,
    start: u32,
    /// RFC 7541 §4.1.
    pub(super) size: u32,
    /// Zero for a known name, whose text is not kept.
    pub(super) name_len: u32,
    /// Length of name and value, one behind the other.
    pub(super) text_len: u32,
    pub(super) name: Name,
    pub(super) legal: Legal,
    /// Nothing is left to find out about the entry: it is legal, its hash is known, and it is no cookie
    /// crumb, which is counted in its own way.
    pub(super) plain: bool,
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
    /// Zero for a known name.
    pub(super) name_len: u32,
    /// Begins with name (for [`Name::Other`]) and value, one behind the other. What stands behind them does
    /// not count, but a whole block is faster to copy.
    pub(super) text_from: &'a [u8],
    /// The length of both.
    pub(super) text_len: u32,
    /// Zero if not known.
    pub(super) hash: u32,
    pub(super) legal: Legal,
}

#[derive(Debug)]
pub(super) struct Table {
    /// A power of two in length; the entry with sequence number `n` stands at `n` modulo that length.
    ring: Vec<Entry>,
    /// Twice a power of two in length, and live text is never longer than half of it; or no longer than
    /// the live text, until the next insertion.
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

    /// How many entries there are.
    #[inline]
    pub(super) fn len(&self) -> u32 {
        self.live
    }

    /// The entry with this index, the newest being 0.
    #[inline]
    pub(super) fn get(&self, index: u32) -> Option<&Entry> {
        if index < self.live { self.ring.get(self.slot(index)) } else { None }
    }

    /// The live entry whose sequence number ends in these bits, and its index.
    #[inline]
    pub(super) fn by_sequence(&self, sequence: u16) -> Option<(u32, &Entry)> {
        let index = u32::from((self.next as u16).wrapping_sub(1).wrapping_sub(sequence));
        if index >= self.live {
            return None;
        }
        // No table of an encoder has as many entries as there are such numbers.
        let entry = self.ring.get(usize::from(sequence) & self.ring.len().wrapping_sub(1))?;
        Some((index, entry))
    }

    /// The sequence number that the next entry gets.
    pub(super) fn next_sequence(&self) -> u16 {
        self.next as u16
    }

    /// Name (for [`Name::Other`]) and value, one behind the other.
    #[inline]
    pub(super) fn text(&self, entry: &Entry) -> &[u8] {
        let start = entry.start as usize;
        self.arena.get(start..start + entry.text_len as usize).unwrap_or_default()
    }

    /// The text, filled up to a block with zeros; none if it is longer.
    #[inline]
    pub(super) fn block(&self, entry: &Entry) -> Option<&[u8; BLOCK_BYTES]> {
        if entry.text_len > BLOCK_BYTES as u32 {
            return None;
        }
        let start = entry.start as usize;
        self.arena.get(start..start + BLOCK_BYTES)?.first_chunk()
    }

    pub(super) fn name_text(&self, entry: &Entry) -> &[u8] {
        self.text(entry).get(..entry.name_len as usize).unwrap_or_default()
    }

    pub(super) fn value(&self, entry: &Entry) -> &[u8] {
        self.text(entry).get(entry.name_len as usize..).unwrap_or_default()
    }

    /// Finds out what is not known yet about the entry with this index: many are never referred to.
    #[cold]
    pub(super) fn complete(&mut self, index: u32) -> Option<Entry> {
        let mut entry = *self.get(index)?;
        if entry.hash != 0 {
            return Some(entry);
        }
        let name_hash = hash::of_name(entry.name, self.name_text(&entry));
        entry.hash = hash::of_field(name_hash, self.value(&entry));
        entry.plain = entry.legal == Legal::Yes && entry.name != Name::Cookie;
        let slot = self.slot(index);
        self.ring[slot] = entry;
        Some(entry)
    }

    /// Inserts a field; whether it stayed. RFC 7541 §4.4: one larger than the table empties it.
    pub(super) fn insert(&mut self, new: &NewEntry<'_>) -> bool {
        let size = size_of_field(new.name, new.text_len as usize);
        if size > self.bytes_max {
            self.evict_to(0);
            return false;
        }
        self.evict_to(self.bytes_max - size);
        if self.arena.len() < 2 * (self.bytes as usize + size as usize) {
            self.grow_arena(size);
        }
        if self.live as usize == self.ring.len() {
            self.grow_ring();
        }
        let start = self.append(new.text_from, new.text_len as usize);
        let slot = self.next as usize & (self.ring.len() - 1);
        self.ring[slot] = Entry {
            hash: new.hash,
            start: start as u32,
            size,
            name_len: new.name_len,
            text_len: new.text_len,
            name: new.name,
            legal: new.legal,
            plain: false,
        };
        self.next = self.next.wrapping_add(1);
        self.live += 1;
        self.bytes += size;
        true
    }

    /// Gives back the memory that only insertions need. The next one takes it again.
    pub(super) fn shrink(&mut self) {
        let lives = self.live > 0;
        self.move_ring(if lives { self.live.next_power_of_two() as usize } else { 0 });
        let texts = (0..self.live).filter_map(|index| self.get(index));
        let len = texts.map(|entry| (entry.text_len as usize).max(BLOCK_BYTES)).sum();
        self.move_arena(len);
    }

    fn evict_to(&mut self, bytes: u32) {
        while self.bytes > bytes {
            let Some(oldest) = self.get(self.live.wrapping_sub(1)) else { return };
            self.bytes -= oldest.size;
            self.live -= 1;
        }
    }

    /// Appends text to the arena, filled up to a block. A text so filled is not longer than the size that
    /// its entry counts. What lives was written last, is not longer than half of the arena with the new
    /// text included, and so cannot be reached when writing begins at the front again.
    fn append(&mut self, text_from: &[u8], text_len: usize) -> usize {
        let len = text_len.max(BLOCK_BYTES);
        if self.arena.len() - self.write < len {
            self.write = 0;
        }
        let start = self.write;
        let room = &mut self.arena[start..start + len];
        match (text_from.first_chunk::<BLOCK_BYTES>(), MASKS.get(text_len)) {
            (Some(block), Some(mask)) => {
                let masked: [u8; BLOCK_BYTES] = std::array::from_fn(|at| block[at] & mask[at]);
                room.copy_from_slice(&masked);
            }
            _ => {
                let (to, behind) = room.split_at_mut(text_len);
                to.copy_from_slice(text_from.get(..text_len).unwrap_or_default());
                behind.fill(0);
            }
        }
        self.write = start + len;
        start
    }

    /// Where in the ring the live entry with this index stands.
    #[inline]
    fn slot(&self, index: u32) -> usize {
        let sequence = self.next.wrapping_sub(1).wrapping_sub(index);
        sequence as usize & self.ring.len().wrapping_sub(1)
    }

    #[cold]
    fn grow_ring(&mut self) {
        self.move_ring((self.ring.len() * 2).max(ENTRIES_MIN));
    }

    /// Moves the live entries to a ring of this length.
    fn move_ring(&mut self, len: usize) {
        let mut ring = vec![Entry::EMPTY; len];
        let mask = len.wrapping_sub(1);
        for index in 0..self.live {
            if let Some(entry) = self.get(index) {
                ring[self.next.wrapping_sub(1).wrapping_sub(index) as usize & mask] = *entry;
            }
        }
        self.ring = ring;
    }

    #[cold]
    fn grow_arena(&mut self, size: u32) {
        let needed = 2 * (self.bytes as usize + size as usize).next_power_of_two();
        self.move_arena(needed.max(ARENA_BYTES_MIN));
    }

    /// Moves the live text to an arena of this length, which has room for it.
    fn move_arena(&mut self, len: usize) {
        let arena = std::mem::replace(&mut self.arena, vec![0; len]);
        self.write = 0;
        for index in (0..self.live).rev() {
            let slot = self.slot(index);
            let Entry { start, text_len, .. } = self.ring[slot];
            let text = arena.get(start as usize..(start + text_len) as usize).unwrap_or_default();
            self.ring[slot].start = self.append(text, text.len()) as u32;
        }
    }
}

// === impl Legal ===

impl Legal {
    #[inline]
    pub(super) fn new(name_legal: bool, value_legal: bool) -> Self {
        match (name_legal, value_legal) {
            (true, true) => Self::Yes,
            (true, false) => Self::NameOnly,
            (false, _) => Self::No,
        }
    }
}

// === impl Entry ===

impl Entry {
    const EMPTY: Self = Self {
        hash: 0,
        start: 0,
        size: 0,
        name_len: 0,
        text_len: 0,
        name: Name::Other,
        legal: Legal::No,
        plain: false,
    };
}

/// The size of a field with this name; `text_len` counts the value, and the name if it is
/// [`Name::Other`].
#[inline]
pub(super) fn size_of_field(name: Name, text_len: usize) -> u32 {
    name.len() + text_len as u32 + FIELD_OVERHEAD_BYTES
}

const fn masks() -> [[u8; BLOCK_BYTES]; BLOCK_BYTES + 1] {
    let mut table = [[0; BLOCK_BYTES]; BLOCK_BYTES + 1];
    let mut len = 0;
    while len < table.len() {
        let mut at = 0;
        while at < len {
            table[len][at] = 0xff;
            at += 1;
        }
        len += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    /// A table as in the RFC: a list of fields, the newest first.
    #[derive(Default)]
    struct Model {
        fields: VecDeque<(Vec<u8>, Vec<u8>)>,
        bytes_max: usize,
    }

    impl Model {
        fn evict_to(&mut self, bytes: usize) {
            let size = |(name, value): &(Vec<u8>, Vec<u8>)| name.len() + value.len() + 32;
            while self.fields.iter().map(size).sum::<usize>() > bytes {
                self.fields.pop_back();
            }
        }

        fn insert(&mut self, name: &[u8], value: &[u8]) {
            let size = name.len() + value.len() + 32;
            self.evict_to(self.bytes_max.saturating_sub(size));
            if size <= self.bytes_max {
                self.fields.push_front((name.to_vec(), value.to_vec()));
            }
        }
    }

    fn insert(table: &mut Table, name: &[u8], value: &[u8]) {
        let text = [name, value, b"left over from another field, longer than a block"].concat();
        table.insert(&NewEntry {
            name: Name::Other,
            name_len: name.len() as u32,
            text_from: &text,
            text_len: (name.len() + value.len()) as u32,
            hash: 0,
            legal: Legal::Yes,
        });
    }

    /// Texts of all lengths around a block, and changes of the size, against the model.
    #[test]
    fn holds_what_the_rfc_says_through_growth_and_wrapping() {
        for (seed, bytes_max) in [(1, 0_u32), (2, 64), (3, 300), (4, 4096), (5, 20_000)] {
            let (mut table, mut model) = (Table::new(bytes_max), Model::default());
            model.bytes_max = bytes_max as usize;
            let mut random = seed * 7919_usize;
            for round in 0..2000 {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let (name_len, value_len) = ((random >> 40) % 20, (random >> 33) % 70);
                let name = vec![b'a' + (round % 26) as u8; name_len];
                let value = vec![b'A' + (round % 23) as u8; value_len * (1 + round % 50 / 49 * 9)];
                insert(&mut table, &name, &value);
                model.insert(&name, &value);
                if round % 400 == 399 {
                    let now = bytes_max / (1 + round as u32 / 400);
                    table.set_bytes_max(now);
                    model.bytes_max = now as usize;
                    model.evict_to(now as usize);
                }
                if round % 150 == 149 {
                    table.shrink();
                }
                check(&mut table, &model);
            }
        }
    }

    fn check(table: &mut Table, model: &Model) {
        for (index, (name, value)) in model.fields.iter().enumerate() {
            let entry = *table.get(index as u32).unwrap();
            assert_eq!((table.name_text(&entry), table.value(&entry)), (&name[..], &value[..]));
            let sequence = table.next_sequence().wrapping_sub(1 + index as u16);
            let (found, same) = table.by_sequence(sequence).unwrap();
            assert_eq!((found, same.start), (index as u32, entry.start));
            if let Some(block) = table.block(&entry) {
                let (text, filling) = block.split_at(entry.text_len as usize);
                assert_eq!(text, table.text(&entry));
                assert!(filling.iter().all(|byte| *byte == 0));
            }
        }
        assert!(table.get(model.fields.len() as u32).is_none());
        assert!(table.by_sequence(table.next_sequence()).is_none());
    }

    #[test]
    fn an_unused_table_holds_no_memory_and_a_used_one_stops_growing() {
        let mut table = Table::new(4096);
        assert_eq!(table.arena.capacity() + table.ring.capacity(), 0);
        for round in 0..10_000_usize {
            insert(&mut table, b"name", &vec![b'v'; round % 90]);
        }
        assert!(table.arena.len() <= 2 * 4096 && table.ring.len() <= 128);
        table.shrink();
        assert!(table.arena.capacity() <= 4096 && table.ring.capacity() <= 64);
        table.set_bytes_max(0);
        table.shrink();
        assert_eq!(table.memory_bytes(), 0);
    }
}
