//! A few hundred entries in three blocks of memory, never changed once built.
//!
//! The index is open addressed: 16 bits of the hash beside the number of the entry, so that a miss and
//! nearly every collision are told without a look at the entry. An entry takes 16 bytes, its key stands in
//! one block with the others. A key of 11 bytes costs about 35 bytes in all.

use std::sync::Arc;

use narrows_wire::Time;

use super::super::{Outcome, Seen};
use crate::route::KEY_BYTES_MAX;

/// Entries at the given number of leading bits of the hash.
#[derive(Debug, Clone, Default)]
pub(super) struct Shard {
    depth: u32,
    /// Hash bits above, the number of an entry below.
    index: Box<[u32]>,
    entries: Box<[Entry]>,
    keys: Box<[u8]>,
}

/// What a shard is built of.
#[derive(Debug)]
pub(super) struct Item<'k> {
    pub(super) hash: u64,
    pub(super) key: &'k [u8],
    pub(super) outcome: Arc<Outcome>,
    pub(super) fresh_until: Time,
}

#[derive(Debug, Clone)]
struct Entry {
    outcome: Arc<Outcome>,
    /// Above, until when it is fresh, in milliseconds; below, where its key ends.
    packed: u64,
}

/// The most entries of a shard: all keys of that many still end below `2^KEY_END_BITS`.
pub(super) const ENTRIES_MAX: usize = (1 << KEY_END_BITS) / KEY_BYTES_MAX - 1;

const KEY_END_BITS: u32 = 24;
/// Of 40 bits: 35 years in milliseconds.
const FRESH_NEVER: u64 = u64::MAX >> KEY_END_BITS;
const NANOS_PER_MILLI: u64 = 1_000_000;
const VACANT: u32 = u32::MAX;

// === impl Shard ===

impl Shard {
    /// A shard of these items, whose keys differ. What exceeds [`ENTRIES_MAX`] is left out.
    pub(super) fn build(depth: u32, mut items: Vec<Item<'_>>) -> Self {
        items.truncate(ENTRIES_MAX);
        // Two thirds full, and never quite full.
        let places = if items.is_empty() { 0 } else { items.len() * 3 / 2 + 1 };
        let mut index = vec![VACANT; places].into_boxed_slice();
        let mut keys = Vec::with_capacity(items.iter().map(|item| item.key.len()).sum());
        let mut entries = Vec::with_capacity(items.len());
        for item in items {
            let mut place = first_place(item.hash, places);
            while index[place] != VACANT {
                place = next_place(place, places);
            }
            index[place] = tag(item.hash) | entries.len() as u32;
            keys.extend_from_slice(item.key);
            let packed = pack(item.fresh_until, keys.len());
            entries.push(Entry { outcome: item.outcome, packed });
        }
        Self { depth, index, entries: entries.into(), keys: keys.into() }
    }

    /// How many leading bits the hashes of all keys here share.
    pub(super) fn depth(&self) -> u32 {
        self.depth
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The number of the entry with this key.
    #[inline]
    pub(super) fn find(&self, hash: u64, key: &[u8]) -> Option<usize> {
        if self.index.is_empty() {
            return None;
        }
        let mut place = first_place(hash, self.index.len());
        // The index is never full, so a vacant place ends the search.
        loop {
            let found = self.index[place];
            if found == VACANT {
                return None;
            }
            let at = (found & 0xffff) as usize;
            if found & 0xffff_0000 == tag(hash) && self.key(at) == key {
                return Some(at);
            }
            place = next_place(place, self.index.len());
        }
    }

    #[inline]
    pub(super) fn seen(&self, at: usize) -> Seen<'_> {
        let entry = &self.entries[at];
        Seen { outcome: &entry.outcome, fresh_until: entry.fresh_until() }
    }

    pub(super) fn outcome(&self, at: usize) -> &Arc<Outcome> {
        &self.entries[at].outcome
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], Seen<'_>)> {
        (0..self.len()).map(|at| (self.key(at), self.seen(at)))
    }

    /// All entries in their order.
    pub(super) fn items(&self, hash: impl Fn(&[u8]) -> u64) -> Vec<Item<'_>> {
        // Room for the entry that is mostly added next.
        let mut items = Vec::with_capacity(self.len() + 1);
        for (at, entry) in self.entries.iter().enumerate() {
            let (key, outcome) = (self.key(at), entry.outcome.clone());
            items.push(Item { hash: hash(key), key, outcome, fresh_until: entry.fresh_until() });
        }
        items
    }

    /// A copy with another outcome at one entry, and the outcome that was there.
    pub(super) fn with_entry(
        &self,
        at: usize,
        outcome: Arc<Outcome>,
        fresh_until: Time,
    ) -> (Self, Arc<Outcome>) {
        let mut copy = self.clone();
        let entry = &mut copy.entries[at];
        entry.packed = pack(fresh_until, entry.key_end());
        let old = std::mem::replace(&mut entry.outcome, outcome);
        (copy, old)
    }

    /// A copy with one entry that is fresh no more.
    pub(super) fn with_stale(&self, at: usize) -> Self {
        let mut copy = self.clone();
        copy.entries[at].expire();
        copy
    }

    /// A copy in which no entry is fresh.
    pub(super) fn with_all_stale(&self) -> Self {
        let mut copy = self.clone();
        copy.entries.iter_mut().for_each(Entry::expire);
        copy
    }

    pub(super) fn memory_bytes(&self) -> usize {
        size_of::<Self>()
            + size_of_val(&*self.index)
            + size_of_val(&*self.entries)
            + size_of_val(&*self.keys)
    }

    #[inline]
    fn key(&self, at: usize) -> &[u8] {
        let start = at.checked_sub(1).map_or(0, |before| self.entries[before].key_end());
        &self.keys[start..self.entries[at].key_end()]
    }
}

// === impl Entry ===

impl Entry {
    fn key_end(&self) -> usize {
        (self.packed & ((1 << KEY_END_BITS) - 1)) as usize
    }

    fn fresh_until(&self) -> Time {
        match self.packed >> KEY_END_BITS {
            FRESH_NEVER => Time::NEVER,
            millis => Time::from_nanos(millis * NANOS_PER_MILLI),
        }
    }

    fn expire(&mut self) {
        self.packed = pack(Time::ZERO, self.key_end());
    }
}

/// Rounds up to the next millisecond, so that a short time does not become none.
fn pack(fresh_until: Time, key_end: usize) -> u64 {
    let millis = match fresh_until {
        Time::NEVER => FRESH_NEVER,
        time => time.as_nanos().div_ceil(NANOS_PER_MILLI).min(FRESH_NEVER - 1),
    };
    millis << KEY_END_BITS | key_end as u64
}

/// Where the search for a hash begins. Uses 32 bits below those that lead to the shard, which all keys in
/// it share.
fn first_place(hash: u64, places: usize) -> usize {
    const { assert!(super::DEPTH_MAX <= 20) };
    let bits = u64::from((hash >> 12) as u32);
    ((bits * places as u64) >> 32) as usize
}

fn next_place(place: usize, places: usize) -> usize {
    if place + 1 == places { 0 } else { place + 1 }
}

fn tag(hash: u64) -> u32 {
    (hash as u32) << 16
}
