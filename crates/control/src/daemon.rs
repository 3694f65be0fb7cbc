//! The gateway as a process: starts everything, reloads, drains, ends.
//!
//! The control plane lives on a small tokio runtime; the workers are threads of their own and never wait
//! for it. One loop takes signals and the orders of the admin listener in turn, so that two reloads never
//! meet. A configuration that can not be used changes nothing. A worker that has panicked ends the process:
//! what it shares may be sound, but nobody knows what led it there. The others are drained first, so that
//! their calls end well, and the exit code has the supervisor start anew. `state.rs` is what the admin listener
//! reads, `load.rs` how a file becomes a snapshot, `notify.rs` talks to systemd.

mod certificates;
mod directory;
mod error;
mod load;
pub mod logging;
mod nodes;
mod notify;
mod open;
mod phase;
mod port;
mod refreshes;
mod state;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use narrows_gateway::control::{ControlPort, WorkerFailure};
use narrows_gateway::runtime::{self, Running};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub use error::{RunError, StartError};
pub use load::{Applied, Current};
pub(crate) use open::OpenStores;
pub use state::{Order, Refused, Shared};

use crate::access_log::AccessLog;
use crate::compile::{self, Previous, worker_count};
use crate::config::{Fault, Loaded, Severity};
use crate::discovery::Discovery;
use crate::signals::{Request, Signals};
use crate::stores::Stores;
use crate::stores::jobs::{self, QUEUED_JOBS_MAX};
use crate::{admin, health};
use directory::state_directory;
use notify::State;
use phase::Phase;
use port::Port;
use state::Known;

/// Threads of the control plane.
const CONTROL_THREADS: usize = 2;

/// Between two looks whether the workers have ended.
const WATCH_INTERVAL: Duration = Duration::from_millis(20);

/// A running gateway. Ends when told to; dropped earlier, it stops at once.
#[derive(Debug)]
pub struct Daemon {
    shared: Arc<Shared>,
    orders: mpsc::Receiver<Order>,
    failures: mpsc::Receiver<WorkerFailure>,
    failed: Option<WorkerFailure>,
    running: Option<Running>,
    log: Option<AccessLog>,
    admin: Option<(SocketAddr, JoinHandle<()>)>,
    certificates: JoinHandle<()>,
    refreshes: JoinHandle<()>,
    nodes: JoinHandle<()>,
    checks: JoinHandle<()>,
    path: PathBuf,
    previous: Previous,
}

/// Runs the gateway until it is told to end. Prints its log to stderr.
pub fn run(path: &Path) -> Result<(), RunError> {
    let loaded = compile::load(path).map_err(StartError::Config)?;
    logging::init(&loaded.config.log);
    let runtime = control_runtime().map_err(StartError::Start)?;
    let result = runtime.block_on(async {
        // From here on a signal is kept for the loop, also one that comes during a slow start.
        let mut signals = Signals::listen().map_err(StartError::Start)?;
        let mut daemon = Daemon::start(path, loaded).await?;
        daemon.serve(Some(&mut signals)).await.map_err(RunError::Worker)
    });
    // A store that does not answer must not hold up the end.
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

/// The runtime of the control plane.
pub fn control_runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(CONTROL_THREADS)
        .thread_name("control")
        .enable_all()
        .build()
}

// === impl Daemon ===

impl Daemon {
    /// Starts what the configuration describes. All of it runs, or nothing does.
    pub async fn start(path: &Path, loaded: Loaded) -> Result<Self, StartError> {
        Self::start_behind(path, loaded, |port| port).await
    }

    /// The same with something between the workers and the daemon.
    async fn start_behind(
        path: &Path,
        loaded: Loaded,
        between: impl FnOnce(Arc<dyn ControlPort>) -> Arc<dyn ControlPort>,
    ) -> Result<Self, StartError> {
        let workers = worker_count(&loaded.config);
        let stores = Stores::new();
        let previous = Previous::new(workers);
        let (current, previous) =
            load::build(loaded, previous, stores.clone()).await.map_err(StartError::Config)?;
        let discovery = Discovery::new(state_directory(&current.loaded.config));
        discovery.follow(&current.duties.discovered).await;
        let (jobs, queue) = jobs::channel(QUEUED_JOBS_MAX);
        let (port, failures) = Port::new(jobs, workers);
        let port = between(Arc::new(port));
        let snapshot = current.snapshot.clone();
        let mut running = runtime::start(&snapshot, workers, &port).map_err(StartError::Start)?;
        tokio::spawn(queue.run(running.handle.clone(), stores.clone()));
        let (sender, orders) = mpsc::channel(16);
        let records = running.take_records();
        let log =
            AccessLog::start(records, load::access_log(&current)).map_err(StartError::Start)?;
        let known = Known { stores, discovery };
        let shared = Arc::new(Shared::new(&running, current, known, log.stats().clone(), sender));
        let certificates = tokio::spawn(certificates::watch(shared.clone()));
        let refreshes = tokio::spawn(refreshes::follow(shared.clone()));
        let nodes = tokio::spawn(nodes::follow(shared.clone()));
        let source = shared.clone();
        let current = move || source.current().duties.checks.clone();
        let checks = tokio::spawn(health::follow(shared.health.clone(), current));
        let mut daemon = Self {
            shared,
            orders,
            failures,
            failed: None,
            running: Some(running),
            log: Some(log),
            admin: None,
            certificates,
            refreshes,
            nodes,
            checks,
            path: path.to_owned(),
            previous,
        };
        daemon.announce();
        daemon.open_admin().await?;
        daemon.register().await;
        notify::notify(State::Ready);
        Ok(daemon)
    }

    /// What the admin listener reads.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The addresses of the listeners, by name.
    pub fn addresses(&self) -> Vec<(Arc<str>, SocketAddr)> {
        self.running.as_ref().map(Running::addresses).unwrap_or_default()
    }

    /// The address of the admin listener, if there is one.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(|(address, _)| *address)
    }

    /// Follows signals and orders until the workers have ended. An error: one of them began it.
    pub async fn serve(&mut self, mut signals: Option<&mut Signals>) -> Result<(), WorkerFailure> {
        let mut phase = Phase::Serving;
        let mut watch = tokio::time::interval(WATCH_INTERVAL);
        loop {
            tokio::select! {
                request = next(&mut signals) => phase = self.signal(request, phase).await,
                Some(order) = self.orders.recv() => phase = self.order(order, phase).await,
                Some(failure) = self.failures.recv() => phase = self.fail(failure, phase).await,
                _ = watch.tick(), if !matches!(phase, Phase::Serving) => {
                    if self.running.as_ref().is_none_or(Running::is_over) {
                        break;
                    }
                    phase = self.hurry(phase);
                }
            }
        }
        self.finish();
        self.failed.take().map_or(Ok(()), Err)
    }

    fn announce(&self) {
        let current = self.shared.current();
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            config = %self.path.display(),
            hash = %current.hash_text(),
            workers = self.previous.workers(),
            "started"
        );
        current.warn();
        for (listener, address) in self.addresses() {
            tracing::info!(%address, %listener, "listening");
        }
    }

    async fn open_admin(&mut self) -> Result<(), StartError> {
        let admin = self.shared.current().loaded.config.admin.clone();
        if !admin.enabled {
            return Ok(());
        }
        let address = admin.address.0;
        let failed = |error| StartError::Admin { address, error };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        if !address.ip().is_loopback() {
            tracing::warn!(%address, "the admin listener has no password and is not on loopback");
        }
        tracing::info!(%address, "admin");
        let task = tokio::spawn(admin::serve(listener, self.shared.clone()));
        self.admin = Some((address, task));
        Ok(())
    }

    async fn signal(&mut self, request: Request, phase: Phase) -> Phase {
        tracing::info!(signal = ?request, "signal");
        match (request, phase) {
            (Request::Drain, Phase::Serving) => self.drain(None).await,
            (Request::Drain | Request::Stop, phase) => self.stop(phase).await,
            (Request::Reload, Phase::Serving) => {
                let _ = self.reload().await;
                Phase::Serving
            }
            (Request::Reopen, phase) => {
                self.log.iter().for_each(AccessLog::reopen);
                phase
            }
            (Request::Reload, phase) => phase,
        }
    }

    async fn order(&mut self, order: Order, phase: Phase) -> Phase {
        match (order, phase) {
            (Order::Reload(answer), Phase::Serving) => {
                // Whoever asked may have gone.
                let _ = answer.send(self.reload().await.map_err(Refused::Config));
                Phase::Serving
            }
            (Order::Reload(answer), phase) => {
                let _ = answer.send(Err(Refused::Draining));
                phase
            }
            (Order::Drain(grace), Phase::Serving) => self.drain(grace).await,
            (Order::Drain(_), phase) => phase,
            (Order::Stop, phase) => self.stop(phase).await,
        }
    }

    async fn reload(&mut self) -> Result<Applied, Vec<Fault>> {
        notify::notify(State::Reloading);
        let result = self.apply().await;
        match &result {
            Ok(applied) => {
                tracing::info!(hash = %applied.hash, changed = applied.changed, "configuration reloaded");
                self.shared.current().warn();
            }
            Err(faults) => {
                tracing::error!(
                    faults = faults.len(),
                    "the configuration can not be used; the one before stays in force"
                );
                for fault in faults {
                    match fault.severity {
                        Severity::Error => tracing::error!("{fault}"),
                        Severity::Warning => tracing::warn!("{fault}"),
                    }
                }
            }
        }
        self.shared.reloaded(result.is_ok());
        notify::notify(State::Ready);
        result
    }

    async fn apply(&mut self) -> Result<Applied, Vec<Fault>> {
        let path = self.path.clone();
        let stores = self.shared.stores.clone();
        let (current, previous) = load::load(&path, self.previous.clone(), stores).await?;
        let before = self.shared.current();
        self.previous = previous;
        // Before the workers see upstreams whose nodes are not known yet.
        self.shared.discovery.follow(&current.duties.discovered).await;
        self.shared.handle.apply(&current.snapshot);
        if let Some(log) = &self.log {
            log.apply(load::access_log(&current));
        }
        logging::set_level(current.loaded.config.log.level);
        if current.loaded.config.admin != before.loaded.config.admin {
            tracing::warn!("a change of admin takes effect at the next start");
        }
        let applied = current.applied(&before);
        self.shared.use_now(current);
        self.register().await;
        Ok(applied)
    }

    async fn register(&self) {
        self.shared.register.follow(self.shared.current().duties.register.as_ref()).await;
    }

    /// Waits for the workers and writes what is left of the log. The admin listener goes last.
    fn finish(&mut self) {
        if let Some(running) = self.running.take() {
            running.join();
        }
        if let Some(log) = self.log.take() {
            log.finish();
        }
        self.certificates.abort();
        self.refreshes.abort();
        self.nodes.abort();
        self.checks.abort();
        if let Some((_, task)) = self.admin.take() {
            task.abort();
        }
        tracing::info!("ended");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.running.is_some() {
            self.shared.handle.stop();
            self.finish();
        }
    }
}

async fn next(signals: &mut Option<&mut Signals>) -> Request {
    match signals {
        Some(signals) => signals.next().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
