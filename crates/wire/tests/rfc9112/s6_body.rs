//! RFC 9112 §6: how long a body is, and who believes what about it.

use narrows_wire::codec::{End, Reason, Refusal};
use narrows_wire::h1::Fault;

use crate::message::{Script, Seen, asked, bad, data, head, owned};

fn post(fields: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n")
}

fn reply(fields: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n")
}

/// §6.1: chunked together with a length is how requests are smuggled.
#[test]
fn both_length_and_coding_are_refused() {
    for fields in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 0",
        "Transfer-Encoding: gzip, chunked\r\nContent-Length: 4",
        "Transfer-Encoding: x\r\nContent-Length: 4",
    ] {
        Script::server().expect_refused(post(fields), bad(Fault::LengthAndCoding));
        Script::asking("GET").expect_broken(reply(fields), Fault::LengthAndCoding);
    }
}

/// §6.1: chunked is the last coding and is applied once; all ways to hide it are refused.
#[test]
fn transfer_encoding_is_chunked_and_nothing_else() {
    for value in [
        "chunked, gzip",
        "chunked, chunked",
        "chunked,",
        "identity",
        "xchunked",
        "chunked;q=1",
        "\"chunked\"",
        "chunked x",
        "x chunked",
        "",
        ",",
        "gzip",
        "chunked, gzip, chunked",
        "\u{b}chunked",
    ] {
        let field = format!("Transfer-Encoding: {value}");
        let fault =
            if value.starts_with('\u{b}') { Fault::FieldLine } else { Fault::TransferCoding };
        Script::server().expect_refused(post(&field), bad(fault));
        Script::asking("GET").expect_broken(reply(&field), fault);
    }
    let twice = "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked";
    Script::server().expect_refused(post(twice), bad(Fault::TransferCoding));
    let twice = "Transfer-Encoding: gzip\r\ntransfer-encoding: chunked";
    Script::asking("GET").expect_broken(reply(twice), Fault::TransferCoding);
    for value in ["chunked", "Chunked", "CHUNKED", " chunked "] {
        let seen = Script::server().send(post(&format!("Transfer-Encoding: {value}")));
        let fields = asked("POST", "/", &[]);
        assert_eq!(seen, [Seen::Head { fields, end: End::Open }], "{value}");
    }
}

/// §6.1: a coding that we do not have is refused with a status of its own.
#[test]
fn other_codings_are_not_implemented() {
    let field = "Transfer-Encoding: gzip, chunked";
    Script::server().expect_refused(post(field), Refusal::UnsupportedTransferCoding);
    Script::asking("GET").expect_broken(reply(field), Fault::UnknownCoding);
}

/// §6.1: HTTP/1.0 has no transfer codings.
#[test]
fn transfer_encoding_in_http_1_0_is_refused() {
    let request = "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    Script::server().expect_refused(request, bad(Fault::TransferCodingOld));
    let reply = "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    Script::asking("GET").expect_broken(reply, Fault::TransferCodingOld);
}

/// §6.2, §6.3: a length is one number.
#[test]
fn a_length_is_digits_and_comes_once() {
    for value in
        ["+5", "-5", "0x5", "5 5", "5,5", "5, 5", "", "5;", "5.0", "a", "9999999999999999999"]
    {
        for bytes in
            [post(&format!("Content-Length: {value}")), reply(&format!("Content-Length: {value}"))]
        {
            let mut script =
                if bytes.starts_with("POST") { Script::server() } else { Script::asking("GET") };
            let seen = script.send(bytes);
            let reason = match seen.first() {
                Some(Seen::Refused { refusal, .. }) => refusal.reason(),
                Some(Seen::Reset { reason, .. }) => *reason,
                other => panic!("{value}: {other:?}"),
            };
            assert!(matches!(reason, Reason::Malformed(_)), "{value}: {reason}");
        }
    }
    for second in ["5", "6"] {
        let fields = format!("Content-Length: 5\r\nContent-Length: {second}");
        let seen = Script::server().send(post(&fields));
        assert!(matches!(seen[..], [Seen::Refused { .. }]), "{seen:?}");
        let seen = Script::asking("GET").send(reply(&fields));
        assert!(matches!(seen[..], [Seen::Reset { .. }, Seen::Closed { .. }]), "{seen:?}");
    }
}

/// §6.3: a body is exactly as long as its length says.
#[test]
fn a_length_is_the_length_of_the_body() {
    let mut script = Script::server();
    let seen = script.send(post("Content-Length: 5").clone() + "helloGET ");
    let fields = asked("POST", "/", &[("content-length", "5")]);
    assert_eq!(seen, [Seen::Head { fields, end: End::Open }, data("hello", End::Stream)]);
    assert_eq!(script.left, b"GET ", "the next request is left where it is");
    let seen = Script::server().send(post("Content-Length: 00"));
    assert!(matches!(seen[..], [Seen::Head { end: End::Stream, .. }]));
}

/// §6.3: a request without either has no body.
#[test]
fn a_request_without_length_has_no_body() {
    let seen = Script::server().send(post("A: b"));
    assert!(matches!(seen[..], [Seen::Head { end: End::Stream, .. }]));
}

/// §6.3: replies to HEAD, and of 204 and 304, have no body, whatever they say; 204 does not even say it.
#[test]
fn replies_without_body() {
    for (method, status, length) in
        [("HEAD", "200", true), ("GET", "304", true), ("GET", "204", false)]
    {
        let mut script = Script::asking(method);
        let seen = script.send(format!("HTTP/1.1 {status} x\r\nContent-Length: 5\r\n\r\n"));
        let mut fields = owned(&[(":status", status)]);
        fields.extend(owned(&[("content-length", "5")]).into_iter().filter(|_| length));
        assert_eq!(seen, [Seen::Head { fields, end: End::Stream }]);
        assert_eq!(script.connection.capacity(), 1);
        let mut script = Script::asking(method);
        script.send(format!("HTTP/1.1 {status} x\r\nTransfer-Encoding: chunked\r\n\r\n"));
        assert_eq!(script.connection.capacity(), 1);
    }
}

/// §6.3: a reply without either lasts until the connection ends, and is complete then.
#[test]
fn a_reply_without_length_lasts_until_the_end() {
    let mut script = Script::asking("GET");
    let seen = script.send("HTTP/1.1 200 OK\r\n\r\nhel");
    let fields = owned(&[(":status", "200")]);
    assert_eq!(seen, [Seen::Head { fields, end: End::Open }, data("hel", End::Open)]);
    assert_eq!(script.connection.capacity(), 0);
    assert_eq!(script.send("lo"), [data("lo", End::Open)]);
    assert_eq!(script.end(), [data("", End::Stream), Seen::Drained]);
}

/// §6.1, §6.3: our replies: as given, in chunks, or to HTTP/1.0 until the connection ends.
#[test]
fn our_replies_are_framed_for_their_reader() {
    for (version, fields, expected) in [
        ("1.1", &[(":status", "200"), ("content-length", "2")][..], "content-length: 2\r\n\r\nhi"),
        ("1.1", &[(":status", "200")], "transfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"),
        ("1.0", &[(":status", "200")], "connection: close\r\n\r\nhi"),
        (
            "1.0",
            &[(":status", "200"), ("content-length", "2")],
            "content-length: 2\r\nconnection: close\r\n\r\nhi",
        ),
    ] {
        let mut script = Script::server();
        script.send(format!("GET / HTTP/{version}\r\nHost: a\r\n\r\n"));
        assert_eq!(script.answer(fields, "hi"), format!("HTTP/1.1 200 OK\r\n{expected}"));
    }
}

/// §6.3: to HEAD, and with 204 and 304, we send no body even if we are given one, and keep what is said of
/// its length where it may be said.
#[test]
fn our_replies_without_body() {
    for (method, status, length) in [
        ("HEAD", "200 OK", true),
        ("GET", "304 Not Modified", true),
        ("GET", "204 No Content", false),
    ] {
        for body in ["", "12345"] {
            let mut script = Script::server();
            script.send(format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n"));
            let sent = script.answer(&[(":status", &status[..3]), ("content-length", "5")], body);
            let length = if length { "content-length: 5\r\n" } else { "" };
            assert_eq!(sent, format!("HTTP/1.1 {status}\r\n{length}\r\n"));
        }
    }
}

/// RFC 9110 §8.6: methods that mean a body say that there is none.
#[test]
fn our_requests_are_framed() {
    for (method, fields, end, expected) in [
        ("GET", &[][..], End::Stream, ""),
        ("POST", &[], End::Stream, "content-length: 0\r\n"),
        ("PUT", &[], End::Stream, "content-length: 0\r\n"),
        ("POST", &[], End::Open, "transfer-encoding: chunked\r\n"),
        ("POST", &[("content-length", "7")], End::Open, "content-length: 7\r\n"),
        ("GET", &[("content-length", "0")], End::Stream, "content-length: 0\r\n"),
    ] {
        let mut script = Script::client();
        script.ask(&[&[(":method", method)], fields].concat(), end).expect("free");
        assert_eq!(script.written(), format!("{method} / HTTP/1.1\r\nhost: a\r\n{expected}\r\n"));
    }
}

/// RFC 9110 §8.6: a length is written once, and as a number, whatever we are given.
#[test]
fn our_length_comes_once() {
    for (lengths, expected) in [
        (&["2", "2"][..], "content-length: 2\r\n\r\nhi"),
        (&["2", "3"], "content-length: 2\r\n\r\nhi"),
        (&["+2"], "transfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"),
    ] {
        let mut script = Script::server();
        script.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        let lengths = lengths.iter().map(|length| ("content-length", *length));
        let fields: Vec<_> = [(":status", "200")].into_iter().chain(lengths).collect();
        assert_eq!(script.answer(&fields, "hi"), format!("HTTP/1.1 200 OK\r\n{expected}"));
    }
}

/// §6.3: what we promised a length gets that length, or the connection ends before the peer takes
/// something else for the rest.
#[test]
fn a_promised_length_is_kept() {
    for (first, last) in [("123456", End::Stream), ("123", End::Stream), ("123456", End::Open)] {
        let mut script = Script::server();
        script.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        let stream = script.stream();
        let fields = [(":status", "200"), ("content-length", "5")];
        script.connection.send_head(stream, &head(&fields), End::Open);
        script.connection.send_data(stream, first.as_bytes(), last);
        let events = script.events();
        assert!(
            matches!(events[..], [Seen::Reset { reason: Reason::Http1(Fault::LengthBroken), .. }]),
            "{events:?}"
        );
        script.connection.release(stream);
        assert_eq!(script.events(), [Seen::Drained]);
        assert!(!script.written().contains("123456"));
    }
}
