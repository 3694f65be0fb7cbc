//! RFC 9113 §5.1.1: the numbers of streams.

use narrows_wire::codec::{End, ErrorCode};

use crate::frames::*;
use crate::script::Script;

/// §5.1.1: a client opens streams with odd numbers.
#[test]
fn a_request_on_an_even_stream_closes_the_connection() {
    let mut script = Script::server();
    script.send(headers(2, flag::END_STREAM, REQUEST));
    script.expect_connection_error(ErrorCode::PROTOCOL_ERROR);
}

/// §5.1.1: a server opens none, as push is disabled.
#[test]
fn a_server_that_opens_a_stream_is_left() {
    for id in [2, 1, 99] {
        let mut script = Script::client();
        script.send(headers(id, flag::END_STREAM, REPLY));
        script.expect_connection_error(ErrorCode::PROTOCOL_ERROR);
    }
}

/// §5.1.1: numbers only grow.
#[test]
fn a_smaller_number_closes_the_connection() {
    let mut script = Script::server();
    script.stream(5, End::Stream);
    script.send(headers(3, flag::END_STREAM, REQUEST));
    script.expect_connection_error(ErrorCode::PROTOCOL_ERROR);
}

/// §5.1.1: a number is not used twice, however long ago its stream ended.
#[test]
fn a_number_is_not_used_twice() {
    let mut script = Script::server();
    for id in (1..200).step_by(2) {
        let key = script.stream(id, End::Stream);
        script.finish(key);
    }
    script.send(headers(1, flag::END_STREAM, REQUEST));
    script.expect_connection_error(ErrorCode::PROTOCOL_ERROR);
}

/// §5.1.1: numbers may be skipped, up to the last that there is.
#[test]
fn numbers_may_be_skipped() {
    let mut script = Script::server();
    script.stream(1, End::Stream);
    script.stream(0x7fff_fffd, End::Stream);
    script.stream(0x7fff_ffff, End::Stream);
    script.expect_alive();
}

/// §5.1.1: our client counts up in odd numbers from 1.
#[test]
fn our_client_counts_in_odd_numbers() {
    let mut script = Script::client();
    for id in [1, 3, 5] {
        script.open(End::Stream);
        let frames = script.frames();
        assert_eq!((frames[0].kind, frames[0].stream), (kind::HEADERS, id));
    }
}
