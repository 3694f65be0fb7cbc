//! Calls that are tried again: by the rules of a route, and where a node of a set can not be reached.

use std::sync::Arc;
use std::time::Duration;

use narrows_gateway::balance::{Balanced, Policy, Rules};
use narrows_gateway::endpoints::{Endpoints, Member};
use narrows_gateway::outlier::Detection;
use narrows_gateway::retry::{Conditions, Retry};
use narrows_wire::Time;

use super::call::{Call, Fate, Mode};
use super::client::Client;
use super::limits::make_call;
use super::rng::Rng;
use super::setup::{GATEWAY, client_address};
use super::{Limits, Plan, World};

const PER_TRY: Duration = Duration::from_millis(300);

#[test]
fn a_call_that_fails_by_rule_is_answered_by_another_node() {
    for mode in [Mode::BusyOnce, Mode::ResetOnce, Mode::MuteOnce] {
        let (world, call, life) = outcome(limits(three, Some(rules)), mode);
        assert_eq!(call.fate, Some(Fate::Status(0)), "{mode:?}: {call:?}");
        let took = if mode == Mode::MuteOnce { PER_TRY } else { Duration::ZERO };
        assert!((took..took + PER_TRY).contains(&life), "{mode:?}: {life:?}");
        let most = world.nodes.iter().map(|node| node.calls).max();
        assert_eq!(most, Some(1), "{mode:?}: no node is tried twice");
        let shard = upstream(&world);
        assert_eq!((shard.retries.get(), shard.retrying.get()), (1, 0), "{mode:?}");
    }
}

#[test]
fn without_a_rule_a_call_fails_as_its_node_says() {
    for (mode, fate) in [(Mode::BusyOnce, 14), (Mode::ResetOnce, 13)] {
        let (world, call, _) = outcome(limits(three, None), mode);
        assert_eq!(call.fate, Some(Fate::Status(fate)), "{mode:?}: {call:?}");
        assert_eq!(upstream(&world).retries.get(), 0);
    }
}

#[test]
fn a_node_says_when_it_may_be_called_again_or_that_it_may_not() {
    let (_, call, life) = outcome(limits(three, Some(rules)), Mode::Later);
    assert_eq!(call.fate, Some(Fate::Status(0)), "{call:?}");
    assert!(life >= Duration::from_millis(700), "{life:?}");
    let (world, call, _) = outcome(limits(three, Some(rules)), Mode::KeepOff);
    assert_eq!(call.fate, Some(Fate::Status(14)), "{call:?}");
    assert_eq!(upstream(&world).retries.get(), 0);
}

#[test]
fn a_call_whose_reply_has_begun_is_not_tried_again() {
    let (world, call, _) = outcome(limits(three, Some(rules)), Mode::ResetMidway);
    assert!(matches!(call.fate, Some(Fate::Status(13) | Fate::Reset(_))), "{call:?}");
    assert_eq!(upstream(&world).retries.get(), 0);
}

#[test]
fn nodes_are_tried_no_more_often_than_the_rules_say() {
    let (world, call, _) = outcome(limits(three, Some(rules)), Mode::Mute);
    assert_eq!(call.fate, Some(Fate::Status(4)), "{call:?}");
    let calls: Vec<_> = world.nodes.iter().map(|node| node.calls).collect();
    assert_eq!((upstream(&world).retries.get(), calls), (2, vec![1, 1, 1]));
}

#[test]
fn a_set_takes_calls_as_long_as_one_of_its_nodes_can_be_reached() {
    let (world, call, _) = outcome(limits(dead_first, None), Mode::Echo);
    assert_eq!(call.fate, Some(Fate::Status(0)), "{call:?}");
    assert_eq!(upstream(&world).replays.get(), 1);
    let (_, call, _) = outcome(limits(dead, None), Mode::Echo);
    assert_eq!(call.fate, Some(Fate::Status(14)), "{call:?}");
}

#[test]
fn retries_keep_to_the_budget_of_their_upstream() {
    let limits = limits(three, Some(rules));
    let mut world = World::new(1, Plan { limits, ..Plan::default() });
    world.clients = (1..5).map(|at| crowd(at, Mode::BusyOnce)).collect();
    let mut most = 0;
    while !world.is_done() {
        world.step();
        most = most.max(upstream(&world).retrying.get());
    }
    let calls = world.clients.iter().flat_map(|client| client.calls());
    let failed = calls.filter(|call| call.fate != Some(Fate::Status(0))).count() as u64;
    let shard = upstream(&world);
    assert!(failed > 0 && failed == shard.retry_overflows.get(), "{failed}");
    // A fifth of the calls that nodes can have at once.
    assert!((3..=32).contains(&most), "{most}");
    assert_eq!(shard.retrying.get(), 0);
}

#[test]
fn a_second_node_is_asked_when_the_first_takes_long_and_the_first_to_answer_is_heard() {
    let hedge = Some(Duration::from_millis(50));
    let hedged = Limits { hedge, ..limits(three, None) };
    let (world, call, life) = outcome(hedged, Mode::MuteOnce);
    assert_eq!(call.fate, Some(Fate::Status(0)), "{call:?}");
    assert!((50..150).contains(&life.as_millis()), "{life:?}");
    let shard = upstream(&world);
    assert_eq!((shard.hedges.get(), shard.retrying.get(), shard.streams.get()), (1, 0, 0));
    let (world, call, _) = outcome(hedged, Mode::Echo);
    assert_eq!((call.fate, upstream(&world).hedges.get()), (Some(Fate::Status(0)), 0));
}

#[test]
fn a_second_node_is_heard_when_the_first_fails_while_both_have_the_call() {
    let hedge = Some(Duration::from_millis(50));
    let mut hedges = 0;
    for nodes in [hole_first, hole_last] {
        let (world, call, life) = outcome(Limits { hedge, ..limits(nodes, None) }, Mode::Echo);
        assert_eq!(call.fate, Some(Fate::Status(0)), "{call:?}");
        assert!(life.as_millis() < 150, "{life:?}");
        hedges += upstream(&world).hedges.get();
    }
    // Turns begin at the same place, so one of the two begins with the hole.
    assert_eq!(hedges, 1);
    let mute = Limits { hedge, ..limits(three, None) };
    let (_, call, _) = outcome(mute, Mode::Mute);
    assert_eq!(call.fate, Some(Fate::Status(4)), "{call:?}");
}

fn limits(balanced: fn() -> Balanced, retry: Option<fn() -> Retry>) -> Limits {
    Limits { balanced: Some(balanced), retry, ..Limits::default() }
}

fn rules() -> Retry {
    Retry {
        on: Conditions::UNAVAILABLE.and(Conditions::RESET),
        status_codes: [].into(),
        num_retries: 2,
        per_try_timeout: Some(PER_TRY),
        base_interval: Duration::from_millis(25),
        max_interval: Duration::from_millis(250),
    }
}

/// A client with many calls.
fn crowd(at: usize, mode: Mode) -> Client {
    let call = |n| Call {
        id: at as u64 * 1000 + n,
        mode,
        job: "job-1".into(),
        up: 10,
        down: 10,
        received: 0,
        fate: None,
        message: String::new(),
    };
    let rng = Rng::new(at as u64);
    Client::new(rng, GATEWAY, client_address(at), (0..40).map(call).collect(), false, false)
}

/// A set of the nodes with these addresses.
pub(super) fn set(addresses: &[&str], policy: Policy) -> Balanced {
    let member = |address: &&str| Member {
        target: Arc::new(address.parse().expect("a target")),
        weight: 1,
        priority: 0,
        labels: Default::default(),
    };
    let endpoints = Endpoints::new(1);
    endpoints.replace(addresses.iter().map(member).collect(), Time::ZERO);
    let outliers = Detection::default();
    let (endpoints, rules) = (Arc::new(endpoints), Rules::default());
    Balanced { endpoints, policy, rules, outliers, slow_start: None }
}

fn three() -> Balanced {
    set(&["10.0.0.0:50051", "10.0.0.1:50051", "10.0.0.2:50051"], Policy::RoundRobin)
}

fn dead_first() -> Balanced {
    let set = set(&["10.0.1.1:1", "10.0.0.1:50051"], Policy::RoundRobin);
    // Turns begin anywhere, but hardly at the lightest.
    set.endpoints.entries()[0].endpoint.set_weight(Some(1000));
    set
}

fn hole_first() -> Balanced {
    set(&["10.0.1.2:1", "10.0.0.1:50051"], Policy::RoundRobin)
}

fn hole_last() -> Balanced {
    set(&["10.0.0.1:50051", "10.0.1.2:1"], Policy::RoundRobin)
}

fn dead() -> Balanced {
    set(&["10.0.1.1:1"], Policy::RoundRobin)
}

fn outcome(limits: Limits, mode: Mode) -> (World, Call, Duration) {
    let mut world = World::new(1, Plan { limits, ..Plan::default() });
    let (call, life) = make_call(&mut world, mode, 1000);
    world.settle();
    world.check_census();
    assert!(world.wrong.is_empty(), "{:?}", world.wrong);
    (world, call, life)
}

fn upstream(world: &World) -> &narrows_gateway::stats::UpstreamShard {
    world.snapshot.upstreams[0].stats.shard(0)
}
