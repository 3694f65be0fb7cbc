//! RFC 9113 §6.7: PING.

use narrows_wire::codec::ErrorCode;

use crate::frames::*;
use crate::script::{STREAM, Script, Seen};

/// §6.7: PING is answered with its payload.
#[test]
fn a_ping_is_answered() {
    for mut script in Script::both() {
        script.send(ping(flag::NONE, b"\0\x01\x02\x03\xfc\xfd\xfe\xff"));
        assert_eq!(script.take_sent(), ping(flag::ACK, b"\0\x01\x02\x03\xfc\xfd\xfe\xff"));
        assert_eq!(script.events(), []);
    }
}

/// §6.7: an answer is not answered, whether it was asked for or not.
#[test]
fn an_answer_is_not_answered() {
    for mut script in Script::both() {
        script.send(ping(flag::ACK, b"invalid!")).expect_ignored();
    }
}

/// §6.7: our own PING, and its answer.
#[test]
fn our_ping_and_its_answer() {
    for mut script in Script::both() {
        let now = narrows_wire::Time::ZERO;
        script.command(|connection| connection.ping(now));
        let frames = script.frames();
        assert_eq!((frames[0].kind, frames[0].flags, frames[0].stream), (kind::PING, 0, 0));
        script.send(frame(kind::PING, flag::ACK, 0, &frames[0].payload));
        assert_eq!(script.events(), [Seen::Pong]);
        script.send(frame(kind::PING, flag::ACK, 0, &frames[0].payload)).expect_ignored();
    }
}

/// §6.7: PING belongs to the connection.
#[test]
fn a_ping_on_a_stream_closes_the_connection() {
    for flags in [flag::NONE, flag::ACK] {
        for (mut script, _) in Script::both_open() {
            script.send(frame(kind::PING, flags, STREAM, &[0; 8]));
            script.expect_connection_error(ErrorCode::PROTOCOL_ERROR);
        }
    }
}

/// §6.7: another length than 8 is a connection error FRAME_SIZE_ERROR.
#[test]
fn another_length_closes_the_connection() {
    for flags in [flag::NONE, flag::ACK] {
        for mut script in Script::both() {
            script.send(frame(kind::PING, flags, 0, &[0; 6]));
            script.expect_connection_error(ErrorCode::FRAME_SIZE_ERROR);
        }
    }
}
