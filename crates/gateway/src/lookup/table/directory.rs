//! The way from a hash to its shard.

use std::ops::Range;

use arc_swap::ArcSwap;

use super::shard::Shard;

/// Shards by the leading bits of the hash: `2^depth` slots.
pub(super) struct Directory {
    pub(super) depth: u32,
    pub(super) slots: Box<[ArcSwap<Shard>]>,
}

// === impl Directory ===

impl Directory {
    pub(super) fn empty() -> Self {
        Self { depth: 0, slots: Box::new([ArcSwap::from_pointee(Shard::default())]) }
    }

    pub(super) fn slot(&self, hash: u64) -> &ArcSwap<Shard> {
        &self.slots[self.range(hash, self.depth).start]
    }

    /// The slots of hashes that share `depth` leading bits with this one.
    pub(super) fn range(&self, hash: u64, depth: u32) -> Range<usize> {
        let shared = self.depth - depth;
        // In two steps: a shift by all 64 bits is none.
        let first = (hash >> 1 >> (u64::BITS - 1 - depth) << shared) as usize;
        first..first + (1 << shared)
    }

    /// The same shards behind more slots.
    pub(super) fn grown(&self, depth: u32) -> Self {
        let old = |at: usize| self.slots[at >> (depth - self.depth)].load_full();
        Self { depth, slots: (0..1 << depth).map(|at| ArcSwap::new(old(at))).collect() }
    }
}

/// The first hash behind those that share `depth` leading bits with this one.
pub(super) fn after(hash: u64, depth: u32) -> Option<u64> {
    let span = 1_u64.checked_shl(u64::BITS - depth)?;
    (hash & !(span - 1)).checked_add(span)
}
