//! The connection's own life: the peer's end, drain, close, and its deadlines.

use std::time::Duration;

use super::{Connection, Expectation, Going, Inbound, Life, Outbound};
use crate::Time;
use crate::codec::{
    ConnectionError, End, ErrorCode, Event, Party, Processed, Reason, Refusal, Role,
};
use crate::h1::Fault;
use crate::h1::framing::Body;

/// A body makes progress if at least so many bytes come within the stall timeout, or all. A peer that sends
/// it byte by byte does not keep a request alive.
const PROGRESS_BYTES_MIN: usize = 1024;

/// What is waited for.
#[derive(Debug)]
pub(super) struct Watch {
    /// When the head or the trailers must be complete.
    head: Time,
    /// When to look at the body again, and whether it was looked at before.
    body: Time,
    body_looked_at: bool,
    /// What came of it since the last look.
    body_bytes: usize,
    /// Whether there was a time since the last look when we did not read.
    body_held_up: bool,
    /// When to look at the output again, and whether it was looked at since it last moved.
    output: Time,
    output_looked_at: bool,
    /// What had been written of the output when it last moved, if there is any.
    written: Option<u64>,
}

// === impl Watch ===

impl Watch {
    pub(super) const fn new() -> Self {
        Self {
            head: Time::NEVER,
            body: Time::NEVER,
            body_looked_at: false,
            body_bytes: 0,
            body_held_up: false,
            output: Time::NEVER,
            output_looked_at: false,
            written: None,
        }
    }

    /// A head or trailers have begun, now or before.
    pub(super) fn start_head(&mut self, due: Time) {
        self.head = self.head.min(due);
    }

    pub(super) fn stop_head(&mut self) {
        self.head = Time::NEVER;
    }

    pub(super) fn stop_body(&mut self) {
        self.body = Time::NEVER;
    }

    #[inline]
    pub(super) fn moved(&mut self, bytes: usize) {
        self.body_bytes = self.body_bytes.saturating_add(bytes);
    }

    /// The owner has so much that it takes no more for now.
    #[inline]
    pub(super) fn hold_up(&mut self) {
        self.body_held_up = true;
    }

    fn start_body(&mut self, due: Time) {
        self.body = due;
        self.body_looked_at = false;
        self.body_bytes = 0;
        self.body_held_up = false;
    }
}

// === impl Connection ===

impl Connection {
    /// The peer has ended its direction in good order; not for a transport that broke. Call it when nothing is
    /// left of the input, and [`Connection::receive`] with an empty input after it. A body that goes on
    /// until the connection ends is complete, a tunnel ends in this direction, a request that is complete is
    /// answered; anything else is cut off.
    pub fn end_input(&mut self, now: Time) {
        self.now = now;
        if std::mem::replace(&mut self.input_ended, true) {
            return;
        }
        match self.inbound {
            Inbound::Body(Body::Tunnel) => self.end_tunnel_input(),
            Inbound::Body(Body::UntilClose) => self.end_data(),
            Inbound::Body(Body::Length(_) | Body::Chunked(_)) => self.truncated(Fault::Truncated),
            Inbound::Head if self.role == Role::Client => {
                let exchange = self.exchange.as_ref();
                let has_begun = exchange.is_some_and(|exchange| exchange.informational > 0)
                    || !self.input.partial.is_empty();
                // RFC 9112 §9.3.1: of one that has not begun, its request may be sent again.
                let fault = if has_begun { Fault::Truncated } else { Fault::ClosedEarly };
                self.truncated(fault);
            }
            Inbound::Head => self.leave(),
            Inbound::Nothing | Inbound::Lost => {
                self.leave_later();
                if self.exchange.is_none() {
                    self.leave();
                }
            }
        }
    }

    /// The peer's direction of a tunnel has ended.
    pub(super) fn end_tunnel_input(&mut self) {
        if self.inbound == Inbound::Body(Body::Tunnel) {
            self.end_data();
        }
    }

    fn end_data(&mut self) {
        self.inbound = Inbound::Nothing;
        self.leave_later();
        if let Some(exchange) = self.exchange.as_ref().filter(|one| one.life == Life::Open) {
            let (stream, tag) = (exchange.key, exchange.tag);
            self.events.push_back(Event::Data { stream, tag, data: &[], end: End::Stream });
        }
        self.settle();
    }

    /// RFC 9112 §8: a message that is not complete is never taken for one that is.
    fn truncated(&mut self, fault: Fault) {
        let (code, reason) = (ErrorCode::CANCEL, Reason::Http1(fault));
        self.break_off(code, Party::Peer, reason, Processed::Maybe);
    }

    /// Begins the graceful end: the present exchange is the last, and a server says so in its reply
    /// (RFC 9112 §9.6). [`Event::Drained`] tells that none is there.
    pub fn drain(&mut self, now: Time) {
        self.now = now;
        self.leave_later();
        // A request that has begun is still taken.
        let is_idle = self.exchange.is_none() && self.input.partial.is_empty();
        if is_idle {
            self.leave();
        }
    }

    /// Ends the connection at once. A stream that is there is gone without an event; flush the output and
    /// drop the transport.
    pub fn close(&mut self, _code: ErrorCode, _reason: &'static str) {
        if self.going != Going::Closed {
            self.shut();
            self.events.clear();
        }
    }

    /// Ends the connection for an error: the stream hears of it, then the owner.
    #[cold]
    pub(super) fn fail(&mut self, error: ConnectionError) {
        let (code, reason) = (error.code, error.reason);
        self.break_off(code, Party::Us, reason, Processed::Maybe);
        self.shut();
        self.events.retain(|event| *event != Event::Drained);
        self.events.push_back(Event::Closed { error });
    }

    /// Forgets everything but the output.
    fn shut(&mut self) {
        self.orphan = self.exchange.as_ref().map(|exchange| exchange.tag);
        self.aborted |= !matches!(self.outbound, Outbound::Ended);
        self.forget();
        self.going = Going::Closed;
        self.inbound = Inbound::Lost;
        self.outbound = Outbound::Ended;
        self.late = None;
        self.input.clear();
        self.watch = Watch::new();
    }

    /// When [`Connection::on_deadline`] is to be called; [`Time::NEVER`] if it is not.
    pub fn deadline(&self) -> Time {
        self.watch.head.min(self.watch.body).min(self.watch.output)
    }

    /// Acts on what has not happened in time. Call [`Connection::receive`] with an empty input for the
    /// events that it caused.
    pub fn on_deadline(&mut self, now: Time) {
        self.now = now;
        if self.watch.head <= now {
            self.watch.stop_head();
            self.on_late_head();
        }
        if self.watch.body <= now {
            self.look_at_body();
        }
        if self.watch.output <= now {
            self.look_at_output();
        }
    }

    fn on_late_head(&mut self) {
        match (self.role, self.inbound) {
            (Role::Server, Inbound::Head) => self.late = Some(Refusal::HeadTimeout),
            (Role::Client, _) => {
                self.fail(ConnectionError::calm(Reason::Http1(Fault::HeadLate)));
            }
            (Role::Server, _) => self.refuse_late(),
        }
    }

    /// The body of a request does not come.
    fn refuse_late(&mut self) {
        if let super::receive::Progress::Event(event) = self.on_body_fault(Refusal::BodyTimeout) {
            self.events.push_back(event);
        }
    }

    /// A body begins, or may begin from now on. Of a reply only the owner knows how long it may take, and
    /// of a tunnel nobody does.
    pub(super) fn watch_body(&mut self) {
        let is_request = self.role == Role::Server
            && matches!(self.inbound, Inbound::Body(Body::Length(_) | Body::Chunked(_)));
        if is_request {
            self.watch.start_body(self.now + self.config.stall_timeout);
        }
    }

    /// The time of this connection may be old when a wait begins, since most commands bring none: so waiting
    /// gets its time when it is first looked at.
    fn look_at_body(&mut self) {
        self.watch.stop_body();
        let expects = self.exchange.as_ref().map(|exchange| exchange.expectation);
        let Inbound::Body(_) = self.inbound else { return };
        let goes_on = !self.watch.body_looked_at
            || self.watch.body_held_up
            || !self.accepts_input()
            || expects == Some(Expectation::Due)
            || self.watch.body_bytes >= PROGRESS_BYTES_MIN;
        if goes_on {
            self.watch.start_body(self.now + self.config.stall_timeout);
            self.watch.body_looked_at = true;
            self.watch.body_held_up = !self.accepts_input();
        } else {
            self.refuse_late();
        }
    }

    /// The owner is about to write: from here on the output should move.
    #[inline]
    pub(super) fn watch_output(&mut self) {
        if self.output.is_empty() {
            self.watch.written = None;
            self.watch.output = Time::NEVER;
        } else if self.watch.written != Some(self.output.written()) && self.going != Going::Closed {
            self.watch.written = Some(self.output.written());
            self.watch.output_looked_at = false;
            self.watch.output = self.now + self.stall_timeout();
        }
    }

    fn look_at_output(&mut self) {
        self.watch.output = Time::NEVER;
        if self.output.is_empty() || self.watch.written != Some(self.output.written()) {
            return self.watch_output();
        }
        if std::mem::replace(&mut self.watch.output_looked_at, true) {
            return self.fail(ConnectionError::calm(Reason::OutputStalled));
        }
        self.watch.output = self.now + self.stall_timeout();
    }

    fn stall_timeout(&self) -> Duration {
        let own = self.exchange.as_ref().and_then(|exchange| exchange.stall_timeout);
        own.unwrap_or(self.config.stall_timeout)
    }
}
