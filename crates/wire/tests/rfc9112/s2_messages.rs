//! RFC 9112 §2: messages, lines, versions.

use narrows_wire::codec::{End, Refusal};
use narrows_wire::h1::Fault;

use crate::message::{Script, Seen, asked, bad, owned};

/// §2.1: a request line, fields, an empty line, and that is a request.
#[test]
fn a_request_is_a_line_fields_and_an_empty_line() {
    let mut script = Script::server();
    let seen = script.send("GET /a?b HTTP/1.1\r\nHost: a\r\nAccept:  x, y \r\n\r\n");
    let fields = asked("GET", "/a?b", &[("accept", "x, y")]);
    assert_eq!(seen, [Seen::Head { fields, end: End::Stream }]);
    let sent = script.answer(&[(":status", "200"), ("server", "n")], "hello");
    assert_eq!(
        sent,
        "HTTP/1.1 200 OK\r\nserver: n\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    );
}

/// §2.1: the same for a reply.
#[test]
fn a_reply_is_a_line_fields_and_an_empty_line() {
    let mut script = Script::client();
    script.ask(&[(":path", "/x"), ("accept", "y")], End::Stream).expect("free");
    assert_eq!(script.written(), "GET /x HTTP/1.1\r\nhost: a\r\naccept: y\r\n\r\n");
    let seen = script.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nA: b\r\n\r\nhi");
    let fields = owned(&[(":status", "200"), ("content-length", "2"), ("a", "b")]);
    let body = crate::message::data("hi", End::Stream);
    assert_eq!(seen, [Seen::Head { fields, end: End::Open }, body]);
    assert_eq!(script.connection.capacity(), 1);
}

/// §2.2: one empty line before a request is ignored; more are not, and none before a reply.
#[test]
fn an_empty_line_before_a_request_is_ignored() {
    let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let expected = [Seen::Head { fields: asked("GET", "/", &[]), end: End::Stream }];
    assert_eq!(Script::server().send(format!("\r\n{get}")), expected);
    assert_eq!(Script::server().trickle(format!("\r\n{get}")), expected);
    let seen = Script::server().send(format!("\r\n\r\n{get}"));
    let refusal = bad(Fault::StartLine);
    assert_eq!(seen, [Seen::Refused { refusal, fields: vec![] }]);
    assert!(matches!(
        Script::asking("GET").send("\r\nHTTP/1.1 200 OK\r\n\r\n")[..],
        [Seen::Reset { .. }, Seen::Closed { .. }]
    ));
}

/// §2.3: other major versions are not understood.
#[test]
fn other_major_versions_are_refused() {
    let seen = Script::server().send("GET / HTTP/2.0\r\nHost: a\r\n\r\n");
    assert_eq!(seen, [Seen::Refused { refusal: Refusal::VersionNotSupported, fields: vec![] }]);
}
