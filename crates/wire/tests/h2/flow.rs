//! Flow control, seen from outside: who waits for whom, and what is credited when.

use std::io::IoSlice;
use std::time::Duration;

use narrows_wire::codec::{End, ErrorCode, Party, Reason};
use narrows_wire::h2::Config;

use crate::support::{END_STREAM, Pair, Raw, Seen, closed, frame, kind, number, reply, request};

/// The increments of WINDOW_UPDATE frames for a stream.
fn increments(raw: &mut Raw, stream: u32) -> Vec<u32> {
    let of_stream = |frame: &(u8, u8, u32, Vec<u8>)| {
        (frame.0 == kind::WINDOW_UPDATE && frame.2 == stream)
            .then(|| u32::from_be_bytes(frame.3[..4].try_into().unwrap()))
    };
    raw.frames().iter().filter_map(of_stream).collect()
}

#[test]
fn a_grant_is_announced_at_half_a_window() {
    let mut raw = Raw::client(Config::default());
    let key = raw.request(1, End::Open);
    raw.send(&frame(kind::DATA, 0, 1, &[0; 16_384]));
    raw.send(&frame(kind::DATA, 0, 1, &[0; 16_384]));
    raw.ours.connection.grant(key, 32_766);
    assert_eq!(increments(&mut raw, 1), []);
    raw.ours.connection.grant(key, 1);
    assert_eq!(increments(&mut raw, 1), [32_767]);
}

#[test]
fn nothing_is_announced_behind_the_end_of_the_stream() {
    let mut raw = Raw::client(Config::default());
    let key = raw.request(1, End::Open);
    for flags in [0, 0, 0, END_STREAM] {
        raw.send(&frame(kind::DATA, flags, 1, &[0; 16_000]));
    }
    raw.ours.connection.grant(key, 64_000);
    assert_eq!(increments(&mut raw, 1), []);
}

#[test]
fn padding_is_credited_without_a_grant() {
    let mut config = Config::default();
    config.guard.empty_data_in_a_row = 128;
    let mut raw = Raw::client(config);
    raw.request(1, End::Open);
    let mut payload = vec![255];
    payload.extend_from_slice(&[0; 255]);
    for _ in 0..128 {
        raw.send(&frame(kind::DATA, 8, 1, &payload));
    }
    assert_eq!(increments(&mut raw, 1), [128 * 256]);
}

/// A byte more than the window of a stream resets the stream, a byte more than that of the connection ends
/// the connection.
#[test]
fn windows_are_enforced_to_the_byte() {
    let config = || Config { connection_window_bytes: 65_535, ..Config::default() };
    let mut raw = Raw::client(Config::default());
    raw.request(1, End::Open);
    for _ in 0..3 {
        assert!(matches!(
            raw.send(&frame(kind::DATA, 0, 1, &[0; 16_384]))[..],
            [Seen::Data { .. }]
        ));
    }
    assert!(matches!(raw.send(&frame(kind::DATA, 0, 1, &[0; 16_383]))[..], [Seen::Data { .. }]));
    let [Seen::Reset { by: Party::Us, code, reason: Reason::WindowExceeded, .. }] =
        raw.send(&frame(kind::DATA, 0, 1, &[0]))[..]
    else {
        panic!("the window of the stream was passed");
    };
    assert_eq!(code, ErrorCode::FLOW_CONTROL_ERROR);

    // Nothing is credited while the owner has not granted more than this.
    let mut raw = Raw::client(Config { buffered_bytes_max: 0, ..config() });
    raw.request(1, End::Open);
    raw.request(3, End::Open);
    for stream in [1, 3, 1, 3] {
        raw.send(&frame(kind::DATA, 0, stream, &[0; 16_383]));
    }
    assert_eq!(closed(&raw.send(&frame(kind::DATA, 0, 1, &[0; 3]))), None);
    let reason = closed(&raw.send(&frame(kind::DATA, 0, 1, &[0])));
    assert_eq!(reason, Some(Reason::WindowExceeded));
}

/// The connection's window comes back on receipt until too much is not granted, and then with the grants.
#[test]
fn the_connection_is_credited_within_the_budget() {
    let config =
        Config { connection_window_bytes: 65_535, buffered_bytes_max: 40_000, ..Config::default() };
    let mut raw = Raw::client(config);
    let key = raw.request(1, End::Open);
    raw.request(3, End::Open);
    raw.send(&frame(kind::DATA, 0, 1, &[0; 16_384]));
    raw.send(&frame(kind::DATA, 0, 1, &[0; 16_384]));
    assert_eq!(increments(&mut raw, 0), [32_768]);
    raw.send(&frame(kind::DATA, 0, 3, &[0; 16_384]));
    raw.send(&frame(kind::DATA, 0, 3, &[0; 16_384]));
    assert_eq!(increments(&mut raw, 0), [], "65,536 bytes are not granted");
    raw.ours.connection.grant(key, 32_768);
    assert_eq!(increments(&mut raw, 0), [32_768]);
}

/// What a stream has not granted is no burden any more when it is gone.
#[test]
fn a_stream_that_is_gone_gives_its_bytes_back() {
    let config =
        Config { connection_window_bytes: 65_535, buffered_bytes_max: 1000, ..Config::default() };
    let mut raw = Raw::client(config);
    let key = raw.request(1, End::Open);
    for _ in 0..3 {
        raw.send(&frame(kind::DATA, 0, 1, &[0; 16_384]));
    }
    assert_eq!(increments(&mut raw, 0), []);
    raw.ours.connection.reset(key, ErrorCode::CANCEL);
    assert_eq!(increments(&mut raw, 0), [], "the owner may still hold them");
    raw.ours.connection.release(key);
    assert_eq!(increments(&mut raw, 0), [3 * 16_384]);
}

/// A stream that is drained quickly gets a larger window, up to the limit; a slow one does not.
#[test]
fn windows_grow_while_they_are_drained_quickly() {
    for (pause, expected) in [(Duration::ZERO, 1 << 20), (Duration::from_secs(1), 65_535)] {
        let mut pair = Pair::new();
        let key = pair.open(1, &request(), End::Open);
        let (_, at_server) = pair.exchange();
        let Some(Seen::Head { stream, .. }) = at_server.first() else { panic!("{at_server:?}") };
        pair.client.connection.send_data(key, &vec![7; 10_000_000], End::Open);
        while pair.client.connection.waiting_bytes() > 0 {
            let (_, at_server) = pair.exchange();
            pair.now = pair.now + pause;
            for seen in at_server {
                let Seen::Data { data, .. } = seen else { panic!("{seen:?}") };
                pair.server.connection.grant(*stream, data.len());
            }
        }
        pair.exchange();
        pair.client.connection.send_data(key, &vec![7; 3_000_000], End::Open);
        let (_, at_server) = pair.exchange();
        let in_one_window: usize = at_server
            .iter()
            .map(|seen| if let Seen::Data { data, .. } = seen { data.len() } else { 0 })
            .sum();
        assert!(in_one_window <= expected, "{in_one_window} of {expected}");
        assert!(in_one_window >= expected / 4, "{in_one_window} of {expected}");
    }
}

/// A reader that grants nothing stops its own stream, and no other.
#[test]
fn a_slow_stream_stops_only_itself() {
    let mut pair = Pair::new();
    let keys = [pair.open(1, &request(), End::Stream), pair.open(2, &request(), End::Stream)];
    let (_, at_server) = pair.exchange();
    let mut received = [0; 2];
    for seen in at_server {
        let Seen::Head { stream, .. } = seen else { panic!("{seen:?}") };
        pair.server.connection.send_head(stream, &reply(), End::Open);
        pair.server.connection.send_data(stream, &vec![1; 3_000_000], End::Stream);
    }
    for _ in 0..200 {
        for seen in pair.exchange().0 {
            let Seen::Data { stream, data, .. } = seen else { continue };
            received[usize::from(stream == keys[1])] += data.len();
            pair.client.connection.grant(keys[1], data.len());
        }
    }
    assert_eq!(received, [65_535, 3_000_000]);
}

/// Streams that wait for the window of the connection take turns.
#[test]
fn waiting_streams_take_turns() {
    let mut raw = Raw::client(Config::default());
    raw.send(&frame(kind::SETTINGS, 0, 0, &[0, 4, 0, 0x10, 0, 0]));
    for id in [1, 3, 5] {
        let key = raw.request(id, End::Stream);
        raw.ours.connection.send_head(key, &reply(), End::Open);
        raw.ours.connection.send_data(key, &[9; 100_000], End::Stream);
    }
    raw.frames();
    raw.send(&number(kind::WINDOW_UPDATE, 0, 5 * 16_384));
    let order: Vec<_> = raw.frames().iter().map(|frame| frame.2).collect();
    assert_eq!(order, [1, 3, 5, 1, 3]);
}

/// SETTINGS may take back what a stream was allowed; it waits until that is made good.
#[test]
fn a_window_made_negative_is_made_good_first() {
    let mut raw = Raw::client(Config::default());
    let key = raw.request(1, End::Stream);
    raw.ours.connection.send_head(key, &reply(), End::Open);
    assert_eq!(raw.ours.connection.send_data(key, &[1; 40_000], End::Open), 40_000);
    raw.send(&frame(kind::SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 100]));
    raw.frames();
    assert_eq!(raw.ours.connection.send_data(key, &[2; 10], End::Stream), 0);
    assert_eq!(raw.send(&number(kind::WINDOW_UPDATE, 1, 39_900)), []);
    let [Seen::Sent { bytes: 7, .. }] = raw.send(&number(kind::WINDOW_UPDATE, 1, 7))[..] else {
        panic!("seven bytes may go");
    };
    assert_eq!(raw.frames(), [(kind::DATA, 0, 1, vec![2; 7])]);
}

/// What a client sends before it has our SETTINGS is held against the protocol's window, not ours.
#[test]
fn a_smaller_window_holds_from_its_acknowledgement_on() {
    let config = Config { initial_window_bytes: 10, ..Config::default() };
    let mut pair = Pair::with(Config::default(), config);
    let key = pair.open(1, &request(), End::Open);
    assert_eq!(pair.client.connection.send_data(key, &[1; 100], End::Stream), 10);
    let (_, at_server) = pair.exchange();
    assert!(matches!(at_server[..], [Seen::Head { .. }, Seen::Data { .. }]), "{at_server:?}");
}

/// Large payloads are written from the buffer that they were read into, and copied only if they have to
/// wait for the socket.
#[test]
fn a_large_payload_is_written_from_where_it_was_read() {
    let mut raw = Raw::client(Config::default());
    let key = raw.request(1, End::Stream);
    raw.ours.connection.send_head(key, &reply(), End::Open);
    raw.frames();
    let source: Vec<u8> = (0..40_000u32).map(|n| (n % 255) as u8).collect();
    let connection = &mut raw.ours.connection;
    assert_eq!(
        connection.send_data_borrowed(key, 100..30_100, &source[100..30_100], End::Open),
        30_000
    );
    assert_eq!(connection.send_data_borrowed(key, 0..50, &source[..50], End::Stream), 50);
    let output = connection.output();
    assert_eq!((output.len(), output.front().len()), (30_000 + 50 + 3 * 9, 9));
    let mut slices = [IoSlice::new(&[]); 8];
    let count = output.slices(&source, &mut slices);
    let written: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.to_vec()).collect();
    assert_eq!(&written[9..9 + 16_384], &source[100..16_484]);
    // The socket takes a part of the second frame; the rest is kept.
    output.consume(20_000);
    output.settle(&source);
    assert_eq!(output.front(), &written[20_000..]);
    assert_eq!(written[written.len() - 59..][..9], [0, 0, 50, kind::DATA, END_STREAM, 0, 0, 0, 1]);
}

/// Small messages of one stream that go out in one turn share a frame, and the end is part of it.
#[test]
fn small_messages_share_a_frame() {
    let mut raw = Raw::client(Config::default());
    let key = raw.request(1, End::Stream);
    raw.ours.connection.send_head(key, &reply(), End::Open);
    raw.frames();
    for _ in 0..3 {
        raw.ours.connection.send_data(key, b"abc", End::Open);
    }
    raw.ours.connection.send_data(key, b"", End::Stream);
    assert_eq!(raw.frames(), [(kind::DATA, END_STREAM, 1, b"abcabcabc".to_vec())]);
}

/// Streams whose windows have grown and whose readers then stop do not hold up another stream.
#[test]
fn slow_readers_of_grown_windows_hinder_nobody() {
    let config = Config { grown_windows_bytes_max: 200_000, ..Config::default() };
    let mut raw = Raw::client(config);
    let mut granted = 0;
    for stream in [1, 3, 5, 7, 9] {
        let key = raw.request(stream, End::Open);
        // Drained at once, again and again: the window grows as far as the budget of all allows.
        for _ in 0..40 {
            raw.send(&frame(kind::DATA, 0, stream, &[0; 16_000]));
            raw.ours.connection.grant(key, 16_000);
            granted += increments(&mut raw, stream).iter().sum::<u32>();
        }
    }
    // More came back than was taken: that is the growth.
    let taken = 5 * 40 * 16_000;
    let grown = granted.saturating_sub(taken);
    assert!(grown <= 200_000, "grew by {grown}");
}
