//! The commands of streams: what the owner sends.
//!
//! A command for a stream that is gone, or that has no place in its state, does nothing: the stream may
//! have ended in the same turn. What can go, goes into the output at once; the rest waits in the stream,
//! in order (`waiting.rs`).

use std::ops::Range;

use super::{Connection, Going, Phase, SENT_FRAME_BYTES_MAX};
use crate::codec::{End, ErrorCode, OpenError, Role, StreamKey};
use crate::h2::frame::{self, FrameHeader, HEADER_BYTES, flag, kind};
use crate::h2::state::{State, Step};
use crate::h2::streams::STREAM_ID_MAX;
use crate::h2::waiting::Tail;
use crate::{Head, Name, Time};

/// Payloads below this are copied: a slice more in the write costs as much.
const BORROWED_BYTES_MIN: usize = 2 << 10;

// === impl Connection ===

impl Connection {
    /// Opens a stream with a request (client role).
    pub fn open(
        &mut self,
        now: Time,
        tag: u64,
        head: &Head,
        end: End,
    ) -> Result<StreamKey, OpenError> {
        self.now = now;
        if self.phase == Phase::Closed || self.role == Role::Server {
            return Err(OpenError::Closed);
        }
        if self.going != Going::Stays {
            return Err(OpenError::Draining);
        }
        // RFC 9113 §5.1.1: ids are not used twice.
        if self.next_id > STREAM_ID_MAX {
            return Err(OpenError::Exhausted);
        }
        if self.streams.len() >= self.peer.max_concurrent_streams as usize {
            return Err(OpenError::Full);
        }
        let state = State::Idle.send(Step::Headers(end)).ok_or(OpenError::Closed)?;
        let id = self.next_id;
        self.next_id += 2;
        let mut stream = self.new_stream(id, state);
        stream.tag = tag;
        // Nothing but the reply is waited for.
        stream.flags.released = true;
        stream.flags.head_request = head.get(Name::Method) == Some(b"HEAD");
        let key = self.streams.insert(stream);
        self.guard.opened();
        self.put_headers(id, head, end);
        Ok(key)
    }

    /// How many more streams may be opened now (client role).
    pub fn capacity(&self) -> usize {
        let is_able =
            self.role == Role::Client && self.going == Going::Stays && self.phase != Phase::Closed;
        if !is_able {
            return 0;
        }
        let ids_left = (STREAM_ID_MAX + 1).saturating_sub(self.next_id).div_ceil(2);
        let peer_takes = self.peer.max_concurrent_streams as usize;
        peer_takes.saturating_sub(self.streams.len()).min(ids_left as usize)
    }

    /// Sends the head of a reply (server role).
    pub fn send_head(&mut self, stream: StreamKey, head: &Head, end: End) {
        let Some((id, state)) = self.streams.get(stream).map(|stream| (stream.id, stream.state))
        else {
            return;
        };
        if state.awaits_our_head() {
            self.put_headers(id, head, end);
            self.step_sent(stream, Step::Headers(end));
        }
    }

    /// Sends a reply 1xx before the head (server role). Never 101 (RFC 9113 §8.6).
    pub fn send_informational(&mut self, stream: StreamKey, head: &Head) {
        let Some((id, state)) = self.streams.get(stream).map(|stream| (stream.id, stream.state))
        else {
            return;
        };
        if state.awaits_our_head() {
            self.put_headers(id, head, End::Open);
        }
    }

    /// Sends bytes of the body. Takes all of them; the result says how many went to the output now, the
    /// others wait for window or room, and [`Event::Sent`](crate::codec::Event::Sent) reports them.
    #[inline]
    pub fn send_data(&mut self, stream: StreamKey, data: &[u8], end: End) -> usize {
        let Some(found) = self.streams.get_mut(stream) else { return data.len() };
        let Some(next) = found.state.send(Step::Data(end)) else { return data.len() };
        let room = self.config.output_bytes_max.saturating_sub(self.output.len());
        let window = found.send_window.available().min(self.send_window.available());
        if found.is_waiting() || data.len() > window.min(room) {
            return self.send_or_wait(stream, data, end);
        }
        let id = found.id;
        found.send_window.spend(data.len());
        self.send_window.spend(data.len());
        found.state = next;
        self.put_data(id, data, end);
        if next.is_closed() {
            self.stream_closed(stream);
        }
        data.len()
    }

    /// As [`Connection::send_data`], for `data` that lies at `range` of the buffer that the caller will
    /// write from: [`Output::slices`](crate::codec::Output::slices) finds it there if it is large, and
    /// [`Output::settle`](crate::codec::Output::settle) must be called before that buffer is used again.
    pub fn send_data_borrowed(
        &mut self,
        stream: StreamKey,
        range: Range<usize>,
        data: &[u8],
        end: End,
    ) -> usize {
        debug_assert_eq!(range.len(), data.len(), "the range is that of the data");
        if data.len() < BORROWED_BYTES_MIN {
            return self.send_data(stream, data, end);
        }
        let Some(found) = self.streams.get_mut(stream) else { return data.len() };
        let room = self.config.output_bytes_max.saturating_sub(self.output.len());
        let window = found.send_window.available().min(self.send_window.available());
        let fits = !found.is_waiting() && data.len() <= window.min(room);
        let next = found.state.send(Step::Data(end));
        let (true, Some(next)) = (fits, next) else {
            return self.send_data(stream, data, end);
        };
        let id = found.id;
        found.send_window.spend(data.len());
        self.send_window.spend(data.len());
        found.state = next;
        self.put_borrowed(id, range, end);
        if next.is_closed() {
            self.stream_closed(stream);
        }
        data.len()
    }

    /// Sends trailers behind all data, and ends the stream.
    pub fn send_trailers(&mut self, stream: StreamKey, head: &Head) {
        let Some(found) = self.streams.get_mut(stream) else { return };
        if let Some(waiting) = &mut found.waiting {
            if waiting.tail == Tail::Open {
                waiting.set_trailers(head);
            }
            return;
        }
        let (id, state) = (found.id, found.state);
        if !state.awaits_our_head() && state.send(Step::Headers(End::Stream)).is_some() {
            self.put_headers(id, head, End::Stream);
            self.step_sent(stream, Step::Headers(End::Stream));
        }
    }

    /// Resets a stream and drops its waiting data. It gives no more events.
    pub fn reset(&mut self, stream: StreamKey, code: ErrorCode) {
        let Some(found) = self.streams.get_mut(stream) else { return };
        let Some(next) = found.state.send(Step::Reset) else { return };
        found.state = next;
        frame::put_reset(self.output.buffer(), found.id, code);
        self.stream_closed(stream);
    }

    /// Ends a stream once all its waiting data is sent: what a server does that has answered without reading
    /// the whole request. What still comes of the request is dropped. Behind a complete reply the stream is
    /// reset only if the peer goes on for long (`lingering.rs`).
    pub fn reset_after_data(&mut self, stream: StreamKey, code: ErrorCode) {
        let Some(found) = self.streams.get_mut(stream) else { return };
        match &mut found.waiting {
            Some(waiting) => {
                waiting.reset = Some(code);
                found.flags.discards = true;
            }
            None => self.end_after_reply(stream, code),
        }
    }

    /// The owner's work for a stream is finished (server role). From now on, or from its end on if that is
    /// later, it does not count against [`Config::max_concurrent_streams`](crate::h2::Config).
    pub fn release(&mut self, stream: StreamKey) {
        let Some(found) = self.streams.get_mut(stream) else { return };
        found.flags.released = true;
        if found.state.is_closed() {
            self.forget(stream);
        }
    }

    /// Moves the state of a stream after a frame of ours.
    pub(super) fn step_sent(&mut self, key: StreamKey, step: Step) {
        let Some(stream) = self.streams.get_mut(key) else { return };
        let Some(next) = stream.state.send(step) else { return };
        stream.state = next;
        if next.is_closed() {
            self.stream_closed(key);
        }
    }

    /// Payload bytes of a frame that we send, at most.
    #[inline]
    pub(super) fn sent_frame_bytes_max(&self) -> usize {
        self.peer.max_frame_bytes.min(SENT_FRAME_BYTES_MAX) as usize
    }

    /// Appends HEADERS, with CONTINUATION if need be.
    pub(super) fn put_headers(&mut self, id: u32, head: &Head, end: End) {
        self.guard.sent(0);
        let frame_bytes_max = self.sent_frame_bytes_max();
        let out = self.output.buffer();
        let at = out.len();
        let flags = flag::END_HEADERS | end_flag(end);
        FrameHeader { len: 0, kind: kind::HEADERS, flags, stream: id }.write(out);
        self.encoder.encode(head, out);
        let len = out.len() - at - HEADER_BYTES;
        if len <= frame_bytes_max {
            frame::patch(out, at, len, flags);
        } else {
            split_headers(out, at, frame_bytes_max);
        }
    }

    /// Appends DATA that the windows were charged for.
    #[inline]
    pub(super) fn put_data(&mut self, id: u32, data: &[u8], end: End) {
        self.guard.sent(data.len());
        let frame_bytes_max = self.sent_frame_bytes_max();
        // Peers charge small frames, and every frame costs nine bytes: the last one grows if it can.
        if let Some(at) = self.output.growing_data(id) {
            let out = self.output.buffer();
            let len = out.len() - at - HEADER_BYTES + data.len();
            if len <= frame_bytes_max {
                out.extend_from_slice(data);
                frame::patch(out, at, len, end_flag(end));
                self.output.note_data(id, at);
                return;
            }
        }
        let mut left = data;
        while left.len() > frame_bytes_max {
            let (now, later) = left.split_at(frame_bytes_max);
            self.put_data_frame(id, now, 0);
            left = later;
        }
        if !left.is_empty() || end == End::Stream {
            self.put_data_frame(id, left, end_flag(end));
        }
    }

    #[inline]
    fn put_data_frame(&mut self, id: u32, data: &[u8], flags: u8) {
        let out = self.output.buffer();
        let at = out.len();
        out.reserve(HEADER_BYTES + data.len());
        FrameHeader { len: data.len() as u32, kind: kind::DATA, flags, stream: id }.write(out);
        out.extend_from_slice(data);
        self.output.note_data(id, at);
    }

    /// As [`Connection::put_data`], leaving the payload where it is.
    fn put_borrowed(&mut self, id: u32, range: Range<usize>, end: End) {
        self.guard.sent(range.len());
        let frame_bytes_max = self.sent_frame_bytes_max();
        let mut at = range.start;
        while at < range.end {
            let until = range.end.min(at + frame_bytes_max);
            let flags = if until == range.end { end_flag(end) } else { 0 };
            let len = (until - at) as u32;
            let header = FrameHeader { len, kind: kind::DATA, flags, stream: id };
            header.write(self.output.buffer());
            self.output.borrow(at..until);
            at = until;
        }
    }
}

#[inline]
pub(super) fn end_flag(end: End) -> u8 {
    match end {
        End::Open => 0,
        End::Stream => flag::END_STREAM,
    }
}

/// The HEADERS frame at `at` is too long: makes a row of frames of it (RFC 9113 §4.3).
#[cold]
fn split_headers(out: &mut Vec<u8>, at: usize, frame_bytes_max: usize) {
    let frame = out.split_off(at);
    let Some(header) = FrameHeader::read(&frame) else { return };
    let mut fragments = frame[HEADER_BYTES..].chunks(frame_bytes_max).peekable();
    let mut header = FrameHeader { flags: header.flags & !flag::END_HEADERS, ..header };
    while let Some(fragment) = fragments.next() {
        header.len = fragment.len() as u32;
        if fragments.peek().is_none() {
            header.flags |= flag::END_HEADERS;
        }
        header.write(out);
        out.extend_from_slice(fragment);
        header = FrameHeader { kind: kind::CONTINUATION, flags: 0, ..header };
    }
}
