//! RFC 9113 §5.1: what each state of a stream takes. The whole table is a unit test of `state.rs`; here it
//! is what the peer sees.

use narrows_wire::codec::{End, ErrorCode, Party, Processed};
use narrows_wire::h2::Config;

use crate::frames::*;
use crate::script::{STREAM, Script, Seen};

/// §5.1, idle: anything but HEADERS and PRIORITY is a connection error PROTOCOL_ERROR.
#[test]
fn an_idle_stream_takes_nothing_but_headers_and_priority() {
    for frame in [
        data(STREAM, flag::END_STREAM, b"test"),
        reset(STREAM, ErrorCode::CANCEL),
        window_update(STREAM, 100),
        continuation(STREAM, flag::END_HEADERS, &block(REQUEST)),
    ] {
        for mut script in Script::both() {
            script.send(&frame).expect_connection_error(ErrorCode::PROTOCOL_ERROR);
        }
    }
}

/// §5.1, idle: a reply on a stream that the client has not opened is a connection error PROTOCOL_ERROR.
#[test]
fn a_reply_to_nothing_closes_the_connection() {
    let mut script = Script::client();
    script.open(End::Stream);
    script.send(headers(3, flag::END_STREAM, REPLY));
    script.expect_connection_error(ErrorCode::PROTOCOL_ERROR);
}

/// §5.1, idle: PRIORITY is taken, and changes nothing.
#[test]
fn an_idle_stream_takes_priority() {
    for mut script in Script::both() {
        script.send(priority(STREAM, 0, 255)).expect_ignored();
    }
}

/// §5.1, half-closed (remote): DATA and HEADERS are stream errors STREAM_CLOSED.
#[test]
fn a_half_closed_stream_takes_no_message() {
    for frame in [
        data(STREAM, flag::END_STREAM, b"test"),
        data(STREAM, flag::NONE, b"test"),
        headers(STREAM, flag::END_STREAM, REQUEST),
        headers(STREAM, flag::END_STREAM, TRAILERS),
    ] {
        for (mut script, _) in Script::both_half_closed() {
            script.send(&frame).expect_stream_error(STREAM, ErrorCode::STREAM_CLOSED);
        }
    }
}

/// §5.1, half-closed (remote): the owner learns that the stream is over, and by whom.
#[test]
fn the_owner_learns_of_a_stream_error() {
    for (mut script, _) in Script::both_half_closed() {
        script.send(data(STREAM, flag::END_STREAM, b"test"));
        let (code, by) = (ErrorCode::STREAM_CLOSED, Party::Us);
        assert_eq!(script.events(), [Seen::Reset { code, by, processed: Processed::Maybe }]);
    }
}

/// §5.1, half-closed (remote): CONTINUATION has no header block to go on with.
#[test]
fn a_half_closed_stream_takes_no_continuation() {
    for (mut script, _) in Script::both_half_closed() {
        script.send(continuation(STREAM, flag::END_HEADERS, &block(TRAILERS)));
        script.expect_connection_error(ErrorCode::PROTOCOL_ERROR);
    }
}

/// §5.1, half-closed (remote): WINDOW_UPDATE and PRIORITY are taken; the stream can still send.
#[test]
fn a_half_closed_stream_takes_window_update_and_priority() {
    let mut script = Script::server();
    script.send(settings(&[(setting::INITIAL_WINDOW_SIZE, 0)])).forget();
    let key = script.stream(STREAM, End::Stream);
    script.command(|connection| {
        connection.send_head(key, &crate::script::head(REPLY), End::Open);
        connection.send_data(key, b"test", End::Stream)
    });
    script.forget();
    script.send(priority(STREAM, 0, 255)).expect_ignored();
    script.send(window_update(STREAM, 1));
    assert_eq!(script.take_sent(), data(STREAM, flag::NONE, b"t"));
}

/// §5.1, half-closed (remote): RST_STREAM is taken, and ends the stream.
#[test]
fn a_half_closed_stream_takes_rst_stream() {
    for (mut script, _) in Script::both_half_closed() {
        script.send(reset(STREAM, ErrorCode::CANCEL));
        let (code, by) = (ErrorCode::CANCEL, Party::Peer);
        assert_eq!(script.events(), [Seen::Reset { code, by, processed: Processed::Maybe }]);
        script.expect_alive();
    }
}

/// §5.1, closed by the peer's RST_STREAM: DATA and HEADERS are stream errors STREAM_CLOSED.
#[test]
fn a_message_after_the_peers_reset_is_a_stream_error() {
    for frame in [
        data(STREAM, flag::END_STREAM, b"test"),
        headers(STREAM, flag::END_STREAM, REQUEST),
        headers(STREAM, flag::END_STREAM, TRAILERS),
    ] {
        for mut script in Script::both_reset_by_peer() {
            script.send(&frame).expect_stream_error(STREAM, ErrorCode::STREAM_CLOSED);
        }
    }
}

/// The same while the owner has not released the stream yet.
#[test]
fn a_message_after_the_peers_reset_is_a_stream_error_before_the_release() {
    for (mut script, _) in Script::both_open() {
        script.send(reset(STREAM, ErrorCode::CANCEL)).forget();
        script.send(data(STREAM, flag::END_STREAM, b"test"));
        script.expect_stream_error(STREAM, ErrorCode::STREAM_CLOSED);
    }
}

/// §5.1, closed by the peer's RST_STREAM: CONTINUATION is a connection error.
#[test]
fn continuation_after_the_peers_reset_closes_the_connection() {
    for mut script in Script::both_reset_by_peer() {
        script.send(continuation(STREAM, flag::END_HEADERS, &block(TRAILERS)));
        script.expect_connection_error(ErrorCode::PROTOCOL_ERROR);
    }
}

/// §5.1, closed by END_STREAM of both ends: DATA and HEADERS are connection errors STREAM_CLOSED.
#[test]
fn a_message_after_its_end_closes_the_connection() {
    for frame in [
        data(STREAM, flag::END_STREAM, b"test"),
        headers(STREAM, flag::END_STREAM, REQUEST),
        headers(STREAM, flag::END_STREAM, TRAILERS),
    ] {
        for mut script in Script::both_closed() {
            script.send(&frame).expect_connection_error(ErrorCode::STREAM_CLOSED);
        }
    }
}

/// §5.1, closed by END_STREAM of both ends: CONTINUATION is a connection error.
#[test]
fn continuation_after_the_end_closes_the_connection() {
    for mut script in Script::both_closed() {
        script.send(continuation(STREAM, flag::END_HEADERS, &block(TRAILERS)));
        script.expect_connection_error(ErrorCode::PROTOCOL_ERROR);
    }
}

/// §5.1, closed: PRIORITY is taken in any way of being closed.
#[test]
fn a_closed_stream_takes_priority() {
    let closed = [Script::both_closed(), Script::both_reset_by_peer(), Script::both_reset_by_us()];
    for mut script in closed.into_iter().flatten() {
        script.send(priority(STREAM, 0, 255)).expect_ignored();
    }
}

/// §5.1, closed: WINDOW_UPDATE and RST_STREAM may cross with the end of the stream, and are ignored.
#[test]
fn what_crosses_with_the_end_is_ignored() {
    let closed = [Script::both_closed(), Script::both_reset_by_us()];
    for mut script in closed.into_iter().flatten() {
        script.send(window_update(STREAM, 100)).expect_ignored();
        script.send(reset(STREAM, ErrorCode::CANCEL)).expect_ignored();
    }
}

/// §5.1, closed by our RST_STREAM: what the peer had sent before it read that is ignored, whatever it is.
#[test]
fn what_crosses_with_our_reset_is_ignored() {
    for mut script in Script::both_reset_by_us() {
        for frame in [
            data(STREAM, flag::NONE, b"test"),
            headers(STREAM, flag::END_STREAM, TRAILERS),
            data(STREAM, flag::END_STREAM, b"test"),
        ] {
            script.send(frame).expect_ignored();
        }
    }
}

/// §5.1: such DATA counts for the window of the connection, and is credited.
#[test]
fn data_that_crosses_with_our_reset_is_credited() {
    for mut script in Script::both_reset_by_us() {
        let mut credited = 0;
        for _ in 0..256 {
            script.send(data(STREAM, flag::NONE, &[0; 1 << 14]));
            let frames = script.frames();
            assert!(frames.iter().all(|frame| frame.kind == kind::WINDOW_UPDATE), "{frames:?}");
            credited += frames.iter().map(|frame| frame.word(0)).sum::<u32>();
        }
        assert!(credited >= (256 << 14) - Config::default().connection_window_bytes);
        script.expect_alive();
    }
}

/// §5.1: a stream that was skipped is closed, not idle.
#[test]
fn a_skipped_stream_is_closed() {
    let mut script = Script::server();
    script.stream(7, End::Open);
    script.send(data(5, flag::NONE, b"test"));
    script.expect_stream_error(5, ErrorCode::STREAM_CLOSED);
    script.send(window_update(3, 1)).expect_ignored();
}

/// §5.1, half-closed (local): whatever the peer may send is taken after our end of the stream.
#[test]
fn a_stream_that_we_have_ended_takes_the_rest() {
    for (mut script, key) in Script::both_open() {
        script.finish(key);
        script.send(data(STREAM, flag::NONE, b"test"));
        assert_eq!(script.events(), [Seen::Data { data: b"test".to_vec(), end: End::Open }]);
        script.send(headers(STREAM, flag::END_STREAM, TRAILERS));
        assert!(matches!(script.events()[..], [Seen::Trailers { .. }]));
        script.expect_alive();
    }
}
