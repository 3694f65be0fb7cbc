//! The stores that know which node runs a job.
//!
//! A store is opened once and lives as long as a configuration names it with the same options: a reload
//! keeps its cache and its connections. `embedded.rs` is a file on this machine, `redis.rs` a cache of a
//! server; both fill the table that workers read. `jobs.rs` takes what workers can not do themselves.
//! Invariant: a store that is slow or away never holds up another one, nor a worker.

pub mod embedded;
mod flights;
pub mod jobs;
mod options;
pub mod redis;
mod resolve;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use narrows_gateway::control::{Pin, StoreFailure, Written};
use narrows_gateway::lookup::{Outcome, Store};
use tokio::sync::oneshot;

use self::embedded::Embedded;
pub use self::options::StoreOptions;
pub(crate) use self::options::redis_options;
use self::redis::Redis;

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file of an embedded store.
    #[error(transparent)]
    Embedded(#[from] embedded::OpenError),
    /// The options of a Redis store.
    #[error(transparent)]
    Redis(#[from] redis::OptionsError),
}

/// All stores that are open.
#[derive(Debug, Default)]
pub struct Stores {
    open: Mutex<Vec<Opened>>,
    opening: Mutex<()>,
}

/// How a store is doing.
#[derive(Debug, Clone)]
pub struct StoreStatus {
    /// Its name in the configuration.
    pub name: String,
    /// `embedded` or `redis`.
    pub kind: &'static str,
    /// Whether it answers.
    pub up: bool,
    /// Keys in its table.
    pub entries: usize,
    /// What is wrong, in words.
    pub detail: Option<String>,
    /// What it has done so far.
    pub counts: Counts,
}

/// What a store has done since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Keys asked for because a call waited.
    pub queries: u64,
    /// Keys asked for again in the background.
    pub refreshes: u64,
    /// Keys that the server said have changed.
    pub invalidations: u64,
    /// Queries that failed.
    pub failures: u64,
    /// Connections made again after a loss.
    pub reconnects: u64,
}

/// Called once with what the store says.
pub(crate) type Reply = Box<dyn FnOnce(Result<Outcome, StoreFailure>) + Send>;

/// Called once with what the store says of a session that was to be pinned.
pub(crate) type PinReply = Box<dyn FnOnce(Result<(Outcome, Written), StoreFailure>) + Send>;

#[derive(Debug)]
struct Opened {
    options: StoreOptions,
    store: Arc<Store>,
    backend: Backend,
    /// False once no current configuration names it; calls that began before may still use it.
    current: bool,
}

#[derive(Debug, Clone)]
enum Backend {
    Embedded(Arc<Embedded>),
    Redis(Arc<Redis>),
}

// === impl Stores ===

impl Stores {
    /// No stores yet.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// The store with these options: the one that is open already, or a new one. Must run within the
    /// control plane's runtime. Blocks while an embedded store is loaded; a Redis store connects in the
    /// background.
    pub fn get_or_open(&self, name: &str, options: &StoreOptions) -> Result<Arc<Store>, OpenError> {
        // Held instead of the list, which those who ask other stores need meanwhile.
        let _one_at_a_time = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = self.reuse(name, options) {
            return Ok(store);
        }
        let backend = match options {
            StoreOptions::Embedded { path } => {
                Backend::Embedded(Arc::new(Embedded::open(name, path)?))
            }
            StoreOptions::Redis(options) => Backend::Redis(Arc::new(Redis::open(name, options)?)),
        };
        let store = backend.store().clone();
        let options = options.clone();
        self.lock().push(Opened { options, store: store.clone(), backend, current: true });
        Ok(store)
    }

    /// Closes stores that are not among these, each as soon as no call uses it any more.
    pub fn retain(&self, in_use: &[Arc<Store>]) {
        let mut open = self.lock();
        for opened in open.iter_mut() {
            opened.current = in_use.iter().any(|store| Arc::ptr_eq(store, &opened.store));
        }
        close_unused(&mut open);
    }

    /// The embedded store with this name.
    pub fn embedded(&self, name: &str) -> Option<Arc<Embedded>> {
        match self.by_name(name)? {
            Backend::Embedded(embedded) => Some(embedded),
            Backend::Redis(_) => None,
        }
    }

    /// What the store with this name says of a key; `None` if there is no such store.
    pub async fn lookup(&self, name: &str, key: &[u8]) -> Option<Result<Outcome, StoreFailure>> {
        let backend = self.by_name(name)?;
        let (send, receive) = oneshot::channel();
        let reply = Box::new(move |result| {
            // Whoever asked may have gone.
            let _ = send.send(result);
        });
        backend.ask(key.into(), Some(reply));
        Some(receive.await.unwrap_or_else(|_| Err(closed(name))))
    }

    /// How every store is doing.
    pub fn status(&self) -> Vec<StoreStatus> {
        let open = self.lock();
        let current = open.iter().filter(|opened| opened.current);
        let mut all: Vec<_> = current.map(|opened| opened.backend.status()).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// Asks a store for a key. What it says goes into its table, and to `reply`.
    pub(crate) fn ask(&self, store: &Arc<Store>, key: Box<[u8]>, reply: Option<Reply>) {
        match (self.backend(store), reply) {
            (Some(backend), reply) => backend.ask(key, reply),
            (None, Some(reply)) => reply(Err(closed(&store.name))),
            (None, None) => {}
        }
    }

    /// Has a store pin a session. What it says of the key then goes to `reply`.
    pub(crate) fn pin(
        &self,
        store: &Arc<Store>,
        key: Box<[u8]>,
        pin: Pin,
        reply: Option<PinReply>,
    ) {
        match (self.backend(store), reply) {
            (Some(Backend::Embedded(embedded)), reply) => embedded.pin(key, pin, reply),
            (Some(Backend::Redis(redis)), reply) => redis.pin(key, pin, reply),
            (None, Some(reply)) => reply(Err(closed(&store.name))),
            (None, None) => {}
        }
    }

    fn backend(&self, store: &Arc<Store>) -> Option<Backend> {
        let open = self.lock();
        let found = open.iter().find(|opened| Arc::ptr_eq(&opened.store, store));
        found.map(|opened| opened.backend.clone())
    }

    fn reuse(&self, name: &str, options: &StoreOptions) -> Option<Arc<Store>> {
        let mut open = self.lock();
        close_unused(&mut open);
        // The file of an embedded store can be open once only, so a new name for it is no reason to
        // open it again.
        let same = |o: &&mut Opened| {
            let renamed = matches!(options, StoreOptions::Embedded { .. });
            o.options == *options && (renamed || *o.store.name == *name)
        };
        let opened = open.iter_mut().find(same)?;
        opened.current = true;
        Some(opened.store.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Opened>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn by_name(&self, name: &str) -> Option<Backend> {
        let open = self.lock();
        let found = open.iter().find(|opened| opened.current && *opened.store.name == *name);
        found.map(|opened| opened.backend.clone())
    }
}

// === impl Backend ===

impl Backend {
    fn store(&self) -> &Arc<Store> {
        match self {
            Self::Embedded(embedded) => embedded.store(),
            Self::Redis(redis) => redis.store(),
        }
    }

    /// How many references to the store the backend itself and the list of open stores hold.
    fn references(&self) -> usize {
        match self {
            // The store, its writer, and the list.
            Self::Embedded(_) => 3,
            // What the tasks share, and the list.
            Self::Redis(_) => 2,
        }
    }

    fn ask(&self, key: Box<[u8]>, reply: Option<Reply>) {
        match (self, reply) {
            (Self::Redis(redis), reply) => redis.ask(key, reply),
            (Self::Embedded(embedded), Some(reply)) => reply(Ok(embedded.outcome(&key))),
            (Self::Embedded(_), None) => {}
        }
    }

    fn status(&self) -> StoreStatus {
        let store = self.store();
        let (kind, detail, counts) = match self {
            Self::Embedded(_) => ("embedded", None, Counts::default()),
            Self::Redis(redis) => ("redis", redis.trouble(), redis.counts()),
        };
        let name = store.name.to_string();
        StoreStatus { name, kind, up: store.is_up(), entries: store.table.len(), detail, counts }
    }
}

/// Closes what no configuration names and no snapshot holds.
fn close_unused(open: &mut Vec<Opened>) {
    let held = |opened: &Opened| Arc::strong_count(&opened.store) > opened.backend.references();
    open.retain(|opened| opened.current || held(opened));
}

/// Tells whoever waits that a session was not pinned.
fn refuse(reply: Option<PinReply>, why: String) {
    if let Some(reply) = reply {
        reply(Err(StoreFailure(why.into())));
    }
}

fn closed(name: &str) -> StoreFailure {
    StoreFailure(format!("store {name} is closed").into())
}
