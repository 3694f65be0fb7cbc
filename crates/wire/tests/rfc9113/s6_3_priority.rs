//! RFC 9113 §6.3: PRIORITY, which is obsolete; see `s5_3_priority`.

use narrows_wire::codec::ErrorCode;

use crate::frames::*;
use crate::script::{STREAM, Script};

/// §6.3: PRIORITY belongs to a stream.
#[test]
fn priority_on_stream_0_closes_the_connection() {
    for mut script in Script::both() {
        script.send(priority(0, 1, 15)).expect_connection_error(ErrorCode::PROTOCOL_ERROR);
    }
}

/// §6.3: another length than 5 is a stream error FRAME_SIZE_ERROR.
#[test]
fn another_length_is_a_stream_error() {
    for length in [0, 4, 6] {
        for (mut script, _) in Script::both_open() {
            script.send(frame(kind::PRIORITY, flag::NONE, STREAM, &vec![0; length]));
            script.expect_stream_error(STREAM, ErrorCode::FRAME_SIZE_ERROR);
        }
    }
}

/// §6.3: the same on a closed stream: whether the reply was quicker makes no difference.
#[test]
fn another_length_is_a_stream_error_on_a_closed_stream() {
    for mut script in Script::both_closed() {
        script.send(frame(kind::PRIORITY, flag::NONE, STREAM, &[0; 4]));
        assert_eq!(script.events(), []);
        script.expect_stream_error(STREAM, ErrorCode::FRAME_SIZE_ERROR);
    }
}

/// §5.1: RST_STREAM must not be sent on an idle stream, so the connection ends there.
#[test]
fn another_length_on_an_idle_stream_closes_the_connection() {
    for mut script in Script::both() {
        script.send(frame(kind::PRIORITY, flag::NONE, 5, &[0; 4]));
        script.expect_connection_error(ErrorCode::FRAME_SIZE_ERROR);
    }
}
