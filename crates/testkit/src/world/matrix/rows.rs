//! The rows of the matrix.

mod faults;

use std::sync::Arc;
use std::time::Duration;

use narrows_gateway::balance::{Balanced, Policy};
use narrows_gateway::reply::Cause;
use narrows_gateway::snapshot::{Listener, Route, Timeouts, Upstream};
use narrows_gateway::timeout::NEVER;
use narrows_wire::codec::ErrorCode;
use narrows_wire::h2;

pub(super) use self::faults::FAULTS;
use super::super::net::Welcome;
use super::super::retry::set;
use super::node::{Begins, Meets, Script, Then};
use super::{Asks, Ends, Row};

/// A node that is well, and limits that nothing presses against.
const BASE: Row = Row {
    name: "",
    room: 64 << 10,
    welcome: Welcome::Accepts,
    nodes: one,
    script: script(Begins::Message, Then::Ends),
    listener: |_| {},
    route: |route| route.timeouts = Timeouts::default(),
    upstream: |_| {},
    asks: Asks { up: 0, timeout: None, takes: true },
    ends: [Ends::Well; 2],
    requests: 1,
    after: (0, 0),
};

/// It never answers.
const MUTE: Script = script(Begins::Nothing, Then::Rests);

/// Limits in time, and nodes that can not be reached.
pub(super) static LIMITS: &[Row] = &[
    Row { name: "a node that is well", ..BASE },
    Row {
        name: "nobody listens",
        script: MUTE,
        welcome: Welcome::Refuses,
        ends: all(Cause::ConnectFailed),
        requests: 0,
        ..BASE
    },
    Row {
        name: "a black hole",
        script: MUTE,
        welcome: Welcome::Silent,
        route: |route| limit(route, Timeouts { connect: millis(300), ..Timeouts::default() }),
        ends: all(Cause::ConnectTimeout),
        requests: 0,
        after: (300, 300),
        ..BASE
    },
    Row {
        name: "a black hole, by default",
        script: MUTE,
        welcome: Welcome::Silent,
        upstream: |upstream| upstream.timeouts = Timeouts::NOTHING,
        ends: all(Cause::ConnectTimeout),
        requests: 0,
        after: (2000, 2000),
        ..BASE
    },
    Row {
        name: "nobody shakes hands",
        script: meeting(Meets::Deaf),
        nodes: secure,
        route: |route| limit(route, Timeouts { tls: millis(300), ..Timeouts::default() }),
        ends: all(Cause::TlsTimeout),
        requests: 0,
        after: (300, 300),
        ..BASE
    },
    Row {
        name: "one of two can not be reached",
        nodes: dead_and_well,
        ends: [Ends::Well; 2],
        ..BASE
    },
    Row {
        name: "a set without nodes",
        nodes: none,
        ends: all(Cause::NoEndpoint),
        requests: 0,
        ..BASE
    },
    Row {
        name: "a node that takes no streams",
        script: meeting(Meets::NoStreams),
        upstream: narrow,
        route: |route| limit(route, Timeouts { acquire: millis(300), ..Timeouts::default() }),
        ends: all(Cause::AcquireTimeout),
        requests: 0,
        after: (300, 300),
        ..BASE
    },
    Row {
        name: "too many calls wait",
        script: meeting(Meets::NoStreams),
        upstream: |upstream| {
            narrow(upstream);
            upstream.max_pending = 0;
        },
        ends: all(Cause::Overflow),
        requests: 0,
        ..BASE
    },
    Row {
        name: "a connection that is closed at once",
        script: meeting(Meets::Closes),
        ends: all(Cause::UpstreamClosed),
        requests: 0,
        ..BASE
    },
    Row {
        name: "a node that never shows what it speaks",
        script: meeting(Meets::Deaf),
        ends: all(Cause::UpstreamProtocol),
        requests: 0,
        after: (5000, 5000),
        ..BASE
    },
    Row {
        name: "no time left before it is sent",
        asks: Asks { timeout: Some("0n"), ..BASE.asks },
        ends: all(Cause::LateBeforeWrite),
        requests: 0,
        ..BASE
    },
    Row {
        name: "the deadline passes",
        script: MUTE,
        asks: Asks { timeout: Some("300m"), ..BASE.asks },
        ends: all(Cause::Deadline),
        after: (300, 300),
        ..BASE
    },
    Row {
        name: "the deadline is capped",
        script: MUTE,
        asks: Asks { timeout: Some("9S"), ..BASE.asks },
        route: |route| {
            limit(route, Timeouts { grpc_timeout_max: millis(300), ..Timeouts::default() })
        },
        ends: all(Cause::Deadline),
        after: (300, 300),
        ..BASE
    },
    Row {
        name: "the deadline passes after a message",
        script: script(Begins::Message, Then::Rests),
        asks: Asks { timeout: Some("300m"), ..BASE.asks },
        ends: begun(Cause::Deadline, ErrorCode::CANCEL),
        after: (300, 300),
        ..BASE
    },
    Row {
        name: "the deadline passes within a message",
        script: script(Begins::Part, Then::Rests),
        asks: Asks { timeout: Some("300m"), ..BASE.asks },
        ends: broken(Cause::Deadline, ErrorCode::CANCEL),
        after: (300, 300),
        ..BASE
    },
    Row {
        name: "no reply in time",
        script: MUTE,
        route: |route| limit(route, Timeouts { response: millis(300), ..Timeouts::default() }),
        ends: all(Cause::ResponseTimeout),
        after: (300, 300),
        ..BASE
    },
    Row {
        name: "no reply in time to a request with a body",
        script: MUTE,
        asks: Asks { up: 1000, ..BASE.asks },
        route: |route| limit(route, Timeouts { response: millis(300), ..Timeouts::default() }),
        ends: all(Cause::ResponseTimeout),
        after: (300, 300),
        ..BASE
    },
    Row {
        name: "no reply in time, says the upstream",
        script: MUTE,
        upstream: |upstream| upstream.timeouts.response = millis(300),
        ends: all(Cause::ResponseTimeout),
        after: (300, 300),
        ..BASE
    },
    Row {
        name: "the time in total, says the listener",
        script: MUTE,
        listener: hasty,
        ends: all(Cause::TotalTimeout),
        after: (300, 300),
        ..BASE
    },
    Row {
        name: "a route without a limit that its upstream has",
        script: MUTE,
        route: |route| {
            limit(
                route,
                Timeouts { response: Some(NEVER), total: millis(300), ..Timeouts::default() },
            )
        },
        upstream: |upstream| upstream.timeouts.response = millis(100),
        ends: all(Cause::TotalTimeout),
        after: (300, 300),
        ..BASE
    },
    Row {
        name: "the time in total",
        script: MUTE,
        route: |route| limit(route, Timeouts { total: millis(300), ..Timeouts::default() }),
        ends: all(Cause::TotalTimeout),
        after: (300, 300),
        ..BASE
    },
    Row {
        name: "the time in total, after a message",
        script: script(Begins::Message, Then::Rests),
        route: |route| limit(route, Timeouts { total: millis(300), ..Timeouts::default() }),
        ends: begun(Cause::TotalTimeout, ErrorCode::CANCEL),
        after: (300, 300),
        ..BASE
    },
    Row {
        name: "nothing moves",
        script: MUTE,
        route: |route| limit(route, Timeouts { idle: millis(300), ..Timeouts::default() }),
        ends: all(Cause::IdleTimeout),
        after: (300, 300),
        ..BASE
    },
    Row {
        name: "nothing moves after a head",
        script: script(Begins::Head, Then::Rests),
        route: |route| limit(route, Timeouts { idle: millis(300), ..Timeouts::default() }),
        ends: begun(Cause::IdleTimeout, ErrorCode::CANCEL),
        after: (300, 300),
        ..BASE
    },
    Row {
        name: "nothing moves after a message",
        script: script(Begins::Message, Then::Rests),
        route: |route| limit(route, Timeouts { idle: millis(300), ..Timeouts::default() }),
        ends: begun(Cause::IdleTimeout, ErrorCode::CANCEL),
        after: (300, 300),
        ..BASE
    },
    Row {
        name: "nothing moves within a message",
        script: script(Begins::Part, Then::Rests),
        route: |route| limit(route, Timeouts { idle: millis(300), ..Timeouts::default() }),
        ends: broken(Cause::IdleTimeout, ErrorCode::CANCEL),
        after: (300, 300),
        ..BASE
    },
    Row {
        name: "a reply does not go on after its head",
        script: script(Begins::Head, Then::Rests),
        route: |route| limit(route, Timeouts { body: millis(300), ..Timeouts::default() }),
        ends: begun(Cause::ReplyBodyTimeout, ErrorCode::CANCEL),
        after: (300, 300),
        ..BASE
    },
    Row {
        name: "a reply does not go on after a message",
        script: script(Begins::Message, Then::Rests),
        route: |route| limit(route, Timeouts { body: millis(300), ..Timeouts::default() }),
        ends: begun(Cause::ReplyBodyTimeout, ErrorCode::CANCEL),
        after: (300, 300),
        ..BASE
    },
    Row {
        name: "a reply does not go on within a message",
        script: script(Begins::Part, Then::Rests),
        route: |route| limit(route, Timeouts { body: millis(300), ..Timeouts::default() }),
        ends: broken(Cause::ReplyBodyTimeout, ErrorCode::CANCEL),
        after: (300, 300),
        ..BASE
    },
    Row {
        name: "a node that takes no body",
        script: meeting(Meets::NoWindow),
        asks: Asks { up: 200_000, ..BASE.asks },
        route: |route| limit(route, Timeouts { write: millis(500), ..Timeouts::default() }),
        ends: all(Cause::WriteTimeout),
        after: (500, 1000),
        ..BASE
    },
    Row {
        name: "a node that reads nothing",
        script: meeting(Meets::Deaf),
        asks: Asks { up: 200_000, ..BASE.asks },
        route: |route| limit(route, Timeouts { write: millis(500), ..Timeouts::default() }),
        ends: all(Cause::WriteTimeout),
        requests: 0,
        after: (500, 1500),
        ..BASE
    },
    Row {
        name: "the time of a reply begins when the request has left",
        script: Script { meets: Meets::Late, ..BASE.script },
        room: 4096,
        asks: Asks { up: 50_000, ..BASE.asks },
        route: |route| limit(route, Timeouts { response: millis(300), ..Timeouts::default() }),
        ends: [Ends::Well; 2],
        after: (500, 600),
        ..BASE
    },
    Row {
        name: "a connection that takes nothing",
        script: meeting(Meets::Deaf),
        room: 4096,
        asks: Asks { up: 50_000, ..BASE.asks },
        route: |route| limit(route, Timeouts { response: millis(300), ..Timeouts::default() }),
        upstream: |upstream| {
            upstream.h2 = Arc::new(h2::Config {
                stall_timeout: Duration::from_millis(500),
                ..h2::Config::default()
            })
        },
        ends: all(Cause::WriteTimeout),
        requests: 0,
        after: (500, 1000),
        ..BASE
    },
    Row {
        name: "a caller that takes nothing",
        script: script(Begins::Flood, Then::Ends),
        asks: Asks { takes: false, ..BASE.asks },
        route: |route| limit(route, Timeouts { write: millis(500), ..Timeouts::default() }),
        ends: broken(Cause::WriteTimeout, ErrorCode::CANCEL),
        after: (500, 1100),
        ..BASE
    },
];

const fn script(begins: Begins, then: Then) -> Script {
    Script { meets: Meets::Well, begins, then }
}

const fn meeting(meets: Meets) -> Script {
    Script { meets, begins: Begins::Nothing, then: Then::Rests }
}

/// Neither kind of caller has been told anything, so both get a reply of ours.
const fn all(cause: Cause) -> [Ends; 2] {
    [Ends::As(cause); 2]
}

/// Whole messages have been sent: gRPC can still say why, nothing else can.
const fn begun(cause: Cause, code: ErrorCode) -> [Ends; 2] {
    [Ends::As(cause), Ends::Breaks(cause, code)]
}

/// Nobody can be told why.
const fn broken(cause: Cause, code: ErrorCode) -> [Ends; 2] {
    [Ends::Breaks(cause, code); 2]
}

const fn millis(millis: u64) -> Option<Duration> {
    Some(Duration::from_millis(millis))
}

fn one() -> Balanced {
    set(&["10.0.0.9:50051"], Policy::RoundRobin)
}

fn secure() -> Balanced {
    set(&["grpcs://10.0.0.9:50051"], Policy::RoundRobin)
}

/// Nobody listens at the first one.
fn dead_and_well() -> Balanced {
    set(&["10.0.1.1:1", "10.0.0.9:50051"], Policy::RoundRobin)
}

fn none() -> Balanced {
    set(&[], Policy::RoundRobin)
}

fn limit(route: &mut Route, timeouts: Timeouts) {
    route.timeouts = timeouts;
}

/// One connection, so that nothing helps against a node that takes no streams.
fn narrow(upstream: &mut Upstream) {
    upstream.max_connections = 1;
}

fn hasty(listener: &mut Listener) {
    listener.timeouts.total = millis(300);
}
