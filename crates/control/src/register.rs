//! The gateway's own entry in a system that knows nodes, so that callers find it as they find any other.
//!
//! The entry lives as long as the gateway does: it hangs on a session (`zookeeper.rs`) or on a lease (`etcd.rs`),
//! is written again when either was lost, and is removed before the listeners close. While the system is away the
//! gateway serves as ever; only its entry may end. Invariant: an entry of somebody else is never removed.

mod etcd;
mod zookeeper;

use std::convert::Infallible;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot::{self, error::RecvError};
use tokio::task::JoinHandle;

pub use self::etcd::EtcdKey;
pub use self::zookeeper::ZookeeperNode;

/// How long a removal may take. The entry ends by itself later, so an end does not wait for longer.
pub const REMOVAL_TIMEOUT: Duration = Duration::from_secs(2);

/// Where the entry is. Equal options are the same entry.
#[derive(Debug, Clone, PartialEq)]
pub enum RegisterOptions {
    /// An ephemeral node in ZooKeeper.
    Zookeeper(ZookeeperNode),
    /// A key with a lease in etcd.
    Etcd(EtcdKey),
}

/// The entry that there is to be now, if any.
#[derive(Debug, Default)]
pub struct Register(Mutex<Option<Registration>>);

/// The entry, kept up by a task. Dropped, it is left to end by itself.
#[derive(Debug)]
struct Registration {
    options: RegisterOptions,
    up: Arc<Up>,
    end: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// Whether the entry is there, as far as is known.
#[derive(Debug)]
struct Up {
    place: String,
    up: AtomicBool,
    /// Told once for each outage.
    told: AtomicBool,
}

// === impl Register ===

impl Register {
    /// Has this entry from now on, or none. One that is the same stays; another one is removed first. Must run within
    /// a tokio runtime.
    pub async fn follow(&self, wanted: Option<&RegisterOptions>) {
        let before = {
            let mut entry = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if entry.as_ref().map(|entry| &entry.options) == wanted {
                return;
            }
            entry.take()
        };
        if let Some(before) = before {
            before.end().await;
        }
        let entry = wanted.cloned().map(Registration::start);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = entry;
    }

    /// Whether the entry is there, as far as is known; `None`: there is to be none.
    pub fn is_up(&self) -> Option<bool> {
        let entry = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entry.as_ref().map(|entry| entry.up.up.load(Ordering::Relaxed))
    }
}

// === impl Registration ===

impl Registration {
    fn start(options: RegisterOptions) -> Self {
        let (end, ended) = oneshot::channel();
        let (up, told) = (AtomicBool::new(false), AtomicBool::new(false));
        let up = Arc::new(Up { place: options.to_string(), up, told });
        let task = tokio::spawn(run(options.clone(), up.clone(), ended));
        Self { options, up, end, task }
    }

    /// Removes the entry, or leaves it to end by itself if that takes too long.
    async fn end(self) {
        // A task that has ended can not be told.
        let _ = self.end.send(());
        let place = &self.up.place;
        match tokio::time::timeout(REMOVAL_TIMEOUT, self.task).await {
            Ok(_) => tracing::info!(place, "no longer registered"),
            Err(_) => {
                tracing::warn!(place, "the registration can not be removed; it ends by itself")
            }
        }
    }
}

async fn run(options: RegisterOptions, up: Arc<Up>, ended: oneshot::Receiver<()>) {
    match options {
        RegisterOptions::Zookeeper(at) => {
            let mut held = zookeeper::Held::default();
            if until(ended, zookeeper::keep(&at, &mut held, &up)).await.is_ok() {
                zookeeper::remove(&at, &held).await;
            }
        }
        RegisterOptions::Etcd(at) => {
            let mut held = None;
            if until(ended, etcd::keep(&at, &mut held, &up)).await.is_ok() {
                etcd::remove(&at, held).await;
            }
        }
    }
}

/// Works until it is told to end. An error: whoever would tell has gone.
async fn until(
    ended: oneshot::Receiver<()>,
    work: impl Future<Output = Infallible>,
) -> Result<(), RecvError> {
    tokio::select! {
        ended = ended => ended,
        never = work => match never {},
    }
}

// === impl Up ===

impl Up {
    /// The entry is there.
    fn is_there(&self) {
        self.told.store(false, Ordering::Relaxed);
        if !self.up.swap(true, Ordering::Relaxed) {
            tracing::info!(place = self.place, "registered");
        }
    }

    /// It is not, or nobody knows.
    fn is_away(&self, why: impl fmt::Display) {
        self.up.store(false, Ordering::Relaxed);
        if !self.told.swap(true, Ordering::Relaxed) {
            tracing::warn!(place = self.place, %why, "the gateway is not registered for now");
        }
    }
}

impl fmt::Display for RegisterOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zookeeper(at) => write!(f, "zookeeper {}", at.path()),
            Self::Etcd(at) => write!(f, "etcd {}", at.key()),
        }
    }
}
