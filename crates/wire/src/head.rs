//! A decoded field section: the head of a message, or its trailers.
//!
//! All text lies in one arena; a field is a pair of ranges. A `Head` is made to be reused: clearing it
//! keeps its memory, so decoding into a used one allocates nothing. Names are lower case.

use crate::Name;
use crate::hpack::StaticIndex;

/// First size of an arena: most heads fit.
const ARENA_BYTES_MIN: usize = 512;

/// What a field counts beside its text (RFC 9113 §10.5.1).
const FIELD_BYTES: usize = 32;

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
    /// Zero for a known name. Other names stand right before their values.
    pub(crate) name_len: u32,
    pub(crate) value_start: u32,
    pub(crate) value_len: u32,
}

/// The fields of a request, a reply, or trailers, in their order. Pseudo fields are fields like others.
#[derive(Debug, Clone, Default)]
pub struct Head {
    /// The arena. Bytes behind `used` are left over from earlier use, so that room for a decoded string
    /// need not be filled with zeros first.
    bytes: Vec<u8>,
    used: u32,
    /// The size of the section as it was decoded; 0: not known.
    section_bytes: u32,
    fields: Vec<Field>,
}

/// Bytes of text of a field section, names and values, whatever they took on the wire.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HeadBytes {
    /// Of pseudo fields: what HTTP/1 says in the first line of a message, and in Host.
    pub line: u32,
    /// Of all other fields.
    pub fields: u32,
}

// === impl Head ===

impl Head {
    /// An empty head that holds no memory yet.
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), used: 0, section_bytes: 0, fields: Vec::new() }
    }

    /// Removes all fields; keeps the memory.
    pub fn clear(&mut self) {
        self.used = 0;
        self.section_bytes = 0;
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
            Name::Other => self.other_name(field),
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
        self.append(value);
        self.push_appended(name, indexing.of_any_field(), 0, value.len() as u32);
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
        self.append(name);
        self.append(value);
        let (name_len, value_len) = (name.len() as u32, value.len() as u32);
        self.push_appended(Name::Other, indexing.of_any_field(), name_len, value_len);
    }

    /// Gives the first field with this known name another value, or appends one. Further fields of that
    /// name are removed.
    pub fn set(&mut self, name: Name, value: &[u8], indexing: Indexing) {
        let Some(at) = self.fields.iter().position(|field| field.name == name) else {
            return self.push(name, value, indexing);
        };
        self.append(value);
        let value_start = self.used - value.len() as u32;
        let field = &mut self.fields[at];
        field.value_start = value_start;
        field.value_len = value.len() as u32;
        field.indexing = indexing.of_any_field();
        let behind = self.fields.get(at + 1..).unwrap_or_default();
        if behind.iter().any(|field| field.name == name) {
            let mut seen = false;
            self.fields.retain(|field| field.name != name || !std::mem::replace(&mut seen, true));
        }
    }

    /// Removes all fields with this known name. Their bytes stay in the arena until it is cleared.
    pub fn remove(&mut self, name: Name) {
        self.fields.retain(|field| field.name != name);
    }

    /// Keeps only the fields for which `keep` says so.
    pub fn retain(&mut self, mut keep: impl FnMut(&Self, &Field) -> bool) {
        self.section_bytes = 0;
        let mut fields = std::mem::take(&mut self.fields);
        fields.retain(|field| keep(self, field));
        self.fields = fields;
    }

    /// The size of this field section as RFC 9113 §10.5.1 counts it: names, values, and 32 bytes each.
    pub fn section_bytes(&self) -> usize {
        self.iter().map(|(name, value)| name.len() + value.len() + FIELD_BYTES).sum()
    }

    /// What the text of a head that was not changed since it came amounts to. Next to nothing is counted
    /// for one that was decoded from HTTP/2.
    pub fn sizes(&self) -> HeadBytes {
        let section = match self.section_bytes {
            0 => self.section_bytes(),
            known => known as usize,
        };
        let all = section.saturating_sub(FIELD_BYTES * self.fields.len());
        // They come first.
        let pseudo = self.fields.iter().take_while(|field| field.name.is_pseudo());
        let line = pseudo.map(|field| field.name.as_str().len() + field.value_len as usize).sum();
        HeadBytes { line: line as u32, fields: all.saturating_sub(line) as u32 }
    }

    /// Bytes of text that were written into this head since it was cleared: names that are not known ones,
    /// and values. Costs nothing to tell.
    pub fn text_bytes(&self) -> usize {
        self.used as usize
    }

    /// Bytes of memory held.
    pub fn memory_bytes(&self) -> usize {
        self.bytes.capacity() + self.fields.capacity() * size_of::<Field>()
    }

    /// Appends a field whose text is the end of the arena: that of the name (none for a known one), then
    /// that of the value.
    #[inline]
    pub(crate) fn push_appended(
        &mut self,
        name: Name,
        indexing: Indexing,
        name_len: u32,
        value_len: u32,
    ) {
        let value_start = self.used.wrapping_sub(value_len);
        self.fields.push(Field { name, indexing, name_len, value_start, value_len });
    }

    /// Appends a field whose text (name, if it is not a known one, and value) is the first `text_len`
    /// bytes of a block, which is taken into the arena as it is. Gives the block back if it does not fit.
    #[inline]
    pub(crate) fn push_block<const N: usize>(
        &mut self,
        name: Name,
        indexing: Indexing,
        name_len: u32,
        text_len: u32,
        block: &[u8; N],
    ) -> bool {
        let start = self.used;
        let Some(room) = self.bytes.get_mut(start as usize..start as usize + N) else {
            return false;
        };
        room.copy_from_slice(block);
        self.used = start + N as u32;
        let (value_start, value_len) = (start + name_len, text_len.wrapping_sub(name_len));
        self.fields.push(Field { name, indexing, name_len, value_start, value_len });
        true
    }

    /// Appends text to the arena.
    pub(crate) fn append(&mut self, text: &[u8]) {
        let len = text.len();
        self.room(len)[..len].copy_from_slice(text);
        self.used += len as u32;
    }

    /// Appends the first `len` bytes of a block to the arena; says whether there was room for it.
    #[inline]
    pub(crate) fn append_block<const N: usize>(&mut self, block: &[u8; N], len: u32) -> bool {
        let start = self.used as usize;
        let Some(room) = self.bytes.get_mut(start..start + N) else { return false };
        room.copy_from_slice(block);
        self.used += len;
        true
    }

    /// The text of a name that is not a known one; empty otherwise.
    #[inline]
    pub(crate) fn other_name(&self, field: &Field) -> &[u8] {
        range(&self.bytes, field.text_start(), field.name_len)
    }

    /// Name (if not a known one) and value, one behind the other.
    pub(crate) fn field_text(&self, field: &Field) -> &[u8] {
        range(&self.bytes, field.text_start(), field.text_len())
    }

    /// The arena from `start` on, whatever stands behind the text included.
    #[inline]
    pub(crate) fn text_from(&self, start: u32) -> &[u8] {
        self.bytes.get(start as usize..).unwrap_or_default()
    }

    /// So many bytes of the arena from `start` on, whatever they are.
    #[inline]
    pub(crate) fn block<const N: usize>(&self, start: u32) -> Option<&[u8; N]> {
        self.bytes.get(start as usize..start as usize + N)?.first_chunk()
    }

    /// At least `len` bytes of the arena behind its text, with whatever they hold.
    #[inline]
    pub(crate) fn room(&mut self, len: usize) -> &mut [u8] {
        if self.bytes.len() < self.used as usize + len {
            self.grow(len);
        }
        self.bytes.get_mut(self.used as usize..).unwrap_or_default()
    }

    /// Takes the next `len` bytes of the arena as text.
    #[inline]
    pub(crate) fn advance(&mut self, len: u32) {
        debug_assert!((self.used + len) as usize <= self.bytes.len(), "there is room");
        self.used += len;
    }

    /// Bytes of text in the arena.
    pub(crate) fn used(&self) -> u32 {
        self.used
    }

    /// All fields have been decoded, and come to this size.
    #[inline]
    pub(crate) fn note_section(&mut self, bytes: u32) {
        self.section_bytes = bytes;
    }

    /// Drops the text behind `used`, which no field may refer to.
    pub(crate) fn rewind(&mut self, used: u32) {
        self.used = self.used.min(used);
    }

    /// Text of the arena.
    pub(crate) fn text(&self, start: u32, len: u32) -> &[u8] {
        range(&self.bytes, start, len)
    }

    #[cold]
    fn grow(&mut self, len: usize) {
        let needed = (self.used as usize + len).max(ARENA_BYTES_MIN);
        self.bytes.resize(needed.next_power_of_two(), 0);
    }
}

// === impl Field ===

impl Field {
    /// Where the text of the field begins: that of the name (none for a known one), then the value.
    #[inline]
    pub(crate) fn text_start(&self) -> u32 {
        self.value_start.wrapping_sub(self.name_len)
    }

    #[inline]
    pub(crate) fn text_len(&self) -> u32 {
        self.name_len + self.value_len
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

#[inline]
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

    /// A head that is used again holds more room than text; only the text is charged for.
    #[test]
    fn text_bytes_are_those_since_it_was_cleared() {
        let mut head = Head::new();
        head.push_text(b"jobid", &[b'7'; 10_000], Indexing::MayRepeat);
        assert_eq!(head.text_bytes(), 10_005);
        head.clear();
        assert_eq!(head.text_bytes(), 0);
        head.push_text(b"jobid", b"7", Indexing::MayRepeat);
        assert_eq!(head.text_bytes(), 6);
    }

    #[test]
    fn sizes_are_told_apart_by_whether_it_is_of_pseudo_fields() {
        let mut head = Head::new();
        assert_eq!(head.sizes(), HeadBytes::default());
        head.push(Name::Path, b"/a", Indexing::MayRepeat);
        head.push(Name::Te, b"trailers", Indexing::MayRepeat);
        head.push_text(b"jobid", b"7", Indexing::MayRepeat);
        let (line, fields) = (":path/a".len() as u32, "tetrailersjobid7".len() as u32);
        assert_eq!(head.sizes(), HeadBytes { line, fields });
        head.note_section(head.section_bytes() as u32);
        assert_eq!(head.sizes(), HeadBytes { line, fields });
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
