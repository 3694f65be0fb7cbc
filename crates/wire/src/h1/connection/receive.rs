//! The way in: finds heads and trailers in the input, and keeps what is incomplete.
//!
//! What lies whole in the input is read where it lies. Nothing behind the present message is taken: the
//! next request stays with the owner until this one is answered.

use super::{Connection, Inbound};
use crate::codec::{ConnectionError, Event, Reason, Role};
use crate::h1::Fault;
use crate::h1::scan::{Kind, Limits, Scanner};
use crate::h1::section::{FIELDS_MAX, Lines};
use crate::{Head, Time};

/// The buffer for what is incomplete is kept while it is no larger than this.
const KEPT_BYTES_MAX: usize = 512;
/// Of a head that came in pieces, so much is looked at at a time: not much too much is copied.
const PIECE_BYTES: usize = 2048;

/// What has come in and is not complete.
#[derive(Debug, Default)]
pub(super) struct Input {
    /// The beginning of a head, of trailers, or of the line of a chunk.
    pub(super) partial: Vec<u8>,
    pub(super) scanner: Scanner,
}

/// What came of one step.
pub(super) enum Progress<'a> {
    Event(Event<'a>),
    /// Go on.
    More,
    /// More input is needed, or the rest of it must wait.
    Dry,
}

/// A head or trailers.
pub(super) enum Found<'a> {
    /// Whole in the input.
    Here(&'a [u8]),
    /// Whole in what is kept.
    Kept,
    NotYet,
}

// === impl Connection ===

impl Connection {
    /// Takes bytes from the front of `input` until there is an event or no input, or the rest is to be
    /// offered again ([`Connection::accepts_input`]). `head` holds the fields of [`Event::Head`],
    /// [`Event::Refused`], [`Event::Informational`] and [`Event::Trailers`]; its content is undefined after
    /// other events. After commands, [`Connection::pump`], [`Connection::on_deadline`] and the like, call it
    /// with what is left of the input, or none, for the events that they caused.
    pub fn receive<'a>(
        &mut self,
        now: Time,
        input: &mut &'a [u8],
        head: &mut Head,
    ) -> Option<Event<'a>> {
        self.now = now;
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            match self.advance(input, head) {
                Progress::Event(event) => return Some(event),
                Progress::More => {}
                Progress::Dry => return None,
            }
        }
    }

    #[inline]
    fn advance<'a>(&mut self, input: &mut &'a [u8], head: &mut Head) -> Progress<'a> {
        if let Some(refusal) = self.late.take() {
            return self.refuse_head(refusal, &[], head);
        }
        match self.inbound {
            Inbound::Body(body) => self.advance_body(body, input, head),
            _ if input.is_empty() => Progress::Dry,
            Inbound::Head => self.advance_head(input, head),
            Inbound::Nothing if self.is_paused() => Progress::Dry,
            Inbound::Nothing if self.role == Role::Client => {
                // RFC 9112 §9.2: what was not asked for must not be taken for an answer.
                *input = &[];
                self.fail(ConnectionError::protocol(Reason::Http1(Fault::Unsolicited)));
                Progress::More
            }
            Inbound::Nothing | Inbound::Lost => {
                *input = &[];
                Progress::Dry
            }
        }
    }

    fn advance_head<'a>(&mut self, input: &mut &'a [u8], head: &mut Head) -> Progress<'a> {
        let kind = if self.role == Role::Server { Kind::Request } else { Kind::Reply };
        match self.find_section(kind, input) {
            Ok(Found::NotYet) => Progress::Dry,
            Ok(Found::Here(text)) => self.on_head(text, head),
            Ok(Found::Kept) => {
                let kept = std::mem::take(&mut self.input.partial);
                let progress = self.on_head(&kept, head);
                self.input.keep(kept);
                progress
            }
            Err(fault) => {
                let text = std::mem::take(input);
                self.on_head_fault(fault, text, head)
            }
        }
    }

    /// Takes bytes from the front of the input until a head or trailers are whole.
    pub(super) fn find_section<'a>(
        &mut self,
        kind: Kind,
        input: &mut &'a [u8],
    ) -> Result<Found<'a>, Fault> {
        let limits = self.limits();
        let Input { partial, scanner } = &mut self.input;
        if partial.is_empty() {
            if let Some(len) = scanner.advance(kind, &limits, input)? {
                let (whole, rest) = input.split_at(len.min(input.len()));
                *input = rest;
                self.watch.stop_head();
                return Ok(Found::Here(whole));
            }
            partial.extend_from_slice(input);
            *input = &[];
        }
        while !input.is_empty() {
            let before = partial.len();
            let (piece, rest) = input.split_at(input.len().min(PIECE_BYTES));
            partial.extend_from_slice(piece);
            if let Some(len) = scanner.advance(kind, &limits, partial)? {
                *input = input.get(len.saturating_sub(before)..).unwrap_or_default();
                self.watch.stop_head();
                return Ok(Found::Kept);
            }
            *input = rest;
        }
        if !self.input.partial.is_empty() {
            self.watch.start_head(self.now + self.config.header_timeout);
        }
        Ok(Found::NotYet)
    }

    fn limits(&self) -> Limits {
        Limits {
            line_bytes_max: self.config.request_line_bytes_max,
            fields_bytes_max: self.config.section.bytes_max as usize,
            fields_max: (self.config.section.fields_max as usize).min(FIELDS_MAX),
        }
    }
}

// === impl Input ===

impl Input {
    /// The lines of what was scanned in `text`, as far as they are complete.
    pub(super) fn lines<'a>(&self, text: &'a [u8], kind: Kind) -> Lines<'a> {
        let Scanner { begin, fields, line, lines, .. } = self.scanner;
        let has_first = kind != Kind::Trailers && lines > 0;
        let first = text.get(begin..fields.saturating_sub(2)).unwrap_or_default();
        let count = lines - usize::from(has_first);
        let fields = text.get(fields..line).unwrap_or_default();
        Lines { first: if has_first { first } else { &[] }, fields, count }
    }

    /// Forgets what was scanned.
    pub(super) fn clear(&mut self) {
        self.scanner = Scanner::default();
        self.partial.clear();
    }

    pub(super) fn keep(&mut self, mut buffer: Vec<u8>) {
        if buffer.capacity() <= KEPT_BYTES_MAX {
            buffer.clear();
            self.partial = buffer;
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.partial.capacity()
    }

    pub(super) fn shrink(&mut self) {
        self.partial.shrink_to_fit();
    }
}
