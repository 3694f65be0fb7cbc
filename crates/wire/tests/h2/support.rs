//! Two connections wired in memory, and the frames that cross between them.

use std::sync::Arc;
use std::time::Duration;

use narrows_wire::codec::{
    ConnectionError, End, ErrorCode, Event, Party, Processed, Reason, Refusal, Role, StreamKey,
};
use narrows_wire::h2::{Config, Connection};
use narrows_wire::hpack::Encoder;
use narrows_wire::{Head, Indexing, Time};

/// An event with everything that it borrowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    Refused {
        stream: StreamKey,
        tag: u64,
        refusal: Refusal,
        fields: Fields,
    },
    Head {
        stream: StreamKey,
        tag: u64,
        fields: Fields,
        end: End,
    },
    Informational {
        stream: StreamKey,
        tag: u64,
        fields: Fields,
    },
    Data {
        stream: StreamKey,
        tag: u64,
        data: Vec<u8>,
        end: End,
    },
    Trailers {
        stream: StreamKey,
        tag: u64,
        fields: Fields,
    },
    Reset {
        stream: StreamKey,
        tag: u64,
        code: ErrorCode,
        by: Party,
        reason: Reason,
        processed: Processed,
    },
    Sent {
        stream: StreamKey,
        tag: u64,
        bytes: usize,
    },
    Pong,
    PeerSettings,
    GoAway {
        code: ErrorCode,
        last_stream: u32,
        debug: Vec<u8>,
    },
    Drained,
    Closed(ConnectionError),
}

pub(crate) type Fields = Vec<(String, String)>;

/// One end of the wire.
pub(crate) struct Endpoint {
    pub(crate) connection: Connection,
    head: Head,
}

/// One of our connections, and a peer that writes whatever frames the test wants.
pub(crate) struct Raw {
    pub(crate) ours: Endpoint,
    pub(crate) now: Time,
    /// Whether the peer is a client, and ours a server.
    pub(crate) is_client: bool,
    encoder: Encoder,
}

/// The types of frames (RFC 9113 §6).
pub(crate) mod kind {
    pub(crate) const DATA: u8 = 0;
    pub(crate) const HEADERS: u8 = 1;
    pub(crate) const PRIORITY: u8 = 2;
    pub(crate) const RST_STREAM: u8 = 3;
    pub(crate) const SETTINGS: u8 = 4;
    pub(crate) const PING: u8 = 6;
    pub(crate) const GOAWAY: u8 = 7;
    pub(crate) const WINDOW_UPDATE: u8 = 8;
    pub(crate) const CONTINUATION: u8 = 9;
}

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// A client and a server, and a clock that moves only by hand.
pub(crate) struct Pair {
    pub(crate) client: Endpoint,
    pub(crate) server: Endpoint,
    pub(crate) now: Time,
}

pub(crate) fn head(fields: &[(&str, &str)]) -> Head {
    let mut head = Head::new();
    for (name, value) in fields {
        head.push_text(name.as_bytes(), value.as_bytes(), Indexing::MayRepeat);
    }
    head
}

/// The head of a unary gRPC request.
pub(crate) fn request() -> Head {
    head(&[
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/test.v1.Test/Call"),
        (":authority", "localhost:8091"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        ("jobid", "job-17"),
    ])
}

pub(crate) fn reply() -> Head {
    head(&[(":status", "200"), ("content-type", "application/grpc")])
}

pub(crate) fn trailers() -> Head {
    head(&[("grpc-status", "0")])
}

// === impl Endpoint ===

impl Endpoint {
    pub(crate) fn new(role: Role, config: Config, now: Time) -> Self {
        Self { connection: Connection::new(role, Arc::new(config), now), head: Head::new() }
    }

    /// Passes in these bytes; all events.
    pub(crate) fn receive(&mut self, now: Time, mut input: &[u8]) -> Vec<Seen> {
        let mut seen = Vec::new();
        while let Some(event) = self.connection.receive(now, &mut input, &mut self.head) {
            seen.push(Seen::of(event, &self.head));
        }
        assert!(input.is_empty(), "all input is used up before there is no event");
        seen
    }

    /// Takes what is to be written.
    pub(crate) fn take_output(&mut self) -> Vec<u8> {
        let output = self.connection.output();
        let bytes = output.front().to_vec();
        output.consume(bytes.len());
        self.connection.pump();
        bytes
    }
}

// === impl Seen ===

impl Seen {
    fn of(event: Event<'_>, head: &Head) -> Self {
        let fields = || {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            head.iter().map(|(name, value)| (text(name), text(value))).collect()
        };
        match event {
            Event::Head { stream, tag, end } => Self::Head { stream, tag, fields: fields(), end },
            Event::Informational { stream, tag } => {
                Self::Informational { stream, tag, fields: fields() }
            }
            Event::Data { stream, tag, data, end } => {
                Self::Data { stream, tag, data: data.to_vec(), end }
            }
            Event::Trailers { stream, tag } => Self::Trailers { stream, tag, fields: fields() },
            Event::Reset { stream, tag, code, by, reason, processed } => {
                Self::Reset { stream, tag, code, by, reason, processed }
            }
            Event::Sent { stream, tag, bytes } => Self::Sent { stream, tag, bytes },
            Event::Refused { stream, tag, refusal } => {
                Self::Refused { stream, tag, refusal, fields: fields() }
            }
            Event::Pong => Self::Pong,
            Event::PeerSettings => Self::PeerSettings,
            Event::GoAway { code, last_stream, debug } => {
                Self::GoAway { code, last_stream, debug: debug.to_vec() }
            }
            Event::Drained => Self::Drained,
            Event::Closed { error } => Self::Closed(error),
        }
    }
}

// === impl Pair ===

impl Pair {
    /// Both ends with the default limits, after their prefaces.
    pub(crate) fn new() -> Self {
        Self::with(Config::default(), Config::default())
    }

    pub(crate) fn with(client: Config, server: Config) -> Self {
        let now = Time::ZERO + Duration::from_secs(1);
        let mut pair = Self {
            client: Endpoint::new(Role::Client, client, now),
            server: Endpoint::new(Role::Server, server, now),
            now,
        };
        let (client, server) = pair.exchange();
        assert_eq!((client, server), (vec![Seen::PeerSettings], vec![Seen::PeerSettings]));
        pair
    }

    /// Carries bytes both ways until nobody has any; the events of client and server.
    pub(crate) fn exchange(&mut self) -> (Vec<Seen>, Vec<Seen>) {
        let (mut at_client, mut at_server) = (Vec::new(), Vec::new());
        loop {
            let up = self.client.take_output();
            at_server.extend(self.server.receive(self.now, &up));
            let down = self.server.take_output();
            at_client.extend(self.client.receive(self.now, &down));
            if up.is_empty() && down.is_empty() {
                return (at_client, at_server);
            }
        }
    }

    pub(crate) fn open(&mut self, tag: u64, head: &Head, end: End) -> StreamKey {
        self.client.connection.open(self.now, tag, head, end).expect("the server takes a stream")
    }
}

// === impl Raw ===

impl Raw {
    /// A server whose client has sent preface and SETTINGS.
    pub(crate) fn client(config: Config) -> Self {
        let mut raw = Self::new(Role::Server, config);
        let seen = raw.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        assert!(seen.is_empty(), "{seen:?}");
        raw.greet()
    }

    /// A client whose server has sent SETTINGS.
    pub(crate) fn server(config: Config) -> Self {
        Self::new(Role::Client, config).greet()
    }

    fn new(role: Role, config: Config) -> Self {
        let now = Time::ZERO + Duration::from_secs(1);
        let is_client = role == Role::Server;
        Self { ours: Endpoint::new(role, config, now), now, is_client, encoder: Encoder::new() }
    }

    fn greet(mut self) -> Self {
        let greeting = [frame(kind::SETTINGS, 0, 0, &[]), frame(kind::SETTINGS, 1, 0, &[])];
        assert_eq!(self.send(&greeting.concat()), [Seen::PeerSettings]);
        self.ours.take_output();
        self
    }

    /// Passes in these bytes; the events. What is written in answer stays in the output.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Vec<Seen> {
        self.ours.receive(self.now, bytes)
    }

    /// A HEADERS frame with END_HEADERS.
    pub(crate) fn headers(&mut self, stream: u32, head: &Head, end: End) -> Vec<u8> {
        let mut block = Vec::new();
        self.encoder.encode(head, &mut block);
        let end = if end == End::Stream { END_STREAM } else { 0 };
        frame(kind::HEADERS, END_HEADERS | end, stream, &block)
    }

    /// Opens a stream with a unary request; its key.
    pub(crate) fn request(&mut self, stream: u32, end: End) -> StreamKey {
        let bytes = self.headers(stream, &request(), end);
        match &self.send(&bytes)[..] {
            [Seen::Head { stream, .. }] => *stream,
            other => panic!("{other:?}"),
        }
    }

    /// The frames written in answer: type, flags, stream, payload.
    pub(crate) fn frames(&mut self) -> Vec<(u8, u8, u32, Vec<u8>)> {
        let bytes = self.ours.take_output();
        let mut frames = Vec::new();
        let mut rest = &bytes[..];
        while let [l0, l1, l2, kind, flags, s0, s1, s2, s3, after @ ..] = rest {
            let len = u32::from_be_bytes([0, *l0, *l1, *l2]) as usize;
            let stream = u32::from_be_bytes([*s0, *s1, *s2, *s3]);
            frames.push((*kind, *flags, stream, after[..len].to_vec()));
            rest = &after[len..];
        }
        assert!(rest.is_empty(), "whole frames only");
        frames
    }
}

/// A frame, right or wrong.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
    out
}

/// A frame whose payload is one number.
pub(crate) fn number(kind: u8, stream: u32, value: u32) -> Vec<u8> {
    frame(kind, 0, stream, &value.to_be_bytes())
}

/// The reason of the end of the connection, if it ended.
pub(crate) fn closed(seen: &[Seen]) -> Option<Reason> {
    match seen.last() {
        Some(Seen::Closed(error)) => Some(error.reason),
        _ => None,
    }
}
