//! Limits that no seed presses against by chance: each is met on purpose, and passed by one.

use std::time::Duration;

use narrows_gateway::closes::Close;
use narrows_gateway::reply::Cause;
use narrows_gateway::snapshot::{Listener, Route};

use super::call::{Call, Fate, Mode};
use super::client::Client;
use super::control::{BROKEN_JOB, BROKEN_TARGET};
use super::rng::Rng;
use super::setup::{GATEWAY, client_address};
use super::{Limits, Plan, World};

/// Timers fire on the ticks of a wheel, and what they cause has to travel.
const TOLERANCE: Duration = Duration::from_millis(100);

#[test]
fn a_call_ends_when_its_time_in_total_is_over() {
    let total = Duration::from_secs(2);
    let (call, life) = outcome(Limits { total: Some(total), ..Limits::default() }, Mode::Mute, 10);
    assert_eq!(call.fate, Some(Fate::Status(4)), "{call:?}");
    assert!(call.message.contains("took longer than its route allows"), "{call:?}");
    assert!((total..total + TOLERANCE).contains(&life), "{life:?}");
}

#[test]
fn bytes_that_move_do_not_extend_the_time_in_total() {
    let total = Duration::from_millis(100);
    let limits = Limits { total: Some(total), ..Limits::default() };
    let (call, life) = outcome(limits, Mode::Echo, SLOW_BYTES);
    assert!(call.received > 0 && call.received < SLOW_BYTES, "{call:?}");
    assert!(call.fate != Some(Fate::Status(0)), "{call:?}");
    assert!((total..total + TOLERANCE).contains(&life), "{life:?}");
}

#[test]
fn a_call_on_which_nothing_moves_ends() {
    let idle = Duration::from_secs(1);
    let (call, life) = outcome(Limits { idle: Some(idle), ..Limits::default() }, Mode::Mute, 10);
    assert_eq!(call.fate, Some(Fate::Status(4)), "{call:?}");
    assert!(call.message.contains("nothing moved on the stream"), "{call:?}");
    assert!((idle..idle + TOLERANCE).contains(&life), "{life:?}");
}

#[test]
fn a_call_that_moves_outlives_the_idle_limit() {
    let idle = Duration::from_millis(100);
    let limits = Limits { idle: Some(idle), ..Limits::default() };
    let (call, life) = outcome(limits, Mode::Echo, SLOW_BYTES);
    assert_eq!(call.fate, Some(Fate::Status(0)), "{call:?}");
    assert!(life > 2 * idle, "a reader that slow takes longer than {life:?}");
}

#[test]
fn a_lookup_for_which_there_is_no_room_is_refused() {
    let none = Limits { jobs_max: Some(0), ..Limits::default() };
    let (call, _) = outcome(none, Mode::Echo, 10);
    assert_eq!(call.fate, Some(Fate::Status(14)), "{call:?}");
    assert!(call.message.contains("too many lookups wait"), "{call:?}");
    let (call, _) = outcome(Limits { jobs_max: Some(1), ..none }, Mode::Echo, 10);
    assert_eq!(call.fate, Some(Fate::Status(0)), "{call:?}");
}

#[test]
fn a_malformed_target_is_told_by_its_key_and_not_by_its_address() {
    let call = call(Mode::Echo, BROKEN_JOB, 10);
    let (call, _) = outcome_of(Limits::default(), call);
    assert_eq!(call.fate, Some(Fate::Status(14)), "{call:?}");
    assert!(call.message.contains(BROKEN_JOB), "{call:?}");
    assert!(!call.message.contains(BROKEN_TARGET), "{call:?}");
}

#[test]
fn a_head_over_its_limit_is_answered_and_counted_for_its_route() {
    let call = call(Mode::Echo, &"j".repeat(65_200), 10);
    let (call, _, world) = world_of(Limits::default(), call);
    assert_eq!(call.fate, Some(Fate::Status(8)), "{:?}", call.message);
    assert!(call.message.contains("over their limit"), "{:?}", call.message);
    let shard = world.snapshot.router.route(0).stats.shard(0);
    assert_eq!(shard.local.of(Cause::HeadTooLarge).get(), 1);
    assert_eq!((shard.started.get(), shard.active.get()), (1, 0));
}

#[test]
fn a_connection_over_the_limit_waits_until_another_one_closes() {
    let limits = Limits { connections_max: Some(2), ..Limits::default() };
    let mut world = World::new(1, Plan { limits, ..Plan::default() });
    let sockets = [1, 2, 3].map(|at| world.net.connect_actor(GATEWAY, client_address(at)));
    world.pass(Duration::from_secs(1));
    assert_eq!((world.stats.accepted.get(), world.stats.downstream.get()), (2, 2));

    world.net.close(sockets[0]);
    world.pass(Duration::from_secs(1));
    assert_eq!((world.stats.accepted.get(), world.stats.downstream.get()), (3, 2));
}

#[test]
fn a_client_that_does_not_shake_hands_is_closed() {
    let limits = Limits { tls: true, ..Limits::default() };
    let mut world = World::new(1, Plan { limits, ..Plan::default() });
    let timeout = world.snapshot.listeners[0].preface_timeout;
    world.net.connect_actor(GATEWAY, client_address(1));
    world.pass(timeout - TOLERANCE);
    assert_eq!((world.stats.accepted.get(), world.stats.downstream.get()), (1, 1));
    world.pass(2 * TOLERANCE);
    assert_eq!((world.stats.accepted.get(), world.stats.downstream.get()), (1, 0));
    assert_eq!(world.closes_of_clients(Close::HandshakeTimeout), 1);
}

#[test]
fn what_is_left_on_an_old_connection_ends_after_its_grace() {
    let begun = |listener: &mut Listener| {
        listener.max_connection_age = Some(Duration::from_secs(10));
    };
    let graced = |listener: &mut Listener| {
        listener.max_connection_age = Some(Duration::from_secs(10));
        listener.max_connection_age_grace = Some(Duration::from_secs(3));
    };
    let total = Some(Duration::from_secs(20));
    let limits = Limits { total, route: Some(patient), ..Limits::default() };
    let (call, life, _) =
        world_of(Limits { listener: Some(begun), ..limits }, call(Mode::Mute, "job-1", 10));
    assert_eq!((call.fate, life.as_secs()), (Some(Fate::Status(4)), 20));
    let call = self::call(Mode::Mute, "job-1", 10);
    let (call, life, mut world) = world_of(Limits { listener: Some(graced), ..limits }, call);
    assert_eq!(call.fate, Some(Fate::Status(14)), "{call:?}");
    assert!(call.message.contains("as long as is allowed"), "{call:?}");
    // The age has a jitter of 10 %.
    assert!((12..15).contains(&life.as_secs()), "{life:?}");
    let shard = world.snapshot.router.route(0).stats.shard(0);
    assert_eq!(shard.local.of(Cause::ConnectionAge).get(), 1);
    world.pass(Duration::from_secs(2));
    assert_eq!(world.closes_of_clients(Close::Age), 1);
}

/// Waits for a node that does not answer.
fn patient(route: &mut Route) {
    route.timeouts.response = None;
}

/// Bytes that take a slow reader more than twice the shorter limits.
const SLOW_BYTES: u64 = 500_000;

/// What becomes of one call by a slow reader, whose reply has so many bytes, and how long it takes.
fn outcome(limits: Limits, mode: Mode, down: u64) -> (Call, Duration) {
    outcome_of(limits, call(mode, "job-1", down))
}

fn outcome_of(limits: Limits, call: Call) -> (Call, Duration) {
    let (call, life, _) = world_of(limits, call);
    (call, life)
}

fn world_of(limits: Limits, call: Call) -> (Call, Duration, World) {
    let mut world = World::new(1, Plan { limits, ..Plan::default() });
    let (call, life) = make(&mut world, call);
    assert!(world.clients[0].wrong.is_empty(), "{:?}", world.clients[0].wrong);
    (call, life, world)
}

fn call(mode: Mode, job: &str, down: u64) -> Call {
    let (job, message) = (job.into(), String::new());
    Call { id: 1, mode, job, up: 10, down, received: 0, fate: None, message }
}

/// Has one call made, and gives what became of it and how long it took.
pub(super) fn make_call(world: &mut World, mode: Mode, down: u64) -> (Call, Duration) {
    make(world, call(mode, "job-1", down))
}

fn make(world: &mut World, call: Call) -> (Call, Duration) {
    let client = Client::new(Rng::new(1), GATEWAY, client_address(1), vec![call], true, false);
    world.clients = vec![client];
    let begin = world.net.now();
    // Time moves on at the end of a step: the call ended when the last one began.
    let mut end = begin;
    while !world.is_done() {
        end = world.net.now();
        world.step();
    }
    (world.clients[0].calls()[0].clone(), end.since(begin))
}
