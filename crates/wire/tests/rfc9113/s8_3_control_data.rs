//! RFC 9113 §8.3: pseudo fields. Single values are unit tests of `fields.rs`; here is what the peer sees.

use narrows_wire::codec::{End, ErrorCode};

use crate::frames::*;
use crate::script::{STREAM, Script, Seen};

const METHOD: (&str, &str) = REQUEST[0];
const SCHEME: (&str, &str) = REQUEST[1];
const PATH: (&str, &str) = REQUEST[2];
const AUTHORITY: (&str, &str) = REQUEST[3];

#[track_caller]
fn expect_malformed_request(fields: &[(&str, &str)]) {
    let mut script = Script::server();
    script.send(headers(1, flag::END_STREAM, fields));
    assert_eq!(script.events(), [], "{fields:?}");
    script.expect_stream_error(1, ErrorCode::PROTOCOL_ERROR);
}

#[track_caller]
fn expect_malformed_reply(fields: &[(&str, &str)]) {
    let mut script = Script::client();
    script.open(End::Stream);
    script.forget().send(headers(1, flag::END_STREAM, fields));
    script.expect_stream_error(1, ErrorCode::PROTOCOL_ERROR);
}

/// §8.3: a pseudo field that nobody has defined.
#[test]
fn an_unknown_pseudo_field_is_a_stream_error() {
    expect_malformed_request(&[METHOD, SCHEME, PATH, AUTHORITY, (":test", "ok")]);
    expect_malformed_reply(&[REPLY[0], (":test", "ok")]);
}

/// §8.3: pseudo fields of replies in requests, and the other way.
#[test]
fn pseudo_fields_of_the_other_kind_are_stream_errors() {
    expect_malformed_request(&[METHOD, SCHEME, PATH, AUTHORITY, (":status", "200")]);
    for field in REQUEST {
        expect_malformed_reply(&[REPLY[0], *field]);
    }
}

/// §8.3: none in trailers, of either role.
#[test]
fn pseudo_fields_in_trailers_are_stream_errors() {
    for field in [METHOD, SCHEME, PATH, AUTHORITY, REPLY[0]] {
        for (mut script, _) in Script::both_open() {
            script.send(headers(STREAM, flag::END_STREAM, &[TRAILERS[0], field]));
            script.expect_stream_error(STREAM, ErrorCode::PROTOCOL_ERROR);
        }
    }
}

/// §8.3: all of them stand before the first regular field.
#[test]
fn a_pseudo_field_behind_a_regular_one_is_a_stream_error() {
    expect_malformed_request(&[METHOD, SCHEME, TRAILERS[0], PATH, AUTHORITY]);
    expect_malformed_request(&[METHOD, SCHEME, PATH, TRAILERS[0], AUTHORITY]);
    expect_malformed_reply(&[TRAILERS[0], REPLY[0]]);
}

/// §8.3: each comes once.
#[test]
fn a_pseudo_field_that_comes_twice_is_a_stream_error() {
    for field in [METHOD, SCHEME, PATH, AUTHORITY] {
        expect_malformed_request(&[METHOD, SCHEME, PATH, AUTHORITY, field]);
    }
    expect_malformed_reply(&[REPLY[0], REPLY[0]]);
}

/// §8.3.1: a request has a method, a scheme and a path.
#[test]
fn a_request_without_method_scheme_or_path_is_a_stream_error() {
    for missing in [METHOD, SCHEME, PATH] {
        let fields: Vec<_> = REQUEST.iter().copied().filter(|field| *field != missing).collect();
        expect_malformed_request(&fields);
    }
}

/// §8.3.1: the path is not empty.
#[test]
fn an_empty_path_is_a_stream_error() {
    expect_malformed_request(&[METHOD, SCHEME, (":path", ""), AUTHORITY]);
}

/// §8.3.1: an authority names one host: no user, no list, nothing that a next hop could split.
#[test]
fn a_strange_authority_is_a_stream_error() {
    for authority in ["user@localhost", "a,b", "a b", "a/b", ""] {
        expect_malformed_request(&[METHOD, SCHEME, PATH, (":authority", authority)]);
    }
}

/// §8.3.1: host may stand in for authority, and may not contradict it.
#[test]
fn host_and_authority_agree() {
    expect_malformed_request(&[METHOD, SCHEME, PATH, AUTHORITY, ("host", "other")]);
    for fields in [
        vec![METHOD, SCHEME, PATH, ("host", "localhost")],
        vec![METHOD, SCHEME, PATH, AUTHORITY, ("host", "localhost")],
    ] {
        let mut script = Script::server();
        script.send(headers(1, flag::END_STREAM, &fields));
        assert!(matches!(script.events()[..], [Seen::Head { .. }]), "{fields:?}");
    }
}

/// §8.3.2: a reply has a status, of three digits.
#[test]
fn a_reply_without_a_status_is_a_stream_error() {
    expect_malformed_reply(TRAILERS);
    expect_malformed_reply(&[]);
    for status in ["", "20", "2000", "abc", "099"] {
        expect_malformed_reply(&[(":status", status)]);
    }
}
