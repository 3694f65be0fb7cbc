//! The whole gateway in a simulated world, from many seeds.
//!
//! A failure names its seed; the same seed fails the same way. `SEEDS=first..last` runs others.

use narrows_testkit::world::{Plan, World};

fn run(name: &str, plan: Plan) {
    let seeds = std::env::var("SEEDS").ok().and_then(|text| {
        let (first, last) = text.split_once("..")?;
        Some(first.parse().ok()?..last.parse().ok()?)
    });
    for seed in seeds.unwrap_or(0..60) {
        let wrong = World::new(seed, plan).run();
        if !wrong.is_empty() {
            println!("{name}, seed {seed}:\n{}", wrong.join("\n"));
        }
    }
}

/// No byte is lost, doubled, or in another stream; every call ends as it should; nothing is left over.
#[test]
fn calls_of_all_kinds_end_as_they_should() {
    run("calm", Plan { calls: 25, ..Plan::default() });
}

/// Nodes that drain lose no call.
#[test]
fn nodes_that_go_away_lose_no_call() {
    run("goaways", Plan { calls: 25, goaways: true, ..Plan::default() });
}

/// A reload touches no live stream.
#[test]
fn reloads_touch_no_call() {
    run("reloads", Plan { calls: 25, reloads: true, ..Plan::default() });
}

/// Where there is little room, calls wait, are turned away, or find room, and connections are replaced when
/// they are old.
#[test]
fn calls_that_find_no_room_are_turned_away() {
    run("tight", Plan { calls: 25, tight: true, ..Plan::default() });
}

/// A caller that breaks the protocol loses its connection and its calls, and leaves nothing behind.
#[test]
fn hostile_callers_leave_nothing_behind() {
    run("hostile", Plan { calls: 25, hostile: true, ..Plan::default() });
}

/// Connections that break end calls, but never wrongly, and leave nothing behind.
#[test]
fn broken_connections_leave_nothing_behind() {
    run("cuts", Plan { calls: 25, cuts: true, goaways: true, reloads: true, ..Plan::default() });
}

/// A filter that errs or panics, whenever it is asked, is skipped: no call is lost or changed by it.
#[test]
fn broken_filters_touch_no_call() {
    run("filters", Plan { calls: 25, broken_filters: true, ..Plan::default() });
}

/// Requests go from HTTP/1.1 and HTTP/2 to HTTP/1.1 and HTTP/2, with WebSockets, gRPC-Web, JSON, and opaque bytes
/// among them: no byte is lost, doubled, or in another message, and each message ends where it should.
#[test]
fn all_protocols_are_relayed_to_each_other() {
    run("mixed", Plan { calls: 5, mixed: 10, ..Plan::default() });
}

/// A connection that a node closes as a call goes out loses no call that may be sent again, and repeats no other.
#[test]
fn nodes_that_close_what_rests_lose_no_call_that_may_be_repeated() {
    run("hasty", Plan { calls: 0, mixed: 10, hasty: true, ..Plan::default() });
}

/// Reloads, and nodes that go away, touch no call of any protocol.
#[test]
fn changes_touch_no_call_of_any_protocol() {
    run("changes", Plan { calls: 5, mixed: 10, goaways: true, reloads: true, ..Plan::default() });
}

/// Where connections are soon old and few, calls of all protocols wait, or are turned away.
#[test]
fn calls_of_all_protocols_share_little_room() {
    run("mixed and tight", Plan { calls: 5, mixed: 10, tight: true, ..Plan::default() });
}

/// Connections that break end calls of all protocols, but never wrongly, and leave nothing behind.
#[test]
fn broken_connections_leave_nothing_of_any_protocol_behind() {
    let plan = Plan { calls: 5, mixed: 10, ..Plan::default() };
    run("mixed cuts", Plan { cuts: true, goaways: true, reloads: true, hasty: true, ..plan });
}
