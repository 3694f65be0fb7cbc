//! A script: a peer that writes frames as bytes, and what our end makes of them.
//!
//! Every script runs against two connections of the same role: one gets what is sent in one piece, the other
//! byte by byte. Both must give the same events and the same frames, so every test covers the splits too.

use std::sync::Arc;
use std::time::Duration;

use narrows_wire::codec::{
    End, ErrorCode, Event, Party, Processed, Reason, Refusal, Role, StreamKey,
};
use narrows_wire::h2::{Config, Connection};
use narrows_wire::{Head, Indexing, Time};

use crate::frames::{
    self, Frame, PREFACE, REPLY, REQUEST, flag, headers, kind, ping, reset, settings, settings_ack,
};

/// What our end tells its owner, as far as scripts look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    Head { stream: StreamKey, fields: Fields, end: End },
    Refused { stream: StreamKey, refusal: Refusal, fields: Fields },
    Informational { fields: Fields },
    Data { data: Vec<u8>, end: End },
    Trailers { fields: Fields },
    Reset { code: ErrorCode, by: Party, processed: Processed },
    Sent { bytes: usize },
    Pong,
    PeerSettings,
    GoAway { code: ErrorCode, last_stream: u32 },
    Drained,
    Closed { code: ErrorCode, reason: Reason },
}

pub(crate) type Fields = Vec<(String, String)>;

/// A peer against our end of a connection.
pub(crate) struct Script {
    pub(crate) role: Role,
    whole: Endpoint,
    bytewise: Endpoint,
    now: Time,
}

/// Our end, and what it has done that nobody has looked at.
struct Endpoint {
    connection: Connection,
    head: Head,
    seen: Vec<Seen>,
    sent: Vec<u8>,
}

/// The stream that the scripts with a stream have.
pub(crate) const STREAM: u32 = 1;

pub(crate) fn head(fields: &[(&str, &str)]) -> Head {
    let mut head = Head::new();
    for (name, value) in fields {
        head.push_text(name.as_bytes(), value.as_bytes(), Indexing::MayRepeat);
    }
    head
}

pub(crate) fn owned(fields: &[(&str, &str)]) -> Fields {
    fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

// === impl Script: its beginning ===

impl Script {
    /// Our end has just begun; the peer has sent nothing.
    pub(crate) fn fresh(role: Role, config: &Config) -> Self {
        let now = Time::ZERO + Duration::from_secs(1);
        let endpoint = || Endpoint {
            connection: Connection::new(role, Arc::new(config.clone()), now),
            head: Head::new(),
            seen: Vec::new(),
            sent: Vec::new(),
        };
        Self { role, whole: endpoint(), bytewise: endpoint(), now }
    }

    /// Both ends have sent their prefaces and acknowledged each other's settings.
    pub(crate) fn with(role: Role, config: &Config) -> Self {
        let mut script = Self::fresh(role, config);
        if role == Role::Server {
            script.send(PREFACE);
        }
        script.send(settings(&[])).send(settings_ack());
        assert_eq!(script.events(), [Seen::PeerSettings]);
        script.take_sent();
        script
    }

    pub(crate) fn server() -> Self {
        Self::with(Role::Server, &Config::default())
    }

    pub(crate) fn client() -> Self {
        Self::with(Role::Client, &Config::default())
    }

    /// Our end as a server, and as a client.
    pub(crate) fn both() -> [Self; 2] {
        [Self::server(), Self::client()]
    }

    /// As [`Script::both`], with a stream: neither end has ended it, the peer has sent its head, and our
    /// server has not.
    pub(crate) fn both_open() -> [(Self, StreamKey); 2] {
        Self::both().map(|mut script| {
            let key = script.stream(STREAM, End::Open);
            (script, key)
        })
    }

    /// As [`Script::both_open`], but the peer has ended the stream: half-closed (remote).
    pub(crate) fn both_half_closed() -> [(Self, StreamKey); 2] {
        Self::both().map(|mut script| {
            let key = script.stream(STREAM, End::Stream);
            (script, key)
        })
    }

    /// As [`Script::both_half_closed`], and we have ended it too: closed.
    pub(crate) fn both_closed() -> [Self; 2] {
        Self::both_half_closed().map(|(mut script, key)| {
            script.finish(key);
            script
        })
    }

    /// A stream that the peer has reset.
    pub(crate) fn both_reset_by_peer() -> [Self; 2] {
        Self::both_open().map(|(mut script, key)| {
            script.send(reset(STREAM, ErrorCode::CANCEL));
            script.command(|connection| connection.release(key));
            script.forget();
            script
        })
    }

    /// A stream that we have reset.
    pub(crate) fn both_reset_by_us() -> [Self; 2] {
        Self::both_open().map(|(mut script, key)| {
            script.command(|connection| {
                connection.reset(key, ErrorCode::CANCEL);
                connection.release(key);
            });
            script.forget();
            script
        })
    }

    /// Begins the next stream, up to the peer's head, which ends it or does not.
    pub(crate) fn stream(&mut self, id: u32, end: End) -> StreamKey {
        let end_flag = if end == End::Stream { flag::END_STREAM } else { flag::NONE };
        if self.role == Role::Client {
            self.open(End::Open);
            self.send(headers(id, end_flag, REPLY));
        } else {
            self.send(headers(id, end_flag, REQUEST));
        }
        self.take_sent();
        match self.events().pop() {
            Some(Seen::Head { stream, end: seen, .. }) if seen == end => stream,
            other => panic!("a head was to come: {other:?}"),
        }
    }

    /// Our client opens a stream.
    pub(crate) fn open(&mut self, end: End) -> StreamKey {
        let now = self.now;
        let opened = self.command(|connection| connection.open(now, 0, &head(REQUEST), end));
        opened.expect("the peer takes a stream")
    }

    /// Ends our half of a stream, and our work for it.
    pub(crate) fn finish(&mut self, key: StreamKey) {
        let is_server = self.role == Role::Server;
        self.command(|connection| {
            if is_server {
                connection.send_head(key, &head(REPLY), End::Stream);
            } else {
                connection.send_data(key, b"", End::Stream);
            }
            connection.release(key);
        });
        self.forget();
    }
}

// === impl Script: its lines ===

impl Script {
    /// The peer sends bytes.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let bytes = bytes.as_ref();
        self.whole.receive(self.now, bytes);
        for byte in bytes {
            self.bytewise.receive(self.now, std::slice::from_ref(byte));
        }
        self
    }

    /// The owner of our end gives a command.
    pub(crate) fn command<T>(&mut self, command: impl Fn(&mut Connection) -> T) -> T
    where
        T: PartialEq + std::fmt::Debug,
    {
        let results = [&mut self.whole, &mut self.bytewise].map(|endpoint| {
            let result = command(&mut endpoint.connection);
            endpoint.receive(self.now, b"");
            result
        });
        let [result, bytewise] = results;
        assert_eq!(result, bytewise, "the command came to the same for both");
        result
    }

    /// Time passes.
    pub(crate) fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        let now = self.now;
        self.command(|connection| connection.on_deadline(now));
    }

    /// What our end told its owner since the last call.
    pub(crate) fn events(&mut self) -> Vec<Seen> {
        let (seen, bytewise) = (self.whole.take_seen(), self.bytewise.take_seen());
        assert_eq!(seen, bytewise, "the input in one piece, and byte by byte");
        seen
    }

    /// What our end wrote since the last call, behind a client's preface.
    pub(crate) fn frames(&mut self) -> Vec<Frame> {
        let sent = self.take_sent();
        Frame::all(sent.strip_prefix(PREFACE).unwrap_or(&sent))
    }

    pub(crate) fn take_sent(&mut self) -> Vec<u8> {
        let sent = std::mem::take(&mut self.whole.sent);
        let bytewise = std::mem::take(&mut self.bytewise.sent);
        assert_eq!(
            Frame::all(sent.strip_prefix(PREFACE).unwrap_or(&sent)),
            Frame::all(bytewise.strip_prefix(PREFACE).unwrap_or(&bytewise)),
            "the input in one piece, and byte by byte"
        );
        sent
    }

    /// Nobody looks at what has happened so far.
    pub(crate) fn forget(&mut self) -> &mut Self {
        self.events();
        self.take_sent();
        self
    }

    /// The connection has ended: GOAWAY with this code comes last, the owner knows, and nothing follows.
    #[track_caller]
    pub(crate) fn expect_connection_error(&mut self, code: ErrorCode) {
        let (events, frames) = (self.events(), self.frames());
        let told = events.last();
        let has_told = matches!(told, Some(Seen::Closed { code: told, .. }) if *told == code);
        assert!(has_told, "{:?} was to be closed with {code}: {events:?}", self.role);
        let last = frames.last().expect("GOAWAY was to be sent");
        assert_eq!((last.kind, last.code()), (kind::GOAWAY, code), "{:?}", self.role);
        self.send(ping(flag::NONE, b"any more"));
        assert_eq!((self.events(), self.frames()), (vec![], vec![]), "nothing follows");
    }

    /// One stream has been reset with this code, nothing else was sent, and the connection lives.
    #[track_caller]
    pub(crate) fn expect_stream_error(&mut self, id: u32, code: ErrorCode) {
        let events = self.events();
        let closed = events.iter().find(|seen| matches!(seen, Seen::Closed { .. }));
        assert_eq!(closed, None, "{:?}", self.role);
        let mut frames = self.frames();
        frames.retain(|frame| frame.kind != kind::WINDOW_UPDATE);
        let found: Vec<_> = frames.iter().map(|frame| (frame.kind, frame.stream)).collect();
        assert_eq!(found, [(kind::RST_STREAM, id)], "{:?}: {frames:?}", self.role);
        assert_eq!(frames[0].code(), code, "{:?}", self.role);
        self.expect_alive();
    }

    /// What came had no effect that anybody sees, and the connection lives.
    #[track_caller]
    pub(crate) fn expect_ignored(&mut self) {
        let (events, frames) = (self.events(), self.frames());
        assert_eq!((events, frames), (vec![], vec![]), "{:?}", self.role);
        self.expect_alive();
    }

    /// The connection answers a PING.
    #[track_caller]
    pub(crate) fn expect_alive(&mut self) {
        self.forget();
        self.send(ping(flag::NONE, b"alive?!?"));
        let answer = frames::ping(flag::ACK, b"alive?!?");
        let (sent, events) = (self.take_sent(), self.events());
        assert_eq!(sent, answer, "{:?} lives: {events:?}", self.role);
    }
}

// === impl Endpoint ===

impl Endpoint {
    fn receive(&mut self, now: Time, mut input: &[u8]) {
        while let Some(event) = self.connection.receive(now, &mut input, &mut self.head) {
            self.seen.push(Seen::of(event, &self.head));
        }
        let output = self.connection.output();
        self.sent.extend_from_slice(output.front());
        output.consume(output.len());
        self.connection.pump();
    }

    /// The events; pieces of a body that follow each other are one.
    fn take_seen(&mut self) -> Vec<Seen> {
        let mut merged: Vec<Seen> = Vec::new();
        for seen in self.seen.drain(..) {
            match (merged.last_mut(), seen) {
                (Some(Seen::Data { data, end }), Seen::Data { data: more, end: new }) => {
                    data.extend_from_slice(&more);
                    *end = new;
                }
                (_, seen) => merged.push(seen),
            }
        }
        merged
    }
}

// === impl Seen ===

impl Seen {
    fn of(event: Event<'_>, head: &Head) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let fields = || head.iter().map(|(name, value)| (text(name), text(value))).collect();
        match event {
            Event::Head { stream, end, .. } => Self::Head { stream, fields: fields(), end },
            Event::Informational { .. } => Self::Informational { fields: fields() },
            Event::Data { data, end, .. } => Self::Data { data: data.to_vec(), end },
            Event::Trailers { .. } => Self::Trailers { fields: fields() },
            Event::Reset { code, by, processed, .. } => Self::Reset { code, by, processed },
            Event::Sent { bytes, .. } => Self::Sent { bytes },
            Event::Refused { stream, refusal, .. } => {
                Self::Refused { stream, refusal, fields: fields() }
            }
            Event::Pong => Self::Pong,
            Event::PeerSettings => Self::PeerSettings,
            Event::GoAway { code, last_stream, .. } => Self::GoAway { code, last_stream },
            Event::Drained => Self::Drained,
            Event::Closed { error } => Self::Closed { code: error.code, reason: error.reason },
        }
    }
}
