//! One call of a mixed world: what was planned, what came of it, and whether that is right.

use super::super::{Plan, rng::Rng};
use super::base64;
use super::line::{Fields, Framing, Version, find};
use super::talk::{Script, TALKS, Talk};

/// Large bodies, so that windows and buffers run out.
const BODY_BYTES_MAX: usize = 100_000;
/// What is kept for a call that is sent again.
const SHORT_BYTES: usize = 500;

/// What a call is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// The node reads everything and answers.
    Echo,
    /// As `Echo`, and the node's connection ends with it.
    Last,
    /// The node answers before it has read everything.
    Early,
    /// The node says no.
    Fails,
    /// The node leaves the first attempt unread.
    Refused,
    /// The node breaks off in the middle of its reply.
    Midway,
    /// The node never answers; the route does not wait for ever.
    Silent,
    /// The caller breaks off.
    Leaves,
    /// HEAD: a reply that tells the length of a body and has none.
    Head,
    /// A reply that can have no body.
    NoContent,
    /// A request that no route takes as it is.
    Stray,
    /// No node accepts connections.
    Dead,
    /// No node answers to connections.
    Hole,
}

/// In the order of `x-mode`.
pub(super) const MODES: [Mode; 13] = [
    Mode::Echo,
    Mode::Last,
    Mode::Early,
    Mode::Fails,
    Mode::Refused,
    Mode::Midway,
    Mode::Silent,
    Mode::Leaves,
    Mode::Head,
    Mode::NoContent,
    Mode::Stray,
    Mode::Dead,
    Mode::Hole,
];

/// How a call ended for its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// With a complete reply.
    Status(u16),
    /// In the middle of the reply.
    Broken,
    /// With its connection, before any reply.
    Lost,
    /// By its caller.
    Left,
}

/// A call.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) script: Script,
    pub(super) mode: Mode,
    /// What the node speaks.
    pub(super) node: Version,
    pub(super) method: &'static str,
    pub(super) framing: Framing,
    /// Whether the caller waits to be asked for the body.
    pub(super) expects: bool,
    pub(super) reply: Vec<u8>,
    /// What the call ended with, of gRPC.
    pub(super) grpc: Option<u8>,
    pub(super) fate: Option<Fate>,
}

// === impl Call ===

impl Call {
    /// A call by chance.
    pub(super) fn new(rng: &mut Rng, id: u64) -> Self {
        let talk = if rng.one_in(2) { TALKS[rng.below(TALKS.len())] } else { Talk::Plain };
        let mode = if rng.one_in(2) { MODES[rng.below(MODES.len())] } else { Mode::Echo };
        let mode = if fits(talk, mode) { mode } else { Mode::Echo };
        let is_over_http1 = rng.one_in(2) && !talk.becomes_grpc();
        let node = if is_over_http1 { Version::Http1 } else { Version::Http2 };
        let method = method(rng, talk, mode);
        let has_body = !matches!(method, "GET" | "HEAD" | "CONNECT");
        let mut size = || match rng.one_in(4) {
            true => rng.below(BODY_BYTES_MAX),
            false => rng.below(SHORT_BYTES),
        };
        let (mut up, mut down) = (size(), size());
        if mode == Mode::Midway {
            // There is a middle.
            down += 10;
        }
        if mode == Mode::Refused {
            up = up.min(SHORT_BYTES);
        }
        if !has_body && talk != Talk::WebSocket {
            up = 0;
        }
        let script = Script { id, talk, up, down };
        let framing = match (has_body, rng.one_in(2)) {
            (false, _) => Framing::Nothing,
            (true, true) => Framing::Length(script.said().len()),
            (true, false) => Framing::Chunked,
        };
        let expects = has_body && rng.one_in(4);
        let (reply, grpc, fate) = (vec![], None, None);
        Self { script, mode, node, method, framing, expects, reply, grpc, fate }
    }

    pub(super) fn head(&self) -> Fields {
        let Script { id, talk, up, down } = self.script;
        let path = match (self.mode, talk, self.node) {
            (Mode::Stray, ..) => "/stray",
            (Mode::Dead, ..) => "/dead",
            (Mode::Hole, ..) => "/hole",
            _ if talk.becomes_grpc() => "/sim.Mixed/Call",
            (_, _, Version::Http1) => "/http1",
            (_, _, Version::Http2) => "/http2",
        };
        let mut head = vec![(":method".to_owned(), self.method.to_owned())];
        let mut push = |name: &str, value: &str| head.push((name.to_owned(), value.to_owned()));
        if talk == Talk::WebSocket {
            push(":protocol", "websocket");
        }
        push(":scheme", "http");
        push(":path", path);
        push(":authority", "gateway");
        if self.framing != Framing::Nothing {
            push("content-type", talk.content_type());
        }
        if self.expects {
            push("expect", "100-continue");
        }
        let mode = MODES.iter().position(|mode| *mode == self.mode).unwrap_or_default();
        let talk = TALKS.iter().position(|known| *known == talk).unwrap_or_default();
        let numbers = [("x-call", id), ("x-mode", mode as u64), ("x-talk", talk as u64)];
        for (name, number) in
            numbers.into_iter().chain([("x-up", up as u64), ("x-down", down as u64)])
        {
            push(name, &number.to_string());
        }
        head
    }

    /// Whether a node may see it but once.
    pub(super) fn is_unrepeatable(method: &str) -> bool {
        matches!(method, "POST" | "CONNECT")
    }

    /// A reply has come as a whole.
    pub(super) fn end(&mut self, head: &Fields, trailers: &Fields) -> Result<(), String> {
        let status = find(head, ":status").and_then(|s| s.parse().ok()).unwrap_or_default();
        self.fate = Some(Fate::Status(status));
        let number = |fields| find(fields, "grpc-status").and_then(|text| text.parse().ok());
        self.grpc = number(trailers).or(number(head));
        if self.script.talk == Talk::GrpcWebText {
            self.reply = base64::decode(&self.reply).ok_or("a reply that is no base64")?;
        }
        if matches!(self.script.talk, Talk::GrpcWeb | Talk::GrpcWebText) {
            self.split_trailers();
        }
        Ok(())
    }

    /// Takes the last frame of a reply in gRPC-Web off, which has the trailers.
    fn split_trailers(&mut self) {
        let mut at = 0;
        while let Some([kind, length @ ..]) =
            self.reply.get(at..).and_then(<[u8]>::first_chunk::<5>)
        {
            if *kind == 0x80 {
                let text = String::from_utf8_lossy(&self.reply[at + 5..]).into_owned();
                let mut lines = text.lines().filter_map(|line| line.strip_prefix("grpc-status:"));
                self.grpc = lines.next_back().and_then(|value| value.trim().parse().ok());
                return self.reply.truncate(at);
            }
            at += 5 + u32::from_be_bytes(*length) as usize;
        }
    }

    /// Whether it ended as it should have. Where connections are cut, or nodes close theirs at any time, it may
    /// have ended badly, but never wrongly.
    pub(super) fn verdict(&self, plan: Plan) -> Result<(), String> {
        let Some(fate) = self.fate else { return Err("has no end".into()) };
        let whole = self.reply == self.script.answered();
        let ok = fate == Fate::Status(200);
        let is_grpc_web = matches!(self.script.talk, Talk::GrpcWeb | Talk::GrpcWebText);
        let is_good = if is_grpc_web { ok && self.grpc == Some(0) } else { ok };
        let has_body = self.method != "HEAD";
        if is_good && has_body && !whole {
            return Err(format!("is OK with {} bytes", self.reply.len()));
        }
        let fits = self.fits(fate, is_good, is_grpc_web);
        let turned_away = plan.tight && matches!(fate, Fate::Status(429 | 503));
        let turned_away = turned_away || plan.tight && matches!(self.grpc, Some(8 | 14));
        let unlucky = plan.hasty && fate == Fate::Status(502);
        let excused = turned_away || unlucky || plan.cuts && !is_good;
        if fits || excused { Ok(()) } else { Err("ended wrongly".into()) }
    }

    fn fits(&self, fate: Fate, is_good: bool, is_grpc_web: bool) -> bool {
        let told = |http: u16, grpc: u8| match is_grpc_web {
            true => fate == Fate::Status(200) && self.grpc == Some(grpc),
            false => fate == Fate::Status(http),
        };
        match self.mode {
            Mode::Echo | Mode::Last | Mode::Early => is_good,
            Mode::Refused if self.node == Version::Http1 => is_good || told(502, 14),
            // It may have been refused before, by a node that goes away.
            Mode::Refused => is_good || told(503, 14),
            Mode::Head => is_good && self.reply.is_empty(),
            Mode::NoContent => fate == Fate::Status(204) && self.reply.is_empty(),
            Mode::Fails if self.script.talk == Talk::Json => fate == Fate::Status(400),
            Mode::Fails => told(418, 9),
            Mode::Midway => {
                let is_cut = matches!(fate, Fate::Broken | Fate::Lost);
                is_cut || told(502, 13) || told(500, 13) || told(502, 14)
            }
            Mode::Silent => told(504, 4),
            Mode::Leaves => is_good || fate == Fate::Left,
            Mode::Stray => fate == Fate::Status(400),
            Mode::Dead | Mode::Hole => fate == Fate::Status(502),
        }
    }
}

/// Whether a conversation can go this way.
fn fits(talk: Talk, mode: Mode) -> bool {
    use Mode::{Dead, Early, Head, Hole, Last, NoContent, Refused, Silent, Stray};
    match talk {
        Talk::Plain => true,
        Talk::WebSocket => !matches!(
            mode,
            Last | Early | Refused | Silent | Head | NoContent | Stray | Dead | Hole
        ),
        _ => !matches!(mode, Early | Head | NoContent | Stray | Dead | Hole),
    }
}

fn method(rng: &mut Rng, talk: Talk, mode: Mode) -> &'static str {
    match (talk, mode) {
        (Talk::WebSocket, _) => "CONNECT",
        (Talk::Plain, Mode::Head) => "HEAD",
        (Talk::Plain, Mode::Early) => "POST",
        (Talk::Plain, _) => ["GET", "POST", "PUT"][rng.below(3)],
        _ => "POST",
    }
}
