//! WebSocket (RFC 6455 §4) to and from extended CONNECT (RFC 8441).

use narrows_wire::codec::{End, OpenError, Party, Reason};
use narrows_wire::h1::Fault;

use crate::message::{Script, Seen, data, head, owned};

const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

fn handshake(lines: &[&str]) -> String {
    format!("GET /chat HTTP/1.1\r\nHost: a\r\n{}\r\n\r\n", lines.join("\r\n"))
}

fn valid() -> String {
    handshake(&[
        "Connection: keep-alive, Upgrade",
        "Upgrade: WebSocket",
        KEY,
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: chat",
    ])
}

/// The offer comes out as extended CONNECT, without its key; 200 is written as 101 with the proof.
#[test]
fn an_offer_becomes_extended_connect() {
    let mut script = Script::server();
    let seen = script.send(format!("{}early", valid()));
    let fields = owned(&[
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "http"),
        (":authority", "a"),
        (":path", "/chat"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-protocol", "chat"),
    ]);
    assert_eq!(seen, [Seen::Head { fields, end: End::Open }]);
    assert_eq!(script.left, b"early");
    let stream = script.stream();
    let reply = head(&[(":status", "200"), ("sec-websocket-protocol", "chat")]);
    script.connection.send_head(stream, &reply, End::Open);
    assert_eq!(
        script.written(),
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nsec-websocket-accept: {ACCEPT}\r\n\
             sec-websocket-protocol: chat\r\nconnection: upgrade\r\n\r\n"
        )
    );
    assert_eq!(script.events(), [data("early", End::Open)]);
    script.connection.send_data(stream, b"\x01\x02hi", End::Open);
    assert_eq!(script.written(), "\x01\x02hi");
}

/// Any other answer is an ordinary one, and the connection goes on.
#[test]
fn a_refused_offer_is_an_ordinary_exchange() {
    let mut script = Script::server();
    script.send(valid());
    let sent = script.answer(&[(":status", "403")], "no");
    assert!(sent.starts_with("HTTP/1.1 403 Forbidden\r\n") && !sent.contains("close"), "{sent}");
    assert!(matches!(script.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")[..], [Seen::Head { .. }]));
}

/// An offer that is not valid is none: the request is an ordinary GET.
#[test]
fn offers_that_are_none() {
    let (connection, upgrade, version) =
        ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13");
    for lines in [
        &[upgrade, KEY, version][..],
        &[connection, KEY, version],
        &[connection, "Upgrade: h2c", KEY, version],
        &[connection, upgrade, version],
        &[connection, upgrade, KEY],
        &[connection, upgrade, KEY, "Sec-WebSocket-Version: 12"],
        &[connection, upgrade, "Sec-WebSocket-Key: short==", version],
        &[connection, upgrade, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=.", version],
        &[connection, upgrade, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j Q==", version],
        &[connection, upgrade, KEY, version, "Content-Length: 3"],
    ] {
        let seen = Script::server().send(handshake(lines));
        assert!(
            matches!(&seen[..], [Seen::Head { fields, .. }] if fields[0].1 == "GET"),
            "{lines:?}: {seen:?}"
        );
    }
    for text in [valid().replace("GET", "POST"), valid().replace("HTTP/1.1", "HTTP/1.0")] {
        let seen = Script::server().send(text);
        assert!(matches!(&seen[..], [Seen::Head { fields, .. }] if fields[0].1 != "CONNECT"));
    }
}

/// Our client has offered a WebSocket; the key that it sent.
fn offering() -> (Script, String) {
    let mut script = Script::client();
    let fields = [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":path", "/chat"),
        ("sec-websocket-protocol", "chat"),
    ];
    script.ask(&fields, End::Open).expect("free");
    let sent = script.written();
    let key = sent.split("sec-websocket-key: ").nth(1).and_then(|rest| rest.split("\r\n").next());
    let key = key.expect("a key").to_owned();
    assert_eq!(
        sent,
        format!(
            "GET /chat HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nsec-websocket-key: {key}\r\n\
             sec-websocket-version: 13\r\nsec-websocket-protocol: chat\r\nconnection: upgrade\r\n\r\n"
        )
    );
    (script, key)
}

/// The accept value that our own server gives to a key.
fn accept_of(key: &str) -> String {
    let mut server = Script::server();
    server.send(valid().replace("dGhlIHNhbXBsZSBub25jZQ==", key));
    let stream = server.stream();
    server.connection.send_head(stream, &head(&[(":status", "200")]), End::Open);
    let sent = server.written();
    let accept = sent.split("sec-websocket-accept: ").nth(1).and_then(|rest| rest.get(..28));
    accept.expect("an accept value").to_owned()
}

/// Extended CONNECT is said as an offer, and a valid 101 comes out as 200.
#[test]
fn extended_connect_becomes_an_offer() {
    let (mut script, key) = offering();
    let accept = accept_of(&key);
    let seen = script.send(format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: chat\r\n\r\n\x01"
    ));
    let fields = owned(&[(":status", "200"), ("sec-websocket-protocol", "chat")]);
    assert_eq!(seen, [Seen::Head { fields, end: End::Open }, data("\x01", End::Open)]);
    let stream = script.stream();
    script.connection.send_data(stream, b"x", End::Open);
    assert_eq!(script.written(), "x");
    assert_eq!(script.connection.capacity(), 0);
}

/// Keys differ from offer to offer.
#[test]
fn keys_differ() {
    let (first, key) = offering();
    drop(first);
    let config = std::sync::Arc::default();
    let role = narrows_wire::codec::Role::Client;
    let scheme = narrows_wire::h1::Scheme::Http;
    let mut other = Script::client();
    other.connection =
        narrows_wire::h1::Connection::new(role, scheme, config, 8, narrows_wire::Time::ZERO);
    other.ask(&[(":method", "CONNECT"), (":protocol", "websocket")], End::Open).expect("free");
    assert!(!other.written().contains(&key));
}

/// A node that does not prove that it speaks WebSocket has not switched.
#[test]
fn switches_that_are_none() {
    let accept = |key: &str| format!("Sec-WebSocket-Accept: {}", accept_of(key));
    let wrong = format!("Sec-WebSocket-Accept: {ACCEPT}");
    let upgrade = "Upgrade: websocket\r\nConnection: Upgrade";
    for (line, upgrade, proof, fault) in [
        ("HTTP/1.1 101 x", upgrade, wrong.as_str(), Fault::WebSocketAccept),
        ("HTTP/1.1 101 x", upgrade, "A: b", Fault::WebSocketAccept),
        ("HTTP/1.1 101 x", "Upgrade: websocket", "right", Fault::SwitchedProtocol),
        ("HTTP/1.0 101 x", upgrade, "right", Fault::SwitchedProtocol),
        ("HTTP/1.1 200 OK", upgrade, "right", Fault::NotSwitched),
    ] {
        let (mut script, key) = offering();
        let proof = if proof == "right" { accept(&key) } else { proof.to_owned() };
        let seen = script.send(format!("{line}\r\n{upgrade}\r\n{proof}\r\n\r\n"));
        let reason = Reason::Http1(fault);
        assert_eq!(seen, [Seen::Reset { by: Party::Us, reason }, Seen::Closed { reason }]);
    }
}

/// A node that declines says why, as for any request.
#[test]
fn an_offer_that_is_declined() {
    let (mut script, _) = offering();
    let seen = script.send("HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n");
    assert!(matches!(seen[..], [Seen::Head { end: End::Stream, .. }]), "{seen:?}");
    script.reset();
}

/// Other protocols have no form in HTTP/1.
#[test]
fn other_protocols_can_not_be_said() {
    let mut script = Script::client();
    let fields = [(":method", "CONNECT"), (":protocol", "connect-udp")];
    assert_eq!(script.ask(&fields, End::Open), Err(OpenError::Inexpressible));
    assert_eq!(script.ask(&[(":path", "/a b")], End::Open), Err(OpenError::Inexpressible));
    assert_eq!(script.ask(&[(":path", "/a#b")], End::Open), Err(OpenError::Inexpressible));
    assert_eq!(script.ask(&[(":authority", "a\r\nb")], End::Open), Err(OpenError::Inexpressible));
    assert_eq!(script.ask(&[(":method", "G T")], End::Open), Err(OpenError::Inexpressible));
    assert_eq!(script.written(), "");
    assert!(script.ask(&[], End::Stream).is_ok(), "it is as free as before");
}
