//! RFC 9113 §6.4: RST_STREAM.

use narrows_wire::codec::{End, ErrorCode, Party, Processed};

use crate::frames::*;
use crate::script::{STREAM, Script, Seen, head};

/// §6.4: RST_STREAM ends a stream, and its owner learns the code.
#[test]
fn a_reset_ends_the_stream() {
    for (mut script, _) in Script::both_open() {
        script.send(reset(STREAM, ErrorCode::INTERNAL_ERROR));
        let (code, by) = (ErrorCode::INTERNAL_ERROR, Party::Peer);
        assert_eq!(script.events(), [Seen::Reset { code, by, processed: Processed::Maybe }]);
        script.expect_alive();
    }
}

/// §8.7: REFUSED_STREAM says that the request was not processed and may be sent again.
#[test]
fn a_refused_stream_was_not_processed() {
    let mut script = Script::client();
    script.open(End::Stream);
    script.send(reset(STREAM, ErrorCode::REFUSED_STREAM));
    let (code, by) = (ErrorCode::REFUSED_STREAM, Party::Peer);
    assert_eq!(script.events(), [Seen::Reset { code, by, processed: Processed::No }]);
}

/// §6.4: RST_STREAM belongs to a stream.
#[test]
fn a_reset_on_stream_0_closes_the_connection() {
    for mut script in Script::both() {
        script.send(reset(0, ErrorCode::CANCEL));
        script.expect_connection_error(ErrorCode::PROTOCOL_ERROR);
    }
}

/// §6.4: an idle stream cannot be reset.
#[test]
fn a_reset_on_an_idle_stream_closes_the_connection() {
    for id in [1, 2, 9] {
        for mut script in Script::both() {
            script.send(reset(id, ErrorCode::CANCEL));
            script.expect_connection_error(ErrorCode::PROTOCOL_ERROR);
        }
    }
}

/// §6.4: another length than 4 is a connection error FRAME_SIZE_ERROR.
#[test]
fn another_length_closes_the_connection() {
    for (mut script, _) in Script::both_open() {
        script.send(frame(kind::RST_STREAM, flag::NONE, STREAM, b"\0\0\x08"));
        script.expect_connection_error(ErrorCode::FRAME_SIZE_ERROR);
    }
}

/// §6.4: after the peer's reset nothing of the stream is sent any more, not even what had to wait.
#[test]
fn nothing_is_sent_after_the_peers_reset() {
    let mut script = Script::server();
    script.send(settings(&[(setting::INITIAL_WINDOW_SIZE, 0)])).forget();
    let key = script.stream(1, End::Stream);
    script.command(|connection| {
        connection.send_head(key, &head(REPLY), End::Open);
        connection.send_data(key, b"waits", End::Open);
        connection.send_trailers(key, &head(TRAILERS));
    });
    script.forget().send(reset(1, ErrorCode::CANCEL));
    assert!(matches!(script.events()[..], [Seen::Reset { .. }]));
    script.send(window_update(1, 100)).expect_ignored();
    script.command(|connection| connection.send_data(key, b"more", End::Stream));
    assert_eq!(script.frames(), []);
    assert_eq!(script.command(|connection| connection.waiting_bytes()), 0);
}

/// §8.1: a server that has replied may reset with NO_ERROR; the client keeps the reply, which came whole.
#[test]
fn a_reset_after_the_reply_leaves_the_reply() {
    let mut script = Script::client();
    script.open(End::Open);
    script.send(headers(1, flag::NONE, REPLY)).send(data(1, flag::END_STREAM, b"early"));
    script.send(reset(1, ErrorCode::NO_ERROR));
    let events = script.events();
    let [Seen::Head { .. }, Seen::Data { end: End::Stream, .. }, Seen::Reset { code, .. }] =
        events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!(code, ErrorCode::NO_ERROR);
    script.expect_alive();
}
