//! Which node runs a job: the tables that workers read and the control plane fills.
//!
//! Reading takes no lock and does no I/O. A store that holds everything in memory (embedded) is
//! *complete*: what is not in its table does not exist. A remote store (Redis) is a cache: what is not in
//! the table is asked for once by the control plane while the exchange is parked.
//! Invariant: a worker never writes to a table.

mod table;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use narrows_wire::Time;

use crate::target::Target;
pub use table::Table;

/// What a store says of a key.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// The job runs there.
    Found(Arc<Target>),
    /// The store does not know the key.
    Missing,
    /// The value is not a target; says which and why, naming the key.
    Malformed(Arc<str>),
}

/// An entry to put into a [`Table`].
#[derive(Debug, Clone)]
pub struct Cached {
    /// What the store said.
    pub outcome: Outcome,
    /// Until when it holds without asking again. For a complete store: until when it exists.
    pub fresh_until: Time,
}

/// An entry as a reader of a [`Table`] sees it. Equal targets are one and the same `Arc`.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'t> {
    /// What the store said.
    pub outcome: &'t Outcome,
    /// As in [`Cached`], rounded up to a millisecond.
    pub fresh_until: Time,
}

/// A store as a worker sees it.
#[derive(Debug)]
pub struct Store {
    /// Its name in the configuration.
    pub name: Box<str>,
    /// What is known of its keys.
    pub table: Table,
    /// Whether the table holds everything, so that nothing needs to be asked.
    pub complete: bool,
    up: AtomicBool,
}

// === impl Store ===

impl Store {
    /// A store with an empty table.
    pub fn new(name: &str, complete: bool) -> Self {
        Self { name: name.into(), table: Table::new(), complete, up: AtomicBool::new(complete) }
    }

    /// Whether the store answers. While it does not, entries past their time are still served.
    pub fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    /// Tells workers whether the store answers.
    pub fn set_up(&self, up: bool) {
        self.up.store(up, Ordering::Relaxed);
    }
}
