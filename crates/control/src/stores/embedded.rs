//! A store in one file: nothing to install, everything in memory.
//!
//! The table of the [`Store`] holds every key, so a worker never asks. A change is answered only when it
//! is on the disk, and reaches the table only then: what a caller was told survives a crash. Changes
//! that arrive together share one commit. Invariant: one writer, the thread in `writer.rs`; it alone
//! changes the file and the table. `file.rs` knows what the file looks like.

mod error;
mod file;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use narrows_gateway::clock;
use narrows_gateway::control::{Pin, StoreFailure, Written};
use narrows_gateway::lookup::{Outcome, Store};
use narrows_gateway::target::Target;
use tokio::sync::{mpsc, oneshot};

pub use error::{ChangeError, OpenError};
use file::File;
use writer::{Change, Request};

use super::PinReply;

/// The longest key, in bytes.
pub const KEY_BYTES_MAX: usize = 1024;
/// The most entries that [`Embedded::list`] returns at once.
pub const LIST_ENTRIES_MAX: usize = 10_000;
/// Changes that wait for the writer; more callers wait for a place in this queue.
const QUEUED_CHANGES_MAX: usize = 4096;
/// Between two looks for entries whose time has passed.
const PURGE_INTERVAL: Duration = Duration::from_secs(1);

/// A store that lives in one file.
#[derive(Debug)]
pub struct Embedded {
    store: Arc<Store>,
    file: Arc<File>,
    writer: mpsc::Sender<Request>,
    purge: tokio::task::JoinHandle<()>,
}

/// What a store holds for a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: Box<[u8]>,
    /// The target, as text.
    pub target: Box<str>,
    /// When it ends, in seconds since 1970; `None`: never.
    pub expires: Option<u64>,
}

// === impl Embedded ===

impl Embedded {
    /// Opens or creates the file and loads all of it. Takes seconds for millions of keys: call it where
    /// blocking is allowed. Must run within a tokio runtime.
    pub fn open(name: &str, path: &Path) -> Result<Self, OpenError> {
        let store = Arc::new(Store::new(name, true));
        let file = Arc::new(File::open(path, &store.table)?);
        let (writer, requests) = mpsc::channel(QUEUED_CHANGES_MAX);
        writer::start(store.clone(), file.clone(), requests)
            .map_err(|source| OpenError::Io { path: path.to_owned(), source })?;
        let purge = tokio::spawn(purge(writer.clone()));
        Ok(Self { store, file, writer, purge })
    }

    /// The store as workers see it.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// The file.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Transactions made durable since the file was opened. Each carries one change or many.
    pub fn commits(&self) -> u64 {
        self.file.commits()
    }

    /// Sets the target of a key, for good or for a time. Returns when it is on the disk and workers use it.
    pub async fn set(
        &self,
        key: &[u8],
        target: &str,
        time_to_live: Option<Duration>,
    ) -> Result<(), ChangeError> {
        check_key(key)?;
        let target = target
            .parse::<Target>()
            .map_err(|error| ChangeError::Target { text: target.to_owned(), error })?;
        let expires = match time_to_live {
            Some(time) if time < Duration::from_secs(1) => return Err(ChangeError::TimeToLive),
            Some(time) => Some(file::wall_seconds().saturating_add(time.as_secs())),
            None => None,
        };
        self.change(Change::Set { key: key.into(), target: Arc::new(target), expires }).await?;
        Ok(())
    }

    /// Removes a key. Says whether it was there.
    pub async fn del(&self, key: &[u8]) -> Result<bool, ChangeError> {
        check_key(key)?;
        self.change(Change::Remove { key: key.into() }).await
    }

    /// What is stored for a key. Reads the file; workers read the table instead.
    pub fn get(&self, key: &[u8]) -> Result<Option<Entry>, ChangeError> {
        self.file.get(key).map_err(|error| ChangeError::Storage(error.to_string().into()))
    }

    /// Entries whose keys begin with `prefix`, in the order of their bytes, beginning behind `after`;
    /// at most `limit` and [`LIST_ENTRIES_MAX`].
    pub fn list(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Entry>, ChangeError> {
        self.file
            .list(prefix, after, limit.min(LIST_ENTRIES_MAX))
            .map_err(|error| ChangeError::Storage(error.to_string().into()))
    }

    /// As a worker would see the key.
    pub(crate) fn outcome(&self, key: &[u8]) -> Outcome {
        outcome(&self.store, key)
    }

    /// Pins a session unless it has a node already, and tells `reply` what it has once that is on the disk.
    pub(super) fn pin(&self, key: Box<[u8]>, pin: Pin, reply: Option<PinReply>) {
        let Pin { target, replaces, ttl } = pin;
        let expires = file::wall_seconds().saturating_add(ttl.as_secs().max(1));
        let change = Change::Pin { key: key.clone(), target, replaces, expires };
        let (done, answer) = oneshot::channel();
        if self.writer.try_send(Request::Change { change, done }).is_err() {
            let text = format!("store {}: {QUEUED_CHANGES_MAX} changes wait", self.store.name);
            return super::refuse(reply, text);
        }
        let Some(reply) = reply else { return };
        let store = self.store.clone();
        tokio::spawn(async move {
            reply(match answer.await {
                Ok(Ok(kept)) => {
                    let written = if kept { Written::Before } else { Written::Now };
                    Ok((outcome(&store, &key), written))
                }
                Ok(Err(error)) => Err(StoreFailure(error.to_string().into())),
                Err(_) => Err(super::closed(&store.name)),
            });
        });
    }

    async fn change(&self, change: Change) -> Result<bool, ChangeError> {
        let (done, answer) = oneshot::channel();
        let gone = || ChangeError::Storage("the store is closed".into());
        self.writer.send(Request::Change { change, done }).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.purge.abort();
    }
}

fn outcome(store: &Store, key: &[u8]) -> Outcome {
    let now = clock::now();
    store.table.read(key, |cached| match cached {
        Some(cached) if now < cached.fresh_until => cached.outcome.clone(),
        Some(_) | None => Outcome::Missing,
    })
}

fn check_key(key: &[u8]) -> Result<(), ChangeError> {
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        return Err(ChangeError::Key(key.len()));
    }
    Ok(())
}

async fn purge(writer: mpsc::Sender<Request>) {
    let mut tick = tokio::time::interval(PURGE_INTERVAL);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        if writer.send(Request::Purge).await.is_err() {
            return;
        }
    }
}
