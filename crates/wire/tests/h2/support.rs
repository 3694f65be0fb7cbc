//! Two connections wired in memory, and the frames that cross between them.

use std::sync::Arc;
use std::time::Duration;

use narrows_wire::h2::{
    Config, Connection, ConnectionError, End, ErrorCode, Event, Party, Processed, Reason, Role,
    StreamKey,
};
use narrows_wire::{Head, Indexing, Time};

/// An event with everything that it borrowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
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
