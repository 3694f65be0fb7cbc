//! Equal targets are held once, however many keys lead to them, and only as long as one does.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::Outcome;
use crate::target::Target;

/// The outcomes that entries share.
#[derive(Debug)]
pub(super) struct Interned {
    found: HashMap<Arc<Target>, Arc<Outcome>, foldhash::fast::RandomState>,
    missing: Arc<Outcome>,
    /// Unused ones are looked for when there are this many.
    sweep_at: usize,
}

const SWEEP_AT_LEAST: usize = 64;

// === impl Interned ===

impl Interned {
    /// The shared form of an outcome. What is malformed names its key, so it is not shared.
    pub(super) fn share(&mut self, outcome: Outcome) -> Arc<Outcome> {
        let target = match outcome {
            Outcome::Missing => return self.missing.clone(),
            Outcome::Malformed(_) => return Arc::new(outcome),
            Outcome::Found(target) => target,
        };
        if let Some(shared) = self.found.get(&target) {
            return shared.clone();
        }
        let shared = Arc::new(Outcome::Found(target.clone()));
        self.found.insert(target, shared.clone());
        shared
    }

    /// An entry had this outcome and is gone: forgets the outcome if it was the last. While a reader still
    /// holds that entry it is left to the next sweep.
    pub(super) fn release(&mut self, outcome: Arc<Outcome>) {
        if let Outcome::Found(target) = &*outcome
            && Arc::strong_count(&outcome) == 2
        {
            self.found.remove(target);
        }
        self.sweep_if_due();
    }

    /// Sweeps if the number of targets doubled since the last time.
    pub(super) fn sweep_if_due(&mut self) {
        if self.found.len() >= self.sweep_at {
            self.sweep();
        }
    }

    /// Forgets what no entry has.
    pub(super) fn sweep(&mut self) {
        self.found.retain(|_, outcome| Arc::strong_count(outcome) > 1);
        if self.found.len() * 4 < self.found.capacity() {
            self.found.shrink_to_fit();
        }
        self.sweep_at = (self.found.len() * 2).max(SWEEP_AT_LEAST);
    }

    /// Distinct targets held.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.found.len()
    }

    /// Whether a target with this port is held.
    #[cfg(test)]
    pub(super) fn holds(&self, port: u16) -> bool {
        self.found.keys().any(|target| target.port == port)
    }
}

impl Default for Interned {
    fn default() -> Self {
        let (found, missing) = (HashMap::default(), Arc::new(Outcome::Missing));
        Self { found, missing, sweep_at: SWEEP_AT_LEAST }
    }
}
