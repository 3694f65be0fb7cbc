//! HTTP/2 as an actor speaks it, through the product's engine.

use std::collections::BTreeMap;
use std::sync::Arc;

use narrows_wire::codec::{End, ErrorCode, Event, Role, StreamKey};
use narrows_wire::h2::{Config, Connection};
use narrows_wire::{Head, Indexing, Name, Time};

use super::{Break, Fields, Framing, Heard, Pipe, Took, find};

/// One connection.
#[derive(Debug)]
pub(super) struct Line {
    role: Role,
    pipe: Pipe,
    h2: Connection,
    next: u64,
    streams: BTreeMap<u64, Stream>,
    closing: bool,
    /// It is over once everything is written.
    drained: bool,
    over: bool,
}

/// A stream whose end is awaited.
#[derive(Debug)]
struct Stream {
    key: StreamKey,
    is_tunnel: bool,
    /// Whether the peer's message has ended, and ours.
    ended: [bool; 2],
}

// === impl Line ===

impl Line {
    pub(super) fn new(role: Role, mut pipe: Pipe, streams_max: u32, now: Time) -> Self {
        let config = Config {
            max_concurrent_streams: streams_max,
            initial_window_bytes: 1 << (13 + pipe.rng().below(6)),
            connect_protocol: true,
            ..Config::default()
        };
        let h2 = Connection::new(role, Arc::new(config), now);
        let streams = BTreeMap::new();
        Self { role, pipe, h2, next: 1, streams, closing: false, drained: false, over: false }
    }

    fn take(&mut self, mut input: &[u8], now: Time, heard: &mut Vec<Heard>) {
        let mut head = Head::new();
        while let Some(event) = self.h2.receive(now, &mut input, &mut head) {
            match event {
                Event::Head { stream, tag, end } => {
                    let tag = match self.role {
                        Role::Server => self.admit(stream, head.get(Name::Protocol).is_some()),
                        Role::Client => tag,
                    };
                    heard.push(Heard::Head { stream: tag, head: fields(&head) });
                    self.hear_end(tag, end, vec![], heard);
                }
                Event::Informational { tag, .. } => heard.push(Heard::Continue { stream: tag }),
                Event::Data { stream, tag, data, end } => {
                    let bytes = data.to_vec();
                    self.h2.grant(stream, bytes.len());
                    if !bytes.is_empty() {
                        heard.push(Heard::Data { stream: tag, bytes });
                    }
                    self.hear_end(tag, end, vec![], heard);
                }
                Event::Trailers { tag, .. } => {
                    self.hear_end(tag, End::Stream, fields(&head), heard);
                }
                Event::Reset { stream, tag, .. } => {
                    self.streams.remove(&tag);
                    self.h2.release(stream);
                    heard.push(Heard::Broken { stream: tag });
                }
                Event::Closed { error } => {
                    heard.push(Heard::Wrong(format!("the gateway breaks the protocol: {error}")));
                    self.over = true;
                }
                Event::GoAway { code, .. } => {
                    self.closing = true;
                    if code != ErrorCode::NO_ERROR {
                        heard.push(Heard::Wrong(format!("the gateway goes away for {code}")));
                    }
                }
                Event::Drained => self.drained = true,
                _ => {}
            }
        }
    }

    fn admit(&mut self, key: StreamKey, is_tunnel: bool) -> u64 {
        let tag = self.next;
        self.next += 1;
        self.h2.set_tag(key, tag);
        self.streams.insert(tag, Stream { key, is_tunnel, ended: [false; 2] });
        tag
    }

    fn hear_end(&mut self, stream: u64, end: End, trailers: Fields, heard: &mut Vec<Heard>) {
        if end == End::Stream {
            heard.push(Heard::End { stream, trailers });
            self.ended(stream, 0);
        }
    }

    /// One direction of a stream has ended: the peer's (0) or ours (1).
    fn ended(&mut self, tag: u64, direction: usize) {
        let Some(stream) = self.streams.get_mut(&tag) else { return };
        stream.ended[direction] = true;
        let is_done = match self.role {
            _ if stream.is_tunnel => stream.ended == [true; 2],
            Role::Client => stream.ended[0],
            Role::Server => stream.ended[1],
        };
        if !is_done {
            return;
        }
        let key = stream.key;
        if self.role == Role::Server && stream.ended != [true; 2] {
            self.h2.reset_after_data(key, ErrorCode::NO_ERROR);
        }
        self.h2.release(key);
        self.streams.remove(&tag);
    }

    fn key(&self, stream: u64) -> Option<StreamKey> {
        self.streams.get(&stream).map(|stream| stream.key)
    }

    fn lose(&mut self, heard: &mut Vec<Heard>) {
        self.over = true;
        let streams = std::mem::take(&mut self.streams);
        heard.extend(streams.into_keys().map(|stream| Heard::Broken { stream }));
    }

    fn flush(&mut self) {
        loop {
            let output = self.h2.output();
            if output.is_empty() {
                self.h2.pump();
                if self.h2.output().is_empty() {
                    self.over |= self.drained;
                    return;
                }
                continue;
            }
            match self.pipe.write(output.front()) {
                None | Some(0) => return,
                Some(n) => output.consume(n),
            }
        }
    }
}

impl super::Line for Line {
    fn open(&mut self, request: &Fields, _: Framing, now: Time) -> Option<u64> {
        let is_tunnel = find(request, ":protocol").is_some();
        if self.closing || is_tunnel && !self.h2.peer_settings().connect_protocol {
            return None;
        }
        let tag = self.next;
        let key = self.h2.open(now, tag, &head(request), End::Open).ok()?;
        self.next += 1;
        self.streams.insert(tag, Stream { key, is_tunnel, ended: [false; 2] });
        Some(tag)
    }

    fn reply(&mut self, stream: u64, reply: &Fields, _: Framing) {
        if let Some(key) = self.key(stream) {
            self.h2.send_head(key, &head(reply), End::Open);
        }
    }

    fn ask(&mut self, stream: u64) {
        if let Some(key) = self.key(stream) {
            let fields = vec![(":status".to_owned(), "100".to_owned())];
            self.h2.send_informational(key, &head(&fields));
        }
    }

    fn data(&mut self, stream: u64, bytes: &[u8]) {
        if let Some(key) = self.key(stream) {
            self.h2.send_data(key, bytes, End::Open);
        }
    }

    fn end(&mut self, stream: u64, trailers: &Fields) {
        let Some(key) = self.key(stream) else { return };
        if trailers.is_empty() {
            self.h2.send_data(key, &[], End::Stream);
        } else {
            self.h2.send_trailers(key, &head(trailers));
        }
        self.ended(stream, 1);
    }

    fn reset(&mut self, stream: u64, how: Break) {
        let Some(Stream { key, .. }) = self.streams.remove(&stream) else { return };
        let code = match (how, self.role) {
            (Break::Refuse, _) => ErrorCode::REFUSED_STREAM,
            (Break::Cut, Role::Server) => ErrorCode::INTERNAL_ERROR,
            (Break::Cut, Role::Client) => ErrorCode::CANCEL,
        };
        self.h2.reset(key, code);
        self.h2.release(key);
    }

    fn go_away(&mut self, now: Time) {
        self.h2.drain(now);
    }

    fn waiting_bytes(&self) -> usize {
        self.h2.waiting_bytes()
    }

    fn is_closing(&self) -> bool {
        self.closing
    }

    fn is_over(&self) -> bool {
        self.over
    }

    fn next_due(&self) -> Time {
        self.h2.deadline().min(self.pipe.next_due())
    }

    fn read(&mut self, now: Time) -> Vec<Heard> {
        let mut heard = vec![];
        while !self.over {
            match self.pipe.read(now) {
                Took::Bytes(bytes) => self.take(&bytes, now, &mut heard),
                Took::Nothing => break,
                Took::End | Took::Broken => self.lose(&mut heard),
            }
        }
        if self.h2.deadline() <= now {
            self.h2.on_deadline(now);
        }
        self.take(&[], now, &mut heard);
        heard
    }

    fn write(&mut self) {
        self.flush();
    }

    fn close(&mut self) {
        self.pipe.close();
        self.over = true;
    }
}

fn head(fields: &Fields) -> Head {
    let mut head = Head::new();
    for (name, value) in fields {
        head.push_text(name.as_bytes(), value.as_bytes(), Indexing::MayRepeat);
    }
    head
}

fn fields(head: &Head) -> Fields {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    head.iter().map(|(name, value)| (text(name), text(value))).collect()
}
