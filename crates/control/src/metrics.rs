//! What the gateway counts, as Prometheus text.
//!
//! Everything is read at the scrape: counters straight from the shards of the workers, connections by asking
//! the workers. Labels are bounded: routes, upstreams, and listeners come from the configuration, methods
//! from the workers' bounded set, nodes up to [`NODES_MAX`]. A job id is never a label. Series of routes and
//! upstreams that a reload took away end with it. `text` is the format, `process` the operating system's
//! view, `calls`, `links`, and `nodes` the series.

mod calls;
mod discovery;
mod links;
mod nodes;
mod process;
mod text;

use std::sync::Arc;
use std::time::Duration;

use narrows_gateway::control::ConnectionInfo;
use narrows_gateway::snapshot::Snapshot;
use narrows_gateway::stats::WorkerStats;

use crate::discovery::SourceStatus;
use crate::health::Board;
use crate::reflection::refresh::Refresh;
use text::Kind;
pub use text::{CONTENT_TYPE, Text};

/// Nodes that get series of their own; further ones share the label `other`.
pub const NODES_MAX: usize = 1000;

/// The state of the control plane at the scrape.
#[derive(Debug, Clone, Copy, Default)]
pub struct Condition {
    /// Whether the last attempt to load the configuration succeeded.
    pub reload_ok: bool,
    /// When it last succeeded, since 1970-01-01 UTC.
    pub reloaded_at: Duration,
    /// Whether the gateway is draining.
    pub draining: bool,
    /// Whether the gateway's own entry is there; `None`: it is to have none.
    pub registered: Option<bool>,
    /// Changes of certificate files: taken, and refused.
    pub certificates: [u64; 2],
    /// Changes of files of descriptors: taken, and refused.
    pub descriptors: [u64; 2],
    /// Lines of the access log written.
    pub log_lines: u64,
    /// Lines of the access log lost because they could not be written.
    pub log_lost: u64,
    /// Writes of the access log that failed.
    pub log_errors: u64,
}

/// What a scrape reads.
#[derive(Debug)]
pub struct Sources<'a> {
    /// The configuration in force; its routes and upstreams carry their counters.
    pub snapshot: &'a Snapshot,
    /// One for each worker.
    pub workers: &'a [Arc<WorkerStats>],
    /// What the workers said when asked for their connections.
    pub connections: &'a [ConnectionInfo],
    /// Who asks nodes for their methods.
    pub refreshes: &'a [Arc<Refresh>],
    /// What came of asking nodes whether they are well.
    pub health: &'a Board,
    /// The sources of nodes of each upstream.
    pub discovered: &'a [(Arc<str>, Vec<SourceStatus>)],
    /// The control plane's own.
    pub condition: Condition,
}

/// The whole page.
pub fn render(sources: &Sources<'_>) -> String {
    let mut text = Text::new();
    let routes = sources.snapshot.router.routes().collect::<Vec<_>>();
    calls::routes(&mut text, &routes, sources.workers);
    calls::methods(&mut text, sources.workers);
    links::downstream(&mut text, sources);
    links::upstream(&mut text, sources);
    nodes::render(&mut text, sources);
    links::lookups(&mut text, sources);
    refreshes(&mut text, sources);
    discovery::render(&mut text, sources.discovered);
    condition(&mut text, sources);
    process::render(&mut text, &process::read());
    text.into_string()
}

fn refreshes(text: &mut Text, sources: &Sources<'_>) {
    let help = "Nodes asked for their methods, by result: taken, same (nothing new), failed (those before stay in force).";
    let mut family = text.family("narrows_reflections_total", Kind::Counter, help);
    for refresh in sources.refreshes {
        let counts = refresh.counts();
        for (result, count) in
            [("taken", counts.taken), ("same", counts.same), ("failed", counts.failed)]
        {
            let labels = [("upstream", refresh.upstream()), ("result", result)];
            family.sample(&labels, count as f64);
        }
    }
}

fn condition(text: &mut Text, sources: &Sources<'_>) {
    let now = &sources.condition;
    let mut gauge = |name, help, value: f64| {
        text.family(name, Kind::Gauge, help).sample(&[], value);
    };
    gauge(
        "narrows_config_last_reload_successful",
        "Whether the last load of the configuration succeeded (1) or left the one before in force (0).",
        f64::from(u8::from(now.reload_ok)),
    );
    gauge(
        "narrows_config_last_reload_success_timestamp_seconds",
        "When the configuration in force was loaded.",
        now.reloaded_at.as_secs_f64(),
    );
    // The low 48 bits, so that the number is exact as a double.
    gauge(
        "narrows_config_hash",
        "Differs when the configuration differs; compare it between replicas.",
        (sources.snapshot.hash & 0xffff_ffff_ffff) as f64,
    );
    gauge(
        "narrows_draining",
        "Whether the gateway is draining.",
        f64::from(u8::from(now.draining)),
    );
    if let Some(registered) = now.registered {
        gauge(
            "narrows_registered",
            "Whether the gateway's own entry is there, as far as is known.",
            f64::from(u8::from(registered)),
        );
    }
    let mut changes = |name, help, [taken, refused]: [u64; 2]| {
        text.family(name, Kind::Counter, help)
            .sample(&[("result", "taken")], taken as f64)
            .sample(&[("result", "refused")], refused as f64);
    };
    let help = "Changes of watched certificate files, by result: taken, refused (those before stay in force).";
    changes("narrows_certificate_changes_total", help, now.certificates);
    let help = "Changes of watched files of descriptors, by result: taken, refused (those before stay in force).";
    changes("narrows_descriptor_changes_total", help, now.descriptors);
    let dropped = sources.workers.iter().map(|w| w.log_dropped.get()).sum::<u64>();
    text.family(
        "narrows_log_dropped_total",
        Kind::Counter,
        "Access log records lost, by reason: ring (the log could not keep up), write (the file could not be written).",
    )
    .sample(&[("reason", "ring")], dropped as f64)
    .sample(&[("reason", "write")], now.log_lost as f64);
    text.family("narrows_log_lines_total", Kind::Counter, "Access log lines written.")
        .sample(&[], now.log_lines as f64);
    text.family(
        "narrows_log_write_errors_total",
        Kind::Counter,
        "Failed writes of the access log.",
    )
    .sample(&[], now.log_errors as f64);
    text.family("narrows_build_info", Kind::Gauge, "Always 1; the labels say what runs.")
        .sample(&[("version", env!("CARGO_PKG_VERSION"))], 1.0);
}
