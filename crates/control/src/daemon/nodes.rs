//! Follows the nodes of upstreams: has workers let go of those that leave, and tells what changes.
//!
//! Whoever changes a set (discovery, checks, operators, the workers themselves) only moves its version. Looking at
//! a version costs a load, so looking often costs nothing; and what a worker may not do, writing to the log at
//! length, is done here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use narrows_gateway::clock;
use narrows_gateway::endpoints::{Endpoint, Endpoints};
use narrows_gateway::snapshot::{Snapshot, Targets};
use narrows_wire::Time;

use super::state::Shared;

/// Between two looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// What was seen of an upstream.
#[derive(Default)]
struct Seen {
    version: Option<u64>,
    /// Until when each node is ejected.
    nodes: BTreeMap<String, Time>,
    /// When the next ejection ends.
    look_at: Option<Time>,
}

/// Looks again and again; never ends.
pub(super) async fn follow(shared: Arc<Shared>) {
    let mut seen = BTreeMap::new();
    let mut interval = tokio::time::interval(LOOK_INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        if look(&shared.current().snapshot, &mut seen, clock::now()) {
            shared.handle.review();
        }
    }
}

/// Whether anything has changed that workers may have to act on.
fn look(snapshot: &Snapshot, seen: &mut BTreeMap<Arc<str>, Seen>, now: Time) -> bool {
    let mut has_changed = false;
    for upstream in &snapshot.upstreams {
        let version = match &upstream.targets {
            Targets::Balanced(balanced) => balanced.endpoints.version(),
            Targets::Lookup(lookup) => lookup.drained.version(),
            Targets::Asked(_) => continue,
        };
        let seen = seen.entry(upstream.name.clone()).or_default();
        let is_new = seen.version.replace(version) != Some(version);
        has_changed |= is_new;
        if let Targets::Balanced(balanced) = &upstream.targets
            && (is_new || seen.look_at.is_some_and(|at| at <= now))
        {
            seen.tell(&upstream.name, &balanced.endpoints, now);
        }
    }
    let is_known = |name: &Arc<str>| snapshot.upstreams.iter().any(|known| known.name == *name);
    seen.retain(|name, _| is_known(name));
    has_changed
}

// === impl Seen ===

impl Seen {
    fn tell(&mut self, upstream: &str, endpoints: &Endpoints, now: Time) {
        let is_first = self.nodes.is_empty();
        let mut nodes = BTreeMap::new();
        for entry in endpoints.entries().iter() {
            let node = entry.member.target.to_string();
            let before = self.nodes.remove(&node);
            if before.is_none() && !is_first {
                tracing::info!(upstream, node, "a node has joined");
            }
            let until = ejection(upstream, &node, &entry.endpoint, before, now);
            nodes.insert(node, until);
        }
        for node in self.nodes.keys() {
            tracing::info!(upstream, node, "a node has left");
        }
        self.look_at = nodes.values().copied().filter(|until| *until > now).min();
        self.nodes = nodes;
    }
}

/// Tells of an ejection that begins or is over; gives its end as far as it lies ahead.
fn ejection(
    upstream: &str,
    node: &str,
    endpoint: &Endpoint,
    before: Option<Time>,
    now: Time,
) -> Time {
    let before = before.unwrap_or(Time::ZERO);
    let until = endpoint.ejected_until();
    if until > now && until > before {
        let (reason, time) = (endpoint.ejected_for().word(), until.since(now));
        tracing::warn!(upstream, node, reason, seconds = time.as_secs(), "a node is ejected");
    }
    if before != Time::ZERO && until <= now {
        tracing::info!(upstream, node, "an ejected node is back");
        return Time::ZERO;
    }
    if until > now { until } else { Time::ZERO }
}

#[cfg(test)]
mod tests {
    use narrows_gateway::endpoints::Member;
    use narrows_gateway::outlier::Reason;

    use super::*;

    fn at(seconds: u64) -> Time {
        Time::ZERO + Duration::from_secs(seconds)
    }

    fn member(text: &str) -> Member {
        let target = Arc::new(text.parse().expect("a target"));
        Member { target, weight: 1, priority: 0, labels: BTreeMap::new() }
    }

    #[test]
    fn an_ejection_is_told_at_its_beginning_and_at_its_end() {
        let endpoints = Endpoints::new(1);
        endpoints.replace(vec![member("a:1"), member("b:1")], at(1));
        let mut seen = Seen::default();
        seen.tell("u", &endpoints, at(2));
        assert_eq!((seen.nodes.len(), seen.look_at), (2, None));
        endpoints.entries()[0].endpoint.eject(at(30), Reason::FailureRatio);
        seen.tell("u", &endpoints, at(3));
        assert_eq!((seen.nodes["a:1"], seen.look_at), (at(30), Some(at(30))));
        seen.tell("u", &endpoints, at(30));
        assert_eq!((seen.nodes["a:1"], seen.look_at), (Time::ZERO, None));
        endpoints.replace(vec![member("b:1")], at(31));
        seen.tell("u", &endpoints, at(31));
        assert_eq!(seen.nodes.keys().collect::<Vec<_>>(), ["b:1"]);
    }
}
