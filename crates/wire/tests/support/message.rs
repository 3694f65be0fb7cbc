//! One of our HTTP/1 connections, and a peer that writes whatever bytes a test wants.

use std::sync::Arc;
use std::time::Duration;

use narrows_wire::codec::{
    End, ErrorCode, Event, OpenError, Party, Reason, Refusal, Role, StreamKey,
};
use narrows_wire::h1::{Config, Connection, Fault, Scheme};
use narrows_wire::{Head, Indexing, Time};

/// An event with everything that it borrowed. Pieces of a body that follow each other are one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    Head { fields: Fields, end: End },
    Refused { refusal: Refusal, fields: Fields },
    Informational { fields: Fields },
    Data { data: Vec<u8>, end: End },
    Trailers { fields: Fields },
    Reset { by: Party, reason: Reason },
    Sent { bytes: usize },
    Drained,
    Closed { reason: Reason },
}

pub(crate) type Fields = Vec<(String, String)>;

/// A connection of ours.
pub(crate) struct Script {
    pub(crate) connection: Connection,
    pub(crate) now: Time,
    /// What the connection left, to be offered again.
    pub(crate) left: Vec<u8>,
    /// The stream of the last event that had one.
    pub(crate) key: Option<StreamKey>,
    /// Whether bytes of bodies are granted at once.
    pub(crate) grants: bool,
    head: Head,
}

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

/// The head of a request as it comes out.
pub(crate) fn asked(method: &str, path: &str, others: &[(&str, &str)]) -> Fields {
    let mut fields =
        vec![(":method", method), (":scheme", "http"), (":authority", "a"), (":path", path)];
    fields.extend_from_slice(others);
    owned(&fields)
}

pub(crate) fn data(text: &str, end: End) -> Seen {
    Seen::Data { data: text.as_bytes().to_vec(), end }
}

/// A request that was refused for this.
pub(crate) fn bad(fault: Fault) -> Refusal {
    Refusal::BadRequest(Reason::Http1(fault))
}

// === impl Script ===

impl Script {
    /// Our server.
    pub(crate) fn server() -> Self {
        Self::with(Role::Server, Config::default())
    }

    /// Our client, which has sent nothing.
    pub(crate) fn client() -> Self {
        Self::with(Role::Client, Config::default())
    }

    /// Our client, which has sent a request without a body.
    pub(crate) fn asking(method: &str) -> Self {
        let mut script = Self::client();
        script.ask(&[(":method", method)], End::Stream).expect("a new connection is free");
        script.written();
        script
    }

    pub(crate) fn with(role: Role, config: Config) -> Self {
        let now = Time::ZERO + Duration::from_secs(1);
        let connection = Connection::new(role, Scheme::Http, Arc::new(config), 7, now);
        Self { connection, now, left: Vec::new(), key: None, grants: true, head: Head::new() }
    }

    /// Opens a stream; what the request lacks is filled in.
    pub(crate) fn ask(
        &mut self,
        fields: &[(&str, &str)],
        end: End,
    ) -> Result<StreamKey, OpenError> {
        let mut all = Head::new();
        let defaults =
            [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/")];
        let has = |name: &str| fields.iter().any(|(given, _)| *given == name);
        let missing = defaults.iter().filter(|(name, _)| !has(name));
        for (name, value) in fields.iter().chain(missing) {
            all.push_text(name.as_bytes(), value.as_bytes(), Indexing::MayRepeat);
        }
        let key = self.connection.open(self.now, 0, &all, end)?;
        self.key = Some(key);
        Ok(key)
    }

    /// Passes in these bytes behind those that were left; the events.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> Vec<Seen> {
        let mut all = std::mem::take(&mut self.left);
        all.extend_from_slice(bytes.as_ref());
        let mut input = &all[..];
        let mut seen = Vec::new();
        while let Some(event) = self.connection.receive(self.now, &mut input, &mut self.head) {
            let granted = match event {
                Event::Data { stream, data, .. } => Some((stream, data.len())),
                _ => None,
            };
            self.key = key_of(&event).or(self.key);
            note(&mut seen, Seen::of(event, &self.head));
            if let Some((stream, bytes)) = granted.filter(|_| self.grants) {
                self.connection.grant(stream, bytes);
            }
        }
        let is_paused = !self.connection.accepts_input();
        assert!(input.is_empty() || is_paused, "bytes are left although input is accepted");
        self.left = input.to_vec();
        seen
    }

    /// The events that came without input.
    pub(crate) fn events(&mut self) -> Vec<Seen> {
        self.send(b"")
    }

    /// Passes in these bytes one by one.
    pub(crate) fn trickle(&mut self, bytes: impl AsRef<[u8]>) -> Vec<Seen> {
        let mut seen = Vec::new();
        for byte in bytes.as_ref() {
            for event in self.send([*byte]) {
                note(&mut seen, event);
            }
        }
        seen
    }

    /// The present stream.
    pub(crate) fn stream(&self) -> StreamKey {
        self.key.expect("a stream was there")
    }

    /// Answers the present request, whole, and is done with it.
    pub(crate) fn answer(&mut self, fields: &[(&str, &str)], body: &str) -> String {
        let stream = self.stream();
        let end = if body.is_empty() { End::Stream } else { End::Open };
        self.connection.send_head(stream, &head(fields), end);
        if !body.is_empty() {
            self.connection.send_data(stream, body.as_bytes(), End::Stream);
        }
        self.connection.release(stream);
        self.written()
    }

    pub(crate) fn reset(&mut self) {
        let stream = self.stream();
        self.connection.reset(stream, ErrorCode::CANCEL);
    }

    /// What was written since the last time.
    pub(crate) fn written(&mut self) -> String {
        let output = self.connection.output();
        assert!(!output.has_borrowed());
        let bytes = output.front().to_vec();
        output.consume(bytes.len());
        self.connection.pump();
        String::from_utf8(bytes).expect("text")
    }

    pub(crate) fn pass(&mut self, time: Duration) -> Vec<Seen> {
        self.now = self.now + time;
        if self.connection.deadline() <= self.now {
            self.connection.on_deadline(self.now);
        }
        self.events()
    }

    /// These bytes are refused for this, at once and byte by byte, and nothing is taken behind them.
    pub(crate) fn expect_refused(&mut self, bytes: impl AsRef<[u8]>, refusal: Refusal) {
        let bytes = bytes.as_ref();
        let text = String::from_utf8_lossy(bytes);
        let refused = |seen: &[Seen]| match seen {
            [Seen::Refused { refusal, .. }] => *refusal,
            _ => panic!("{text:?}: {seen:?}"),
        };
        assert_eq!(refused(&self.send(bytes)), refusal, "{text:?}");
        assert_eq!(refused(&Self::server().trickle(bytes)), refusal, "{text:?} byte by byte");
        assert_eq!(self.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), []);
        let sent = self.answer(&[(":status", "400")], "no");
        assert!(sent.contains("connection: close\r\n") && sent.ends_with("no"), "{sent}");
        assert_eq!(self.events(), [Seen::Drained]);
    }

    /// These bytes of a node break this rule, at once and byte by byte, and end the connection.
    pub(crate) fn expect_broken(&mut self, bytes: impl AsRef<[u8]>, fault: Fault) {
        let bytes = bytes.as_ref();
        let text = String::from_utf8_lossy(bytes);
        let reason = Reason::Http1(fault);
        let expected = [Seen::Reset { by: Party::Us, reason }, Seen::Closed { reason }];
        assert_eq!(self.send(bytes), expected, "{text:?}");
        assert!(self.connection.is_closed());
        assert_eq!(Self::asking("GET").trickle(bytes), expected, "{text:?} byte by byte");
    }

    /// The peer ends its direction.
    pub(crate) fn end(&mut self) -> Vec<Seen> {
        self.connection.end_input(self.now);
        self.events()
    }
}

// === impl Seen ===

impl Seen {
    pub(crate) fn of(event: Event<'_>, head: &Head) -> Self {
        let fields = || {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            head.iter().map(|(name, value)| (text(name), text(value))).collect()
        };
        match event {
            Event::Head { end, .. } => Self::Head { fields: fields(), end },
            Event::Refused { refusal, .. } => Self::Refused { refusal, fields: fields() },
            Event::Informational { .. } => Self::Informational { fields: fields() },
            Event::Data { data, end, .. } => Self::Data { data: data.to_vec(), end },
            Event::Trailers { .. } => Self::Trailers { fields: fields() },
            Event::Reset { by, reason, .. } => Self::Reset { by, reason },
            Event::Sent { bytes, .. } => Self::Sent { bytes },
            Event::Drained => Self::Drained,
            Event::Closed { error } => Self::Closed { reason: error.reason },
            Event::Pong | Event::PeerSettings | Event::GoAway { .. } => {
                unreachable!("HTTP/1 has none of these")
            }
        }
    }
}

pub(crate) fn key_of(event: &Event<'_>) -> Option<StreamKey> {
    match event {
        Event::Head { stream, .. }
        | Event::Refused { stream, .. }
        | Event::Informational { stream, .. }
        | Event::Data { stream, .. }
        | Event::Trailers { stream, .. }
        | Event::Reset { stream, .. }
        | Event::Sent { stream, .. } => Some(*stream),
        _ => None,
    }
}

/// Adds an event; a piece of a body is added to the piece before.
pub(crate) fn note(seen: &mut Vec<Seen>, event: Seen) {
    match (seen.last_mut(), event) {
        (Some(Seen::Data { data, end: end @ End::Open }), Seen::Data { data: more, end: last }) => {
            data.extend_from_slice(&more);
            *end = last;
        }
        (_, event) => seen.push(event),
    }
}
