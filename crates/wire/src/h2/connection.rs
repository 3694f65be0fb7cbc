//! One HTTP/2 connection: bytes and commands in, events and output out.
//!
//! `connection/receive.rs` splits the input into frames; `headers.rs`, `data.rs` and `control.rs` handle
//! them; `send.rs` holds the commands of streams, `waiting.rs` the data that has to wait, `credit.rs` the
//! windows that we give, `lifecycle.rs` the connection's own beginning, drain and end, and its deadlines.
//! Invariants: a closed stream gives no event; the connection's window is given back for every byte of
//! DATA, whatever becomes of its stream; a block of fields is decoded whatever becomes of its stream.

mod control;
mod credit;
mod data;
mod headers;
mod lifecycle;
mod lingering;
mod receive;
mod send;
mod upgraded;
mod waiting;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::flow::{Credit, Window};
use super::frame::{self, PREFACE};
use super::guard::Guard;
use super::settings::{self, FRAME_BYTES_MAX, FRAME_BYTES_MIN, WINDOW_DEFAULT};
use super::state::{Cause, Fault, State};
use super::streams::Streams;
use super::timers::{Timer, Timers};
use super::waiting::Pool;
use super::{Config, Settings};
use crate::Time;
use crate::codec::{
    ConnectionError, ErrorCode, Event, Output, Party, Processed, Reason, Rejected, Role, StreamKey,
};
use crate::hpack::{Decoder, Encoder};

/// Bytes of the dynamic table that the peer encodes with; the protocol's default, never changed.
const DECODER_TABLE_BYTES: u32 = 4096;
/// Bytes of the dynamic table that we encode with, at most, whatever the peer offers.
const ENCODER_TABLE_BYTES_MAX: u32 = 4096;
/// Payload bytes of the frames that we send, at most, whatever the peer takes: so that streams take turns.
const SENT_FRAME_BYTES_MAX: u32 = 16_384;

/// An HTTP/2 connection of either role.
#[derive(Debug)]
pub struct Connection {
    role: Role,
    phase: Phase,
    going: Going,
    /// The time of the last call that was given one.
    now: Time,
    config: Arc<Config>,
    input: receive::Input,
    decoder: Decoder,
    encoder: Encoder,
    streams: Streams,
    output: Output,
    events: VecDeque<Event<'static>>,
    guard: Guard,
    timers: Timers,
    peer: Settings,
    /// What we may send.
    send_window: Window,
    /// What the peer may send.
    credit: Credit,
    /// Payload bytes of a frame that the peer may send.
    frame_bytes_max: u32,
    /// Window of a new stream that the peer reckons with: ours once it has acknowledged our SETTINGS.
    stream_window_bytes: u32,
    /// Bytes handed to the owner and not granted, over all streams.
    ungranted: u64,
    /// The owner's words of the streams that the end of the connection took with it.
    orphans: Vec<u64>,
    /// By how many bytes the receive windows of streams have grown, over all that are here.
    grown_bytes: u32,
    /// Bytes that wait, over all streams.
    waiting_bytes: usize,
    pool: Pool,
    /// The id of the next stream that we open.
    next_id: u32,
    /// The highest id of a stream that the peer opened.
    last_peer_id: u32,
    rejected: Rejected,
    /// Whether a PING of the owner is on the way.
    ping_sent: bool,
    settings_acked: bool,
    watch: lifecycle::OutputWatch,
}

/// How far the connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The peer's preface is due.
    Preface,
    /// The peer's SETTINGS are due.
    Settings,
    Open,
    Closed,
}

/// How far the connection is on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Going {
    Stays,
    /// The first GOAWAY of a drain is sent; streams are still taken.
    Announced,
    /// Nothing is opened any more; the peer's streams above `last` are ignored.
    Final {
        last: u32,
    },
    /// As `Final`, and the owner knows that all streams are gone.
    Drained {
        last: u32,
    },
}

// === impl Connection ===

impl Connection {
    /// A connection whose transport has just been connected (client) or accepted (server). The output
    /// holds our preface.
    pub fn new(role: Role, config: Arc<Config>, now: Time) -> Self {
        Self::behind(role, config, Output::default(), now)
    }

    /// As [`Connection::new`], behind what is still to be written of before.
    fn behind(role: Role, config: Arc<Config>, output: Output, now: Time) -> Self {
        let connection_window_bytes = config.connection_window_bytes.max(WINDOW_DEFAULT);
        let mut connection = Self {
            role,
            phase: if role == Role::Server { Phase::Preface } else { Phase::Settings },
            going: Going::Stays,
            now,
            input: receive::Input::default(),
            decoder: Decoder::new(DECODER_TABLE_BYTES),
            encoder: Encoder::new(),
            streams: Streams::new(),
            output,
            events: VecDeque::new(),
            guard: Guard::new(now),
            timers: Timers::new(),
            peer: Settings::default(),
            send_window: Window::new(WINDOW_DEFAULT),
            credit: Credit::new(connection_window_bytes),
            frame_bytes_max: config.max_frame_bytes.clamp(FRAME_BYTES_MIN, FRAME_BYTES_MAX),
            // Until our SETTINGS have arrived, the peer may use the protocol's default.
            stream_window_bytes: config.initial_window_bytes.max(WINDOW_DEFAULT),
            ungranted: 0,
            grown_bytes: 0,
            orphans: Vec::new(),
            waiting_bytes: 0,
            pool: Pool::default(),
            next_id: 1,
            last_peer_id: 0,
            rejected: Rejected::default(),
            ping_sent: false,
            settings_acked: false,
            watch: lifecycle::OutputWatch::default(),
            config,
        };
        connection.put_preface(connection_window_bytes);
        connection
    }

    /// Gives a stream the owner's word, which comes back in every event of it.
    pub fn set_tag(&mut self, stream: StreamKey, tag: u64) {
        if let Some(stream) = self.streams.get_mut(stream) {
            stream.tag = tag;
        }
    }

    /// How long waiting data of this stream may make no progress, in place of
    /// [`Config::stall_timeout`]. The output of the connection as a whole keeps to that.
    pub fn set_stall_timeout(&mut self, stream: StreamKey, timeout: Duration) {
        if let Some(stream) = self.streams.get_mut(stream) {
            stream.stall_timeout = Some(timeout);
        }
    }

    /// The owner's word of a stream that is still here.
    pub fn tag(&self, stream: StreamKey) -> Option<u64> {
        self.streams.get(stream).map(|stream| stream.tag)
    }

    /// The owner's words of all streams that are here, or were when the connection ended, in no order.
    pub fn tags(&self) -> impl Iterator<Item = u64> {
        self.streams.iter().map(|stream| stream.tag).chain(self.orphans.iter().copied())
    }

    /// What waits to be written.
    pub fn output(&mut self) -> &mut Output {
        self.watch_output();
        &mut self.output
    }

    /// Whether the caller may go on reading. False while the output is above its mark: answers to what is
    /// read would only make it longer.
    #[inline]
    pub fn accepts_input(&self) -> bool {
        self.output.len() < self.config.output_bytes_max
    }

    /// Streams that are open, or closed and not released.
    pub fn active_streams(&self) -> usize {
        self.streams.len()
    }

    /// Whether the connection is over.
    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    /// Whether the connection takes or opens no new streams, or soon will not.
    pub fn is_draining(&self) -> bool {
        self.going != Going::Stays
    }

    /// Bytes that wait for window or room, over all streams.
    pub fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    /// Requests that were answered with RST_STREAM before their owner heard of them.
    pub fn rejected(&self) -> Rejected {
        self.rejected
    }

    /// What the peer announced.
    pub fn peer_settings(&self) -> &Settings {
        &self.peer
    }

    /// Bytes of memory held, in all.
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>()
            + self.input.memory_bytes()
            + self.decoder.memory_bytes()
            + self.encoder.memory_bytes()
            + self.streams.memory_bytes()
            + self.output.capacity_bytes()
            + self.events.capacity() * size_of::<Event<'static>>()
            + self.pool.memory_bytes()
    }

    /// Gives back memory that only a busy connection needs.
    pub fn shrink(&mut self) {
        self.input.shrink();
        self.decoder.shrink();
        self.encoder.shrink();
        self.output.shrink();
        self.streams.shrink();
        self.pool.clear();
        if self.events.is_empty() {
            self.events = VecDeque::new();
        }
    }

    fn put_preface(&mut self, connection_window_bytes: u32) {
        let out = self.output.buffer();
        if self.role == Role::Client {
            out.extend_from_slice(PREFACE);
        }
        settings::put(out, self.role, &self.config);
        if connection_window_bytes > WINDOW_DEFAULT {
            frame::put_window_update(out, 0, connection_window_bytes - WINDOW_DEFAULT);
        }
        self.timers.set(Timer::Preface, self.now + self.config.preface_timeout);
        self.timers.set(Timer::SettingsAck, self.now + self.config.settings_timeout);
    }

    /// Ends the connection (RFC 9113 §5.4.1): GOAWAY, the event, and nothing after it.
    #[cold]
    fn fail(&mut self, error: ConnectionError) {
        self.shut(error.code, error.reason);
        self.events.push_back(Event::Closed { error });
    }

    /// Does what a frame deserves that does not fit the state of its stream.
    fn punish(&mut self, id: u32, fault: Fault) -> Result<(), ConnectionError> {
        match fault {
            Fault::Ignore => self.guard.idle_frame(&self.config.guard, self.now),
            Fault::Stream(code, reason) => self.stream_error(id, code, reason),
            Fault::Connection(error) => Err(error),
        }
    }

    /// Resets a stream for an error of the peer (RFC 9113 §5.4.2).
    #[cold]
    fn stream_error(
        &mut self,
        id: u32,
        code: ErrorCode,
        reason: Reason,
    ) -> Result<(), ConnectionError> {
        frame::put_reset(self.output.buffer(), id, code);
        match self.streams.find(id).map(|(key, _)| key) {
            Some(key) => self.end_early(key, code, Party::Us, reason, Processed::Maybe),
            None => self.streams.remember(id, State::Closed(Cause::ResetByUs)),
        }
        self.guard.error(&self.config.guard, self.now)
    }

    /// Closes a stream before its time and tells the owner, unless it was closed already.
    fn end_early(
        &mut self,
        key: StreamKey,
        code: ErrorCode,
        by: Party,
        reason: Reason,
        processed: Processed,
    ) {
        let Some(stream) = self.streams.get_mut(key) else { return };
        let tag = stream.tag;
        let was_closed = stream.state.is_closed();
        stream.state = State::Closed(Cause::reset_by(by));
        if was_closed {
            return;
        }
        self.events.push_back(Event::Reset { stream: key, tag, code, by, reason, processed });
        self.stream_closed(key);
    }

    /// A stream has come to its end, whichever. It is forgotten if the owner is done with it too.
    fn stream_closed(&mut self, key: StreamKey) {
        let Some(stream) = self.streams.get_mut(key) else { return };
        if stream.state == State::Closed(Cause::Ended) {
            self.guard.forgive(stream.section_bytes);
        }
        self.guard.ended();
        let released = stream.flags.released;
        stream.lingering = None;
        if let Some(waiting) = stream.waiting.take() {
            self.waiting_bytes -= waiting.len();
            self.pool.give_back(waiting);
            self.streams.unready(key);
        }
        if released {
            self.forget(key);
        }
    }

    fn forget(&mut self, key: StreamKey) {
        let Some(removed) = self.streams.remove(key) else { return };
        self.grown_bytes -= removed.grown;
        self.ungrant(u64::from(removed.ungranted));
        if self.streams.len() == 0 {
            self.check_drained();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Head;
    use crate::codec::{End, OpenError};
    use crate::h2::streams::STREAM_ID_MAX;

    /// RFC 9113 §5.1.1: the last id is 2^31-1.
    #[test]
    fn ids_are_used_once() {
        let mut client = Connection::new(Role::Client, Arc::default(), Time::ZERO);
        client.next_id = STREAM_ID_MAX - 2;
        assert_eq!(client.capacity(), 2);
        for left in [1, 0] {
            assert!(client.open(Time::ZERO, 0, &Head::new(), End::Stream).is_ok());
            assert_eq!(client.capacity(), left);
        }
        let refused = client.open(Time::ZERO, 0, &Head::new(), End::Stream);
        assert_eq!(refused, Err(OpenError::Exhausted));
    }
}
