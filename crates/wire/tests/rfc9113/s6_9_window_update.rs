//! RFC 9113 §5.2 and §6.9: flow control.

use narrows_wire::codec::{End, ErrorCode, Role, StreamKey};
use narrows_wire::h2::Config;

use crate::frames::*;
use crate::script::{STREAM, Script, Seen, head};

const WINDOW_MAX: u32 = (1 << 31) - 1;

/// A server that has a reply to send on stream 1, whose window is so large, and has sent its head.
fn replying(window_bytes: u32) -> (Script, StreamKey) {
    let mut script = Script::server();
    script.send(settings(&[(setting::INITIAL_WINDOW_SIZE, window_bytes)])).forget();
    let key = script.stream(STREAM, End::Stream);
    script.command(|connection| connection.send_head(key, &head(REPLY), End::Open));
    script.forget();
    (script, key)
}

fn send_data(script: &mut Script, key: StreamKey, data: &[u8]) -> usize {
    script.command(|connection| connection.send_data(key, data, End::Stream))
}

/// §6.9: an increment of zero is an error: of the stream, or of the connection.
#[test]
fn an_increment_of_zero() {
    for (mut script, _) in Script::both_open() {
        script.send(window_update(STREAM, 0));
        script.expect_stream_error(STREAM, ErrorCode::PROTOCOL_ERROR);
        script.send(window_update(0, 0)).expect_connection_error(ErrorCode::PROTOCOL_ERROR);
    }
}

/// §6.9: another length than 4 is a connection error FRAME_SIZE_ERROR.
#[test]
fn another_length_closes_the_connection() {
    for stream in [0, STREAM] {
        for (mut script, _) in Script::both_open() {
            script.send(frame(kind::WINDOW_UPDATE, flag::NONE, stream, &[0, 0, 1]));
            script.expect_connection_error(ErrorCode::FRAME_SIZE_ERROR);
        }
    }
}

/// §6.9: WINDOW_UPDATE lets us send more, of the stream and of the connection.
#[test]
fn a_window_update_lets_us_send() {
    let (mut script, key) = replying(0);
    assert_eq!(send_data(&mut script, key, b"test"), 0);
    assert_eq!(script.frames(), []);
    script.send(window_update(0, 100)).expect_ignored();
    script.send(window_update(STREAM, 3));
    assert_eq!(script.take_sent(), data(STREAM, flag::NONE, b"tes"));
    assert_eq!(script.events(), [Seen::Sent { bytes: 3 }]);
    script.send(window_update(STREAM, 1));
    assert_eq!(script.take_sent(), data(STREAM, flag::END_STREAM, b"t"));
}

/// §6.9.1: we send no more than a window of one byte allows.
#[test]
fn a_window_of_one_byte() {
    let (mut script, key) = replying(1);
    assert_eq!(send_data(&mut script, key, b"test"), 1);
    assert_eq!(script.take_sent(), data(STREAM, flag::NONE, b"t"));
}

/// §6.9.1: nor more than the connection's window, whatever the stream's is.
#[test]
fn the_connections_window_holds_for_all_streams() {
    let (mut script, key) = replying(1 << 20);
    let second = script.stream(3, End::Stream);
    assert_eq!(send_data(&mut script, key, &[7; 100_000]), 65_535);
    script.forget();
    script.command(|connection| connection.send_head(second, &head(REPLY), End::Open));
    script.forget();
    assert_eq!(send_data(&mut script, second, b"test"), 0);
    script.send(window_update(0, 10));
    let sent: usize = script.frames().iter().map(|frame| frame.payload.len()).sum();
    assert_eq!(sent, 10);
}

/// §6.9: a frame without payload needs no window.
#[test]
fn an_empty_frame_needs_no_window() {
    let (mut script, key) = replying(0);
    send_data(&mut script, key, b"");
    assert_eq!(script.take_sent(), data(STREAM, flag::END_STREAM, b""));
}

/// §6.9.1: the connection's window above 2^31-1 is a connection error FLOW_CONTROL_ERROR.
#[test]
fn the_connections_window_overflows() {
    for mut script in Script::both() {
        script.send(window_update(0, WINDOW_MAX - 65_535)).expect_ignored();
        script.send(window_update(0, 1)).expect_connection_error(ErrorCode::FLOW_CONTROL_ERROR);
    }
}

/// §6.9.1: a stream's window above 2^31-1 is a stream error FLOW_CONTROL_ERROR.
#[test]
fn a_streams_window_overflows() {
    for (mut script, _) in Script::both_open() {
        script.send(window_update(STREAM, WINDOW_MAX - 65_535)).expect_ignored();
        script.send(window_update(STREAM, 1));
        script.expect_stream_error(STREAM, ErrorCode::FLOW_CONTROL_ERROR);
    }
}

/// §6.9.2: a new initial window changes those of open streams by the difference.
#[test]
fn a_new_initial_window_moves_those_of_open_streams() {
    let (mut script, key) = replying(0);
    send_data(&mut script, key, b"test");
    script.send(settings(&[(setting::INITIAL_WINDOW_SIZE, 1)]));
    let frames = script.frames();
    let sent: Vec<_> = frames.iter().filter(|frame| frame.kind == kind::DATA).collect();
    assert_eq!((sent.len(), &sent[0].payload[..]), (1, &b"t"[..]));
}

/// §6.9.2: a window may become negative, and must be paid back before anything is sent.
#[test]
fn a_negative_window_is_paid_back() {
    let (mut script, key) = replying(3);
    send_data(&mut script, key, b"testing");
    assert_eq!(script.take_sent(), data(STREAM, flag::NONE, b"tes"));
    script.send(settings(&[(setting::INITIAL_WINDOW_SIZE, 2)])).forget();
    script.send(window_update(STREAM, 1)).expect_ignored();
    script.send(window_update(STREAM, 1));
    assert_eq!(script.take_sent(), data(STREAM, flag::NONE, b"t"));
}

/// §6.9.2: an initial window above 2^31-1, or one that moves a stream's above it, is a connection error
/// FLOW_CONTROL_ERROR.
#[test]
fn an_initial_window_out_of_range_closes_the_connection() {
    for mut script in Script::both() {
        script.send(settings(&[(setting::INITIAL_WINDOW_SIZE, 1 << 31)]));
        script.expect_connection_error(ErrorCode::FLOW_CONTROL_ERROR);
    }
    for (mut script, _) in Script::both_open() {
        script.send(window_update(STREAM, 1)).expect_ignored();
        script.send(settings(&[(setting::INITIAL_WINDOW_SIZE, WINDOW_MAX)]));
        script.expect_connection_error(ErrorCode::FLOW_CONTROL_ERROR);
    }
}

/// §6.9.2: the initial window of SETTINGS is none of the connection's.
#[test]
fn an_initial_window_leaves_the_connections_alone() {
    let (mut script, key) = replying(WINDOW_MAX);
    assert_eq!(send_data(&mut script, key, &[7; 70_000]), 65_535);
}

/// §6.9.1: DATA beyond a stream's window is a stream error FLOW_CONTROL_ERROR; to the byte.
#[test]
fn more_data_than_a_streams_window() {
    for (mut script, _) in Script::both_open() {
        for _ in 0..3 {
            script.send(data(STREAM, flag::NONE, &[0; 1 << 14]));
        }
        script.send(data(STREAM, flag::NONE, &[0; (1 << 14) - 1]));
        script.expect_alive();
        script.send(data(STREAM, flag::NONE, &[0]));
        script.expect_stream_error(STREAM, ErrorCode::FLOW_CONTROL_ERROR);
    }
}

/// §6.9.1: DATA beyond the connection's window is a connection error FLOW_CONTROL_ERROR; to the byte.
#[test]
fn more_data_than_the_connections_window() {
    let config = Config {
        connection_window_bytes: 65_535,
        buffered_bytes_max: 0,
        initial_window_bytes: 1 << 20,
        ..Config::default()
    };
    let mut script = Script::with(Role::Server, &config);
    script.stream(1, End::Open);
    for _ in 0..3 {
        script.send(data(1, flag::NONE, &[0; 1 << 14]));
    }
    script.send(data(1, flag::NONE, &[0; (1 << 14) - 1]));
    script.expect_alive();
    script.send(data(1, flag::NONE, &[0])).expect_connection_error(ErrorCode::FLOW_CONTROL_ERROR);
}

/// §6.9.1: padding counts, and is credited though the owner never sees it.
#[test]
fn padding_counts_for_the_windows_and_is_credited() {
    for (mut script, key) in Script::both_open() {
        let (mut of_stream, mut of_connection) = (0, 0);
        for _ in 0..10_000 {
            script.send(data(STREAM, flag::PADDED, &padded(b"test", 251)));
            assert_eq!(script.events(), [Seen::Data { data: b"test".to_vec(), end: End::Open }]);
            script.command(|connection| connection.grant(key, 4));
            for frame in script.frames() {
                assert_eq!(frame.kind, kind::WINDOW_UPDATE);
                match frame.stream {
                    0 => of_connection += frame.word(0),
                    _ => of_stream += frame.word(0),
                }
            }
        }
        assert!(of_stream > 2_000_000 && of_connection > 1_500_000, "{of_stream} {of_connection}");
        script.expect_alive();
    }
}

/// §5.2: what the owner takes is credited, in lumps, and nothing more than that.
#[test]
fn a_stream_is_credited_as_its_owner_takes() {
    for (mut script, key) in Script::both_open() {
        script.send(data(STREAM, flag::NONE, &[0; 1 << 14]));
        script.send(data(STREAM, flag::NONE, &[0; 1 << 14]));
        let of_stream = |frame: &Frame| frame.kind == kind::WINDOW_UPDATE && frame.stream == STREAM;
        assert!(!script.frames().iter().any(of_stream), "nothing is taken yet");
        script.command(|connection| connection.grant(key, 1 << 15));
        let frames = script.frames();
        assert_eq!(frames.len(), 1);
        assert!(of_stream(&frames[0]) && frames[0].word(0) == 1 << 15, "{frames:?}");
    }
}

/// §5.2: nothing is credited to a stream whose peer has ended it.
#[test]
fn an_ended_stream_is_not_credited() {
    for (mut script, key) in Script::both_open() {
        script.send(data(STREAM, flag::NONE, &[0; 1 << 14]));
        script.send(data(STREAM, flag::NONE, &[0; 1 << 14]));
        script.send(data(STREAM, flag::END_STREAM, &[0; 1 << 14])).forget();
        script.command(|connection| connection.grant(key, 3 << 14));
        let frames = script.frames();
        assert!(frames.iter().all(|frame| frame.stream == 0), "{frames:?}");
    }
}

/// §6.9.3: the window that we announce holds once it is acknowledged; until then the peer may use the
/// default one.
#[test]
fn a_smaller_window_holds_from_its_acknowledgement() {
    let config = Config { initial_window_bytes: 10, ..Config::default() };
    let mut script = Script::fresh(Role::Server, &config);
    script.send(PREFACE).send(settings(&[]));
    script.forget().send(headers(1, flag::NONE, REQUEST));
    script.send(data(1, flag::NONE, &[0; 1000]));
    script.expect_alive();
    script.send(settings_ack());
    script.send(headers(3, flag::NONE, REQUEST)).forget();
    script.send(data(3, flag::NONE, &[0; 11]));
    script.expect_stream_error(3, ErrorCode::FLOW_CONTROL_ERROR);
}
