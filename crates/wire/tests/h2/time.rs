//! Deadlines. The clock moves by hand.

use std::time::Duration;

use narrows_wire::Time;
use narrows_wire::codec::{End, ErrorCode, Party, Reason, Role};
use narrows_wire::h2::Config;

use crate::support::{Endpoint, Pair, Raw, Seen, closed, frame, kind, number, reply, request};

const SECOND: Duration = Duration::from_secs(1);

/// Moves the clock to just before the deadline, then to it; the events then.
fn wait(raw: &mut Raw, expected: Duration) -> Vec<Seen> {
    let deadline = raw.ours.connection.deadline();
    assert_eq!(deadline.since(raw.now), expected);
    raw.ours.connection.on_deadline(Time::from_nanos(deadline.as_nanos() - 1));
    assert_eq!(raw.send(&[]), []);
    raw.now = deadline;
    raw.ours.connection.on_deadline(deadline);
    raw.send(&[])
}

#[test]
fn a_peer_that_says_nothing_is_closed() {
    for role in [Role::Client, Role::Server] {
        let mut end = Endpoint::new(role, Config::default(), Time::ZERO);
        let deadline = end.connection.deadline();
        assert_eq!(deadline.since(Time::ZERO), 5 * SECOND);
        end.connection.on_deadline(deadline);
        assert_eq!(closed(&end.receive(deadline, &[])), Some(Reason::PrefaceLate));
        assert_eq!(end.connection.deadline(), Time::NEVER);
    }
}

#[test]
fn a_quiet_connection_waits_for_nothing() {
    let mut raw = Raw::client(Config::default());
    assert_eq!(wait(&mut raw, 30 * SECOND), [], "the output that was written just now");
    assert_eq!(raw.ours.connection.deadline(), Time::NEVER);
}

#[test]
fn settings_are_to_be_acknowledged() {
    let mut end = Endpoint::new(Role::Client, Config::default(), Time::ZERO);
    end.receive(Time::ZERO, &frame(kind::SETTINGS, 0, 0, &[]));
    end.take_output();
    let deadline = end.connection.deadline();
    assert_eq!(deadline.since(Time::ZERO), 10 * SECOND);
    end.connection.on_deadline(deadline);
    assert_eq!(closed(&end.receive(deadline, &[])), Some(Reason::SettingsAckLate));
}

/// Bytes that trickle in do not put off the end of a header block.
#[test]
fn a_header_block_is_to_be_complete_in_time() {
    let mut raw = Raw::client(Config::default());
    raw.send(&frame(kind::HEADERS, 0, 1, &[0x82]));
    let begun = raw.now;
    for _ in 0..9 {
        raw.now = raw.now + SECOND;
        let continuation = frame(kind::CONTINUATION, 0, 1, &[0x86]);
        raw.send(&continuation[..3]);
        raw.send(&continuation[3..]);
    }
    assert_eq!(raw.ours.connection.deadline().since(begun), 10 * SECOND);
    assert_eq!(closed(&wait(&mut raw, SECOND)), Some(Reason::HeaderLate));
}

#[test]
fn a_frame_is_to_be_complete_in_time() {
    let mut raw = Raw::client(Config::default());
    raw.send(&frame(kind::PING, 0, 0, &[0; 8])[..10]);
    assert_eq!(closed(&wait(&mut raw, 10 * SECOND)), Some(Reason::HeaderLate));
}

/// A client that closes its window, and then opens it byte by byte: that is no progress.
#[test]
fn a_stream_whose_window_drips_is_reset() {
    let mut raw = Raw::client(Config::default());
    raw.send(&frame(kind::SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]));
    let key = raw.request(1, End::Stream);
    raw.ours.connection.send_head(key, &reply(), End::Open);
    assert_eq!(raw.ours.connection.send_data(key, &[5; 5000], End::Stream), 0);
    raw.ours.take_output();
    assert_eq!(wait(&mut raw, 30 * SECOND), [], "looked at for the first time");
    for _ in 0..29 {
        raw.now = raw.now + SECOND;
        let seen = raw.send(&number(kind::WINDOW_UPDATE, 1, 1));
        assert!(matches!(seen[..], [Seen::Sent { bytes: 1, .. }]), "{seen:?}");
        raw.ours.take_output();
    }
    let seen = wait(&mut raw, SECOND);
    let [Seen::Reset { stream, by: Party::Us, reason: Reason::StreamStalled, code, .. }] = seen[..]
    else {
        panic!("{seen:?}");
    };
    assert_eq!((stream, code), (key, ErrorCode::CANCEL));
    assert_eq!(raw.ours.connection.waiting_bytes(), 0);
}

/// A stream may have another limit than all others; it may be shorter or longer.
#[test]
fn a_stream_may_have_its_own_time_to_move() {
    for (own, first_look) in [(5, 5), (60, 30)] {
        let mut raw = Raw::client(Config::default());
        raw.send(&frame(kind::SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]));
        let key = raw.request(1, End::Stream);
        raw.ours.connection.set_stall_timeout(key, own * SECOND);
        raw.ours.connection.send_head(key, &reply(), End::Open);
        raw.ours.connection.send_data(key, &[5; 5000], End::Stream);
        raw.ours.take_output();
        assert_eq!(wait(&mut raw, first_look * SECOND), [], "looked at for the first time");
        let seen = wait(&mut raw, own * SECOND);
        assert!(
            matches!(seen[..], [Seen::Reset { reason: Reason::StreamStalled, .. }]),
            "{seen:?}"
        );
    }
}

/// A reader that is slow and reads is left alone.
#[test]
fn a_stream_that_moves_is_not_reset() {
    let mut raw = Raw::client(Config::default());
    raw.send(&frame(kind::SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]));
    let key = raw.request(1, End::Stream);
    raw.ours.connection.send_head(key, &reply(), End::Open);
    raw.ours.connection.send_data(key, &[5; 50_000], End::Stream);
    raw.ours.take_output();
    for _ in 0..10 {
        raw.send(&number(kind::WINDOW_UPDATE, 1, 1024));
        raw.ours.take_output();
        assert_eq!(wait(&mut raw, 30 * SECOND), []);
    }
}

#[test]
fn a_connection_whose_output_does_not_move_is_closed() {
    let mut raw = Raw::client(Config::default());
    raw.send(&frame(kind::PING, 0, 0, &[0; 8]));
    raw.ours.connection.output();
    assert_eq!(wait(&mut raw, 30 * SECOND), [], "looked at for the first time");
    assert_eq!(closed(&wait(&mut raw, 30 * SECOND)), Some(Reason::OutputStalled));
}

#[test]
fn a_connection_whose_output_moves_is_left_alone() {
    let mut raw = Raw::client(Config::default());
    raw.send(&frame(kind::PING, 0, 0, &[0; 8]));
    for _ in 0..15 {
        raw.ours.connection.output().consume(1);
        raw.ours.connection.output();
        assert_eq!(wait(&mut raw, 30 * SECOND), []);
    }
}

/// The owner was busy elsewhere for long, and then sends: that is no stall.
#[test]
fn data_that_waits_since_just_now_is_not_stalled() {
    let mut raw = Raw::client(Config::default());
    raw.send(&frame(kind::SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]));
    let key = raw.request(1, End::Stream);
    raw.ours.take_output();
    raw.now = raw.now + 100 * SECOND;
    raw.ours.connection.send_head(key, &reply(), End::Open);
    raw.ours.connection.send_data(key, &[5; 5000], End::Stream);
    raw.ours.connection.output();
    let now = raw.now;
    raw.ours.connection.on_deadline(now);
    assert_eq!(raw.send(&[]), []);
    raw.ours.take_output();
    let seen = wait(&mut raw, 30 * SECOND);
    assert!(matches!(seen[..], [Seen::Reset { reason: Reason::StreamStalled, .. }]), "{seen:?}");
}

/// The second GOAWAY does not wait for a peer that answers no PING.
#[test]
fn a_drain_goes_on_without_an_answer() {
    let mut raw = Raw::client(Config::default());
    raw.request(1, End::Stream);
    let now = raw.now;
    raw.ours.connection.drain(now);
    let kinds: Vec<_> = raw.frames().iter().map(|frame| frame.0).collect();
    assert_eq!(kinds, [kind::GOAWAY, kind::PING]);
    assert_eq!(wait(&mut raw, SECOND), []);
    let goaway = (kind::GOAWAY, 0, 0, [1u32.to_be_bytes(), [0; 4]].concat());
    assert_eq!(raw.frames(), [goaway]);
    // From now on, new streams are not looked at, and nobody is punished for them.
    let late = raw.headers(3, &request(), End::Stream);
    assert_eq!(raw.send(&late), []);
    assert_eq!(raw.frames(), []);
}

#[test]
fn a_keepalive_ping_is_answered() {
    let mut pair = Pair::new();
    pair.client.connection.ping(pair.now);
    pair.client.connection.ping(pair.now);
    let (at_client, at_server) = pair.exchange();
    assert_eq!((at_client, at_server), (vec![Seen::Pong], vec![]));
}
