//! RFC 9113 §8.5, §8.6 and RFC 8441: tunnels.

use narrows_wire::codec::{End, ErrorCode, Role};
use narrows_wire::h2::Config;

use crate::frames::*;
use crate::script::{Script, Seen};

const CONNECT: (&str, &str) = (":method", "CONNECT");
const TARGET: (&str, &str) = (":authority", "localhost:443");
const WEBSOCKET: [(&str, &str); 5] =
    [CONNECT, TARGET, (":scheme", "http"), (":path", "/chat"), (":protocol", "websocket")];

/// §8.5: CONNECT has an authority, and neither scheme nor path.
#[test]
fn connect_names_its_target_alone() {
    let mut script = Script::server();
    script.send(headers(1, flag::NONE, &[CONNECT, TARGET]));
    assert!(matches!(script.events()[..], [Seen::Head { end: End::Open, .. }]));
    for fields in
        [&[CONNECT][..], &[CONNECT, TARGET, WEBSOCKET[2]], &[CONNECT, TARGET, WEBSOCKET[3]]]
    {
        let mut script = Script::server();
        script.send(headers(1, flag::NONE, fields));
        script.expect_stream_error(1, ErrorCode::PROTOCOL_ERROR);
    }
}

/// §8.5: bytes of the tunnel are DATA both ways.
#[test]
fn a_tunnel_carries_data() {
    let mut script = Script::server();
    script.send(headers(1, flag::NONE, &[CONNECT, TARGET]));
    let Some(Seen::Head { stream, .. }) = script.events().pop() else { panic!("a head") };
    script.command(|connection| {
        connection.send_head(stream, &crate::script::head(REPLY), End::Open);
        connection.send_data(stream, b"hello", End::Open)
    });
    let frames = script.frames();
    assert_eq!((frames[1].kind, &frames[1].payload[..]), (kind::DATA, &b"hello"[..]));
    script.send(data(1, flag::NONE, b"hi"));
    assert_eq!(script.events(), [Seen::Data { data: b"hi".to_vec(), end: End::Open }]);
}

/// RFC 8441 §4: extended CONNECT where it was announced, with all its pseudo fields.
#[test]
fn extended_connect_is_taken_where_it_was_announced() {
    let config = Config { connect_protocol: true, ..Config::default() };
    let mut script = Script::with(Role::Server, &config);
    script.send(headers(1, flag::NONE, &WEBSOCKET));
    assert!(matches!(script.events()[..], [Seen::Head { end: End::Open, .. }]));
    for fields in [&WEBSOCKET[..4], &[CONNECT, TARGET, WEBSOCKET[2], WEBSOCKET[4]]] {
        let mut script = Script::with(Role::Server, &config);
        script.send(headers(1, flag::NONE, fields));
        script.expect_stream_error(1, ErrorCode::PROTOCOL_ERROR);
    }
    let mut script = Script::server();
    script.send(headers(1, flag::NONE, &WEBSOCKET));
    script.expect_stream_error(1, ErrorCode::PROTOCOL_ERROR);
}

/// §8.6: there is no 101 in HTTP/2.
#[test]
fn a_reply_101_is_a_stream_error() {
    let mut script = Script::client();
    script.open(End::Open);
    script.forget().send(headers(1, flag::NONE, &[(":status", "101")]));
    script.expect_stream_error(1, ErrorCode::PROTOCOL_ERROR);
}
