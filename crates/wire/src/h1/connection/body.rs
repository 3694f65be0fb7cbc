//! The body of a message on its way to the owner: its framing is taken off, its window is kept.

use super::receive::{Found, Progress};
use super::{Connection, Expectation, Inbound, Life};
use crate::Head;
use crate::codec::{End, Event, Reason, Refusal};
use crate::h1::Fault;
use crate::h1::chunk::{Chunks, chunk_size};
use crate::h1::framing::Body;
use crate::h1::head;
use crate::h1::scan::Kind;

/// The end of a chunk and of the whole body, without trailers.
const LAST_CHUNK: &[u8] = b"\r\n0\r\n\r\n";

/// The line of a chunk.
enum Line<'a> {
    /// Whole in the input.
    Here(&'a [u8]),
    /// Whole in what is kept.
    Kept,
    NotYet,
}

// === impl Connection ===

impl Connection {
    pub(super) fn advance_body<'a>(
        &mut self,
        body: Body,
        input: &mut &'a [u8],
        head: &mut Head,
    ) -> Progress<'a> {
        if input.is_empty() {
            return Progress::Dry;
        }
        match body {
            Body::Length(left) => {
                let (data, left) = self.take(left, input);
                let end = if left == 0 { End::Stream } else { End::Open };
                let next =
                    if left == 0 { Inbound::Nothing } else { Inbound::Body(Body::Length(left)) };
                self.pass(data, end, next)
            }
            Body::UntilClose | Body::Tunnel => {
                let (data, _) = self.take(u64::MAX, input);
                self.pass(data, End::Open, Inbound::Body(body))
            }
            Body::Chunked(chunks) => self.advance_chunks(chunks, input, head),
        }
    }

    fn advance_chunks<'a>(
        &mut self,
        chunks: Chunks,
        input: &mut &'a [u8],
        head: &mut Head,
    ) -> Progress<'a> {
        let stepped = match chunks {
            Chunks::Line => self.advance_line(input),
            Chunks::Data(left) => return self.advance_chunk(left, input),
            Chunks::End => expect(b'\r', Chunks::EndLf, input).map(Some),
            Chunks::EndLf => expect(b'\n', Chunks::Line, input).map(Some),
            Chunks::Trailers => return self.advance_trailers(input, head),
        };
        match stepped {
            Ok(Some(next)) => {
                self.inbound = Inbound::Body(Body::Chunked(next));
                Progress::More
            }
            Ok(None) => Progress::Dry,
            Err(fault) => self.on_body_fault(Refusal::BadRequest(Reason::Http1(fault))),
        }
    }

    fn advance_chunk<'a>(&mut self, left: u64, input: &mut &'a [u8]) -> Progress<'a> {
        let (data, left) = self.take(left, input);
        if left > 0 {
            return self.pass(data, End::Open, Inbound::Body(Body::Chunked(Chunks::Data(left))));
        }
        // Nearly always the end of the body lies behind its last byte: one event instead of two.
        match input.strip_prefix(LAST_CHUNK) {
            Some(rest) => {
                *input = rest;
                self.pass(data, End::Stream, Inbound::Nothing)
            }
            None => self.pass(data, End::Open, Inbound::Body(Body::Chunked(Chunks::End))),
        }
    }

    /// The line of a chunk; what follows it.
    fn advance_line(&mut self, input: &mut &[u8]) -> Result<Option<Chunks>, Fault> {
        let size = match self.take_line(input)? {
            Line::Here(line) => chunk_size(line)?,
            Line::Kept => {
                let line = self.input.partial.strip_suffix(b"\r\n").unwrap_or_default();
                let size = chunk_size(line)?;
                self.input.clear();
                size
            }
            Line::NotYet => return Ok(None),
        };
        Ok(Some(if size == 0 { Chunks::Trailers } else { Chunks::Data(size) }))
    }

    /// Takes the line of a chunk from the input, or keeps its beginning.
    fn take_line<'a>(&mut self, input: &mut &'a [u8]) -> Result<Line<'a>, Fault> {
        let kept = self.input.partial.len();
        // With its CR LF.
        let line_bytes_max = self.config.chunk_line_bytes_max + 2;
        let room = line_bytes_max.saturating_sub(kept).min(input.len());
        let end = input.iter().take(room).position(|byte| *byte == b'\n');
        let Some(end) = end else {
            if kept + input.len() >= line_bytes_max {
                return Err(Fault::ChunkLineTooLong);
            }
            self.input.partial.extend_from_slice(input);
            *input = &[];
            return Ok(Line::NotYet);
        };
        let (line, rest) = input.split_at(end + 1);
        *input = rest;
        if kept == 0 {
            return line.strip_suffix(b"\r\n").map(Line::Here).ok_or(Fault::BareLineFeed);
        }
        self.input.partial.extend_from_slice(line);
        let is_whole = self.input.partial.ends_with(b"\r\n");
        is_whole.then_some(Line::Kept).ok_or(Fault::BareLineFeed)
    }

    /// Behind the last chunk: the end, or trailers (RFC 9112 §7.1.2).
    fn advance_trailers<'a>(&mut self, input: &mut &'a [u8], head: &mut Head) -> Progress<'a> {
        let read = match self.find_section(Kind::Trailers, input) {
            Ok(Found::NotYet) => return Progress::Dry,
            Ok(Found::Here(text)) => self.read_trailers(text, head),
            Ok(Found::Kept) => {
                let kept = std::mem::take(&mut self.input.partial);
                let read = self.read_trailers(&kept, head);
                self.input.keep(kept);
                read
            }
            Err(Fault::HeadTooLarge) => Err(Refusal::HeadTooLarge),
            Err(fault) => Err(Refusal::BadRequest(Reason::Http1(fault))),
        };
        match read {
            Err(refusal) => self.on_body_fault(refusal),
            Ok(()) if head.is_empty() => self.pass(&[], End::Stream, Inbound::Nothing),
            Ok(()) => {
                self.inbound = Inbound::Nothing;
                let event = self.exchange.as_ref().filter(|exchange| exchange.life == Life::Open);
                let event = event.map(|exchange| (exchange.key, exchange.tag));
                self.settle();
                match event {
                    Some((stream, tag)) => Progress::Event(Event::Trailers { stream, tag }),
                    None => Progress::More,
                }
            }
        }
    }

    fn read_trailers(&mut self, text: &[u8], head: &mut Head) -> Result<(), Refusal> {
        let lines = self.input.lines(text, Kind::Trailers);
        self.input.clear();
        head.clear();
        if lines.count == 0 { Ok(()) } else { head::trailers(lines, &self.config, head) }
    }

    /// Takes of the input what belongs to `left` and fits the window; what is left of it then.
    #[inline]
    fn take<'a>(&mut self, left: u64, input: &mut &'a [u8]) -> (&'a [u8], u64) {
        let room = match self.exchange.as_ref().map(|exchange| exchange.life) {
            Some(Life::Open) => self.config.window_bytes.saturating_sub(self.ungranted),
            _ => usize::MAX,
        };
        let wanted = usize::try_from(left).unwrap_or(usize::MAX);
        let (data, rest) = input.split_at(input.len().min(wanted).min(room));
        *input = rest;
        (data, left - data.len() as u64)
    }

    /// Hands bytes of a body to the owner, or drops them if it does not want them.
    #[inline]
    fn pass<'a>(&mut self, data: &'a [u8], end: End, next: Inbound) -> Progress<'a> {
        if data.is_empty() && end == End::Open {
            return Progress::Dry;
        }
        self.inbound = next;
        self.watch.moved(data.len());
        let Some(exchange) = &mut self.exchange else { return Progress::More };
        let (stream, tag) = (exchange.key, exchange.tag);
        if let Life::Discards { bytes_left } = exchange.life {
            let bytes_left = bytes_left.checked_sub(data.len() as u64);
            match bytes_left {
                Some(bytes_left) => exchange.life = Life::Discards { bytes_left },
                None => self.lose_input(),
            }
            self.settle();
            return Progress::More;
        }
        if exchange.expectation == Expectation::Due {
            // The client does not wait.
            exchange.expectation = Expectation::Met;
        }
        self.ungranted += data.len();
        if self.ungranted >= self.config.window_bytes {
            self.watch.hold_up();
        }
        if end == End::Stream {
            self.settle();
        }
        Progress::Event(Event::Data { stream, tag, data, end })
    }
}

/// Takes one byte that must be there.
fn expect(byte: u8, next: Chunks, input: &mut &[u8]) -> Result<Chunks, Fault> {
    let (first, rest) = input.split_first().ok_or(Fault::ChunkEnd)?;
    *input = rest;
    if *first == byte { Ok(next) } else { Err(Fault::ChunkEnd) }
}
