//! Decoding a block into a [`Head`].
//!
//! The text of a field goes straight into the arena of the head, and from there into the dynamic table if
//! the peer says so. A block is always read to its end: the table must stay in step with the peer's even
//! when the fields are refused. What is refused takes no memory beyond one string.

use super::huffman::{self, Bytes, Decoded};
use super::integer;
use super::section::{Section, SectionLimits, Tally};
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

/// A literal name: what it is, and the length of its text at the end of the arena (zero for a known one).
struct NameRead {
    name: Name,
    len: u32,
    legal: bool,
    /// Where it ends in the block.
    end: usize,
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

    /// Gives back memory that only a busy connection needs. What is in the table stays there.
    pub fn shrink(&mut self) {
        self.table.shrink();
    }

    /// Decodes one complete block, appending its fields to `head`, which the caller cleared.
    pub fn decode(
        &mut self,
        block: &[u8],
        limits: &SectionLimits,
        head: &mut Head,
    ) -> Result<Section, DecodeError> {
        let mut tally = Tally::new(limits, head);
        let is_whole = head.is_empty();
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
        if is_whole && tally.section() == Section::Complete {
            head.note_section(limits.bytes_max - tally.bytes_left());
        }
        Ok(tally.section())
    }

    /// Applies the table size updates (RFC 7541 §6.3) at the beginning of a block; says where they end.
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

    /// A field of a table (RFC 7541 §6.1); none if neither table has this index (§2.3.3).
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

    /// A literal (RFC 7541 §6.2) whose name has this index. Says where it ends.
    #[inline(always)]
    fn literal(
        &mut self,
        name_index: u32,
        block: &[u8],
        mut at: usize,
        indexing: Indexing,
        tally: &mut Tally,
        head: &mut Head,
    ) -> Result<usize, DecodeError> {
        let start = head.used();
        // The name, the length of its text at the end of the arena, and whether that is legal.
        let (name, name_len, name_legal);
        if let Some(index) = name_index.checked_sub(ENTRIES + 1) {
            let entry = self.table.get(index).ok_or(DecodeError::Index(name_index))?;
            (name, name_len, name_legal) = (entry.name, entry.name_len, entry.legal != Legal::No);
            if name_len > 0 {
                self.append_name(entry, head);
            }
        } else if let Some(entry) = static_table::get(name_index) {
            (name, name_len, name_legal) = (entry.name, 0, true);
        } else {
            let read = literal_name(block, at, head)?;
            (name, name_len, name_legal) = (read.name, read.len, read.legal);
            at = read.end;
        }
        let value = string(block, at, head)?;
        let value_legal = value.bytes == Bytes::Printable
            || syntax::check_value(head.text(start + name_len, value.len)).is_ok();
        let text_len = name_len + value.len;
        if indexing == Indexing::MayRepeat {
            let (text_from, legal) = (head.text_from(start), Legal::new(name_legal, value_legal));
            self.table.insert(&NewEntry { name, name_len, text_from, text_len, hash: 0, legal });
        }
        let admitted = tally.admits(name, size_of_field(name, text_len as usize), head);
        if admitted && name_legal && value_legal {
            head.push_appended(name, indexing, name_len, value.len);
        } else {
            if admitted {
                let name_text = head.text(start, name_len);
                let value = head.text(start + name_len, value.len);
                tally.refuse(fault_of(name, name_text, value));
            }
            head.rewind(start);
        }
        Ok(value.end)
    }

    /// Appends the name of an entry to the arena.
    #[inline]
    fn append_name(&self, entry: &Entry, head: &mut Head) {
        match self.table.block(entry) {
            Some(block) if head.append_block(block, entry.name_len) => {}
            _ => head.append(self.table.name_text(entry)),
        }
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

/// Reads a name.
#[inline(never)]
fn literal_name(block: &[u8], at: usize, head: &mut Head) -> Result<NameRead, DecodeError> {
    let start = head.used();
    let StringRead { len, end, .. } = string(block, at, head)?;
    let text = head.text(start, len);
    let name = Name::of(text);
    if name == Name::Other {
        let legal = syntax::check_name(text).is_ok();
        return Ok(NameRead { name, len, legal, end });
    }
    head.rewind(start);
    Ok(NameRead { name, len: 0, legal: true, end })
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
    let text = block.get(..end).unwrap_or_default();
    let Decoded { len, mut bytes } =
        huffman::decode(text, start, room).ok_or(DecodeError::Huffman)?;
    // RFC 9113 §8.2.1: a space is printable, but must not stand at either end of a value.
    if room.first() == Some(&b' ') || room.get((len as usize).wrapping_sub(1)) == Some(&b' ') {
        bytes = Bytes::Any;
    }
    head.advance(len);
    Ok(StringRead { len, bytes, end })
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
