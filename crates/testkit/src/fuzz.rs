//! The bodies of the fuzz targets: what must hold for any bytes.
//!
//! They run in three ways: `fuzz/` wraps each for libFuzzer, `cargo test` replays the corpora in `fuzz/corpus`
//! and runs seeded mutations of them ([`Mutator`]), `cargo xtask fuzz` runs many of those. A body panics when
//! something does not hold, and returns otherwise.

use std::sync::Arc;

use narrows_wire::codec::{End, Event, Role};
use narrows_wire::grpc::{MessageScanner, Timeout};
use narrows_wire::h2::{Config, Connection};
use narrows_wire::hpack::{Decoder, Encoder, Section, SectionLimits};
use narrows_wire::{Head, Indexing, Time};

mod edges;
mod forwarding;
mod h1;
mod mutate;
mod transcode;

pub use edges::{client_hello, grpc_web_text, proxy_protocol, websocket_frames};
pub use forwarding::forwarding;
pub use h1::{h1_client, h1_server};
pub use mutate::Mutator;
pub use transcode::transcode;

/// A fuzz target.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, which is also that of its corpus.
    pub name: &'static str,
    /// Its body.
    pub run: fn(&[u8]),
}

/// Every fuzz target.
pub const TARGETS: &[Target] = &[
    Target { name: "hpack", run: hpack },
    Target { name: "h2_server", run: h2_server },
    Target { name: "h2_client", run: h2_client },
    Target { name: "h1_server", run: h1_server },
    Target { name: "h1_client", run: h1_client },
    Target { name: "grpc_scanner", run: grpc_scanner },
    Target { name: "grpc_timeout", run: grpc_timeout },
    Target { name: "proxy_protocol", run: proxy_protocol },
    Target { name: "client_hello", run: client_hello },
    Target { name: "websocket_frames", run: websocket_frames },
    Target { name: "grpc_web_text", run: grpc_web_text },
    Target { name: "forwarding", run: forwarding },
    Target { name: "transcode", run: transcode },
];

/// A connection on default limits may hold so much for a peer that sends at most [`INPUT_BYTES_MAX`].
const CONNECTION_BYTES_MAX: usize = 4 << 20;

/// What a target looks at of its input.
const INPUT_BYTES_MAX: usize = 64 << 10;

/// Blocks, each behind a byte with its length. What one block decodes to must survive our encoder, and stay
/// within the limits of a section.
pub fn hpack(input: &[u8]) {
    let limits = SectionLimits { bytes_max: 4096, fields_max: 32, cookie_crumbs_max: 16 };
    let mut decoder = Decoder::new(256);
    let (mut encoder, mut other) = (Encoder::new(), Decoder::new(4096));
    let mut rest = &input[..input.len().min(INPUT_BYTES_MAX)];
    while let Some((&length, block)) = rest.split_first() {
        let (block, behind) = block.split_at(block.len().min(usize::from(length)));
        rest = behind;
        let mut head = Head::new();
        match decoder.decode(block, &limits, &mut head) {
            Ok(Section::Complete) => {}
            Ok(Section::Malformed(_) | Section::TooLarge) => continue,
            Err(_) => return,
        }
        assert!(head.section_bytes() <= limits.bytes_max as usize, "a section above its limit");
        let mut again = Head::new();
        let mut bytes = Vec::new();
        encoder.encode(&head, &mut bytes);
        let decoded = other.decode(&bytes, &SectionLimits::default(), &mut again);
        assert_eq!(decoded, Ok(Section::Complete), "our own block is not understood");
        assert!(head.iter().eq(again.iter()), "fields changed on the way");
    }
}

/// A client's bytes into our server.
pub fn h2_server(input: &[u8]) {
    h2(Role::Server, input);
}

/// A server's bytes into our client, which has opened three calls.
pub fn h2_client(input: &[u8]) {
    h2(Role::Client, input);
}

/// A stream of messages gives the same count however it is cut.
pub fn grpc_scanner(input: &[u8]) {
    let mut whole = MessageScanner::new();
    whole.feed(input);
    let mut single = MessageScanner::new();
    let mut cut = MessageScanner::new();
    for byte in input {
        single.feed(std::slice::from_ref(byte));
    }
    for chunk in input.chunks(7) {
        cut.feed(chunk);
    }
    let told = |scanner: &MessageScanner| {
        (scanner.messages(), scanner.largest_bytes(), scanner.is_mid_message())
    };
    assert_eq!(told(&whole), told(&single));
    assert_eq!(told(&whole), told(&cut));
}

/// A deadline that is read and written is never later than before.
pub fn grpc_timeout(input: &[u8]) {
    let Ok(timeout) = Timeout::parse(input) else { return };
    let text = timeout.text();
    let again = Timeout::parse(text.as_bytes()).expect("our own text is understood");
    assert!(again.0 <= timeout.0, "the next hop believes that it has more time");
    assert_eq!(again.text().as_bytes(), text.as_bytes());
}

/// The first byte says into how large pieces the input is cut. The owner answers every request, takes every
/// byte and writes everything at once, as a gateway without faults does.
fn h2(role: Role, input: &[u8]) {
    let input = &input[..input.len().min(INPUT_BYTES_MAX)];
    let Some((&cut, bytes)) = input.split_first() else { return };
    let mut connection = Connection::new(role, Arc::new(Config::default()), Time::ZERO);
    if matches!(role, Role::Client) {
        for tag in 0..3 {
            let request = head(&[
                (":method", "POST"),
                (":scheme", "http"),
                (":path", "/a/b"),
                (":authority", "a"),
            ]);
            let opened = connection.open(Time::ZERO, tag, &request, End::Stream);
            opened.expect("a new connection takes a hundred streams");
        }
    }
    let mut head = Head::new();
    for (turn, chunk) in bytes.chunks(usize::from(cut) * 8 + 1).enumerate() {
        let now = Time::from_nanos(turn as u64 * 1_000_000);
        feed(&mut connection, role, now, chunk, &mut head);
        flush(&mut connection);
        feed(&mut connection, role, now, &[], &mut head);
        assert!(connection.memory_bytes() <= CONNECTION_BYTES_MAX, "memory without bound");
    }
    connection.on_deadline(Time::from_nanos(3_600_000_000_000));
    feed(&mut connection, role, Time::from_nanos(3_600_000_000_000), &[], &mut head);
}

fn feed(connection: &mut Connection, role: Role, now: Time, mut input: &[u8], head: &mut Head) {
    let mut after_the_end = false;
    while let Some(event) = connection.receive(now, &mut input, head) {
        assert!(!after_the_end, "an event behind Closed: {event:?}");
        match event {
            Event::Head { stream, .. } | Event::Refused { stream, .. }
                if matches!(role, Role::Server) =>
            {
                connection.send_head(stream, &self::head(&[(":status", "200")]), End::Open);
                connection.send_data(stream, b"0123456789", End::Open);
                connection.send_trailers(stream, &self::head(&[("grpc-status", "0")]));
            }
            Event::Data { stream, data, .. } => connection.grant(stream, data.len()),
            Event::Reset { stream, .. } => connection.release(stream),
            Event::Closed { .. } => after_the_end = true,
            Event::Head { .. }
            | Event::Informational { .. }
            | Event::Refused { .. }
            | Event::Trailers { .. }
            | Event::Sent { .. }
            | Event::Pong
            | Event::PeerSettings
            | Event::GoAway { .. }
            | Event::Drained => {}
        }
    }
}

fn flush(connection: &mut Connection) {
    loop {
        let output = connection.output();
        let written = output.len();
        output.consume(written);
        connection.pump();
        if connection.output().is_empty() {
            return;
        }
    }
}

fn head(fields: &[(&str, &str)]) -> Head {
    let mut head = Head::new();
    for (name, value) in fields {
        head.push_text(name.as_bytes(), value.as_bytes(), Indexing::MayRepeat);
    }
    head
}
