//! How calls of one connection spread over the nodes of a set, and what becomes of a slow node.

use std::sync::Arc;
use std::time::Duration;

use narrows_gateway::balance::{Balanced, Fallback, Policy, Rules, Subset};
use narrows_gateway::endpoints::{Duty, Endpoints, Health, Member};
use narrows_gateway::outlier::Detection;
use narrows_gateway::route::Template;
use narrows_wire::Time;

use super::call::{Call, Fate, Mode};
use super::client::Client;
use super::rng::Rng;
use super::setup::{GATEWAY, client_address};
use super::{Limits, Plan, World};

pub(super) const CALLS: u64 = 600;
/// What a slow node takes more than the others.
const SLOW: Duration = Duration::from_millis(500);

/// A connection lives for hours and carries everything of its caller: it must not stay with one node.
#[test]
fn calls_of_one_connection_spread_by_weight() {
    assert_eq!(counts(|| set(Policy::RoundRobin), Duration::ZERO), [300, 200, 100]);
    for balanced in [|| set(Policy::Random), || set(Policy::LeastRequest(2))] {
        let counts = counts(balanced, Duration::ZERO);
        for (count, expected) in counts.iter().zip([300_u64, 200, 100]) {
            assert!(count.abs_diff(expected) < 60, "{counts:?}");
        }
    }
}

#[test]
fn a_slow_node_gets_far_fewer_calls() {
    let [in_turn, ..] = counts(|| even(Policy::RoundRobin), SLOW);
    assert_eq!(in_turn, CALLS / 3, "turns take no notice");
    let [least, ..] = counts(|| even(Policy::LeastRequest(2)), SLOW);
    assert!(least < CALLS / 8, "{least}");
    let [fastest, ..] = counts(|| even(Policy::PeakEwma), SLOW);
    assert!(fastest < CALLS / 20, "{fastest}");
}

#[test]
fn calls_from_one_network_reach_one_node() {
    assert_eq!(counts(|| set(Policy::IpHash), Duration::ZERO).iter().max(), Some(&CALLS));
}

/// The first two nodes have the label that the callers ask for; the others are for when there is none.
#[test]
fn calls_go_to_the_nodes_with_the_labels_that_they_ask_for() {
    assert_eq!(counts(|| labelled(["job-1", "job-1", "b"]), Duration::ZERO), [300, 300, 0]);
    assert_eq!(counts(|| labelled(["b", "b", "b"]), Duration::ZERO), [200, 200, 200]);
    let world = run(|| strictly(labelled(["b", "b", "b"])), Duration::ZERO);
    let refused = |call: &Call| call.fate == Some(Fate::Status(14));
    assert!(world.clients[0].calls().iter().all(refused));
    let message = &world.clients[0].calls()[0].message;
    assert!(message.contains("the upstream has no endpoint"), "{message}");
}

#[test]
fn a_label_that_has_no_node_in_service_counts_as_none() {
    let balanced = || {
        let set = labelled(["job-1", "b", "b"]);
        set.endpoints.entries()[0].endpoint.set_duty(Duty::Draining, Time::ZERO);
        set
    };
    assert_eq!(counts(balanced, Duration::ZERO), [0, 300, 300]);
}

#[test]
fn nodes_that_fail_their_checks_are_used_only_in_panic() {
    assert_eq!(counts(|| even_failing(1), Duration::ZERO), [0, 300, 300]);
    assert_eq!(counts(|| even_failing(2), Duration::ZERO), [200, 200, 200]);
    assert_eq!(counts(|| calm(even_failing(2)), Duration::ZERO), [0, 0, 600]);
}

#[test]
fn calls_in_panic_are_counted() {
    let counted = |failing: fn() -> Balanced| {
        run(failing, Duration::ZERO).snapshot.upstreams[0].stats.shard(0).panic_calls.get()
    };
    assert_eq!(counted(|| even_failing(1)), 0);
    assert_eq!(counted(|| even_failing(2)), CALLS);
}

/// How many of the calls each node gets; the first one is slower than the others.
fn counts(balanced: fn() -> Balanced, slower: Duration) -> [u64; 3] {
    let world = run(balanced, slower);
    let is_ok = |call: &Call| call.fate == Some(Fate::Status(0));
    assert!(world.clients[0].calls().iter().all(is_ok));
    [0, 1, 2].map(|at| world.nodes[at].calls as u64)
}

fn run(balanced: fn() -> Balanced, slower: Duration) -> World {
    let limits = Limits { balanced: Some(balanced), ..Limits::default() };
    let mut world = World::new(1, Plan { limits, ..Plan::default() });
    world.nodes[0].delay = slower;
    world.clients = vec![client()];
    while !world.is_done() {
        world.step();
    }
    world.settle();
    world.check_census();
    assert!(world.wrong.is_empty(), "{:?}", world.wrong);
    world
}

/// A caller with one connection.
pub(super) fn client() -> Client {
    let call = |id| Call {
        id,
        mode: Mode::Echo,
        job: "job-1".into(),
        up: 10,
        down: 10,
        received: 0,
        fate: None,
        message: String::new(),
    };
    let calls = (0..CALLS).map(call).collect();
    Client::new(Rng::new(1), GATEWAY, client_address(1), calls, false, false)
}

fn set(policy: Policy) -> Balanced {
    weighted([3, 2, 1], policy)
}

fn even(policy: Policy) -> Balanced {
    weighted([1, 1, 1], policy)
}

fn even_failing(count: usize) -> Balanced {
    let set = even(Policy::RoundRobin);
    for entry in set.endpoints.entries().iter().take(count) {
        entry.endpoint.set_health(Health::Failing, Time::ZERO);
    }
    set
}

fn calm(mut balanced: Balanced) -> Balanced {
    balanced.rules.panic_percent = 0;
    balanced
}

fn labelled(jobs: [&str; 3]) -> Balanced {
    let mut set = even(Policy::RoundRobin);
    let mut members: Vec<Member> =
        set.endpoints.entries().iter().map(|entry| entry.member.clone()).collect();
    for (member, job) in members.iter_mut().zip(jobs) {
        member.labels.insert("job".into(), job.into());
    }
    set.endpoints.replace(members, Time::ZERO);
    let template = Template::parse("{header.jobid}").expect("a template");
    let labels = [("job".into(), template)].into();
    set.rules.subset = Some(Subset { labels, fallback: Fallback::Any });
    set
}

fn strictly(mut balanced: Balanced) -> Balanced {
    if let Some(subset) = &mut balanced.rules.subset {
        subset.fallback = Fallback::None;
    }
    balanced
}

fn weighted(weights: [u32; 3], policy: Policy) -> Balanced {
    let member = |(at, weight): (usize, u32)| Member {
        target: Arc::new(format!("10.0.0.{at}:50051").parse().expect("a target")),
        weight,
        priority: 0,
        labels: Default::default(),
    };
    let endpoints = Endpoints::new(1);
    endpoints.replace(weights.into_iter().enumerate().map(member).collect(), Time::ZERO);
    let (endpoints, rules, outliers) =
        (Arc::new(endpoints), Rules::default(), Detection::default());
    Balanced { endpoints, policy, rules, outliers, slow_start: None }
}
