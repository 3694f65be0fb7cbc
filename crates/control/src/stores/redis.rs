//! A store in Redis: a cache that Redis itself keeps up to date.
//!
//! The keys that calls ask for are read once over a few pipelined connections (`lane.rs`). Each connection
//! has Redis track what it read (RESP3 client tracking), so an entry stays fresh until Redis announces a change;
//! then it is read again at once (`fetch.rs`). In steady state nothing is read. `cache.rs` decides what may be
//! believed; `cluster.rs` and `sentinel.rs` know which server to ask. While Redis is away, entries are served as
//! they are. Invariant: a connection that is lost takes the trust in all that it read with it.

mod cache;
mod cluster;
mod connect;
mod fetch;
mod lane;
mod map;
mod options;
mod pin;
mod sentinel;
mod value;
mod watched;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use narrows_gateway::clock;
use narrows_gateway::lookup::{Outcome, Store};
use narrows_wire::Time;
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};

use self::cache::{Begun, Cache, Key};
use self::lane::{Lane, Place};
use self::map::{Layout, Map};
pub use self::options::{
    CONNECTIONS, CONNECTIONS_MAX, KeyTemplate, Node, OptionsError, Password, PrivateKey,
    RedisOptions, TlsOptions, Topology, ValueForm,
};
pub(crate) use self::watched::{Content, WatchedKey};
use super::{Counts, Reply};

/// Keys that wait to be read again because they changed. What does not fit is read when it is asked for.
const URGENT_KEYS_MAX: usize = 65_536;
/// Keys that wait to be read again because their time ends or their connection was lost.
const BULK_KEYS_MAX: usize = 4096;
/// How often the ends of entries are looked at, as a part of their time to live.
const SWEEPS_PER_TTL: u32 = 8;
/// At least between two looks at the ends of entries.
const SWEEP_INTERVAL_MIN: Duration = Duration::from_millis(20);
/// How often keys that Redis did not know are forgotten.
const FORGET_INTERVAL: Duration = Duration::from_secs(1);

/// A store in Redis. Closes its connections when dropped.
#[derive(Debug)]
pub struct Redis {
    shared: Arc<Shared>,
    tasks: JoinHandle<()>,
}

/// What the tasks of a store share.
#[derive(Debug)]
struct Shared {
    options: RedisOptions,
    cache: Cache,
    layout: watch::Sender<Layout>,
    urgent: mpsc::Sender<Refresh>,
    bulk: mpsc::Sender<Refresh>,
    /// Room for pins that are being written.
    pins: Arc<Semaphore>,
    /// Wakes whoever finds the nodes of a cluster.
    rediscover: Notify,
    /// What is wrong; locked while it is found out whether all connections are up.
    trouble: Mutex<Option<Arc<str>>>,
}

/// A key to be read again if its entry ends by then.
#[derive(Debug)]
struct Refresh {
    key: Key,
    due: Time,
}

// === impl Redis ===

impl Redis {
    /// Makes the store and begins to connect. Must run within a tokio runtime.
    pub fn open(name: &str, options: &RedisOptions) -> Result<Self, OptionsError> {
        options.check()?;
        connect::client(options, &Node::new("localhost", 1)).map_err(OptionsError::Tls)?;
        let store = Arc::new(Store::new(name, false));
        let (urgent, urgent_keys) = mpsc::channel(URGENT_KEYS_MAX);
        let (bulk, bulk_keys) = mpsc::channel(BULK_KEYS_MAX);
        let shared = Arc::new(Shared {
            cache: Cache::new(store, options.ttl, options.negative_ttl, options.max_entries),
            options: options.clone(),
            layout: watch::Sender::new(Layout::Unknown),
            urgent,
            bulk,
            pins: Shared::room_for_pins(),
            rediscover: Notify::new(),
            trouble: Mutex::new(Some("not connected yet".into())),
        });
        let tasks = tokio::spawn(run(shared.clone(), urgent_keys, bulk_keys));
        Ok(Self { shared, tasks })
    }

    /// The store as workers see it.
    pub fn store(&self) -> &Arc<Store> {
        self.shared.cache.store()
    }

    /// What is wrong, in words.
    pub fn trouble(&self) -> Option<String> {
        let trouble = self.shared.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        trouble.as_deref().map(str::to_owned)
    }

    /// What the store has done.
    pub fn counts(&self) -> Counts {
        self.shared.cache.counters().read()
    }

    /// Asks for a key, unless its entry is fresh. However many ask, Redis is asked once.
    pub(super) fn ask(&self, key: Key, reply: Option<Reply>) {
        self.shared.ask(key, reply);
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.tasks.abort();
    }
}

// === impl Shared ===

impl Shared {
    fn ask(self: &Arc<Self>, key: Key, reply: Option<Reply>) {
        if self.cache.want(&key, reply) == Begun::Query {
            tokio::spawn(fetch::one(self.clone(), key));
        }
    }

    fn name(&self) -> &str {
        &self.cache.store().name
    }

    /// Lets workers know whether every connection is up, and people what is wrong.
    fn report(&self) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.layout.borrow().trouble();
        self.cache.store().set_up(now.is_none());
        match (&*trouble, &now) {
            (None, Some(text)) => {
                tracing::warn!(store = self.name(), %text, "store is away; known keys are served");
            }
            (Some(_), None) => tracing::info!(store = self.name(), "store answers"),
            (None, None) | (Some(_), Some(_)) => {}
        }
        *trouble = now;
    }

    /// Redis says that keys have changed; `None`: all of them.
    fn invalidated(&self, redis_key: Option<&[u8]>) {
        let Some(redis_key) = redis_key else { return self.cache.invalidate_all() };
        let Some(key) = self.options.key.key(redis_key) else { return };
        if self.cache.invalidate(key) {
            // If too many wait already, the next call that asks for the key has it read.
            let _ = self.urgent.try_send(Refresh { key: key.into(), due: clock::now() });
        }
    }

    /// A connection was lost: what it read is no longer known to be true.
    async fn distrust(&self, lane: &Lane) {
        self.cache.lose(|| lane.end_epoch());
        for (at, key) in self.keys_of(lane, |_, _| true).iter().enumerate() {
            self.cache.store().table.mark_stale(key);
            // Leaves the thread to others now and then: there may be a million keys.
            if at % 256 == 255 {
                tokio::task::yield_now().await;
            }
        }
    }

    /// A connection was made: reads again what it may know better.
    async fn refill(&self, lane: &Lane) {
        let due = clock::now();
        for key in self.keys_of(lane, |_, end| end <= due) {
            if self.bulk.send(Refresh { key, due }).await.is_err() {
                return;
            }
        }
    }

    /// Reads again what ends soon, so that no call has to wait for it.
    async fn sweep(&self) {
        let due = clock::now() + self.options.ttl / (SWEEPS_PER_TTL / 2);
        if !self.cache.store().is_up() {
            return;
        }
        for key in self.keys(|_, outcome, end| end <= due && !matches!(outcome, Outcome::Missing)) {
            if self.bulk.send(Refresh { key, due }).await.is_err() {
                return;
            }
        }
    }

    fn keys_of(&self, lane: &Lane, keep: impl Fn(&Outcome, Time) -> bool) -> Vec<Key> {
        let Some(map) = self.layout.borrow().map() else { return Vec::new() };
        self.keys(|key, outcome, end| {
            let redis_key = self.options.key.expand(key);
            let its = map.lane_of(&redis_key).is_some_and(|its| std::ptr::eq(&**its, lane));
            its && keep(outcome, end)
        })
    }

    fn keys(&self, keep: impl Fn(&[u8], &Outcome, Time) -> bool) -> Vec<Key> {
        let mut keys = Vec::new();
        self.cache.store().table.for_each(|key, seen| {
            if keep(key, seen.outcome, seen.fresh_until) {
                keys.push(Key::from(key));
            }
        });
        keys
    }
}

/// Everything that a store does by itself. Aborted when the store is dropped.
async fn run(shared: Arc<Shared>, urgent: mpsc::Receiver<Refresh>, bulk: mpsc::Receiver<Refresh>) {
    let mut tasks = JoinSet::new();
    tasks.spawn(fetch::refresh(shared.clone(), urgent, bulk));
    tasks.spawn(keep_fresh(shared.clone()));
    match &shared.options.topology {
        Topology::Standalone(node) => {
            lanes(&shared, &mut tasks, &Place::At(node.clone()));
        }
        Topology::Sentinel { .. } => {
            let map = lanes(&shared, &mut tasks, &Place::Master);
            tasks.spawn(sentinel::watch(shared.clone(), map));
        }
        Topology::Cluster { seeds } => {
            tasks.spawn(cluster::run(shared.clone(), seeds.clone()));
        }
    }
    // None of them ends by itself; a panic in one is a fault of ours that must show.
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            tracing::error!(store = shared.name(), %error, "a task of the store has failed");
        }
    }
}

fn lanes(shared: &Arc<Shared>, tasks: &mut JoinSet<()>, place: &Place) -> Arc<Map> {
    let count = shared.options.connections;
    let lanes: Vec<_> = (0..count).map(|_| Arc::new(Lane::new(place.clone()))).collect();
    let map = Arc::new(Map::of_one_server(lanes));
    shared.layout.send_replace(Layout::Known(map.clone()));
    for lane in map.lanes() {
        tasks.spawn(lane::run(lane.clone(), shared.clone()));
    }
    map
}

async fn keep_fresh(shared: Arc<Shared>) {
    let mut forget = tokio::time::interval(FORGET_INTERVAL);
    let between = (shared.options.ttl / SWEEPS_PER_TTL).max(SWEEP_INTERVAL_MIN);
    let mut sweep = tokio::time::interval(between);
    for interval in [&mut forget, &mut sweep] {
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    }
    loop {
        tokio::select! {
            _ = forget.tick() => shared.cache.forget_missing(clock::now()),
            _ = sweep.tick() => shared.sweep().await,
        }
    }
}

/// A number from 0 to 1, for jitter.
fn random_fraction() -> f64 {
    RandomState::new().build_hasher().finish() as f64 / u64::MAX as f64
}
