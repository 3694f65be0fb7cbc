//! A caller: one connection to the gateway, calls on it, every byte checked.

use std::net::SocketAddr;
use std::sync::Arc;

use narrows_wire::codec::{End, ErrorCode, Event, Role, StreamKey};
use narrows_wire::h2::{Config, Connection};
use narrows_wire::{Head, Indexing, Name, Time};

use super::call::{Call, Fate, MODES, Mode, Way, body_bytes, body_part, first_wrong};
use super::net::Net;
use super::rng::Rng;

/// Request bytes given to the engine at a time.
const PART_BYTES: u64 = 20_000;
/// No more request bytes are given while so many wait.
const WAITING_BYTES_MAX: usize = 100_000;

#[derive(Debug)]
struct Running {
    call: usize,
    stream: StreamKey,
    sent: u64,
    ungranted: usize,
    grant_at: Time,
    status: Option<u8>,
    cancel_after: Option<u64>,
}

/// A caller.
#[derive(Debug)]
pub(super) struct Client {
    rng: Rng,
    gateway: SocketAddr,
    own: SocketAddr,
    socket: Option<usize>,
    h2: Option<Connection>,
    calls: Vec<Call>,
    next: usize,
    start_at: Time,
    running: Vec<Running>,
    left: bool,
    /// Whether it takes its time to read.
    slow: bool,
    /// Whether it breaks the protocol now and then.
    hostile: bool,
    /// What did not hold.
    pub(super) wrong: Vec<String>,
}

// === impl Client ===

impl Client {
    pub(super) fn new(
        rng: Rng,
        gateway: SocketAddr,
        own: SocketAddr,
        calls: Vec<Call>,
        slow: bool,
        hostile: bool,
    ) -> Self {
        Self {
            rng,
            gateway,
            own,
            socket: None,
            h2: None,
            calls,
            next: 0,
            start_at: Time::ZERO,
            running: vec![],
            left: false,
            slow,
            hostile,
            wrong: vec![],
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.next == self.calls.len() && self.running.is_empty()
    }

    pub(super) fn calls(&self) -> &[Call] {
        &self.calls
    }

    pub(super) fn unfinished(&self) -> Vec<&Call> {
        self.running.iter().map(|running| &self.calls[running.call]).collect()
    }

    pub(super) fn next_due(&self) -> Time {
        if self.left {
            return Time::NEVER;
        }
        let mut next = if self.next < self.calls.len() { self.start_at } else { Time::NEVER };
        for running in self.running.iter().filter(|running| running.ungranted > 0) {
            next = next.min(running.grant_at);
        }
        next.min(self.h2.as_ref().map_or(Time::NEVER, Connection::deadline))
    }

    pub(super) fn leave(&mut self, net: &mut Net) {
        self.left = true;
        if let Some(socket) = self.socket.take() {
            net.close(socket);
        }
        self.h2 = None;
    }

    pub(super) fn step(&mut self, net: &mut Net, now: Time) {
        if self.left {
            return;
        }
        if self.h2.as_ref().is_some_and(Connection::is_draining) && self.running.is_empty() {
            self.lose(net);
        }
        self.connect(net, now);
        self.begin_calls(now);
        self.give(now);
        self.receive(net, now);
        self.flush(net, now);
    }

    fn connect(&mut self, net: &Net, now: Time) {
        if self.h2.is_none() && !self.is_done() {
            let initial = 1 << (14 + self.rng.below(4));
            let config = Config { initial_window_bytes: initial, ..Config::default() };
            self.socket = Some(net.connect_actor(self.gateway, self.own));
            self.h2 = Some(Connection::new(Role::Client, Arc::new(config), now));
        }
    }

    fn begin_calls(&mut self, now: Time) {
        while self.next < self.calls.len() && now >= self.start_at && self.running.len() < 50 {
            let Some(h2) = &mut self.h2 else { return };
            let call = &self.calls[self.next];
            let end = End::Open;
            let Ok(stream) = h2.open(now, self.next as u64, &head_of(call), end) else { return };
            let part = body_bytes(call.up);
            let cancel_after = (call.mode == Mode::Cancelled).then(|| self.rng.next() % (part + 1));
            self.running.push(Running {
                call: self.next,
                stream,
                sent: 0,
                ungranted: 0,
                grant_at: now,
                status: None,
                cancel_after,
            });
            self.next += 1;
            self.start_at = now + self.rng.millis(0, 4);
        }
    }

    /// Sends parts of requests, takes what was received, cancels.
    fn give(&mut self, now: Time) {
        let Some(h2) = &mut self.h2 else { return };
        let mut cancelled = vec![];
        for running in &mut self.running {
            let call = &self.calls[running.call];
            if now >= running.grant_at && running.ungranted > 0 {
                h2.grant(running.stream, std::mem::take(&mut running.ungranted));
            }
            if running.cancel_after.is_some_and(|after| running.sent >= after) {
                h2.reset(running.stream, ErrorCode::CANCEL);
                cancelled.push(running.call);
                continue;
            }
            let left = body_bytes(call.up) - running.sent;
            if left == 0 || h2.waiting_bytes() > WAITING_BYTES_MAX {
                continue;
            }
            let len = left.min(1 + self.rng.next() % PART_BYTES);
            let part = body_part(call.id, Way::Up, call.up, running.sent, len);
            running.sent += len;
            let end = if len == left { End::Stream } else { End::Open };
            h2.send_data(running.stream, &part, end);
        }
        for call in cancelled {
            self.end(call, Fate::Cancelled);
        }
    }

    fn receive(&mut self, net: &Net, now: Time) {
        let Some(socket) = self.socket else { return };
        let mut buffer = [0; 4096];
        loop {
            match net.read(socket, &mut buffer) {
                Ok(0) => return self.lose(net),
                Ok(n) => self.take(now, &buffer[..n]),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                Err(_) => return self.lose(net),
            }
        }
        self.take(now, &[]);
        if let Some(h2) = self.h2.as_mut().filter(|h2| h2.deadline() <= now) {
            h2.on_deadline(now);
            self.take(now, &[]);
        }
    }

    fn take(&mut self, now: Time, mut input: &[u8]) {
        let mut head = Head::new();
        while let Some(h2) = &mut self.h2 {
            let Some(event) = h2.receive(now, &mut input, &mut head) else { return };
            match event {
                Event::Head { tag, end, .. } => self.on_status(tag, &head, end),
                Event::Trailers { tag, .. } => self.on_status(tag, &head, End::Stream),
                Event::Data { tag, data, end, .. } => self.on_data(tag, data, end, now),
                Event::Reset { tag, code, .. } => self.on_reset(tag, code),
                Event::Closed { error } => {
                    self.wrong.push(format!("the gateway breaks the protocol: {error}"));
                    for call in self.running.iter().map(|r| r.call).collect::<Vec<_>>() {
                        self.end(call, Fate::Lost);
                    }
                }
                Event::GoAway { code, .. } if code != ErrorCode::NO_ERROR && !self.hostile => {
                    self.wrong.push(format!("the gateway goes away for {code}"));
                }
                _ => {}
            }
        }
    }

    fn on_status(&mut self, tag: u64, head: &Head, end: End) {
        let Some(running) = self.running.iter_mut().find(|r| r.call as u64 == tag) else { return };
        let status = head
            .get(Name::GrpcStatus)
            .and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
        running.status = status.or(running.status);
        if let Some(message) = head.get(Name::GrpcMessage) {
            self.calls[running.call].message = String::from_utf8_lossy(message).into_owned();
        }
        if end == End::Stream {
            let fate = running.status.map_or(Fate::Lost, Fate::Status);
            let call = running.call;
            self.end(call, fate);
        }
    }

    fn on_data(&mut self, tag: u64, data: &[u8], end: End, now: Time) {
        let Some(running) = self.running.iter_mut().find(|r| r.call as u64 == tag) else { return };
        let call = &mut self.calls[running.call];
        if let Some(at) = first_wrong(call.id, Way::Down, call.down, call.received, data) {
            self.wrong.push(format!("call {}: reply byte {at} is wrong", call.id));
        }
        call.received += data.len() as u64;
        running.ungranted += data.len();
        running.grant_at = if self.slow { now + self.rng.millis(1, 40) } else { now };
        if end == End::Stream {
            self.wrong.push(format!("call {}: ends without trailers", call.id));
            let call = running.call;
            self.end(call, Fate::Lost);
        }
    }

    fn on_reset(&mut self, tag: u64, code: ErrorCode) {
        if self.running.iter().any(|running| running.call as u64 == tag) {
            self.end(tag as usize, Fate::Reset(code));
        }
    }

    fn end(&mut self, call: usize, fate: Fate) {
        self.running.retain(|running| running.call != call);
        if self.calls[call].fate.replace(fate).is_some() {
            self.wrong.push(format!("call {}: ends twice", self.calls[call].id));
        }
    }

    fn lose(&mut self, net: &Net) {
        if let Some(socket) = self.socket.take() {
            net.close(socket);
        }
        self.h2 = None;
        for call in self.running.iter().map(|running| running.call).collect::<Vec<_>>() {
            self.end(call, Fate::Lost);
        }
    }

    fn flush(&mut self, net: &Net, _: Time) {
        let (Some(h2), Some(socket)) = (&mut self.h2, self.socket) else { return };
        loop {
            let output = h2.output();
            if output.is_empty() {
                h2.pump();
                if h2.output().is_empty() {
                    if self.hostile && !self.running.is_empty() && self.rng.one_in(300) {
                        // SETTINGS on a stream: the connection ends, with all its calls.
                        let _ = net.write(socket, &[0, 0, 0, 4, 0, 0, 0, 0, 1]);
                    }
                    return;
                }
                continue;
            }
            match net.write(socket, output.front()) {
                Ok(n) => output.consume(n),
                Err(_) => return,
            }
        }
    }
}

pub(super) fn head_of(call: &Call) -> Head {
    let mut head = Head::new();
    head.push(Name::Method, b"POST", Indexing::MayRepeat);
    head.push(Name::Scheme, b"http", Indexing::MayRepeat);
    head.push(Name::Path, b"/sim.World/Call", Indexing::MayRepeat);
    head.push(Name::Authority, b"gateway", Indexing::MayRepeat);
    head.push(Name::ContentType, b"application/grpc", Indexing::MayRepeat);
    head.push(Name::Te, b"trailers", Indexing::MayRepeat);
    if call.mode != Mode::NoJob {
        head.push_text(b"jobid", call.job.as_bytes(), Indexing::MayRepeat);
    }
    if call.mode == Mode::Silent {
        head.push(Name::GrpcTimeout, b"200m", Indexing::Unique);
    }
    let mode = MODES.iter().position(|mode| *mode == call.mode).unwrap_or_default();
    for (name, number) in
        [("x-call", call.id), ("x-mode", mode as u64), ("x-up", call.up), ("x-down", call.down)]
    {
        head.push_text(name.as_bytes(), number.to_string().as_bytes(), Indexing::Unique);
    }
    head
}
