//! HTTP/1.1 as an actor speaks it, in both roles, by a reader and a writer of its own.
//!
//! A client may have requests on the way behind the one that is answered (pipelining); a node takes one at a
//! time, and says so if it gets another one before its reply is out. A WebSocket is CONNECT with `:protocol`
//! above, and an Upgrade on the wire.

use std::collections::VecDeque;

use narrows_wire::Time;
use narrows_wire::codec::Role;
use narrows_wire::websocket::Key;

use super::reader::{Body, Piece, Reader};
use super::{Break, Fields, Framing, Heard, Pipe, Took, find};

/// RFC 6455 §1.3: a key, and what has to be answered to it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
/// Requests on the way at once.
const PIPELINED_MAX: usize = 4;

/// One connection.
#[derive(Debug)]
pub(super) struct Line {
    role: Role,
    pipe: Pipe,
    reader: Reader,
    out: Vec<u8>,
    next: u64,
    /// Those whose reply has not ended, in order.
    open: VecDeque<Open>,
    /// Whose body is being written.
    sending: Option<Framing>,
    is_tunnel: bool,
    going: Going,
    input_over: bool,
    over: bool,
}

/// A request and its reply.
#[derive(Debug)]
struct Open {
    stream: u64,
    method: String,
    /// Of a WebSocket that is asked for.
    accept: Option<String>,
    /// Whether the head of the peer's message has come.
    begun: bool,
    /// Whether the peer's message has ended, and ours.
    ended: [bool; 2],
}

/// How far our direction is from its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Going {
    Stays,
    /// No request follows those that are there.
    Closing,
    /// It ends behind the output.
    Ending,
    Ended,
}

// === impl Line ===

impl Line {
    pub(super) fn new(role: Role, pipe: Pipe) -> Self {
        Self {
            role,
            pipe,
            reader: Reader::new(),
            out: vec![],
            next: 1,
            open: VecDeque::new(),
            sending: None,
            is_tunnel: false,
            going: Going::Stays,
            input_over: false,
            over: false,
        }
    }

    fn admit(&mut self, method: &str, accept: Option<String>) -> u64 {
        let stream = self.next;
        self.next += 1;
        let (method, ended) = (method.to_owned(), [false; 2]);
        self.open.push_back(Open { stream, method, accept, begun: false, ended });
        stream
    }

    fn put(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    /// Everything of a head but its first line.
    fn put_fields(&mut self, head: &Fields, body: Framing) {
        for (name, value) in head.iter().filter(|(name, _)| !name.starts_with(':')) {
            self.put(&format!("{name}: {value}\r\n"));
        }
        match body {
            Framing::Nothing => {}
            Framing::Length(bytes) => self.put(&format!("content-length: {bytes}\r\n")),
            Framing::Chunked => self.put("Transfer-Encoding: chunked\r\n"),
            Framing::UntilEnd => self.going = Going::Closing,
        }
        if self.role == Role::Server && self.going != Going::Stays {
            self.put("Connection: close\r\n");
        }
        self.put("\r\n");
        self.sending = Some(body);
    }

    fn parse(&mut self, heard: &mut Vec<Heard>) -> Result<(), String> {
        while let Some(piece) = self.reader.next()? {
            match (piece, self.role) {
                (Piece::Head(first, fields), Role::Client) => {
                    self.on_reply(&first, fields, heard)?
                }
                (Piece::Head(first, fields), Role::Server) => {
                    self.on_request(&first, fields, heard)?;
                }
                (Piece::Data(bytes), _) => {
                    let stream = self.front()?.stream;
                    heard.push(Heard::Data { stream, bytes });
                }
                (Piece::End(trailers), _) => {
                    let front = self.front()?;
                    front.ended[0] = true;
                    let stream = front.stream;
                    heard.push(Heard::End { stream, trailers });
                    self.settle();
                }
            }
        }
        let is_stray = self.role == Role::Client && self.open.is_empty();
        if is_stray && !self.reader.is_between_messages() {
            return Err("bytes that answer no request".into());
        }
        Ok(())
    }

    fn front(&mut self) -> Result<&mut Open, String> {
        self.open.front_mut().ok_or_else(|| "a message that belongs to nothing".into())
    }

    fn on_reply(
        &mut self,
        first: &str,
        mut fields: Fields,
        heard: &mut Vec<Heard>,
    ) -> Result<(), String> {
        let status = first.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
        let status: u16 = status.and_then(|s| s.parse().ok()).ok_or(format!("{first:?}"))?;
        let is_last = closes(&fields);
        let front = self.front()?;
        let stream = front.stream;
        if status == 100 {
            self.reader.begin_body(Body::Interim);
            heard.push(Heard::Continue { stream });
            return Ok(());
        }
        front.begun = true;
        let body = if status == 101 {
            if find(&fields, "sec-websocket-accept") != Some(ACCEPT) {
                return Err(format!("a tunnel without proof: {fields:?}"));
            }
            self.is_tunnel = true;
            Body::UntilEnd
        } else if front.method == "HEAD" || matches!(status, 204 | 304) {
            Body::Length(0)
        } else {
            body_of(&fields)?.unwrap_or(Body::UntilEnd)
        };
        if is_last {
            self.going = Going::Closing;
        }
        self.reader.begin_body(body);
        let status = if status == 101 { 200 } else { status };
        fields.insert(0, (":status".into(), status.to_string()));
        heard.push(Heard::Head { stream, head: fields });
        Ok(())
    }

    fn on_request(
        &mut self,
        first: &str,
        mut head: Fields,
        heard: &mut Vec<Heard>,
    ) -> Result<(), String> {
        if !self.open.is_empty() {
            return Err("a request before the reply has ended".into());
        }
        let words: Vec<&str> = first.split(' ').collect();
        let [method, path, "HTTP/1.1"] = words[..] else { return Err(format!("{first:?}")) };
        if head.iter().filter(|(name, _)| name == "host").count() != 1 {
            return Err(format!("not one host: {head:?}"));
        }
        let key = find(&head, "sec-websocket-key").and_then(|key| Key::parse(key.as_bytes()));
        let asks = find(&head, "upgrade") == Some("websocket");
        let accept = key.filter(|_| asks).map(|key| key.accept().to_vec());
        let accept = accept.map(|text| String::from_utf8_lossy(&text).into_owned());
        let method = if accept.is_some() { "CONNECT" } else { method };
        if accept.is_none() {
            self.reader.begin_body(body_of(&head)?.unwrap_or(Body::Length(0)));
        } else {
            head.insert(0, (":protocol".into(), "websocket".into()));
        }
        head.insert(0, (":path".into(), path.into()));
        head.insert(0, (":method".into(), method.into()));
        let stream = self.admit(method, accept);
        self.front()?.begun = true;
        heard.push(Heard::Head { stream, head });
        Ok(())
    }

    /// Forgets what has ended in both directions, or may as well have.
    fn settle(&mut self) {
        let Some(front) = self.open.front() else { return };
        let is_done = match self.role {
            // What is left of its own request a client goes on with or not; the reply is complete.
            Role::Client => front.ended[0] && (!self.is_tunnel || front.ended[1]),
            Role::Server => front.ended == [true; 2],
        };
        if is_done {
            self.open.pop_front();
        }
        let is_last_word = self.role == Role::Server && self.going == Going::Closing;
        if is_done && is_last_word && self.open.is_empty() {
            self.going = Going::Ending;
        }
    }

    /// The peer will say no more, in good order or not.
    fn on_end(&mut self, how: &Took, heard: &mut Vec<Heard>) {
        self.input_over = true;
        if self.is_tunnel && *how == Took::End {
            return;
        }
        self.over = true;
        for open in self.open.drain(..) {
            let stream = open.stream;
            heard.push(match open.begun {
                true => Heard::Broken { stream },
                false => Heard::Unanswered { stream },
            });
        }
    }

    fn take(&mut self, now: Time, heard: &mut Vec<Heard>) {
        while !self.input_over && !self.over {
            let took = self.pipe.read(now);
            match &took {
                Took::Nothing => return,
                Took::Bytes(bytes) => self.reader.feed(bytes),
                Took::End => self.reader.finish(),
                Took::Broken => {}
            }
            if let Err(fault) = self.parse(heard) {
                heard.push(Heard::Wrong(fault));
                self.over = true;
            }
            if matches!(took, Took::End | Took::Broken) {
                self.on_end(&took, heard);
            }
        }
    }

    fn flush(&mut self) {
        while !self.out.is_empty() && !self.over {
            match self.pipe.write(&self.out) {
                Some(0) => return,
                Some(n) => drop(self.out.drain(..n)),
                // Reading tells the same, behind what has come before.
                None => return,
            }
        }
        if self.going == Going::Ending && self.out.is_empty() {
            self.pipe.end();
            self.going = Going::Ended;
        }
        let is_half_open = self.is_tunnel && !self.input_over;
        self.over |= self.going == Going::Ended && !is_half_open;
    }
}

impl super::Line for Line {
    fn open(&mut self, head: &Fields, body: Framing, _: Time) -> Option<u64> {
        let is_full = self.open.len() >= PIPELINED_MAX || self.sending.is_some();
        if is_full || self.is_tunnel || self.going != Going::Stays {
            return None;
        }
        let of = |name| find(head, name).unwrap_or_default().to_owned();
        let (mut method, path) = (of(":method"), of(":path"));
        let is_websocket = find(head, ":protocol").is_some();
        if is_websocket {
            method = "GET".into();
        }
        self.put(&format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n", of(":authority")));
        if is_websocket {
            self.put("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n");
            self.put(&format!("Sec-WebSocket-Key: {KEY}\r\n"));
        }
        self.put_fields(head, body);
        Some(self.admit(&method, is_websocket.then(|| ACCEPT.into())))
    }

    fn reply(&mut self, stream: u64, head: &Fields, body: Framing) {
        let Some(open) = self.open.iter().find(|open| open.stream == stream) else { return };
        let accept = open.accept.clone();
        let status = find(head, ":status").unwrap_or_default();
        match accept {
            Some(accept) if status == "200" => {
                self.put("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n");
                self.put(&format!("Upgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n"));
                self.is_tunnel = true;
                self.going = Going::Stays;
                self.put_fields(&vec![], Framing::Nothing);
                self.reader.begin_body(Body::UntilEnd);
            }
            refused => {
                if refused.is_some() {
                    self.reader.begin_body(Body::Length(0));
                }
                self.put(&format!("HTTP/1.1 {status} \r\n"));
                self.put_fields(head, body);
            }
        }
    }

    fn ask(&mut self, _: u64) {
        self.put("HTTP/1.1 100 Continue\r\n\r\n");
    }

    fn data(&mut self, _: u64, bytes: &[u8]) {
        let is_chunked = self.sending == Some(Framing::Chunked) && !self.is_tunnel;
        if bytes.is_empty() {
            return;
        }
        if is_chunked {
            let extension = if self.pipe.rng().one_in(4) { ";a=\"b\"" } else { "" };
            self.put(&format!("{:x}{extension}\r\n", bytes.len()));
        }
        self.out.extend_from_slice(bytes);
        if is_chunked {
            self.put("\r\n");
        }
    }

    fn end(&mut self, stream: u64, trailers: &Fields) {
        match self.sending.take() {
            _ if self.is_tunnel => self.going = Going::Ending,
            Some(Framing::Chunked) => {
                self.put("0\r\n");
                for (name, value) in trailers {
                    self.put(&format!("{name}: {value}\r\n"));
                }
                self.put("\r\n");
            }
            Some(Framing::UntilEnd) => self.going = Going::Ending,
            _ => {}
        }
        if let Some(open) = self.open.iter_mut().find(|open| open.stream == stream) {
            open.ended[1] = true;
        }
        self.settle();
    }

    fn reset(&mut self, _: u64, how: Break) {
        let is_error = self.is_tunnel || how == Break::Cut && self.pipe.rng().one_in(2);
        if is_error {
            self.pipe.cut();
        } else {
            self.flush();
            self.pipe.close();
        }
        self.open.clear();
        self.over = true;
    }

    fn go_away(&mut self, _: Time) {
        if self.going == Going::Stays && !self.is_tunnel {
            self.going = Going::Closing;
        }
    }

    fn waiting_bytes(&self) -> usize {
        self.out.len()
    }

    fn is_closing(&self) -> bool {
        self.going != Going::Stays
    }

    fn is_over(&self) -> bool {
        self.over
    }

    fn next_due(&self) -> Time {
        self.pipe.next_due()
    }

    fn read(&mut self, now: Time) -> Vec<Heard> {
        let mut heard = vec![];
        self.take(now, &mut heard);
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

/// Whether it is the last message of its connection.
fn closes(fields: &Fields) -> bool {
    find(fields, "connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
}

/// How a body ends, by the fields alone (RFC 9112 §6.3).
fn body_of(fields: &Fields) -> Result<Option<Body>, String> {
    let all = |wanted: &str| -> Vec<String> {
        let of = fields.iter().filter(|(name, _)| name == wanted);
        of.map(|(_, value)| value.clone()).collect()
    };
    let (codings, lengths) = (all("transfer-encoding"), all("content-length"));
    match (&codings[..], &lengths[..]) {
        ([], []) => Ok(None),
        ([coding], []) if coding == "chunked" => Ok(Some(Body::Chunked)),
        ([], [length]) => {
            let bytes = length.parse().map_err(|_| format!("length {length:?}"))?;
            Ok(Some(Body::Length(bytes)))
        }
        _ => Err(format!("who knows where this ends: {codings:?} {lengths:?}")),
    }
}
