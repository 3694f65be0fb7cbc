//! Millions of keys that workers read without a lock while the control plane changes them.
//!
//! Extendible hashing over immutable shards: the leading bits of a key's hash pick a slot of the directory,
//! the slot holds a shard of at most a few hundred entries. A change builds that one shard anew and swaps
//! it in; a shard that grew too large is split, and the directory, a list of pointers, doubles when a
//! shard needs one bit more than it has. So a change costs microseconds at any size, and nothing
//! ever stops to be rebuilt as a whole. Several neighbouring slots may share a shard.
//! Invariant: a reader sees a key as it was before or after a change, never absent or half changed.
//! See `table/shard.rs` for the layout in memory.

mod directory;
mod intern;
mod shard;

use std::hash::BuildHasher as _;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;

use super::{Cached, Seen};
use crate::route::KEY_BYTES_MAX;
use directory::{Directory, after};
use intern::Interned;
use shard::{ENTRIES_MAX, Item, Shard};

/// What is known of the keys of a store. Read by workers, changed by the control plane alone.
pub struct Table {
    directory: ArcSwap<Directory>,
    hasher: foldhash::quality::RandomState,
    /// Whoever holds it is the only one to change a slot or the directory.
    writer: Mutex<Interned>,
    entries: AtomicUsize,
    shard_bytes: AtomicUsize,
}

/// A change that waits in a bulk load.
struct Change {
    hash: u64,
    key: Range<usize>,
    cached: Cached,
}

/// A shard with more entries is split.
const SPLIT_ABOVE: usize = 256;
/// Where splitting ends: a directory of 8 MiB, for 268 million entries in full shards.
const DEPTH_MAX: u32 = 20;
/// How many changes a bulk load gathers before it applies them, at least and at most.
const BATCH: Range<usize> = 1 << 14..1 << 20;

// === impl Table ===

impl Table {
    /// Without entries.
    pub fn new() -> Self {
        Self {
            directory: ArcSwap::from_pointee(Directory::empty()),
            hasher: foldhash::quality::RandomState::default(),
            writer: Mutex::new(Interned::default()),
            entries: AtomicUsize::new(0),
            shard_bytes: AtomicUsize::new(Shard::default().memory_bytes()),
        }
    }

    /// Calls `f` with what is known of the key. Takes no lock, waits for nobody, and allocates nothing.
    #[inline]
    pub fn read<R>(&self, key: &[u8], f: impl FnOnce(Option<Seen<'_>>) -> R) -> R {
        let hash = self.hash(key);
        let directory = self.directory.load();
        let shard = directory.slot(hash).load();
        f(shard.find(hash, key).map(|at| shard.seen(at)))
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.entries.load(Ordering::Relaxed)
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory held, without the targets, which equal entries share, and allocator overhead.
    pub fn memory_bytes(&self) -> usize {
        let directory = self.directory.load();
        self.shard_bytes.load(Ordering::Relaxed) + size_of_val(&*directory.slots)
    }

    /// Visits every entry, in no particular order.
    pub fn for_each(&self, f: impl FnMut(&[u8], Seen<'_>)) {
        self.page(0, usize::MAX, f);
    }

    /// As [`Table::for_each`], from `cursor` on (0: the beginning), whole shards until `at_least` entries
    /// were seen. Returns the cursor to go on from, `None` after the last entry. What is there all the
    /// time is seen exactly once, whatever else changes between pages.
    pub fn page(
        &self,
        cursor: u64,
        at_least: usize,
        mut f: impl FnMut(&[u8], Seen<'_>),
    ) -> Option<u64> {
        let mut hash = cursor;
        let mut seen = 0;
        loop {
            let shard = self.directory.load().slot(hash).load_full();
            for (key, entry) in shard.iter() {
                // A table that was cleared meanwhile has shards that begin before the cursor.
                if self.hash(key) >= cursor {
                    f(key, entry);
                    seen += 1;
                }
            }
            hash = after(hash, shard.depth())?;
            if seen >= at_least {
                return Some(hash);
            }
        }
    }

    /// Adds an entry or replaces it. A key above [`KEY_BYTES_MAX`], which no template renders, is not kept.
    pub fn insert(&self, key: &[u8], cached: Cached) {
        if key.len() > KEY_BYTES_MAX {
            return;
        }
        let hash = self.hash(key);
        let mut interned = self.lock();
        let shard = self.shard(hash);
        let outcome = interned.share(cached.outcome);
        if let Some(at) = shard.find(hash, key) {
            let (new, old) = shard.with_entry(at, outcome, cached.fresh_until);
            self.swap(hash, shard, vec![(hash, new)]);
            interned.release(old);
        } else if shard.len() < ENTRIES_MAX {
            let mut items = shard.items(|key| self.hash(key));
            items.push(Item { hash, key, outcome, fresh_until: cached.fresh_until });
            let parts = split(shard.depth(), items);
            self.swap(hash, shard.clone(), parts);
        }
    }

    /// Adds or replaces many entries; of equal keys, the last one counts. Far faster than one by one.
    pub fn insert_many<K: AsRef<[u8]>>(&self, entries: impl IntoIterator<Item = (K, Cached)>) {
        let mut changes = Vec::new();
        let mut keys = Vec::new();
        for (key, cached) in entries {
            let key = key.as_ref();
            if key.len() > KEY_BYTES_MAX {
                continue;
            }
            let start = keys.len();
            keys.extend_from_slice(key);
            changes.push(Change { hash: self.hash(key), key: start..keys.len(), cached });
            if changes.len() >= self.len().clamp(BATCH.start, BATCH.end) {
                self.apply(&mut changes, &keys);
                keys.clear();
            }
        }
        self.apply(&mut changes, &keys);
    }

    /// Ends an entry.
    pub fn remove(&self, key: &[u8]) {
        let hash = self.hash(key);
        let mut interned = self.lock();
        let shard = self.shard(hash);
        if let Some(at) = shard.find(hash, key) {
            let old = shard.outcome(at).clone();
            let mut items = shard.items(|key| self.hash(key));
            items.swap_remove(at);
            let new = Shard::build(shard.depth(), items);
            self.swap(hash, shard, vec![(hash, new)]);
            interned.release(old);
        }
    }

    /// Ends all entries.
    pub fn clear(&self) {
        let mut interned = self.lock();
        self.directory.store(Arc::new(Directory::empty()));
        self.entries.store(0, Ordering::Relaxed);
        self.shard_bytes.store(Shard::default().memory_bytes(), Ordering::Relaxed);
        interned.sweep();
    }

    /// Makes an entry one that has to be asked for again; it stays for the time the store is away.
    pub fn mark_stale(&self, key: &[u8]) {
        let hash = self.hash(key);
        let _interned = self.lock();
        let shard = self.shard(hash);
        if let Some(at) = shard.find(hash, key) {
            let new = shard.with_stale(at);
            self.swap(hash, shard, vec![(hash, new)]);
        }
    }

    /// As [`Table::mark_stale`] for all entries there are.
    pub fn mark_all_stale(&self) {
        self.each_shard(|shard| (!shard.is_empty()).then(|| shard.with_all_stale()));
    }

    /// If there are more entries than this, drops those that are the first to go stale, roughly, until an
    /// eighth of the room is free: so it may be called after each insert.
    pub fn evict(&self, entries_max: usize) {
        let entries = self.len();
        if entries <= entries_max {
            return;
        }
        let keep = entries_max - entries_max / 8;
        self.each_shard(|shard| {
            let mut items = shard.items(|key| self.hash(key));
            items.sort_by_key(|item| std::cmp::Reverse(item.fresh_until));
            // Rounded down for each shard, so that the sum keeps to the limit.
            items.truncate((items.len() as u128 * keep as u128 / entries as u128) as usize);
            (items.len() < shard.len()).then(|| Shard::build(shard.depth(), items))
        });
        self.lock().sweep();
    }

    fn hash(&self, key: &[u8]) -> u64 {
        self.hasher.hash_one(key)
    }

    fn lock(&self) -> MutexGuard<'_, Interned> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shard(&self, hash: u64) -> Arc<Shard> {
        self.directory.load().slot(hash).load_full()
    }

    /// Changes each shard for which `change` gives another; other writers may come in between.
    fn each_shard(&self, change: impl Fn(&Shard) -> Option<Shard>) {
        let mut next = Some(0);
        while let Some(hash) = next {
            let _interned = self.lock();
            let shard = self.shard(hash);
            next = after(hash, shard.depth());
            if let Some(new) = change(&shard) {
                self.swap(hash, shard, vec![(hash, new)]);
            }
        }
    }

    /// Applies gathered changes, shard by shard.
    fn apply(&self, changes: &mut Vec<Change>, keys: &[u8]) {
        changes.sort_by(|a, b| (a.hash, &keys[a.key.clone()]).cmp(&(b.hash, &keys[b.key.clone()])));
        let mut changes = changes.drain(..).peekable();
        while let Some(hash) = changes.peek().map(|change| change.hash) {
            let mut interned = self.lock();
            let shard = self.shard(hash);
            let mut items = shard.items(|key| self.hash(key));
            let same_shard =
                |change: &Change| after(change.hash, shard.depth()) == after(hash, shard.depth());
            while let Some(Change { hash, key, cached }) = changes.next_if(same_shard) {
                let key = &keys[key];
                let outcome = interned.share(cached.outcome);
                let item = Item { hash, key, outcome, fresh_until: cached.fresh_until };
                // Equal keys follow each other, and what was there before keeps its place.
                match (shard.find(hash, key), items.last_mut()) {
                    (Some(at), _) => items[at] = item,
                    (None, Some(last)) if last.key == key => *last = item,
                    (None, _) => items.push(item),
                }
            }
            let parts = split(shard.depth(), items);
            self.swap(hash, shard.clone(), parts);
        }
        self.lock().sweep_if_due();
    }

    /// Puts new shards, each with a hash that leads to it, in the place of an old one.
    fn swap(&self, hash: u64, old: Arc<Shard>, parts: Vec<(u64, Shard)>) {
        debug_assert!(
            Arc::ptr_eq(&self.shard(hash), &old),
            "only the holder of the lock changes slots"
        );
        let (mut entries, mut bytes) = (0, 0);
        let deepest = parts.iter().map(|(_, shard)| shard.depth()).max().unwrap_or(0);
        if deepest > self.directory.load().depth {
            let grown = self.directory.load().grown(deepest);
            self.directory.store(Arc::new(grown));
        }
        let directory = self.directory.load();
        for (hash, shard) in parts {
            entries += shard.len();
            bytes += shard.memory_bytes();
            let range = directory.range(hash, shard.depth());
            let shard = Arc::new(shard);
            for slot in &directory.slots[range] {
                slot.store(shard.clone());
            }
        }
        add(&self.entries, entries, old.len());
        add(&self.shard_bytes, bytes, old.memory_bytes());
    }
}

impl Default for Table {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Table({} entries)", self.len())
    }
}

/// Adds the difference. Only the holder of the lock calls it.
fn add(total: &AtomicUsize, new: usize, old: usize) {
    total.store((total.load(Ordering::Relaxed) + new).saturating_sub(old), Ordering::Relaxed);
}

/// Shards for the items of one shard, none of them too large.
fn split(depth: u32, items: Vec<Item<'_>>) -> Vec<(u64, Shard)> {
    let mut shards = Vec::with_capacity(1);
    let hash = items.first().map_or(0, |item| item.hash);
    let mut todo = vec![(hash, depth, items)];
    while let Some((hash, depth, items)) = todo.pop() {
        if items.len() <= SPLIT_ABOVE || depth == DEPTH_MAX {
            shards.push((hash, Shard::build(depth, items)));
            continue;
        }
        let bit = 1_u64 << (u64::BITS - 1 - depth);
        let (ones, zeros) = items.into_iter().partition(|item| item.hash & bit != 0);
        todo.push((hash & !bit, depth + 1, zeros));
        todo.push((hash | bit, depth + 1, ones));
    }
    shards
}

#[cfg(test)]
mod tests;
