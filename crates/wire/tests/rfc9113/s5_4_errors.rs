//! RFC 9113 §5.4: the two kinds of errors.

use narrows_wire::codec::{End, ErrorCode, Party};

use crate::frames::*;
use crate::script::{STREAM, Script, Seen};

/// §5.4.1: GOAWAY names the last stream that was processed, and says in words what was wrong.
#[test]
fn goaway_names_the_last_stream_and_the_reason() {
    let mut script = Script::server();
    script.stream(1, End::Stream);
    script.stream(7, End::Stream);
    script.send(frame(kind::PING, flag::NONE, 3, &[0; 8]));
    let frames = script.frames();
    assert_eq!((frames[0].kind, frames[0].stream, frames[0].word(0)), (kind::GOAWAY, 0, 7));
    assert_eq!(frames[0].code(), ErrorCode::PROTOCOL_ERROR);
    assert!(frames[0].payload.len() > 8);
    let events = script.events();
    let [Seen::Closed { reason, .. }] = events[..] else { panic!("{events:?}") };
    assert_eq!(&frames[0].payload[8..], reason.to_string().as_bytes());
}

/// §5.4.1: after the GOAWAY of an error the connection is closed: its owner is told to, and nothing that
/// comes afterwards has an effect.
#[test]
fn nothing_happens_after_a_connection_error() {
    for (mut script, key) in Script::both_open() {
        script.send(frame(kind::PING, flag::NONE, 3, &[0; 8]));
        script.expect_connection_error(ErrorCode::PROTOCOL_ERROR);
        script.send(data(STREAM, flag::NONE, b"test"));
        script.send(headers(9, flag::END_STREAM, REQUEST));
        script.send(frame(kind::PING, flag::NONE, 3, &[0; 8]));
        script.command(|connection| {
            connection.send_data(key, b"late", End::Stream);
            connection.reset(key, ErrorCode::CANCEL);
        });
        assert_eq!((script.events(), script.frames()), (vec![], vec![]));
        assert!(script.command(|connection| connection.is_closed()));
    }
}

/// §5.4.1: an error of the connection tells of the connection alone; the owner walks its streams itself.
#[test]
fn a_connection_error_comes_as_one_event() {
    for (mut script, _) in Script::both_open() {
        script.send(window_update(0, 0));
        assert!(matches!(script.events()[..], [Seen::Closed { .. }]));
    }
}

/// §5.4.2: a stream error leaves other streams alone.
#[test]
fn a_stream_error_leaves_other_streams_alone() {
    for (mut script, _) in Script::both_open() {
        let other = script.stream(3, End::Open);
        script.send(window_update(STREAM, 0));
        script.expect_stream_error(STREAM, ErrorCode::PROTOCOL_ERROR);
        script.send(data(3, flag::END_STREAM, b"test"));
        assert_eq!(script.events(), [Seen::Data { data: b"test".to_vec(), end: End::Stream }]);
        script.finish(other);
    }
}

/// §5.4.2: RST_STREAM is not answered with RST_STREAM.
#[test]
fn a_reset_is_not_answered_with_a_reset() {
    let streams = [Script::both_open(), Script::both_half_closed()];
    for (mut script, key) in streams.into_iter().flatten() {
        script.send(reset(STREAM, ErrorCode::CANCEL));
        script.command(|connection| connection.reset(key, ErrorCode::CANCEL));
        let events = script.events();
        assert!(matches!(events[..], [Seen::Reset { by: Party::Peer, .. }]), "{events:?}");
        assert_eq!(script.frames(), []);
        script.expect_alive();
    }
}

/// §5.4.2: a stream is not reset twice for what was on the way.
#[test]
fn a_stream_is_reset_once() {
    for (mut script, _) in Script::both_half_closed() {
        script.send(data(STREAM, flag::NONE, b"test"));
        script.expect_stream_error(STREAM, ErrorCode::STREAM_CLOSED);
        script.send(data(STREAM, flag::NONE, b"test")).expect_ignored();
        script.send(headers(STREAM, flag::END_STREAM, TRAILERS)).expect_ignored();
    }
}
