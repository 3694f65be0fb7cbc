//! RFC 9113 §5.3: priorities are obsolete. What is left of RFC 7540 §5.3.1 is checked, and has no effect.

use narrows_wire::codec::{End, ErrorCode};

use crate::frames::*;
use crate::script::{STREAM, Script, Seen};

const EXCLUSIVE: u32 = 1 << 31;

/// §5.3.2: a priority in HEADERS is read over.
#[test]
fn headers_with_a_priority_are_taken() {
    for dependency in [0, 5, 5 | EXCLUSIVE] {
        let mut script = Script::server();
        let payload = [priority_fields(dependency, 42), block(REQUEST)].concat();
        script.send(fragment(1, flag::END_BOTH | flag::PRIORITY, &payload));
        assert!(matches!(script.events()[..], [Seen::Head { end: End::Stream, .. }]));
    }
}

/// RFC 7540 §5.3.1: a stream that depends on itself is a stream error PROTOCOL_ERROR.
#[test]
fn headers_that_depend_on_themselves_are_a_stream_error() {
    let mut script = Script::server();
    let payload = [priority_fields(1, 255), block(REQUEST)].concat();
    script.send(fragment(1, flag::END_BOTH | flag::PRIORITY, &payload));
    script.expect_stream_error(1, ErrorCode::PROTOCOL_ERROR);
}

/// The same in PRIORITY, on an open stream.
#[test]
fn priority_that_depends_on_itself_is_a_stream_error() {
    for (mut script, _) in Script::both_open() {
        script.send(priority(STREAM, STREAM, 255));
        script.expect_stream_error(STREAM, ErrorCode::PROTOCOL_ERROR);
    }
}

/// The same on an idle stream, which has nothing to reset: the connection ends.
#[test]
fn priority_that_depends_on_itself_on_an_idle_stream_closes_the_connection() {
    for mut script in Script::both() {
        script.send(priority(2, 2, 255)).expect_connection_error(ErrorCode::PROTOCOL_ERROR);
    }
}

/// §5.3.2: PRIORITY is taken for any stream, with any weight, dependency and exclusiveness, and opens none.
#[test]
fn priority_is_taken_and_changes_nothing() {
    for (mut script, _) in Script::both_open() {
        for (stream, dependency, weight) in [
            (STREAM, 0, 0),
            (STREAM, 0, 255),
            (STREAM, 3, 15),
            (STREAM, 3 | EXCLUSIVE, 15),
            (9, STREAM, 15),
            (2, 4, 15),
        ] {
            script.send(priority(stream, dependency, weight)).expect_ignored();
        }
    }
}

/// A priority for an idle stream does not make the numbers below it used.
#[test]
fn priority_of_a_higher_stream_does_not_skip_the_lower() {
    let mut script = Script::server();
    script.send(priority(5, 0, 255)).expect_ignored();
    script.stream(3, End::Stream);
    script.stream(5, End::Stream);
}

/// RFC 9218 §7.1: PRIORITY_UPDATE is ignored as any frame that nobody has agreed on.
#[test]
fn priority_update_is_ignored() {
    let mut script = Script::server();
    script.send(frame(0x10, flag::NONE, 0, b"\0\0\0\x01u=1")).expect_ignored();
}
