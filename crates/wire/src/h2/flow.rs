//! Flow-control windows (RFC 9113 §5.2, §6.9).
//!
//! [`Window`] counts what a sender may still send; it may become negative, when SETTINGS shrinks it.
//! [`Credit`] is the receiving side: the window that the peer sees, and the bytes that were taken since
//! it was last told so. Credit is given back in lumps of half a window.

use super::settings::WINDOW_MAX;

/// Bytes that may still be sent. RFC 9113 §6.9.1: at most 2^31-1; §6.9.2: may be negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Window(i64);

/// A window would leave its range, or data its window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OutOfWindow;

/// A receive window and what is owed to it.
#[derive(Debug)]
pub(super) struct Credit {
    window: Window,
    /// What the window is when nothing is owed or on the way.
    size: u32,
    owed: u32,
}

// === impl Window ===

impl Window {
    pub(super) const fn new(bytes: u32) -> Self {
        Self(bytes as i64)
    }

    /// Bytes that may be sent now.
    #[inline]
    pub(super) fn available(self) -> usize {
        self.0.max(0) as usize
    }

    /// Data of `bytes` was sent.
    #[inline]
    pub(super) fn take(&mut self, bytes: u32) -> Result<(), OutOfWindow> {
        let left = self.0 - i64::from(bytes);
        // RFC 9113 §6.9: an empty frame fits any window, even a negative one.
        if left < 0 && bytes > 0 {
            return Err(OutOfWindow);
        }
        self.0 = left;
        Ok(())
    }

    /// The receiver allows `bytes` more.
    #[inline]
    pub(super) fn grow(&mut self, bytes: u32) -> Result<(), OutOfWindow> {
        self.shift(i64::from(bytes))
    }

    /// SETTINGS_INITIAL_WINDOW_SIZE changed by `difference` (§6.9.2).
    pub(super) fn shift(&mut self, difference: i64) -> Result<(), OutOfWindow> {
        let moved = self.0 + difference;
        // RFC 9113 §6.9.1: a window beyond 2^31-1 is a flow-control error.
        if moved > i64::from(WINDOW_MAX) {
            return Err(OutOfWindow);
        }
        self.0 = moved;
        Ok(())
    }
}

// === impl Credit ===

impl Credit {
    pub(super) const fn new(size: u32) -> Self {
        Self { window: Window::new(size), size, owed: 0 }
    }

    pub(super) fn size(&self) -> u32 {
        self.size
    }

    /// The peer sent `bytes`.
    #[inline]
    pub(super) fn receive(&mut self, bytes: u32) -> Result<(), OutOfWindow> {
        self.window.take(bytes)
    }

    /// `bytes` that were received are taken. They are owed until [`Credit::due`].
    #[inline]
    pub(super) fn owe(&mut self, bytes: u32) {
        self.owed = self.owed.saturating_add(bytes);
    }

    /// The increment that the peer should be told of now: all that is owed, if that is half a window.
    #[inline]
    pub(super) fn due(&mut self) -> Option<u32> {
        if self.owed == 0 || self.owed < self.size / 2 {
            return None;
        }
        let increment = std::mem::take(&mut self.owed);
        // The peer cannot have sent more than the window, so what it gets back fits into it.
        self.window.grow(increment).ok().map(|()| increment)
    }

    /// Makes the window larger; the difference is owed.
    pub(super) fn enlarge(&mut self, size: u32) {
        let size = size.min(WINDOW_MAX);
        self.owe(size.saturating_sub(self.size));
        self.size = self.size.max(size);
    }

    /// Our SETTINGS_INITIAL_WINDOW_SIZE took effect for a stream that was open before.
    pub(super) fn shift(&mut self, difference: i64) -> Result<(), OutOfWindow> {
        self.size = u32::try_from(i64::from(self.size) + difference).unwrap_or(0).min(WINDOW_MAX);
        self.window.shift(difference)
    }
}
