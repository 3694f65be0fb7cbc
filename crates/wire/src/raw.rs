//! Opaque bytes as a protocol: one connection is one stream, whose body is all that passes.
//!
//! So a tunnel (a TCP listener, CONNECT, a protocol that is not looked into) is an exchange like any other:
//! the accepting end gives a head without fields as soon as it is asked, the connecting end answers with a
//! `:status 200` of its own once its transport is there, and what follows are bytes. Each direction ends by
//! itself, as TCP does. Keeps the contract of [`codec`](crate::codec).

use std::collections::VecDeque;
use std::ops::Range;

use crate::codec::{End, ErrorCode, Event, OpenError, Output, Role, StreamKey};
use crate::{Head, Indexing, Name};

/// Payloads below this are copied: a slice more in the write costs as much.
const BORROWED_BYTES_MIN: usize = 2 << 10;

/// What a connection may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes that are handed to the owner and not granted. More are not read. Default: 512 KiB.
    pub window_bytes: usize,
    /// While the output holds more bytes than this, the stream keeps its data. Default: 512 KiB.
    pub output_bytes_max: usize,
}

/// A connection that carries one stream of opaque bytes.
#[derive(Debug)]
pub struct Connection {
    role: Role,
    limits: Limits,
    phase: Phase,
    tag: u64,
    /// Whether the peer may still send, and we.
    receiving: Direction,
    sending: Direction,
    /// Bytes that wait for room in the output.
    waiting: Vec<u8>,
    /// Bytes handed to the owner and not granted.
    ungranted: usize,
    output: Output,
    events: VecDeque<Event<'static>>,
    aborted: bool,
}

/// How far the one stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Not there yet: the owner has not opened it, or has not been told of it.
    Idle,
    /// Bytes flow. Connecting role: the owner knows of the reply.
    Open,
    /// Opened by the owner, who does not know of the reply yet.
    Opening,
    /// Both directions have ended, or it was reset.
    Over,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Open,
    /// The owner has ended it, and some of it waits.
    Ending,
    Ended,
}

/// The key of the one stream.
const STREAM: StreamKey = StreamKey::new(0, 1);

// === impl Limits ===

impl Default for Limits {
    fn default() -> Self {
        Self { window_bytes: 512 << 10, output_bytes_max: 512 << 10 }
    }
}

// === impl Connection ===

impl Connection {
    /// A connection whose transport has just been accepted (server) or begun (client).
    pub fn new(role: Role, limits: Limits) -> Self {
        Self {
            role,
            limits,
            phase: Phase::Idle,
            tag: 0,
            receiving: Direction::Open,
            sending: Direction::Open,
            waiting: Vec::new(),
            ungranted: 0,
            output: Output::default(),
            events: VecDeque::new(),
            aborted: false,
        }
    }

    /// Gives the next event; bytes are left in `input` while the connection is paused.
    pub fn receive<'a>(&mut self, input: &mut &'a [u8], head: &mut Head) -> Option<Event<'a>> {
        if let Some(event) = self.events.pop_front() {
            return Some(event);
        }
        match (self.phase, self.role) {
            (Phase::Idle, Role::Server) => {
                self.phase = Phase::Open;
                head.clear();
                Some(Event::Head { stream: STREAM, tag: 0, end: End::Open })
            }
            (Phase::Opening, _) => {
                self.phase = Phase::Open;
                head.clear();
                head.push(Name::Status, b"200", Indexing::MayRepeat);
                Some(Event::Head { stream: STREAM, tag: self.tag, end: End::Open })
            }
            (Phase::Open, _) => self.pass(input),
            // Nobody is there to take what comes.
            (Phase::Idle | Phase::Over, _) => {
                *input = &[];
                None
            }
        }
    }

    fn pass<'a>(&mut self, input: &mut &'a [u8]) -> Option<Event<'a>> {
        if input.is_empty() || !self.accepts_input() {
            return None;
        }
        let room = self.limits.window_bytes.saturating_sub(self.ungranted);
        let (data, rest) = input.split_at(input.len().min(room));
        *input = rest;
        self.ungranted += data.len();
        Some(Event::Data { stream: STREAM, tag: self.tag, data, end: End::Open })
    }

    /// The peer has ended its direction.
    pub fn end_input(&mut self) {
        if self.receiving == Direction::Ended {
            return;
        }
        self.receiving = Direction::Ended;
        match self.phase {
            Phase::Open | Phase::Opening => {
                let (stream, tag) = (STREAM, self.tag);
                self.events.push_back(Event::Data { stream, tag, data: &[], end: End::Stream });
                self.check_over();
            }
            Phase::Idle => self.finish(),
            Phase::Over => {}
        }
    }

    /// Whether the caller may go on reading.
    #[inline]
    pub fn accepts_input(&self) -> bool {
        self.ungranted < self.limits.window_bytes
            && self.output.len() < self.limits.output_bytes_max
    }

    /// What waits to be written.
    #[inline]
    pub fn output(&mut self) -> &mut Output {
        &mut self.output
    }

    /// Whether our direction has ended: the transport's is to be ended behind the output.
    pub fn is_output_ended(&self) -> bool {
        self.sending == Direction::Ended
    }

    /// Whether the owner cut the stream off: the peer is not to take what it has for everything.
    pub fn is_aborted(&self) -> bool {
        self.aborted
    }

    /// Opens the one stream (client role). The transport carries nothing of the head.
    pub fn open(&mut self, tag: u64) -> Result<StreamKey, OpenError> {
        match (self.role, self.phase) {
            (Role::Client, Phase::Idle) => {
                self.phase = Phase::Opening;
                self.tag = tag;
                Ok(STREAM)
            }
            (Role::Client, Phase::Open | Phase::Opening) => Err(OpenError::Full),
            (Role::Client, Phase::Over) | (Role::Server, _) => Err(OpenError::Closed),
        }
    }

    /// How many streams may be opened now: one, once.
    pub fn capacity(&self) -> usize {
        usize::from(self.role == Role::Client && self.phase == Phase::Idle)
    }

    /// Gives the stream the owner's word.
    pub fn set_tag(&mut self, tag: u64) {
        self.tag = tag;
    }

    /// The owner's word, as long as the stream is here.
    pub fn tag(&self) -> Option<u64> {
        (self.active_streams() > 0).then_some(self.tag)
    }

    /// 1 while the stream is here.
    pub fn active_streams(&self) -> usize {
        usize::from(matches!(self.phase, Phase::Open | Phase::Opening))
    }

    /// Whether no stream will be opened any more.
    pub fn is_draining(&self) -> bool {
        self.phase != Phase::Idle
    }

    /// Bytes that wait for room.
    pub fn waiting_bytes(&self) -> usize {
        self.waiting.len()
    }

    /// Sends bytes. Takes all of them; the result says how many went to the output now.
    pub fn send_data(&mut self, data: &[u8], end: End) -> usize {
        if self.sending != Direction::Open || self.active_streams() == 0 {
            return data.len();
        }
        let room = self.limits.output_bytes_max.saturating_sub(self.output.len());
        let now = if self.waiting.is_empty() { data.len().min(room) } else { 0 };
        self.output.buffer().extend_from_slice(&data[..now]);
        self.waiting.extend_from_slice(&data[now..]);
        self.end_sending(end);
        now
    }

    /// As [`Connection::send_data`], for `data` that lies at `range` of the buffer that the caller will
    /// write from.
    pub fn send_data_borrowed(&mut self, range: Range<usize>, data: &[u8], end: End) -> usize {
        let room = self.limits.output_bytes_max.saturating_sub(self.output.len());
        let fits = self.waiting.is_empty() && data.len() <= room;
        let able = self.sending == Direction::Open && self.active_streams() > 0;
        if !(able && fits && data.len() >= BORROWED_BYTES_MIN) {
            return self.send_data(data, end);
        }
        self.output.borrow(range);
        self.end_sending(end);
        data.len()
    }

    fn end_sending(&mut self, end: End) {
        if end == End::Stream && self.sending == Direction::Open {
            let all = self.waiting.is_empty();
            self.sending = if all { Direction::Ended } else { Direction::Ending };
            self.check_over();
        }
    }

    /// Moves waiting bytes to the output as far as there is room.
    pub fn pump(&mut self) {
        let room = self.limits.output_bytes_max.saturating_sub(self.output.len());
        let bytes = self.waiting.len().min(room);
        if bytes == 0 {
            return;
        }
        self.output.buffer().extend(self.waiting.drain(..bytes));
        self.events.push_back(Event::Sent { stream: STREAM, tag: self.tag, bytes });
        if self.waiting.is_empty() && self.sending == Direction::Ending {
            self.sending = Direction::Ended;
            self.check_over();
        }
    }

    /// The owner has taken so many bytes.
    pub fn grant(&mut self, bytes: usize) {
        self.ungranted = self.ungranted.saturating_sub(bytes);
    }

    /// Cuts the stream off.
    pub fn reset(&mut self, code: ErrorCode) {
        if self.active_streams() > 0 {
            self.waiting.clear();
            self.aborted = code != ErrorCode::NO_ERROR;
            self.finish();
        }
    }

    /// Ends without a stream; one that is there goes on.
    pub fn drain(&mut self) {
        if self.phase == Phase::Idle {
            self.finish();
        }
    }

    /// Ends at once.
    pub fn close(&mut self) {
        // A stream that was cut off before stays so.
        self.aborted |= self.active_streams() > 0;
        self.phase = Phase::Over;
        self.events.clear();
        self.waiting.clear();
    }

    /// Gives back memory that only a busy connection needs.
    pub fn shrink(&mut self) {
        self.output.shrink();
        self.waiting.shrink_to_fit();
    }

    /// Bytes of memory held, in all.
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.output.capacity_bytes() + self.waiting.capacity()
    }

    fn check_over(&mut self) {
        if self.receiving == Direction::Ended && self.sending == Direction::Ended {
            self.finish();
        }
    }

    fn finish(&mut self) {
        self.phase = Phase::Over;
        self.events.push_back(Event::Drained);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(window_bytes: usize, output_bytes_max: usize) -> Limits {
        Limits { window_bytes, output_bytes_max }
    }

    fn accepted(limits: Limits) -> Connection {
        let mut server = Connection::new(Role::Server, limits);
        let event = server.receive(&mut &[][..], &mut Head::new());
        assert_eq!(event, Some(Event::Head { stream: STREAM, tag: 0, end: End::Open }));
        server.set_tag(7);
        server
    }

    #[test]
    fn what_comes_in_is_data_up_to_the_window() {
        let mut server = accepted(limits(4, 100));
        let mut input = &b"abcdef"[..];
        let data = |data| Some(Event::Data { stream: STREAM, tag: 7, data, end: End::Open });
        assert_eq!(server.receive(&mut input, &mut Head::new()), data(&b"abcd"[..]));
        assert!(!server.accepts_input());
        assert_eq!(server.receive(&mut input, &mut Head::new()), None);
        assert_eq!(input, b"ef", "left for later");
        server.grant(1);
        assert_eq!(server.receive(&mut input, &mut Head::new()), data(&b"e"[..]));
    }

    #[test]
    fn a_byte_more_than_the_output_takes_waits() {
        let mut server = accepted(limits(100, 4));
        assert_eq!(server.send_data(b"abcde", End::Stream), 4);
        assert!(!server.is_output_ended(), "a byte is still to come");
        assert!(!server.accepts_input());
        server.output().consume(4);
        server.pump();
        assert_eq!(server.output().front(), b"e");
        assert!(server.is_output_ended());
        let event = server.receive(&mut &[][..], &mut Head::new());
        assert_eq!(event, Some(Event::Sent { stream: STREAM, tag: 7, bytes: 1 }));
    }

    #[test]
    fn directions_end_one_after_the_other() {
        let mut client = Connection::new(Role::Client, Limits::default());
        let mut head = Head::new();
        assert_eq!(client.capacity(), 1);
        assert_eq!(client.open(9), Ok(STREAM));
        assert_eq!((client.open(9), client.capacity()), (Err(OpenError::Full), 0));
        let event = client.receive(&mut &[][..], &mut head);
        assert_eq!(event, Some(Event::Head { stream: STREAM, tag: 9, end: End::Open }));
        assert_eq!(head.get(Name::Status), Some(&b"200"[..]));
        assert_eq!(client.send_data(b"ask", End::Stream), 3);
        assert!(client.is_output_ended());
        assert_eq!(client.active_streams(), 1, "the answer is still to come");
        client.end_input();
        let end = Event::Data { stream: STREAM, tag: 9, data: &[][..], end: End::Stream };
        assert_eq!(client.receive(&mut &[][..], &mut head), Some(end));
        assert_eq!(client.receive(&mut &[][..], &mut head), Some(Event::Drained));
        assert_eq!((client.active_streams(), client.is_aborted()), (0, false));
    }

    #[test]
    fn a_stream_that_is_cut_off_is_no_clean_end() {
        let mut server = accepted(Limits::default());
        server.reset(ErrorCode::CANCEL);
        assert!(server.is_aborted());
        assert_eq!(server.receive(&mut &b"late"[..], &mut Head::new()), Some(Event::Drained));
        let mut late = &b"late"[..];
        assert_eq!(server.receive(&mut late, &mut Head::new()), None);
        assert!(late.is_empty(), "thrown away");
        assert_eq!(server.send_data(b"x", End::Open), 1);
        assert!(server.output().is_empty());
        server.close();
        assert!(server.is_aborted(), "the end of the connection makes no clean end of it");
    }

    #[test]
    fn a_large_payload_stays_where_it_is() {
        let mut server = accepted(Limits::default());
        let source = vec![1; 10_000];
        let sent = server.send_data_borrowed(100..9_100, &source[100..9_100], End::Open);
        assert_eq!((sent, server.output().has_borrowed()), (9_000, true));
    }
}
