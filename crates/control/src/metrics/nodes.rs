//! Series of the nodes in the sets of upstreams. A node that has left its set has no series any more.

use std::collections::BTreeMap;

use narrows_gateway::clock;
use narrows_gateway::endpoints::EndpointShard;
use narrows_gateway::endpoints::{Endpoint, Endpoints};
use narrows_gateway::outlier::Reason;
use narrows_gateway::snapshot::Targets;
use narrows_gateway::stats::Counter;

use super::text::{Kind, Text};
use super::{NODES_MAX, Sources};

/// The nodes of all upstreams by upstream and name; those past [`NODES_MAX`] share a name.
type Nodes<'a> = BTreeMap<(&'a str, String), Sums>;

/// What is said of a node, or of several that share a name.
#[derive(Debug, Default)]
struct Sums {
    in_service: u64,
    active: i64,
    calls: u64,
    failures: u64,
}

pub(super) fn render(text: &mut Text, sources: &Sources<'_>) {
    let nodes = nodes(sources);
    let mut series = |name, kind, help, pick: fn(&Sums) -> f64| {
        let mut family = text.family(name, kind, help);
        for ((upstream, node), sums) in &nodes {
            family.sample(&[("upstream", *upstream), ("endpoint", node.as_str())], pick(sums));
        }
    };
    let help = "Whether the node gets new calls (1); of nodes that share a label, how many do.";
    series("narrows_endpoint_in_service", Kind::Gauge, help, |sums| sums.in_service as f64);
    let help = "Calls that the node has now.";
    series("narrows_endpoint_active", Kind::Gauge, help, |sums| sums.active as f64);
    let help = "Calls sent to the node.";
    series("narrows_endpoint_calls_total", Kind::Counter, help, |sums| sums.calls as f64);
    let help = "Calls that the node failed, by the list `failures` of its upstream.";
    series("narrows_endpoint_failures_total", Kind::Counter, help, |sums| sums.failures as f64);
    ejections(text, sources);
    checks(text, sources);
}

fn checks(text: &mut Text, sources: &Sources<'_>) {
    let help = "Checks of nodes, by result: passed, failed.";
    let mut family = text.family("narrows_health_checks_total", Kind::Counter, help);
    for (upstream, counts) in sources.health.counts() {
        for (result, count) in [("passed", counts.passed), ("failed", counts.failed)] {
            family.sample(&[("upstream", &upstream), ("result", result)], count as f64);
        }
    }
}

fn ejections(text: &mut Text, sources: &Sources<'_>) {
    let help = "Nodes left alone for a while because they failed calls, by reason.";
    let mut family = text.family("narrows_ejections_total", Kind::Counter, help);
    for (upstream, endpoints) in sets(sources) {
        for reason in Reason::ALL {
            let labels = [("upstream", upstream), ("reason", reason.word())];
            family.sample(&labels, endpoints.ejections().of(reason) as f64);
        }
    }
}

fn sets<'a>(sources: &'a Sources<'_>) -> impl Iterator<Item = (&'a str, &'a Endpoints)> {
    sources.snapshot.upstreams.iter().filter_map(|upstream| match &upstream.targets {
        Targets::Balanced(balanced) => Some((&*upstream.name, &*balanced.endpoints)),
        Targets::Lookup(_) | Targets::Asked(_) => None,
    })
}

fn nodes<'a>(sources: &'a Sources<'_>) -> Nodes<'a> {
    let now = clock::now();
    let mut nodes = Nodes::new();
    for (upstream, endpoints) in sets(sources) {
        for entry in endpoints.entries().iter() {
            let has_room = nodes.len() < NODES_MAX;
            let name = if has_room { entry.member.target.to_string() } else { "other".to_owned() };
            let sums = nodes.entry((upstream, name)).or_default();
            sums.in_service += u64::from(entry.endpoint.is_in_service(now));
            sums.add(&entry.endpoint);
        }
    }
    nodes
}

// === impl Sums ===

impl Sums {
    fn add(&mut self, endpoint: &Endpoint) {
        let shards = endpoint.shards();
        let sum = |pick: fn(&EndpointShard) -> &Counter| {
            shards.iter().map(|shard| pick(shard).get()).sum::<u64>()
        };
        self.active += shards.iter().map(|shard| shard.active.get()).sum::<i64>();
        self.calls += sum(|shard| &shard.calls);
        self.failures += sum(|shard| &shard.failures);
    }
}
