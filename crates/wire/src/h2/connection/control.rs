//! The frames that control: WINDOW_UPDATE, RST_STREAM, SETTINGS, PING, GOAWAY, PRIORITY.
//!
//! Each is charged to the guard before it has any effect.

use super::lifecycle::{DRAIN_PING, OWNER_PING};
use super::receive::Progress;
use super::{Connection, ENCODER_TABLE_BYTES_MAX, Going, Phase};
use crate::codec::{ConnectionError, ErrorCode, Party, Processed, Reason};
use crate::codec::{Event, Role};
use crate::h2::frame::{self, FrameHeader, flag};
use crate::h2::state::{Fault, State, Step};
use crate::h2::timers::Timer;

type Handled = Result<Progress<'static>, ConnectionError>;

// === impl Connection ===

impl Connection {
    /// RFC 9113 §6.9.
    pub(super) fn on_window_update(
        &mut self,
        header: FrameHeader,
        payload: &[u8],
    ) -> Result<(), ConnectionError> {
        expect_length(&header, 4)?;
        self.guard.window_update(&self.config.guard, self.now)?;
        let increment = frame::word(payload) & 0x7fff_ffff;
        if header.stream == 0 {
            if increment == 0 {
                return Err(ConnectionError::protocol(Reason::WindowIncrementZero));
            }
            let grown = self.send_window.grow(increment);
            grown.map_err(|_| ConnectionError::flow(Reason::WindowOverflow))?;
            self.pump();
            return Ok(());
        }
        let Some((key, stream)) = self.streams.find(header.stream) else {
            return late_window_update(self.absent(header.stream));
        };
        if stream.state.is_closed() {
            return late_window_update(stream.state);
        }
        if increment == 0 {
            let reason = Reason::WindowIncrementZero;
            return self.stream_error(header.stream, ErrorCode::PROTOCOL_ERROR, reason);
        }
        if stream.send_window.grow(increment).is_err() {
            let reason = Reason::WindowOverflow;
            return self.stream_error(header.stream, ErrorCode::FLOW_CONTROL_ERROR, reason);
        }
        if stream.is_waiting() {
            self.streams.make_ready(key);
            self.pump();
        }
        Ok(())
    }

    /// RFC 9113 §6.4.
    pub(super) fn on_reset(
        &mut self,
        header: FrameHeader,
        payload: &[u8],
    ) -> Result<(), ConnectionError> {
        expect_stream(&header)?;
        expect_length(&header, 4)?;
        let code = ErrorCode(frame::word(payload));
        let Some((key, stream)) = self.streams.find(header.stream) else {
            let fault = self.absent(header.stream).receive(Step::Reset);
            return fault.map_or_else(|fault| self.punish(header.stream, fault), |_| Ok(()));
        };
        if let Err(fault) = stream.state.receive(Step::Reset) {
            return self.punish(header.stream, fault);
        }
        let age = self.now.since(stream.opened_at);
        let is_early = self.role == Role::Server
            && stream.state.awaits_our_head()
            && age < self.config.guard.early_reset_age;
        // RFC 9113 §8.7.
        let processed = match code {
            ErrorCode::REFUSED_STREAM => Processed::No,
            _ => Processed::Maybe,
        };
        self.end_early(key, code, Party::Peer, Reason::PeerReset, processed);
        match is_early {
            true => self.guard.early_reset(&self.config.guard, self.now),
            false => Ok(()),
        }
    }

    /// RFC 9113 §6.5.
    pub(super) fn on_settings(&mut self, header: FrameHeader, payload: &[u8]) -> Handled {
        expect_no_stream(&header)?;
        if header.has(flag::ACK) {
            expect_length(&header, 0)?;
            return self.on_settings_ack().map(|()| Progress::More);
        }
        let is_first = self.phase == Phase::Settings;
        if is_first {
            // No limit but the one that the peer names (RFC 9113 §6.5.2).
            self.peer.max_concurrent_streams = u32::MAX;
        } else {
            self.guard.settings(&self.config.guard, self.now)?;
        }
        let before = self.peer;
        self.peer.read(self.role, payload)?;
        if self.peer.header_table_bytes != before.header_table_bytes {
            let bytes = self.peer.header_table_bytes.min(ENCODER_TABLE_BYTES_MAX);
            self.encoder.set_table_bytes_max(bytes);
        }
        self.shift_send_windows(
            i64::from(self.peer.initial_window_bytes) - i64::from(before.initial_window_bytes),
        )?;
        frame::put_settings_ack(self.output.buffer());
        if is_first {
            self.phase = Phase::Open;
            self.timers.stop(Timer::Preface);
        }
        self.pump();
        Ok(Progress::Event(Event::PeerSettings))
    }

    /// RFC 9113 §6.9.2: a new initial window changes the windows of open streams by the difference.
    fn shift_send_windows(&mut self, difference: i64) -> Result<(), ConnectionError> {
        if difference == 0 {
            return Ok(());
        }
        for (_, stream) in self.streams.iter_mut().filter(|(_, stream)| !stream.state.is_closed()) {
            let shifted = stream.send_window.shift(difference);
            shifted.map_err(|_| ConnectionError::flow(Reason::SettingWindow))?;
        }
        if difference > 0 {
            for key in self.streams.keys(|stream| stream.is_waiting()) {
                self.streams.make_ready(key);
            }
        }
        Ok(())
    }

    /// Our SETTINGS are in effect at the peer. RFC 9113 §6.9.3: a smaller window holds from here on.
    fn on_settings_ack(&mut self) -> Result<(), ConnectionError> {
        if self.settings_acked {
            return self.guard.settings(&self.config.guard, self.now);
        }
        self.settings_acked = true;
        self.timers.stop(Timer::SettingsAck);
        let agreed = self.config.initial_window_bytes.min(crate::h2::settings::WINDOW_MAX);
        let difference = i64::from(agreed) - i64::from(self.stream_window_bytes);
        self.stream_window_bytes = agreed;
        if difference != 0 {
            for (_, stream) in
                self.streams.iter_mut().filter(|(_, stream)| !stream.state.is_closed())
            {
                let shifted = stream.credit.shift(difference);
                shifted.map_err(|_| ConnectionError::flow(Reason::SettingWindow))?;
                // What is owed may be half a window now that the window is smaller.
                super::credit::owe(stream, 0, self.output.buffer());
            }
        }
        Ok(())
    }

    /// RFC 9113 §6.7.
    pub(super) fn on_ping(&mut self, header: FrameHeader, payload: &[u8]) -> Handled {
        expect_no_stream(&header)?;
        expect_length(&header, 8)?;
        let Some(payload) = payload.first_chunk::<8>() else { return Ok(Progress::More) };
        if !header.has(flag::ACK) {
            self.guard.ping(&self.config.guard, self.now)?;
            frame::put_ping(self.output.buffer(), flag::ACK, payload);
            return Ok(Progress::More);
        }
        if payload == OWNER_PING && self.ping_sent {
            self.ping_sent = false;
            return Ok(Progress::Event(Event::Pong));
        }
        if payload == DRAIN_PING && self.going == Going::Announced {
            self.finish_drain();
            return Ok(Progress::More);
        }
        self.guard.idle_frame(&self.config.guard, self.now).map(|()| Progress::More)
    }

    /// RFC 9113 §6.8. The event takes `debug` along.
    #[cold]
    pub(super) fn on_goaway<'a>(
        &mut self,
        header: FrameHeader,
        payload: &[u8],
        debug: &'a [u8],
    ) -> Result<Progress<'a>, ConnectionError> {
        expect_no_stream(&header)?;
        let Some((numbers, _)) = payload.split_first_chunk::<8>() else {
            return Err(ConnectionError::size(Reason::FrameLength));
        };
        self.guard.idle_frame(&self.config.guard, self.now)?;
        let last_stream = frame::word(numbers) & 0x7fff_ffff;
        let code = ErrorCode(frame::word(&numbers[4..]));
        if self.role == Role::Client {
            if self.going == Going::Stays {
                self.going = Going::Final { last: 0 };
            }
            // The peer has not looked at these: they may be sent again elsewhere.
            for key in self.streams.keys(|stream| stream.id > last_stream) {
                let (code, reason) = (ErrorCode::REFUSED_STREAM, Reason::PeerWentAway);
                self.end_early(key, code, Party::Peer, reason, Processed::No);
            }
            self.check_drained();
        }
        Ok(Progress::Event(Event::GoAway { code, last_stream, debug }))
    }

    /// RFC 9113 §5.3.2, §6.3: obsolete. It is checked and has no effect.
    pub(super) fn on_priority(
        &mut self,
        header: FrameHeader,
        payload: &[u8],
    ) -> Result<(), ConnectionError> {
        expect_stream(&header)?;
        self.guard.priority(&self.config.guard, self.now)?;
        let fault = if header.len != 5 {
            (ErrorCode::FRAME_SIZE_ERROR, Reason::FrameLength)
        } else if frame::word(payload) & 0x7fff_ffff == header.stream {
            (ErrorCode::PROTOCOL_ERROR, Reason::SelfDependency)
        } else {
            return Ok(());
        };
        let (code, reason) = fault;
        let state = match self.streams.find(header.stream) {
            Some((_, stream)) => stream.state,
            None => self.absent(header.stream),
        };
        match state {
            // A closed stream takes PRIORITY as an open one does, so the answer is the same.
            State::Active { .. } | State::Closed(_) => {
                self.stream_error(header.stream, code, reason)
            }
            // RFC 9113 §5.1: RST_STREAM must not be sent for an idle stream.
            State::Idle => Err(ConnectionError::new(code, reason)),
        }
    }
}

/// RFC 9113 §5.1: on a closed stream it crossed with the end and means nothing. Such crossings are
/// ordinary, so the guard is not told twice.
fn late_window_update(state: State) -> Result<(), ConnectionError> {
    match state.receive(Step::WindowUpdate) {
        Err(Fault::Connection(error)) => Err(error),
        Ok(_) | Err(Fault::Ignore | Fault::Stream(..)) => Ok(()),
    }
}

fn expect_length(header: &FrameHeader, len: u32) -> Result<(), ConnectionError> {
    let fits = header.len == len;
    fits.then_some(()).ok_or(ConnectionError::size(Reason::FrameLength))
}

fn expect_stream(header: &FrameHeader) -> Result<(), ConnectionError> {
    let has_stream = header.stream != 0;
    has_stream.then_some(()).ok_or(ConnectionError::protocol(Reason::StreamIdKind))
}

fn expect_no_stream(header: &FrameHeader) -> Result<(), ConnectionError> {
    let has_none = header.stream == 0;
    has_none.then_some(()).ok_or(ConnectionError::protocol(Reason::StreamIdKind))
}
