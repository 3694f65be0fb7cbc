//! What relaying a unary call costs in the engine, in instructions.
//!
//! ```text
//! cargo build --release -p narrows-wire --example relay_cost
//! valgrind --tool=callgrind --toggle-collect='relay_cost::relay_*' \
//!     target/release/examples/relay_cost 20000
//! ```
//! A client's requests, every one different, go through a server connection and a client connection to a
//! backend, and the replies come back, in turns of 32 calls. Only the relay between the two connections is
//! counted: both directions of HTTP/2 and HPACK on both sides, without sockets, routing, or records.
//! Divide the total by the number of calls, which is the first argument. With `same` as the second, all
//! calls are alike.
#![allow(clippy::unwrap_used, reason = "an example fails by panicking")]

#[path = "support/traffic.rs"]
mod traffic;

use std::sync::Arc;

use narrows_wire::codec::{End, Event, Role, StreamKey};
use narrows_wire::h2::{Config, Connection};
use narrows_wire::{Head, Indexing, Time};
use traffic::{Client, Random};

const CALLS_PER_TURN: usize = 32;
const MESSAGE_BYTES: usize = 100;

/// The relay: two connections, and which stream of one belongs to which of the other.
struct Relay {
    down: Connection,
    up: Connection,
    head: Head,
    exchanges: Vec<(StreamKey, StreamKey)>,
    free: Vec<usize>,
}

fn main() {
    let calls = std::env::args().nth(1).map_or(20_000, |text| text.parse().unwrap());
    let is_varied = std::env::args().nth(2).is_none_or(|text| text != "same");
    let config = Arc::new(Config::default());
    let mut random = Random(7);
    let mut client = Client::default();
    let mut backend = Backend::new(&config);
    let mut relay = Relay::new(&config);
    let mut input = preface();
    backend.receive(&take(&mut relay.up));
    let mut next_id = 1;
    let mut done = 0;
    while done < calls {
        for _ in 0..CALLS_PER_TURN {
            if !is_varied {
                random = Random(7);
            }
            put_call(&mut client, &mut random, next_id, &mut input);
            next_id += 2;
        }
        done += CALLS_PER_TURN;
        relay_requests(&mut relay, &input);
        input.clear();
        backend.receive(&take(&mut relay.up));
        let replies = take(&mut backend.connection);
        relay_replies(&mut relay, &replies);
        assert!(take(&mut relay.down).len() > CALLS_PER_TURN * MESSAGE_BYTES);
        assert_eq!((relay.down.active_streams(), relay.up.active_streams()), (0, 0));
    }
    println!("{done} calls, {} answered", backend.answered);
}

/// One read of the client's connection.
#[inline(never)]
fn relay_requests(relay: &mut Relay, mut input: &[u8]) {
    while let Some(event) = relay.down.receive(Time::ZERO, &mut input, &mut relay.head) {
        match event {
            Event::Head { stream, end, .. } => {
                let tag = relay.free.pop().unwrap_or(relay.exchanges.len());
                let up = relay.up.open(Time::ZERO, tag as u64, &relay.head, end).unwrap();
                relay.down.set_tag(stream, tag as u64);
                if tag == relay.exchanges.len() {
                    relay.exchanges.push((stream, up));
                } else {
                    relay.exchanges[tag] = (stream, up);
                }
            }
            Event::Data { stream, tag, data, end } => {
                let (_, up) = relay.exchanges[tag as usize];
                let sent = relay.up.send_data(up, data, end);
                relay.down.grant(stream, sent);
            }
            Event::PeerSettings => {}
            other => panic!("{other:?}"),
        }
    }
}

/// One read of the backend's connection.
#[inline(never)]
fn relay_replies(relay: &mut Relay, mut input: &[u8]) {
    while let Some(event) = relay.up.receive(Time::ZERO, &mut input, &mut relay.head) {
        match event {
            Event::Head { tag, end, .. } => {
                let (down, _) = relay.exchanges[tag as usize];
                relay.down.send_head(down, &relay.head, end);
            }
            Event::Data { stream, tag, data, end } => {
                let (down, _) = relay.exchanges[tag as usize];
                let sent = relay.down.send_data(down, data, end);
                relay.up.grant(stream, sent);
            }
            Event::Trailers { tag, .. } => {
                let (down, _) = relay.exchanges[tag as usize];
                relay.down.send_trailers(down, &relay.head);
                relay.down.release(down);
                relay.free.push(tag as usize);
            }
            Event::PeerSettings => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Answers every call.
struct Backend {
    connection: Connection,
    head: Head,
    reply: Head,
    trailers: Head,
    answered: usize,
}

// === impl Relay ===

impl Relay {
    fn new(config: &Arc<Config>) -> Self {
        Self {
            down: Connection::new(Role::Server, Arc::clone(config), Time::ZERO),
            up: Connection::new(Role::Client, Arc::clone(config), Time::ZERO),
            head: Head::new(),
            exchanges: Vec::new(),
            free: Vec::new(),
        }
    }
}

// === impl Backend ===

impl Backend {
    fn new(config: &Arc<Config>) -> Self {
        let mut reply = Head::new();
        for (name, value) in [
            (":status", "200"),
            ("content-type", "application/grpc"),
            ("grpc-encoding", "identity"),
            ("grpc-accept-encoding", "gzip"),
        ] {
            reply.push_text(name.as_bytes(), value.as_bytes(), Indexing::MayRepeat);
        }
        let mut trailers = Head::new();
        trailers.push_text(b"grpc-status", b"0", Indexing::MayRepeat);
        Self {
            connection: Connection::new(Role::Server, Arc::clone(config), Time::ZERO),
            head: Head::new(),
            reply,
            trailers,
            answered: 0,
        }
    }

    fn receive(&mut self, mut input: &[u8]) {
        let connection = &mut self.connection;
        while let Some(event) = connection.receive(Time::ZERO, &mut input, &mut self.head) {
            match event {
                Event::Data { stream, data, end: End::Stream, .. } => {
                    connection.grant(stream, data.len());
                    connection.send_head(stream, &self.reply, End::Open);
                    connection.send_data(stream, &[7; MESSAGE_BYTES + 5], End::Open);
                    connection.send_trailers(stream, &self.trailers);
                    connection.release(stream);
                    self.answered += 1;
                }
                Event::Head { .. } | Event::PeerSettings => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

fn take(connection: &mut Connection) -> Vec<u8> {
    let output = connection.output();
    let bytes = output.front().to_vec();
    output.consume(bytes.len());
    bytes
}

/// What the client sends first: preface, SETTINGS, and the largest window for the connection.
fn preface() -> Vec<u8> {
    let mut out = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    put_frame(4, 0, 0, &[], &mut out);
    put_frame(8, 0, 0, &(u32::MAX / 2 - 65_535).to_be_bytes(), &mut out);
    out
}

fn put_call(client: &mut Client, random: &mut Random, id: u32, out: &mut Vec<u8>) {
    let mut block = Vec::new();
    client.request(random, &mut block);
    put_frame(1, 0x4, id, &block, out);
    put_frame(0, 0x1, id, &[3; MESSAGE_BYTES + 5], out);
}

fn put_frame(kind: u8, flags: u8, stream: u32, payload: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}
