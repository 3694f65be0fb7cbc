//! DATA (RFC 9113 §6.1): windows, content-length, and the payload on its way to the owner.
//!
//! A frame is judged as a whole when its header is there; then its payload passes as it arrives. The
//! window of the connection is given back for every frame, also for streams that are over.

use super::receive::{PassingData, Progress};
use super::{Connection, ConnectionError, ErrorCode, Reason};
use crate::codec::{End, Event};
use crate::h2::frame::{FrameHeader, flag};
use crate::h2::guard::SMALL_DATA_BYTES;
use crate::h2::state::{Fault, Step};
use crate::h2::streams::{NO_LENGTH, Stream};

// === impl Connection ===

impl Connection {
    /// The header of a DATA frame is there, and if it is padded, the length of its padding. What is to be
    /// done with its payload.
    #[inline]
    pub(super) fn begin_data(
        &mut self,
        header: FrameHeader,
        padding: u8,
    ) -> Result<PassingData, ConnectionError> {
        if header.stream == 0 {
            return Err(ConnectionError::protocol(Reason::StreamIdKind));
        }
        let is_padded = header.has(flag::PADDED);
        // The padding and the byte that holds its length.
        let overhead = if is_padded { u32::from(padding) + 1 } else { 0 };
        if overhead > header.len {
            return Err(match header.len {
                0 => ConnectionError::size(Reason::FrameLength),
                _ => ConnectionError::protocol(Reason::PaddingTooLong),
            });
        }
        let data = header.len - overhead;
        let ends = header.has(flag::END_STREAM);
        // RFC 9113 §6.9.1: flow control counts the whole payload, padding too.
        let fits = self.credit.receive(header.len);
        fits.map_err(|_| ConnectionError::flow(Reason::WindowExceeded))?;
        self.charge_data(header.stream, data, ends)?;
        let padding = u32::from(padding);
        let Some((key, stream)) = self.streams.find(header.stream) else {
            let fault = self.absent(header.stream).receive(Step::Data(End::Open));
            self.owe_connection(header.len);
            if let Err(fault) = fault {
                self.punish_data(header.stream, fault)?;
            }
            return Ok(PassingData { stream: None, data, padding, ends });
        };
        let takes = take_data(stream, header.len, data, ends);
        let is_drained = stream.drained >= stream.credit.size();
        let stream = (takes.is_ok() && !stream.flags.discards).then_some(key);
        self.owe_connection(header.len);
        if is_drained {
            self.judge_window(key);
        }
        if overhead > 0 {
            self.owe_stream(key, overhead);
        }
        match takes {
            Ok(()) if stream.is_none() && ends => self.end_discarded(key),
            Ok(()) if stream.is_none() => self.linger(key, data),
            Ok(()) => {}
            Err(fault) => self.punish_data(header.stream, fault)?,
        }
        Ok(PassingData { stream, data, padding, ends })
    }

    /// Passes on what has arrived of the payload.
    #[inline]
    pub(super) fn pass_data<'a>(
        &mut self,
        mut passing: PassingData,
        input: &mut &'a [u8],
    ) -> Progress<'a> {
        let (data, after) = input.split_at(input.len().min(passing.data as usize));
        passing.data -= data.len() as u32;
        let padding = if passing.data == 0 { after.len().min(passing.padding as usize) } else { 0 };
        passing.padding -= padding as u32;
        *input = after.get(padding..).unwrap_or_default();
        let is_complete = passing.data == 0 && passing.padding == 0;
        if !is_complete {
            self.input.data = Some(passing);
        }
        let end = if is_complete && passing.ends { End::Stream } else { End::Open };
        let nothing = if is_complete { Progress::More } else { Progress::Dry };
        if data.is_empty() && end == End::Open {
            return nothing;
        }
        let Some(key) = passing.stream else { return nothing };
        let Some(stream) = self.streams.get_mut(key).filter(|stream| !stream.flags.discards) else {
            return nothing;
        };
        // The owner may have reset the stream since the frame began.
        let Ok(next) = stream.state.receive(Step::Data(end)) else { return nothing };
        stream.state = next;
        stream.ungranted += data.len() as u32;
        self.ungranted += data.len() as u64;
        let tag = stream.tag;
        if next.is_closed() {
            self.stream_closed(key);
        }
        Progress::Event(Event::Data { stream: key, tag, data, end })
    }

    /// What the guard has to say to a DATA frame.
    #[inline]
    fn charge_data(&mut self, id: u32, data: u32, ends: bool) -> Result<(), ConnectionError> {
        self.guard.payload(data);
        if data as usize >= SMALL_DATA_BYTES || ends {
            self.input.small_data = 0;
            return Ok(());
        }
        let follows_another = std::mem::replace(&mut self.input.small_data, id) == id;
        if data == 0 {
            self.guard.empty_data(&self.config.guard, self.now)
        } else if follows_another {
            self.guard.small_data(&self.config.guard, self.now, data as usize)
        } else {
            Ok(())
        }
    }

    #[cold]
    fn punish_data(&mut self, id: u32, fault: Fault) -> Result<(), ConnectionError> {
        match fault {
            Fault::Ignore => self.guard.late_data(&self.config.guard, self.now),
            fault => self.punish(id, fault),
        }
    }

    /// A frame that ends its stream came, and its data is dropped.
    fn end_discarded(&mut self, key: crate::codec::StreamKey) {
        let Some(stream) = self.streams.get_mut(key) else { return };
        if let Ok(next) = stream.state.receive(Step::Data(End::Stream)) {
            stream.state = next;
            if next.is_closed() {
                self.stream_closed(key);
            }
        }
    }
}

/// Whether a stream may receive this frame: its state, its window, its content-length.
#[inline]
fn take_data(stream: &mut Stream, len: u32, data: u32, ends: bool) -> Result<(), Fault> {
    stream.state.receive(Step::Data(End::Open))?;
    if stream.credit.receive(len).is_err() {
        return Err(Fault::Stream(ErrorCode::FLOW_CONTROL_ERROR, Reason::WindowExceeded));
    }
    if stream.content_left != NO_LENGTH {
        let left = stream.content_left.checked_sub(u64::from(data));
        // RFC 9113 §8.1.1.
        let Some(left) = left.filter(|left| !ends || *left == 0) else {
            return Err(Fault::Stream(ErrorCode::PROTOCOL_ERROR, Reason::ContentLength));
        };
        stream.content_left = left;
    }
    Ok(())
}
