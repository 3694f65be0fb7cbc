//! How exchanges end: by themselves, reset by the owner, or broken off.

use super::{Connection, Expectation, Going, Inbound, Life, Outbound, Sending};
use crate::codec::{ErrorCode, Event, Party, Processed, Reason, Role, StreamKey};
use crate::h1::framing::Body;

// === impl Connection ===

impl Connection {
    /// Ends a stream before its time. It gives no more events. If its reply has been sent (server role), the
    /// rest of its request is read and dropped, up to
    /// [`Config::drain_bytes_max`](crate::h1::Config::drain_bytes_max); otherwise the connection ends with
    /// it, since HTTP/1 has no other way to say so.
    pub fn reset(&mut self, stream: StreamKey, _code: ErrorCode) {
        if self.live(stream).is_none() {
            return;
        }
        if self.role == Role::Server && self.outbound == Outbound::Ended {
            return self.discard_request();
        }
        self.abandon();
        self.settle();
    }

    /// As [`Connection::reset`] behind all data: what a server does that has answered without reading the
    /// whole request.
    pub fn reset_after_data(&mut self, stream: StreamKey, code: ErrorCode) {
        self.reset(stream, code);
    }

    /// The owner's work for a stream is finished (server role): the next request may come.
    pub fn release(&mut self, stream: StreamKey) {
        if let Some(exchange) = self.exchange.as_mut().filter(|exchange| exchange.key == stream) {
            exchange.released = true;
            self.settle();
        }
    }

    /// The owner has taken so many bytes of a body: as many more are read.
    #[inline]
    pub fn grant(&mut self, stream: StreamKey, bytes: usize) {
        if self.live(stream).is_some() {
            self.ungranted = self.ungranted.saturating_sub(bytes);
        }
    }

    /// The rest of the request is not wanted.
    fn discard_request(&mut self) {
        let bytes_left = self.config.drain_bytes_max;
        if let Some(exchange) = &mut self.exchange {
            exchange.life = Life::Discards { bytes_left };
        }
        self.ungranted = 0;
        // That of a request which is known to be longer has been told to the client as the end.
        if self.is_draining() {
            self.lose_input();
        }
        self.settle();
    }

    /// What comes is not looked at any more.
    pub(super) fn lose_input(&mut self) {
        self.inbound = Inbound::Lost;
        self.input.clear();
        self.watch.stop_head();
        self.leave_later();
    }

    /// No exchange begins behind the present one.
    pub(super) fn leave_later(&mut self) {
        if self.going == Going::Stays {
            self.going = Going::Leaves;
        }
    }

    /// The message that we send is complete.
    pub(super) fn finish_output(&mut self) {
        if matches!(self.outbound, Outbound::Body(Sending::UntilClose | Sending::Tunnel)) {
            self.output_ended = true;
        }
        self.outbound = Outbound::Ended;
        let expectation = self.exchange.as_ref().map(|exchange| exchange.expectation);
        if self.role == Role::Server && expectation == Some(Expectation::Due) {
            // RFC 9110 §10.1.1: the body may come or not; what comes can not be told from a request.
            self.lose_input();
        }
        self.settle();
    }

    /// Nothing more is sent or read of the exchange.
    fn abandon(&mut self) {
        // What is promised a length, or ends with a chunk, shows that it is cut off.
        let is_hidden = match self.outbound {
            Outbound::Body(Sending::UntilClose | Sending::Tunnel) => true,
            Outbound::Body(Sending::Length(_) | Sending::Chunked | Sending::Swallowed) => false,
            Outbound::Head | Outbound::Held { .. } | Outbound::Ended => {
                self.inbound == Inbound::Body(Body::Tunnel)
            }
        };
        self.aborted |= is_hidden;
        self.outbound = Outbound::Ended;
        self.held.clear();
        if let Some(exchange) = &mut self.exchange {
            exchange.life = Life::Over;
        }
        self.lose_input();
    }

    /// Ends an exchange before its time and tells the owner.
    #[cold]
    pub(super) fn break_off(
        &mut self,
        code: ErrorCode,
        by: Party,
        reason: Reason,
        processed: Processed,
    ) {
        let Some(exchange) = &self.exchange else { return };
        let (stream, tag, life) = (exchange.key, exchange.tag, exchange.life);
        self.abandon();
        if life == Life::Open {
            self.events.push_back(Event::Reset { stream, tag, code, by, reason, processed });
        }
        self.settle();
    }

    /// Forgets an exchange that has ended in both directions, and makes the connection free for the next.
    pub(super) fn settle(&mut self) {
        let Some(exchange) = &self.exchange else { return };
        let is_read = matches!(self.inbound, Inbound::Nothing | Inbound::Lost);
        let is_over = is_read && self.outbound == Outbound::Ended;
        if !is_over || !exchange.released {
            return;
        }
        self.forget();
        if self.going != Going::Stays {
            return self.leave();
        }
        if self.role == Role::Server {
            // RFC 9112 §9.3.2: requests are answered in their order, so the next one comes only now.
            self.inbound = Inbound::Head;
        }
    }

    /// The key of the present exchange reaches nothing from here on.
    pub(super) fn forget(&mut self) {
        self.exchange = None;
        self.generation = self.generation.wrapping_add(1);
        self.ungranted = 0;
        self.owed = 0;
        self.held.clear();
        self.watch.stop_body();
    }

    /// No exchange is there, and none will be.
    pub(super) fn leave(&mut self) {
        if matches!(self.going, Going::Stays | Going::Leaves) {
            self.going = Going::Drained;
            self.inbound = Inbound::Lost;
            self.late = None;
            self.watch.stop_head();
            self.events.push_back(Event::Drained);
        }
    }
}
