//! From HTTP/1.1 to HTTP/2 at the client's offer (RFC 7540 §3.2).

use std::sync::Arc;

use narrows_wire::codec::{End, Event, Role};
use narrows_wire::h1::Config;
use narrows_wire::{Head, Time, h2};

use crate::message::{Script, Seen, asked, head, owned};

const SETTINGS: &str = "HTTP2-Settings: AAMAAABkAAQAAP__";
const CONNECTION: &str = "Connection: Upgrade, HTTP2-Settings";

fn request(fields: &[&str]) -> String {
    format!("GET /a HTTP/1.1\r\nHost: a\r\n{}\r\nX: y\r\n\r\n", fields.join("\r\n"))
}

fn server() -> Script {
    Script::with(Role::Server, Config { upgrade_h2c: true, ..Config::default() })
}

/// The offer is taken, and the request is the first stream of a connection in HTTP/2.
#[test]
fn an_offer_is_taken() {
    let mut script = server();
    let now = Time::ZERO;
    let mut client = h2::Connection::new(Role::Client, Arc::default(), now);
    let preface = client.output().front().to_vec();
    let offer = request(&[CONNECTION, "Upgrade: h2c", SETTINGS]);
    let mut input = offer.into_bytes();
    input.extend_from_slice(&preface);
    assert_eq!(script.send(input), []);
    assert!(!script.connection.accepts_input());
    let switch = script.connection.take_h2c().expect("it switches");
    let fields: Vec<_> =
        switch.head.iter().map(|(name, value)| (text(name), text(value))).collect();
    assert_eq!(fields, asked("GET", "/a", &[("x", "y")]));
    let (mut server, stream) =
        h2::Connection::upgraded(Arc::default(), &switch.settings, switch.output, now)
            .expect("the settings are valid");
    assert_eq!(server.peer_settings().max_concurrent_streams, 100);
    let (mut left, mut head_in) = (&script.left[..], Head::new());
    assert_eq!(server.receive(now, &mut left, &mut head_in), Some(Event::PeerSettings));
    assert_eq!(server.receive(now, &mut left, &mut head_in), None);
    assert!(left.is_empty());
    server.send_head(stream, &head(&[(":status", "200")]), End::Stream);
    server.release(stream);
    assert_eq!(server.active_streams(), 0);
    let output = server.output().front().to_vec();
    let assent =
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n\0\0";
    assert!(output.starts_with(assent), "{}", String::from_utf8_lossy(&output));
    let headers = [0, 0, 1, 1, 5, 0, 0, 0, 1, 0x88];
    assert!(output.ends_with(&headers), "{output:?}");
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What is no valid offer, or none that we may take, is an ordinary request.
#[test]
fn offers_that_are_not_taken() {
    let upgrade = "Upgrade: h2c";
    for fields in [
        &["Connection: Upgrade", upgrade, SETTINGS][..],
        &["Connection: HTTP2-Settings", upgrade, SETTINGS],
        &[CONNECTION, SETTINGS],
        &[CONNECTION, "Upgrade: h2", SETTINGS],
        &[CONNECTION, upgrade],
        &[CONNECTION, upgrade, SETTINGS, SETTINGS],
        &[CONNECTION, upgrade, "HTTP2-Settings: AAMAAABkA"],
        &[CONNECTION, upgrade, "HTTP2-Settings: AAMA"],
        &[CONNECTION, upgrade, SETTINGS, "Content-Length: 5"],
    ] {
        let seen = server().send(request(fields));
        assert!(matches!(seen[..], [Seen::Head { .. }]), "{fields:?}: {seen:?}");
    }
    let offer = request(&[CONNECTION, upgrade, SETTINGS]);
    let expected = Seen::Head { fields: asked("GET", "/a", &[("x", "y")]), end: End::Stream };
    assert_eq!(Script::server().send(&offer), [expected], "not unless it is configured");
    let mut script = server();
    script.send("GET / HT");
    script.connection.drain(script.now);
    let seen =
        script.send(offer.strip_prefix("GET /a HT").map_or("", |_| "TP/1.1\r\nHost: a\r\n\r\n"));
    assert!(matches!(seen[..], [Seen::Head { .. }]), "not on the way out");
    assert_eq!(owned(&[]), []);
}

/// Settings that are not valid end the new connection.
#[test]
fn settings_that_are_not_valid() {
    let window = [0, 4, 0xff, 0xff, 0xff, 0xff];
    let made = h2::Connection::upgraded(Arc::default(), &window, Default::default(), Time::ZERO);
    assert!(made.is_err());
}
