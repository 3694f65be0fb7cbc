//! What came of checks, for metrics and the admin listener.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use narrows_gateway::endpoints::Health;
use narrows_wire::Time;

/// What is known of all nodes that are checked.
#[derive(Debug, Default)]
pub struct Board(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    nodes: BTreeMap<(Arc<str>, String), Last>,
    counts: BTreeMap<Arc<str>, Counts>,
}

/// The last check of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Last {
    /// Why it failed, in words; `None`: it passed.
    pub failure: Option<String>,
    /// When.
    pub at: Time,
    /// What the node is taken for.
    pub health: Health,
}

/// Checks of an upstream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Those that passed.
    pub passed: u64,
    /// Those that failed.
    pub failed: u64,
}

// === impl Board ===

impl Board {
    /// The last check of a node, if it is checked.
    pub fn last(&self, upstream: &Arc<str>, node: &str) -> Option<Last> {
        self.entries().nodes.get(&(upstream.clone(), node.to_owned())).cloned()
    }

    /// How many checks each upstream has had.
    pub fn counts(&self) -> Vec<(Arc<str>, Counts)> {
        let entries = self.entries();
        entries.counts.iter().map(|(upstream, counts)| (upstream.clone(), *counts)).collect()
    }

    pub(super) fn note(&self, upstream: &Arc<str>, node: &str, last: Last) {
        let mut entries = self.entries();
        let counts = entries.counts.entry(upstream.clone()).or_default();
        match last.failure {
            None => counts.passed += 1,
            Some(_) => counts.failed += 1,
        }
        entries.nodes.insert((upstream.clone(), node.to_owned()), last);
    }

    /// Forgets upstreams and nodes that are checked no more.
    pub(super) fn retain(&self, is_checked: impl Fn(&Arc<str>, Option<&str>) -> bool) {
        let mut entries = self.entries();
        entries.nodes.retain(|(upstream, node), _| is_checked(upstream, Some(node)));
        entries.counts.retain(|upstream, _| is_checked(upstream, None));
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
