//! RFC 9113 §4.2: how long a frame may be, and must be.

use narrows_wire::codec::{End, ErrorCode, Role};
use narrows_wire::h2::Config;

use crate::frames::*;
use crate::script::{STREAM, Script, Seen, head};

/// §4.2: every endpoint takes frames of 2^14 bytes.
#[test]
fn a_frame_of_2_14_bytes_is_taken() {
    for (mut script, _) in Script::both_open() {
        script.send(data(STREAM, flag::NONE, &[7; 1 << 14]));
        assert_eq!(script.events(), [Seen::Data { data: vec![7; 1 << 14], end: End::Open }]);
        script.expect_alive();
    }
}

/// §4.2: a frame longer than SETTINGS_MAX_FRAME_SIZE is a FRAME_SIZE_ERROR; of any type, it ends the
/// connection here. Its header is enough: the payload is not waited for.
#[test]
fn a_longer_frame_closes_the_connection() {
    for kind in [kind::DATA, kind::HEADERS, kind::SETTINGS, kind::PING, kind::UNKNOWN] {
        for (mut script, _) in Script::both_open() {
            script.send(frame_header((1 << 14) + 1, kind, flag::NONE, STREAM));
            script.expect_connection_error(ErrorCode::FRAME_SIZE_ERROR);
        }
    }
}

/// §4.2: what we announce is what we take, to the byte.
#[test]
fn the_announced_size_is_the_limit() {
    let config = Config { max_frame_bytes: 20_000, ..Config::default() };
    let mut script = Script::with(Role::Server, &config);
    script.stream(1, End::Open);
    script.send(data(1, flag::NONE, &[7; 20_000]));
    assert_eq!(script.events(), [Seen::Data { data: vec![7; 20_000], end: End::Open }]);
    script.send(data(1, flag::NONE, &[7; 20_001]));
    script.expect_connection_error(ErrorCode::FRAME_SIZE_ERROR);
}

/// §4.2: a frame of another length than its type demands is a FRAME_SIZE_ERROR, and ends the connection if
/// it could change its state.
#[test]
fn a_length_that_does_not_fit_the_type_closes_the_connection() {
    for (kind, stream, lengths) in [
        (kind::RST_STREAM, STREAM, &[0, 3, 5][..]),
        (kind::SETTINGS, 0, &[1, 5, 7]),
        (kind::PING, 0, &[0, 7, 9]),
        (kind::GOAWAY, 0, &[0, 4, 7]),
        (kind::WINDOW_UPDATE, 0, &[0, 3, 5]),
        (kind::WINDOW_UPDATE, STREAM, &[0, 3, 5]),
    ] {
        for length in lengths {
            for (mut script, _) in Script::both_open() {
                script.send(frame(kind, flag::NONE, stream, &vec![0; *length]));
                script.expect_connection_error(ErrorCode::FRAME_SIZE_ERROR);
            }
        }
    }
}

/// §4.2: a HEADERS frame too short for what its flags promise ends the connection: a header block is lost.
#[test]
fn headers_too_short_for_their_flags_close_the_connection() {
    for (flags, payload) in [
        (flag::PADDED, &[][..]),
        (flag::PRIORITY, &[0, 0, 0, 0]),
        (flag::PADDED | flag::PRIORITY, &[0, 0, 0, 0, 3]),
    ] {
        let mut script = Script::server();
        script.send(fragment(1, flags | flag::END_HEADERS, payload));
        script.expect_connection_error(ErrorCode::FRAME_SIZE_ERROR);
    }
}

/// §4.2: we send no frame longer than 2^14 bytes, whatever the peer would take.
#[test]
fn we_send_frames_of_2_14_bytes_at_most() {
    let mut script = Script::server();
    let key = script.stream(1, End::Stream);
    script.send(settings(&[(setting::MAX_FRAME_SIZE, 1 << 20)])).forget();
    script.command(|connection| {
        connection.send_head(key, &head(REPLY), End::Open);
        connection.send_data(key, &[7; 40_000], End::Stream)
    });
    let frames = script.frames();
    let lengths: Vec<_> = frames[1..].iter().map(|frame| frame.payload.len()).collect();
    assert_eq!(lengths, [1 << 14, 1 << 14, 40_000 - (2 << 14)]);
    let flags: Vec<_> = frames[1..].iter().map(|frame| frame.flags).collect();
    assert_eq!(flags, [0, 0, flag::END_STREAM]);
}
