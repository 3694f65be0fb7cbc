//! Connections of opaque bytes: a caller and a node that end their directions apart, or break off.
//!
//! The first bytes tell the node what the rest is about. An end has to arrive as an end, behind every byte, and a
//! break as a break: whoever takes one for the other believes half a message.

use std::net::SocketAddr;

use narrows_wire::Time;

use super::super::net::Net;
use super::super::rng::Rng;
use super::super::{Actor, Plan};
use super::line::{Pipe, Took};
use super::talk::{Script, Talk};

const PART_BYTES: usize = 20_000;
const BYTES_MAX: usize = 150_000;
const HEADER_BYTES: usize = 17;

/// What a connection is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// The node answers when the client has ended its direction.
    InTurn,
    /// Both speak at once.
    AtOnce,
    /// The node breaks off.
    NodeBreaks,
    /// The client breaks off.
    ClientBreaks,
}

const MODES: [Mode; 4] = [Mode::InTurn, Mode::AtOnce, Mode::NodeBreaks, Mode::ClientBreaks];

/// One end of a connection, and how far it is.
#[derive(Debug)]
struct End {
    pipe: Pipe,
    out: Vec<u8>,
    sent: usize,
    expected: Vec<u8>,
    got: usize,
    /// Breaks off when it has sent so much.
    breaks_after: Option<usize>,
    ended: bool,
    over: Option<Took>,
}

/// A caller: one connection after the other.
#[derive(Debug)]
pub(super) struct Client {
    rng: Rng,
    gateway: SocketAddr,
    own: SocketAddr,
    plan: Plan,
    /// Those that are left.
    calls: Vec<(Script, Mode)>,
    running: Option<End>,
    start_at: Time,
    wrong: Vec<String>,
}

/// A node.
#[derive(Debug)]
pub(super) struct Node {
    rng: Rng,
    address: SocketAddr,
    plan: Plan,
    connections: Vec<Served>,
    wrong: Vec<String>,
}

#[derive(Debug)]
struct Served {
    header: Vec<u8>,
    mode: Option<Mode>,
    end: End,
}

// === impl End ===

impl End {
    fn new(pipe: Pipe) -> Self {
        let (out, expected) = (vec![], vec![]);
        let (sent, got, breaks_after, ended, over) = (0, 0, None, false, None);
        Self { pipe, out, sent, expected, got, breaks_after, ended, over }
    }

    /// Takes bytes; says what is wrong with them.
    fn take(&mut self, bytes: &[u8]) -> Result<(), String> {
        let rest = self.expected.get(self.got..);
        let is_right = rest.is_some_and(|rest| rest.starts_with(bytes));
        self.got += bytes.len();
        if is_right { Ok(()) } else { Err(format!("wrong before byte {}", self.got)) }
    }

    /// Sends what finds room; behind the last byte ends its direction, or breaks off.
    fn give(&mut self, rng: &mut Rng) {
        while self.over != Some(Took::Broken) && !self.ended {
            if self.breaks_after.is_some_and(|after| self.sent >= after) {
                self.pipe.cut();
                self.over = Some(Took::Broken);
                return;
            }
            if self.sent == self.out.len() {
                self.pipe.end();
                self.ended = true;
                return;
            }
            let len = (self.out.len() - self.sent).min(1 + rng.below(PART_BYTES));
            match self.pipe.write(&self.out[self.sent..self.sent + len]) {
                Some(0) => return,
                Some(n) => self.sent += n,
                None => self.over = Some(Took::Broken),
            }
        }
    }
}

// === impl Client ===

impl Client {
    pub(super) fn new(
        mut rng: Rng,
        (gateway, own): (SocketAddr, SocketAddr),
        plan: Plan,
        first: u64,
    ) -> Self {
        let mut call = |at: u64| {
            let mode = MODES[rng.below(MODES.len())];
            let mut size = || if rng.one_in(3) { rng.below(BYTES_MAX) } else { rng.below(500) };
            let script =
                Script { id: first + at, talk: Talk::Plain, up: size(), down: 10 + size() };
            (script, mode)
        };
        let calls = (0..plan.mixed as u64).map(&mut call).collect();
        let (running, start_at, wrong) = (None, Time::ZERO, vec![]);
        Self { rng, gateway, own, plan, calls, running, start_at, wrong }
    }

    fn connect(&mut self, net: &Net, now: Time) {
        let Some((script, mode)) = self.calls.last() else { return };
        if self.running.is_some() || now < self.start_at {
            return;
        }
        let socket = net.connect_actor(self.gateway, self.own);
        let mut end = End::new(Pipe::new(net.clone(), Rng::new(self.rng.next()), socket));
        end.out = header(script, *mode);
        end.out.extend(script.said());
        end.expected = script.answered();
        if *mode == Mode::ClientBreaks {
            end.breaks_after = Some(HEADER_BYTES + self.rng.below(script.up + 1));
        }
        self.running = Some(end);
    }

    fn receive(&mut self, now: Time) {
        let (Some(end), Some((script, mode))) = (&mut self.running, self.calls.last()) else {
            return;
        };
        while end.over.is_none() {
            match end.pipe.read(now) {
                Took::Nothing => break,
                Took::Bytes(bytes) => {
                    if let Err(what) = end.take(&bytes) {
                        self.wrong.push(format!("call {}: {what}", script.id));
                    }
                }
                over => end.over = Some(over),
            }
        }
        let is_half_open = end.over == Some(Took::End) && !end.ended;
        let Some(over) = end.over.as_ref().filter(|_| !is_half_open) else { return };
        let is_whole = *over == Took::End && end.got == end.expected.len();
        let fits = match mode {
            Mode::InTurn | Mode::AtOnce => is_whole,
            Mode::NodeBreaks | Mode::ClientBreaks => *over == Took::Broken,
        };
        let is_excused = (self.plan.cuts || self.plan.tight) && *over == Took::Broken;
        if !fits && !is_excused {
            let seen = format!("{over:?} behind {} of {}", end.got, end.expected.len());
            self.wrong.push(format!("call {} ({mode:?}): {seen}", script.id));
        }
        end.pipe.close();
        self.running = None;
        self.calls.pop();
        self.start_at = now + self.rng.millis(0, 4);
    }
}

impl Actor for Client {
    fn step(&mut self, net: &Net, now: Time) {
        self.connect(net, now);
        if let Some(end) = &mut self.running {
            end.give(&mut self.rng);
        }
        self.receive(now);
    }

    fn next_due(&self) -> Time {
        match &self.running {
            Some(end) => end.pipe.next_due(),
            None if self.calls.is_empty() => Time::NEVER,
            None => self.start_at,
        }
    }

    fn is_done(&self) -> bool {
        self.calls.is_empty()
    }

    fn unfinished(&self) -> Vec<String> {
        self.running.iter().map(|end| format!("{:?} {end:?}", self.calls.last())).collect()
    }

    fn leave(&mut self) {
        self.calls.clear();
    }

    fn faults(&mut self) -> Vec<String> {
        std::mem::take(&mut self.wrong)
    }
}

// === impl Node ===

impl Node {
    pub(super) fn new(rng: Rng, address: SocketAddr, plan: Plan) -> Self {
        Self { rng, address, plan, connections: vec![], wrong: vec![] }
    }

    fn receive(&mut self, at: usize, now: Time) {
        let served = &mut self.connections[at];
        while served.end.over.is_none() {
            match served.end.pipe.read(now) {
                Took::Nothing => return,
                Took::Bytes(bytes) => {
                    if let Err(what) = served.take(&bytes, &mut self.rng) {
                        self.wrong.push(format!("at a node: {what} {:?}", served.mode));
                    }
                }
                over => served.end.over = Some(over),
            }
        }
    }

    fn judge(&mut self, served: &Served) {
        let end = &served.end;
        let is_whole = end.got == end.expected.len() && served.mode.is_some();
        let is_end = end.over == Some(Took::End);
        if is_end && !is_whole && !self.plan.cuts {
            let seen = format!("{} of {} bytes", end.got, end.expected.len());
            self.wrong.push(format!("at a node: an end behind {seen}: {:?}", served.mode));
        }
    }
}

impl Actor for Node {
    fn step(&mut self, net: &Net, now: Time) {
        while let Some(socket) = net.accept_actor(self.address) {
            let pipe = Pipe::new(net.clone(), Rng::new(self.rng.next()), socket);
            self.connections.push(Served { header: vec![], mode: None, end: End::new(pipe) });
        }
        for at in 0..self.connections.len() {
            self.receive(at, now);
            let served = &mut self.connections[at];
            if served.is_ready() {
                served.end.give(&mut self.rng);
            }
        }
        let (over, live) =
            std::mem::take(&mut self.connections).into_iter().partition(Served::is_over);
        self.connections = live;
        let over: Vec<Served> = over;
        for served in over {
            self.judge(&served);
            served.end.pipe.close();
        }
    }

    fn next_due(&self) -> Time {
        let due = self.connections.iter().map(|served| served.end.pipe.next_due());
        due.fold(Time::NEVER, Time::min)
    }

    fn faults(&mut self) -> Vec<String> {
        std::mem::take(&mut self.wrong)
    }
}

// === impl Served ===

impl Served {
    fn take(&mut self, bytes: &[u8], rng: &mut Rng) -> Result<(), String> {
        let header = bytes.len().min(HEADER_BYTES - self.header.len());
        self.header.extend_from_slice(&bytes[..header]);
        if let Some([mode, rest @ ..]) = self.header.first_chunk::<HEADER_BYTES>()
            && self.mode.is_none()
        {
            let [id, up, down] = numbers(rest);
            let script = Script { id, talk: Talk::Plain, up: up as usize, down: down as usize };
            let mode = MODES.get(usize::from(*mode)).copied().unwrap_or(Mode::InTurn);
            (self.end.expected, self.end.out) = (script.heard(), script.answer());
            self.mode = Some(mode);
            if mode == Mode::NodeBreaks {
                self.end.breaks_after = Some(rng.below(script.down));
            }
        }
        self.end.take(&bytes[header..])
    }

    /// Whether the node may speak.
    fn is_ready(&self) -> bool {
        match self.mode {
            None => false,
            Some(Mode::InTurn) => self.end.over.is_some(),
            Some(_) => true,
        }
    }

    fn is_over(&self) -> bool {
        match &self.end.over {
            None => false,
            Some(Took::End) => self.end.ended || self.mode.is_none(),
            Some(_) => true,
        }
    }
}

fn header(script: &Script, mode: Mode) -> Vec<u8> {
    let at = MODES.iter().position(|known| *known == mode).unwrap_or_default();
    let sizes = [script.up as u32, script.down as u32].map(u32::to_be_bytes).concat();
    [&[at as u8][..], &script.id.to_be_bytes(), &sizes].concat()
}

/// The number of a call, and the sizes of both its directions.
fn numbers(bytes: &[u8; HEADER_BYTES - 1]) -> [u64; 3] {
    let (id, sizes) = bytes.split_at(8);
    let number = |bytes: &[u8]| bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    [number(id), number(&sizes[..4]), number(&sizes[4..])]
}
