//! RFC 9112 §2: messages, lines, versions.

use narrows_wire::codec::{End, Reason, Refusal};
use narrows_wire::h1::Fault;

use crate::message::{Script, Seen, asked, bad, data, owned};

/// §2.1: a line, fields, an empty line, and that is a request.
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
    assert_eq!(seen, [Seen::Head { fields, end: End::Open }, data("hi", End::Stream)]);
    assert_eq!(script.connection.capacity(), 1);
}

/// §2.2: an empty line before a request is ignored; a second one is not, and none before a reply.
#[test]
fn an_empty_line_before_a_request_is_ignored() {
    let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let expected = [Seen::Head { fields: asked("GET", "/", &[]), end: End::Stream }];
    assert_eq!(Script::server().send(format!("\r\n{get}")), expected);
    assert_eq!(Script::server().trickle(format!("\r\n{get}")), expected);
    let seen = Script::server().send(format!("\r\n\r\n{get}"));
    assert_eq!(seen, [Seen::Refused { refusal: bad(Fault::StartLine), fields: vec![] }]);
    Script::asking("GET").expect_broken("\r\nHTTP/1.1 200 OK\r\n\r\n", Fault::StartLine);
}

/// §2.2: a line feed alone ends no line, in no place of a head.
#[test]
fn a_bare_line_feed_ends_no_line() {
    for head in [
        "GET / HTTP/1.1\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: y\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\n",
        "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        Script::server().expect_refused(head, bad(Fault::BareLineFeed));
    }
    for head in ["HTTP/1.1 200 OK\n\r\n", "HTTP/1.1 200 OK\r\nA: b\n\r\n", "HTTP/1.1 200 OK\r\n\n"]
    {
        Script::asking("GET").expect_broken(head, Fault::BareLineFeed);
    }
}

/// §2.2: a carriage return without a line feed is nothing that may stand in a message.
#[test]
fn a_bare_carriage_return_is_refused() {
    for field in ["X: a\rb", "X:\ra", "X\r: a", "\rX: a", "X: a\r"] {
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{field}\r\n\r\n");
        Script::server().expect_refused(head, bad(Fault::BareCarriageReturn));
        let head = format!("HTTP/1.1 200 OK\r\n{field}\r\n\r\n");
        Script::asking("GET").expect_broken(head, Fault::BareCarriageReturn);
    }
    let head = "GET /\r HTTP/1.1\r\nHost: a\r\n\r\n";
    Script::server().expect_refused(head, bad(Fault::Target));
}

/// §2.2: white space between the first line and the first field is refused.
#[test]
fn white_space_before_the_first_field_is_refused() {
    for space in [" ", "\t"] {
        let head = format!("GET / HTTP/1.1\r\n{space}Host: a\r\n\r\n");
        Script::server().expect_refused(head, bad(Fault::LineFolded));
        let head = format!("HTTP/1.1 200 OK\r\n{space}A: b\r\n\r\n");
        Script::asking("GET").expect_broken(head, Fault::LineFolded);
    }
}

/// §2.3, RFC 9110 §2.5: a higher minor version is that which we speak; other major ones are not understood.
#[test]
fn versions_of_http_1_are_understood() {
    for version in ["HTTP/1.0", "HTTP/1.1", "HTTP/1.2", "HTTP/1.9"] {
        let seen = Script::server().send(format!("GET / {version}\r\nHost: a\r\n\r\n"));
        assert!(matches!(seen[..], [Seen::Head { .. }]), "{version}: {seen:?}");
        let seen = Script::asking("GET").send(format!("{version} 204 x\r\n\r\n"));
        assert!(matches!(seen[0], Seen::Head { .. }), "{version}: {seen:?}");
    }
    for version in ["HTTP/2.0", "HTTP/0.9", "HTTP/3.1"] {
        let head = format!("GET / {version}\r\nHost: a\r\n\r\n");
        Script::server().expect_refused(head, Refusal::VersionNotSupported);
        Script::asking("GET").expect_broken(format!("{version} 200 OK\r\n\r\n"), Fault::Version);
    }
}

/// §2.3: the name of the protocol is in upper case, the numbers have one digit each.
#[test]
fn versions_are_written_in_one_way() {
    for version in
        ["http/1.1", "HTTP/1.10", "HTTP/01.1", "HTTP/1", "HTTP/1.x", "HTTPS/1.1", "H/1.1"]
    {
        let head = format!("GET / {version}\r\nHost: a\r\n\r\n");
        Script::server().expect_refused(head, bad(Fault::StartLine));
        let mut script = Script::asking("GET");
        let seen = script.send(format!("{version} 200 OK\r\n\r\n"));
        let reason = Reason::Http1(Fault::StartLine);
        assert_eq!(seen.last(), Some(&Seen::Closed { reason }), "{version}");
    }
}
