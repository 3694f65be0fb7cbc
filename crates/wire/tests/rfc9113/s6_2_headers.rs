//! RFC 9113 §6.2: HEADERS.

use narrows_wire::codec::{End, ErrorCode};

use crate::frames::*;
use crate::script::{STREAM, Script, Seen, owned};

/// §6.2: HEADERS opens a stream; padding and a priority are taken off.
#[test]
fn headers_come_plain_padded_and_with_a_priority() {
    let plain = block(REQUEST);
    let with_priority = [priority_fields(0, 15), plain.clone()].concat();
    for (flags, payload) in [
        (flag::NONE, plain.clone()),
        (flag::PADDED, padded(&plain, 8)),
        (flag::PADDED, padded(&plain, 0)),
        (flag::PRIORITY, with_priority.clone()),
        (flag::PADDED | flag::PRIORITY, padded(&with_priority, 255)),
    ] {
        let mut script = Script::server();
        script.send(fragment(1, flags | flag::END_BOTH, &payload));
        let events = script.events();
        let [Seen::Head { fields, end: End::Stream, .. }] = &events[..] else {
            panic!("{events:?}");
        };
        assert_eq!(*fields, owned(REQUEST));
    }
}

/// §6.2: without END_HEADERS nothing but CONTINUATION of the same stream follows.
#[test]
fn headers_without_their_end_are_followed_by_continuation() {
    for next in [priority(1, 0, 15), headers(3, flag::END_STREAM, REQUEST)] {
        let mut script = Script::server();
        script.send(fragment(1, flag::END_STREAM, &block(REQUEST)));
        script.send(next).expect_connection_error(ErrorCode::PROTOCOL_ERROR);
    }
}

/// §6.2: HEADERS belongs to a stream.
#[test]
fn headers_on_stream_0_close_the_connection() {
    for mut script in Script::both() {
        script.send(headers(0, flag::END_STREAM, REQUEST));
        script.expect_connection_error(ErrorCode::PROTOCOL_ERROR);
    }
}

/// §6.2: padding longer than what is left for the fragment is a connection error PROTOCOL_ERROR.
#[test]
fn too_much_padding_closes_the_connection() {
    let plain = block(TRAILERS);
    let mut payload = padded(&plain, 0);
    payload[0] = plain.len() as u8 + 1;
    for (mut script, _) in Script::both_open() {
        script.send(fragment(STREAM, flag::PADDED | flag::END_BOTH, &payload));
        script.expect_connection_error(ErrorCode::PROTOCOL_ERROR);
    }
}

/// §6.2: padding up to the whole fragment leaves an empty one, which is trailers without fields.
#[test]
fn padding_may_leave_nothing() {
    for (mut script, _) in Script::both_open() {
        let all = flag::PADDED | flag::END_BOTH;
        script.send(fragment(STREAM, all, &padded(b"", 9)));
        assert_eq!(script.events(), [Seen::Trailers { fields: vec![] }]);
    }
}
