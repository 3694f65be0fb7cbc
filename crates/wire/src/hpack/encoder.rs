//! Encoding a [`Head`] into a block.
//!
//! What repeats goes into the dynamic table, and only on its second sight on this connection: traffic
//! through a gateway is full of values that never come again (deadlines, trace ids, tokens), and each one
//! inserted would push out one that does. How a field came (see [`Indexing`]) decides how much work it is
//! worth. Nothing is Huffman-coded.

use super::index::Index;
use super::static_table::{self, ENTRIES};
use super::table::{Legal, NewEntry, Table, size_of_field};
use super::{hash, integer};
use crate::{Field, Head, Indexing, Name};

/// The largest table that we use, whatever the peer offers: more hardly improves the ratio, and every
/// connection would pay for it.
pub const TABLE_BYTES_CAP: u32 = 4096;

/// The table has this size until the peer says otherwise (RFC 9113 §6.5.2).
const TABLE_BYTES_INITIAL: u32 = 4096;

/// A field that would fill more than this part of the table is not inserted.
const TABLE_SHARE_MAX: u32 = 4;

/// A path with a query is not inserted if it is longer than this.
const QUERY_PATH_BYTES_MAX: usize = 32;

/// First bytes by representation (RFC 7541 §6.1, §6.2.1, §6.2.2, §6.2.3, §6.3), and the mask of the integer in them.
const INDEXED: (u8, u8) = (0x80, 0x7f);
const INSERTED: (u8, u8) = (0x40, 0x3f);
const NOT_INSERTED: (u8, u8) = (0x00, 0x0f);
const NEVER_INSERTED: (u8, u8) = (0x10, 0x0f);
const SIZE_UPDATE: (u8, u8) = (0x20, 0x1f);
const LENGTH_MASK: u8 = 0x7f;

/// The first entry of the dynamic table, and how many of them have an index of one byte.
const FIRST_DYNAMIC: u8 = INDEXED.0 + ENTRIES as u8 + 1;
const ONE_BYTE_INDEXES: u32 = INDEXED.1 as u32 - ENTRIES - 1;

/// A value up to this length is copied as one block of this size: longer ones than those of a table, since
/// what is not repeated is often the id of a trace.
const VALUE_BLOCK_BYTES: usize = 64;

/// Encodes the blocks of one direction of a connection.
#[derive(Debug)]
pub struct Encoder {
    table: Table,
    index: Option<Box<Index>>,
    resize: Option<Resize>,
}

/// A change of the table's size that the peer has not been told: the least size that was in force since
/// the last block, and the present one.
#[derive(Debug, Clone, Copy)]
struct Resize {
    least: u32,
    now: u32,
}

// === impl Encoder ===

impl Default for Encoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Encoder {
    /// An encoder for a peer whose settings are not known yet. It holds no memory yet.
    pub const fn new() -> Self {
        Self { table: Table::new(TABLE_BYTES_INITIAL), index: None, resize: None }
    }

    /// Bytes of memory held.
    pub fn memory_bytes(&self) -> usize {
        self.table.memory_bytes() + self.index.as_ref().map_or(0, |index| size_of_val(&**index))
    }

    /// Gives back memory that only a busy connection needs. What is in the table stays there.
    pub fn shrink(&mut self) {
        self.table.shrink();
        self.index = None;
    }

    /// Takes the peer's `SETTINGS_HEADER_TABLE_SIZE`. The next block begins with the update.
    pub fn set_table_bytes_max(&mut self, bytes: u32) {
        let now = bytes.min(TABLE_BYTES_CAP);
        self.resize = match self.resize {
            Some(resize) => Some(Resize { least: resize.least.min(now), now }),
            None if now == self.table.bytes_max() => None,
            None => Some(Resize { least: now, now }),
        };
    }

    /// Appends the block for all fields of `head` to `out`.
    pub fn encode(&mut self, head: &Head, out: &mut Vec<u8>) {
        if let Some(resize) = self.resize.take() {
            self.apply(resize, out);
        }
        if self.index.is_none() && self.table.len() > 0 {
            self.index();
        }
        for field in head.fields() {
            match field.indexing {
                Indexing::Static(index) => out.push(INDEXED.0 | index.get()),
                Indexing::Repeats(hash) => match self.find_fast(head, field, hash) {
                    Some(at) if at < ONE_BYTE_INDEXES => out.push(FIRST_DYNAMIC + at as u8),
                    _ => self.repeating(head, field, hash, out),
                },
                Indexing::MayRepeat if differs_per_call(field.name) => {
                    self.literal(head, field, NOT_INSERTED, out);
                }
                Indexing::MayRepeat => self.unhashed(head, field, out),
                Indexing::Unique => self.literal(head, field, NOT_INSERTED, out),
                Indexing::Secret => self.literal(head, field, NEVER_INSERTED, out),
            }
        }
    }

    /// RFC 7541 §4.2: the smallest size of the interval, then the final one.
    #[cold]
    fn apply(&mut self, resize: Resize, out: &mut Vec<u8>) {
        for size in [Some(resize.least), (resize.now > resize.least).then_some(resize.now)] {
            let Some(size) = size else { continue };
            self.table.set_bytes_max(size);
            integer::encode(size, SIZE_UPDATE.1, SIZE_UPDATE.0, out);
        }
    }

    /// A field that repeats on the connection where it came.
    fn repeating(&mut self, head: &Head, field: &Field, hash: u32, out: &mut Vec<u8>) {
        match self.find(head, field, hash) {
            Some(at) => integer::encode(ENTRIES + 1 + at, INDEXED.1, INDEXED.0, out),
            None if differs_per_call(field.name) => self.literal(head, field, NOT_INSERTED, out),
            None => self.absent(head, field, hash, out),
        }
    }

    /// A field of which nothing is known, except that it does not differ per call by its name.
    #[inline(never)]
    fn unhashed(&mut self, head: &Head, field: &Field, out: &mut Vec<u8>) {
        let value = head.value(field);
        if let Some(index) = static_table::find(field.name, value) {
            return out.push(INDEXED.0 | index.get());
        }
        if is_likely_unique(field.name, value) {
            return self.literal(head, field, NOT_INSERTED, out);
        }
        let name_hash = hash::of_name(field.name, head.other_name(field));
        self.repeating(head, field, hash::of_field(name_hash, value), out);
    }

    #[inline(always)]
    fn find_fast(&self, head: &Head, field: &Field, hash: u32) -> Option<u32> {
        self.index.as_ref()?.find_fast(&self.table, head, field, hash)
    }

    fn find(&self, head: &Head, field: &Field, hash: u32) -> Option<u32> {
        self.index.as_ref()?.find(&self.table, head, field, hash)
    }

    /// A field that is not in the table: it is inserted on second sight.
    fn absent(&mut self, head: &Head, field: &Field, hash: u32, out: &mut Vec<u8>) {
        if self.fits(field) && self.index().seen_before(hash) {
            self.inserted(head, field, hash, out);
        } else {
            self.literal(head, field, NOT_INSERTED, out);
        }
    }

    fn fits(&self, field: &Field) -> bool {
        let size = size_of_field(field.name, field.text_len() as usize);
        size <= self.table.bytes_max() / TABLE_SHARE_MAX
    }

    fn index(&mut self) -> &mut Index {
        self.index.get_or_insert_with(|| Box::new(Index::of(&self.table)))
    }

    /// A literal that both sides insert.
    fn inserted(&mut self, head: &Head, field: &Field, hash: u32, out: &mut Vec<u8>) {
        // The index counts before the insertion, which may evict the entry (RFC 7541 §4.4).
        write_literal(head, field, INSERTED, self.name_index(head, field), out);
        let sequence = self.table.next_sequence();
        let Field { name, name_len, .. } = *field;
        let (text_from, text_len) = (head.text_from(field.text_start()), field.text_len());
        let new = NewEntry { name, name_len, text_from, text_len, hash, legal: Legal::Yes };
        if self.table.insert(&new) {
            let name_hash = hash::of_name(name, head.other_name(field));
            let index = self.index.get_or_insert_with(|| Box::new(Index::of(&self.table)));
            index.insert(&self.table, sequence, name, name_hash, hash);
        }
    }

    /// A literal without an entry for its value. Its name is worth one if it comes again.
    #[inline(never)]
    fn literal(&mut self, head: &Head, field: &Field, form: (u8, u8), out: &mut Vec<u8>) {
        match self.name_index(head, field) {
            0 => self.literal_with_name(head, field, form, out),
            name_index => write_literal(head, field, form, name_index, out),
        }
    }

    /// A literal whose name no table has: the name gets there on second sight, with this value.
    #[inline(never)]
    fn literal_with_name(&mut self, head: &Head, field: &Field, form: (u8, u8), out: &mut Vec<u8>) {
        let name_hash = hash::of_name(field.name, head.other_name(field));
        // Other numbers than those of fields.
        let sighting = !name_hash;
        if form == NOT_INSERTED && self.fits(field) && self.index().seen_before(sighting) {
            let hash = hash::of_field(name_hash, head.value(field));
            return self.inserted(head, field, hash, out);
        }
        write_literal_slowly(head, field, form, 0, out);
    }

    /// The index of an entry with this name in either table, or zero.
    #[inline(always)]
    fn name_index(&self, head: &Head, field: &Field) -> u32 {
        let fixed = static_table::name_index(field.name);
        match &self.index {
            Some(index) if fixed == 0 => {
                let found = match field.name {
                    Name::Other => self.find_other_name(index, head, field),
                    known => index.find_known_name(&self.table, known),
                };
                found.map_or(0, |at| ENTRIES + 1 + at)
            }
            _ => fixed,
        }
    }

    fn find_other_name(&self, index: &Index, head: &Head, field: &Field) -> Option<u32> {
        let text = head.other_name(field);
        index.find_other_name(&self.table, hash::of_name(Name::Other, text), text)
    }
}

/// Names whose values are as good as never the same in the next call.
#[inline]
fn differs_per_call(name: Name) -> bool {
    matches!(
        name,
        Name::GrpcTimeout
            | Name::Traceparent
            | Name::Tracestate
            | Name::XRequestId
            | Name::ContentLength
            | Name::GrpcMessage
            | Name::GrpcStatusDetails
    )
}

/// Fields that are inserted only if they repeat on the connection where they came.
#[inline]
fn is_likely_unique(name: Name, value: &[u8]) -> bool {
    match name {
        Name::Authorization => true,
        Name::Path => value.len() > QUERY_PATH_BYTES_MAX && value.contains(&b'?'),
        _ => false,
    }
}

/// Writes a literal whose name has this index; zero writes the name too.
#[inline(always)]
fn write_literal(head: &Head, field: &Field, form: (u8, u8), name_index: u32, out: &mut Vec<u8>) {
    let (pattern, mask) = (u32::from(form.0), u32::from(form.1));
    let block = head.block::<VALUE_BLOCK_BYTES>(field.value_start);
    let (Some(block), true) = (block, field.value_len <= VALUE_BLOCK_BYTES as u32) else {
        return write_literal_slowly(head, field, form, name_index, out);
    };
    // Index and length in two or three bytes, the first lowest.
    let (header, header_bytes) = match name_index.checked_sub(mask) {
        None if name_index > 0 => (pattern | name_index | field.value_len << 8, 2),
        Some(rest @ 0..0x80) => (pattern | mask | rest << 8 | field.value_len << 16, 3),
        _ => return write_literal_slowly(head, field, form, name_index, out),
    };
    // Index and value are written as blocks, and what is too much is cut off again.
    let end = out.len() + header_bytes;
    out.extend_from_slice(&header.to_le_bytes());
    out.truncate(end);
    out.extend_from_slice(block);
    out.truncate(end + field.value_len as usize);
}

#[inline(never)]
fn write_literal_slowly(
    head: &Head,
    field: &Field,
    (pattern, mask): (u8, u8),
    name_index: u32,
    out: &mut Vec<u8>,
) {
    integer::encode(name_index, mask, pattern, out);
    if name_index == 0 {
        write_string(head.name(field), out);
    }
    write_string(head.value(field), out);
}

fn write_string(text: &[u8], out: &mut Vec<u8>) {
    integer::encode(text.len() as u32, LENGTH_MASK, 0, out);
    out.extend_from_slice(text);
}
