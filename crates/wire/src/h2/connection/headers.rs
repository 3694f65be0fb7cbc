//! Header blocks: HEADERS and CONTINUATION, and what their fields begin or end.
//!
//! Every block is decoded, because the peer's table moves with it, whether its stream is new, open, dead
//! or refused. Only then is it asked what the section means.

use super::receive::{Block, Progress, unpadded};
use super::{Connection, Going};
use crate::Head;
use crate::codec::{ConnectionError, End, ErrorCode, Event, Reason, Refusal, Role, StreamKey};
use crate::fields::{self, Malformed};
use crate::h2::flow::{Credit, Window};
use crate::h2::frame::{self, FrameHeader, flag};
use crate::h2::guard::Guard;
use crate::h2::state::{Cause, Fault, State, Step};
use crate::h2::streams::{NO_LENGTH, Stream};
use crate::h2::timers::Timer;
use crate::hpack::Section;

/// A section that cannot be used: the code and the reason to reset its stream with.
type SectionFault = (ErrorCode, Reason);
/// What a field costs beside its text.
const FIELD_BYTES: usize = 32;

type Handled = Result<Progress<'static>, ConnectionError>;

// === impl Connection ===

impl Connection {
    /// RFC 9113 §6.2.
    #[inline]
    pub(super) fn on_headers(
        &mut self,
        header: FrameHeader,
        payload: &[u8],
        head: &mut Head,
    ) -> Handled {
        if header.stream == 0 {
            return Err(ConnectionError::protocol(Reason::StreamIdKind));
        }
        let mut fragment = unpadded(&header, payload)?;
        let mut depends_on_itself = false;
        if header.has(flag::PRIORITY) {
            depends_on_itself = frame::word(fragment) & 0x7fff_ffff == header.stream;
            fragment = fragment.get(5..).ok_or(ConnectionError::size(Reason::FrameLength))?;
        }
        let block = Block {
            stream: header.stream,
            ends: header.has(flag::END_STREAM),
            depends_on_itself,
            continuations: 0,
            empty_continuations: 0,
        };
        if header.has(flag::END_HEADERS) && fragment.len() <= self.config.header_block_bytes_max {
            return self.on_block(block, fragment, head);
        }
        self.input.block = Some(block);
        self.timers.set(Timer::Header, self.now + self.config.header_timeout);
        self.add_fragment(fragment).map(|()| Progress::More)
    }

    /// RFC 9113 §6.10. The order of frames was checked before.
    #[cold]
    pub(super) fn on_continuation(
        &mut self,
        header: FrameHeader,
        payload: &[u8],
        head: &mut Head,
    ) -> Handled {
        let Some(block) = &mut self.input.block else {
            return Err(ConnectionError::protocol(Reason::ContinuationUnexpected));
        };
        block.continuations += 1;
        block.empty_continuations += u32::from(payload.is_empty());
        let block = *block;
        let (all, empty) = (block.continuations, block.empty_continuations);
        Guard::continuation(&self.config.guard, all, empty)?;
        self.add_fragment(payload)?;
        if !header.has(flag::END_HEADERS) {
            return Ok(Progress::More);
        }
        self.input.block = None;
        self.timers.stop(Timer::Header);
        let bytes = std::mem::take(&mut self.input.block_bytes);
        let handled = self.on_block(block, &bytes, head);
        self.input.keep_block(bytes);
        handled
    }

    fn add_fragment(&mut self, fragment: &[u8]) -> Result<(), ConnectionError> {
        let bytes = &mut self.input.block_bytes;
        if bytes.len() + fragment.len() > self.config.header_block_bytes_max {
            return Err(ConnectionError::calm(Reason::BlockTooLarge));
        }
        bytes.extend_from_slice(fragment);
        Ok(())
    }

    /// A whole block.
    #[inline]
    fn on_block(&mut self, block: Block, bytes: &[u8], head: &mut Head) -> Handled {
        head.clear();
        let section = match self.decoder.decode(bytes, &self.config.section, head) {
            Ok(Section::Complete) => Ok(()),
            Ok(Section::Malformed(fault)) => Err((ErrorCode::PROTOCOL_ERROR, Reason::Field(fault))),
            // A request is answered. For all else this is the code that tells a peer not to send the same
            // again at once; gRPC shows it as RESOURCE_EXHAUSTED.
            Ok(Section::TooLarge) => Err((ErrorCode::ENHANCE_YOUR_CALM, Reason::SectionTooLarge)),
            // RFC 9113 §4.3.
            Err(fault) => {
                let code = ErrorCode::COMPRESSION_ERROR;
                return Err(ConnectionError::new(code, Reason::Compression(fault)));
            }
        };
        let section_bytes = (head.text_bytes() + FIELD_BYTES * head.fields().len()) as u32;
        self.guard.section(&self.config.guard, self.now, section_bytes)?;
        // RFC 7540 §5.3.1.
        let section = match block.depends_on_itself {
            true => Err((ErrorCode::PROTOCOL_ERROR, Reason::SelfDependency)),
            false => section,
        };
        let end = if block.ends { End::Stream } else { End::Open };
        if let Some((key, stream)) = self.streams.find(block.stream) {
            stream.section_bytes = stream.section_bytes.saturating_add(section_bytes);
            return self.on_section(key, end, section, head);
        }
        if self.role == Role::Server && block.stream % 2 == 1 && block.stream > self.last_peer_id {
            return self.on_request(block.stream, end, section, section_bytes, head);
        }
        let fault = self.absent(block.stream).receive(Step::Headers(end)).err();
        self.punish(block.stream, fault.unwrap_or(NOT_YOURS)).map(|()| Progress::More)
    }

    /// The state of a stream that is not in the table.
    pub(super) fn absent(&self, id: u32) -> State {
        let was_opened = match (self.role, id % 2) {
            (Role::Server, 1) => id <= self.last_peer_id,
            (Role::Client, 1) => id < self.next_id,
            // RFC 9113 §5.1.1: even ids belong to pushed streams, of which there are none.
            _ => false,
        };
        if was_opened { State::Closed(self.streams.cause(id)) } else { State::Idle }
    }

    /// The peer opens a stream (server role).
    fn on_request(
        &mut self,
        id: u32,
        end: End,
        section: Result<(), SectionFault>,
        section_bytes: u32,
        head: &Head,
    ) -> Handled {
        self.last_peer_id = id;
        self.guard.opened();
        if let Going::Final { last } | Going::Drained { last } = self.going
            && id > last
        {
            // RFC 9113 §6.8: the peer has been told, or soon will be, that this stream is not looked at.
            self.streams.remember(id, State::Closed(Cause::ResetByUs));
            return Ok(Progress::More);
        }
        if self.streams.len() >= self.config.max_concurrent_streams as usize {
            // RFC 9113 §5.1.2.
            frame::put_reset(self.output.buffer(), id, ErrorCode::REFUSED_STREAM);
            self.streams.remember(id, State::Closed(Cause::ResetByUs));
            self.rejected.add(Reason::StreamRefused);
            return self.guard.refused(&self.config.guard, self.now).map(|()| Progress::More);
        }
        if let Err((_, Reason::SectionTooLarge)) = section {
            return self.refuse(id, end, section_bytes);
        }
        let checked = section.and_then(|()| {
            let request = fields::check_request(head, self.config.connect_protocol);
            content_left(request.map_err(malformed)?.content_length, end)
        });
        let content_left = match checked {
            Ok(content_left) => content_left,
            Err((code, reason)) => {
                self.rejected.add(reason);
                return self.stream_error(id, code, reason).map(|()| Progress::More);
            }
        };
        let Ok(state) = State::Idle.receive(Step::Headers(end)) else { return Ok(Progress::More) };
        let mut stream = self.new_stream(id, state);
        stream.content_left = content_left;
        stream.section_bytes = section_bytes;
        let stream = self.streams.insert(stream);
        Ok(Progress::Event(Event::Head { stream, tag: 0, end }))
    }

    /// A request whose fields are over the limit can still be answered: it has a stream, and what came of its
    /// fields before the limit says whose it is. Pseudo fields come first (RFC 9113 §8.3).
    #[cold]
    fn refuse(&mut self, id: u32, end: End, section_bytes: u32) -> Handled {
        self.guard.error(&self.config.guard, self.now)?;
        let Ok(state) = State::Idle.receive(Step::Headers(end)) else { return Ok(Progress::More) };
        let mut stream = self.new_stream(id, state);
        stream.section_bytes = section_bytes;
        stream.flags.discards = true;
        let stream = self.streams.insert(stream);
        Ok(Progress::Event(Event::Refused { stream, tag: 0, refusal: Refusal::HeadTooLarge }))
    }

    pub(super) fn new_stream(&self, id: u32, state: State) -> Stream {
        let send_window = Window::new(self.peer.initial_window_bytes);
        Stream::new(id, state, send_window, Credit::new(self.stream_window_bytes), self.now)
    }

    /// A section on a stream that is in the table: the reply's head, an informational one, or trailers.
    fn on_section(
        &mut self,
        key: StreamKey,
        end: End,
        section: Result<(), SectionFault>,
        head: &mut Head,
    ) -> Handled {
        let Some(stream) = self.streams.get_mut(key) else { return Ok(Progress::More) };
        let id = stream.id;
        let is_reply = stream.state.awaits_head();
        let next = match stream.state.receive(Step::Headers(end)) {
            Ok(next) => next,
            Err(fault) => return self.punish(id, fault).map(|()| Progress::More),
        };
        let handled = section.and_then(|()| match is_reply {
            true => self.on_reply(key, end, next, head),
            false => self.on_trailers(key, next, head),
        });
        match handled {
            Ok(progress) => Ok(progress),
            Err((code, reason)) => self.stream_error(id, code, reason).map(|()| Progress::More),
        }
    }

    /// The head of a reply (client role).
    fn on_reply(
        &mut self,
        key: StreamKey,
        end: End,
        next: State,
        head: &Head,
    ) -> Result<Progress<'static>, SectionFault> {
        let reply = fields::check_reply(head).map_err(malformed)?;
        let limit = self.config.guard.informational_per_stream;
        let Some(stream) = self.streams.get_mut(key) else { return Ok(Progress::More) };
        let tag = stream.tag;
        if reply.status < 200 {
            // RFC 9113 §8.1: an interim reply is not the end.
            if end == End::Stream {
                return Err((ErrorCode::PROTOCOL_ERROR, Reason::InformationalEnds));
            }
            stream.informational = stream.informational.saturating_add(1);
            if stream.informational > limit {
                return Err((ErrorCode::ENHANCE_YOUR_CALM, Reason::InformationalFlood));
            }
            return Ok(Progress::Event(Event::Informational { stream: key, tag }));
        }
        // RFC 9113 §8.1.1: these have no content, whatever their content-length says.
        let has_no_content = stream.flags.head_request || matches!(reply.status, 204 | 304);
        stream.content_left = match has_no_content {
            true => 0,
            false => content_left(reply.content_length, end)?,
        };
        stream.state = next;
        if next.is_closed() {
            self.stream_closed(key);
        }
        Ok(Progress::Event(Event::Head { stream: key, tag, end }))
    }

    fn on_trailers(
        &mut self,
        key: StreamKey,
        next: State,
        head: &mut Head,
    ) -> Result<Progress<'static>, SectionFault> {
        fields::take_trailers(head).map_err(malformed)?;
        let Some(stream) = self.streams.get_mut(key) else { return Ok(Progress::More) };
        // RFC 9113 §8.1.1: trailers end the content as END_STREAM on DATA does.
        if !matches!(stream.content_left, 0 | NO_LENGTH) {
            return Err((ErrorCode::PROTOCOL_ERROR, Reason::ContentLength));
        }
        let (tag, discards) = (stream.tag, stream.flags.discards);
        stream.state = next;
        if next.is_closed() {
            self.stream_closed(key);
        }
        Ok(match discards {
            true => Progress::More,
            false => Progress::Event(Event::Trailers { stream: key, tag }),
        })
    }
}

/// HEADERS with an id that is not the peer's to open (RFC 9113 §5.1.1).
const NOT_YOURS: Fault = Fault::Connection(ConnectionError::protocol(Reason::StreamIdle));

fn malformed(fault: Malformed) -> SectionFault {
    (ErrorCode::PROTOCOL_ERROR, Reason::Malformed(fault))
}

/// What of the announced length is to come; RFC 9113 §8.1.1: nothing comes after END_STREAM.
fn content_left(announced: Option<u64>, end: End) -> Result<u64, SectionFault> {
    match (announced, end) {
        (Some(1..), End::Stream) => Err((ErrorCode::PROTOCOL_ERROR, Reason::ContentLength)),
        (announced, _) => Ok(announced.unwrap_or(NO_LENGTH)),
    }
}
