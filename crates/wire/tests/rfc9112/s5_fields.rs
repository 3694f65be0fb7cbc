//! RFC 9112 §5: lines of fields.

use narrows_wire::codec::End;
use narrows_wire::h1::Fault;

use crate::message::{Script, Seen, asked, bad};

fn request(field: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: a\r\n{field}\r\n\r\n")
}

fn reply(field: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{field}\r\nContent-Length: 0\r\n\r\n")
}

/// §5.1: no white space between name and colon; a line has a colon, and a name before it.
#[test]
fn a_line_is_a_name_a_colon_and_a_value() {
    for field in ["X : y", "X\t: y", "X", ": y", ":", "X y: z", "X;: y", "\u{e4}: y", "X\0: y"] {
        Script::server().expect_refused(request(field), bad(Fault::FieldLine));
        Script::asking("GET").expect_broken(reply(field), Fault::FieldLine);
    }
}

/// §5.1: white space around a value is no part of it.
#[test]
fn white_space_around_a_value_is_dropped() {
    for (field, value) in
        [("X:y", "y"), ("X: \t y \t", "y"), ("X:", ""), ("X:  ", ""), ("X: a b", "a b")]
    {
        let seen = Script::server().send(request(field));
        let fields = asked("GET", "/", &[("x", value)]);
        assert_eq!(seen, [Seen::Head { fields, end: End::Stream }], "{field}");
    }
}

/// RFC 9110 §5.1: names come in any case, and go on in lower case.
#[test]
fn names_are_lowered() {
    let seen = Script::server().send(request("X-ReQuest-ID: A"));
    let fields = asked("GET", "/", &[("x-request-id", "A")]);
    assert_eq!(seen, [Seen::Head { fields, end: End::Stream }]);
}

/// RFC 9110 §5.5: NUL and other control bytes have no place in a value.
#[test]
fn control_bytes_in_a_value_are_refused() {
    for byte in ["\0", "\x01", "\x1f", "\x7f"] {
        let field = format!("X: a{byte}b");
        Script::server().expect_refused(request(&field), bad(Fault::FieldLine));
        Script::asking("GET").expect_broken(reply(&field), Fault::FieldLine);
    }
}

/// §5.2: a field is not folded.
#[test]
fn folded_lines_are_refused() {
    for field in ["X: a\r\n b", "X: a\r\n\tb", "X:\r\n a"] {
        Script::server().expect_refused(request(field), bad(Fault::LineFolded));
        Script::asking("GET").expect_broken(reply(field), Fault::LineFolded);
    }
}

/// §5: what is refused still tells what is known of it, so that its route can be found.
#[test]
fn a_refused_request_shows_what_came_before_the_fault() {
    let seen = Script::server().send(request("X: y\r\nZ : y\r\nB: c"));
    let fields = asked("GET", "/", &[("x", "y")]);
    assert_eq!(seen, [Seen::Refused { refusal: bad(Fault::FieldLine), fields }]);
    let seen = Script::server().send("GET /a HTTP/1.1\r\nX: y\nHost: a\r\n\r\n");
    assert!(
        matches!(&seen[..], [Seen::Refused { fields, .. }] if fields.len() == 3),
        "method, scheme and path: {seen:?}"
    );
}

/// RFC 9110 §5.5: what we are given with a byte that could end the line is not written.
#[test]
fn illegal_fields_are_not_written() {
    let fields =
        [(":status", "200"), ("a", "b\r\nc: d"), ("e\r\nf", "g"), ("h", "i"), ("j", "k\0")];
    let mut script = Script::server();
    script.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(script.answer(&fields, ""), "HTTP/1.1 200 OK\r\nh: i\r\ncontent-length: 0\r\n\r\n");
    let mut script = Script::client();
    script.ask(&fields[1..], End::Stream).expect("free");
    assert_eq!(script.written(), "GET / HTTP/1.1\r\nhost: a\r\nh: i\r\n\r\n");
}

/// Bytes beyond ASCII pass in values as they are (RFC 9110 §5.5, obs-text).
#[test]
fn obsolete_text_passes() {
    let bytes = b"GET / HTTP/1.1\r\nHost: a\r\nX: \xe4\xff\r\n\r\n";
    assert!(matches!(Script::server().send(bytes)[..], [Seen::Head { .. }]));
}
