//! RFC 9113 §3: the first bytes of either end.

use narrows_wire::codec::{End, ErrorCode, Role};
use narrows_wire::h2::Config;

use crate::frames::*;
use crate::script::{Script, Seen};

/// §3.4: the server's preface is a SETTINGS frame, the first it sends. It need not wait for the client's.
#[test]
fn a_server_begins_with_settings() {
    let mut script = Script::fresh(Role::Server, &Config::default());
    script.command(|_| ());
    let frames = script.frames();
    assert_eq!((frames[0].kind, frames[0].flags, frames[0].stream), (kind::SETTINGS, 0, 0));
}

/// §3.4: the client's preface is 24 bytes and a SETTINGS frame.
#[test]
fn a_client_begins_with_the_preface_and_settings() {
    let mut script = Script::fresh(Role::Client, &Config::default());
    script.command(|_| ());
    let sent = script.take_sent();
    let frames = Frame::all(sent.strip_prefix(PREFACE).expect("the preface comes first"));
    assert_eq!((frames[0].kind, frames[0].flags, frames[0].stream), (kind::SETTINGS, 0, 0));
}

/// §3.4: the settings of either preface are acknowledged.
#[test]
fn settings_of_the_preface_are_acknowledged() {
    for role in [Role::Server, Role::Client] {
        let mut script = Script::fresh(role, &Config::default());
        if role == Role::Server {
            script.send(PREFACE);
        }
        script.command(|_| ());
        script.forget().send(settings(&[(setting::MAX_CONCURRENT_STREAMS, 7)]));
        assert_eq!(script.events(), [Seen::PeerSettings]);
        assert_eq!(script.take_sent(), settings_ack());
        script.expect_alive();
    }
}

/// §3.4: an invalid preface is a connection error PROTOCOL_ERROR.
#[test]
fn an_invalid_preface_closes_the_connection() {
    for preface in [
        &b"INVALID CONNECTION PREFACE\r\n\r\n"[..],
        b"GET / HTTP/1.1\r\nhost: a\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\rx",
        b"PRI * HTTP/1.1\r\n\r\nSM\r\n\r\n",
    ] {
        let mut script = Script::fresh(Role::Server, &Config::default());
        script.send(preface).expect_connection_error(ErrorCode::PROTOCOL_ERROR);
    }
}

/// §3.4: a preface that is wrong is refused at its first wrong byte, not when it is complete.
#[test]
fn a_preface_is_refused_at_its_first_wrong_byte() {
    let mut script = Script::fresh(Role::Server, &Config::default());
    script.send(b"PRI * HTTP/2.1").expect_connection_error(ErrorCode::PROTOCOL_ERROR);
}

/// §3.4: SETTINGS is the first frame of either end; an acknowledgement is not it.
#[test]
fn another_first_frame_closes_the_connection() {
    for role in [Role::Server, Role::Client] {
        for first in [
            ping(flag::NONE, b"12345678"),
            settings_ack(),
            window_update(0, 1),
            headers(1, flag::NONE, REQUEST),
            frame(kind::UNKNOWN, flag::NONE, 0, b""),
        ] {
            let mut script = Script::fresh(role, &Config::default());
            if role == Role::Server {
                script.send(PREFACE);
            }
            script.send(first).expect_connection_error(ErrorCode::PROTOCOL_ERROR);
        }
    }
}

/// §3.4: a client may send requests behind its preface, before it knows the server's settings.
#[test]
fn a_request_may_come_with_the_preface() {
    let mut script = Script::fresh(Role::Server, &Config::default());
    let request = headers(1, flag::END_STREAM, REQUEST);
    script.send([PREFACE, &settings(&[]), &request].concat());
    let events = script.events();
    assert!(
        matches!(events[..], [Seen::PeerSettings, Seen::Head { end: End::Stream, .. }]),
        "{events:?}"
    );
}

/// §3.4: our client does so too.
#[test]
fn a_request_goes_with_the_preface() {
    let mut script = Script::fresh(Role::Client, &Config::default());
    script.open(End::Stream);
    let sent = script.take_sent();
    let frames = Frame::all(sent.strip_prefix(PREFACE).expect("the preface comes first"));
    let last = frames.last().expect("there are frames");
    assert_eq!((last.kind, last.stream), (kind::HEADERS, 1));
}
