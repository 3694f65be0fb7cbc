//! RFC 9113 §8.2: fields that a message may not have, and what they become.

use narrows_wire::codec::{End, ErrorCode, Role};

use crate::frames::*;
use crate::script::{STREAM, Script, Seen};

/// Whether a head with this field is taken: a request by our server, and a reply by our client, which must
/// agree.
fn takes(name: &[u8], value: &[u8]) -> bool {
    let taken = Script::both().map(|mut script| {
        let mut fields = REQUEST;
        if script.role == Role::Client {
            script.open(End::Stream);
            fields = REPLY;
        }
        let block = [block(fields), literal(0, name, value)].concat();
        script.forget().send(fragment(1, flag::END_BOTH, &block));
        let is_taken = matches!(script.events()[..], [Seen::Head { end: End::Stream, .. }]);
        if !is_taken {
            script.expect_stream_error(1, ErrorCode::PROTOCOL_ERROR);
        }
        is_taken
    });
    assert_eq!(taken[0], taken[1], "{name:?}: {value:?}");
    taken[0]
}

/// §8.2.1: names are lower case.
#[test]
fn an_upper_case_name_is_a_stream_error() {
    for name in ["X-TEST", "x-tesT", "Te"] {
        assert!(!takes(name.as_bytes(), b"ok"), "{name}");
    }
}

/// §8.2.1: which bytes a name may have: those of a token, lower case.
#[test]
fn each_byte_of_a_name() {
    for byte in 0..=255u8 {
        let is_token = byte.is_ascii_lowercase()
            || byte.is_ascii_digit()
            || b"!#$%&'*+-.^_`|~".contains(&byte);
        assert_eq!(takes(&[b'x', byte, b'y'], b"ok"), is_token, "{byte:#x}");
    }
    assert!(!takes(b"", b"ok"), "an empty name");
}

/// §8.2.1: which bytes a value may have: no NUL, CR or LF anywhere, no other control but TAB (RFC 9110
/// §5.5), and no white space around it.
#[test]
fn each_byte_of_a_value() {
    for byte in 0..=255u8 {
        let is_visible = byte > 0x20 && byte != 0x7f;
        let is_fine = is_visible || byte == b' ' || byte == b'\t';
        assert_eq!(takes(b"x-test", &[b'a', byte, b'b']), is_fine, "{byte:#x}");
        assert_eq!(takes(b"x-test", &[byte, b'b']), is_visible, "{byte:#x} in front");
        assert_eq!(takes(b"x-test", &[b'a', byte]), is_visible, "{byte:#x} behind");
    }
    assert!(takes(b"x-test", b""), "an empty value");
}

/// §8.2.1: the same in replies and in trailers, both roles.
#[test]
fn malformed_fields_of_trailers_are_stream_errors() {
    for field in [
        literal(0, b"X-TEST", b"ok"),
        literal(0, b"x-test", b"o\rk"),
        literal(0, b"x-test", b"o\nk"),
        literal(0, b"x-test", b"o\0k"),
        literal(0, b"x test", b"ok"),
        literal(0, b"x:test", b"ok"),
    ] {
        for (mut script, _) in Script::both_open() {
            script.send(fragment(STREAM, flag::END_BOTH, &field));
            script.expect_stream_error(STREAM, ErrorCode::PROTOCOL_ERROR);
        }
        let mut script = Script::client();
        script.open(End::Stream);
        script.forget();
        script.send(fragment(1, flag::END_BOTH, &[block(REPLY), field].concat()));
        script.expect_stream_error(1, ErrorCode::PROTOCOL_ERROR);
    }
}

/// §8.2.2: fields of the connection have no place in HTTP/2, in any message of either role.
#[test]
fn connection_specific_fields_are_stream_errors() {
    for name in ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"] {
        assert!(!takes(name.as_bytes(), b"keep-alive"), "{name}");
        for (mut script, _) in Script::both_open() {
            script.send(headers(STREAM, flag::END_STREAM, &[(name, "x")]));
            script.expect_stream_error(STREAM, ErrorCode::PROTOCOL_ERROR);
        }
        let mut script = Script::client();
        script.open(End::Stream);
        script.forget().send(headers(1, flag::END_STREAM, &[REPLY[0], (name, "x")]));
        script.expect_stream_error(1, ErrorCode::PROTOCOL_ERROR);
    }
}

/// §8.2.2: te may say trailers and nothing else, and that in requests alone.
#[test]
fn te_says_trailers_or_nothing() {
    for (value, is_taken) in [
        ("trailers", true),
        ("trailers, deflate", false),
        ("gzip", false),
        ("trailers;q=0.5", false),
        ("", false),
    ] {
        let mut script = Script::server();
        script.send(headers(1, flag::END_STREAM, &[REQUEST, &[("te", value)]].concat()));
        assert_eq!(matches!(script.events()[..], [Seen::Head { .. }]), is_taken, "{value}");
    }
    let mut script = Script::client();
    script.open(End::Stream);
    script.forget().send(headers(1, flag::END_STREAM, &[REPLY[0], ("te", "trailers")]));
    script.expect_stream_error(1, ErrorCode::PROTOCOL_ERROR);
}

/// §8.2.3: crumbs of a cookie are taken as they come, more of them than there may be other fields.
#[test]
fn cookie_crumbs_are_taken() {
    let mut fields = block(REQUEST);
    for _ in 0..200 {
        fields.extend(literal(0, b"cookie", b"a=b"));
    }
    let mut script = Script::server();
    script.send(fragment(1, flag::END_BOTH, &fields));
    let events = script.events();
    let [Seen::Head { fields, .. }] = &events[..] else { panic!("{events:?}") };
    assert_eq!(fields.iter().filter(|(name, _)| name == "cookie").count(), 200);
}
