//! Series of connections, and of what the workers do besides calls.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use narrows_gateway::closes::Close;
use narrows_gateway::snapshot::{Snapshot, Targets, Upstream};
use narrows_gateway::stats::{BUCKETS, Counter, UpstreamShard, WorkerStats};

use super::calls::Durations;
use super::text::{Family, Kind, Text};
use super::{NODES_MAX, Sources};

/// Gives nodes their labels; only the first ones get one of their own.
#[derive(Default)]
struct Nodes(BTreeSet<SocketAddr>);

pub(super) fn downstream(text: &mut Text, sources: &Sources<'_>) {
    let mut counts: BTreeMap<(&str, &str, &str), u64> = BTreeMap::new();
    for link in sources.connections.iter().filter(|link| link.side == "downstream") {
        *counts.entry((&link.owner, link.protocol, link.state)).or_default() += 1;
    }
    let help = "Connections of clients, by state.";
    let mut family = text.family("narrows_downstream_connections", Kind::Gauge, help);
    for ((listener, protocol, state), count) in counts {
        let labels = [("listener", listener), ("protocol", protocol), ("state", state)];
        family.sample(&labels, count as f64);
    }
    let workers = sources.workers;
    let mut gauge =
        text.family("narrows_downstream_connections_open", Kind::Gauge, "Connections of clients.");
    gauge.sample(&[], workers.iter().map(|w| w.downstream.get()).sum::<i64>() as f64);
    total(
        text,
        "narrows_downstream_accepted_total",
        "Connections of clients accepted.",
        workers,
        |w| &w.accepted,
    );
    let help = "Connections of clients ended by a protocol error or an abuse limit.";
    total(text, "narrows_downstream_errors_total", help, workers, |w| &w.downstream_errors);
    let help = "Requests that were malformed or over a limit; counted when their connection ends.";
    total(text, "narrows_downstream_rejected_total", help, workers, |w| &w.rejected);
    closes(text, sources);
    let help = "Connections of clients closed at once because of what their source may have.";
    total(text, "narrows_source_refused_total", help, workers, |w| &w.refused_sources);
    let help = "TLS handshakes with clients that failed.";
    total(text, "narrows_tls_handshake_failures_total", help, workers, |w| &w.handshake_failures);
    total(text, "narrows_worker_turns_total", "Turns of the workers' loops.", workers, |w| {
        &w.turns
    });
}

pub(super) fn upstream(text: &mut Text, sources: &Sources<'_>) {
    by_node(text, sources);
    let upstreams = &sources.snapshot.upstreams;
    let mut gauges = |name, help, pick: fn(&UpstreamShard) -> i64| {
        let mut family = text.family(name, Kind::Gauge, help);
        for upstream in upstreams {
            let sum = upstream.stats.shards().iter().map(pick).sum::<i64>();
            family.sample(&[("upstream", &upstream.name)], sum as f64);
        }
    };
    gauges("narrows_upstream_streams_active", "Streams open to nodes.", |shard| {
        shard.streams.get()
    });
    gauges("narrows_upstream_connections_open", "Connections to nodes.", |shard| {
        shard.connections.get()
    });
    let help = "Calls that wait for a connection or a stream.";
    gauges("narrows_upstream_pending_calls", help, |shard| shard.pending.get());
    let mut counters = |name, help, pick: fn(&UpstreamShard) -> u64| {
        let mut family = text.family(name, Kind::Counter, help);
        for upstream in upstreams {
            let sum = upstream.stats.shards().iter().map(pick).sum::<u64>();
            family.sample(&[("upstream", &upstream.name)], sum as f64);
        }
    };
    counters("narrows_upstream_connects_total", "Connections opened.", |shard| {
        shard.connects.get()
    });
    let help = "Connections that could not be opened.";
    counters("narrows_upstream_connect_failures_total", help, |shard| shard.connect_failures.get());
    let help = "Calls sent once more because the node provably did not process them.";
    counters("narrows_replays_total", help, |shard| shard.replays.get());
    let help = "Calls tried once more by the rules of their routes, each time counted.";
    counters("narrows_retries_total", help, |shard| shard.retries.get());
    let help = "Calls that a second node was asked to answer as well.";
    counters("narrows_hedges_total", help, |shard| shard.hedges.get());
    let help =
        "Calls for which a node was chosen among all of a level, as too few of it are in service.";
    counters("narrows_upstream_panic_calls_total", help, |shard| shard.panic_calls.get());
    let help = "Calls that were not tried again because too many others were.";
    counters("narrows_retry_overflow_total", help, |shard| shard.retry_overflows.get());
    let help = "Connections to nodes that ended or never came about, by reason.";
    let mut family = text.family("narrows_upstream_closes_total", Kind::Counter, help);
    for upstream in upstreams {
        let shards = upstream.stats.shards();
        let count = |close| shards.iter().map(|shard| shard.closes.of(close).get()).sum();
        by_reason(&mut family, ("upstream", &upstream.name), count);
    }
    responses(text, upstreams);
}

fn closes(text: &mut Text, sources: &Sources<'_>) {
    let help = "Connections of clients that ended, by reason.";
    let mut family = text.family("narrows_downstream_closes_total", Kind::Counter, help);
    for listener in &sources.snapshot.listeners {
        let shards = listener.stats.shards();
        let count = |close| shards.iter().map(|shard| shard.closes.of(close).get()).sum();
        by_reason(&mut family, ("listener", &listener.name), count);
    }
}

/// One sample for each reason that has come about.
fn by_reason(family: &mut Family<'_>, owner: (&str, &str), count: impl Fn(Close) -> u64) {
    for close in Close::ALL {
        let count = count(*close);
        if count != 0 {
            family.sample(&[owner, ("reason", close.label())], count as f64);
        }
    }
}

pub(super) fn lookups(text: &mut Text, sources: &Sources<'_>) {
    let help = "Lookups of a key: hit (in memory), miss (a store was asked), stale (past its time, the store is away), error.";
    let mut family = text.family("narrows_resolver_lookups_total", Kind::Counter, help);
    let mut sample = |result, pick: fn(&WorkerStats) -> &Counter| {
        let sum = sources.workers.iter().map(|w| pick(w).get()).sum::<u64>();
        family.sample(&[("result", result)], sum as f64);
    };
    sample("hit", |w| &w.lookup_hits);
    sample("miss", |w| &w.lookup_misses);
    sample("stale", |w| &w.lookup_stale);
    sample("error", |w| &w.lookup_errors);
    let mut family = text.family("narrows_store_up", Kind::Gauge, "Whether the store answers.");
    for (name, up) in stores(sources.snapshot) {
        family.sample(&[("store", name)], f64::from(u8::from(up)));
    }
}

/// The stores that upstreams ask, by name.
fn stores(snapshot: &Snapshot) -> BTreeMap<&str, bool> {
    let mut all = BTreeMap::new();
    for upstream in &snapshot.upstreams {
        let store = match &upstream.targets {
            Targets::Lookup(lookup) => Some(&lookup.store),
            Targets::Balanced(balanced) => balanced.rules.sticky.as_ref().map(|it| &it.store),
            Targets::Asked(_) => None,
        };
        all.extend(store.map(|store| (&*store.name, store.is_up())));
    }
    all
}

fn by_node(text: &mut Text, sources: &Sources<'_>) {
    let mut nodes = Nodes::default();
    let mut counts: BTreeMap<(&str, String, &str), u64> = BTreeMap::new();
    let mut waiting: BTreeMap<(&str, String), u64> = BTreeMap::new();
    for link in sources.connections.iter().filter(|link| link.side == "upstream") {
        let node = nodes.label(link.peer);
        *waiting.entry((&link.owner, node.clone())).or_default() += link.pending_bytes as u64;
        let state = if link.state == "open" && link.streams == 0 { "idle" } else { link.state };
        *counts.entry((&link.owner, node, state)).or_default() += 1;
    }
    let help = "Connections to nodes, by state.";
    let mut family = text.family("narrows_upstream_connections", Kind::Gauge, help);
    for ((upstream, node, state), count) in &counts {
        let labels = [("upstream", *upstream), ("node", node.as_str()), ("state", *state)];
        family.sample(&labels, *count as f64);
    }
    let help = "Bytes that nodes have not taken yet.";
    let mut family = text.family("narrows_upstream_pending_write_bytes", Kind::Gauge, help);
    for ((upstream, node), bytes) in &waiting {
        family.sample(&[("upstream", *upstream), ("node", node.as_str())], *bytes as f64);
    }
}

fn responses(text: &mut Text, upstreams: &[Arc<Upstream>]) {
    let help = "From the end of the request to the head of the reply.";
    let mut family = text.family("narrows_upstream_response_seconds", Kind::Histogram, help);
    for upstream in upstreams {
        let mut sum = Durations::default();
        for shard in upstream.stats.shards() {
            sum.add(&shard.response);
        }
        family.histogram(
            &[("upstream", &upstream.name)],
            &BUCKETS,
            sum.counts(),
            sum.sum_seconds(),
        );
    }
}

fn total(
    text: &mut Text,
    name: &str,
    help: &str,
    workers: &[Arc<WorkerStats>],
    pick: impl Fn(&WorkerStats) -> &Counter,
) {
    let sum = workers.iter().map(|worker| pick(worker).get()).sum::<u64>();
    text.family(name, Kind::Counter, help).sample(&[], sum as f64);
}

// === impl Nodes ===

impl Nodes {
    fn label(&mut self, node: SocketAddr) -> String {
        if self.0.len() < NODES_MAX {
            self.0.insert(node);
        }
        if self.0.contains(&node) { node.to_string() } else { "other".to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_past_the_limit_shares_a_label() {
        let mut nodes = Nodes::default();
        let node = |at: usize| SocketAddr::from(([10, 0, (at / 256) as u8, (at % 256) as u8], 1));
        for at in 0..NODES_MAX {
            assert_eq!(nodes.label(node(at)), node(at).to_string());
        }
        assert_eq!(nodes.label(node(NODES_MAX)), "other");
        assert_eq!(nodes.label(node(0)), "10.0.0.0:1");
    }
}
