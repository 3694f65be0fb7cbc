//! The deadlines of a connection: one enum, one table.

use crate::Time;

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum Timer {
    /// The peer's preface and SETTINGS.
    Preface,
    /// The acknowledgement of our SETTINGS.
    SettingsAck,
    /// The rest of a frame or a header block.
    Header,
    /// Progress of waiting data and of the output.
    Stall,
    /// The answer to the PING between the two GOAWAYs of a drain.
    Drain,
    /// The rest of requests whose replies are complete.
    Linger,
}

const TIMERS: [Timer; 6] =
    [Timer::Preface, Timer::SettingsAck, Timer::Header, Timer::Stall, Timer::Drain, Timer::Linger];

/// When each wait ends.
#[derive(Debug)]
pub(super) struct Timers([Time; TIMERS.len()]);

// === impl Timers ===

impl Timers {
    pub(super) const fn new() -> Self {
        Self([Time::NEVER; TIMERS.len()])
    }

    pub(super) fn set(&mut self, timer: Timer, at: Time) {
        self.0[timer as usize] = at;
    }

    /// Sets it, unless it is set to an earlier time.
    pub(super) fn set_earlier(&mut self, timer: Timer, at: Time) {
        let present = &mut self.0[timer as usize];
        *present = at.min(*present);
    }

    #[inline]
    pub(super) fn stop(&mut self, timer: Timer) {
        self.0[timer as usize] = Time::NEVER;
    }

    #[inline]
    pub(super) fn is_set(&self, timer: Timer) -> bool {
        self.0[timer as usize] != Time::NEVER
    }

    /// The earliest of all.
    pub(super) fn next(&self) -> Time {
        self.0.iter().copied().min().unwrap_or(Time::NEVER)
    }

    /// Stops and returns a timer that is due.
    pub(super) fn expire(&mut self, now: Time) -> Option<Timer> {
        let due = TIMERS.into_iter().find(|timer| self.0[*timer as usize] <= now)?;
        self.stop(due);
        Some(due)
    }

    pub(super) fn stop_all(&mut self) {
        *self = Self::new();
    }
}
