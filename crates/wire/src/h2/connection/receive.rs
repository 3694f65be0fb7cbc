//! The way in: splits the input into frames, keeps what is incomplete, and checks the order of frames.
//!
//! A frame that lies whole in the input is handled where it lies. Only an incomplete one is copied, and
//! its memory is given back soon after. DATA is not collected: its payload is passed on as it arrives.

use super::{Connection, Phase};
use crate::codec::{ConnectionError, Reason};
use crate::codec::{ErrorCode, Event, StreamKey};
use crate::h2::frame::{self, FrameHeader, HEADER_BYTES, PREFACE, flag, kind};
use crate::h2::timers::Timer;
use crate::{Head, Time};

/// Buffers for incomplete frames and blocks are kept while they are no larger than this.
const KEPT_BYTES_MAX: usize = 512;

/// What has come in and is not complete.
#[derive(Debug, Default)]
pub(super) struct Input {
    /// The beginning of a frame, or of the preface.
    partial: Vec<u8>,
    /// The DATA frame whose payload is passing.
    pub(super) data: Option<PassingData>,
    /// The header block that is not complete.
    pub(super) block: Option<Block>,
    pub(super) block_bytes: Vec<u8>,
    /// The stream whose small DATA frame came last in this read; 0 if none.
    pub(super) small_data: u32,
}

/// What is still to come of a DATA frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct PassingData {
    /// None: the stream is over, its bytes are dropped.
    pub(super) stream: Option<StreamKey>,
    pub(super) data: u32,
    pub(super) padding: u32,
    pub(super) ends: bool,
}

/// A header block between its HEADERS and its last CONTINUATION.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block {
    pub(super) stream: u32,
    pub(super) ends: bool,
    pub(super) depends_on_itself: bool,
    pub(super) continuations: u32,
    pub(super) empty_continuations: u32,
}

/// What came of one step.
pub(super) enum Progress<'a> {
    Event(Event<'a>),
    /// Go on.
    More,
    /// More input is needed.
    Dry,
}

// === impl Connection ===

impl Connection {
    /// Takes bytes from the front of `input` until there is an event or no input. `head` holds the fields
    /// of [`Event::Head`], [`Event::Informational`] and [`Event::Trailers`]; its content is undefined
    /// after other events. After [`Connection::pump`], [`Connection::on_deadline`] and the like, call it
    /// with an empty input for the events that they caused.
    pub fn receive<'a>(
        &mut self,
        now: Time,
        input: &mut &'a [u8],
        head: &mut Head,
    ) -> Option<Event<'a>> {
        self.now = now;
        loop {
            if !self.events.is_empty() {
                return self.events.pop_front();
            }
            match self.advance(input, head) {
                Ok(Progress::Event(event)) => return Some(event),
                Ok(Progress::More) => {}
                Ok(Progress::Dry) => {
                    self.input.small_data = 0;
                    if !self.guard.take_strain() {
                        return None;
                    }
                    // A peer that is near a limit may finish what it has begun, and begin anew.
                    self.drain(now);
                }
                Err(error) => self.fail(error),
            }
        }
    }

    #[inline]
    fn advance<'a>(
        &mut self,
        input: &mut &'a [u8],
        head: &mut Head,
    ) -> Result<Progress<'a>, ConnectionError> {
        if let Some(passing) = self.input.data {
            self.input.data = None;
            return Ok(self.pass_data(passing, input));
        }
        if input.is_empty() {
            return Ok(Progress::Dry);
        }
        if !self.input.partial.is_empty() || !self.is_open() {
            return self.advance_slowly(input, head);
        }
        let Some(header) = FrameHeader::read(input) else {
            return self.keep(input);
        };
        self.check_frame(&header)?;
        if header.kind == kind::DATA {
            return self.advance_data(header, input);
        }
        let whole = HEADER_BYTES + header.len as usize;
        let Some(payload) = input.get(HEADER_BYTES..whole) else {
            return self.keep(input);
        };
        *input = &input[whole..];
        if header.kind == kind::GOAWAY {
            let debug = payload.get(8..).unwrap_or_default();
            return self.on_goaway(header, payload, debug);
        }
        self.handle(header, payload, head)
    }

    #[inline]
    fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open | Phase::Settings)
    }

    /// A DATA frame whose header lies in the input.
    #[inline]
    fn advance_data<'a>(
        &mut self,
        header: FrameHeader,
        input: &mut &'a [u8],
    ) -> Result<Progress<'a>, ConnectionError> {
        let (before, padding) = if header.has(flag::PADDED) && header.len > 0 {
            let Some(padding) = input.get(HEADER_BYTES) else {
                return self.keep(input);
            };
            (HEADER_BYTES + 1, *padding)
        } else {
            (HEADER_BYTES, 0)
        };
        *input = input.get(before..).unwrap_or_default();
        let passing = self.begin_data(header, padding)?;
        Ok(self.pass_data(passing, input))
    }

    /// The input does not hold the whole frame: keeps what there is.
    #[cold]
    fn keep<'a>(&mut self, input: &mut &'a [u8]) -> Result<Progress<'a>, ConnectionError> {
        self.input.partial.extend_from_slice(input);
        *input = &[];
        if !self.timers.is_set(Timer::Header) {
            self.timers.set(Timer::Header, self.now + self.config.header_timeout);
        }
        Ok(Progress::Dry)
    }

    /// As [`Connection::advance`], with the preface due, or the beginning of the frame kept.
    #[cold]
    fn advance_slowly<'a>(
        &mut self,
        input: &mut &'a [u8],
        head: &mut Head,
    ) -> Result<Progress<'a>, ConnectionError> {
        match self.phase {
            Phase::Closed => {
                *input = &[];
                return Ok(Progress::Dry);
            }
            Phase::Preface => return self.advance_preface(input),
            Phase::Settings | Phase::Open => {}
        }
        if !self.complete(input, HEADER_BYTES) {
            return Ok(Progress::Dry);
        }
        // `complete` has seen to it that the header is there.
        let Some(header) = FrameHeader::read(&self.input.partial) else {
            return Ok(Progress::Dry);
        };
        self.check_frame(&header)?;
        let collected = match header.kind {
            kind::DATA => usize::from(header.has(flag::PADDED) && header.len > 0),
            _ => header.len as usize,
        };
        if !self.complete(input, HEADER_BYTES + collected) {
            return Ok(Progress::Dry);
        }
        // The time of a header block that is not complete runs on.
        if self.input.block.is_none() {
            self.timers.stop(Timer::Header);
        }
        let kept = std::mem::take(&mut self.input.partial);
        let payload = kept.get(HEADER_BYTES..).unwrap_or_default();
        let progress = if header.kind == kind::DATA {
            let padding = payload.first().copied().unwrap_or(0);
            self.begin_data(header, padding).map(|passing| {
                self.input.data = Some(passing);
                Progress::More
            })
        } else {
            self.handle(header, payload, head)
        };
        self.input.keep_partial(kept);
        progress
    }

    /// RFC 9113 §3.4: the client's first bytes.
    fn advance_preface<'a>(
        &mut self,
        input: &mut &'a [u8],
    ) -> Result<Progress<'a>, ConnectionError> {
        let is_whole = self.complete(input, PREFACE.len());
        if !PREFACE.starts_with(&self.input.partial) {
            return Err(ConnectionError::protocol(Reason::PrefaceInvalid));
        }
        if !is_whole {
            return Ok(Progress::Dry);
        }
        self.input.partial.clear();
        self.timers.stop(Timer::Header);
        self.phase = Phase::Settings;
        Ok(Progress::More)
    }

    /// Moves input behind what is kept until that is `bytes` long. Whether it is.
    fn complete(&mut self, input: &mut &[u8], bytes: usize) -> bool {
        let missing = bytes.saturating_sub(self.input.partial.len());
        let (taken, left) = input.split_at(missing.min(input.len()));
        self.input.partial.extend_from_slice(taken);
        *input = left;
        let is_complete = self.input.partial.len() >= bytes;
        if !is_complete && !self.timers.is_set(Timer::Header) {
            self.timers.set(Timer::Header, self.now + self.config.header_timeout);
        }
        is_complete
    }

    /// What can be said against a frame by its header alone.
    #[inline]
    fn check_frame(&self, header: &FrameHeader) -> Result<(), ConnectionError> {
        // RFC 9113 §4.2.
        if header.len > self.frame_bytes_max {
            return Err(ConnectionError::size(Reason::FrameTooLong));
        }
        if self.phase == Phase::Open && self.input.block.is_none() {
            return Ok(());
        }
        self.check_order(header)
    }

    #[cold]
    fn check_order(&self, header: &FrameHeader) -> Result<(), ConnectionError> {
        // RFC 9113 §3.4: both prefaces end with SETTINGS.
        let is_settings = header.kind == kind::SETTINGS && !header.has(flag::ACK);
        if self.phase == Phase::Settings && !is_settings {
            return Err(ConnectionError::protocol(Reason::PrefaceWithoutSettings));
        }
        // RFC 9113 §6.10: nothing comes between the frames of a header block.
        match self.input.block {
            Some(block) if header.kind != kind::CONTINUATION || header.stream != block.stream => {
                Err(ConnectionError::protocol(Reason::BlockInterrupted))
            }
            _ => Ok(()),
        }
    }

    /// A whole frame other than DATA. Its event borrows nothing.
    #[inline]
    fn handle(
        &mut self,
        header: FrameHeader,
        payload: &[u8],
        head: &mut Head,
    ) -> Result<Progress<'static>, ConnectionError> {
        if header.kind == kind::HEADERS {
            return self.on_headers(header, payload, head);
        }
        match header.kind {
            kind::CONTINUATION => return self.on_continuation(header, payload, head),
            kind::SETTINGS => return self.on_settings(header, payload),
            kind::PING => return self.on_ping(header, payload),
            kind::GOAWAY => return self.on_goaway(header, payload, &[]),
            kind::WINDOW_UPDATE => self.on_window_update(header, payload)?,
            kind::RST_STREAM => self.on_reset(header, payload)?,
            kind::PRIORITY => self.on_priority(header, payload)?,
            // RFC 9113 §6.6, §8.4: we have disabled push, or are a server, to whom nobody pushes.
            kind::PUSH_PROMISE => return Err(ConnectionError::protocol(Reason::PushPromise)),
            // RFC 9113 §5.5: unknown frames are ignored.
            _ => self.guard.idle_frame(&self.config.guard, self.now)?,
        }
        Ok(Progress::More)
    }
}

// === impl Input ===

impl Input {
    fn keep_partial(&mut self, mut buffer: Vec<u8>) {
        if buffer.capacity() <= KEPT_BYTES_MAX {
            buffer.clear();
            self.partial = buffer;
        }
    }

    pub(super) fn keep_block(&mut self, mut buffer: Vec<u8>) {
        if buffer.capacity() <= KEPT_BYTES_MAX {
            buffer.clear();
            self.block_bytes = buffer;
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.partial.capacity() + self.block_bytes.capacity()
    }

    pub(super) fn shrink(&mut self) {
        self.partial.shrink_to_fit();
        self.block_bytes.shrink_to_fit();
    }
}

/// Takes padding off: the payload between the length byte and the padding (RFC 9113 §6.2).
pub(super) fn unpadded<'a>(
    header: &FrameHeader,
    payload: &'a [u8],
) -> Result<&'a [u8], ConnectionError> {
    if !header.has(flag::PADDED) {
        return Ok(payload);
    }
    frame::unpad(payload).map_err(|fault| match fault {
        frame::PayloadFault::Short => ConnectionError::size(Reason::FrameLength),
        frame::PayloadFault::Padding => {
            ConnectionError::new(ErrorCode::PROTOCOL_ERROR, Reason::PaddingTooLong)
        }
    })
}
