//! RFC 9112 §9: keep-alive, pipelining, and the end of a connection.

use narrows_wire::codec::Role;
use narrows_wire::codec::{End, OpenError, Reason};
use narrows_wire::h1::{Config, Fault};

use crate::message::{Script, Seen, asked, data, head};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// §9.3: what each version says of the connection behind the reply.
#[test]
fn keep_alive_by_version_and_option() {
    for (version, option, stays, said) in [
        ("1.1", "", true, ""),
        ("1.1", "Connection: keep-alive\r\n", true, ""),
        ("1.1", "Connection: close\r\n", false, "connection: close\r\n"),
        ("1.1", "Connection: x, CLOSE , y\r\n", false, "connection: close\r\n"),
        ("1.1", "Connection: x\r\nConnection: close\r\n", false, "connection: close\r\n"),
        ("1.0", "", false, "connection: close\r\n"),
        ("1.0", "Connection: Keep-Alive\r\n", true, "connection: keep-alive\r\n"),
        ("1.0", "Connection: keep-alive, close\r\n", false, "connection: close\r\n"),
    ] {
        let mut script = Script::server();
        script.send(format!("GET / HTTP/{version}\r\nHost: a\r\n{option}\r\n"));
        let sent = script.answer(&[(":status", "200")], "");
        assert_eq!(sent, format!("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n{said}\r\n"), "{option}");
        let seen = script.send(GET);
        if stays {
            assert!(matches!(seen[..], [Seen::Head { .. }]), "{option}: {seen:?}");
        } else {
            assert_eq!(seen, [Seen::Drained], "{option}");
        }
    }
}

/// §9.3: the same for what a node says.
#[test]
fn a_node_says_whether_it_can_be_asked_again() {
    for (version, option, stays) in [
        ("1.1", "", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.0", "", false),
        ("1.0", "Connection: keep-alive\r\n", true),
    ] {
        let mut script = Script::asking("GET");
        let reply = format!("HTTP/{version} 200 OK\r\nContent-Length: 0\r\n{option}\r\n");
        let seen = script.send(reply);
        assert_eq!(seen.contains(&Seen::Drained), !stays, "{version} {option}");
        assert_eq!(script.connection.capacity(), usize::from(stays));
        assert_eq!(script.ask(&[], End::Stream).is_ok(), stays);
    }
}

/// RFC 9110 §7.6.1: what belongs to the connection is not passed on, in either direction.
#[test]
fn fields_of_the_connection_stay_there() {
    let fields = "Connection: keep-alive, x-own, Upgrade, TE\r\nX-Own: 1\r\nKeep-Alive: timeout=5\r\n\
                  Proxy-Connection: close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\
                  TE: gzip, trailers;q=0.5\r\nX-Other: 2\r\n";
    let mut script = Script::server();
    let seen = script.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
    let expected = asked("GET", "/", &[("x-other", "2"), ("te", "trailers")]);
    assert_eq!(seen, [Seen::Head { fields: expected, end: End::Stream }]);
    let mut script = Script::asking("GET");
    let seen = script.send(format!("HTTP/1.1 204 x\r\n{fields}\r\n"));
    let expected = crate::message::owned(&[(":status", "204"), ("x-other", "2")]);
    assert_eq!(seen, [Seen::Head { fields: expected, end: End::Stream }]);
    let given = [
        ("connection", "close"),
        ("keep-alive", "x"),
        ("proxy-connection", "x"),
        ("transfer-encoding", "x"),
        ("upgrade", "x"),
        ("http2-settings", "x"),
        ("te", "trailers"),
    ];
    let mut script = Script::client();
    script.ask(&given, End::Stream).expect("free");
    assert_eq!(
        script.written(),
        "GET / HTTP/1.1\r\nhost: a\r\nte: trailers\r\nconnection: te\r\n\r\n"
    );
    let mut script = Script::server();
    script.send(GET);
    let sent = script.answer(&[&[(":status", "200")], &given[..]].concat(), "");
    assert_eq!(sent, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
}

/// RFC 9110 §7.6.1: Connection names no field that all have to see.
#[test]
fn connection_does_not_name_what_all_need() {
    for name in ["host", "Content-Length", "transfer-encoding", "expect", "a b", "\"x\""] {
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: {name}\r\n\r\n");
        Script::server().expect_refused(head, crate::message::bad(Fault::ConnectionOption));
    }
}

/// §9.3.2: requests that come together are answered in their order, one at a time.
#[test]
fn pipelined_requests_are_handed_out_one_at_a_time() {
    let mut script = Script::server();
    let requests = "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi\
                    GET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /3 HTTP/1.1\r\nHost: a\r\n\r\n";
    let seen = script.send(requests);
    let fields = asked("POST", "/1", &[("content-length", "2")]);
    assert_eq!(seen, [Seen::Head { fields, end: End::Open }, data("hi", End::Stream)]);
    for path in ["/2", "/3"] {
        assert!(!script.connection.accepts_input());
        assert_eq!(script.events(), []);
        script.answer(&[(":status", "200")], "");
        let fields = asked("GET", path, &[]);
        assert_eq!(script.events(), [Seen::Head { fields, end: End::Stream }]);
    }
    script.answer(&[(":status", "200")], "");
    assert!(script.connection.accepts_input() && script.left.is_empty());
}

/// §9.3.2: the next request waits until the owner has finished with the one before.
#[test]
fn the_next_request_waits_for_the_release() {
    let mut script = Script::server();
    script.send(GET.repeat(2));
    let stream = script.stream();
    script.connection.send_head(stream, &head(&[(":status", "200")]), End::Stream);
    assert_eq!(script.events(), []);
    assert_eq!(script.connection.active_streams(), 1);
    script.connection.release(stream);
    assert!(matches!(script.events()[..], [Seen::Head { .. }]));
    assert_ne!(script.stream(), stream, "the old key reaches nothing");
    script.connection.send_head(stream, &head(&[(":status", "500")]), End::Stream);
    assert!(!script.written().contains("500"));
}

/// §9.2: bytes that nobody asked for end the connection; they are no answer to the next request.
#[test]
fn unsolicited_bytes_end_the_connection() {
    let closed = Seen::Closed { reason: Reason::Http1(Fault::Unsolicited) };
    let mut script = Script::client();
    assert_eq!(script.send("HTTP/1.1 200 OK\r\n\r\n"), std::slice::from_ref(&closed));
    assert_eq!(script.ask(&[], End::Stream), Err(OpenError::Closed));
    let mut script = Script::asking("GET");
    let seen = script.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200 OK\r\n\r\n");
    assert!(matches!(&seen[..], [Seen::Head { .. }, Seen::Data { .. }, last] if *last == closed));
}

/// §9.3: a node is asked one thing at a time.
#[test]
fn a_client_connection_is_exclusive() {
    let mut script = Script::asking("GET");
    assert_eq!(script.connection.capacity(), 0);
    assert_eq!(script.ask(&[], End::Stream), Err(OpenError::Full));
    script.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nh");
    assert_eq!(script.connection.capacity(), 0, "not before the reply has ended");
    script.send("i");
    assert_eq!(script.connection.capacity(), 1);
}

/// §9.3: a reply may end before the request; the connection is free when both have.
#[test]
fn an_early_reply_of_a_node() {
    let mut script = Script::client();
    let stream = script.ask(&[(":method", "POST")], End::Open).expect("free");
    script.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(script.connection.capacity(), 0);
    script.connection.send_data(stream, b"x", End::Stream);
    assert!(script.written().ends_with("1\r\nx\r\n0\r\n\r\n"));
    assert_eq!(script.connection.capacity(), 1);
}

/// §9.6: a request that is given up ends the connection, because nothing else can say it.
#[test]
fn a_reset_request_ends_the_connection() {
    let mut script = Script::asking("GET");
    script.reset();
    assert_eq!(script.connection.capacity(), 0);
    assert_eq!(script.send("HTTP/1.1 200 OK\r\n\r\nx"), [Seen::Drained]);
}

/// §9.6: the last request that a connection takes is told so.
#[test]
fn the_last_request_is_told() {
    let config = || Config { requests_max: Some(2), ..Config::default() };
    let mut script = Script::with(Role::Server, config());
    script.send(GET.repeat(3));
    assert!(!script.answer(&[(":status", "200")], "").contains("close"));
    script.events();
    assert!(script.answer(&[(":status", "200")], "").contains("connection: close\r\n"));
    assert_eq!(script.events(), [Seen::Drained]);
    let mut script = Script::with(Role::Client, config());
    for last in [false, true] {
        script.ask(&[], End::Stream).expect("free");
        assert_eq!(script.written().contains("connection: close\r\n"), last);
        script.send("HTTP/1.1 204 x\r\n\r\n");
    }
    assert_eq!(script.ask(&[], End::Stream), Err(OpenError::Draining));
}

/// §9.6: a drain lets the present request finish, and says in its reply that it is the last.
#[test]
fn a_drain_finishes_what_has_begun() {
    let mut script = Script::server();
    script.connection.drain(script.now);
    assert_eq!(script.events(), [Seen::Drained]);
    let mut script = Script::server();
    script.send("GET / HT");
    script.connection.drain(script.now);
    assert!(matches!(script.send("TP/1.1\r\nHost: a\r\n\r\n")[..], [Seen::Head { .. }]));
    assert!(script.answer(&[(":status", "200")], "").contains("connection: close\r\n"));
    assert_eq!(script.send(GET), [Seen::Drained]);
    let mut script = Script::asking("GET");
    script.connection.drain(script.now);
    let seen = script.send("HTTP/1.1 204 x\r\n\r\n");
    assert!(matches!(seen[..], [Seen::Head { .. }, Seen::Drained]), "{seen:?}");
}
