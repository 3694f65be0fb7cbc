//! The connection's own life: drain, end, keepalive, and its deadlines.

use std::time::Duration;

use super::{Connection, Going, Phase};
use crate::Time;
use crate::codec::{ConnectionError, ErrorCode, Party, Processed, Reason};
use crate::codec::{Event, Role, StreamKey};
use crate::h2::frame;
use crate::h2::streams::STREAM_ID_MAX;
use crate::h2::timers::Timer;

/// Payload of the owner's PING.
pub(super) const OWNER_PING: &[u8; 8] = b"narrows?";
/// Payload of the PING between the two GOAWAYs of a drain.
pub(super) const DRAIN_PING: &[u8; 8] = b"narrows.";
/// How long a drain waits for the answer to its PING.
const DRAIN_PING_TIMEOUT: Duration = Duration::from_secs(1);
/// Waiting data of a stream makes progress if at least so many bytes go within the stall timeout, or all.
/// A peer that opens its window byte by byte does not keep a stream alive.
const PROGRESS_BYTES_MIN: usize = 1024;

/// Tells whether the peer reads what we write. Set while there is something to write.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct OutputWatch {
    is_set: bool,
    /// What had been written when it was set.
    written: u64,
    /// When it was first looked at.
    looked_at: Option<Time>,
}

// === impl Connection ===

impl Connection {
    /// Sends a PING; [`Event::Pong`] tells of the answer. One is on the way at a time.
    pub fn ping(&mut self, now: Time) {
        self.now = now;
        if self.phase != Phase::Closed && !self.ping_sent {
            self.ping_sent = true;
            frame::put_ping(self.output.buffer(), 0, OWNER_PING);
        }
    }

    /// Begins the graceful end. A server announces it with GOAWAY(2^31-1), and names the last stream that
    /// it takes once the peer has answered a PING, or after 1 s (RFC 9113 §6.8). A client opens no more
    /// streams. [`Event::Drained`] tells that the last stream is gone.
    pub fn drain(&mut self, now: Time) {
        self.now = now;
        if self.phase == Phase::Closed || self.going != Going::Stays {
            return;
        }
        if self.role == Role::Client {
            self.going = Going::Final { last: 0 };
            self.check_drained();
            return;
        }
        self.going = Going::Announced;
        frame::put_goaway(self.output.buffer(), STREAM_ID_MAX, ErrorCode::NO_ERROR, b"");
        frame::put_ping(self.output.buffer(), 0, DRAIN_PING);
        self.timers.set(Timer::Drain, now + DRAIN_PING_TIMEOUT);
    }

    /// The second GOAWAY of a drain.
    pub(super) fn finish_drain(&mut self) {
        self.timers.stop(Timer::Drain);
        self.going = Going::Final { last: self.last_peer_id };
        frame::put_goaway(self.output.buffer(), self.last_peer_id, ErrorCode::NO_ERROR, b"");
        self.check_drained();
    }

    pub(super) fn check_drained(&mut self) {
        if let Going::Final { last } = self.going
            && self.streams.len() == 0
        {
            self.going = Going::Drained { last };
            self.events.push_back(Event::Drained);
        }
    }

    /// Ends the connection at once: GOAWAY with the reason as debug data. All streams are gone without an
    /// event; flush the output and drop the transport.
    pub fn close(&mut self, code: ErrorCode, reason: &'static str) {
        if self.phase != Phase::Closed {
            self.shut(code, Reason::Owner(reason));
            self.events.clear();
        }
    }

    /// Writes the last GOAWAY and forgets everything but the output.
    pub(super) fn shut(&mut self, code: ErrorCode, reason: Reason) {
        let last = match self.going {
            Going::Final { last } | Going::Drained { last } => last,
            Going::Stays | Going::Announced => self.last_peer_id,
        };
        frame::put_goaway(self.output.buffer(), last, code, reason.to_string().as_bytes());
        self.phase = Phase::Closed;
        self.input = super::receive::Input::default();
        self.orphans = self.streams.iter().map(|stream| stream.tag).collect();
        self.streams = super::Streams::new();
        self.grown_bytes = 0;
        self.pool.clear();
        self.waiting_bytes = 0;
        self.ungranted = 0;
        self.timers.stop_all();
    }

    /// When [`Connection::on_deadline`] is to be called; [`Time::NEVER`] if it is not.
    pub fn deadline(&self) -> Time {
        self.timers.next()
    }

    /// Acts on what has not happened in time. Call [`Connection::receive`] with an empty input for the
    /// events that it caused.
    pub fn on_deadline(&mut self, now: Time) {
        self.now = now;
        while let Some(timer) = self.timers.expire(now) {
            let error = match timer {
                Timer::Preface => ConnectionError::protocol(Reason::PrefaceLate),
                Timer::SettingsAck => {
                    // RFC 9113 §6.5.3.
                    ConnectionError::new(ErrorCode::SETTINGS_TIMEOUT, Reason::SettingsAckLate)
                }
                Timer::Header => ConnectionError::calm(Reason::HeaderLate),
                Timer::Drain => {
                    self.finish_drain();
                    continue;
                }
                Timer::Linger => {
                    self.end_lingering();
                    continue;
                }
                Timer::Stall => match self.check_progress() {
                    Ok(()) => continue,
                    Err(error) => error,
                },
            };
            return self.fail(error);
        }
    }

    /// Sees to it that a stall is noticed. The time of this connection may be old by now, since commands
    /// bring none: therefore waiting gets its time when it is first looked at.
    pub(super) fn watch_stall(&mut self, timeout: Duration) {
        if self.phase != Phase::Closed {
            self.timers.set_earlier(Timer::Stall, self.now + timeout);
        }
    }

    /// The owner is about to write: from here on the output should move.
    #[inline]
    pub(super) fn watch_output(&mut self) {
        if self.output.is_empty() {
            self.watch.is_set = false;
        } else if !self.watch.is_set || self.watch.written != self.output.written() {
            let written = self.output.written();
            self.watch = OutputWatch { is_set: true, written, looked_at: None };
            self.watch_stall(self.config.stall_timeout);
        }
    }

    /// Resets the streams whose waiting data did not move, and tells whether the output moved.
    fn check_progress(&mut self) -> Result<(), ConnectionError> {
        let timeout = self.config.stall_timeout;
        let mut next = Time::NEVER;
        if self.watch.is_set && self.watch.written == self.output.written() {
            next = *self.watch.looked_at.get_or_insert(self.now) + timeout;
            if next <= self.now {
                return Err(ConnectionError::calm(Reason::OutputStalled));
            }
        }
        for key in self.streams.keys(|stream| stream.is_waiting()) {
            match self.look_at(key) {
                Some(again) => next = next.min(again),
                None => {
                    let code = ErrorCode::CANCEL;
                    if let Some(stream) = self.streams.get(key) {
                        frame::put_reset(self.output.buffer(), stream.id, code);
                    }
                    let reason = Reason::StreamStalled;
                    self.end_early(key, code, Party::Us, reason, Processed::Maybe);
                }
            }
        }
        self.timers.set(Timer::Stall, next);
        Ok(())
    }

    /// When to look again at the waiting data of a stream; None if it is stalled.
    fn look_at(&mut self, key: StreamKey) -> Option<Time> {
        let stream = self.streams.get_mut(key)?;
        let timeout = stream.stall_timeout.unwrap_or(self.config.stall_timeout);
        let waiting = stream.waiting.as_mut()?;
        let due = waiting.looked_at.map(|looked_at| looked_at + timeout);
        if let Some(due) = due.filter(|due| *due > self.now) {
            return Some(due);
        }
        if due.is_some() && waiting.sent_since < PROGRESS_BYTES_MIN {
            return None;
        }
        waiting.looked_at = Some(self.now);
        waiting.sent_since = 0;
        Some(self.now + timeout)
    }
}
