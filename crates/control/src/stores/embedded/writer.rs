//! The one thread that changes an embedded store.
//!
//! It takes every change that waits, makes them durable in one commit, then shows them to workers in the
//! same order, then answers. So a hundred callers share the cost of one flush to the disk, and no worker
//! ever sees what a crash could take back. The thread ends when the last sender is gone.

use std::sync::Arc;

use narrows_gateway::clock;
use narrows_gateway::lookup::Store;
use narrows_gateway::target::Target;
use tokio::sync::{mpsc, oneshot};

use super::ChangeError;
use super::file::{File, cached, wall_seconds};

/// Changes in one commit.
const COMMIT_CHANGES_MAX: usize = 1024;
/// Entries whose time has passed that one commit removes.
const PURGED_ENTRIES_MAX: usize = 4096;

/// A change of one key.
#[derive(Debug)]
pub(super) enum Change {
    Set {
        key: Box<[u8]>,
        target: Arc<Target>,
        expires: Option<u64>,
    },
    Remove {
        key: Box<[u8]>,
    },
    /// As `Set`, unless there is another target that has not ended and that `replaces` does not name.
    Pin {
        key: Box<[u8]>,
        target: Arc<Target>,
        replaces: Option<Arc<Target>>,
        expires: u64,
    },
}

/// Work for the thread.
#[derive(Debug)]
pub(super) enum Request {
    /// Answered with whether the key was there before; for a pin, whether what was there before stays.
    Change { change: Change, done: Done },
    /// Remove what has ended.
    Purge,
}

type Done = oneshot::Sender<Result<bool, ChangeError>>;

// === impl Change ===

impl Change {
    pub(super) fn key(&self) -> &[u8] {
        match self {
            Self::Set { key, .. } | Self::Remove { key } | Self::Pin { key, .. } => key,
        }
    }

    pub(super) fn expires(&self) -> Option<u64> {
        match self {
            Self::Set { expires, .. } => *expires,
            Self::Remove { .. } => None,
            Self::Pin { expires, .. } => Some(*expires),
        }
    }
}

/// Starts the thread.
pub(super) fn start(
    store: Arc<Store>,
    file: Arc<File>,
    mut requests: mpsc::Receiver<Request>,
) -> std::io::Result<()> {
    let name = format!("store-{}", store.name);
    std::thread::Builder::new().name(name).spawn(move || {
        while let Some(first) = requests.blocking_recv() {
            let mut changes = Vec::new();
            let mut purge = take(first, &mut changes);
            while changes.len() < COMMIT_CHANGES_MAX
                && let Ok(next) = requests.try_recv()
            {
                purge |= take(next, &mut changes);
            }
            commit(&store, &file, changes);
            if purge {
                remove_ended(&store, &file);
            }
        }
    })?;
    Ok(())
}

/// Sorts a request; says whether it asks for a purge.
fn take(request: Request, changes: &mut Vec<(Change, Done)>) -> bool {
    match request {
        Request::Change { change, done } => {
            changes.push((change, done));
            false
        }
        Request::Purge => true,
    }
}

fn commit(store: &Store, file: &File, changes: Vec<(Change, Done)>) {
    if changes.is_empty() {
        return;
    }
    match file.commit(&changes.iter().map(|(change, _)| change).collect::<Vec<_>>()) {
        Ok(existed) => {
            for ((change, done), existed) in changes.into_iter().zip(existed) {
                show(store, change, existed);
                // The caller may have stopped waiting; the change stands all the same.
                let _ = done.send(Ok(existed));
            }
        }
        Err(error) => {
            tracing::error!(store = %store.name, %error, "changes were not made");
            let text: Arc<str> = error.to_string().into();
            for (_, done) in changes {
                let _ = done.send(Err(ChangeError::Storage(text.clone())));
            }
        }
    }
}

fn show(store: &Store, change: Change, existed: bool) {
    match change {
        Change::Set { key, target, expires } => {
            store.table.insert(&key, cached(target, expires, wall_seconds(), clock::now()));
        }
        Change::Pin { .. } if existed => {} // What was there before stays.
        Change::Pin { key, target, expires, .. } => {
            let (wall, now) = (wall_seconds(), clock::now());
            store.table.insert(&key, cached(target, Some(expires), wall, now));
        }
        Change::Remove { key } => {
            store.table.remove(&key);
        }
    }
}

fn remove_ended(store: &Store, file: &File) {
    match file.purge(PURGED_ENTRIES_MAX) {
        Ok(keys) => keys.iter().for_each(|key| {
            store.table.remove(key);
        }),
        Err(error) => tracing::warn!(store = %store.name, %error, "ended entries stay in the file"),
    }
}
