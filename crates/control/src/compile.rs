//! From the configuration as it is written to the snapshot that the data plane uses.
//!
//! Compiling parses instead of validating: what comes out can not be wrong, or every fault comes
//! out at once, each with its place. Certificates are read here, so each reload reads them again;
//! counters and the sessions of clients are carried over from the [`Previous`] snapshot by
//! name, so a reload resets nothing. Invariant: stores are opened last, when nothing else is wrong,
//! so that a bad configuration leaves no trace. See `config.rs` for loading, `explain.rs` for
//! asking a snapshot what it would do.

mod balancing;
mod discovery;
mod explain;
mod filters;
mod forward;
mod forwarding;
mod health;
mod http1;
mod http2;
mod listeners;
mod previous;
mod register;
mod report;
mod retry;
mod routes;
mod sticky;
mod stores;
mod timeouts;
mod tls;
mod transcode;
mod tunnels;
mod upstreams;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use narrows_gateway::route::Router;
use narrows_gateway::snapshot::{AccessLog, Listener, Snapshot};

pub use explain::{Call, Considered, Explanation, TargetExplanation, explain};
pub use previous::Previous;
pub use stores::{DryStores, OpenStoreError, Stores};
pub use tls::{Look, Watch};
pub use transcode::DescriptorWatch;

use crate::config::{self, Config, Draft, Fault, ListenerConfig, Loaded, UpstreamConfig};
use crate::discovery::Wanted;
use crate::health::Checks;
use crate::reflection::refresh::Refresh;
use crate::register::RegisterOptions;
use report::Report;

/// What the control plane does as long as a configuration is in force.
#[derive(Debug, Clone, Default)]
pub struct Duties {
    /// Certificates that change without a reload.
    pub watches: Vec<Arc<Watch>>,
    /// Descriptors that change without a reload.
    pub descriptors: Vec<Arc<DescriptorWatch>>,
    /// Nodes that are asked for their methods.
    pub refreshes: Vec<Arc<Refresh>>,
    /// Nodes that are asked whether they are well.
    pub checks: Vec<Arc<Checks>>,
    /// Upstreams whose nodes come from elsewhere.
    pub discovered: Vec<Wanted>,
    /// Where the gateway registers itself.
    pub register: Option<RegisterOptions>,
}

/// A configuration that can be used.
#[derive(Debug)]
pub struct Compiled {
    /// What workers use.
    pub snapshot: Snapshot,
    /// What somebody should look at.
    pub warnings: Vec<Fault>,
    /// What the control plane does for it.
    pub duties: Duties,
    /// What the next compilation carries over.
    pub next: Previous,
}

/// Reads as [`config::load`] does; if that finds faults, tells also those that compiling finds in
/// the rest, so that one round shows all.
pub fn load(path: &Path) -> Result<Loaded, Vec<Fault>> {
    whole(config::draft(path))
}

/// Compiles a configuration, or tells everything that is wrong with it; warnings are among the
/// faults.
pub fn compile(
    loaded: &Loaded,
    previous: &Previous,
    stores: &mut dyn Stores,
) -> Result<Compiled, Vec<Fault>> {
    let config = &loaded.config;
    let mut report = Report::new(loaded);
    let mut next = Previous::new(previous.workers());
    let Planned { listeners, upstreams: plans, router, register } =
        plan(config, previous, &mut next, &mut report);
    if report.has_errors() {
        return Err(report.into_faults());
    }
    let opened = stores::open(config, stores, &mut report);
    if report.has_errors() {
        return Err(report.into_faults());
    }
    let upstreams = upstreams::finish(plans, &opened, previous, &mut next);
    previous.retire_missing(&next);
    let access_log = match &config.access_log {
        None => AccessLog::Off,
        Some(log) => AccessLog::On { interval: log.interval.duration().unwrap_or(Duration::ZERO) },
    };
    let duties = Duties { register, ..std::mem::take(&mut next.duties) };
    let snapshot = Snapshot { hash: loaded.hash, listeners, router, upstreams, access_log };
    let warnings = report.into_faults();
    Ok(Compiled { snapshot, warnings, duties, next })
}

/// The configuration of a draft, or every fault in it.
fn whole(draft: Draft) -> Result<Loaded, Vec<Fault>> {
    let Draft { loaded: Some(loaded), mut faults } = draft else { return draft.whole() };
    if faults.is_empty() {
        return Ok(loaded);
    }
    let previous = Previous::new(worker_count(&loaded.config));
    let mut report = Report::new(&loaded);
    plan(&loaded.config, &previous, &mut Previous::new(previous.workers()), &mut report);
    faults.append(&mut report.into_faults());
    config::sort(&mut faults);
    Err(faults)
}

/// What is there before any store is open.
struct Planned<'a> {
    listeners: Vec<Arc<Listener>>,
    upstreams: Vec<upstreams::Plan<'a>>,
    router: Router,
    register: Option<RegisterOptions>,
}

fn plan<'a>(
    config: &'a Config,
    previous: &Previous,
    next: &mut Previous,
    report: &mut Report<'_>,
) -> Planned<'a> {
    workers(config, previous, report);
    stores::check(config, report);
    let upstreams = upstreams::plan(config, previous, next, report);
    let mut router = routes::compile(config, previous, next, report);
    let listeners = listeners::compile(config, previous, next, &mut router, report);
    let register = register::compile(config, previous, next, report);
    if report.is_whole() {
        unused(config, report);
    }
    Planned { listeners, upstreams, router, register }
}

/// The number of worker threads that a configuration asks for: one for each core unless it says
/// more.
pub fn worker_count(config: &Config) -> usize {
    match config.workers {
        Some(workers) => workers as usize,
        None => std::thread::available_parallelism().map_or(1, usize::from),
    }
}

fn workers(config: &Config, previous: &Previous, report: &mut Report<'_>) {
    let (wanted, running) = (worker_count(config), previous.workers());
    if wanted != running {
        let message = format!("{running} workers run; {wanted} take effect at the next start");
        report.warn("workers", message);
    }
}

/// What nothing refers to is likely a slip in a name.
fn unused(config: &Config, report: &mut Report<'_>) {
    for name in config.upstreams.keys() {
        let by_route = config.routes.iter().any(|route| route.upstream.as_ref() == Some(name))
            || config.listeners.iter().flat_map(ListenerConfig::upstreams).any(|used| used == name);
        let fallbacks = config.upstreams.values().filter_map(upstreams::fallback);
        if !by_route && !fallbacks.into_iter().any(|fallback| fallback == name) {
            report.warn(format!("upstreams.{name}"), "no route leads to this upstream");
        }
    }
    for name in config.stores.keys() {
        let uses = |upstream: &UpstreamConfig| {
            upstream.lookup.as_ref().is_some_and(|lookup| lookup.store == *name)
                || upstream.sticky.as_ref().is_some_and(|sticky| sticky.store == *name)
        };
        if !config.upstreams.values().any(uses) {
            report.warn(format!("stores.{name}"), "no upstream looks anything up here");
        }
    }
}

#[cfg(test)]
mod tests;
