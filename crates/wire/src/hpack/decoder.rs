//! Decoding a block into a [`Head`].
//!
//! The text of a field goes straight into the arena of the head, and from there into the dynamic table if
//! the peer says so. A block is always read to its end: the table must stay in step with the peer's even
//! when the fields are refused. What is refused takes no memory beyond one string.

use super::huffman::{self, Bytes};
use super::integer;
use super::static_table::{self, ENTRIES, StaticIndex, VALUE_BYTES};
use super::table::{Entry, Legal, NewEntry, Table, size_of_field};
use crate::syntax::{self, FieldFault};
use crate::{Head, Indexing, Name};

/// Decodes the blocks of one direction of a connection.
#[derive(Debug)]
pub struct Decoder {
    table: Table,
    /// What we announced; the peer may choose less.
    table_bytes_max: u32,
}

/// How large a field section may be.
///
/// The size is that of RFC 9113 §10.5.1: names, values, and 32 bytes for each field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SectionLimits {
    /// Size of all fields. Default: 64 KiB.
    pub bytes_max: u32,
    /// Number of fields; all crumbs of a cookie (RFC 9113 §8.2.3) count as one. Default: 128.
    pub fields_max: u32,
    /// Number of cookie crumbs. Default: 256.
    pub cookie_crumbs_max: u32,
}

/// What a block was, apart from its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// All fields are in the head.
    Complete,
    /// A name or a value is illegal: a stream error. The head is incomplete.
    Malformed(FieldFault),
    /// Over a limit. The head is incomplete.
    TooLarge,
}

/// The block is not HPACK: a connection error of type `COMPRESSION_ERROR`, since the tables of both sides
/// differ from here on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The block ends inside a field.
    #[error("header block ends inside a field")]
    Truncated,
    /// An integer has more than 28 bits behind its prefix.
    #[error("integer in header block is too large")]
    IntegerTooLarge,
    /// An index that neither table has.
    #[error("header block refers to entry {0}, which no table has")]
    Index(u32),
    /// An illegal Huffman code: unknown, the end symbol, or wrong padding.
    #[error("illegal Huffman code in header block")]
    Huffman,
    /// A table size above what we announced.
    #[error("table size update to {size} bytes is above the {max} announced")]
    TableSize {
        /// What the peer wants.
        size: u32,
        /// What we announced.
        max: u32,
    },
    /// A table size update behind the first field (RFC 7541 §4.2).
    #[error("table size update inside a header block")]
    TableSizeLate,
}

/// What the fields of a block come to so far.
struct Tally {
    /// Size that is left. Nothing once a field was refused, so that all others are too.
    bytes_left: u32,
    /// Fields that the head may have.
    fields_max: usize,
    crumbs: u32,
    crumbs_max: u32,
    section: Section,
}

/// A name in a block: what it is, and the length of its text at the end of the arena (zero for a known
/// one).
#[derive(Debug, Clone, Copy)]
struct NameRead {
    name: Name,
    len: u32,
    legal: bool,
}

/// A string that was read to the end of the arena.
struct StringRead {
    len: u32,
    bytes: Bytes,
    /// Where it ends in the block.
    end: usize,
}

// === impl Decoder ===

impl Decoder {
    /// A decoder whose peer was told this `SETTINGS_HEADER_TABLE_SIZE`. It holds no memory yet.
    pub fn new(table_bytes_max: u32) -> Self {
        Self { table: Table::new(table_bytes_max), table_bytes_max }
    }

    /// Bytes of memory held.
    pub fn memory_bytes(&self) -> usize {
        self.table.memory_bytes()
    }

    /// Decodes one complete block, appending its fields to `head`, which the caller cleared.
    pub fn decode(
        &mut self,
        block: &[u8],
        limits: &SectionLimits,
        head: &mut Head,
    ) -> Result<Section, DecodeError> {
        let mut tally = Tally::new(limits, head);
        let mut at = self.size_updates(block)?;
        while let Some(first) = block.get(at) {
            at += 1;
            // Indexes of one byte are what repeats, and what must be fast.
            if (0x80..0xff).contains(first) {
                let index = u32::from(first & 0x7f);
                self.indexed(index, &mut tally, head).ok_or(DecodeError::Index(index))?;
            } else {
                at = self.other(*first, block, at, &mut tally, head)?;
            }
        }
        Ok(tally.section)
    }

    /// Applies the table size updates at the beginning of a block; says where they end.
    fn size_updates(&mut self, block: &[u8]) -> Result<usize, DecodeError> {
        let mut at = 0;
        while let Some(first) = block.get(at).filter(|byte| *byte & 0xe0 == 0x20) {
            let (size, end) = integer::decode(*first, 0x1f, block, at + 1)?;
            if size > self.table_bytes_max {
                return Err(DecodeError::TableSize { size, max: self.table_bytes_max });
            }
            self.table.set_bytes_max(size);
            at = end;
        }
        Ok(at)
    }

    /// Whatever is not an index of one byte. Says where it ends.
    #[inline(never)]
    fn other(
        &mut self,
        first: u8,
        block: &[u8],
        at: usize,
        tally: &mut Tally,
        head: &mut Head,
    ) -> Result<usize, DecodeError> {
        let (indexing, mask) = match first {
            0x80.. => {
                let (index, end) = integer::decode(first, 0x7f, block, at)?;
                self.indexed_far(index, tally, head).ok_or(DecodeError::Index(index))?;
                return Ok(end);
            }
            0x40.. => (Indexing::MayRepeat, 0x3f),
            0x20.. => return Err(DecodeError::TableSizeLate),
            0x10.. => (Indexing::Secret, 0x0f),
            _ => (Indexing::Unique, 0x0f),
        };
        let (name_index, at) = integer::decode(first, mask, block, at)?;
        self.literal(name_index, block, at, indexing, tally, head)
    }

    /// A field of a table; none if neither table has this index.
    #[inline(always)]
    fn indexed(&mut self, index: u32, tally: &mut Tally, head: &mut Head) -> Option<()> {
        let Some(at) = index.checked_sub(ENTRIES + 1) else {
            return indexed_static(index, tally, head);
        };
        let entry = self.table.get(at)?;
        if !entry.plain || !tally.admits_plain(entry.size, head) {
            return self.indexed_with_care(at, tally, head);
        }
        let indexing = Indexing::Repeats(entry.hash);
        let Entry { name, name_len, text_len, .. } = *entry;
        match self.table.block(entry) {
            Some(block) if head.push_block(name, indexing, name_len, text_len, block) => {}
            _ => self.push_long(entry, head),
        }
        Some(())
    }

    /// An entry whose text is longer than a block, or for which the arena must grow.
    #[inline(never)]
    fn push_long(&self, entry: &Entry, head: &mut Head) {
        head.append(self.table.text(entry));
        let (indexing, value_len) =
            (Indexing::Repeats(entry.hash), entry.text_len - entry.name_len);
        head.push_appended(entry.name, indexing, entry.name_len, value_len);
    }

    /// A field whose index has more than one byte.
    #[inline(never)]
    fn indexed_far(&mut self, index: u32, tally: &mut Tally, head: &mut Head) -> Option<()> {
        self.indexed(index, tally, head)
    }

    /// An entry that was not looked at before, is illegal, or may not be stored.
    #[inline(never)]
    fn indexed_with_care(&mut self, at: u32, tally: &mut Tally, head: &mut Head) -> Option<()> {
        let entry = self.table.complete(at)?;
        if !tally.admits(entry.name, entry.size, head) {
            return Some(());
        }
        if entry.legal == Legal::Yes {
            self.push_long(&entry, head);
        } else {
            let name_text = self.table.name_text(&entry);
            tally.refuse(fault_of(entry.name, name_text, self.table.value(&entry)));
        }
        Some(())
    }

    /// A literal whose name has this index. Says where it ends.
    #[inline(always)]
    fn literal(
        &mut self,
        name_index: u32,
        block: &[u8],
        at: usize,
        indexing: Indexing,
        tally: &mut Tally,
        head: &mut Head,
    ) -> Result<usize, DecodeError> {
        let start = head.used();
        let (name, at) = match name_index {
            0 => literal_name(block, at, head)?,
            index => (self.indexed_name(index, head)?, at),
        };
        let value = string(block, at, head)?;
        let text_len = name.len + value.len;
        let value_legal = value.bytes == Bytes::Printable
            || syntax::check_value(head.text(start + name.len, value.len)).is_ok();
        if indexing == Indexing::MayRepeat {
            let legal = Legal::new(name.legal, value_legal);
            let (NameRead { name, len: name_len, .. }, text) = (name, head.text(start, text_len));
            self.table.insert(&NewEntry { name, name_len, text, hash: 0, legal });
        }
        if !tally.admits(name.name, size_of_field(name.name, text_len as usize), head) {
            head.rewind(start);
        } else if name.legal && value_legal {
            head.push_appended(name.name, indexing, name.len, value.len);
        } else {
            let name_text = head.text(start, name.len);
            let value = head.text(start + name.len, value.len);
            tally.refuse(fault_of(name.name, name_text, value));
            head.rewind(start);
        }
        Ok(value.end)
    }

    /// Takes a name from a table, its text to the end of the arena.
    #[inline(always)]
    fn indexed_name(&self, index: u32, head: &mut Head) -> Result<NameRead, DecodeError> {
        if let Some(entry) = static_table::get(index) {
            return Ok(NameRead { name: entry.name, len: 0, legal: true });
        }
        let at = index.wrapping_sub(ENTRIES + 1);
        let entry = self.table.get(at).ok_or(DecodeError::Index(index))?;
        if entry.name_len > 0 {
            match self.table.block(entry) {
                Some(block) if head.append_block(block, entry.name_len) => {}
                _ => head.append(self.table.name_text(entry)),
            }
        }
        Ok(NameRead { name: entry.name, len: entry.name_len, legal: entry.legal != Legal::No })
    }
}

#[inline(always)]
fn indexed_static(index: u32, tally: &mut Tally, head: &mut Head) -> Option<()> {
    let entry = static_table::get(index)?;
    if tally.admits(entry.name, entry.size, head) {
        let (name, value_len) = (entry.name, u32::from(entry.value_len));
        let indexing = Indexing::Static(StaticIndex::new(index));
        if !head.push_block::<VALUE_BYTES>(name, indexing, 0, value_len, &entry.value) {
            head.append(entry.value.get(..value_len as usize).unwrap_or_default());
            head.push_appended(name, indexing, 0, value_len);
        }
    }
    Some(())
}

/// Reads a name; says where it ends in the block.
#[inline(never)]
fn literal_name(
    block: &[u8],
    at: usize,
    head: &mut Head,
) -> Result<(NameRead, usize), DecodeError> {
    let start = head.used();
    let StringRead { len, end, .. } = string(block, at, head)?;
    let text = head.text(start, len);
    let name = Name::of(text);
    if name == Name::Other {
        let legal = syntax::check_name(text).is_ok();
        return Ok((NameRead { name, len, legal }, end));
    }
    head.rewind(start);
    Ok((NameRead { name, len: 0, legal: true }, end))
}

/// Reads a string (RFC 7541 §5.2) to the end of the arena.
#[inline(always)]
fn string(block: &[u8], at: usize, head: &mut Head) -> Result<StringRead, DecodeError> {
    let first = *block.get(at).ok_or(DecodeError::Truncated)?;
    let (len, start) = integer::decode(first, 0x7f, block, at + 1)?;
    let end = start + len as usize;
    if end > block.len() {
        return Err(DecodeError::Truncated);
    }
    if first & 0x80 == 0 {
        head.append(block.get(start..end).unwrap_or_default());
        return Ok(StringRead { len, bytes: Bytes::Any, end });
    }
    let room = head.room(huffman::room_bytes(len as usize));
    let mut decoded = huffman::decode(block, start, end, room)?;
    // RFC 9113 §8.2.1: a space is printable, but must not stand at either end of a value.
    let last = room.get(decoded.len.wrapping_sub(1));
    if room.first() == Some(&b' ') || last == Some(&b' ') {
        decoded.bytes = Bytes::Any;
    }
    head.advance(decoded.len as u32);
    Ok(StringRead { len: decoded.len as u32, bytes: decoded.bytes, end })
}

/// What is wrong with a field that is known to be illegal.
#[cold]
fn fault_of(name: Name, name_text: &[u8], value: &[u8]) -> Option<FieldFault> {
    let name_fault = match name {
        Name::Other => syntax::check_name(name_text).err(),
        _ => None,
    };
    name_fault.or_else(|| syntax::check_value(value).err())
}

// === impl Tally ===

impl Tally {
    fn new(limits: &SectionLimits, head: &Head) -> Self {
        Self {
            bytes_left: limits.bytes_max,
            fields_max: head.fields().len() + limits.fields_max as usize,
            crumbs: 0,
            crumbs_max: limits.cookie_crumbs_max,
            section: Section::Complete,
        }
    }

    /// Counts a field that is no cookie crumb; whether it is to be stored. One that is not stored is not
    /// counted either.
    #[inline]
    fn admits_plain(&mut self, size: u32, head: &Head) -> bool {
        let admits = size <= self.bytes_left && head.fields().len() < self.fields_max;
        if admits {
            self.bytes_left -= size;
        }
        admits
    }

    /// Counts a field; whether it is to be stored.
    #[inline]
    fn admits(&mut self, name: Name, size: u32, head: &Head) -> bool {
        let in_time = name != Name::Cookie || self.admits_crumb();
        let admits = in_time && self.admits_plain(size, head);
        if !admits {
            self.stop(Section::TooLarge);
        }
        admits
    }

    /// All crumbs together are one field: each one after the first makes room for itself.
    fn admits_crumb(&mut self) -> bool {
        self.fields_max += usize::from(self.crumbs > 0);
        self.crumbs += 1;
        self.crumbs <= self.crumbs_max
    }

    /// A field is illegal.
    #[cold]
    fn refuse(&mut self, fault: Option<FieldFault>) {
        self.stop(fault.map_or(Section::Complete, Section::Malformed));
    }

    /// Nothing is stored from here on; the first reason stays.
    #[cold]
    fn stop(&mut self, section: Section) {
        if self.section == Section::Complete {
            self.section = section;
        }
        self.bytes_left = 0;
    }
}

// === impl SectionLimits ===

impl Default for SectionLimits {
    fn default() -> Self {
        Self { bytes_max: 64 * 1024, fields_max: 128, cookie_crumbs_max: 256 }
    }
}
