//! What is known of the keys of a store.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use narrows_wire::Time;

use super::Cached;

/// Entries by key.
#[derive(Debug, Default)]
pub struct Table {
    entries: RwLock<HashMap<Box<[u8]>, Cached>>,
}

// === impl Table ===

impl Table {
    /// Without entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks at the entry of a key.
    pub fn read<R>(&self, key: &[u8], look: impl FnOnce(Option<&Cached>) -> R) -> R {
        look(self.entries().get(key))
    }

    /// Adds or replaces an entry.
    pub fn insert(&self, key: &[u8], cached: Cached) {
        self.entries_mut().insert(key.into(), cached);
    }

    /// Adds or replaces many entries.
    pub fn insert_many(&self, entries: impl IntoIterator<Item = (Box<[u8]>, Cached)>) {
        self.entries_mut().extend(entries);
    }

    /// Removes an entry.
    pub fn remove(&self, key: &[u8]) {
        self.entries_mut().remove(key);
    }

    /// Removes all entries.
    pub fn clear(&self) {
        self.entries_mut().clear();
    }

    /// From now on the entry is used only if the store can not be asked.
    pub fn mark_stale(&self, key: &[u8]) {
        if let Some(cached) = self.entries_mut().get_mut(key) {
            cached.fresh_until = Time::ZERO;
        }
    }

    /// [`Table::mark_stale`] for every entry.
    pub fn mark_all_stale(&self) {
        self.entries_mut().values_mut().for_each(|cached| cached.fresh_until = Time::ZERO);
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.entries().len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Looks at every entry.
    pub fn for_each(&self, mut look: impl FnMut(&[u8], &Cached)) {
        self.entries().iter().for_each(|(key, cached)| look(key, cached));
    }

    fn entries(&self) -> RwLockReadGuard<'_, HashMap<Box<[u8]>, Cached>> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn entries_mut(&self) -> RwLockWriteGuard<'_, HashMap<Box<[u8]>, Cached>> {
        self.entries.write().unwrap_or_else(PoisonError::into_inner)
    }
}
