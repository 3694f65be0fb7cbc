//! The commands of a stream: what the owner sends.
//!
//! A command for a stream that is over, or that has no place in its state, does nothing. Everything goes to
//! the output at once; of bytes that are above its mark the owner is told by [`Event::Sent`] when they are
//! below it, so that it gives its sender no credit for them until then.

use std::ops::Range;

use super::{Connection, Exchange, Expectation, Inbound, Outbound, Sending, Tunnel};
use crate::codec::{End, ErrorCode, Event, Party, Processed, Reason, StreamKey};
use crate::h1::Fault;
use crate::h1::chunk::put_chunk_line;
use crate::h1::framing::Body;
use crate::h1::head::{Method, Persistence};
use crate::h1::target::Version;
use crate::h1::write::{self, Closing, Length};
use crate::websocket::{ACCEPT, WEBSOCKET};
use crate::{Head, Name};

/// Payloads below this are copied: a slice more in the write costs as much.
const BORROWED_BYTES_MIN: usize = 2 << 10;

/// Bytes of a body, or where they lie.
enum Payload<'a> {
    Here(&'a [u8]),
    At(Range<usize>),
}

// === impl Connection ===

impl Connection {
    /// Sends the head of a reply (server role).
    pub fn send_head(&mut self, stream: StreamKey, head: &Head, end: End) {
        if self.live(stream).is_none() || self.outbound != Outbound::Head {
            return;
        }
        let Some(status) = status_of(head).filter(|status| *status >= 200) else { return };
        let tunnel = self.exchange.as_ref().and_then(|exchange| exchange.tunnel);
        match tunnel {
            Some(tunnel) if status < 300 => self.accept_tunnel(tunnel, status, head, end),
            tunnel => {
                if tunnel == Some(Tunnel::Connect) {
                    // What the client has sent for the tunnel in good hope must not be read as requests.
                    self.leave_later();
                }
                self.put_reply(status, head, end);
            }
        }
    }

    fn put_reply(&mut self, status: u16, head: &Head, end: End) {
        let Some(exchange) = &self.exchange else { return };
        let (sending, length) = reply_framing(exchange, status, content_length(head), end);
        let version = exchange.version;
        let is_last = sending == Sending::UntilClose || self.must_close(exchange);
        let persistence = if is_last { Persistence::Closes } else { Persistence::Stays };
        if is_last {
            self.leave_later();
        }
        let closing = Closing { length, connection: write::persistence(persistence, version) };
        let out = self.output.buffer();
        write::put_status_line(out, status);
        write::put_fields(out, head, closing);
        self.outbound = Outbound::Body(sending);
        if end == End::Stream {
            self.end_body();
        }
    }

    /// Whether the connection ends behind the reply that is about to begin.
    fn must_close(&self, exchange: &Exchange) -> bool {
        let request_left = match self.inbound {
            Inbound::Body(Body::Length(left)) => left,
            _ => 0,
        };
        self.is_draining()
            || exchange.persistence == Persistence::Closes
            // RFC 9110 §10.1.1: nobody knows whether the body will come.
            || exchange.expectation == Expectation::Due
            || request_left > self.config.drain_bytes_max
    }

    /// RFC 8441 §5 the other way round, and RFC 9110 §9.3.6.
    fn accept_tunnel(&mut self, tunnel: Tunnel, status: u16, head: &Head, end: End) {
        let out = self.output.buffer();
        let mut connection: &[u8] = b"";
        match tunnel {
            Tunnel::Connect => write::put_status_line(out, status),
            Tunnel::WebSocket(key) => {
                write::put_status_line(out, 101);
                write::put_field(out, b"upgrade", WEBSOCKET);
                write::put_field(out, ACCEPT, &key.accept());
                connection = b"upgrade";
            }
        }
        // RFC 9110 §8.6, RFC 9112 §6.1: no length of a tunnel.
        write::put_fields(out, head, Closing { length: Length::Nothing, connection });
        self.open_tunnel();
        if end == End::Stream {
            self.finish_output();
        }
    }

    /// Sends a reply 1xx before the final one (server role). A client of HTTP/1.0 does not get it
    /// (RFC 9110 §15.2), and nobody gets 101 this way.
    pub fn send_informational(&mut self, stream: StreamKey, head: &Head) {
        let Some(exchange) = self.live(stream) else { return };
        let Some(status) = status_of(head).filter(|status| matches!(status, 100 | 102..=199))
        else {
            return;
        };
        if exchange.version == Version::V10 || self.outbound != Outbound::Head {
            return;
        }
        if status == 100
            && let Some(exchange) = &mut self.exchange
            && exchange.expectation == Expectation::Due
        {
            exchange.expectation = Expectation::Met;
            self.watch_body();
        }
        let out = self.output.buffer();
        write::put_status_line(out, status);
        write::put_fields(out, head, Closing { length: Length::Nothing, connection: b"" });
    }

    /// Sends bytes of a body. All of them are taken; how many of them found room below the output's mark.
    /// [`Event::Sent`] tells of the others.
    pub fn send_data(&mut self, stream: StreamKey, data: &[u8], end: End) -> usize {
        if self.live(stream).is_none() {
            return data.len();
        }
        if let Outbound::Held { ended } = &mut self.outbound {
            if !*ended {
                self.held.extend_from_slice(data);
                *ended = end == End::Stream;
                return 0;
            }
            return data.len();
        }
        self.put_data(Payload::Here(data), end)
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
        let is_able = self.live(stream).is_some() && matches!(self.outbound, Outbound::Body(_));
        if !is_able || data.len() < BORROWED_BYTES_MIN {
            return self.send_data(stream, data, end);
        }
        self.put_data(Payload::At(range), end)
    }

    /// Sends trailers behind all data, and ends the stream. They are left out where the body has no place
    /// for them (RFC 9110 §6.5.1).
    pub fn send_trailers(&mut self, stream: StreamKey, head: &Head) {
        if self.live(stream).is_none() {
            return;
        }
        match &mut self.outbound {
            Outbound::Held { ended } => *ended = true,
            Outbound::Body(Sending::Chunked) => {
                let out = self.output.buffer();
                out.extend_from_slice(b"0\r\n");
                write::put_trailers(out, head);
                self.finish_output();
            }
            Outbound::Body(_) => self.end_body(),
            Outbound::Head | Outbound::Ended => {}
        }
    }

    fn put_data(&mut self, payload: Payload<'_>, end: End) -> usize {
        let bytes = payload.len();
        let Outbound::Body(sending) = &mut self.outbound else { return bytes };
        match sending {
            Sending::Length(left) => match left.checked_sub(bytes as u64) {
                Some(rest) => *left = rest,
                None => {
                    self.cut_off();
                    return bytes;
                }
            },
            Sending::Swallowed => {
                if end == End::Stream {
                    self.end_body();
                }
                return bytes;
            }
            Sending::Chunked | Sending::UntilClose | Sending::Tunnel => {}
        }
        let is_chunked = *sending == Sending::Chunked && bytes > 0;
        if is_chunked {
            put_chunk_line(self.output.buffer(), bytes);
        }
        match payload {
            Payload::Here(data) => self.output.buffer().extend_from_slice(data),
            Payload::At(range) => self.output.borrow(range),
        }
        if is_chunked {
            self.output.buffer().extend_from_slice(b"\r\n");
        }
        if end == End::Stream {
            self.end_body();
        }
        self.account(bytes)
    }

    /// How many of the bytes that were just put are below the mark.
    fn account(&mut self, bytes: usize) -> usize {
        let above = self.output.len().saturating_sub(self.config.output_bytes_max);
        let sent = (self.owed + bytes).saturating_sub(above).min(bytes);
        self.owed += bytes - sent;
        sent
    }

    /// Tells the owner of bytes that are below the output's mark by now. Call it after output was written,
    /// and then [`Connection::receive`] for [`Event::Sent`].
    pub fn pump(&mut self) {
        let above = self.output.len().saturating_sub(self.config.output_bytes_max);
        if self.owed <= above {
            return;
        }
        let bytes = self.owed - above;
        self.owed = above;
        if let Some(exchange) = &self.exchange {
            let (stream, tag) = (exchange.key, exchange.tag);
            self.events.push_back(Event::Sent { stream, tag, bytes });
        }
    }

    /// The owner has no more for the body.
    pub(super) fn end_body(&mut self) {
        match self.outbound {
            Outbound::Body(Sending::Length(1..)) => return self.cut_off(),
            Outbound::Body(Sending::Chunked) => {
                self.output.buffer().extend_from_slice(b"0\r\n\r\n");
            }
            _ => {}
        }
        self.finish_output();
    }

    /// A message that was promised a length can not have it. RFC 9112 §8: the peer has to see that.
    #[cold]
    fn cut_off(&mut self) {
        let reason = Reason::Http1(Fault::LengthBroken);
        self.break_off(ErrorCode::INTERNAL_ERROR, Party::Us, reason, Processed::Maybe);
    }
}

// === impl Payload ===

impl Payload<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Here(data) => data.len(),
            Self::At(range) => range.len(),
        }
    }
}

/// RFC 9112 §6.3: how the body of a reply is framed, and what the head says of it.
fn reply_framing(
    exchange: &Exchange,
    status: u16,
    length: Option<u64>,
    end: End,
) -> (Sending, Length) {
    let has_body = exchange.method != Method::Head && !matches!(status, 204 | 304);
    match (has_body, length) {
        // RFC 9110 §8.6.
        (false, _) if status == 204 => (Sending::Swallowed, Length::Nothing),
        (false, Some(_)) => (Sending::Swallowed, Length::AsGiven),
        (false, None) => (Sending::Swallowed, Length::Nothing),
        (true, Some(length)) => (Sending::Length(length), Length::AsGiven),
        (true, None) if end == End::Stream => (Sending::Length(0), Length::Zero),
        (true, None) if exchange.version == Version::V11 => (Sending::Chunked, Length::Chunked),
        (true, None) => (Sending::UntilClose, Length::Nothing),
    }
}

pub(super) fn status_of(head: &Head) -> Option<u16> {
    match head.get(Name::Status) {
        Some([a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9']) => {
            Some(u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0'))
        }
        _ => None,
    }
}

/// The length that a head gives to its body, if it is a number.
pub(super) fn content_length(head: &Head) -> Option<u64> {
    crate::fields::number(head.get(Name::ContentLength)?)
}
