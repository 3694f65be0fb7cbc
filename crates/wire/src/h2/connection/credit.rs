//! The windows that we give to the peer (RFC 9113 §5.2).
//!
//! A stream's window is credited when the owner grants bytes, in lumps of half a window; it doubles while
//! its receiver drains it quickly. The connection's window is credited on receipt, so that one slow
//! stream does not stop the others, unless too many bytes of all streams together are not granted yet.

use std::time::Duration;

use super::Connection;
use crate::codec::StreamKey;
use crate::h2::frame;
use crate::h2::streams::Stream;

/// A receiver that drains a whole window within this time is limited by the window rather than by itself.
const QUICK: Duration = Duration::from_millis(500);

// === impl Connection ===

impl Connection {
    /// The receiver has taken so many bytes of a stream's body: the peer may send as many more.
    #[inline]
    pub fn grant(&mut self, stream: StreamKey, bytes: usize) {
        let Some(found) = self.streams.get_mut(stream) else { return };
        let taken = found.ungranted.min(u32::try_from(bytes).unwrap_or(u32::MAX));
        found.ungranted -= taken;
        owe(found, taken, self.output.buffer());
        self.ungrant(u64::from(taken));
    }

    /// Gives back so many bytes of a stream's window.
    pub(super) fn owe_stream(&mut self, key: StreamKey, bytes: u32) {
        if let Some(stream) = self.streams.get_mut(key) {
            owe(stream, bytes, self.output.buffer());
        }
    }

    /// More data comes for a stream whose last window was drained: a larger one if that was quick. Judged
    /// here because the time is known when input comes.
    #[cold]
    pub(super) fn judge_window(&mut self, key: StreamKey) {
        let Some(stream) = self.streams.get_mut(key) else { return };
        let is_quick = self.now.since(stream.window_at) <= QUICK;
        stream.window_at = self.now;
        stream.drained = 0;
        let (size, size_max) = (stream.credit.size(), self.config.stream_window_bytes_max);
        let growth = size.min(size_max.saturating_sub(size));
        let budget = self.config.grown_windows_bytes_max.saturating_sub(self.grown_bytes);
        if is_quick && growth > 0 && growth <= budget {
            stream.credit.enlarge(size + growth);
            stream.grown += growth;
            self.grown_bytes += growth;
        }
    }

    /// So many bytes of DATA frames came, and count for the connection's window.
    #[inline]
    pub(super) fn owe_connection(&mut self, bytes: u32) {
        self.credit.owe(bytes);
        self.credit_connection();
    }

    /// So many bytes are not the owner's burden any more.
    #[inline]
    pub(super) fn ungrant(&mut self, bytes: u64) {
        self.ungranted -= bytes;
        self.credit_connection();
    }

    #[inline]
    fn credit_connection(&mut self) {
        if self.ungranted > u64::from(self.config.buffered_bytes_max) {
            return;
        }
        if let Some(increment) = self.credit.due() {
            frame::put_window_update(self.output.buffer(), 0, increment);
        }
    }
}

/// Gives back so many bytes of a stream's window, if the peer still sends.
#[inline]
pub(super) fn owe(stream: &mut Stream, bytes: u32, out: &mut Vec<u8>) {
    if !stream.state.receives() || (stream.flags.discards && stream.lingering.is_none()) {
        return;
    }
    stream.credit.owe(bytes);
    stream.drained = stream.drained.saturating_add(bytes);
    if let Some(increment) = stream.credit.due() {
        frame::put_window_update(out, stream.id, increment);
    }
}
