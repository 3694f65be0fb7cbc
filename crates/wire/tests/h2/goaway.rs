//! The end of a connection, on either side, and of streams that end early.

use narrows_wire::codec::{End, ErrorCode, OpenError, Party, Processed, Reason};
use narrows_wire::h2::Config;

use crate::support::{
    END_STREAM, Raw, Seen, closed, frame, kind, number, reply, request, trailers,
};

fn goaway(last_stream: u32, code: u32, debug: &[u8]) -> Vec<u8> {
    let payload = [&last_stream.to_be_bytes()[..], &code.to_be_bytes(), debug].concat();
    frame(kind::GOAWAY, 0, 0, &payload)
}

/// Streams above the last one were not looked at, and may go elsewhere; the others finish.
#[test]
fn a_server_that_goes_away_gives_back_what_it_has_not_seen() {
    let mut raw = Raw::server(Config::default());
    let now = raw.now;
    let keys: Vec<_> = (0..3)
        .map(|tag| raw.ours.connection.open(now, tag, &request(), End::Stream).unwrap())
        .collect();
    let seen = raw.send(&goaway(3, 0, b"bye"));
    let went = Seen::Reset {
        stream: keys[2],
        tag: 2,
        code: ErrorCode::REFUSED_STREAM,
        by: Party::Peer,
        reason: Reason::PeerWentAway,
        processed: Processed::No,
    };
    let debug = b"bye".to_vec();
    assert_eq!(seen, [Seen::GoAway { code: ErrorCode::NO_ERROR, last_stream: 3, debug }, went]);
    assert_eq!(raw.ours.connection.capacity(), 0);
    let refused = raw.ours.connection.open(now, 9, &request(), End::Stream);
    assert_eq!(refused, Err(OpenError::Draining));
    for (id, is_last) in [(1, false), (3, true)] {
        let bytes = raw.headers(id, &reply(), End::Stream);
        let seen = raw.send(&bytes);
        assert!(matches!(seen[0], Seen::Head { .. }));
        assert_eq!(seen.last() == Some(&Seen::Drained), is_last);
    }
}

/// Debug data of a GOAWAY that came in parts is not kept.
#[test]
fn a_goaway_in_parts_is_understood() {
    let mut raw = Raw::server(Config::default());
    let bytes = goaway(0, 11, b"too much");
    assert_eq!(raw.send(&bytes[..12]), []);
    let calm = ErrorCode::ENHANCE_YOUR_CALM;
    assert_eq!(
        raw.send(&bytes[12..]),
        [Seen::GoAway { code: calm, last_stream: 0, debug: vec![] }, Seen::Drained]
    );
}

#[test]
fn a_closed_connection_is_silent() {
    let mut raw = Raw::client(Config::default());
    let key = raw.request(1, End::Open);
    raw.ours.connection.close(ErrorCode::NO_ERROR, "maintenance");
    assert!(raw.ours.connection.is_closed());
    let said = [&1u32.to_be_bytes()[..], &[0; 4], b"maintenance"].concat();
    assert_eq!(raw.frames(), [(kind::GOAWAY, 0, 0, said)]);
    raw.ours.connection.send_head(key, &reply(), End::Stream);
    raw.ours.connection.reset(key, ErrorCode::CANCEL);
    assert_eq!(raw.send(&frame(kind::PING, 0, 0, &[0; 8])), []);
    assert_eq!(raw.frames(), []);
}

/// After an error nothing is taken in, and nothing is told twice.
#[test]
fn an_error_is_told_once() {
    let mut raw = Raw::client(Config::default());
    raw.request(1, End::Open);
    let seen =
        raw.send(&[frame(kind::PING, 0, 1, &[0; 8]), frame(kind::PING, 0, 0, &[0; 8])].concat());
    assert_eq!(closed(&seen), Some(Reason::StreamIdKind));
    assert_eq!(seen.len(), 1);
    assert_eq!(raw.send(&frame(kind::PING, 0, 0, &[0; 8])), []);
    assert_eq!(raw.frames().len(), 1);
}

/// A reply that is complete before the request: the rest of the request is not wanted, and that is no
/// error. The reset stays behind the data and the trailers.
#[test]
fn an_early_reply_is_followed_by_a_reset() {
    let mut raw = Raw::client(Config { linger_bytes_max: 0, ..Config::default() });
    raw.send(&frame(kind::SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 4]));
    let key = raw.request(1, End::Open);
    let connection = &mut raw.ours.connection;
    connection.send_head(key, &reply(), End::Open);
    assert_eq!(connection.send_data(key, b"0123456", End::Open), 4);
    connection.send_trailers(key, &trailers());
    connection.reset_after_data(key, ErrorCode::NO_ERROR);
    connection.release(key);
    raw.frames();
    assert_eq!(raw.send(&frame(kind::DATA, 0, 1, b"more of the request")), []);
    let seen = raw.send(&number(kind::WINDOW_UPDATE, 1, 100));
    assert!(matches!(seen[..], [Seen::Sent { bytes: 3, .. }]), "{seen:?}");
    let frames: Vec<_> = raw.frames().iter().map(|frame| (frame.0, frame.1, frame.2)).collect();
    assert_eq!(
        frames,
        [(kind::DATA, 0, 1), (kind::HEADERS, 4 | END_STREAM, 1), (kind::RST_STREAM, 0, 1)]
    );
    assert_eq!(raw.ours.connection.active_streams(), 0);
}

/// A reset of the peer drops what waits.
#[test]
fn a_reset_drops_waiting_data() {
    let mut raw = Raw::client(Config::default());
    raw.send(&frame(kind::SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]));
    let key = raw.request(1, End::Open);
    raw.ours.connection.send_head(key, &reply(), End::Open);
    raw.ours.connection.send_data(key, &[1; 500], End::Stream);
    assert_eq!(raw.ours.connection.waiting_bytes(), 500);
    let seen = raw.send(&number(kind::RST_STREAM, 1, 8));
    assert!(matches!(seen[..], [Seen::Reset { by: Party::Peer, .. }]));
    assert_eq!(raw.ours.connection.waiting_bytes(), 0);
    raw.frames();
    raw.send(&number(kind::WINDOW_UPDATE, 0, 1000));
    assert_eq!(raw.frames(), []);
}

/// A DATA frame that spans reads, whose stream the owner resets in between.
#[test]
fn a_reset_between_the_parts_of_a_frame_drops_the_rest() {
    let mut raw = Raw::client(Config::default());
    let key = raw.request(1, End::Open);
    let bytes = frame(kind::DATA, END_STREAM, 1, &[5; 1000]);
    assert!(matches!(&raw.send(&bytes[..500])[..], [Seen::Data { end: End::Open, .. }]));
    raw.ours.connection.reset(key, ErrorCode::CANCEL);
    assert_eq!(raw.send(&bytes[500..]), []);
    assert_eq!(closed(&raw.send(&frame(kind::PING, 0, 0, &[0; 8]))), None);
}
