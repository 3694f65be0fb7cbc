//! Calls between a client and a server connection.

use narrows_wire::Time;
use narrows_wire::codec::{End, ErrorCode, Party, Processed, Reason, Role};
use narrows_wire::h2::Config;

use crate::support::{Endpoint, Pair, Seen, closed, head, reply, request, trailers};

/// A unary call: head, data and trailers arrive as they were sent, and nothing is left behind.
#[test]
fn a_unary_call_crosses() {
    let mut pair = Pair::new();
    let key = pair.open(7, &request(), End::Open);
    assert_eq!(pair.client.connection.send_data(key, b"ping", End::Stream), 4);
    let (_, at_server) = pair.exchange();
    let [
        Seen::Head { stream, tag: 0, fields, end: End::Open },
        Seen::Data { data, end: End::Stream, .. },
    ] = &at_server[..]
    else {
        panic!("unexpected events: {at_server:?}");
    };
    assert_eq!(fields[2], (":path".to_owned(), "/test.v1.Test/Call".to_owned()));
    assert_eq!(data, b"ping");

    let server = &mut pair.server.connection;
    server.set_tag(*stream, 99);
    server.grant(*stream, 4);
    server.send_head(*stream, &reply(), End::Open);
    assert_eq!(server.send_data(*stream, b"pong", End::Open), 4);
    server.send_trailers(*stream, &trailers());
    assert_eq!(server.active_streams(), 1, "closed, but not released");
    server.release(*stream);
    assert_eq!(server.active_streams(), 0);
    let (at_client, at_server) = pair.exchange();
    assert!(at_server.is_empty(), "{at_server:?}");
    let [
        Seen::Head { tag: 7, end: End::Open, .. },
        Seen::Data { tag: 7, data, end: End::Open, .. },
        Seen::Trailers { tag: 7, fields, .. },
    ] = &at_client[..]
    else {
        panic!("unexpected events: {at_client:?}");
    };
    assert_eq!(data, b"pong");
    assert_eq!(fields, &[("grpc-status".to_owned(), "0".to_owned())]);
    assert_eq!(pair.client.connection.active_streams(), 0);
    assert_eq!(pair.client.connection.tag(key), None);
}

/// A body larger than the windows crosses whole and in order as the receiver grants it, and the trailers
/// stay behind it.
#[test]
fn a_large_body_waits_for_credit() {
    let body: Vec<u8> = (0..300_000u32).map(|n| (n % 251) as u8).collect();
    let mut pair = Pair::new();
    let key = pair.open(1, &request(), End::Stream);
    let (_, at_server) = pair.exchange();
    let Some(Seen::Head { stream, .. }) = at_server.first() else { panic!("{at_server:?}") };
    let server = &mut pair.server.connection;
    server.send_head(*stream, &reply(), End::Open);
    let sent = server.send_data(*stream, &body, End::Open);
    assert_eq!(sent, 65_535, "the window of a stream");
    server.send_trailers(*stream, &trailers());
    assert_eq!(server.waiting_bytes(), body.len() - sent);

    let (mut received, mut reported, mut ended) = (Vec::new(), 0, false);
    for _ in 0..100 {
        let (at_client, at_server) = pair.exchange();
        for seen in at_client {
            match seen {
                Seen::Data { data, .. } => {
                    assert!(!ended, "data behind the trailers");
                    received.extend_from_slice(&data);
                    pair.client.connection.grant(key, data.len());
                }
                Seen::Trailers { .. } => ended = true,
                _ => {}
            }
        }
        for seen in at_server {
            let Seen::Sent { bytes, .. } = seen else { panic!("{seen:?}") };
            reported += bytes;
        }
    }
    assert!(ended && received == body);
    assert_eq!(reported, body.len() - sent);
    assert_eq!(pair.server.connection.waiting_bytes(), 0);
}

/// A stream over the limit is refused, safe to send again; released streams make room.
#[test]
fn streams_over_the_limit_are_refused_until_others_are_released() {
    let config = Config { max_concurrent_streams: 1, ..Config::default() };
    let mut pair = Pair::with(Config::default(), config);
    let first = pair.open(1, &request(), End::Stream);
    let (_, at_server) = pair.exchange();
    let Some(Seen::Head { stream, .. }) = at_server.first() else { panic!("{at_server:?}") };
    assert_eq!(pair.client.connection.capacity(), 0);
    pair.client.connection.reset(first, ErrorCode::CANCEL);
    let (_, at_server) = pair.exchange();
    assert!(matches!(
        at_server[..],
        [Seen::Reset { code: ErrorCode::CANCEL, by: Party::Peer, reason: Reason::PeerReset, .. }]
    ));
    // The stream is over for the client, yet the server still works for it.
    let second = pair.open(2, &request(), End::Stream);
    let (at_client, at_server) = pair.exchange();
    assert!(at_server.is_empty(), "{at_server:?}");
    let refused = Seen::Reset {
        stream: second,
        tag: 2,
        code: ErrorCode::REFUSED_STREAM,
        by: Party::Peer,
        reason: Reason::PeerReset,
        processed: Processed::No,
    };
    assert_eq!(at_client, [refused]);
    pair.server.connection.release(*stream);
    pair.open(3, &request(), End::Stream);
    let (_, at_server) = pair.exchange();
    assert!(matches!(at_server[..], [Seen::Head { .. }]), "{at_server:?}");
}

/// The owner hears nothing of a request that is refused, but can count it.
#[test]
fn rejected_requests_are_counted() {
    let mut pair = Pair::new();
    pair.open(1, &head(&[(":method", "GET"), (":scheme", "http"), (":path", "/")]), End::Stream);
    let (at_client, at_server) = pair.exchange();
    assert!(at_server.is_empty());
    assert!(matches!(at_client[..], [Seen::Reset { code: ErrorCode::PROTOCOL_ERROR, .. }]));
    let rejected = pair.server.connection.rejected();
    assert_eq!(rejected.requests, 1);
    let text = rejected.last.unwrap().to_string();
    assert_eq!(text, "malformed message: neither authority nor host");
}

/// The preface may arrive byte by byte, and is refused at the first byte that differs.
#[test]
fn the_preface_is_checked_byte_by_byte() {
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    for wrong in 0..=preface.len() {
        let mut server = Endpoint::new(Role::Server, Config::default(), Time::ZERO);
        for (at, byte) in preface.iter().enumerate() {
            let sent = if at == wrong { !byte } else { *byte };
            let seen = server.receive(Time::ZERO, &[sent]);
            let reason = (at == wrong).then_some(Reason::PrefaceInvalid);
            assert_eq!(closed(&seen), reason, "byte {at}");
            if reason.is_some() {
                break;
            }
        }
    }
}

/// Bytes may arrive one at a time.
#[test]
fn every_split_of_the_input_gives_the_same_events() {
    let mut pair = Pair::new();
    let key = pair.open(1, &request(), End::Open);
    pair.client.connection.send_data(key, b"hello", End::Open);
    pair.client.connection.send_trailers(key, &trailers());
    let bytes = pair.client.take_output();
    let mut seen = Vec::new();
    for byte in bytes {
        seen.extend(pair.server.receive(pair.now, &[byte]));
    }
    let data: Vec<u8> = seen
        .iter()
        .filter_map(|seen| match seen {
            Seen::Data { data, .. } => Some(data.clone()),
            _ => None,
        })
        .flatten()
        .collect();
    assert_eq!(data, b"hello");
    assert!(matches!(seen.first(), Some(Seen::Head { .. })));
    assert!(matches!(seen.last(), Some(Seen::Trailers { .. })));
}

/// A drain announces itself, finishes what is open, and says so.
#[test]
fn a_drained_server_finishes_its_streams() {
    let mut pair = Pair::new();
    pair.open(1, &request(), End::Stream);
    let (_, at_server) = pair.exchange();
    let Some(Seen::Head { stream, .. }) = at_server.first() else { panic!("{at_server:?}") };
    pair.server.connection.drain(pair.now);
    let (at_client, _) = pair.exchange();
    let codes: Vec<_> = at_client
        .iter()
        .map(|seen| match seen {
            Seen::GoAway { code: ErrorCode::NO_ERROR, last_stream, .. } => *last_stream,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(codes, [(1 << 31) - 1, 1]);
    assert_eq!(pair.client.connection.capacity(), 0);
    pair.server.connection.send_head(*stream, &reply(), End::Stream);
    pair.server.connection.release(*stream);
    let (at_client, at_server) = pair.exchange();
    assert!(matches!(at_client[..], [Seen::Head { .. }, Seen::Drained]), "{at_client:?}");
    assert_eq!(at_server, [Seen::Drained]);
}
