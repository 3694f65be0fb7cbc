//! RFC 9113 §6.8: GOAWAY.

use std::time::Duration;

use narrows_wire::Time;
use narrows_wire::codec::{End, ErrorCode, OpenError, Party, Processed};

use crate::frames::*;
use crate::script::{STREAM, Script, Seen, head};

const ANY_STREAM: u32 = (1 << 31) - 1;

/// §6.8: GOAWAY belongs to the connection.
#[test]
fn goaway_on_a_stream_closes_the_connection() {
    for (mut script, _) in Script::both_open() {
        script.send(frame(kind::GOAWAY, flag::NONE, STREAM, &[0; 8]));
        script.expect_connection_error(ErrorCode::PROTOCOL_ERROR);
    }
}

/// §6.8: GOAWAY is told to the owner, and the connection goes on with what is open.
#[test]
fn streams_up_to_the_last_go_on() {
    for (mut script, _) in Script::both_open() {
        script.send(goaway(STREAM, ErrorCode::NO_ERROR, b"bye"));
        let told = Seen::GoAway { code: ErrorCode::NO_ERROR, last_stream: STREAM };
        assert_eq!(script.events(), [told]);
        script.send(data(STREAM, flag::END_STREAM, b"test"));
        assert_eq!(script.events(), [Seen::Data { data: b"test".to_vec(), end: End::Stream }]);
        script.expect_alive();
    }
}

/// §6.8: our streams above the last were not processed and may be sent again; none is opened any more.
#[test]
fn streams_above_the_last_were_not_processed() {
    let mut script = Script::client();
    for _ in [1, 3, 5] {
        script.open(End::Stream);
    }
    script.forget().send(goaway(1, ErrorCode::NO_ERROR, b""));
    let events = script.events();
    let reset =
        Seen::Reset { code: ErrorCode::REFUSED_STREAM, by: Party::Peer, processed: Processed::No };
    let told = Seen::GoAway { code: ErrorCode::NO_ERROR, last_stream: 1 };
    assert_eq!(events, [told, reset.clone(), reset]);
    assert_eq!(script.command(|connection| connection.capacity()), 0);
    let open = |script: &mut Script| {
        script.command(|connection| connection.open(Time::ZERO, 0, &head(REQUEST), End::Stream))
    };
    assert_eq!(open(&mut script), Err(OpenError::Draining));
    script.send(headers(1, flag::END_STREAM, REPLY));
    assert!(matches!(script.events()[..], [Seen::Head { .. }, Seen::Drained]));
}

/// §6.8: GOAWAY may come in two steps, the second with a lower number.
#[test]
fn goaway_in_two_steps() {
    let mut script = Script::client();
    script.open(End::Stream);
    script.open(End::Stream);
    script.forget().send(goaway(ANY_STREAM, ErrorCode::NO_ERROR, b""));
    assert!(matches!(script.events()[..], [Seen::GoAway { last_stream: ANY_STREAM, .. }]));
    script.send(goaway(1, ErrorCode::NO_ERROR, b""));
    let events = script.events();
    assert!(
        matches!(events[..], [Seen::GoAway { last_stream: 1, .. }, Seen::Reset { .. }]),
        "{events:?}"
    );
}

/// §6.8: our server announces its end, still takes what was on the way, and then names its last stream.
#[test]
fn our_server_goes_in_two_steps() {
    let mut script = Script::server();
    let first = script.stream(1, End::Stream);
    script.command(|connection| connection.drain(Time::ZERO + Duration::from_secs(1)));
    let frames = script.frames();
    assert_eq!((frames[0].kind, frames[0].word(0)), (kind::GOAWAY, ANY_STREAM));
    assert_eq!(frames[0].code(), ErrorCode::NO_ERROR);
    assert_eq!(frames[1].kind, kind::PING);
    let second = script.stream(3, End::Stream);
    script.send(frame(kind::PING, flag::ACK, 0, &frames[1].payload));
    let frames = script.frames();
    assert_eq!((frames[0].kind, frames[0].word(0)), (kind::GOAWAY, 3));
    // Streams above the last are ignored, and their blocks move the table.
    let late = [block(REQUEST), literal(0x40, b"x-test", b"ok")].concat();
    script.send(fragment(5, flag::END_BOTH, &late)).expect_ignored();
    script.send(fragment(3, flag::END_BOTH, &[0x80 | 62]));
    script.expect_stream_error(3, ErrorCode::STREAM_CLOSED);
    script.command(|connection| {
        connection.send_head(first, &head(REPLY), End::Stream);
        connection.release(first);
        connection.release(second);
    });
    assert_eq!(script.events(), [Seen::Drained]);
}

/// §6.8: DATA of streams above the last still counts for the connection's window, and is credited.
#[test]
fn data_above_the_last_stream_is_credited() {
    let mut script = Script::server();
    script.stream(1, End::Open);
    script.command(|connection| connection.drain(Time::ZERO + Duration::from_secs(1)));
    script.pass(Duration::from_secs(2));
    script.forget();
    script.send(headers(3, flag::NONE, REQUEST)).expect_ignored();
    let mut credited = 0;
    for _ in 0..64 {
        script.send(data(3, flag::NONE, &[0; 1 << 14]));
        credited += script.frames().iter().map(|frame| frame.word(0)).sum::<u32>();
    }
    assert!(credited >= 1 << 19, "{credited}");
    script.expect_alive();
}

/// §6.8: a number that no stream of ours has is none of our business.
#[test]
fn goaway_for_no_stream_of_ours() {
    let mut script = Script::server();
    script.stream(1, End::Open);
    script.send(goaway(0, ErrorCode::NO_ERROR, b""));
    assert!(matches!(script.events()[..], [Seen::GoAway { last_stream: 0, .. }]));
    script.send(data(1, flag::END_STREAM, b"test"));
    assert!(matches!(script.events()[..], [Seen::Data { end: End::Stream, .. }]));
}
