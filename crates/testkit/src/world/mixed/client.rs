//! A caller of a mixed world: one connection at a time, in either version of HTTP, every byte checked.
//!
//! Over HTTP/1.1 requests are pipelined. One that the gateway did not answer before it closed the connection in
//! good order is sent again, whatever its method: it must not have been looked at, and the nodes count.

use std::collections::VecDeque;
use std::net::SocketAddr;

use narrows_wire::Time;
use narrows_wire::codec::Role;

use super::super::net::Net;
use super::super::rng::Rng;
use super::super::{Actor, Plan};
use super::call::{Call, Fate, Mode};
use super::line::{Break, Fields, Framing, Heard, Line, Pipe, Version, find, line};
use super::talk::Talk;

/// Bytes given at a time.
const PART_BYTES: usize = 20_000;
/// No more is given while so many bytes wait.
const WAITING_BYTES_MAX: usize = 60_000;
const RUNNING_MAX: usize = 8;
/// A gateway that answers early may close the connection instead of reading more than this.
const DRAINED_BYTES: usize = 50_000;

/// A caller.
#[derive(Debug)]
pub(super) struct Client {
    rng: Rng,
    net: Net,
    gateway: SocketAddr,
    own: SocketAddr,
    version: Version,
    plan: Plan,
    line: Option<Box<dyn Line>>,
    calls: Vec<Call>,
    queue: VecDeque<usize>,
    running: Vec<Running>,
    start_at: Time,
    /// Whether the next call waits for something else than its time.
    is_blocked: bool,
    /// Whether the connection may be closed at any time, because of a request that was answered early.
    is_doubtful: bool,
    wrong: Vec<String>,
}

/// A call on its way.
#[derive(Debug)]
struct Running {
    call: usize,
    stream: u64,
    body: Vec<u8>,
    sent: usize,
    /// What the reply has to be.
    expected: Vec<u8>,
    progress: Progress,
    /// The head of the reply, once it has come.
    head: Fields,
    /// Whether the reply has ended.
    is_answered: bool,
    /// Breaks off after so many bytes.
    leaves_after: Option<usize>,
}

/// How far a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// Its body waits to be asked for.
    Holds,
    Sends,
    Ended,
}

// === impl Client ===

impl Client {
    pub(super) fn new(
        (mut rng, net): (Rng, Net),
        (gateway, own): (SocketAddr, SocketAddr),
        version: Version,
        plan: Plan,
        first: u64,
    ) -> Self {
        let calls: Vec<_> =
            (0..plan.mixed as u64).map(|at| Call::new(&mut rng, first + at)).collect();
        let queue = (0..calls.len()).collect();
        let (line, running, wrong) = (None, vec![], vec![]);
        Self {
            rng,
            net,
            gateway,
            own,
            version,
            plan,
            line,
            calls,
            queue,
            running,
            start_at: Time::ZERO,
            is_blocked: false,
            is_doubtful: false,
            wrong,
        }
    }

    fn connect(&mut self, now: Time) {
        if self.line.is_none() && !self.queue.is_empty() && now >= self.start_at {
            let socket = self.net.connect_actor(self.gateway, self.own);
            let pipe = Pipe::new(self.net.clone(), Rng::new(self.rng.next()), socket);
            self.line = Some(line(self.version, Role::Client, pipe, now));
            self.is_doubtful = false;
        }
    }

    /// Gives up a connection that is of no use any more.
    fn retire(&mut self) {
        let is_idle = self.is_idle();
        let Some(line) = &mut self.line else { return };
        if line.is_over() || line.is_closing() && is_idle {
            line.close();
            self.line = None;
            for lost in std::mem::take(&mut self.running) {
                if !lost.is_answered {
                    self.end(lost.call, Fate::Lost);
                }
            }
        }
    }

    /// Whether nothing is waited for.
    fn is_idle(&self) -> bool {
        self.running.iter().all(|running| running.is_answered)
    }

    /// Whether nothing else may be on the connection meanwhile.
    fn is_alone(&self, call: usize) -> bool {
        let call = &self.calls[call];
        let takes_all = call.script.talk == Talk::WebSocket || call.mode == Mode::Leaves;
        self.version == Version::Http1 && takes_all
    }

    fn begin(&mut self, now: Time) {
        while now >= self.start_at && self.running.len() < RUNNING_MAX {
            let (Some(&next), Some(_)) = (self.queue.front(), &self.line) else { return };
            let is_blocked = self.running.iter().any(|running| self.is_alone(running.call))
                || self.is_alone(next) && !self.running.is_empty();
            let Some(line) = self.line.as_mut().filter(|_| !is_blocked) else { return };
            let call = &self.calls[next];
            let Some(stream) = line.open(&call.head(), call.framing, now) else { return };
            let body = match call.framing {
                Framing::Nothing if call.script.talk != Talk::WebSocket => vec![],
                _ => call.script.said(),
            };
            let (expected, leaves) = (call.script.answered(), call.mode == Mode::Leaves);
            let leaves_after = leaves.then(|| self.rng.below(body.len() + 1));
            let holds = call.expects || call.script.talk == Talk::WebSocket;
            let progress = if holds { Progress::Holds } else { Progress::Sends };
            let (sent, head, is_answered) = (0, vec![], false);
            let call = next;
            self.running.push(Running {
                call,
                stream,
                body,
                sent,
                expected,
                progress,
                head,
                is_answered,
                leaves_after,
            });
            self.queue.pop_front();
            self.start_at = now + self.rng.millis(0, 4);
        }
    }

    /// Sends parts of requests, breaks off.
    fn give(&mut self) {
        let Some(line) = &mut self.line else { return };
        let mut left = vec![];
        for running in self.running.iter_mut().filter(|r| r.progress != Progress::Ended) {
            if running.leaves_after.is_some_and(|after| running.sent >= after) {
                line.reset(running.stream, Break::Cut);
                left.push(running.call);
                continue;
            }
            if running.progress == Progress::Holds || line.waiting_bytes() > WAITING_BYTES_MAX {
                continue;
            }
            let rest = &running.body[running.sent..];
            let len = rest.len().min(1 + self.rng.below(PART_BYTES));
            line.data(running.stream, &rest[..len]);
            running.sent += len;
            if running.sent == running.body.len() {
                let call = &self.calls[running.call];
                line.end(running.stream, &trailers_of(call));
                running.progress = Progress::Ended;
            }
        }
        self.running.retain(|running| !left.contains(&running.call));
        left.into_iter().for_each(|call| self.end(call, Fate::Left));
        self.running.retain(|running| !is_over(running));
    }

    fn receive(&mut self, now: Time) {
        let Some(line) = &mut self.line else { return };
        let heard = line.read(now);
        // Of requests that had no reply, the first may have been looked at, unless that was ruled out before.
        let mut is_blamed = line.is_closing();
        for heard in heard {
            match heard {
                Heard::Continue { stream } => self.release(stream),
                Heard::Head { stream, head } => {
                    if find(&head, ":status") == Some("200") {
                        self.release_tunnel(stream);
                    }
                    self.with(stream, |running| running.head = head);
                }
                Heard::Data { stream, bytes } => self.on_data(stream, &bytes),
                Heard::End { stream, trailers } => self.on_end(stream, &trailers),
                Heard::Broken { stream } => {
                    is_blamed = true;
                    self.give_up(stream, Fate::Broken);
                }
                Heard::Unanswered { stream }
                    if (is_blamed || self.is_doubtful || self.plan.tight) && !self.plan.cuts =>
                {
                    self.again(stream);
                }
                Heard::Unanswered { stream } => {
                    is_blamed = true;
                    self.give_up(stream, Fate::Lost);
                }
                Heard::Wrong(what) => self.wrong.push(what),
            }
        }
    }

    fn with(&mut self, stream: u64, act: impl FnOnce(&mut Running)) {
        if let Some(running) = self.running.iter_mut().find(|r| r.stream == stream) {
            act(running);
        }
    }

    fn release(&mut self, stream: u64) {
        self.with(stream, |running| {
            if running.progress == Progress::Holds {
                running.progress = Progress::Sends;
            }
        });
    }

    fn release_tunnel(&mut self, stream: u64) {
        let found = self.running.iter().find(|running| running.stream == stream);
        if found.is_some_and(|r| self.calls[r.call].script.talk == Talk::WebSocket) {
            self.release(stream);
        }
    }

    fn on_data(&mut self, stream: u64, bytes: &[u8]) {
        let Some(running) = self.running.iter().find(|r| r.stream == stream) else { return };
        let call = &mut self.calls[running.call];
        let is_as_said = matches!(call.script.talk, Talk::Plain | Talk::WebSocket);
        let rest = running.expected.get(call.reply.len()..);
        let is_wrong = !rest.is_some_and(|rest| rest.starts_with(bytes));
        if is_as_said && is_wrong && find(&running.head, ":status") == Some("200") {
            let (id, at) = (call.script.id, call.reply.len());
            self.wrong.push(format!("call {id}: the reply is wrong behind byte {at}"));
        }
        call.reply.extend_from_slice(bytes);
    }

    fn on_end(&mut self, stream: u64, trailers: &Fields) {
        let Some(at) = self.running.iter().position(|r| r.stream == stream) else { return };
        let running = &mut self.running[at];
        running.is_answered = true;
        // Perhaps it was answered early, and nobody wants to read all of this.
        self.is_doubtful |= running.body.len() > DRAINED_BYTES;
        let call = &mut self.calls[running.call];
        if call.fate.is_some() {
            self.wrong.push(format!("call {}: ends twice", call.script.id));
        }
        if let Err(what) = call.end(&running.head, trailers) {
            self.wrong.push(format!("call {}: {what}", call.script.id));
        }
        if is_over(running) || self.version == Version::Http2 && !is_tunnel(running, call) {
            self.running.remove(at);
            return;
        }
        // RFC 9112 §9.3: the rest of an early answered request is sent, or the connection is closed.
        let is_useless = running.progress == Progress::Holds || self.rng.one_in(2);
        if !is_tunnel(running, call) && is_useless {
            self.running.remove(at);
            self.line.iter_mut().for_each(|line| line.close());
        }
        self.is_doubtful = true;
    }

    fn give_up(&mut self, stream: u64, fate: Fate) {
        let Some(at) = self.running.iter().position(|r| r.stream == stream) else { return };
        let gone = self.running.remove(at);
        if !gone.is_answered {
            self.end(gone.call, fate);
        }
    }

    /// Puts a call that was not looked at back where it was.
    fn again(&mut self, stream: u64) {
        let Some(at) = self.running.iter().position(|r| r.stream == stream) else { return };
        let call = self.running.remove(at).call;
        let place = self.queue.iter().position(|waiting| *waiting > call);
        self.queue.insert(place.unwrap_or(self.queue.len()), call);
    }

    fn end(&mut self, call: usize, fate: Fate) {
        if self.calls[call].fate.replace(fate).is_some() {
            self.wrong.push(format!("call {}: ends twice", self.calls[call].script.id));
        }
    }
}

impl Actor for Client {
    fn step(&mut self, _: &Net, now: Time) {
        self.retire();
        self.connect(now);
        self.begin(now);
        self.receive(now);
        self.give();
        if let Some(line) = &mut self.line {
            line.write();
        }
        let (is_idle, line) = (self.is_idle(), self.line.as_ref());
        let is_usable = line.is_some_and(|l| !(l.is_over() || l.is_closing() && is_idle));
        self.is_blocked = now >= self.start_at && is_usable;
    }

    fn next_due(&self) -> Time {
        let is_waiting = self.queue.is_empty() || self.is_blocked;
        let next = if is_waiting { Time::NEVER } else { self.start_at };
        next.min(self.line.as_ref().map_or(Time::NEVER, |line| line.next_due()))
    }

    fn is_done(&self) -> bool {
        self.queue.is_empty() && self.running.iter().all(|running| running.is_answered)
    }

    fn unfinished(&self) -> Vec<String> {
        let calls = self.running.iter().map(|running| {
            let call = &self.calls[running.call];
            format!("{call:?} sent {} {:?} over {:?}", running.sent, running.progress, self.line)
        });
        calls.collect()
    }

    fn leave(&mut self) {
        if let Some(mut line) = self.line.take() {
            line.close();
        }
        self.queue.clear();
    }

    fn faults(&mut self) -> Vec<String> {
        let mut faults = std::mem::take(&mut self.wrong);
        for call in &self.calls {
            if let Err(what) = call.verdict(self.plan) {
                let of = format!("{:?} to {:?}", self.version, call.node);
                let seen = format!("{:?} grpc {:?}", call.fate, call.grpc);
                let planned = format!("{:?} {:?} {}", call.script, call.mode, call.method);
                let framed = format!("{:?}, expects: {}", call.framing, call.expects);
                faults.push(format!("{of}: {what}: {seen}: {planned} {framed}"));
            }
        }
        faults
    }
}

/// Whether nothing more is to be done for it.
fn is_over(running: &Running) -> bool {
    running.is_answered && running.progress == Progress::Ended
}

fn is_tunnel(running: &Running, call: &Call) -> bool {
    call.script.talk == Talk::WebSocket && find(&running.head, ":status") == Some("200")
}

fn trailers_of(call: &Call) -> Fields {
    let has_some = call.script.talk == Talk::Plain && call.script.id.is_multiple_of(2);
    let sum = has_some.then(|| ("x-sum".to_owned(), call.script.up.to_string()));
    sum.into_iter().collect()
}
