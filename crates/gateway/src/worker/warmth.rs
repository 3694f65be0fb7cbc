//! The weights of a set while some of its nodes warm up. See `slow_start.rs` for how a share grows.

use narrows_wire::Time;

use crate::balance::Balanced;
use crate::endpoints::Entry;
use crate::slow_start::{SCALE, SlowStart};

/// Which nodes of a set warm up at a time.
pub(super) struct Warmth {
    /// `None`: no node does.
    slow_start: Option<SlowStart>,
    next_look: Time,
    now: Time,
}

// === impl Warmth ===

impl Warmth {
    pub(super) fn of(balanced: &Balanced, entries: &[Entry], now: Time) -> Self {
        let mut warmth = Self { slow_start: None, next_look: Time::NEVER, now };
        let Some(slow_start) = balanced.slow_start else { return warmth };
        for entry in entries.iter().filter(|entry| entry.endpoint.is_in_service(now)) {
            let admitted = entry.endpoint.admitted();
            if slow_start.percent(admitted, now).is_some() {
                warmth.slow_start = Some(slow_start);
                warmth.next_look = warmth.next_look.min(slow_start.next_look(admitted, now));
            }
        }
        warmth
    }

    /// When the weights have changed.
    pub(super) fn next_look(&self) -> Time {
        self.next_look
    }

    /// The weight at present: in finer steps for all nodes as long as one warms up.
    pub(super) fn weight(&self, entry: &Entry, weight: u32) -> u32 {
        let Some(slow_start) = &self.slow_start else { return weight };
        let percent = slow_start.percent(entry.endpoint.admitted(), self.now);
        weight.saturating_mul(percent.unwrap_or(SCALE)).max(1)
    }
}
