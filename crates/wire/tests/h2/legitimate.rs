//! Traffic that looks like abuse and is none: it passes.

use std::time::Duration;

use narrows_wire::codec::End;
use narrows_wire::h2::Config;

use crate::support::{END_STREAM, Pair, Raw, Seen, closed, frame, kind, number, reply, request};

/// A stream of 10,000 messages of 600 bytes, all in frames of their own (the traffic that a fixed budget
/// per frame broke elsewhere).
#[test]
fn ten_thousand_messages_of_600_bytes_pass() {
    let mut raw = Raw::client(Config::default());
    let key = raw.request(1, End::Open);
    let mut received = 0;
    for _ in 0..200 {
        // No more than the window holds, credited by halves.
        let read: Vec<u8> = (0..50).flat_map(|_| frame(kind::DATA, 0, 1, &[7; 600])).collect();
        for seen in raw.send(&read) {
            let Seen::Data { data, .. } = seen else { panic!("{seen:?}") };
            received += data.len();
            raw.ours.connection.grant(key, data.len());
        }
    }
    assert_eq!(received, 6_000_000);
}

/// Tiny messages, a hundred of them in each read.
#[test]
fn ten_thousand_tiny_messages_pass() {
    let mut raw = Raw::client(Config::default());
    let key = raw.request(1, End::Open);
    for _ in 0..100 {
        let read: Vec<u8> = (0..100).flat_map(|_| frame(kind::DATA, 0, 1, &[7; 10])).collect();
        for seen in raw.send(&read) {
            let Seen::Data { data, .. } = seen else { panic!("{seen:?}") };
            raw.ours.connection.grant(key, data.len());
        }
    }
}

/// A chat: one message of 16 bytes each way, over and over, without any time passing.
#[test]
fn a_chat_of_tiny_messages_goes_on() {
    let mut pair = Pair::new();
    let key = pair.open(1, &request(), End::Open);
    let (_, at_server) = pair.exchange();
    let Some(Seen::Head { stream, .. }) = at_server.first() else { panic!("{at_server:?}") };
    pair.server.connection.send_head(*stream, &reply(), End::Open);
    pair.exchange();
    for _ in 0..20_000 {
        pair.client.connection.send_data(key, &[1; 16], End::Open);
        pair.server.connection.send_data(*stream, &[2; 16], End::Open);
        let (at_client, at_server) = pair.exchange();
        assert!(matches!(at_client[..], [Seen::Data { .. }]), "{at_client:?}");
        assert!(matches!(at_server[..], [Seen::Data { .. }]), "{at_server:?}");
        pair.client.connection.grant(key, 16);
        pair.server.connection.grant(*stream, 16);
    }
}

/// A pooled client that gives up one call in three, thousands of them in a second.
#[test]
fn cancels_beside_replies_pass() {
    let mut raw = Raw::client(Config::default());
    for n in 0..10_000u32 {
        let id = 2 * n + 1;
        let key = raw.request(id, End::Stream);
        if n % 3 == 0 {
            let seen = raw.send(&number(kind::RST_STREAM, id, 8));
            assert!(matches!(seen[..], [Seen::Reset { .. }]), "{n}: {seen:?}");
        } else {
            raw.ours.connection.send_head(key, &reply(), End::Stream);
        }
        raw.ours.connection.release(key);
        raw.ours.take_output();
    }
}

/// Nodes are stuck, and every call ends at its deadline of a second.
#[test]
fn calls_that_all_run_into_their_deadline_pass() {
    let mut raw = Raw::client(Config::default());
    for round in 0..20 {
        let ids = (0..100).map(|n| 200 * round + 2 * n + 1);
        let keys: Vec<_> = ids.clone().map(|id| raw.request(id, End::Stream)).collect();
        raw.now = raw.now + Duration::from_secs(1);
        for (id, key) in ids.zip(keys) {
            let seen = raw.send(&number(kind::RST_STREAM, id, 8));
            assert!(matches!(seen[..], [Seen::Reset { .. }]), "{seen:?}");
            raw.ours.connection.release(key);
        }
    }
    assert!(!raw.ours.connection.is_draining());
}

/// Some clients measure the round trip with a PING for every message that they get.
#[test]
fn a_ping_for_every_message_passes() {
    let mut raw = Raw::client(Config::default());
    raw.send(&number(kind::WINDOW_UPDATE, 0, 1 << 30));
    let key = raw.request(1, End::Open);
    raw.send(&number(kind::WINDOW_UPDATE, 1, 1 << 30));
    raw.ours.connection.send_head(key, &reply(), End::Open);
    for n in 0..10_000u64 {
        raw.ours.connection.send_data(key, &[3; 100], End::Open);
        raw.ours.take_output();
        let seen = raw.send(&frame(kind::PING, 0, 0, &n.to_be_bytes()));
        assert!(seen.is_empty(), "{n}: {seen:?}");
    }
}

/// Some clients credit every 4 KiB that they read, for the stream and for the connection.
#[test]
fn a_download_credited_in_small_pieces_passes() {
    let mut raw = Raw::client(Config::default());
    let key = raw.request(1, End::Stream);
    raw.ours.connection.send_head(key, &reply(), End::Open);
    raw.ours.connection.send_data(key, &vec![3; 20_000_000], End::Stream);
    let mut received = 0;
    let mut pieces = 0;
    while received < 20_000_000 {
        for (kind, _, _, payload) in raw.frames() {
            received += if kind == kind::DATA { payload.len() } else { 0 };
        }
        while pieces * 4096 < received {
            pieces += 1;
            let updates =
                [number(kind::WINDOW_UPDATE, 0, 4096), number(kind::WINDOW_UPDATE, 1, 4096)];
            assert_eq!(closed(&raw.send(&updates.concat())), None);
        }
    }
}

/// A whole window of small frames may be on the way when we reset a stream.
#[test]
fn what_was_on_the_way_to_a_reset_stream_is_dropped_and_credited() {
    let mut raw = Raw::client(Config::default());
    let key = raw.request(1, End::Open);
    raw.ours.connection.reset(key, narrows_wire::codec::ErrorCode::CANCEL);
    raw.frames();
    for _ in 0..200 {
        let read: Vec<u8> = (0..100).flat_map(|_| frame(kind::DATA, 0, 1, &[7; 64])).collect();
        assert!(raw.send(&read).is_empty());
    }
    let credited: u32 = raw
        .frames()
        .iter()
        .map(|(kind, _, stream, payload)| {
            assert_eq!((*kind, *stream), (kind::WINDOW_UPDATE, 0));
            u32::from_be_bytes(payload[..4].try_into().unwrap())
        })
        .sum();
    assert!(credited > 20_000 * 64 - (1 << 19), "all but what is below half a window: {credited}");
    assert!(raw.send(&frame(kind::DATA, END_STREAM, 1, b"")).is_empty());
}

/// Budgets refill with time: a PING every 50 ms for a minute.
#[test]
fn keepalive_passes() {
    let mut raw = Raw::client(Config::default());
    for n in 0..1200u64 {
        raw.now = raw.now + Duration::from_millis(50);
        let seen = raw.send(&frame(kind::PING, 0, 0, &n.to_be_bytes()));
        assert_eq!(closed(&seen), None);
        raw.ours.take_output();
    }
}
