//! RFC 9112 §4: the status line.

use narrows_wire::codec::End;
use narrows_wire::h1::Fault;

use crate::message::{Script, Seen, head, owned};

/// §4: version, three digits, and a reason that may be anything, and may be missing.
#[test]
fn a_status_is_three_digits() {
    for line in
        ["HTTP/1.1 204 No Content", "HTTP/1.1 204 ", "HTTP/1.1 204", "HTTP/1.1 204 \u{e4}\t x"]
    {
        let seen = Script::asking("GET").send(format!("{line}\r\n\r\n"));
        let fields = owned(&[(":status", "204")]);
        assert_eq!(seen, [Seen::Head { fields, end: End::Stream }], "{line}");
    }
    for line in [
        "HTTP/1.1  200 OK",
        "HTTP/1.1 20 OK",
        "HTTP/1.1 2000 OK",
        "HTTP/1.1 2x0 OK",
        "HTTP/1.1 +20 OK",
        "HTTP/1.1\t200 OK",
        "HTTP/1.1",
        "HTTP/1.1 ",
        "HTTP/1.1 200\tOK",
        "HTTP/1.1 200 O\x01K",
        "HTTP/1.1 200 O\x7fK",
    ] {
        Script::asking("GET").expect_broken(format!("{line}\r\n\r\n"), Fault::StartLine);
    }
}

/// RFC 9110 §15: a status does not begin with zero.
#[test]
fn a_status_below_100_is_malformed() {
    let seen = Script::asking("GET").send("HTTP/1.1 099 x\r\n\r\n");
    assert!(matches!(seen[..], [Seen::Reset { .. }, Seen::Closed { .. }]), "{seen:?}");
}

/// §4: our line has a reason, if only an empty one.
#[test]
fn our_status_line_has_all_its_parts() {
    for (status, line) in [("404", "HTTP/1.1 404 Not Found"), ("299", "HTTP/1.1 299 ")] {
        let mut script = Script::server();
        script.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        let sent = script.answer(&[(":status", status)], "");
        assert_eq!(sent, format!("{line}\r\ncontent-length: 0\r\n\r\n"));
    }
}

/// A head without a status, or with one that is none, is not sent.
#[test]
fn a_head_without_a_status_is_not_sent() {
    for fields in [&[("a", "b")][..], &[(":status", "20")], &[(":status", "20\r")]] {
        let mut script = Script::server();
        script.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        let stream = script.stream();
        script.connection.send_head(stream, &head(fields), End::Stream);
        assert_eq!(script.written(), "");
    }
}
