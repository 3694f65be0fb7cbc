//! CONNECT (RFC 9110 §9.3.6): bytes of another protocol, both ways.

use narrows_wire::codec::{End, ErrorCode, Party, Reason};
use narrows_wire::h1::Fault;

use crate::message::{Script, Seen, bad, data, head, owned};

const CONNECT: &str = "CONNECT b:1 HTTP/1.1\r\nHost: a\r\n\r\n";

/// A tunnel of a client of ours, open.
fn open() -> Script {
    let mut script = Script::client();
    script.ask(&[(":method", "CONNECT"), (":authority", "b:1")], End::Open).expect("free");
    assert_eq!(script.written(), "CONNECT b:1 HTTP/1.1\r\nhost: b:1\r\n\r\n");
    let seen = script.send("HTTP/1.1 200 OK\r\n\r\n");
    let fields = owned(&[(":status", "200")]);
    assert_eq!(seen, [Seen::Head { fields, end: End::Open }]);
    script
}

/// Bytes pass as they are, and each direction ends by itself.
#[test]
fn a_tunnel_of_a_client() {
    let mut script = Script::server();
    script.send(CONNECT);
    assert_eq!(script.send("early"), [], "nothing is a tunnel's before it is open");
    assert!(!script.connection.accepts_input());
    let stream = script.stream();
    script.connection.send_head(stream, &head(&[(":status", "200")]), End::Open);
    assert_eq!(script.written(), "HTTP/1.1 200 OK\r\n\r\n");
    assert_eq!(script.events(), [data("early", End::Open)]);
    script.connection.send_data(stream, b"GET / HTTP/1.1\r\n\r\n", End::Open);
    assert_eq!(script.written(), "GET / HTTP/1.1\r\n\r\n");
    assert_eq!(script.end(), [data("", End::Stream)]);
    assert!(!script.connection.is_output_ended());
    script.connection.send_data(stream, b"last", End::Stream);
    assert!(script.connection.is_output_ended() && !script.connection.is_aborted());
    assert_eq!(script.written(), "last");
    script.connection.release(stream);
    assert_eq!(script.events(), [Seen::Drained]);
}

#[test]
fn a_tunnel_to_a_node() {
    let mut script = open();
    let stream = script.stream();
    script.connection.send_data(stream, b"there", End::Stream);
    assert_eq!(script.written(), "there");
    assert!(script.connection.is_output_ended());
    assert_eq!(script.send("and back"), [data("and back", End::Open)]);
    assert_eq!(script.end(), [data("", End::Stream), Seen::Drained]);
    assert_eq!(script.connection.capacity(), 0);
}

/// Whatever fields the reply has, they say nothing of a tunnel, and are not sent either.
#[test]
fn a_tunnel_has_no_length() {
    let mut script = Script::client();
    script.ask(&[(":method", "CONNECT"), (":authority", "b:1")], End::Open).expect("free");
    let fields = owned(&[(":status", "200")]);
    let seen = script
        .send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n5\r\n");
    assert_eq!(seen, [Seen::Head { fields, end: End::Open }, data("5\r\n", End::Open)]);
    let mut script = Script::server();
    script.send(CONNECT);
    let stream = script.stream();
    let fields = [(":status", "200"), ("content-length", "5")];
    script.connection.send_head(stream, &head(&fields), End::Open);
    assert_eq!(script.written(), "HTTP/1.1 200 OK\r\n\r\n");
}

/// What is sent before the tunnel is open waits, and goes into nothing else.
#[test]
fn data_waits_for_the_tunnel() {
    let ask = || {
        let mut script = Script::client();
        let fields = [(":method", "CONNECT"), (":authority", "b:1")];
        let stream = script.ask(&fields, End::Open).expect("free");
        script.written();
        assert_eq!(script.connection.send_data(stream, b"early", End::Stream), 0);
        assert_eq!(script.connection.waiting_bytes(), 5);
        assert_eq!(script.written(), "");
        script
    };
    let mut script = ask();
    let seen = script.send("HTTP/1.1 200 OK\r\n\r\n");
    assert!(seen.contains(&Seen::Sent { bytes: 5 }), "{seen:?}");
    assert_eq!(script.written(), "early");
    assert!(script.connection.is_output_ended());
    let mut script = ask();
    let seen = script.send("HTTP/1.1 403 no\r\nContent-Length: 2\r\n\r\nno");
    assert!(matches!(seen[..], [Seen::Head { .. }, Seen::Data { end: End::Stream, .. }]));
    assert_eq!(script.written(), "");
    assert_eq!(script.connection.waiting_bytes(), 0);
}

/// A tunnel that is refused: what the client sent for it in good hope is not read as requests.
#[test]
fn a_refused_tunnel_ends_the_connection() {
    let mut script = Script::server();
    script.send(format!("{CONNECT}GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    let sent = script.answer(&[(":status", "403")], "no");
    assert!(sent.contains("connection: close\r\n"), "{sent}");
    assert_eq!(script.events(), [Seen::Drained]);
}

/// A tunnel that breaks is not to look like one that ended.
#[test]
fn a_reset_tunnel_is_cut_off() {
    let mut script = open();
    script.reset();
    assert!(script.connection.is_aborted());
    assert_eq!(script.events(), [Seen::Drained]);
    let mut script = Script::server();
    script.send(CONNECT);
    let stream = script.stream();
    script.connection.send_head(stream, &head(&[(":status", "200")]), End::Open);
    script.connection.reset(stream, ErrorCode::CANCEL);
    script.connection.release(stream);
    assert!(script.connection.is_aborted());
    assert_eq!(script.events(), [Seen::Drained]);
}

/// A client that has ended its direction before the tunnel is open has nothing to say in it.
#[test]
fn an_end_before_the_tunnel() {
    let mut script = Script::server();
    script.send(CONNECT);
    assert_eq!(script.end(), []);
    let stream = script.stream();
    script.connection.send_head(stream, &head(&[(":status", "200")]), End::Open);
    assert_eq!(script.events(), [data("", End::Stream)]);
}

/// CONNECT has no body.
#[test]
fn a_body_of_connect_is_refused() {
    for field in ["Content-Length: 5", "Transfer-Encoding: chunked"] {
        let head = format!("CONNECT b:1 HTTP/1.1\r\nHost: a\r\n{field}\r\n\r\n");
        Script::server().expect_refused(head, bad(Fault::ConnectWithBody));
    }
}

/// 101 answers nothing that we asked for.
#[test]
fn switching_without_an_offer() {
    let seen = Script::asking("GET").send("HTTP/1.1 101 x\r\nUpgrade: websocket\r\n\r\n");
    let reason = Reason::Http1(Fault::SwitchedProtocol);
    assert_eq!(seen, [Seen::Reset { by: Party::Us, reason }, Seen::Closed { reason }]);
}
