//! Attacks (RFC 9113 §10.5), each up to its limit and one past it.

use narrows_wire::Indexing;
use narrows_wire::codec::{End, Party, Reason, Refusal};
use narrows_wire::h2::Config;
use narrows_wire::hpack::SectionLimits;

use crate::support::{
    END_HEADERS, END_STREAM, Raw, Seen, closed, frame, head, kind, number, reply, request,
};

/// Sends `make(n)` for n = 1, 2, ... until the connection ends; how many it took, and why it ended.
fn repeat(raw: &mut Raw, mut make: impl FnMut(&mut Raw, u32) -> Vec<u8>) -> (u32, Reason) {
    for n in 1..100_000 {
        let bytes = make(raw, n);
        let seen = raw.send(&bytes);
        release_all(raw, &seen);
        if let Some(reason) = closed(&seen) {
            let goaway = raw.frames().pop().unwrap();
            assert_eq!((goaway.0, &goaway.3[8..]), (kind::GOAWAY, reason.to_string().as_bytes()));
            return (n, reason);
        }
        raw.ours.take_output();
    }
    panic!("the connection survived");
}

/// The owner gives up everything that is over.
fn release_all(raw: &mut Raw, seen: &[Seen]) {
    for event in seen {
        if let Seen::Reset { stream, .. } = event {
            raw.ours.connection.release(*stream);
        }
    }
}

/// CVE-2023-44487: streams opened and reset in one breath.
#[test]
fn rapid_reset_ends_the_connection() {
    let mut raw = Raw::client(Config::default());
    let ended = repeat(&mut raw, |raw, n| {
        let id = 2 * n - 1;
        [raw.headers(id, &request(), End::Stream), number(kind::RST_STREAM, id, 8)].concat()
    });
    assert_eq!(ended, (201, Reason::ResetFlood));
}

/// What a peer resets still counts as open until its owner has released it.
#[test]
fn reset_streams_count_until_they_are_released() {
    let mut raw = Raw::client(Config::default());
    for n in 0..100 {
        raw.request(2 * n + 1, End::Stream);
        raw.send(&number(kind::RST_STREAM, 2 * n + 1, 8));
    }
    raw.frames();
    let one_more = raw.headers(201, &request(), End::Stream);
    assert!(raw.send(&one_more).is_empty());
    let refused = (kind::RST_STREAM, 0, 201, 7u32.to_be_bytes().to_vec());
    assert_eq!(raw.frames(), [refused]);
}

/// CVE-2025-8671: the peer makes us reset its streams, in six ways.
#[test]
fn errors_that_make_us_reset_are_limited() {
    type Trigger = (&'static str, fn(&mut Raw, u32) -> Vec<u8>);
    let triggers: [Trigger; 6] = [
        ("a window update of zero", |raw, id| {
            [raw.headers(id, &request(), End::Stream), number(kind::WINDOW_UPDATE, id, 0)].concat()
        }),
        ("a window that overflows", |raw, id| {
            let increment = number(kind::WINDOW_UPDATE, id, (1 << 31) - 1);
            [raw.headers(id, &request(), End::Stream), increment].concat()
        }),
        ("data after the end", |raw, id| {
            let data = frame(kind::DATA, 0, id, b"late");
            [raw.headers(id, &request(), End::Stream), data].concat()
        }),
        ("headers after the end", |raw, id| {
            let first = raw.headers(id, &request(), End::Stream);
            [first, raw.headers(id, &request(), End::Stream)].concat()
        }),
        ("a wrong content-length", |raw, id| {
            let mut head = request();
            head.push_text(b"content-length", b"3", Indexing::MayRepeat);
            let data = frame(kind::DATA, END_STREAM, id, b"four");
            [raw.headers(id, &head, End::Open), data].concat()
        }),
        ("a stream that depends on itself", |raw, id| {
            let mut priority = id.to_be_bytes().to_vec();
            priority.push(16);
            let priority = frame(kind::PRIORITY, 0, id, &priority);
            [raw.headers(id, &request(), End::Stream), priority].concat()
        }),
    ];
    for (name, trigger) in triggers {
        let mut raw = Raw::client(Config::default());
        let ended = repeat(&mut raw, |raw, n| trigger(raw, 2 * n - 1));
        assert_eq!(ended, (101, Reason::ErrorFlood), "{name}");
    }
}

/// Near a limit, the connection is drained: what is open goes on, and the peer may begin anew.
#[test]
fn a_strained_connection_is_drained_before_it_is_closed() {
    let mut raw = Raw::client(Config::default());
    let key = raw.request(1, End::Stream);
    for n in 1..=76 {
        assert!(!raw.ours.connection.is_draining(), "{n}");
        assert_eq!(raw.send(&frame(kind::PING, 0, 0, &[0; 8])), []);
    }
    assert!(raw.ours.connection.is_draining());
    let frames = raw.frames();
    let [.., (kind::GOAWAY, ..), (kind::PING, 0, 0, payload)] = &frames[..] else {
        panic!("{frames:?}");
    };
    assert_eq!(raw.send(&frame(kind::PING, 1, 0, payload)), []);
    raw.ours.connection.send_head(key, &reply(), End::Stream);
    raw.ours.connection.release(key);
    assert_eq!(raw.send(&[]), [Seen::Drained]);
}

/// Streams beyond the limit are refused, and even that has a limit.
#[test]
fn refused_streams_are_limited() {
    let mut raw = Raw::client(Config { max_concurrent_streams: 0, ..Config::default() });
    let ended = repeat(&mut raw, |raw, n| raw.headers(2 * n - 1, &request(), End::Stream));
    assert_eq!(ended, (1001, Reason::RefusedFlood));
}

/// CVE-2024-27316: a header block that never ends.
#[test]
fn continuation_frames_are_limited() {
    let begin = |raw: &mut Raw| assert!(raw.send(&frame(kind::HEADERS, 0, 1, &[])).is_empty());
    let mut raw = Raw::client(Config::default());
    begin(&mut raw);
    let ended = repeat(&mut raw, |_, _| frame(kind::CONTINUATION, 0, 1, &[0x82]));
    assert_eq!(ended, (65, Reason::ContinuationFlood));
    let mut raw = Raw::client(Config::default());
    begin(&mut raw);
    let ended = repeat(&mut raw, |_, _| frame(kind::CONTINUATION, 0, 1, &[]));
    assert_eq!(ended, (5, Reason::ContinuationFlood));
    let mut raw = Raw::client(Config::default());
    begin(&mut raw);
    let ended = repeat(&mut raw, |_, _| frame(kind::CONTINUATION, 0, 1, &[0x82; 16_384]));
    assert_eq!(ended, (5, Reason::BlockTooLarge));
}

/// CVE-2026-49975: one large entry of the table, named over and over. The request is refused when its section
/// passes the limit, and the connection ends when there are too many of those.
#[test]
fn a_block_of_references_is_not_blown_up() {
    let mut raw = Raw::client(Config { max_concurrent_streams: 1000, ..Config::default() });
    let ended = repeat(&mut raw, |_, n| {
        let mut block = Vec::new();
        if n == 1 {
            // x: 3,000 bytes, put into the table.
            block.extend_from_slice(&[0x40, 1, b'x', 0x7f, 0xb9, 22]);
            block.extend_from_slice(&[b'y'; 3000]);
        }
        block.extend_from_slice(&[0x80 | 62; 8000]);
        frame(kind::HEADERS, END_HEADERS | END_STREAM, 2 * n - 1, &block)
    });
    assert_eq!(ended, (101, Reason::ErrorFlood));
}

/// The same with crumbs of a cookie, which count as one field otherwise.
#[test]
fn cookie_crumbs_are_limited() {
    let limits = SectionLimits::default();
    let crumbs = |count: u32| {
        let mut head = request();
        for _ in 0..count {
            head.push_text(b"cookie", b"a=b", Indexing::MayRepeat);
        }
        head
    };
    let mut raw = Raw::client(Config::default());
    let fits = raw.headers(1, &crumbs(limits.cookie_crumbs_max), End::Stream);
    assert!(matches!(raw.send(&fits)[..], [Seen::Head { .. }]));
    raw.frames();
    let one_more = raw.headers(3, &crumbs(limits.cookie_crumbs_max + 1), End::Stream);
    let seen = raw.send(&one_more);
    assert!(matches!(seen[..], [Seen::Refused { refusal: Refusal::HeadTooLarge, .. }]));
}

/// Sections that are within the limits and never end in a reply cost until the budget is empty.
#[test]
fn sections_of_streams_that_never_end_cost() {
    let config = Config { max_concurrent_streams: 100_000, ..Config::default() };
    let mut raw = Raw::client(config);
    let mut large = request();
    large.push_text(b"x-large", &[b'x'; 15_000], Indexing::MayRepeat);
    let ended = repeat(&mut raw, |raw, n| raw.headers(2 * n - 1, &large, End::Stream));
    assert_eq!(ended.1, Reason::CostExceeded);
    assert!((1000..1120).contains(&ended.0), "16 MiB of 15 KB each: {}", ended.0);
}

/// Frames that control and carry nothing: the last that is allowed, and the next.
#[test]
fn control_frames_are_limited() {
    type Flood = (fn(u32) -> Vec<u8>, u32, Reason);
    let floods: [Flood; 6] = [
        (|_| frame(kind::SETTINGS, 0, 0, &[]), 101, Reason::SettingsFlood),
        (|n| frame(kind::PING, 0, 0, &u64::from(n).to_be_bytes()), 101, Reason::PingFlood),
        (|_| number(kind::WINDOW_UPDATE, 0, 1), 1001, Reason::WindowUpdateFlood),
        (|_| frame(0x42, 0, 0, b"unknown"), 101, Reason::IdleFrameFlood),
        (|_| frame(kind::PRIORITY, 0, 1, &[0, 0, 0, 3, 1]), 101, Reason::PriorityFlood),
        (|_| frame(kind::SETTINGS, 1, 0, &[]), 101, Reason::SettingsFlood),
    ];
    for (make, limit, reason) in floods {
        let mut raw = Raw::client(Config::default());
        assert_eq!(repeat(&mut raw, |_, n| make(n)), (limit, reason));
    }
}

/// CVE-2019-9518: DATA that carries nothing and ends nothing.
#[test]
fn empty_data_is_limited() {
    let mut raw = Raw::client(Config::default());
    raw.request(1, End::Open);
    let ended = repeat(&mut raw, |_, _| frame(kind::DATA, 0, 1, &[]));
    assert_eq!(ended, (101, Reason::EmptyDataFlood));
}

/// Both roles are guarded alike: a server that floods its client.
#[test]
fn a_client_is_guarded_as_a_server_is() {
    let mut raw = Raw::server(Config::default());
    let ended = repeat(&mut raw, |_, _| frame(kind::PING, 0, 0, &[0; 8]));
    assert_eq!(ended, (101, Reason::PingFlood));
    let mut raw = Raw::server(Config::default());
    let now = raw.now;
    raw.ours.connection.open(now, 5, &request(), End::Stream).unwrap();
    let interim = head(&[(":status", "103")]);
    for _ in 0..32 {
        let bytes = raw.headers(1, &interim, End::Open);
        assert!(matches!(raw.send(&bytes)[..], [Seen::Informational { tag: 5, .. }]));
    }
    let bytes = raw.headers(1, &interim, End::Open);
    let [Seen::Reset { by: Party::Us, reason, .. }] = &raw.send(&bytes)[..] else { panic!() };
    assert_eq!(*reason, Reason::InformationalFlood);
    // The stream is over; what still comes is ignored.
    let bytes = raw.headers(1, &reply(), End::Stream);
    assert!(raw.send(&bytes).is_empty());
}
