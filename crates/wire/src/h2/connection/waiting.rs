//! Data that waits in its stream for window or room, and its way out, round robin.
//!
//! Nothing overtakes it: trailers and a late RST_STREAM stand behind it in the same holder. A stream whose
//! own window is used up is not in the queue of those that can send, so a turn costs what it sends.

use super::Connection;
use crate::codec::{End, Event, StreamKey};
use crate::h2::state::Step;
use crate::h2::waiting::{Tail, Waiting};

// === impl Connection ===

impl Connection {
    /// Moves waiting data into the output, a frame of each stream in turn, up to the output's mark. Call
    /// it after output was written, and then [`Connection::receive`] for [`Event::Sent`].
    pub fn pump(&mut self) {
        while self.send_window.available() > 0 && self.room() > 0 {
            let Some(key) = self.streams.next_ready() else { return };
            self.send_waiting(key);
        }
    }

    #[inline]
    fn room(&self) -> usize {
        self.config.output_bytes_max.saturating_sub(self.output.len())
    }

    /// Sends what may go of `data`, and keeps the rest.
    pub(super) fn send_or_wait(&mut self, key: StreamKey, data: &[u8], end: End) -> usize {
        let room = self.room();
        let Some(stream) = self.streams.get_mut(key) else { return data.len() };
        let mut sent = 0;
        if stream.waiting.is_none() {
            let window = stream.send_window.available().min(self.send_window.available());
            sent = data.len().min(window).min(room);
            if sent > 0 {
                let id = stream.id;
                stream.send_window.spend(sent);
                self.send_window.spend(sent);
                self.put_data(id, &data[..sent], End::Open);
            }
        }
        match self.wait(key, &data[sent..], end) {
            true => sent,
            false => data.len(),
        }
    }

    /// Keeps data until it may go. False if the stream has ended already.
    fn wait(&mut self, key: StreamKey, data: &[u8], end: End) -> bool {
        let Some(stream) = self.streams.get_mut(key) else { return false };
        let waiting = stream.waiting.get_or_insert_with(|| self.pool.take());
        if waiting.tail != Tail::Open || waiting.reset.is_some() {
            return false;
        }
        waiting.push(data);
        if end == End::Stream {
            waiting.tail = Tail::End;
        }
        self.waiting_bytes += data.len();
        let timeout = stream.stall_timeout.unwrap_or(self.config.stall_timeout);
        if stream.send_window.available() > 0 {
            self.streams.make_ready(key);
        }
        self.watch_stall(timeout);
        true
    }

    /// Sends one frame of a stream's waiting data, and what stands behind it if that was the last.
    fn send_waiting(&mut self, key: StreamKey) {
        let frame_bytes_max = self.sent_frame_bytes_max();
        let room = self.room();
        let Some(stream) = self.streams.get_mut(key) else { return };
        let Some(mut waiting) = stream.waiting.take() else { return };
        let window = stream.send_window.available().min(self.send_window.available());
        let sent = waiting.len().min(window).min(room).min(frame_bytes_max);
        stream.send_window.spend(sent);
        self.send_window.spend(sent);
        let (id, tag) = (stream.id, stream.tag);
        let is_last = sent == waiting.len();
        let end = match is_last && waiting.tail == Tail::End {
            true => End::Stream,
            false => End::Open,
        };
        self.put_data(id, waiting.front(sent), end);
        waiting.consume(sent);
        self.waiting_bytes -= sent;
        self.report_sent(key, tag, sent);
        if is_last {
            self.finish_waiting(key, waiting);
        } else if let Some(stream) = self.streams.get_mut(key) {
            stream.waiting = Some(waiting);
            if stream.send_window.available() > 0 {
                self.streams.make_ready(key);
            }
        }
    }

    /// All data is sent: now what stood behind it.
    fn finish_waiting(&mut self, key: StreamKey, waiting: Box<Waiting>) {
        match waiting.tail {
            Tail::Open => {}
            Tail::End => self.step_sent(key, Step::Data(End::Stream)),
            Tail::Trailers => self.send_trailers(key, &waiting.trailers),
        }
        if let Some(code) = waiting.reset {
            self.end_after_reply(key, code);
        }
        self.pool.give_back(waiting);
    }

    fn report_sent(&mut self, key: StreamKey, tag: u64, sent: usize) {
        if let Some(Event::Sent { stream, bytes, .. }) = self.events.back_mut()
            && *stream == key
        {
            *bytes += sent;
            return;
        }
        if sent > 0 {
            self.events.push_back(Event::Sent { stream: key, tag, bytes: sent });
        }
    }
}
