//! The handshake as RFC 6455 prints it and wrong in each way, both translations, and frames cut anywhere.

use super::*;
use crate::{Head, Indexing};

/// RFC 6455 §1.3.
const KEY_TEXT: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT_TEXT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

const REQUEST: &[(&str, &str)] = &[
    (":method", "GET"),
    (":scheme", "http"),
    (":authority", "server.example.com"),
    (":path", "/chat"),
    ("upgrade", "websocket"),
    ("connection", "Upgrade"),
    ("sec-websocket-key", KEY_TEXT),
    ("origin", "http://example.com"),
    ("sec-websocket-protocol", "chat, superchat"),
    ("sec-websocket-version", "13"),
];

const REPLY: &[(&str, &str)] = &[
    (":status", "101"),
    ("upgrade", "websocket"),
    ("connection", "Upgrade"),
    ("sec-websocket-accept", ACCEPT_TEXT),
    ("sec-websocket-protocol", "chat"),
];

fn head(fields: &[(&str, &str)]) -> Head {
    let mut head = Head::new();
    for (name, value) in fields {
        head.push_text(name.as_bytes(), value.as_bytes(), Indexing::MayRepeat);
    }
    head
}

/// The fields with one changed, or without it.
fn with(fields: &[(&str, &str)], name: &str, value: Option<&str>) -> Head {
    let mut changed = Vec::new();
    for (have, old) in fields {
        match (*have == name, value) {
            (false, _) => changed.push((*have, *old)),
            (true, Some(value)) => changed.push((*have, value)),
            (true, None) => {}
        }
    }
    head(&changed)
}

fn text(head: &Head) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    head.iter().map(|(name, value)| (text(name), text(value))).collect()
}

fn key() -> Key {
    Key::parse(KEY_TEXT.as_bytes()).expect("a key")
}

#[test]
fn the_key_of_the_rfc_has_the_answer_of_the_rfc() {
    assert_eq!(key().accept(), ACCEPT_TEXT.as_bytes());
    assert_eq!(Key::new(*b"the sample nonce"), key());
}

#[test]
fn a_request_is_checked() {
    assert_eq!(check_request(&head(REQUEST)), Ok(key()));
    for (name, value) in [("upgrade", "h2c, WebSocket"), ("connection", "keep-alive,upgrade")] {
        assert_eq!(check_request(&with(REQUEST, name, Some(value))), Ok(key()), "{name}: {value}");
    }
    let table = [
        (":method", Some("POST"), HandshakeFault::Method),
        ("upgrade", None, HandshakeFault::Upgrade),
        ("upgrade", Some("websockets"), HandshakeFault::Upgrade),
        ("connection", None, HandshakeFault::Connection),
        ("connection", Some("keep-alive"), HandshakeFault::Connection),
        ("sec-websocket-key", None, HandshakeFault::Key),
        ("sec-websocket-key", Some(""), HandshakeFault::Key),
        ("sec-websocket-key", Some("dGhlIHNhbXBsZSBub25j"), HandshakeFault::Key),
        ("sec-websocket-key", Some("dGhlIHNhbXBsZSBub25jZWE="), HandshakeFault::Key),
        ("sec-websocket-key", Some("dGhlIHNhbXBsZSBub25jZR=="), HandshakeFault::Key),
        ("sec-websocket-version", None, HandshakeFault::Version),
        ("sec-websocket-version", Some("8"), HandshakeFault::Version),
        ("sec-websocket-version", Some("13, 8"), HandshakeFault::Version),
    ];
    for (name, value, fault) in table {
        assert_eq!(check_request(&with(REQUEST, name, value)), Err(fault), "{name}: {value:?}");
    }
    let mut twice = head(REQUEST);
    twice.push_text(b"sec-websocket-key", KEY_TEXT.as_bytes(), Indexing::Unique);
    assert_eq!(check_request(&twice), Err(HandshakeFault::Key));
    assert!(is_upgrade(&head(REQUEST)));
    assert!(!is_upgrade(&with(REQUEST, "upgrade", Some("h2c"))));
}

#[test]
fn a_reply_is_checked() {
    assert_eq!(check_reply(&head(REPLY), &key()), Ok(()));
    let table = [
        (":status", Some("200"), HandshakeFault::Refused),
        ("upgrade", None, HandshakeFault::Upgrade),
        ("connection", None, HandshakeFault::Connection),
        ("sec-websocket-accept", None, HandshakeFault::Accept),
        ("sec-websocket-accept", Some(KEY_TEXT), HandshakeFault::Accept),
    ];
    for (name, value, fault) in table {
        let reply = with(REPLY, name, value);
        assert_eq!(check_reply(&reply, &key()), Err(fault), "{name}: {value:?}");
    }
}

#[test]
fn an_upgrade_becomes_extended_connect_and_an_upgrade_again() {
    let mut connect = Head::new();
    to_connect(&head(REQUEST), &mut connect);
    let expected = head(&[
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "http"),
        (":authority", "server.example.com"),
        (":path", "/chat"),
        ("origin", "http://example.com"),
        ("sec-websocket-protocol", "chat, superchat"),
        ("sec-websocket-version", "13"),
    ]);
    assert_eq!(text(&connect), text(&expected));
    assert_eq!(check_connect(&connect), Ok(()));
    assert!(crate::fields::check_request(&connect, true).is_ok());

    let mut upgrade = Head::new();
    to_upgrade(&connect, &key(), &mut upgrade);
    assert_eq!(check_request(&upgrade), Ok(key()));
    let mut sorted = (text(&upgrade), text(&head(REQUEST)));
    sorted.0.sort();
    sorted.1.sort();
    assert_eq!(sorted.0, sorted.1);
}

#[test]
fn a_connect_is_checked() {
    let mut connect = Head::new();
    to_connect(&head(REQUEST), &mut connect);
    let fields = text(&connect);
    let fields: Vec<_> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let table = [
        (":method", Some("GET"), HandshakeFault::Method),
        (":protocol", None, HandshakeFault::Upgrade),
        (":protocol", Some("connect-udp"), HandshakeFault::Upgrade),
        ("sec-websocket-version", Some("12"), HandshakeFault::Version),
    ];
    for (name, value, fault) in table {
        assert_eq!(check_connect(&with(&fields, name, value)), Err(fault), "{name}: {value:?}");
    }
}

#[test]
fn replies_are_translated_both_ways() {
    let mut connect = Head::new();
    reply_to_connect(&head(REPLY), &mut connect);
    let expected = head(&[(":status", "200"), ("sec-websocket-protocol", "chat")]);
    assert_eq!(text(&connect), text(&expected));
    let mut upgrade = Head::new();
    reply_to_upgrade(&connect, &key(), &mut upgrade);
    assert_eq!(check_reply(&upgrade, &key()), Ok(()));
    assert_eq!(upgrade.find(b"sec-websocket-protocol"), Some(&b"chat"[..]));
}

/// A frame of so many bytes, masked.
fn frame(first: u8, bytes: usize) -> Vec<u8> {
    let mut frame = vec![first];
    match bytes {
        0..126 => frame.push(0x80 | bytes as u8),
        126..0x1_0000 => {
            frame.push(0x80 | 126);
            frame.extend((bytes as u16).to_be_bytes());
        }
        _ => {
            frame.push(0x80 | 127);
            frame.extend((bytes as u64).to_be_bytes());
        }
    }
    frame.extend([1, 2, 3, 4]);
    frame.extend(vec![0x88; bytes]);
    frame
}

#[test]
fn a_scanner_knows_where_frames_end_however_they_are_cut() {
    let frames = [
        frame(0x01, 0),
        frame(0x89, 125),
        frame(0x80, 126),
        frame(0xc2, 300),
        vec![0x8a, 0],
        vec![0x82, 2, 1, 2],
        frame(0x82, 70_000),
    ];
    let stream = frames.concat();
    for chunk_bytes in [1, 2, 3, 7, 127, 4096, stream.len()] {
        let mut scanner = FrameScanner::new();
        stream.chunks(chunk_bytes).for_each(|chunk| scanner.feed(chunk));
        assert_eq!((scanner.frames(), scanner.payload_bytes()), (7, 125 + 126 + 300 + 2 + 70_000));
        assert_eq!(scanner.position(), Position::Between);
    }
    let mut between = vec![0];
    for frame in &frames {
        between.push(between.last().copied().unwrap_or_default() + frame.len());
    }
    let mut scanner = FrameScanner::new();
    for at in 0..stream.len() {
        let expected = if between.contains(&at) { Position::Between } else { Position::Inside };
        assert_eq!(scanner.position(), expected, "at {at}");
        scanner.feed(&stream[at..=at]);
    }
}

#[test]
fn nothing_follows_a_close() {
    for masking in [Masking::Clear, Masking::Key([9, 8, 7, 6])] {
        let mut bytes = Vec::new();
        write_close(CloseCode::GOING_AWAY, masking, &mut bytes);
        let mut scanner = FrameScanner::new();
        scanner.feed(&bytes[..bytes.len() - 1]);
        assert_eq!(scanner.position(), Position::Inside);
        scanner.feed(&bytes[bytes.len() - 1..]);
        assert_eq!(scanner.position(), Position::Closed);
        scanner.feed(&[0x82, 0]);
        assert_eq!((scanner.position(), scanner.frames()), (Position::Closed, 1));
    }
    let mut bytes = Vec::new();
    write_close(CloseCode::GOING_AWAY, Masking::Key([9, 8, 7, 6]), &mut bytes);
    assert_eq!(bytes, [0x88, 0x82, 9, 8, 7, 6, 3 ^ 9, 0xe9 ^ 8]);
}

#[test]
fn what_is_no_frame_loses_the_scanner() {
    let table: &[(&str, &[u8])] = &[
        ("opcode 3", &[0x83]),
        ("opcode 7", &[0x87]),
        ("opcode 11", &[0x8b]),
        ("opcode 15", &[0x8f]),
        ("fragmented ping", &[0x09]),
        ("ping of 126 bytes", &[0x89, 126, 0, 126]),
        ("length above 2^63", &[0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0]),
    ];
    for (name, bytes) in table {
        let mut scanner = FrameScanner::new();
        scanner.feed(bytes);
        assert_eq!(scanner.position(), Position::Lost, "{name}");
        scanner.feed(&[0x82, 0]);
        assert_eq!((scanner.position(), scanner.frames()), (Position::Lost, 0), "{name}");
    }
    // The longest length that there is.
    let mut scanner = FrameScanner::new();
    scanner.feed(&[0x82, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2]);
    assert_eq!((scanner.position(), scanner.payload_bytes()), (Position::Inside, 2));
}
