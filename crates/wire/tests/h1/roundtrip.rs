//! A model: our client and our server, wired in memory, with small windows and marks, bytes that arrive in
//! pieces, owners that grant late, and messages at random. What one owner sends, the other gets, whole, in
//! order, and once; and the connection goes on as long as it should.

use std::sync::Arc;
use std::time::Duration;

use narrows_wire::codec::{End, ErrorCode, Event, Role, StreamKey};
use narrows_wire::h1::{Config, Connection, Scheme};
use narrows_wire::{Head, Time};

use crate::message::{Fields, Seen, head, key_of, note, owned};
use crate::random::Random;

/// One end of the wire and its owner.
struct Endpoint {
    connection: Connection,
    arrived: Vec<u8>,
    seen: Vec<Seen>,
    key: Option<StreamKey>,
    ungranted: usize,
    /// What is still to be sent of the present message.
    sending: Option<Message>,
    /// Bytes that were put above the mark.
    owed: usize,
    head: Head,
}

/// A message behind its head.
#[derive(Debug, Clone, Default)]
struct Message {
    body: Vec<u8>,
    trailers: Fields,
}

/// What one exchange is to be.
#[derive(Debug, Clone)]
struct Plan {
    request: Vec<(&'static str, String)>,
    request_body: Option<Message>,
    informational: usize,
    reply: Vec<(&'static str, String)>,
    reply_body: Option<Message>,
    /// Whether the server replies before it has read the request.
    early: bool,
}

fn fields(list: &[(&'static str, String)]) -> Head {
    let list: Vec<_> = list.iter().map(|(name, value)| (*name, value.as_str())).collect();
    head(&list)
}

fn message(random: &mut Random, list: &mut Vec<(&'static str, String)>) -> Option<Message> {
    let size = *random.one_of(&[0, 1, 10, 300, 5000, 40_000]);
    let body = random.bytes(size);
    match random.below(4) {
        0 => return None,
        1 => list.push(("content-length", size.to_string())),
        2 => return Some(Message { body, trailers: owned(&[("x-sum", "1"), ("x-end", "2")]) }),
        _ => {}
    }
    Some(Message { body, trailers: Vec::new() })
}

// === impl Plan ===

impl Plan {
    fn new(random: &mut Random) -> Self {
        let method = *random.one_of(&["GET", "POST", "PUT", "HEAD"]);
        let mut request = vec![
            (":method", method.to_owned()),
            (":scheme", "http".to_owned()),
            (":authority", "a".to_owned()),
            (":path", format!("/{}", random.below(1000))),
        ];
        let request_body = message(random, &mut request);
        let status = *random.one_of(&["200", "200", "404", "204", "304"]);
        let mut reply = vec![(":status", status.to_owned()), ("x-a", "b".to_owned())];
        let has_body = method != "HEAD" && !matches!(status, "204" | "304");
        let reply_body = if has_body { message(random, &mut reply) } else { None };
        let (informational, early) = (random.below(3), random.below(4) == 0);
        Self { request, request_body, informational, reply, reply_body, early }
    }

    /// What the receiver of a message sees of it.
    fn expected(
        list: &[(&'static str, String)],
        body: Option<&Message>,
        extra: &[(&str, &str)],
    ) -> Vec<Seen> {
        let list: Vec<_> = list.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let fields = owned(&[&list[..], extra].concat());
        let has_length_zero = list.contains(&("content-length", "0"));
        let Some(Message { body, trailers }) = body.filter(|_| !has_length_zero) else {
            return vec![Seen::Head { fields, end: End::Stream }];
        };
        let mut seen = vec![Seen::Head { fields, end: End::Open }];
        let end = if trailers.is_empty() { End::Stream } else { End::Open };
        if !body.is_empty() || end == End::Stream {
            seen.push(Seen::Data { data: body.clone(), end });
        }
        if !trailers.is_empty() {
            seen.push(Seen::Trailers { fields: trailers.clone() });
        }
        seen
    }
}

// === impl Endpoint ===

impl Endpoint {
    fn new(role: Role, config: Config) -> Self {
        let connection = Connection::new(role, Scheme::Http, Arc::new(config), 1, Time::ZERO);
        Self {
            connection,
            arrived: Vec::new(),
            seen: Vec::new(),
            key: None,
            ungranted: 0,
            sending: None,
            owed: 0,
            head: Head::new(),
        }
    }

    /// Handles what has arrived, as far as the connection takes it.
    fn receive(&mut self, now: Time) {
        let mut input = &self.arrived[..];
        while let Some(event) = self.connection.receive(now, &mut input, &mut self.head) {
            self.key = key_of(&event).or(self.key);
            match Seen::of(event, &self.head) {
                Seen::Sent { bytes } => self.owed -= bytes,
                seen => note(&mut self.seen, seen),
            }
            if let Event::Data { data, .. } = event {
                self.ungranted += data.len();
            }
        }
        let left = input.len();
        assert!(left == 0 || !self.connection.accepts_input());
        self.arrived.drain(..self.arrived.len() - left);
    }

    fn grant(&mut self, bytes: usize) {
        let (Some(key), bytes) = (self.key, bytes.min(self.ungranted)) else { return };
        self.ungranted -= bytes;
        self.connection.grant(key, bytes);
    }

    /// Sends a piece of the present message, if there is room for it.
    fn send(&mut self, random: &mut Random) {
        let (Some(mut message), Some(key)) = (self.sending.take(), self.key) else { return };
        if self.owed > 0 {
            self.sending = Some(message);
            return;
        }
        let piece: Vec<u8> = message.body.drain(..random.below(message.body.len() + 1)).collect();
        let is_last = message.body.is_empty();
        let end = if is_last && message.trailers.is_empty() { End::Stream } else { End::Open };
        let sent = self.connection.send_data(key, &piece, end);
        self.owed += piece.len() - sent;
        if !is_last {
            self.sending = Some(message);
        } else if end == End::Stream {
            self.owed = 0;
        } else {
            let list: Vec<_> =
                message.trailers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            self.connection.send_trailers(key, &head(&list));
            self.owed = 0;
        }
    }

    /// Writes some bytes to the other end.
    fn write(&mut self, to: &mut Self, bytes: usize) {
        let output = self.connection.output();
        let bytes = bytes.min(output.len());
        to.arrived.extend_from_slice(&output.front()[..bytes]);
        output.consume(bytes);
        self.connection.pump();
    }

    fn is_done(&self) -> bool {
        let last = self.seen.iter().rev().find(|seen| **seen != Seen::Drained);
        match last {
            Some(Seen::Head { end, .. } | Seen::Data { end, .. }) => *end == End::Stream,
            Some(Seen::Trailers { .. }) => true,
            _ => false,
        }
    }
}

/// Runs one exchange to its end; the events of client and server.
fn run(random: &mut Random, client: &mut Endpoint, server: &mut Endpoint, plan: &Plan) {
    let now = Time::ZERO + Duration::from_secs(1);
    let end = if plan.request_body.is_some() { End::Open } else { End::Stream };
    let key = client.connection.open(now, 5, &fields(&plan.request), end).expect("it is free");
    (client.key, client.sending, client.owed) = (Some(key), plan.request_body.clone(), 0);
    let mut has_replied = false;
    for turn in 0.. {
        assert!(turn < 20_000, "it does not end: {plan:?} {:?} {:?}", client.seen, server.seen);
        let (up, down) = (1 + random.below(3000), 1 + random.below(3000));
        client.write(server, up);
        server.write(client, down);
        server.receive(now);
        client.receive(now);
        for end in [&mut *client, &mut *server] {
            if random.below(3) == 0 {
                end.grant(1 + random.below(10_000));
            }
            end.send(random);
        }
        let is_read = server.is_done() || (plan.early && !server.seen.is_empty());
        if !has_replied && is_read {
            has_replied = true;
            reply(server, plan);
        }
        let is_sent = has_replied && server.sending.is_none();
        if is_sent && server.is_done() && client.is_done() && client.sending.is_none() {
            break;
        }
    }
    let key = server.key.expect("there was a request");
    server.connection.release(key);
    server.receive(now);
}

fn reply(server: &mut Endpoint, plan: &Plan) {
    let key = server.key.expect("there is a request");
    for _ in 0..plan.informational {
        server.connection.send_informational(key, &head(&[(":status", "103"), ("link", "a")]));
    }
    let end = if plan.reply_body.is_some() { End::Open } else { End::Stream };
    server.connection.send_head(key, &fields(&plan.reply), end);
    (server.sending, server.owed) = (plan.reply_body.clone(), 0);
}

/// What is added to a message that has no body and says nothing of it.
fn added(
    list: &[(&'static str, String)],
    body: Option<&Message>,
    says_so: bool,
) -> &'static [(&'static str, &'static str)] {
    let has_length = list.iter().any(|(name, _)| *name == "content-length");
    if body.is_none() && !has_length && says_so { &[("content-length", "0")] } else { &[] }
}

#[test]
fn whatever_is_sent_arrives() {
    for seed in 0..150 {
        let mut random = Random(seed);
        let config = Config {
            window_bytes: 1 + random.below(6000),
            output_bytes_max: 1 + random.below(6000),
            ..Config::default()
        };
        let mut client = Endpoint::new(Role::Client, config.clone());
        let mut server = Endpoint::new(Role::Server, config);
        for _ in 0..6 {
            let plan = Plan::new(&mut random);
            run(&mut random, &mut client, &mut server, &plan);
            let method = plan.request[0].1.as_str();
            let says_so = matches!(method, "POST" | "PUT");
            let extra = added(&plan.request, plan.request_body.as_ref(), says_so);
            let expected = Plan::expected(&plan.request, plan.request_body.as_ref(), extra);
            assert_eq!(server.seen, expected, "seed {seed}, {plan:?}");
            let status = plan.reply[0].1.as_str();
            let says_so = method != "HEAD" && !matches!(status, "204" | "304");
            let extra = added(&plan.reply, plan.reply_body.as_ref(), says_so);
            let early = Seen::Informational { fields: owned(&[(":status", "103"), ("link", "a")]) };
            let mut expected = vec![early; plan.informational];
            expected.extend(Plan::expected(&plan.reply, plan.reply_body.as_ref(), extra));
            assert_eq!(client.seen, expected, "seed {seed}, {plan:?}");
            for end in [&mut client, &mut server] {
                end.seen.clear();
                end.ungranted = 0;
                assert_eq!(end.connection.active_streams(), 0);
                assert!(end.arrived.is_empty() && end.connection.output().is_empty());
            }
            assert_eq!(client.connection.capacity(), 1, "it goes on");
        }
    }
}

/// The server has answered and does not want the rest: the client hears of the reply, whole, and then either
/// the connection goes on or both know that it does not.
#[test]
fn replies_instead_of_reading_arrive() {
    for seed in 0..150 {
        let mut random = Random(seed);
        let mut client = Endpoint::new(Role::Client, Config::default());
        let config = Config { drain_bytes_max: 20_000, ..Config::default() };
        let mut server = Endpoint::new(Role::Server, config);
        let now = Time::ZERO;
        let size = *random.one_of(&[100, 10_000, 30_000, 200_000]);
        let ask =
            head(&[(":method", "POST"), (":scheme", "http"), (":authority", "a"), (":path", "/")]);
        client.key = client.connection.open(now, 0, &ask, End::Open).ok();
        client.sending = Some(Message { body: random.bytes(size), trailers: Vec::new() });
        let mut is_answered = false;
        for _ in 0..3000 {
            client.write(&mut server, 1 + random.below(3000));
            server.receive(now);
            let granted = server.ungranted;
            server.grant(granted);
            if let Some(key) = server.key.filter(|_| !is_answered && random.below(3) == 0) {
                is_answered = true;
                server.connection.send_head(key, &head(&[(":status", "413")]), End::Open);
                server.connection.send_data(key, b"too large", End::Stream);
                server.connection.reset_after_data(key, ErrorCode::NO_ERROR);
                server.connection.release(key);
            }
            server.write(&mut client, 1 + random.below(100));
            client.receive(now);
            client.send(&mut random);
        }
        let is_reply =
            |seen: &Seen| matches!(seen, Seen::Data { data, .. } if data == b"too large");
        assert!(client.seen.iter().any(is_reply), "seed {seed}: {:?}", client.seen);
        let goes_on = client.connection.capacity() == 1;
        if server.connection.is_draining() {
            assert!(server.seen.contains(&Seen::Drained), "seed {seed}");
        } else {
            assert!(goes_on, "seed {seed}: the server would take another request");
        }
    }
}
