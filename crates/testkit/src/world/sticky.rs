//! Calls of a session go to one node, whatever becomes of the others, and its end has the answer that is configured.

use std::sync::Arc;
use std::time::Duration;

use narrows_gateway::balance::{Balanced, OnGone, Policy, Rules, Sticky};
use narrows_gateway::endpoints::{Duty, Endpoint, Endpoints, Member};
use narrows_gateway::lookup::Store;
use narrows_gateway::outlier::Detection;
use narrows_gateway::route::Template;
use narrows_gateway::snapshot::Targets;
use narrows_wire::Time;

use super::balance::{CALLS, client};
use super::call::{Call, Fate};
use super::{Limits, Plan, World};

/// How long the node of a session is away, and how long calls wait for it.
const AWAY: Duration = Duration::from_secs(2);
/// How long a session is remembered that soon has to be remembered anew.
const BRIEF: Duration = Duration::from_millis(40);

#[test]
fn calls_of_a_session_go_to_one_node() {
    let world = run(start(three, sticky_fail), |_| {});
    assert_eq!(ok(&world), CALLS);
    assert_eq!(busy_nodes(&world), 1);
    assert_eq!(world.control.touches, 0, "it was pinned a moment ago");
}

#[test]
fn calls_make_a_pin_last_longer_once_in_a_quarter_of_its_time() {
    let world = run(start(three, sticky_briefly), |_| {});
    assert_eq!(ok(&world), CALLS);
    let quarters = world.net.now().as_nanos() / (BRIEF / 4).as_nanos() as u64;
    let touches = world.control.touches as u64;
    assert!((1..=quarters).contains(&touches), "{touches} in {quarters} quarters");
}

/// The others come and go; the pin is read from the store again and again meanwhile.
#[test]
fn a_session_stays_when_others_leave() {
    let world = run(start(three, sticky_fail), |world| {
        let pinned = pinned(world);
        for endpoint in endpoints(world).iter().filter(|it| !Arc::ptr_eq(it, &pinned)) {
            endpoint.set_duty(Duty::Draining, Time::ZERO);
        }
    });
    assert_eq!((ok(&world), busy_nodes(&world)), (CALLS, 1));
}

#[test]
fn a_session_fails_when_its_node_is_gone_and_the_rule_says_so() {
    let world = run(start(three, sticky_fail), |world| {
        pinned(world).set_duty(Duty::Draining, Time::ZERO);
    });
    assert_eq!(busy_nodes(&world), 1);
    let last = &world.clients[0].calls()[CALLS as usize - 1];
    assert_eq!(last.fate, Some(Fate::Status(14)));
    assert!(last.message.contains("the node of the session is gone"), "{}", last.message);
}

#[test]
fn a_session_moves_when_its_node_is_gone_and_the_rule_says_so() {
    let world = run(start(three, sticky_rebalance), |world| {
        pinned(world).set_duty(Duty::Draining, Time::ZERO);
    });
    assert_eq!((ok(&world), busy_nodes(&world)), (CALLS, 2));
}

#[test]
fn a_session_waits_for_its_node_and_no_longer_than_the_rule_says() {
    let away = |world: &mut World| {
        let pinned = pinned(world);
        pinned.set_duty(Duty::Draining, Time::ZERO);
        pinned
    };
    let mut world = start(three, sticky_wait);
    step_until_half(&mut world);
    let pinned = away(&mut world);
    let back = world.net.now() + AWAY;
    while !world.is_done() {
        if world.net.now() >= back {
            pinned.set_duty(Duty::Serving, world.net.now());
        }
        world.step();
    }
    assert_eq!((ok(&world), busy_nodes(&world)), (CALLS, 1));

    let world = run(start(three, sticky_wait), |world| drop(away(world)));
    assert!(ok(&world) < CALLS);
    let last = &world.clients[0].calls()[CALLS as usize - 1];
    assert!(last.message.contains("the node of the session is gone"), "{}", last.message);
}

/// The first choice can not be reached: the session moves, once.
#[test]
fn a_session_moves_when_its_node_can_not_be_reached_and_the_rule_says_so() {
    let world = run(start(mostly_dead, sticky_rebalance), |_| {});
    assert_eq!((ok(&world), busy_nodes(&world)), (CALLS, 1));
    let world = run(start(mostly_dead, sticky_fail), |_| {});
    assert_eq!((ok(&world), busy_nodes(&world)), (0, 0));
    // Once it has failed often enough it is ejected, and not tried any more.
    let calls = world.clients[0].calls();
    let said = |words: &str| calls.iter().filter(|call| call.message.contains(words)).count();
    let (unreached, gone) = (said("the node can not be reached"), said("of the session is gone"));
    assert!(unreached > 0 && unreached + gone == CALLS as usize, "{unreached}, {gone}");
}

fn start(balanced: fn() -> Balanced, sticky: fn(&Arc<Store>) -> Sticky) -> World {
    let limits = Limits { balanced: Some(balanced), sticky: Some(sticky), ..Limits::default() };
    let mut world = World::new(1, Plan { limits, ..Plan::default() });
    world.clients = vec![client()];
    world
}

/// Runs all calls; `meanwhile` happens when half of them are done.
fn run(mut world: World, meanwhile: impl FnOnce(&mut World)) -> World {
    step_until_half(&mut world);
    meanwhile(&mut world);
    while !world.is_done() {
        world.step();
    }
    world.settle();
    world.check_census();
    assert!(world.wrong.is_empty(), "{:?}", world.wrong);
    world
}

fn step_until_half(world: &mut World) {
    let is_half = |world: &World| {
        let calls = world.clients[0].calls();
        calls.iter().filter(|call| call.fate.is_some()).count() as u64 >= CALLS / 2
    };
    while !is_half(world) {
        world.step();
    }
}

fn ok(world: &World) -> u64 {
    let is_ok = |call: &&Call| call.fate == Some(Fate::Status(0));
    world.clients[0].calls().iter().filter(is_ok).count() as u64
}

fn busy_nodes(world: &World) -> usize {
    world.nodes.iter().filter(|node| node.calls > 0).count()
}

fn endpoints(world: &World) -> Vec<Arc<Endpoint>> {
    let Targets::Balanced(balanced) = &world.snapshot.upstreams[0].targets else {
        unreachable!("the upstream of the test is a set");
    };
    balanced.endpoints.entries().iter().map(|entry| entry.endpoint.clone()).collect()
}

/// The node that has the calls.
fn pinned(world: &World) -> Arc<Endpoint> {
    let at = world.nodes.iter().position(|node| node.calls > 0).expect("half of the calls");
    endpoints(world)[at].clone()
}

fn sticky_fail(store: &Arc<Store>) -> Sticky {
    sticky(store, OnGone::Fail)
}

fn sticky_briefly(store: &Arc<Store>) -> Sticky {
    Sticky { ttl: BRIEF, ..sticky(store, OnGone::Fail) }
}

fn sticky_wait(store: &Arc<Store>) -> Sticky {
    sticky(store, OnGone::Wait(2 * AWAY))
}

fn sticky_rebalance(store: &Arc<Store>) -> Sticky {
    sticky(store, OnGone::Rebalance)
}

fn sticky(store: &Arc<Store>, on_gone: OnGone) -> Sticky {
    Sticky {
        store: store.clone(),
        key: Template::parse("sticky/nodes/{header.jobid}").expect("a template"),
        cookie: None,
        ttl: Duration::from_secs(3600),
        budget: Duration::from_millis(500),
        on_gone,
    }
}

fn three() -> Balanced {
    set((0..3).map(|at| (format!("10.0.0.{at}:50051"), 1)))
}

fn mostly_dead() -> Balanced {
    set([("10.0.1.1:1".to_owned(), 1000), ("10.0.0.0:50051".to_owned(), 1)].into_iter())
}

fn set(nodes: impl Iterator<Item = (String, u32)>) -> Balanced {
    let endpoints = Arc::new(Endpoints::new(1));
    let member = |(target, weight): (String, u32)| Member {
        target: Arc::new(target.parse().expect("a target")),
        weight,
        priority: 0,
        labels: Default::default(),
    };
    endpoints.replace(nodes.map(member).collect(), Time::ZERO);
    let (policy, rules, outliers) = (Policy::RoundRobin, Rules::default(), Detection::default());
    Balanced { endpoints, policy, rules, outliers, slow_start: None }
}
