//! RFC 9113 §4.1: types, flags and the reserved bit that nobody has defined.

use narrows_wire::codec::{End, Role};
use narrows_wire::h2::Config;

use crate::frames::*;
use crate::script::{STREAM, Script, Seen};

/// §4.1: frames of unknown type are ignored and discarded, on any stream.
#[test]
fn an_unknown_type_is_ignored() {
    for (mut script, _) in Script::both_open() {
        for stream in [0, STREAM, 2, 99] {
            script.send(frame(kind::UNKNOWN, 0xff, stream, b"payload")).expect_ignored();
        }
    }
}

/// §4.1: flags that a type does not define are ignored.
#[test]
fn undefined_flags_are_ignored() {
    for mut script in Script::both() {
        script.send(ping(0xfe, b"12345678"));
        assert_eq!(script.take_sent(), ping(flag::ACK, b"12345678"));
        script.send(frame(kind::WINDOW_UPDATE, 0xff, 0, &[0, 0, 0, 1])).expect_ignored();
        script.send(frame(kind::SETTINGS, 0xfe, 0, b""));
        assert_eq!(script.events(), [Seen::PeerSettings]);
    }
}

/// §4.1: the same for those that carry messages: 0x02, 0x10, 0x40 and 0x80 mean nothing.
#[test]
fn undefined_flags_of_messages_are_ignored() {
    let mut script = Script::server();
    script.send(fragment(1, 0xd2 | flag::END_HEADERS, &block(REQUEST)));
    script.send(data(1, 0xf6, b"test"));
    let events = script.events();
    let [Seen::Head { end: End::Open, .. }, Seen::Data { data, end: End::Open }] = &events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!(data, b"test");
}

/// §4.1: the reserved bit before the stream id is ignored, and never sent.
#[test]
fn the_reserved_bit_is_ignored() {
    const RESERVED: u32 = 1 << 31;
    for mut script in Script::both() {
        script.send(frame(kind::PING, flag::NONE, RESERVED, b"12345678"));
        assert_eq!(script.take_sent(), ping(flag::ACK, b"12345678"));
    }
    let mut script = Script::server();
    script.send(headers(1 | RESERVED, flag::END_STREAM, REQUEST));
    assert!(matches!(script.events()[..], [Seen::Head { end: End::Stream, .. }]));
}

/// §4.1: the same of WINDOW_UPDATE and GOAWAY, whose payload has a reserved bit.
#[test]
fn the_reserved_bit_of_a_payload_is_ignored() {
    for mut script in Script::both() {
        script.send(window_update(0, 1 | 1 << 31)).expect_ignored();
    }
    let mut script = Script::with(Role::Client, &Config::default());
    script.send(goaway(5 | 1 << 31, narrows_wire::codec::ErrorCode::NO_ERROR, b""));
    let events = script.events();
    assert!(matches!(events[..], [Seen::GoAway { last_stream: 5, .. }, ..]), "{events:?}");
}
