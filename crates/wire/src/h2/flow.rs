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

    /// As [`Window::take`], for a caller that has looked at [`Window::available`].
    #[inline]
    pub(super) fn spend(&mut self, bytes: usize) {
        debug_assert!(bytes <= self.available(), "more data than the window allows");
        self.0 -= bytes as i64;
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

    /// What the peer may send before it hears of us again.
    pub(super) fn open(&self) -> u32 {
        u32::try_from(self.window.available()).unwrap_or(u32::MAX)
    }

    /// All that was received is taken, whoever had it.
    pub(super) fn refund(&mut self) {
        self.owed = self.size.saturating_sub(self.open());
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever is sent, granted, and moved by SETTINGS in whatever order: a window is the sum of it, never
    /// above 2^31-1, and data never passes it. The model counts in i128, where nothing overflows.
    #[test]
    fn a_window_is_the_sum_of_what_happened_to_it() {
        let mut random = 42u64;
        let mut next = |bound: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888);
            (random >> 20) % bound
        };
        for _ in 0..200 {
            let initial = next(u64::from(WINDOW_MAX) + 1) as u32;
            let (mut window, mut model) = (Window::new(initial), i128::from(initial));
            for _ in 0..500 {
                let magnitude = 1 << next(32);
                let bytes = next(magnitude) as u32;
                match next(3) {
                    0 => {
                        let fits = bytes == 0 || i128::from(bytes) <= model;
                        assert_eq!(window.take(bytes).is_ok(), fits);
                        model -= if fits { i128::from(bytes) } else { 0 };
                    }
                    1 => {
                        let fits = model + i128::from(bytes) <= i128::from(WINDOW_MAX);
                        assert_eq!(window.grow(bytes).is_ok(), fits);
                        model += if fits { i128::from(bytes) } else { 0 };
                    }
                    _ => {
                        let difference = i64::from(bytes) - i64::from(WINDOW_MAX / 2);
                        let fits = model + i128::from(difference) <= i128::from(WINDOW_MAX);
                        assert_eq!(window.shift(difference).is_ok(), fits);
                        model += if fits { i128::from(difference) } else { 0 };
                    }
                }
                assert_eq!(window.available() as i128, model.max(0));
            }
        }
    }

    #[test]
    fn credit_is_given_in_halves_and_nothing_is_lost() {
        let mut credit = Credit::new(100);
        credit.receive(60).unwrap();
        credit.owe(49);
        assert_eq!(credit.due(), None);
        credit.owe(1);
        assert_eq!(credit.due(), Some(50));
        assert_eq!(credit.due(), None);
        assert_eq!(credit.receive(91), Err(OutOfWindow));
        credit.receive(90).unwrap();
    }

    #[test]
    fn a_larger_window_owes_the_difference() {
        let mut credit = Credit::new(100);
        credit.receive(100).unwrap();
        credit.owe(100);
        credit.enlarge(200);
        assert_eq!((credit.size(), credit.due()), (200, Some(200)));
        assert_eq!(credit.receive(201), Err(OutOfWindow));
    }

    #[test]
    fn a_window_may_become_negative_by_settings_alone() {
        let mut window = Window::new(10);
        window.shift(-30).unwrap();
        assert_eq!(window.available(), 0);
        assert_eq!((window.take(1), window.take(0)), (Err(OutOfWindow), Ok(())));
        window.grow(21).unwrap();
        assert_eq!(window.available(), 1);
    }
}
