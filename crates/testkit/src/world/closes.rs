//! Why connections end: each reason is brought about on purpose, and counted once, under its own name.

use std::time::Duration;

use narrows_gateway::closes::Close;

use super::call::{Call, Fate, Mode};
use super::client::Client;
use super::rng::Rng;
use super::setup::{GATEWAY, client_address};
use super::{Plan, SETTLE, World};

/// Longer than what a connection may be old, and than anything that is under way.
const LATER: Duration = Duration::from_secs(2);

#[test]
fn a_node_that_can_not_be_reached_is_told_from_one_that_is_silent() {
    assert_eq!(closes_of_nodes(&after(Mode::DeadNode, "dead")), [(Close::ConnectFailed, 1)]);
    assert_eq!(closes_of_nodes(&after(Mode::BlackHole, "hole")), [(Close::ConnectTimeout, 1)]);
}

#[test]
fn a_connection_without_calls_is_idle() {
    let mut world = after(Mode::Echo, "job-1");
    assert_eq!(closes_of_nodes(&world), []);
    world.pass(SETTLE);
    assert_eq!(closes_of_nodes(&world), [(Close::Idle, 1)]);
}

#[test]
fn a_connection_becomes_old() {
    let mut world = one_call(Plan { tight: true, ..Plan::default() }, Mode::Echo, "job-1");
    world.pass(LATER);
    assert_eq!(closes_of_nodes(&world), [(Close::Age, 1)]);
    assert_eq!(closes_of_clients(&world), [(Close::Age, 1)]);
}

#[test]
fn a_node_that_goes_away_ends_its_connection() {
    let mut world = after(Mode::Echo, "job-1");
    let now = world.net.now();
    world.nodes.iter_mut().for_each(|node| node.go_away(now));
    world.pass(LATER);
    assert_eq!(closes_of_nodes(&world), [(Close::GoAway, 1)]);
}

#[test]
fn connections_that_are_cut_are_told_from_those_that_are_closed() {
    let mut world = World::new(1, Plan::default());
    world.clients.clear();
    let sockets = [1, 2].map(|at| world.net.connect_actor(GATEWAY, client_address(at)));
    world.pass(LATER);
    world.net.close(sockets[0]);
    world.pass(LATER);
    assert_eq!(closes_of_clients(&world), [(Close::PeerFin, 1)]);
    world.net.cut(sockets[1]);
    world.pass(LATER);
    assert_eq!(closes_of_clients(&world), [(Close::PeerFin, 1), (Close::PeerReset, 1)]);
}

/// The world after one call for this job.
fn after(mode: Mode, job: &str) -> World {
    one_call(Plan::default(), mode, job)
}

fn one_call(plan: Plan, mode: Mode, job: &str) -> World {
    let mut world = World::new(1, plan);
    let (job, message) = (job.into(), String::new());
    let call = Call { id: 1, mode, job, up: 10, down: 10, received: 0, fate: None, message };
    let client = Client::new(Rng::new(1), GATEWAY, client_address(1), vec![call], false, false);
    world.clients = vec![client];
    while !world.is_done() {
        world.step();
    }
    assert!(matches!(world.clients[0].calls()[0].fate, Some(Fate::Status(_))));
    world
}

fn closes_of_clients(world: &World) -> Vec<(Close, u64)> {
    counted(|close| world.closes_of_clients(close))
}

fn closes_of_nodes(world: &World) -> Vec<(Close, u64)> {
    counted(|close| world.snapshot.upstreams[0].stats.shard(0).closes.of(close).get())
}

fn counted(count: impl Fn(Close) -> u64) -> Vec<(Close, u64)> {
    let all = Close::ALL.iter().map(|close| (*close, count(*close)));
    all.filter(|(_, count)| *count > 0).collect()
}
