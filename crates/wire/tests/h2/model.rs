//! A client and a server under random commands, windows, splits, and resets, against a model that holds
//! what was sent. Every seed is a test of its own; a failure names its seed.

use std::collections::{HashMap, HashSet};
use std::io::IoSlice;

use narrows_wire::codec::{End, ErrorCode, StreamKey};
use narrows_wire::h2::Config;

use crate::chance::Random;
use crate::support::{Endpoint, Pair, Seen, reply, request, trailers};

const SEEDS: u64 = 60;
const TURNS: usize = 400;

/// What one direction of a call has sent, and what arrived of it.
#[derive(Default)]
struct Body {
    sent: Vec<u8>,
    ended: bool,
    received: Vec<u8>,
    end_seen: bool,
}

#[derive(Default)]
struct Call {
    up: Body,
    down: Body,
    /// Keys at the client and at the server.
    client: Option<StreamKey>,
    server: Option<StreamKey>,
    answered: bool,
    broken: bool,
}

struct World {
    pair: Pair,
    random: Random,
    /// By tag; the server knows a call by its order.
    calls: Vec<Call>,
    at_client: HashMap<StreamKey, usize>,
    at_server: HashMap<StreamKey, usize>,
    over: HashSet<(bool, StreamKey)>,
    /// Bytes on the way to the server and to the client.
    up: Vec<u8>,
    down: Vec<u8>,
}

#[test]
fn bytes_arrive_whole_in_order_and_once() {
    for seed in 0..SEEDS {
        let mut world = World::new(seed);
        for _ in 0..TURNS {
            world.turn();
        }
        world.finish(seed);
    }
}

// === impl Random ===

impl Random {
    /// Mostly small, now and then large.
    fn bytes(&mut self) -> Vec<u8> {
        let len = match self.below(4) {
            0 => self.below(3),
            1 | 2 => self.below(2000),
            _ => self.below(100_000),
        };
        let first = self.next();
        (0..len as u64).map(|n| (first.wrapping_add(n * 7) % 251) as u8).collect()
    }

    fn config(&mut self) -> Config {
        let mut config = Config {
            initial_window_bytes: [1, 1000, 65_535, 1 << 20][self.below(4)],
            connection_window_bytes: [65_535, 1 << 20][self.below(2)],
            buffered_bytes_max: [10_000, 1 << 20][self.below(2)],
            output_bytes_max: [3000, 100_000, 512 << 10][self.below(3)],
            max_concurrent_streams: [1, 5, 100][self.below(3)],
            ..Config::default()
        };
        // Such traffic is no attack here.
        config.guard.resets.burst = u32::MAX;
        config.guard.errors.burst = u32::MAX;
        config.guard.window_updates.burst = u32::MAX;
        config.guard.idle_frames.burst = u32::MAX;
        config
    }
}

// === impl World ===

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let pair = Pair::with(random.config(), random.config());
        Self {
            pair,
            random,
            calls: Vec::new(),
            at_client: HashMap::new(),
            at_server: HashMap::new(),
            over: HashSet::new(),
            up: Vec::new(),
            down: Vec::new(),
        }
    }

    fn turn(&mut self) {
        match self.random.below(12) {
            0 => self.open(),
            1..=3 => self.send(),
            4 => self.reset(),
            5 => self.answer(),
            6 | 7 => self.carry(true),
            8 | 9 => self.carry(false),
            10 => self.grant(),
            _ => self.end(),
        }
    }

    fn open(&mut self) {
        if self.pair.client.connection.capacity() == 0 {
            return;
        }
        let tag = self.calls.len();
        let mut head = request();
        head.push_text(b"x-tag", tag.to_string().as_bytes(), narrows_wire::Indexing::Unique);
        let ended = self.random.below(3) == 0;
        let end = if ended { End::Stream } else { End::Open };
        let key = self.pair.open(tag as u64, &head, end);
        self.at_client.insert(key, tag);
        let mut call = Call { client: Some(key), ..Call::default() };
        call.up.ended = ended;
        self.calls.push(call);
    }

    fn pick(&mut self) -> Option<usize> {
        let recent = self.calls.len().min(8);
        (recent > 0).then(|| self.calls.len() - 1 - self.random.below(recent))
    }

    /// One of both ends sends data, perhaps the last.
    fn send(&mut self) {
        let Some(tag) = self.pick() else { return };
        let data = self.random.bytes();
        let ended = self.random.below(6) == 0;
        let end = if ended { End::Stream } else { End::Open };
        let by_client = self.random.below(2) == 0;
        let call = &mut self.calls[tag];
        let (body, key, endpoint) = match by_client {
            true => (&mut call.up, call.client, &mut self.pair.client),
            false if call.answered => (&mut call.down, call.server, &mut self.pair.server),
            false => return,
        };
        let Some(key) = key.filter(|_| !body.ended && !call.broken) else { return };
        body.sent.extend_from_slice(&data);
        body.ended |= ended;
        match self.random.below(2) {
            0 => endpoint.connection.send_data(key, &data, end),
            _ => {
                let mut source = vec![0; 100];
                source.extend_from_slice(&data);
                let range = 100..source.len();
                let sent = endpoint.connection.send_data_borrowed(key, range, &data, end);
                endpoint.connection.output().settle(&source);
                sent
            }
        };
    }

    fn answer(&mut self) {
        let Some(tag) = self.pick() else { return };
        let call = &mut self.calls[tag];
        let Some(key) = call.server.filter(|_| !call.answered && !call.broken) else { return };
        call.answered = true;
        self.pair.server.connection.send_head(key, &reply(), End::Open);
    }

    /// Ends a direction with trailers, behind whatever waits.
    fn end(&mut self) {
        let Some(tag) = self.pick() else { return };
        let call = &mut self.calls[tag];
        if let Some(key) = call.server.filter(|_| call.answered && !call.down.ended) {
            call.down.ended = true;
            self.pair.server.connection.send_trailers(key, &trailers());
        } else if let Some(key) = call.client.filter(|_| !call.up.ended) {
            call.up.ended = true;
            self.pair.client.connection.send_trailers(key, &trailers());
        }
    }

    fn reset(&mut self) {
        let Some(tag) = self.pick() else { return };
        if self.random.below(4) > 0 {
            return;
        }
        let by_client = self.random.below(2) == 0;
        let call = &mut self.calls[tag];
        if by_client && let Some(key) = call.client {
            self.pair.client.connection.reset(key, ErrorCode::CANCEL);
            self.over.insert((true, key));
            call.broken = true;
        } else if let Some(key) = call.server {
            self.pair.server.connection.reset(key, ErrorCode::INTERNAL_ERROR);
            self.pair.server.connection.release(key);
            self.over.insert((false, key));
            call.broken = true;
        }
    }

    /// Grants part of what was received, on both sides.
    fn grant(&mut self) {
        let Some(tag) = self.pick() else { return };
        let bytes = self.random.below(100_000);
        let call = &self.calls[tag];
        if let Some(key) = call.client {
            self.pair.client.connection.grant(key, bytes);
        }
        if let Some(key) = call.server {
            self.pair.server.connection.grant(key, bytes);
        }
    }

    /// Takes a part of the output, and gives a part of what is on the way to the other end.
    fn carry(&mut self, upwards: bool) {
        let most = 1 + self.random.below(70_000);
        let (from, wire) = match upwards {
            true => (&mut self.pair.client, &mut self.up),
            false => (&mut self.pair.server, &mut self.down),
        };
        wire.extend(take(from, most));
        let split = self.random.below(wire.len() + 1);
        let read: Vec<u8> = wire.drain(..split).collect();
        let now = self.pair.now;
        let to = if upwards { &mut self.pair.server } else { &mut self.pair.client };
        let seen = to.receive(now, &read);
        self.note(!upwards, seen);
        let from = if upwards { &mut self.pair.client } else { &mut self.pair.server };
        let seen = from.receive(now, &[]);
        self.note(upwards, seen);
    }

    fn note(&mut self, is_client: bool, all: Vec<Seen>) {
        for seen in all {
            match seen {
                Seen::Head { stream, fields, end, .. } => {
                    self.alive(is_client, stream);
                    if !is_client {
                        let tag = &fields.iter().find(|(name, _)| name == "x-tag").unwrap().1;
                        let tag: usize = tag.parse().unwrap();
                        self.at_server.insert(stream, tag);
                        self.pair.server.connection.set_tag(stream, tag as u64);
                        self.calls[tag].server = Some(stream);
                    }
                    if end == End::Stream {
                        self.body(is_client, stream).end_seen = true;
                    }
                }
                Seen::Data { stream, data, end, .. } => {
                    self.alive(is_client, stream);
                    let body = self.body(is_client, stream);
                    assert!(!body.end_seen, "data after the end");
                    body.received.extend_from_slice(&data);
                    assert!(body.sent.starts_with(&body.received), "bytes are not those sent");
                    body.end_seen = end == End::Stream;
                }
                Seen::Trailers { stream, .. } => {
                    self.alive(is_client, stream);
                    let body = self.body(is_client, stream);
                    assert!(!body.end_seen && body.ended);
                    body.end_seen = true;
                }
                Seen::Reset { stream, tag, .. } => {
                    self.alive(is_client, stream);
                    self.over.insert((is_client, stream));
                    self.calls[tag as usize].broken = true;
                    if !is_client {
                        self.pair.server.connection.release(stream);
                    }
                }
                Seen::Sent { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }

    fn alive(&self, is_client: bool, key: StreamKey) {
        assert!(!self.over.contains(&(is_client, key)), "an event after the end");
    }

    /// The body that this end receives on a stream.
    fn body(&mut self, is_client: bool, key: StreamKey) -> &mut Body {
        match is_client {
            true => &mut self.calls[self.at_client[&key]].down,
            false => &mut self.calls[self.at_server[&key]].up,
        }
    }

    /// Ends every call, grants everything, and looks at what is left.
    fn finish(&mut self, seed: u64) {
        for _ in 0..2000 {
            for tag in 0..self.calls.len() {
                self.finish_call(tag);
            }
            self.carry(true);
            self.carry(false);
            let ends = [&self.pair.client, &self.pair.server];
            if ends.iter().all(|end| end.connection.active_streams() == 0) {
                break;
            }
        }
        for call in &self.calls {
            let whole = |body: &Body| body.end_seen && body.received == body.sent;
            assert!(call.broken || (whole(&call.up) && whole(&call.down)), "seed {seed}");
        }
        for end in [&self.pair.client, &self.pair.server] {
            assert_eq!(end.connection.active_streams(), 0, "seed {seed}");
            assert_eq!(end.connection.waiting_bytes(), 0, "seed {seed}");
        }
    }

    fn finish_call(&mut self, tag: usize) {
        let call = &mut self.calls[tag];
        let (client, server) = (&mut self.pair.client.connection, &mut self.pair.server.connection);
        if let Some(key) = call.client {
            client.grant(key, usize::MAX);
            if !call.up.ended {
                client.send_data(key, b"", End::Stream);
                call.up.ended = true;
            }
        }
        if let Some(key) = call.server {
            server.grant(key, usize::MAX);
            if !call.answered {
                server.send_head(key, &reply(), End::Open);
                call.answered = true;
            }
            if !call.down.ended {
                server.send_trailers(key, &trailers());
                call.down.ended = true;
            }
            server.release(key);
        }
    }
}

/// Takes at most so many bytes of the output, as a vectored write would.
fn take(from: &mut Endpoint, most: usize) -> Vec<u8> {
    let output = from.connection.output();
    let mut slices = [IoSlice::new(&[]); 8];
    let count = output.slices(&[], &mut slices);
    let mut bytes: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.to_vec()).collect();
    bytes.truncate(most);
    output.consume(bytes.len());
    from.connection.pump();
    bytes
}
