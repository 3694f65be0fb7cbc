//! A decoded field section: the head of a message, or its trailers.
//!
//! All text lies in one arena; a field is a pair of ranges. A `Head` is made to be reused: clearing it
//! keeps its memory, so decoding into a used one allocates nothing. Names are lower case.

use crate::Name;
use crate::hpack::StaticIndex;

/// First size of an arena: most heads fit.
const ARENA_BYTES_MIN: usize = 512;

/// How a field came over the wire, which decides how the encoder sends it on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Indexing {
    /// Came as an entry of HPACK's static table, which every peer knows. Only the decoder gives this: a
    /// field that is pushed or set with it is taken as [`Indexing::MayRepeat`].
    Static(StaticIndex),
    /// Came as an index into the peer's table, so it repeats: worth an entry in our own table. Holds the
    /// hash of name and value, computed once when the entry was made.
    Repeats(u32),
    /// Came as a literal that the peer put into its table, or was made by us: may repeat.
    MayRepeat,
    /// Came as a literal that the peer did not index: never looked up, never inserted.
    Unique,
    /// Came as never indexed: must be sent the same way (RFC 7541 §6.2.3).
    Secret,
}

/// One field of a [`Head`]. Its text is read through the head.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// The name if it is a known one.
    pub name: Name,
    /// How the field came.
    pub indexing: Indexing,
    name_start: u32,
    name_len: u32,
    value_start: u32,
    value_len: u32,
}

/// The fields of a request, a reply, or trailers, in their order. Pseudo fields are fields like others.
#[derive(Debug, Clone, Default)]
pub struct Head {
    /// The arena. Bytes behind `used` are left over from earlier use, so that room for a decoded string
    /// need not be filled with zeros first.
    bytes: Vec<u8>,
    used: usize,
    fields: Vec<Field>,
}

// === impl Head ===

impl Head {
    /// An empty head that holds no memory yet.
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), used: 0, fields: Vec::new() }
    }

    /// Removes all fields; keeps the memory.
    pub fn clear(&mut self) {
        self.used = 0;
        self.fields.clear();
    }

    /// The fields in their order.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Whether there is no field.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The name of a field of this head.
    pub fn name(&self, field: &Field) -> &[u8] {
        match field.name {
            Name::Other => range(&self.bytes, field.name_start, field.name_len),
            known => known.as_str().as_bytes(),
        }
    }

    /// The value of a field of this head.
    pub fn value(&self, field: &Field) -> &[u8] {
        range(&self.bytes, field.value_start, field.value_len)
    }

    /// Names and values in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.fields.iter().map(|field| (self.name(field), self.value(field)))
    }

    /// The value of the first field with this known name.
    pub fn get(&self, name: Name) -> Option<&[u8]> {
        self.fields.iter().find(|field| field.name == name).map(|field| self.value(field))
    }

    /// The value of the first field with this name (lower case).
    pub fn find(&self, name: &[u8]) -> Option<&[u8]> {
        match Name::of(name) {
            Name::Other => self.find_other(name),
            known => self.get(known),
        }
    }

    /// The value of the first field with this name, which is not a known one: [`Head::find`] for a
    /// caller that asked [`Name::of`] beforehand.
    pub fn find_other(&self, name: &[u8]) -> Option<&[u8]> {
        self.fields
            .iter()
            .find(|field| field.name == Name::Other && self.name(field) == name)
            .map(|field| self.value(field))
    }

    /// Appends a field with a known name.
    pub fn push(&mut self, name: Name, value: &[u8], indexing: Indexing) {
        debug_assert!(name != Name::Other, "a name that is not known comes with its text");
        let value_start = self.append(value);
        self.fields.push(Field {
            name,
            indexing: indexing.of_any_field(),
            name_start: 0,
            name_len: 0,
            value_start,
            value_len: value.len() as u32,
        });
    }

    /// Appends a field with any name (lower case).
    pub fn push_text(&mut self, name: &[u8], value: &[u8], indexing: Indexing) {
        match Name::of(name) {
            Name::Other => self.push_other(name, value, indexing),
            known => self.push(known, value, indexing),
        }
    }

    /// Appends a field whose name is not a known one: [`Head::push_text`] for a caller that asked
    /// [`Name::of`] beforehand.
    pub fn push_other(&mut self, name: &[u8], value: &[u8], indexing: Indexing) {
        let name_start = self.append(name);
        let value_start = self.append(value);
        self.fields.push(Field {
            name: Name::Other,
            indexing: indexing.of_any_field(),
            name_start,
            name_len: name.len() as u32,
            value_start,
            value_len: value.len() as u32,
        });
    }

    /// Gives the first field with this known name another value, or appends one. Further fields of that
    /// name are removed.
    pub fn set(&mut self, name: Name, value: &[u8], indexing: Indexing) {
        let Some(at) = self.fields.iter().position(|field| field.name == name) else {
            return self.push(name, value, indexing);
        };
        let value_start = self.append(value);
        let field = &mut self.fields[at];
        field.value_start = value_start;
        field.value_len = value.len() as u32;
        field.indexing = indexing.of_any_field();
        let mut seen = false;
        self.fields.retain(|field| field.name != name || !std::mem::replace(&mut seen, true));
    }

    /// Removes all fields with this known name. Their bytes stay in the arena until it is cleared.
    pub fn remove(&mut self, name: Name) {
        self.fields.retain(|field| field.name != name);
    }

    /// Keeps only the fields for which `keep` says so.
    pub fn retain(&mut self, mut keep: impl FnMut(&Self, &Field) -> bool) {
        let mut fields = std::mem::take(&mut self.fields);
        fields.retain(|field| keep(self, field));
        self.fields = fields;
    }

    /// The size of this field section as RFC 9113 §10.5.1 counts it: names, values, and 32 bytes each.
    pub fn section_bytes(&self) -> usize {
        self.iter().map(|(name, value)| name.len() + value.len() + 32).sum()
    }

    /// Bytes of text that were written into this head since it was cleared: names that are not known ones,
    /// and values. Costs nothing to tell.
    pub fn text_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes of memory held.
    pub fn memory_bytes(&self) -> usize {
        self.bytes.capacity() + self.fields.capacity() * size_of::<Field>()
    }

    /// Appends a field whose text stands in the arena already: the range of the name (empty for a known
    /// one), which begins at `start`, followed by that of the value.
    pub(crate) fn push_appended(
        &mut self,
        name: Name,
        indexing: Indexing,
        start: u32,
        name_len: u32,
        value_len: u32,
    ) {
        self.fields.push(Field {
            name,
            indexing,
            name_start: start,
            name_len,
            value_start: start + name_len,
            value_len,
        });
    }

    /// Appends text to the arena and says where it begins.
    pub(crate) fn append(&mut self, text: &[u8]) -> u32 {
        let start = self.used;
        let len = text.len();
        self.room(len)[..len].copy_from_slice(text);
        self.used += len;
        start as u32
    }

    /// At least `len` bytes of the arena behind its text, with whatever they hold.
    pub(crate) fn room(&mut self, len: usize) -> &mut [u8] {
        if self.bytes.len() - self.used < len {
            self.grow(len);
        }
        &mut self.bytes[self.used..]
    }

    /// Takes the next `len` bytes of the arena as text.
    pub(crate) fn advance(&mut self, len: usize) {
        self.used = (self.used + len).min(self.bytes.len());
    }

    /// Bytes of text in the arena.
    pub(crate) fn used(&self) -> u32 {
        self.used as u32
    }

    /// Drops the text behind `used`, which no field may refer to.
    pub(crate) fn rewind(&mut self, used: u32) {
        self.used = self.used.min(used as usize);
    }

    /// Text of the arena.
    pub(crate) fn text(&self, start: u32, len: u32) -> &[u8] {
        range(&self.bytes, start, len)
    }

    #[cold]
    fn grow(&mut self, len: usize) {
        let needed = (self.used + len).max(ARENA_BYTES_MIN);
        self.bytes.resize(needed.next_power_of_two(), 0);
    }
}

// === impl Indexing ===

impl Indexing {
    /// What is left of it when the field may differ from the one that came.
    fn of_any_field(self) -> Self {
        match self {
            Self::Static(_) => Self::MayRepeat,
            other => other,
        }
    }
}

fn range(bytes: &[u8], start: u32, len: u32) -> &[u8] {
    bytes.get(start as usize..start as usize + len as usize).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_replaces_the_first_and_drops_the_others() {
        let mut head = Head::new();
        head.push(Name::Te, b"gzip", Indexing::MayRepeat);
        head.push_text(b"jobid", b"7", Indexing::MayRepeat);
        head.push(Name::Te, b"trailers", Indexing::MayRepeat);
        head.set(Name::Te, b"x", Indexing::MayRepeat);
        let fields: Vec<_> = head.iter().collect();
        assert_eq!(fields, [(&b"te"[..], &b"x"[..]), (b"jobid", b"7")]);
    }

    #[test]
    fn find_tells_known_and_other_names() {
        let mut head = Head::new();
        head.push_text(b"jobid", b"7", Indexing::MayRepeat);
        head.push_text(b":path", b"/a", Indexing::MayRepeat);
        assert_eq!(head.find(b"jobid"), Some(&b"7"[..]));
        assert_eq!(head.find(b":path"), Some(&b"/a"[..]));
        assert_eq!(head.get(Name::Path), Some(&b"/a"[..]));
        assert_eq!(head.find(b"nothing"), None);
        head.remove(Name::Path);
        assert_eq!(head.section_bytes(), 5 + 1 + 32);
    }
}
