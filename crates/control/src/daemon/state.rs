//! What the loop of the daemon shares with the admin listener: things to read, and a queue of orders.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use narrows_gateway::clock;
use narrows_gateway::control::Handle;
use narrows_gateway::runtime::Running;
use narrows_gateway::stats::WorkerStats;
use narrows_wire::Time;
use tokio::sync::{Notify, mpsc, oneshot};

use super::load::{Applied, Current};
use crate::access_log::LogStats;
use crate::compile::Look;
use crate::config::Fault;
use crate::discovery::Discovery;
use crate::health::Board;
use crate::metrics::Condition;
use crate::register::Register;
use crate::stores::Stores;

/// Something to be done by the loop of the daemon.
#[derive(Debug)]
pub enum Order {
    /// Load the configuration anew.
    Reload(oneshot::Sender<Result<Applied, Refused>>),
    /// End when open streams have ended, or after this long; `None`: as configured.
    Drain(Option<Duration>),
    /// End now.
    Stop,
}

/// Why a reload did not take place.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Everything that is wrong with the configuration.
    #[error("the configuration can not be used")]
    Config(Vec<Fault>),
    /// It is too late.
    #[error("the gateway is draining")]
    Draining,
}

/// The running gateway as the admin listener sees it.
#[derive(Debug)]
pub struct Shared {
    /// Reaches the workers.
    pub handle: Handle,
    /// The counters of the workers.
    pub workers: Vec<Arc<WorkerStats>>,
    /// The open stores.
    pub stores: Arc<Stores>,
    /// Who knows the nodes of upstreams.
    pub discovery: Arc<Discovery>,
    /// The gateway's own entry elsewhere.
    pub register: Register,
    /// What became of the access log.
    pub log: Arc<LogStats>,
    /// What came of asking nodes whether they are well.
    pub health: Arc<Board>,
    /// The listeners that were opened at the start.
    pub listeners: Vec<(Arc<str>, SocketAddr)>,
    current: ArcSwap<Current>,
    changed: Notify,
    orders: mpsc::Sender<Order>,
    started: Time,
    draining: AtomicBool,
    reload_ok: AtomicBool,
    pub(super) certificates: Changes,
    pub(super) descriptors: Changes,
}

/// What came of changes of files that are watched.
#[derive(Debug, Default)]
pub(super) struct Changes {
    taken: AtomicU64,
    refused: AtomicU64,
}

/// Those whom the control plane asks.
pub(super) struct Known {
    pub(super) stores: Arc<Stores>,
    pub(super) discovery: Arc<Discovery>,
}

// === impl Shared ===

impl Shared {
    pub(super) fn new(
        running: &Running,
        current: Current,
        known: Known,
        log: Arc<LogStats>,
        orders: mpsc::Sender<Order>,
    ) -> Self {
        Self {
            handle: running.handle.clone(),
            workers: running.stats.clone(),
            stores: known.stores,
            discovery: known.discovery,
            register: Register::default(),
            log,
            health: Arc::default(),
            listeners: running.addresses(),
            current: ArcSwap::from_pointee(current),
            changed: Notify::new(),
            orders,
            started: clock::now(),
            draining: AtomicBool::new(false),
            reload_ok: AtomicBool::new(true),
            certificates: Changes::default(),
            descriptors: Changes::default(),
        }
    }

    /// The configuration in force.
    pub fn current(&self) -> Arc<Current> {
        self.current.load_full()
    }

    /// Whether the gateway is about to end.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// How long it has been running.
    pub fn uptime(&self) -> Duration {
        clock::now().since(self.started)
    }

    /// Hands an order to the loop; false: there is none any more.
    pub async fn order(&self, order: Order) -> bool {
        self.orders.send(order).await.is_ok()
    }

    /// For metrics.
    pub fn condition(&self) -> Condition {
        Condition {
            reload_ok: self.reload_ok.load(Ordering::Relaxed),
            reloaded_at: self.current.load().loaded_at,
            draining: self.is_draining(),
            registered: self.register.is_up(),
            certificates: self.certificates.counts(),
            descriptors: self.descriptors.counts(),
            log_lines: self.log.lines(),
            log_lost: self.log.lost(),
            log_errors: self.log.errors(),
        }
    }

    pub(super) fn use_now(&self, current: Current) {
        self.current.store(Arc::new(current));
        self.changed.notify_one();
    }

    /// Waits for the next configuration; for one task alone.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    pub(super) fn set_draining(&self) {
        self.draining.store(true, Ordering::Release);
    }

    pub(super) fn reloaded(&self, ok: bool) {
        self.reload_ok.store(ok, Ordering::Relaxed);
    }
}

// === impl Changes ===

impl Changes {
    /// Counts what a look at files has shown.
    pub(super) fn count(&self, look: Look) {
        match look {
            Look::Same => {}
            Look::Taken => drop(self.taken.fetch_add(1, Ordering::Relaxed)),
            Look::Refused => drop(self.refused.fetch_add(1, Ordering::Relaxed)),
        }
    }

    /// Taken, and refused.
    fn counts(&self) -> [u64; 2] {
        [&self.taken, &self.refused].map(|count| count.load(Ordering::Relaxed))
    }
}
