//! RFC 9113 §6.10: CONTINUATION.

use narrows_wire::codec::{End, ErrorCode};

use crate::frames::*;
use crate::script::{STREAM, Script, Seen, owned};

/// §6.10: a block may go on in any number of frames, cut anywhere.
#[test]
fn a_block_goes_on_in_continuation() {
    let whole = block(REQUEST);
    for at in 0..whole.len() {
        let (first, rest) = whole.split_at(at);
        let (second, third) = rest.split_at(rest.len() / 2);
        let mut script = Script::server();
        script.send(fragment(1, flag::END_STREAM, first));
        script.send(continuation(1, flag::NONE, second));
        assert_eq!(script.events(), []);
        script.send(continuation(1, flag::END_HEADERS, third));
        let events = script.events();
        let [Seen::Head { fields, end: End::Stream, .. }] = &events[..] else {
            panic!("{events:?}");
        };
        assert_eq!(*fields, owned(REQUEST));
    }
}

/// §6.10: END_STREAM of HEADERS holds; the same bit means nothing on CONTINUATION.
#[test]
fn continuation_does_not_end_the_stream() {
    let mut script = Script::server();
    script.send(fragment(1, flag::NONE, &block(REQUEST)));
    script.send(continuation(1, flag::END_HEADERS | flag::END_STREAM, b""));
    assert!(matches!(script.events()[..], [Seen::Head { end: End::Open, .. }]));
}

/// §6.10: a reply and trailers may go on too.
#[test]
fn trailers_go_on_in_continuation() {
    for (mut script, _) in Script::both_open() {
        script.send(fragment(STREAM, flag::END_STREAM, b""));
        script.send(continuation(STREAM, flag::END_HEADERS, &block(TRAILERS)));
        assert_eq!(script.events(), [Seen::Trailers { fields: owned(TRAILERS) }]);
    }
}

/// §6.10: after CONTINUATION without END_HEADERS comes nothing but CONTINUATION.
#[test]
fn continuation_is_followed_by_continuation() {
    for (mut script, _) in Script::both_open() {
        script.send(fragment(STREAM, flag::END_STREAM, &block(TRAILERS)));
        script.send(continuation(STREAM, flag::NONE, &block(TRAILERS)));
        script.send(data(STREAM, flag::END_STREAM, b"test"));
        script.expect_connection_error(ErrorCode::PROTOCOL_ERROR);
    }
}

/// §6.10: CONTINUATION belongs to the stream of its block.
#[test]
fn continuation_of_another_stream_closes_the_connection() {
    for stream in [0, 3] {
        let mut script = Script::server();
        script.send(fragment(1, flag::END_STREAM, &block(REQUEST)));
        script.send(continuation(stream, flag::END_HEADERS, &block(TRAILERS)));
        script.expect_connection_error(ErrorCode::PROTOCOL_ERROR);
    }
}

/// §6.10: CONTINUATION without a block, on stream 0 and on any other.
#[test]
fn continuation_without_a_block_closes_the_connection() {
    for stream in [0, STREAM, 3] {
        for (mut script, _) in Script::both_open() {
            script.send(continuation(stream, flag::END_HEADERS, &block(TRAILERS)));
            script.expect_connection_error(ErrorCode::PROTOCOL_ERROR);
        }
    }
}

/// §6.10: behind the end of a block: of HEADERS, of CONTINUATION.
#[test]
fn continuation_behind_the_end_of_a_block_closes_the_connection() {
    let mut script = Script::server();
    script.send(headers(1, flag::END_STREAM, REQUEST));
    script.send(continuation(1, flag::END_HEADERS, &block(TRAILERS)));
    script.expect_connection_error(ErrorCode::PROTOCOL_ERROR);

    let mut script = Script::server();
    script.send(fragment(1, flag::END_STREAM, &block(REQUEST)));
    script.send(continuation(1, flag::END_HEADERS, &block(TRAILERS)));
    script.send(continuation(1, flag::END_HEADERS, &block(TRAILERS)));
    script.expect_connection_error(ErrorCode::PROTOCOL_ERROR);
}

/// §6.10: behind DATA.
#[test]
fn continuation_behind_data_closes_the_connection() {
    for (mut script, _) in Script::both_open() {
        script.send(data(STREAM, flag::NONE, b"test"));
        script.send(continuation(STREAM, flag::END_HEADERS, &block(TRAILERS)));
        script.expect_connection_error(ErrorCode::PROTOCOL_ERROR);
    }
}
