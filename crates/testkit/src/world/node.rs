//! A node: takes calls and behaves as each of them asks.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use narrows_wire::codec::{End, ErrorCode, Event, Role, StreamKey};
use narrows_wire::h2::{Config, Connection};
use narrows_wire::{Head, Indexing, Name, Time};

use super::call::{MODES, Mode, Way, body_bytes, body_part, first_wrong};
use super::net::Net;
use super::rng::Rng;

/// Reply bytes given to the engine at a time.
const PART_BYTES: u64 = 30_000;
const WAITING_BYTES_MAX: usize = 100_000;

/// A call on its way.
#[derive(Debug)]
struct Served {
    stream: StreamKey,
    call: u64,
    mode: Mode,
    up: u64,
    down: u64,
    got: u64,
    request_ended: bool,
    begun: bool,
    given: u64,
    answer_at: Time,
    ungranted: usize,
    grant_at: Time,
}

#[derive(Debug)]
struct Line {
    socket: usize,
    h2: Connection,
    streams: Vec<Served>,
    /// It ends once everything is written.
    leaving: bool,
    over: bool,
}

/// A node.
#[derive(Debug)]
pub(super) struct Node {
    rng: Rng,
    address: SocketAddr,
    /// The jobs that run here; `None`: any.
    jobs: Option<BTreeSet<String>>,
    connections: Vec<Line>,
    refused: BTreeSet<u64>,
    streams_max: u32,
    slow: bool,
    /// How it behaves, whatever a call asks for.
    pub(super) mood: Option<Mode>,
    /// How much longer than others it takes to answer.
    pub(super) delay: Duration,
    /// Calls that have come and were not refused.
    pub(super) calls: usize,
    pub(super) wrong: Vec<String>,
}

// === impl Node ===

impl Node {
    pub(super) fn new(mut rng: Rng, address: SocketAddr, jobs: Option<BTreeSet<String>>) -> Self {
        let streams_max = 3 + rng.below(40) as u32;
        let slow = rng.one_in(4);
        Self {
            rng,
            address,
            jobs,
            connections: vec![],
            refused: BTreeSet::new(),
            streams_max,
            slow,
            mood: None,
            delay: Duration::ZERO,
            calls: 0,
            wrong: vec![],
        }
    }

    pub(super) fn next_due(&self) -> Time {
        let mut next = Time::NEVER;
        for connection in &self.connections {
            next = next.min(connection.h2.deadline());
            for served in &connection.streams {
                let answers = !is_silent(served.mode) && !served.begun;
                if answers && (served.request_ended || served.mode == Mode::Early) {
                    next = next.min(served.answer_at);
                }
                if served.ungranted > 0 {
                    next = next.min(served.grant_at);
                }
            }
        }
        next
    }

    pub(super) fn go_away(&mut self, now: Time) {
        for connection in &mut self.connections {
            connection.h2.drain(now);
        }
    }

    pub(super) fn step(&mut self, net: &mut Net, now: Time) {
        while let Some(socket) = net.accept_actor(self.address) {
            let config = Config {
                max_concurrent_streams: self.streams_max,
                initial_window_bytes: 1 << (13 + self.rng.below(6)),
                ..Config::default()
            };
            let h2 = Connection::new(Role::Server, Arc::new(config), now);
            self.connections.push(Line {
                socket,
                h2,
                streams: vec![],
                leaving: false,
                over: false,
            });
        }
        for at in 0..self.connections.len() {
            self.receive(at, net, now);
            self.answer(at, now);
            self.flush(at, net);
        }
        let ends = self.connections.iter().filter(|connection| connection.over);
        ends.for_each(|connection| net.close(connection.socket));
        self.connections.retain(|connection| !connection.over);
    }

    fn receive(&mut self, at: usize, net: &Net, now: Time) {
        let mut buffer = [0; 4096];
        loop {
            let connection = &mut self.connections[at];
            match net.read(connection.socket, &mut buffer) {
                Ok(0) => connection.over = true,
                Ok(n) => {
                    self.take(at, now, &buffer[..n]);
                    continue;
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => connection.over = true,
            }
            break;
        }
        if self.connections[at].h2.deadline() <= now {
            self.connections[at].h2.on_deadline(now);
        }
        self.take(at, now, &[]);
    }

    fn take(&mut self, at: usize, now: Time, mut input: &[u8]) {
        let mut head = Head::new();
        loop {
            let connection = &mut self.connections[at];
            let Some(event) = connection.h2.receive(now, &mut input, &mut head) else { return };
            match event {
                Event::Head { stream, end, .. } => self.on_request(at, stream, &head, end, now),
                Event::Data { stream, data, end, .. } => self.on_data(at, stream, data, end, now),
                Event::Reset { stream, .. } => {
                    connection.streams.retain(|served| served.stream != stream);
                    connection.h2.release(stream);
                }
                Event::Closed { error } => {
                    self.wrong.push(format!("the gateway breaks the protocol at a node: {error}"));
                    connection.over = true;
                }
                Event::GoAway { code, .. } if code != ErrorCode::NO_ERROR => {
                    self.wrong.push(format!("the gateway leaves a node for {code}"));
                }
                Event::Drained => connection.leaving = true,
                _ => {}
            }
        }
    }

    fn on_request(&mut self, at: usize, stream: StreamKey, head: &Head, end: End, now: Time) {
        let number = |name: &[u8]| -> u64 {
            let text = head.find(name).and_then(|text| std::str::from_utf8(text).ok());
            text.and_then(|text| text.parse().ok()).unwrap_or(u64::MAX)
        };
        let call = number(b"x-call");
        let job = String::from_utf8_lossy(head.find(b"jobid").unwrap_or_default()).into_owned();
        if self.jobs.as_ref().is_some_and(|jobs| !jobs.contains(&job)) {
            self.wrong.push(format!("call {call} for {job} comes to the wrong node"));
        }
        if head.get(Name::Te) != Some(b"trailers") {
            self.wrong.push(format!("call {call} lost te: trailers"));
        }
        let asked = MODES.get(number(b"x-mode") as usize).copied().unwrap_or(Mode::Echo);
        let mode = self.mood.unwrap_or(asked);
        let h2 = &mut self.connections[at].h2;
        if mode == Mode::RefusedOnce && self.refused.insert(call) {
            h2.reset(stream, ErrorCode::REFUSED_STREAM);
            return h2.release(stream);
        }
        let before = head.get(Name::GrpcPreviousRpcAttempts);
        if before.is_none() && mode == Mode::ResetOnce {
            h2.reset(stream, ErrorCode::INTERNAL_ERROR);
            return h2.release(stream);
        }
        let mode = settled(mode, before.is_some());
        self.calls += 1;
        self.connections[at].streams.push(Served {
            stream,
            call,
            mode,
            up: number(b"x-up"),
            down: number(b"x-down"),
            got: 0,
            request_ended: end == End::Stream,
            begun: false,
            given: 0,
            answer_at: now + self.delay + self.rng.millis(0, 10),
            ungranted: 0,
            grant_at: now,
        });
    }

    fn on_data(&mut self, at: usize, stream: StreamKey, data: &[u8], end: End, now: Time) {
        let connection = &mut self.connections[at];
        let Some(served) = connection.streams.iter_mut().find(|served| served.stream == stream)
        else {
            return connection.h2.grant(stream, data.len());
        };
        if let Some(place) = first_wrong(served.call, Way::Up, served.up, served.got, data) {
            self.wrong.push(format!("call {}: request byte {place} is wrong", served.call));
        }
        served.got += data.len() as u64;
        served.ungranted += data.len();
        served.grant_at = if self.slow { now + self.rng.millis(1, 30) } else { now };
        if end == End::Stream {
            served.request_ended = true;
            if served.got != body_bytes(served.up) {
                self.wrong.push(format!("call {}: request of {} bytes", served.call, served.got));
            }
        }
    }

    fn answer(&mut self, at: usize, now: Time) {
        let Line { h2, streams, .. } = &mut self.connections[at];
        let mut done = vec![];
        for served in streams.iter_mut() {
            if served.ungranted > 0 && now >= served.grant_at && served.mode != Mode::Early {
                h2.grant(served.stream, std::mem::take(&mut served.ungranted));
            }
            let ready = served.request_ended || served.mode == Mode::Early;
            if !ready || now < served.answer_at || is_silent(served.mode) {
                continue;
            }
            if answer_one(h2, served, &mut self.rng) {
                done.push(served.stream);
            }
        }
        for stream in done {
            streams.retain(|served| served.stream != stream);
            h2.release(stream);
        }
    }

    fn flush(&mut self, at: usize, net: &Net) {
        let Line { h2, socket, leaving, over, .. } = &mut self.connections[at];
        loop {
            let output = h2.output();
            if output.is_empty() {
                h2.pump();
                if h2.output().is_empty() {
                    *over |= *leaving;
                    return;
                }
                continue;
            }
            match net.write(*socket, output.front()) {
                Ok(n) => output.consume(n),
                Err(_) => return,
            }
        }
    }
}

fn is_silent(mode: Mode) -> bool {
    matches!(mode, Mode::Silent | Mode::Mute | Mode::MuteOnce)
}

/// What becomes of a mode that concerns the first time only.
fn settled(mode: Mode, again: bool) -> Mode {
    match mode {
        Mode::BusyOnce | Mode::Later | Mode::ResetOnce | Mode::MuteOnce if again => Mode::Echo,
        mode => mode,
    }
}

/// The gRPC status of a reply without a body, and what it says of being called again.
fn refusal(mode: Mode) -> Option<(&'static [u8], Option<&'static [u8]>)> {
    match mode {
        Mode::Fails => Some((b"9", None)),
        Mode::BusyOnce => Some((b"14", None)),
        Mode::Later => Some((b"14", Some(b"700"))),
        Mode::KeepOff => Some((b"14", Some(b"-1"))),
        _ => None,
    }
}

/// Gives the next part of a reply. `true`: it was the last.
fn answer_one(h2: &mut Connection, served: &mut Served, rng: &mut Rng) -> bool {
    let mut head = Head::new();
    if !std::mem::replace(&mut served.begun, true) {
        head.push(Name::Status, b"200", Indexing::MayRepeat);
        head.push(Name::ContentType, b"application/grpc", Indexing::MayRepeat);
        if let Some((status, pushback)) = refusal(served.mode) {
            head.push(Name::GrpcStatus, status, Indexing::MayRepeat);
            if let Some(pushback) = pushback {
                head.push(Name::GrpcRetryPushback, pushback, Indexing::Unique);
            }
            h2.send_head(served.stream, &head, End::Stream);
            return true;
        }
        h2.send_head(served.stream, &head, End::Open);
    }
    let left = body_bytes(served.down) - served.given;
    if left > 0 && h2.waiting_bytes() < WAITING_BYTES_MAX {
        let len = left.min(1 + rng.next() % PART_BYTES);
        let part = body_part(served.call, Way::Down, served.down, served.given, len);
        let last = len == left && served.mode == Mode::NoTrailers;
        h2.send_data(served.stream, &part, if last { End::Stream } else { End::Open });
        served.given += len;
        if last {
            return true;
        }
    }
    if served.mode == Mode::ResetMidway && served.given * 2 >= body_bytes(served.down) {
        h2.reset(served.stream, ErrorCode::INTERNAL_ERROR);
        return true;
    }
    if served.given < body_bytes(served.down) {
        return false;
    }
    head.clear();
    head.push(Name::GrpcStatus, b"0", Indexing::MayRepeat);
    h2.send_trailers(served.stream, &head);
    if !served.request_ended {
        h2.reset_after_data(served.stream, ErrorCode::NO_ERROR);
    }
    true
}
