//! Decoding a block into a [`Head`].
//!
//! The text of a field goes straight into the arena of the head, and from there into the dynamic table if
//! the peer says so. A block is always read to its end: the table must stay in step with the peer's even
//! when the fields are refused. What is refused takes no memory beyond one string.

use super::static_table::{self, StaticIndex};
use super::table::{Legal, NewEntry, Table, size_of_field};
use super::{huffman, integer};
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
    limits: SectionLimits,
    bytes: u32,
    fields: u32,
    crumbs: u32,
    over: bool,
    fault: Option<FieldFault>,
}

/// A name in a block: what it is, and the length of its text at the end of the arena (zero for a known
/// one).
struct NameRead {
    name: Name,
    len: u32,
    legal: bool,
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
        let mut tally = Tally::new(*limits);
        let mut input = self.size_updates(block)?;
        while let Some((&first, rest)) = input.split_first() {
            input = rest;
            if first & 0x80 != 0 {
                let index = integer::decode(first, 0x7f, &mut input)?;
                self.indexed(index, &mut tally, head)?;
            } else if first & 0x40 != 0 {
                let name_index = integer::decode(first, 0x3f, &mut input)?;
                self.literal(name_index, &mut input, Indexing::MayRepeat, &mut tally, head)?;
            } else if first & 0x20 != 0 {
                return Err(DecodeError::TableSizeLate);
            } else {
                let secret = first & 0x10 != 0;
                let indexing = if secret { Indexing::Secret } else { Indexing::Unique };
                let name_index = integer::decode(first, 0x0f, &mut input)?;
                self.literal(name_index, &mut input, indexing, &mut tally, head)?;
            }
        }
        Ok(tally.section())
    }

    /// Applies the table size updates at the beginning of a block; gives the rest.
    fn size_updates<'a>(&mut self, block: &'a [u8]) -> Result<&'a [u8], DecodeError> {
        let mut input = block;
        while let Some((&first, mut rest)) = input.split_first() {
            if first & 0xe0 != 0x20 {
                break;
            }
            let size = integer::decode(first, 0x1f, &mut rest)?;
            if size > self.table_bytes_max {
                return Err(DecodeError::TableSize { size, max: self.table_bytes_max });
            }
            self.table.set_bytes_max(size);
            input = rest;
        }
        Ok(input)
    }

    #[inline]
    fn indexed(
        &mut self,
        index: u32,
        tally: &mut Tally,
        head: &mut Head,
    ) -> Result<(), DecodeError> {
        if index > static_table::ENTRIES {
            return self.indexed_dynamic(index, tally, head);
        }
        let name = static_table::name(index).ok_or(DecodeError::Index(index))?;
        let value = static_table::value(index);
        if tally.admits(name, 0, value.len()) {
            let start = head.append(value);
            let indexing = Indexing::Static(StaticIndex::new(index));
            head.push_appended(name, indexing, start, 0, value.len() as u32);
        }
        Ok(())
    }

    #[inline]
    fn indexed_dynamic(
        &mut self,
        index: u32,
        tally: &mut Tally,
        head: &mut Head,
    ) -> Result<(), DecodeError> {
        let at = index - static_table::ENTRIES - 1;
        let hash = self.table.hash(at);
        let entry = self.table.get(at).ok_or(DecodeError::Index(index))?;
        if !tally.admits(entry.name, entry.name_len, entry.value_len as usize) {
            return Ok(());
        }
        if entry.legal != Legal::Yes {
            let name = self.table.name_text(entry);
            tally.refuse(fault_of(entry.name, name, self.table.value(entry)));
            return Ok(());
        }
        let start = head.append(self.table.text(entry));
        let indexing = Indexing::Repeats(hash);
        head.push_appended(entry.name, indexing, start, entry.name_len, entry.value_len);
        Ok(())
    }

    #[inline]
    fn literal(
        &mut self,
        name_index: u32,
        input: &mut &[u8],
        indexing: Indexing,
        tally: &mut Tally,
        head: &mut Head,
    ) -> Result<(), DecodeError> {
        let start = head.used();
        let NameRead { name, len: name_len, legal: name_legal } = match name_index {
            0 => literal_name(input, head)?,
            index => self.indexed_name(index, head)?,
        };
        let value_len = string(input, head)?;
        let value_start = start + name_len;
        let value_fault = syntax::check_value(head.text(value_start, value_len)).err();
        if indexing == Indexing::MayRepeat {
            let legal = match (name_legal, value_fault) {
                (true, None) => Legal::Yes,
                (true, Some(_)) => Legal::NameOnly,
                (false, _) => Legal::No,
            };
            self.table.insert(&NewEntry {
                name,
                name_text: head.text(start, name_len),
                value: head.text(value_start, value_len),
                hash: 0,
                legal,
            });
        }
        if !tally.admits(name, name_len, value_len as usize) {
            head.rewind(start);
        } else if !name_legal || value_fault.is_some() {
            let name_text = head.text(start, name_len);
            tally.refuse(fault_of(name, name_text, head.text(value_start, value_len)));
            head.rewind(start);
        } else {
            head.push_appended(name, indexing, start, name_len, value_len);
        }
        Ok(())
    }

    #[inline]
    fn indexed_name(&self, index: u32, head: &mut Head) -> Result<NameRead, DecodeError> {
        if let Some(name) = static_table::name(index) {
            return Ok(NameRead { name, len: 0, legal: true });
        }
        let at = index.wrapping_sub(static_table::ENTRIES + 1);
        let entry = self.table.get(at).ok_or(DecodeError::Index(index))?;
        if entry.name_len > 0 {
            head.append(self.table.name_text(entry));
        }
        Ok(NameRead { name: entry.name, len: entry.name_len, legal: entry.legal != Legal::No })
    }
}

fn literal_name(input: &mut &[u8], head: &mut Head) -> Result<NameRead, DecodeError> {
    let start = head.used();
    let len = string(input, head)?;
    let text = head.text(start, len);
    let name = Name::of(text);
    if name == Name::Other {
        let legal = syntax::check_name(text).is_ok();
        return Ok(NameRead { name, len, legal });
    }
    head.rewind(start);
    Ok(NameRead { name, len: 0, legal: true })
}

/// Reads a string (RFC 7541 §5.2) to the end of the arena; gives its length there.
#[inline]
fn string(input: &mut &[u8], head: &mut Head) -> Result<u32, DecodeError> {
    let (&first, mut rest) = input.split_first().ok_or(DecodeError::Truncated)?;
    let len = integer::decode(first, 0x7f, &mut rest)? as usize;
    let (text, rest) = rest.split_at_checked(len).ok_or(DecodeError::Truncated)?;
    *input = rest;
    if first & 0x80 == 0 {
        head.append(text);
        return Ok(len as u32);
    }
    let decoded = huffman::decode(text, head.room(huffman::room_bytes(len)))?;
    head.advance(decoded);
    Ok(decoded as u32)
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
    fn new(limits: SectionLimits) -> Self {
        Self { limits, bytes: 0, fields: 0, crumbs: 0, over: false, fault: None }
    }

    /// Counts a field; whether it is to be stored.
    #[inline]
    fn admits(&mut self, name: Name, name_len: u32, value_len: usize) -> bool {
        let size = size_of_field(name, name_len as usize, value_len);
        self.bytes = self.bytes.saturating_add(size);
        if name == Name::Cookie {
            self.crumbs += 1;
        }
        if name != Name::Cookie || self.crumbs == 1 {
            self.fields += 1;
        }
        self.over |= self.bytes > self.limits.bytes_max
            || self.fields > self.limits.fields_max
            || self.crumbs > self.limits.cookie_crumbs_max;
        !self.over && self.fault.is_none()
    }

    fn refuse(&mut self, fault: Option<FieldFault>) {
        self.fault = self.fault.or(fault);
    }

    fn section(&self) -> Section {
        match self.fault {
            Some(fault) => Section::Malformed(fault),
            None if self.over => Section::TooLarge,
            None => Section::Complete,
        }
    }
}

// === impl SectionLimits ===

impl Default for SectionLimits {
    fn default() -> Self {
        Self { bytes_max: 64 * 1024, fields_max: 128, cookie_crumbs_max: 256 }
    }
}
