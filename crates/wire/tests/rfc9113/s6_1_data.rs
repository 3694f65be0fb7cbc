//! RFC 9113 §6.1: DATA.

use narrows_wire::codec::{End, ErrorCode};

use crate::frames::*;
use crate::script::{STREAM, Script, Seen};

/// §6.1: DATA passes, in one frame and in several.
#[test]
fn data_passes() {
    for (mut script, _) in Script::both_open() {
        script.send(data(STREAM, flag::NONE, b"te"));
        script.send(data(STREAM, flag::NONE, b""));
        script.send(data(STREAM, flag::NONE, b"st"));
        assert_eq!(script.events(), [Seen::Data { data: b"test".to_vec(), end: End::Open }]);
        script.send(data(STREAM, flag::END_STREAM, b""));
        assert_eq!(script.events(), [Seen::Data { data: vec![], end: End::Stream }]);
        script.expect_alive();
    }
}

/// §6.1: padding is taken off, none of it reaches the owner, and an empty payload may be padded.
#[test]
fn padding_is_taken_off() {
    for (mut script, _) in Script::both_open() {
        for padding in [0, 1, 255] {
            script.send(data(STREAM, flag::PADDED, &padded(b"test", padding)));
            assert_eq!(script.events(), [Seen::Data { data: b"test".to_vec(), end: End::Open }]);
        }
        script.send(data(STREAM, flag::PADDED, &padded(b"", 7)));
        assert_eq!(script.events(), []);
        script.send(data(STREAM, flag::PADDED | flag::END_STREAM, &padded(b"", 255)));
        assert_eq!(script.events(), [Seen::Data { data: vec![], end: End::Stream }]);
        script.expect_alive();
    }
}

/// §6.1: DATA belongs to a stream.
#[test]
fn data_on_stream_0_closes_the_connection() {
    for mut script in Script::both() {
        script.send(data(0, flag::NONE, b"test"));
        script.expect_connection_error(ErrorCode::PROTOCOL_ERROR);
    }
}

/// §6.1: DATA on a stream that is neither open nor half-closed (local) is a stream error STREAM_CLOSED.
#[test]
fn data_on_a_stream_that_is_not_open_is_a_stream_error() {
    for (mut script, _) in Script::both_half_closed() {
        script.send(data(STREAM, flag::NONE, b"test"));
        script.expect_stream_error(STREAM, ErrorCode::STREAM_CLOSED);
    }
}

/// §6.1: padding as long as the payload or longer is a connection error PROTOCOL_ERROR.
#[test]
fn too_much_padding_closes_the_connection() {
    for payload in [&[1][..], &[5, 0, 0, 0, 0], &[255, 0]] {
        for (mut script, _) in Script::both_open() {
            script.send(data(STREAM, flag::PADDED | flag::END_STREAM, payload));
            script.expect_connection_error(ErrorCode::PROTOCOL_ERROR);
        }
    }
}

/// §6.1: a padded frame holds at least the length of its padding.
#[test]
fn padding_without_a_length_closes_the_connection() {
    for (mut script, _) in Script::both_open() {
        script.send(data(STREAM, flag::PADDED, b""));
        script.expect_connection_error(ErrorCode::FRAME_SIZE_ERROR);
    }
}

/// §8.1: DATA before the head of the reply is no message.
#[test]
fn data_before_the_head_is_a_stream_error() {
    let mut script = Script::client();
    script.open(End::Stream);
    script.forget().send(data(STREAM, flag::NONE, b"test"));
    script.expect_stream_error(STREAM, ErrorCode::PROTOCOL_ERROR);
}
