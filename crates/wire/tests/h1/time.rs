//! What happens when nothing happens.

use std::time::Duration;

use narrows_wire::Time;
use narrows_wire::codec::{End, Reason, Refusal, Role};
use narrows_wire::h1::{Config, Fault};

use crate::message::{Script, Seen, head};

const SECOND: Duration = Duration::from_secs(1);

/// The whole head counts from its first byte: a byte now and then does not help.
#[test]
fn a_head_has_ten_seconds() {
    let mut script = Script::server();
    assert_eq!(script.connection.deadline(), Time::NEVER, "nobody has to ask");
    script.send("GET /p HTTP/1.1\r\nHost: a\r\n");
    for _ in 0..9 {
        assert_eq!(script.pass(SECOND), []);
        script.send("x");
    }
    let seen = script.pass(SECOND);
    match &seen[..] {
        [Seen::Refused { refusal: Refusal::HeadTimeout, fields }] => {
            assert_eq!(fields.len(), 4, "what is known of it");
        }
        _ => panic!("{seen:?}"),
    }
    assert!(script.answer(&[(":status", "408")], "").contains("connection: close\r\n"));
    assert_eq!(script.events(), [Seen::Drained]);
}

#[test]
fn a_head_in_time_stops_the_clock() {
    let mut script = Script::server();
    script.send("GET /p HTTP/1.1\r\n");
    script.pass(9 * SECOND);
    assert!(matches!(script.send("Host: a\r\n\r\n")[..], [Seen::Head { .. }]));
    assert_eq!(script.pass(60 * SECOND), []);
}

/// A node has the same time for its head; before the first byte it is up to the owner.
#[test]
fn the_head_of_a_reply_has_ten_seconds() {
    let mut script = Script::asking("GET");
    assert_eq!(script.pass(600 * SECOND), []);
    script.send("HTTP/1.1 200 OK\r\n");
    let seen = script.pass(10 * SECOND);
    let reason = Reason::Http1(Fault::HeadLate);
    assert_eq!(seen.last(), Some(&Seen::Closed { reason }));
}

/// Trailers have as long as a head.
#[test]
fn trailers_have_ten_seconds() {
    let start = "Transfer-Encoding: chunked\r\n\r\n0\r\na: b\r\n";
    let mut script = Script::server();
    script.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{start}"));
    let seen = script.pass(10 * SECOND);
    assert!(matches!(seen[..], [Seen::Refused { refusal: Refusal::BodyTimeout, .. }]), "{seen:?}");
    let mut script = Script::asking("GET");
    script.send(format!("HTTP/1.1 200 OK\r\n{start}"));
    let seen = script.pass(10 * SECOND);
    assert!(matches!(seen[..], [Seen::Reset { .. }, Seen::Closed { .. }]), "{seen:?}");
}

/// A body that brings less than 1 KiB in 30 s is refused, however regularly it comes.
#[test]
fn a_body_that_dribbles_is_refused() {
    for (bytes, is_taken) in [(1024, true), (1023, false)] {
        let mut script = Script::server();
        script.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
        assert_eq!(script.pass(30 * SECOND), [], "it is looked at for the first time");
        script.send("x".repeat(bytes));
        let seen = script.pass(30 * SECOND);
        assert_eq!(seen.is_empty(), is_taken, "{bytes}: {seen:?}");
    }
    let mut script = Script::server();
    script.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
    script.pass(30 * SECOND);
    let seen = script.pass(30 * SECOND);
    assert!(matches!(seen[..], [Seen::Refused { refusal: Refusal::BodyTimeout, .. }]), "{seen:?}");
}

/// As long as the owner does not read, the client is not to blame.
#[test]
fn a_body_that_nobody_reads_is_not_late() {
    let mut script = Script::server();
    script.grants = false;
    script.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
    script.send("x".repeat(64 << 10));
    for _ in 0..5 {
        assert_eq!(script.pass(30 * SECOND), []);
    }
    let stream = script.stream();
    script.connection.grant(stream, 64 << 10);
    assert_eq!(script.pass(29 * SECOND), []);
    assert_eq!(script.pass(SECOND), [], "there was a time when it was not read");
    let seen = script.pass(30 * SECOND);
    assert!(matches!(seen[..], [Seen::Refused { .. }]), "{seen:?}");
}

/// A reply that is under way when the body fails can only be cut off.
#[test]
fn a_late_body_behind_the_beginning_of_the_reply_is_a_reset() {
    let mut script = Script::server();
    script.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
    let stream = script.stream();
    script.connection.send_head(stream, &head(&[(":status", "200")]), End::Open);
    script.pass(30 * SECOND);
    let seen = script.pass(30 * SECOND);
    let reason = Reason::Http1(Fault::BodyLate);
    assert!(matches!(&seen[..], [Seen::Reset { reason: why, .. }] if *why == reason), "{seen:?}");
    script.connection.release(stream);
    assert_eq!(script.events(), [Seen::Drained]);
}

/// Replies and tunnels may be silent: how long is up to the owner.
#[test]
fn a_reply_may_take_its_time() {
    let mut script = Script::asking("GET");
    script.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_eq!(script.pass(600 * SECOND), []);
    let mut script = Script::server();
    script.send("CONNECT b:1 HTTP/1.1\r\nHost: a\r\n\r\n");
    script.answer(&[(":status", "200")], "");
    assert_eq!(script.pass(600 * SECOND), []);
}

/// A peer that reads nothing is left, within twice the time.
#[test]
fn an_output_that_does_not_move_ends_the_connection() {
    let mut script = Script::server();
    script.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    // Commands bring no time, so the connection believes that it is still the old one.
    script.now = script.now + 100 * SECOND;
    let stream = script.stream();
    script.connection.send_head(stream, &head(&[(":status", "200")]), End::Open);
    script.connection.output();
    assert_eq!(script.pass(SECOND), [], "it is looked at for the first time");
    script.connection.output().consume(1);
    script.connection.output();
    assert_eq!(script.pass(30 * SECOND), [], "it has moved");
    let seen = script.pass(30 * SECOND);
    assert_eq!(seen.last(), Some(&Seen::Closed { reason: Reason::OutputStalled }), "{seen:?}");
    assert!(script.connection.is_closed());
}

/// The rest of a request that was answered has to come too.
#[test]
fn a_rest_that_does_not_come_ends_the_connection() {
    let mut script = Script::with(Role::Server, Config::default());
    script.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n");
    script.answer(&[(":status", "413")], "no");
    script.reset();
    assert_eq!(script.pass(30 * SECOND), []);
    assert_eq!(script.pass(30 * SECOND), [Seen::Drained]);
}
