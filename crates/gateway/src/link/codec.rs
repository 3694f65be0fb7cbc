//! The protocol of a link: one of the engines of `wire`, behind the contract that they share.
//!
//! A link whose protocol is not known yet has [`Codec::Unknown`], which gives no events and keeps no bytes:
//! the worker looks at what comes (`worker/detect.rs`), or at what TLS agreed on, and puts the engine in its
//! place. Nothing here decides anything.

use std::ops::Range;
use std::time::Duration;

use narrows_wire::client_hello::ClientHelloReader;
use narrows_wire::codec::{End, ErrorCode, Event, OpenError, Output, Rejected, StreamKey};
use narrows_wire::{Head, Time, h1, h2, raw};

/// What is spoken on a link.
#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "links lie in boxes of their own, nearly all of them H2"
)]
pub enum Codec {
    /// HTTP/2.
    H2(h2::Connection),
    /// HTTP/1.1 and 1.0.
    H1(h1::Connection),
    /// Opaque bytes.
    Raw(raw::Connection),
    /// Not known yet.
    Unknown(Unknown),
}

/// A link that has not shown what it speaks.
#[derive(Debug, Default)]
pub struct Unknown {
    /// Reads the ClientHello, where that is to tell.
    pub hello: ClientHelloReader,
    /// Bytes that it has seen of those that are kept.
    pub seen: usize,
    /// Always empty; stands where an engine's output would.
    output: Output,
    /// Nobody wants to know any more.
    over: bool,
}

/// Does the same with whatever engine there is.
macro_rules! engine {
    ($codec:expr, $engine:ident => $act:expr, unknown $unknown:ident => $otherwise:expr) => {
        match $codec {
            Self::H2($engine) => $act,
            Self::H1($engine) => $act,
            Self::Raw($engine) => $act,
            Self::Unknown($unknown) => $otherwise,
        }
    };
}

// === impl Codec ===

impl Codec {
    /// A link that has not shown what it speaks.
    pub fn unknown() -> Self {
        Self::Unknown(Unknown::default())
    }

    /// Whether it is known what is spoken.
    #[inline]
    pub fn is_known(&self) -> bool {
        !matches!(self, Self::Unknown(_))
    }

    /// Whether it is HTTP/2.
    pub fn is_h2(&self) -> bool {
        matches!(self, Self::H2(_))
    }

    /// Its name in the access log.
    pub fn protocol(&self) -> &'static str {
        match self {
            Self::H2(_) => "HTTP/2",
            Self::H1(_) => "HTTP/1.1",
            Self::Raw(_) => "TCP",
            Self::Unknown(_) => "",
        }
    }

    /// Whether replies can be told from one another, so that the gateway may send one of its own.
    pub fn speaks_http(&self) -> bool {
        matches!(self, Self::H2(_) | Self::H1(_))
    }

    /// The next event. Bytes are left in `input` only by an engine that is paused or not known.
    #[inline]
    pub fn receive<'a>(
        &mut self,
        now: Time,
        input: &mut &'a [u8],
        head: &mut Head,
    ) -> Option<Event<'a>> {
        match self {
            Self::H2(h2) => h2.receive(now, input, head),
            Self::H1(h1) => h1.receive(now, input, head),
            Self::Raw(raw) => raw.receive(input, head),
            Self::Unknown(unknown) => std::mem::take(&mut unknown.over).then_some(Event::Drained),
        }
    }

    /// The peer has ended its direction. `false`: that is the end of the whole connection.
    pub fn end_input(&mut self, now: Time) -> bool {
        match self {
            Self::H1(h1) => {
                h1.end_input(now);
                true
            }
            Self::Raw(raw) => {
                raw.end_input();
                true
            }
            Self::H2(_) | Self::Unknown(_) => false,
        }
    }

    /// Whether the caller may go on reading.
    #[inline]
    pub fn accepts_input(&self) -> bool {
        engine!(self, engine => engine.accepts_input(), unknown _unknown => true)
    }

    /// What waits to be written.
    #[inline]
    pub fn output(&mut self) -> &mut Output {
        engine!(self, engine => engine.output(), unknown unknown => &mut unknown.output)
    }

    /// Whether the transport's direction is to be ended behind the output, while the peer's goes on.
    pub fn is_output_ended(&self) -> bool {
        match self {
            Self::H1(h1) => h1.is_output_ended(),
            Self::Raw(raw) => raw.is_output_ended(),
            Self::H2(_) | Self::Unknown(_) => false,
        }
    }

    /// Whether the transport is to be cut off, because a clean end would say that all was sent.
    pub fn is_aborted(&self) -> bool {
        match self {
            Self::H1(h1) => h1.is_aborted(),
            Self::Raw(raw) => raw.is_aborted(),
            Self::H2(_) | Self::Unknown(_) => false,
        }
    }

    /// Moves what waits to the output as far as there is room.
    pub fn pump(&mut self) {
        engine!(self, engine => engine.pump(), unknown _unknown => ());
    }

    /// Opens a stream with a request (connecting role).
    pub fn open(
        &mut self,
        now: Time,
        tag: u64,
        head: &Head,
        end: End,
    ) -> Result<StreamKey, OpenError> {
        match self {
            Self::H2(h2) => h2.open(now, tag, head, end),
            Self::H1(h1) => h1.open(now, tag, head, end),
            Self::Raw(raw) => raw.open(tag),
            Self::Unknown(_) => Err(OpenError::Full),
        }
    }

    /// How many more streams may be opened now (connecting role).
    pub fn capacity(&self) -> usize {
        engine!(self, engine => engine.capacity(), unknown _unknown => 0)
    }

    /// Gives a stream the owner's word.
    pub fn set_tag(&mut self, stream: StreamKey, tag: u64) {
        match self {
            Self::H2(h2) => h2.set_tag(stream, tag),
            Self::H1(h1) => h1.set_tag(stream, tag),
            Self::Raw(raw) => raw.set_tag(tag),
            Self::Unknown(_) => {}
        }
    }

    /// How long waiting bytes of a stream may make no progress, in place of what the engine has for all.
    pub fn set_stall_timeout(&mut self, stream: StreamKey, timeout: Duration) {
        match self {
            Self::H2(h2) => h2.set_stall_timeout(stream, timeout),
            Self::H1(h1) => h1.set_stall_timeout(stream, timeout),
            Self::Raw(_) | Self::Unknown(_) => {}
        }
    }

    /// The owner's words of all streams that are here, or were when the connection ended.
    pub fn tags(&self) -> Vec<u64> {
        match self {
            Self::H2(h2) => h2.tags().collect(),
            Self::H1(h1) => h1.tags().collect(),
            Self::Raw(raw) => raw.tag().into_iter().collect(),
            Self::Unknown(_) => Vec::new(),
        }
    }

    /// Streams that are open, or closed and not released.
    #[inline]
    pub fn active_streams(&self) -> usize {
        engine!(self, engine => engine.active_streams(), unknown _unknown => 0)
    }

    /// Whether the connection takes or opens no new streams, or soon will not.
    pub fn is_draining(&self) -> bool {
        engine!(self, engine => engine.is_draining(), unknown unknown => unknown.over)
    }

    /// Bytes that wait for window or room, over all streams.
    pub fn waiting_bytes(&self) -> usize {
        engine!(self, engine => engine.waiting_bytes(), unknown _unknown => 0)
    }

    /// Whether the peer, whose settings are known, takes the tunnel of this request (RFC 8441).
    pub fn takes_tunnels(&self) -> bool {
        match self {
            Self::H2(h2) => h2.peer_settings().connect_protocol,
            Self::H1(_) | Self::Raw(_) => true,
            Self::Unknown(_) => false,
        }
    }

    /// Streams that the peer takes at once, as far as it has told.
    pub fn streams_max(&self) -> u32 {
        match self {
            Self::H2(h2) => h2.peer_settings().max_concurrent_streams,
            Self::H1(_) | Self::Raw(_) => 1,
            Self::Unknown(_) => u32::MAX,
        }
    }

    /// Requests that were answered before their owner heard of them.
    pub fn rejected(&self) -> Rejected {
        match self {
            Self::H2(h2) => h2.rejected(),
            Self::H1(_) | Self::Raw(_) | Self::Unknown(_) => Rejected::default(),
        }
    }

    /// Sends the head of a reply (accepting role).
    #[inline]
    pub fn send_head(&mut self, stream: StreamKey, head: &Head, end: End) {
        match self {
            Self::H2(h2) => h2.send_head(stream, head, end),
            Self::H1(h1) => h1.send_head(stream, head, end),
            Self::Raw(_) | Self::Unknown(_) => {}
        }
    }

    /// Sends a reply 1xx (accepting role).
    pub fn send_informational(&mut self, stream: StreamKey, head: &Head) {
        match self {
            Self::H2(h2) => h2.send_informational(stream, head),
            Self::H1(h1) => h1.send_informational(stream, head),
            Self::Raw(_) | Self::Unknown(_) => {}
        }
    }

    /// Sends bytes of a body; gives how many went to the output now.
    #[inline]
    pub fn send_data(&mut self, stream: StreamKey, data: &[u8], end: End) -> usize {
        match self {
            Self::H2(h2) => h2.send_data(stream, data, end),
            Self::H1(h1) => h1.send_data(stream, data, end),
            Self::Raw(raw) => raw.send_data(data, end),
            Self::Unknown(_) => data.len(),
        }
    }

    /// As [`Codec::send_data`], for `data` that lies at `range` of the buffer that is written from.
    #[inline]
    pub fn send_data_borrowed(
        &mut self,
        stream: StreamKey,
        range: Range<usize>,
        data: &[u8],
        end: End,
    ) -> usize {
        match self {
            Self::H2(h2) => h2.send_data_borrowed(stream, range, data, end),
            Self::H1(h1) => h1.send_data_borrowed(stream, range, data, end),
            Self::Raw(raw) => raw.send_data_borrowed(range, data, end),
            Self::Unknown(_) => data.len(),
        }
    }

    /// Sends trailers, which end the stream.
    #[inline]
    pub fn send_trailers(&mut self, stream: StreamKey, head: &Head) {
        match self {
            Self::H2(h2) => h2.send_trailers(stream, head),
            Self::H1(h1) => h1.send_trailers(stream, head),
            // Bytes have no place for them.
            Self::Raw(raw) => drop(raw.send_data(&[], End::Stream)),
            Self::Unknown(_) => {}
        }
    }

    /// Ends a stream before its time.
    pub fn reset(&mut self, stream: StreamKey, code: ErrorCode) {
        match self {
            Self::H2(h2) => h2.reset(stream, code),
            Self::H1(h1) => h1.reset(stream, code),
            Self::Raw(raw) => raw.reset(code),
            Self::Unknown(_) => {}
        }
    }

    /// Ends a stream once all its waiting data is sent; what still comes of it is dropped.
    pub fn reset_after_data(&mut self, stream: StreamKey, code: ErrorCode) {
        match self {
            Self::H2(h2) => h2.reset_after_data(stream, code),
            Self::H1(h1) => h1.reset_after_data(stream, code),
            Self::Raw(raw) => raw.reset(code),
            Self::Unknown(_) => {}
        }
    }

    /// The owner's work for a stream is finished (accepting role).
    #[inline]
    pub fn release(&mut self, stream: StreamKey) {
        match self {
            Self::H2(h2) => h2.release(stream),
            Self::H1(h1) => h1.release(stream),
            Self::Raw(_) | Self::Unknown(_) => {}
        }
    }

    /// The owner has taken bytes of a body.
    #[inline]
    pub fn grant(&mut self, stream: StreamKey, bytes: usize) {
        match self {
            Self::H2(h2) => h2.grant(stream, bytes),
            Self::H1(h1) => h1.grant(stream, bytes),
            Self::Raw(raw) => raw.grant(bytes),
            Self::Unknown(_) => {}
        }
    }

    /// Begins the graceful end; [`Event::Drained`] tells that the last stream is gone.
    pub fn drain(&mut self, now: Time) {
        match self {
            Self::H2(h2) => h2.drain(now),
            Self::H1(h1) => h1.drain(now),
            Self::Raw(raw) => raw.drain(),
            Self::Unknown(unknown) => unknown.over = true,
        }
    }

    /// Asks the peer for a sign of life, if the protocol has a way to.
    pub fn ping(&mut self, now: Time) {
        match self {
            Self::H2(h2) => h2.ping(now),
            Self::H1(_) | Self::Raw(_) | Self::Unknown(_) => {}
        }
    }

    /// Ends the connection at once.
    pub fn close(&mut self, code: ErrorCode, reason: &'static str) {
        match self {
            Self::H2(h2) => h2.close(code, reason),
            Self::H1(h1) => h1.close(code, reason),
            Self::Raw(raw) => raw.close(),
            Self::Unknown(_) => {}
        }
    }

    /// When [`Codec::on_deadline`] is to be called.
    #[inline]
    pub fn deadline(&self) -> Time {
        match self {
            Self::H2(h2) => h2.deadline(),
            Self::H1(h1) => h1.deadline(),
            Self::Raw(_) | Self::Unknown(_) => Time::NEVER,
        }
    }

    /// Acts on what has not happened in time.
    pub fn on_deadline(&mut self, now: Time) {
        match self {
            Self::H2(h2) => h2.on_deadline(now),
            Self::H1(h1) => h1.on_deadline(now),
            Self::Raw(_) | Self::Unknown(_) => {}
        }
    }

    /// Gives back memory that only a busy connection needs.
    pub fn shrink(&mut self) {
        engine!(self, engine => engine.shrink(), unknown _unknown => ());
    }
}
