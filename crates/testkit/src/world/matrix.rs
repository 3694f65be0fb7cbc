//! What callers are told of what nodes do wrong, and of limits in time: a row for each, once for a caller that
//! speaks gRPC and once for one that does not.
//!
//! Each row is played in a world of its own. It says what the caller is told and when, which cause is counted,
//! and how often nodes saw the request. After each of them all places are free again: at once those of the
//! call, and of its connections once they have been idle. Rows whose reply begins have rules for trying again,
//! which must not be followed.

mod caller;
mod node;
mod rows;

use std::net::SocketAddr;
use std::time::Duration;

use narrows_gateway::balance::Balanced;
use narrows_gateway::reply::Cause;
use narrows_gateway::retry::{Conditions, Retry};
use narrows_gateway::snapshot::{Listener, Route, Upstream};
use narrows_wire::Time;
use narrows_wire::codec::ErrorCode;

use self::caller::{Caller, Told};
use self::node::{Begins, FaultyNode, READS_AFTER, Script};
use self::rows::{FAULTS, LIMITS};
use super::net::Welcome;
use super::{Limits, Plan, SETTLE, World};

/// A row that is not over by then hangs.
const PATIENCE: Duration = Duration::from_secs(60);
/// Timers fire on the ticks of a wheel, and what they cause has to travel.
const TOLERANCE: Duration = Duration::from_millis(100);

/// What a caller asks.
#[derive(Debug, Clone, Copy)]
struct Asks {
    /// Bytes of the request's message; 0: there is no body.
    up: usize,
    timeout: Option<&'static str>,
    /// Whether it takes what comes.
    takes: bool,
}

/// What comes of it.
#[derive(Debug, Clone, Copy)]
enum Ends {
    /// The node's reply, whole.
    Well,
    /// A reply of ours, with what the table of causes says.
    As(Cause),
    /// A reply that had begun breaks off.
    Breaks(Cause, ErrorCode),
}

/// A row of the matrix.
struct Row {
    name: &'static str,
    /// Bytes that fit into a connection on the way.
    room: usize,
    /// How the node takes connections.
    welcome: Welcome,
    nodes: fn() -> Balanced,
    script: Script,
    listener: fn(&mut Listener),
    route: fn(&mut Route),
    upstream: fn(&mut Upstream),
    asks: Asks,
    /// For gRPC callers, and for all others.
    ends: [Ends; 2],
    /// How often the node sees it.
    requests: usize,
    /// When it ends, at the earliest and at the latest, in milliseconds.
    after: (u64, u64),
}

#[test]
fn each_fault_and_each_limit_is_told_to_each_kind_of_caller_as_the_table_says() {
    let rows = LIMITS.iter().chain(FAULTS);
    let faults = rows.flat_map(|row| [true, false].map(|is_grpc| (row, is_grpc)));
    let faults = faults.filter_map(|(row, is_grpc)| play(row, is_grpc).err());
    let faults: Vec<_> = faults.collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Plays a row; gives what did not hold.
fn play(row: &Row, is_grpc: bool) -> Result<(), String> {
    let wrong = |what: String| format!("{} (gRPC: {is_grpc}): {what}", row.name);
    let mut world = world(row);
    let address: SocketAddr = "10.0.0.9:50051".parse().expect("an address");
    world.net.add_host(address, row.welcome);
    world.net.set_room(row.room);
    world.other_due = world.net.now() + READS_AFTER;
    let begin = world.net.now();
    let mut node = FaultyNode::new(address, row.script, begin);
    let mut caller = Caller::new(&world.net, is_grpc, row.asks, begin);
    // Time moves on at the end of a step: the call ended when the last one began.
    let mut ended = begin;
    while !caller.told.is_over && world.net.now() < begin + PATIENCE {
        ended = world.net.now();
        step(&mut world, &mut node, Some(&mut caller));
    }
    let (took, told) = (ended.since(begin), caller.told.clone());
    let end = world.net.now() + TOLERANCE;
    while world.net.now() < end {
        step(&mut world, &mut node, Some(&mut caller));
    }
    let route = world.snapshot.router.route(0).stats.shard(0);
    let shard = world.snapshot.upstreams[0].stats.shard(0);
    let gauges = [&route.active, &shard.streams, &shard.pending].map(|gauge| gauge.get());
    let ends = row.ends[usize::from(!is_grpc)];
    check_told(ends, is_grpc, &told).map_err(wrong)?;
    let (least, most) = row.after;
    let times = Duration::from_millis(least)..Duration::from_millis(most) + TOLERANCE;
    if !times.contains(&took) {
        return Err(wrong(format!("ends after {took:?}")));
    }
    if gauges != [0; 3] {
        return Err(wrong(format!("places that are not free: {gauges:?}")));
    }
    if let Ends::As(cause) | Ends::Breaks(cause, _) = ends
        && route.local.of(cause).get() != 1
    {
        return Err(wrong(format!("{cause:?} is not counted")));
    }
    if node.requests != row.requests {
        return Err(wrong(format!("the node sees {} requests", node.requests)));
    }
    caller.leave(&world.net);
    let end = world.net.now() + SETTLE;
    while world.net.now() < end {
        step(&mut world, &mut node, None);
    }
    world.check_census();
    world.wrong.is_empty().then_some(()).ok_or_else(|| wrong(world.wrong.join("; ")))
}

fn step(world: &mut World, node: &mut FaultyNode, caller: Option<&mut Caller>) {
    let now = world.net.now();
    if now >= world.other_due {
        world.other_due = Time::NEVER;
    }
    if let Some(caller) = caller {
        caller.step(&world.net, now);
    }
    node.step(&world.net, now);
    world.step();
}

fn check_told(ends: Ends, is_grpc: bool, told: &Told) -> Result<(), String> {
    let expected = match ends {
        Ends::Well => (Some(200), is_grpc.then_some(0), None),
        // What had begun of a reply keeps its HTTP status.
        Ends::As(cause) if is_grpc => (Some(200), Some(cause.row().grpc.code()), None),
        Ends::As(cause) => (Some(cause.row().http), None, None),
        Ends::Breaks(_, code) => (Some(200), None, Some(code)),
    };
    let seen = (told.http, told.grpc, told.reset);
    if seen == expected { Ok(()) } else { Err(format!("{told:?}, expected {expected:?}")) }
}

fn world(row: &Row) -> World {
    let begins = row.script.begins != Begins::Nothing;
    let limits = Limits {
        balanced: Some(row.nodes),
        listener: Some(row.listener),
        route: Some(row.route),
        upstream: Some(row.upstream),
        retry: begins.then_some(rules as fn() -> Retry),
        ..Limits::default()
    };
    let mut world = World::new(1, Plan { limits, ..Plan::default() });
    world.clients.clear();
    world.nodes.clear();
    world
}

/// Rules for all that can be.
fn rules() -> Retry {
    Retry {
        on: Conditions::RESET.and(Conditions::STATUS_5XX).and(Conditions::DEADLINE_EXCEEDED),
        status_codes: [].into(),
        num_retries: 3,
        per_try_timeout: None,
        base_interval: Duration::from_millis(1),
        max_interval: Duration::from_millis(1),
    }
}
