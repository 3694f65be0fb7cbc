//! A node of a mixed world: takes requests in one version of HTTP and behaves as each of them asks.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::rc::Rc;

use narrows_wire::Time;
use narrows_wire::codec::Role;

use super::super::net::Net;
use super::super::rng::Rng;
use super::super::{Actor, Plan};
use super::call::{Call, MODES, Mode};
use super::line::{Break, Fields, Framing, Heard, Line, Pipe, Version, find, line};
use super::talk::{Script, TALKS, Talk};

const PART_BYTES: usize = 30_000;
const WAITING_BYTES_MAX: usize = 60_000;

/// What all nodes of a world have seen.
pub(super) type Ledger = Rc<RefCell<Seen>>;

/// Calls that came to nodes.
#[derive(Debug, Default)]
pub(super) struct Seen {
    times: BTreeMap<u64, u32>,
    refused: BTreeSet<u64>,
}

/// A node.
#[derive(Debug)]
pub(super) struct Node {
    rng: Rng,
    address: SocketAddr,
    version: Version,
    plan: Plan,
    ledger: Ledger,
    connections: Vec<Connection>,
    wrong: Vec<String>,
}

#[derive(Debug)]
struct Connection {
    line: Box<dyn Line>,
    served: Vec<Served>,
    /// When one that rests is closed.
    close_at: Time,
    /// It is closed once all is written, whatever else is to come.
    is_leaving: bool,
}

/// A call on its way.
#[derive(Debug)]
struct Served {
    stream: u64,
    script: Script,
    mode: Mode,
    method: String,
    /// The request's body, and how much of it has come.
    expected: Vec<u8>,
    got: usize,
    request_ended: bool,
    /// The reply's body, and how much of it was given; nothing before it begins.
    reply: Vec<u8>,
    given: Option<usize>,
    answer_at: Time,
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Now {
    GoesOn,
    IsOver,
}

// === impl Node ===

impl Node {
    pub(super) fn new(
        rng: Rng,
        address: SocketAddr,
        version: Version,
        plan: Plan,
        ledger: Ledger,
    ) -> Self {
        Self { rng, address, version, plan, ledger, connections: vec![], wrong: vec![] }
    }

    fn accept(&mut self, net: &Net, now: Time) {
        while let Some(socket) = net.accept_actor(self.address) {
            let pipe = Pipe::new(net.clone(), Rng::new(self.rng.next()), socket);
            let line = line(self.version, Role::Server, pipe, now);
            let (served, close_at) = (vec![], Time::NEVER);
            self.connections.push(Connection { line, served, close_at, is_leaving: false });
        }
    }

    fn receive(&mut self, at: usize, now: Time) {
        for heard in self.connections[at].line.read(now) {
            match heard {
                Heard::Head { stream, head } => self.on_request(at, stream, &head, now),
                Heard::Data { stream, bytes } => self.on_data(at, stream, &bytes),
                Heard::End { stream, trailers } => self.on_end(at, stream, &trailers),
                Heard::Broken { stream } => {
                    self.connections[at].served.retain(|served| served.stream != stream);
                }
                Heard::Continue { .. } | Heard::Unanswered { .. } => {}
                Heard::Wrong(what) => self.wrong.push(format!("at a node: {what}")),
            }
        }
    }

    fn on_request(&mut self, at: usize, stream: u64, head: &Fields, now: Time) {
        let number = |name| find(head, name).and_then(|text| text.parse::<u64>().ok());
        let id = number("x-call").unwrap_or_default();
        let mode = MODES.get(number("x-mode").unwrap_or_default() as usize).copied();
        let talk = TALKS.get(number("x-talk").unwrap_or_default() as usize).copied();
        let size = |name| number(name).unwrap_or_default() as usize;
        let (up, down) = (size("x-up"), size("x-down"));
        let (mode, talk) = (mode.unwrap_or(Mode::Echo), talk.unwrap_or(Talk::Plain));
        let script = Script { id, talk, up, down };
        let method = find(head, ":method").unwrap_or_default().to_owned();
        let line = &mut self.connections[at].line;
        if mode == Mode::Refused && self.ledger.borrow_mut().refused.insert(id) {
            return line.reset(stream, Break::Refuse);
        }
        if find(head, "expect").is_some() {
            line.ask(stream);
        }
        self.count(id, &method);
        let has_body = !matches!(method.as_str(), "GET" | "HEAD");
        let expected = if has_body { script.heard() } else { vec![] };
        let answer_at = now + self.rng.millis(0, 10);
        self.connections[at].served.push(Served {
            stream,
            script,
            mode,
            method,
            expected,
            got: 0,
            request_ended: false,
            reply: vec![],
            given: None,
            answer_at,
        });
    }

    /// A request that must not be repeated comes once.
    fn count(&mut self, id: u64, method: &str) {
        let times = {
            let mut ledger = self.ledger.borrow_mut();
            let times = ledger.times.entry(id).or_default();
            *times += 1;
            *times
        };
        if times > 2 || times > 1 && Call::is_unrepeatable(method) {
            self.wrong.push(format!("call {id} ({method}) comes to nodes {times} times"));
        }
    }

    fn on_data(&mut self, at: usize, stream: u64, bytes: &[u8]) {
        let served = &mut self.connections[at].served;
        let Some(served) = served.iter_mut().find(|served| served.stream == stream) else { return };
        let rest = served.expected.get(served.got..);
        if !rest.is_some_and(|rest| rest.starts_with(bytes)) {
            let (id, got) = (served.script.id, served.got);
            self.wrong.push(format!("call {id}: the request is wrong behind byte {got}"));
        }
        served.got += bytes.len();
    }

    fn on_end(&mut self, at: usize, stream: u64, trailers: &Fields) {
        let served = &mut self.connections[at].served;
        let Some(served) = served.iter_mut().find(|served| served.stream == stream) else { return };
        served.request_ended = true;
        let id = served.script.id;
        let is_refused_tunnel = served.script.talk == Talk::WebSocket && served.mode == Mode::Fails;
        if served.got != served.expected.len() && !is_refused_tunnel {
            self.wrong.push(format!("call {id}: a request of {} bytes", served.got));
        }
        if find(trailers, "x-sum").is_some_and(|sum| sum != served.script.up.to_string()) {
            self.wrong.push(format!("call {id}: trailers of another: {trailers:?}"));
        }
    }

    fn answer(&mut self, at: usize, now: Time) {
        let rng = &mut self.rng;
        let Connection { line, served, close_at, is_leaving } = &mut self.connections[at];
        let is_http1 = self.version == Version::Http1;
        served.retain_mut(|served| {
            let is_due = served.is_ready() && now >= served.answer_at;
            let goes_on = !is_due || served.answer(&mut **line, rng, now) == Now::GoesOn;
            let is_early = !goes_on && served.mode == Mode::Early;
            *is_leaving |= is_early && is_http1 && rng.one_in(2);
            goes_on
        });
        line.write();
        let rests = served.is_empty() && line.waiting_bytes() == 0;
        if rests && self.plan.hasty && is_http1 {
            *close_at = (*close_at).min(now + rng.millis(0, 40));
        } else {
            *close_at = Time::NEVER;
        }
        if *close_at <= now || *is_leaving && line.waiting_bytes() == 0 {
            line.close();
        }
    }
}

impl Actor for Node {
    fn step(&mut self, net: &Net, now: Time) {
        self.accept(net, now);
        for at in 0..self.connections.len() {
            self.receive(at, now);
            self.answer(at, now);
        }
        let over = self.connections.iter_mut().filter(|connection| connection.line.is_over());
        over.for_each(|connection| connection.line.close());
        self.connections.retain(|connection| !connection.line.is_over());
    }

    fn next_due(&self) -> Time {
        let mut next = Time::NEVER;
        for connection in &self.connections {
            next = next.min(connection.line.next_due()).min(connection.close_at);
            let ready = connection.served.iter().filter(|s| s.is_ready() && s.given.is_none());
            next = ready.map(|served| served.answer_at).fold(next, Time::min);
        }
        next
    }

    fn go_away(&mut self, now: Time) {
        self.connections.iter_mut().for_each(|connection| connection.line.go_away(now));
    }

    fn faults(&mut self) -> Vec<String> {
        std::mem::take(&mut self.wrong)
    }
}

// === impl Served ===

impl Served {
    /// Whether the node answers, as far as what has come is concerned.
    fn is_ready(&self) -> bool {
        let at_once = self.mode == Mode::Early || self.script.talk == Talk::WebSocket;
        self.mode != Mode::Silent && (self.request_ended || at_once)
    }

    /// Gives the next part of the reply.
    fn answer(&mut self, line: &mut dyn Line, rng: &mut Rng, now: Time) -> Now {
        if self.given.is_none() {
            self.begin(line, rng, now);
        }
        let given = self.given.unwrap_or_default();
        let rest = self.reply.get(given..).unwrap_or_default();
        if self.mode == Mode::Midway && given * 2 >= self.reply.len() {
            line.reset(self.stream, Break::Cut);
            return Now::IsOver;
        }
        if !rest.is_empty() && line.waiting_bytes() < WAITING_BYTES_MAX {
            let mut len = rest.len().min(1 + rng.below(PART_BYTES));
            if self.mode == Mode::Midway {
                len = len.min(rest.len() - 1);
            }
            line.data(self.stream, &rest[..len.max(1)]);
            self.given = Some(given + len.max(1));
        }
        // In a tunnel both directions come to their ends.
        let is_awaited = self.script.talk == Talk::WebSocket
            && !matches!(self.mode, Mode::Fails)
            && !self.request_ended;
        if self.given < Some(self.reply.len()) || is_awaited || self.mode == Mode::Midway {
            return Now::GoesOn;
        }
        line.end(self.stream, &self.trailers());
        Now::IsOver
    }

    fn begin(&mut self, line: &mut dyn Line, rng: &mut Rng, now: Time) {
        if self.mode == Mode::Last {
            line.go_away(now);
        }
        let is_grpc = self.script.talk.becomes_grpc();
        let (status, has_body) = match self.mode {
            Mode::Fails if is_grpc => ("200", false),
            Mode::Fails => ("418", false),
            Mode::NoContent => ("204", false),
            _ => ("200", true),
        };
        if has_body {
            self.reply = self.script.answer();
        }
        let mut head = vec![(":status".to_owned(), status.to_owned())];
        if is_grpc {
            head.push(("content-type".into(), "application/grpc".into()));
        }
        let framing = self.framing(rng);
        line.reply(self.stream, &head, framing);
        if self.method == "HEAD" {
            self.reply.clear();
        }
        self.given = Some(0);
    }

    fn framing(&self, rng: &mut Rng) -> Framing {
        match (self.mode, rng.below(4)) {
            (Mode::NoContent, _) => Framing::Nothing,
            // Broken off in good order it would look complete.
            (Mode::Echo, 0) => Framing::UntilEnd,
            (_, 1 | 2) if self.method != "HEAD" => Framing::Chunked,
            _ => Framing::Length(self.reply.len()),
        }
    }

    fn trailers(&self) -> Fields {
        let status = if self.mode == Mode::Fails { "9" } else { "0" };
        let is_grpc = self.script.talk.becomes_grpc();
        is_grpc.then(|| ("grpc-status".to_owned(), status.to_owned())).into_iter().collect()
    }
}
