//! Encoding a [`Head`] into a block.
//!
//! What repeats goes into the dynamic table, and only on its second sight on this connection: traffic
//! through a gateway is full of values that never come again (deadlines, trace ids, tokens), and each one
//! inserted would push out one that does. How a field came (see [`Indexing`]) decides how much work it is
//! worth. Nothing is Huffman-coded.

use super::index::{Index, name_sighting};
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

/// First bytes by representation (RFC 7541 §6), and the mask of the integer in them.
const INDEXED: (u8, u8) = (0x80, 0x7f);
const INSERTED: (u8, u8) = (0x40, 0x3f);
const NOT_INSERTED: (u8, u8) = (0x00, 0x0f);
const NEVER_INSERTED: (u8, u8) = (0x10, 0x0f);
const SIZE_UPDATE: (u8, u8) = (0x20, 0x1f);
const LENGTH_MASK: u8 = 0x7f;

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
        for field in head.fields() {
            match field.indexing {
                Indexing::Static(index) => out.push(INDEXED.0 | index.get()),
                Indexing::Repeats(hash) => self.repeating(head, field, Some(hash), out),
                Indexing::MayRepeat => self.repeating(head, field, None, out),
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

    /// A field that may be worth an entry.
    fn repeating(&mut self, head: &Head, field: &Field, hash: Option<u32>, out: &mut Vec<u8>) {
        let value = head.value(field);
        if hash.is_none()
            && let Some(index) = static_table::find(field.name, value)
        {
            return out.push(INDEXED.0 | index.get());
        }
        if differs_per_call(field.name, value, hash.is_some()) {
            return self.literal(head, field, NOT_INSERTED, out);
        }
        let name_text = other_name(head, field);
        let hash =
            hash.unwrap_or_else(|| hash::of_field(hash::of_name(field.name, name_text), value));
        let index = self.index.get_or_insert_with(|| Box::new(Index::new()));
        let found = index.find(&self.table, hash, |entry| {
            entry.hash == hash
                && entry.name == field.name
                && self.table.name_text(entry) == name_text
                && self.table.value(entry) == value
        });
        if let Some(at) = found {
            return integer::encode(ENTRIES + 1 + at, INDEXED.1, INDEXED.0, out);
        }
        let size = size_of_field(field.name, name_text.len(), value.len());
        let fits = size <= self.table.bytes_max() / TABLE_SHARE_MAX;
        if fits && index.seen_before(hash) {
            self.inserted(head, field, hash, out);
        } else {
            self.literal(head, field, NOT_INSERTED, out);
        }
    }

    /// A literal that both sides insert.
    fn inserted(&mut self, head: &Head, field: &Field, hash: u32, out: &mut Vec<u8>) {
        let (name_text, value) = (other_name(head, field), head.value(field));
        let name_hash = hash::of_name(field.name, name_text);
        let name_index = self.name_index(field.name, name_hash, name_text);
        write_literal(head, field, INSERTED, name_index, out);
        let sequence = self.table.next_sequence();
        let new = NewEntry { name: field.name, name_text, value, hash, legal: Legal::Yes };
        if self.table.insert(&new) {
            let index = self.index.get_or_insert_with(|| Box::new(Index::new()));
            index.insert(&self.table, sequence, field.name, name_hash, hash);
        }
    }

    /// A literal without an entry for its value. Its name is worth one if it comes again.
    fn literal(&mut self, head: &Head, field: &Field, form: (u8, u8), out: &mut Vec<u8>) {
        let fixed = static_table::name_index(field.name);
        if fixed > 0 {
            return write_literal(head, field, form, fixed, out);
        }
        let name_text = other_name(head, field);
        let name_hash = hash::of_name(field.name, name_text);
        let name_index = self.name_index(field.name, name_hash, name_text);
        if name_index == 0 && form == NOT_INSERTED && self.name_deserves_entry(head, field) {
            let hash = hash::of_field(name_hash, head.value(field));
            return self.inserted(head, field, hash, out);
        }
        write_literal(head, field, form, name_index, out);
    }

    /// Whether a name that no table has was seen lately, so that an entry for it will be used.
    fn name_deserves_entry(&mut self, head: &Head, field: &Field) -> bool {
        let size =
            size_of_field(field.name, other_name(head, field).len(), head.value(field).len());
        let index = self.index.get_or_insert_with(|| Box::new(Index::new()));
        size <= self.table.bytes_max() / TABLE_SHARE_MAX
            && index.seen_before(name_sighting(field.name, other_name(head, field)))
    }

    /// The index of an entry with this name in either table, or zero.
    #[inline]
    fn name_index(&self, name: Name, name_hash: u32, text: &[u8]) -> u32 {
        match static_table::name_index(name) {
            0 => {
                let index = self.index.as_ref();
                let found = index.and_then(|i| i.find_name(&self.table, name, name_hash, text));
                found.map_or(0, |at| ENTRIES + 1 + at)
            }
            fixed => fixed,
        }
    }
}

/// Fields whose values are as good as never the same in the next call.
#[inline]
fn differs_per_call(name: Name, value: &[u8], repeats: bool) -> bool {
    match name {
        Name::GrpcTimeout
        | Name::Traceparent
        | Name::Tracestate
        | Name::XRequestId
        | Name::ContentLength
        | Name::GrpcMessage
        | Name::GrpcStatusDetails => true,
        Name::Authorization => !repeats,
        Name::Path => !repeats && value.len() > QUERY_PATH_BYTES_MAX && value.contains(&b'?'),
        _ => false,
    }
}

/// The text of a name that is not a known one; empty otherwise.
#[inline]
fn other_name<'a>(head: &'a Head, field: &Field) -> &'a [u8] {
    match field.name {
        Name::Other => head.name(field),
        _ => &[],
    }
}

#[inline]
fn write_literal(
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

#[inline]
fn write_string(text: &[u8], out: &mut Vec<u8>) {
    integer::encode(text.len() as u32, LENGTH_MASK, 0, out);
    out.extend_from_slice(text);
}
