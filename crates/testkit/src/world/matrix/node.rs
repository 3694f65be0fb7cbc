//! A node that does one thing wrong.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use narrows_wire::codec::{End, ErrorCode, Event, Role, StreamKey};
use narrows_wire::h2::{Config, Connection};
use narrows_wire::{Head, Indexing, Name, Time};

use super::super::net::Net;
use super::caller::write_out;

/// How a node meets a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meets {
    /// As it should.
    Well,
    /// It reads nothing and says nothing.
    Deaf,
    /// It reads nothing and says nothing until [`READS_AFTER`] has passed.
    Late,
    /// It closes it.
    Closes,
    /// It takes no stream at all.
    NoStreams,
    /// It never takes a byte of a body.
    NoWindow,
}

/// How far a node comes with its reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begins {
    Nothing,
    /// Its head.
    Head,
    /// A whole message.
    Message,
    /// A message that is not whole.
    Part,
    /// A message that is larger than all windows on the way.
    Flood,
}

/// What it does then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// Nothing more.
    Rests,
    /// It ends its reply as it should.
    Ends,
    /// It ends its reply without trailers.
    EndsBare,
    Resets(ErrorCode),
    /// It closes the connection.
    Closes,
    /// It goes away, and has not looked at the request.
    GoesAway,
    /// It goes away, and ends its reply.
    EndsAndGoesAway,
    /// It writes bytes that it should not.
    Writes(&'static [u8]),
}

/// What a node does.
#[derive(Debug, Clone, Copy)]
pub(super) struct Script {
    pub(super) meets: Meets,
    pub(super) begins: Begins,
    pub(super) then: Then,
}

#[derive(Debug)]
struct Line {
    socket: usize,
    h2: Connection,
    /// Bytes that go out behind all others.
    last: Option<&'static [u8]>,
    closes: bool,
}

#[derive(Debug)]
pub(super) struct FaultyNode {
    address: SocketAddr,
    script: Script,
    begun: Time,
    lines: Vec<Line>,
    /// Requests that have come.
    pub(super) requests: usize,
}

const FLOOD_BYTES: usize = 4 << 20;
/// How late a node is that is late.
pub(super) const READS_AFTER: Duration = Duration::from_millis(500);

// === impl FaultyNode ===

impl FaultyNode {
    pub(super) fn new(address: SocketAddr, script: Script, begun: Time) -> Self {
        Self { address, script, begun, lines: vec![], requests: 0 }
    }

    pub(super) fn step(&mut self, net: &Net, now: Time) {
        while let Some(socket) = net.accept_actor(self.address) {
            self.meet(net, socket, now);
        }
        let is_late = self.script.meets == Meets::Late && now < self.begun + READS_AFTER;
        if is_late || self.script.meets == Meets::Deaf {
            return;
        }
        for line in &mut self.lines {
            let mut buffer = [0; 4096];
            let mut is_over = false;
            while let Ok(n) = net.read(line.socket, &mut buffer) {
                is_over |= n == 0;
                self.requests += line.take(self.script, now, &buffer[..n]);
                if is_over {
                    break;
                }
            }
            write_out(&mut line.h2, line.socket, net);
            if let Some(last) = line.last.take() {
                net.write(line.socket, last).expect("room for a few bytes");
            }
            line.closes |= is_over;
        }
        self.lines.iter().filter(|line| line.closes).for_each(|line| net.close(line.socket));
        self.lines.retain(|line| !line.closes);
    }

    fn meet(&mut self, net: &Net, socket: usize, now: Time) {
        let meets = self.script.meets;
        if meets == Meets::Closes {
            return net.close(socket);
        }
        let mut config = Config::default();
        if meets == Meets::NoStreams {
            config.max_concurrent_streams = 0;
        }
        let h2 = Connection::new(Role::Server, Arc::new(config), now);
        self.lines.push(Line { socket, h2, last: None, closes: false });
    }
}

// === impl Line ===

impl Line {
    /// Takes bytes; gives how many requests came in them.
    fn take(&mut self, script: Script, now: Time, mut input: &[u8]) -> usize {
        let mut head = Head::new();
        let mut requests = 0;
        while let Some(event) = self.h2.receive(now, &mut input, &mut head) {
            match event {
                Event::Head { stream, end, .. } => {
                    requests += 1;
                    let is_grpc = head.get(Name::Te).is_some();
                    if script.meets != Meets::NoWindow {
                        self.answer(script, (stream, end), is_grpc, now);
                    }
                }
                Event::Data { stream, data, .. } if script.meets != Meets::NoWindow => {
                    self.h2.grant(stream, data.len());
                }
                Event::Reset { stream, .. } => self.h2.release(stream),
                Event::Drained => self.closes = true,
                _ => {}
            }
        }
        requests
    }

    fn answer(
        &mut self,
        script: Script,
        (stream, end): (StreamKey, End),
        is_grpc: bool,
        now: Time,
    ) {
        let h2 = &mut self.h2;
        if script.begins != Begins::Nothing {
            h2.send_head(stream, &reply(is_grpc), End::Open);
        }
        match script.begins {
            Begins::Nothing | Begins::Head => {}
            Begins::Message => drop(h2.send_data(stream, &[0, 0, 0, 0, 1, 7], End::Open)),
            Begins::Part => drop(h2.send_data(stream, &[0, 0, 0, 0, 9, 7], End::Open)),
            Begins::Flood => drop(h2.send_data(stream, &vec![0; FLOOD_BYTES], End::Open)),
        }
        match script.then {
            Then::Rests => {}
            Then::Ends => self.end(stream, is_grpc),
            Then::EndsBare => drop(h2.send_data(stream, &[], End::Stream)),
            Then::Resets(code) => {
                h2.reset(stream, code);
                h2.release(stream);
            }
            Then::Closes => self.closes = true,
            Then::GoesAway => {
                self.last = Some(GO_AWAY);
            }
            Then::EndsAndGoesAway => {
                self.end(stream, is_grpc);
                self.h2.drain(now);
            }
            Then::Writes(bytes) => self.last = Some(bytes),
        }
        debug_assert!(end == End::Stream || script.then != Then::GoesAway);
    }

    fn end(&mut self, stream: StreamKey, is_grpc: bool) {
        if is_grpc {
            let mut trailers = Head::new();
            trailers.push(Name::GrpcStatus, b"0", Indexing::MayRepeat);
            self.h2.send_trailers(stream, &trailers);
        } else {
            self.h2.send_data(stream, &[], End::Stream);
        }
        self.h2.release(stream);
    }
}

/// GOAWAY with 0 as the last stream.
const GO_AWAY: &[u8] = &[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

fn reply(is_grpc: bool) -> Head {
    let mut head = Head::new();
    head.push(Name::Status, b"200", Indexing::MayRepeat);
    let content_type: &[u8] = if is_grpc { b"application/grpc" } else { b"text/plain" };
    head.push(Name::ContentType, content_type, Indexing::MayRepeat);
    head
}
