//! Entries that refer to each other by key instead of by pointer.
//!
//! A key holds the index of a slot and the generation of its content. The generation moves on when the
//! content leaves, so a key that outlived its entry finds nothing, never another entry. An entry can be
//! taken out to work on while the slab is used for others, and put back under its key.
//! Memory grows with the largest number of entries held at once and is reused, not given back.

/// Names an entry of a [`Slab`]. The generation is never 0, so no key packs into 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    index: u32,
    generation: u32,
}

/// Entries by [`Key`].
#[derive(Debug)]
pub struct Slab<T> {
    slots: Vec<Slot<T>>,
    free: u32,
    len: usize,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    content: Content<T>,
}

#[derive(Debug)]
enum Content<T> {
    Full(T),
    /// Out to be worked on; the slot waits for it.
    Taken,
    /// Free, or retired if no other free slot leads here.
    Free {
        next: u32,
    },
}

/// The end of the list of free slots.
const NONE: u32 = u32::MAX;

// === impl Key ===

impl Key {
    /// The index of the slot. Entries that live at the same time differ in it.
    pub const fn index(self) -> u32 {
        self.index
    }

    /// The key in one word, for places that hold an opaque number.
    pub const fn pack(self) -> u64 {
        (self.generation as u64) << 32 | self.index as u64
    }

    /// The key that [`Key::pack`] made this word of. Any other word gives a key that may find nothing.
    pub const fn unpack(word: u64) -> Self {
        Self { index: word as u32, generation: (word >> 32) as u32 }
    }
}

// === impl Slab ===

impl<T> Slab<T> {
    /// Without entries and memory.
    pub const fn new() -> Self {
        Self { slots: Vec::new(), free: NONE, len: 0 }
    }

    /// Entries, those that are taken out included.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds an entry.
    pub fn insert(&mut self, value: T) -> Key {
        self.insert_with(|_| value)
    }

    /// Adds an entry that knows its own key.
    pub fn insert_with(&mut self, make: impl FnOnce(Key) -> T) -> Key {
        if self.free == NONE {
            assert!(self.slots.len() < NONE as usize, "a slab holds fewer than 2^32 - 1 entries");
            self.free = self.slots.len() as u32;
            self.slots.push(Slot { generation: 1, content: Content::Free { next: NONE } });
        }
        let index = self.free;
        let slot = &mut self.slots[index as usize];
        let key = Key { index, generation: slot.generation };
        if let Content::Free { next } = slot.content {
            self.free = next;
        }
        slot.content = Content::Full(make(key));
        self.len += 1;
        key
    }

    /// Whether the key has an entry, in its place or taken out.
    pub fn contains(&self, key: Key) -> bool {
        self.slots.get(key.index as usize).is_some_and(|slot| slot.is_used_by(key))
    }

    /// The entry, unless it is gone or taken out.
    #[inline]
    pub fn get(&self, key: Key) -> Option<&T> {
        match self.slots.get(key.index as usize) {
            Some(Slot { generation, content: Content::Full(value) })
                if *generation == key.generation =>
            {
                Some(value)
            }
            _ => None,
        }
    }

    /// The entry, unless it is gone or taken out.
    #[inline]
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        match self.slots.get_mut(key.index as usize) {
            Some(Slot { generation, content: Content::Full(value) })
                if *generation == key.generation =>
            {
                Some(value)
            }
            _ => None,
        }
    }

    /// Ends an entry. One that is taken out ends too: `None` is returned, and [`Slab::put_back`] will
    /// hand it to its caller.
    pub fn remove(&mut self, key: Key) -> Option<T> {
        let slot = self.slots.get_mut(key.index as usize).filter(|slot| slot.is_used_by(key))?;
        let content = std::mem::replace(&mut slot.content, Content::Free { next: self.free });
        self.len -= 1;
        // A slot whose generations are used up is retired rather than let an old key fit again.
        if let Some(generation) = slot.generation.checked_add(1) {
            slot.generation = generation;
            self.free = key.index;
        }
        match content {
            Content::Full(value) => Some(value),
            Content::Taken | Content::Free { .. } => None,
        }
    }

    /// Takes an entry out. Its key stays reserved until [`Slab::put_back`] or [`Slab::remove`].
    pub fn take(&mut self, key: Key) -> Option<T> {
        let slot = self.slots.get_mut(key.index as usize).filter(|slot| slot.is_used_by(key))?;
        match std::mem::replace(&mut slot.content, Content::Taken) {
            Content::Full(value) => Some(value),
            Content::Taken | Content::Free { .. } => None,
        }
    }

    /// Puts back what [`Slab::take`] gave. If the entry was removed meanwhile, it is returned instead.
    pub fn put_back(&mut self, key: Key, value: T) -> Result<(), T> {
        match self.slots.get_mut(key.index as usize) {
            Some(Slot { generation, content: content @ Content::Taken })
                if *generation == key.generation =>
            {
                *content = Content::Full(value);
                Ok(())
            }
            _ => Err(value),
        }
    }

    /// The entries that are in their places, by index.
    pub fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        self.slots.iter().zip(0..).filter_map(|(slot, index)| match &slot.content {
            Content::Full(value) => Some((Key { index, generation: slot.generation }, value)),
            Content::Taken | Content::Free { .. } => None,
        })
    }

    /// The entries that are in their places, by index.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Key, &mut T)> {
        self.slots.iter_mut().zip(0..).filter_map(|(slot, index)| match &mut slot.content {
            Content::Full(value) => Some((Key { index, generation: slot.generation }, value)),
            Content::Taken | Content::Free { .. } => None,
        })
    }

    /// Bytes of memory held, without what entries hold themselves.
    pub fn memory_bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Slot<T>>()
    }
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self::new()
    }
}

// === impl Slot ===

impl<T> Slot<T> {
    fn is_used_by(&self, key: Key) -> bool {
        self.generation == key.generation && !matches!(self.content, Content::Free { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_key_never_resolves() {
        let mut slab = Slab::new();
        let old = slab.insert("old");
        assert_eq!(slab.remove(old), Some("old"));
        let new = slab.insert("new");
        assert_eq!(new.index(), old.index());
        assert_eq!(slab.get(old), None);
        assert_eq!(slab.get_mut(old), None);
        assert_eq!(slab.take(old), None);
        assert_eq!(slab.remove(old), None);
        assert_eq!(slab.put_back(old, "x"), Err("x"));
        assert_eq!(slab.get(new), Some(&"new"));
        assert_eq!(slab.len(), 1);
    }

    #[test]
    fn a_free_slot_is_found_by_no_key() {
        let mut slab = Slab::new();
        let key = slab.insert(1);
        slab.remove(key);
        let next = Key::unpack(key.pack() + (1 << 32));
        assert!(!slab.contains(next));
        assert_eq!(slab.get(next), None);
        assert_eq!(slab.take(next), None);
        assert_eq!(slab.remove(next), None);
        assert_eq!(slab.insert(2), next);
    }

    #[test]
    fn a_taken_entry_keeps_its_key_until_it_is_put_back() {
        let mut slab = Slab::new();
        let key = slab.insert(1);
        let value = slab.take(key).expect("it is there");
        assert_eq!(slab.take(key), None);
        assert_eq!((slab.get(key), slab.len()), (None, 1));
        assert!(slab.contains(key));
        let other = slab.insert(2);
        assert_ne!(other.index(), key.index());
        assert_eq!(slab.iter().collect::<Vec<_>>(), [(other, &2)]);
        assert_eq!(slab.put_back(key, value + 10), Ok(()));
        assert_eq!(slab.get(key), Some(&11));
        assert_eq!(slab.put_back(key, 0), Err(0));
    }

    #[test]
    fn an_entry_removed_while_taken_comes_back_to_its_holder() {
        let mut slab = Slab::new();
        let key = slab.insert(1);
        let value = slab.take(key).expect("it is there");
        assert_eq!(slab.remove(key), None);
        assert!(slab.is_empty());
        let other = slab.insert(2);
        assert_eq!(slab.put_back(key, value), Err(1));
        assert_eq!(slab.get(other), Some(&2));
    }

    #[test]
    fn keys_pack_into_a_word_that_is_never_zero() {
        let mut slab = Slab::new();
        for _ in 0..3 {
            let key = slab.insert_with(Key::pack);
            assert_eq!(Key::unpack(*slab.get(key).expect("just inserted")), key);
            assert_ne!(key.pack(), 0);
        }
        assert!(!slab.contains(Key::unpack(0)));
        assert!(!slab.contains(Key::unpack(u64::MAX)));
    }

    #[test]
    fn a_slot_whose_generations_are_used_up_is_retired() {
        let mut slab = Slab::new();
        slab.insert(0);
        slab.slots[0].generation = u32::MAX;
        let last = Key { index: 0, generation: u32::MAX };
        assert_eq!(slab.remove(last), Some(0));
        assert!(!slab.contains(last));
        assert_eq!(slab.insert(1).index(), 1);
    }
}
