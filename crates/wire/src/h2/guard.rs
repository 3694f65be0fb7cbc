//! The budgets against abuse, in one place (RFC 9113 §10.5).
//!
//! The engine charges every frame that costs more than it carries, and the guard answers with a verdict:
//! fine, or the connection error ENHANCE_YOUR_CALM with the reason. The engine never decides by itself.
//! Caps by kind are token buckets; beside them stands one budget of cost, so that a mixture of abuses
//! ends as well. A connection that comes near a limit is drained first, so that a peer that is merely
//! clumsy finishes its streams and begins anew. What ordinary traffic does (thousands of cancels beside
//! thousands of replies, a PING for every DATA frame, streams of tiny messages) earns its own credit.

use std::time::Duration;

use crate::Time;
use crate::codec::{ConnectionError, Reason};

/// What a connection may cost. A bucket holds `burst` tokens and refills at `per_second`.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Cost that a connection may build up, in bytes: decoded header sections of streams that have not
    /// ended cleanly, 64 per control frame, and what small DATA frames lack. Default: 16 MiB.
    pub cost_bytes_max: u32,
    /// Cost that is forgiven per second, in bytes; a payload byte forgives one more. Default: 32 MiB.
    pub cost_bytes_per_second: u32,
    /// Streams that the peer resets before their reply has begun, and within `early_reset_age`; beyond it
    /// the connection ends if also at least half of its recent streams ended so. Default: burst 200, 100
    /// per second.
    pub resets: Rate,
    /// A reset of a stream that is older is not early: its client has waited for the reply. Default: 1 s.
    pub early_reset_age: Duration,
    /// Streams that we reset for errors of the peer. Default: burst 100, 1 per second.
    pub errors: Rate,
    /// Streams refused because too many are open. Default: burst 1000, 100 per second.
    pub refused: Rate,
    /// CONTINUATION frames in one header block. Default: 64.
    pub continuations_per_block: u32,
    /// Empty CONTINUATION frames in one header block. Default: 4.
    pub empty_continuations_per_block: u32,
    /// SETTINGS frames. Default: burst 100, 20 per second.
    pub settings: Rate,
    /// PING frames; each HEADERS or DATA frame that we send earns one more, because peers measure round
    /// trips with them. Default: burst 100, 20 per second.
    pub pings: Rate,
    /// PRIORITY frames; each stream that was opened earns 100 more. Default: burst 100, 0 per second.
    pub priorities: Rate,
    /// Empty DATA frames in a row that do not end their stream. Default: 100.
    pub empty_data_in_a_row: u32,
    /// WINDOW_UPDATE frames; each HEADERS or DATA frame that we send, and each 4 KiB of it, earns 10 more.
    /// Default: burst 1000, 20 per second.
    pub window_updates: Rate,
    /// Frames of unknown type and frames without effect, such as those for closed streams; each stream
    /// that was opened earns 2 more. Default: burst 100, 20 per second.
    pub idle_frames: Rate,
    /// Informational replies of one stream. Default: 32.
    pub informational_per_stream: u8,
}

/// A token bucket's size and speed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Tokens when full.
    pub burst: u32,
    /// Tokens that come back per second.
    pub per_second: u32,
}

/// The balance of one connection.
#[derive(Debug)]
pub(super) struct Guard {
    cost: u64,
    cost_at: Time,
    resets: Bucket,
    errors: Bucket,
    refused: Bucket,
    settings: Bucket,
    pings: Bucket,
    priorities: Bucket,
    window_updates: Bucket,
    idle_frames: Bucket,
    /// HEADERS and pieces of DATA that we sent; the buckets of answers to them earn from it.
    sent_frames: u32,
    /// Streams that were opened.
    opened: u32,
    /// Of the recent streams of the peer: how many ended, and how many of them by its reset before their
    /// reply.
    recent_ends: u32,
    recent_resets: u32,
    empty_data: u32,
    /// Three quarters of some budget were used up since it was last asked.
    is_strained: bool,
}

/// Tokens of one kind of frame. Starts full.
#[derive(Debug, Default)]
struct Bucket {
    /// Millionths of tokens that are taken.
    taken: u64,
    at: Time,
    /// The counter of earnings when it was last looked at.
    seen: u32,
}

/// Streams over which the share of resets is judged; older ones fade.
const RECENT_ENDS: u32 = 500;
/// What a frame costs that only controls.
const CONTROL_COST: u32 = 64;
/// A DATA frame below this many bytes that comes right behind another one of its stream costs what it
/// lacks: its sender could have sent both as one.
pub(super) const SMALL_DATA_BYTES: usize = 64;
/// Clients are known that credit every 4 KiB that they have read.
const PIECE_BYTES: usize = 4 << 10;
const MILLION: u64 = 1_000_000;

type Verdict = Result<(), ConnectionError>;

// === impl Limits ===

impl Default for Limits {
    fn default() -> Self {
        const fn rate(burst: u32, per_second: u32) -> Rate {
            Rate { burst, per_second }
        }
        Self {
            cost_bytes_max: 16 << 20,
            cost_bytes_per_second: 32 << 20,
            resets: rate(200, 100),
            early_reset_age: Duration::from_secs(1),
            errors: rate(100, 1),
            refused: rate(1000, 100),
            continuations_per_block: 64,
            empty_continuations_per_block: 4,
            settings: rate(100, 20),
            pings: rate(100, 20),
            priorities: rate(100, 0),
            empty_data_in_a_row: 100,
            window_updates: rate(1000, 20),
            idle_frames: rate(100, 20),
            informational_per_stream: 32,
        }
    }
}

// === impl Guard ===

impl Guard {
    pub(super) fn new(now: Time) -> Self {
        let bucket = || Bucket { taken: 0, at: now, seen: 0 };
        Self {
            cost: 0,
            cost_at: now,
            resets: bucket(),
            errors: bucket(),
            refused: bucket(),
            settings: bucket(),
            pings: bucket(),
            priorities: bucket(),
            window_updates: bucket(),
            idle_frames: bucket(),
            sent_frames: 0,
            opened: 0,
            recent_ends: 0,
            recent_resets: 0,
            empty_data: 0,
            is_strained: false,
        }
    }

    /// Whether a budget has come near its end. Tells once.
    #[inline]
    pub(super) fn take_strain(&mut self) -> bool {
        std::mem::take(&mut self.is_strained)
    }

    /// A field section was decoded. What it cost is forgiven when its stream ends cleanly.
    #[inline]
    pub(super) fn section(&mut self, limits: &Limits, now: Time, bytes: u32) -> Verdict {
        self.charge(limits, now, bytes)
    }

    /// A stream ended cleanly: its sections were worth their cost.
    #[inline]
    pub(super) fn forgive(&mut self, bytes: u32) {
        self.cost = self.cost.saturating_sub(u64::from(bytes));
    }

    /// Payload arrived.
    #[inline]
    pub(super) fn payload(&mut self, bytes: u32) {
        if bytes > 0 {
            self.empty_data = 0;
            self.forgive(bytes);
        }
    }

    /// We sent HEADERS, or so many bytes of DATA. Peers credit a large frame piece by piece, so it counts as
    /// several.
    #[inline]
    pub(super) fn sent(&mut self, bytes: usize) {
        self.sent_frames = self.sent_frames.wrapping_add(1 + (bytes / PIECE_BYTES) as u32);
    }

    /// A stream was opened, by either end.
    #[inline]
    pub(super) fn opened(&mut self) {
        self.opened = self.opened.wrapping_add(1);
    }

    /// A DATA frame that could have been one with the frame before it.
    pub(super) fn small_data(&mut self, limits: &Limits, now: Time, bytes: usize) -> Verdict {
        self.charge(limits, now, SMALL_DATA_BYTES.saturating_sub(bytes) as u32)
    }

    /// A DATA frame for a stream that we have reset. A whole window of them may be on the way, so they are
    /// not counted by kind.
    pub(super) fn late_data(&mut self, limits: &Limits, now: Time) -> Verdict {
        self.charge(limits, now, CONTROL_COST)
    }

    /// A DATA frame that carries nothing and ends nothing.
    pub(super) fn empty_data(&mut self, limits: &Limits, now: Time) -> Verdict {
        self.empty_data += 1;
        if self.empty_data > limits.empty_data_in_a_row {
            return Err(ConnectionError::calm(Reason::EmptyDataFlood));
        }
        self.charge(limits, now, CONTROL_COST)
    }

    /// A stream ended, in whichever way.
    #[inline]
    pub(super) fn ended(&mut self) {
        self.recent_ends += 1;
        if self.recent_ends >= RECENT_ENDS {
            self.recent_ends /= 2;
            self.recent_resets /= 2;
        }
    }

    /// A stream of the peer ended early by its reset (CVE-2023-44487). A client that cancels much because
    /// it calls much keeps its share low; one that does nothing else does not. Told after
    /// [`Guard::ended`].
    pub(super) fn early_reset(&mut self, limits: &Limits, now: Time) -> Verdict {
        self.recent_resets += 1;
        let within = self.resets.take(limits.resets, now, 0);
        self.is_strained |=
            self.resets.is_strained(limits.resets) && self.recent_resets * 2 >= self.recent_ends;
        if !within && self.recent_resets * 2 >= self.recent_ends {
            return Err(ConnectionError::calm(Reason::ResetFlood));
        }
        self.charge(limits, now, CONTROL_COST)
    }

    /// We reset a stream for an error of the peer (CVE-2025-8671).
    pub(super) fn error(&mut self, limits: &Limits, now: Time) -> Verdict {
        let within = self.errors.take(limits.errors, now, 0);
        self.is_strained |= self.errors.is_strained(limits.errors);
        self.control(limits, now, within, Reason::ErrorFlood)
    }

    /// We refused a stream.
    pub(super) fn refused(&mut self, limits: &Limits, now: Time) -> Verdict {
        let within = self.refused.take(limits.refused, now, 0);
        self.is_strained |= self.refused.is_strained(limits.refused);
        self.control(limits, now, within, Reason::RefusedFlood)
    }

    pub(super) fn settings(&mut self, limits: &Limits, now: Time) -> Verdict {
        let within = self.settings.take(limits.settings, now, 0);
        self.is_strained |= self.settings.is_strained(limits.settings);
        self.control(limits, now, within, Reason::SettingsFlood)
    }

    pub(super) fn ping(&mut self, limits: &Limits, now: Time) -> Verdict {
        let earned = self.pings.earned(self.sent_frames, 1);
        let within = self.pings.take(limits.pings, now, earned);
        self.is_strained |= self.pings.is_strained(limits.pings);
        self.control(limits, now, within, Reason::PingFlood)
    }

    pub(super) fn priority(&mut self, limits: &Limits, now: Time) -> Verdict {
        let earned = self.priorities.earned(self.opened, 100);
        let within = self.priorities.take(limits.priorities, now, earned);
        self.is_strained |= self.priorities.is_strained(limits.priorities);
        self.control(limits, now, within, Reason::PriorityFlood)
    }

    pub(super) fn window_update(&mut self, limits: &Limits, now: Time) -> Verdict {
        let earned = self.window_updates.earned(self.sent_frames, 10);
        let within = self.window_updates.take(limits.window_updates, now, earned);
        self.is_strained |= self.window_updates.is_strained(limits.window_updates);
        self.control(limits, now, within, Reason::WindowUpdateFlood)
    }

    /// A frame without effect: of unknown type, or for a stream that is over.
    pub(super) fn idle_frame(&mut self, limits: &Limits, now: Time) -> Verdict {
        let earned = self.idle_frames.earned(self.opened, 2);
        let within = self.idle_frames.take(limits.idle_frames, now, earned);
        self.is_strained |= self.idle_frames.is_strained(limits.idle_frames);
        self.control(limits, now, within, Reason::IdleFrameFlood)
    }

    /// A CONTINUATION frame; `all` and `empty` count those of its block, itself included.
    pub(super) fn continuation(limits: &Limits, all: u32, empty: u32) -> Verdict {
        let within =
            all <= limits.continuations_per_block && empty <= limits.empty_continuations_per_block;
        within.then_some(()).ok_or(ConnectionError::calm(Reason::ContinuationFlood))
    }

    fn control(&mut self, limits: &Limits, now: Time, within: bool, reason: Reason) -> Verdict {
        if !within {
            return Err(ConnectionError::calm(reason));
        }
        self.charge(limits, now, CONTROL_COST)
    }

    #[inline]
    fn charge(&mut self, limits: &Limits, now: Time, bytes: u32) -> Verdict {
        self.cost += u64::from(bytes);
        if self.cost <= u64::from(limits.cost_bytes_max / 4) * 3 {
            return Ok(());
        }
        self.settle(limits, now)
    }

    /// Forgives what time forgives, then judges.
    #[cold]
    fn settle(&mut self, limits: &Limits, now: Time) -> Verdict {
        let elapsed = now.since(self.cost_at);
        self.cost_at = now;
        let forgiven = share(elapsed, limits.cost_bytes_per_second, 1);
        self.cost = self.cost.saturating_sub(forgiven);
        self.is_strained |= self.cost > u64::from(limits.cost_bytes_max / 4) * 3;
        let within = self.cost <= u64::from(limits.cost_bytes_max);
        within.then_some(()).ok_or(ConnectionError::calm(Reason::CostExceeded))
    }
}

// === impl Bucket ===

impl Bucket {
    /// Tokens earned since the last call, `each` per step of `counter`.
    fn earned(&mut self, counter: u32, each: u32) -> u64 {
        let steps = counter.wrapping_sub(self.seen);
        self.seen = counter;
        u64::from(steps) * u64::from(each)
    }

    /// Whether more than three quarters of the tokens are taken.
    fn is_strained(&self, rate: Rate) -> bool {
        self.taken / 3 > u64::from(rate.burst) * (MILLION / 4)
    }

    /// Takes a token, if there is one.
    fn take(&mut self, rate: Rate, now: Time, earned: u64) -> bool {
        let refilled = share(now.since(self.at), rate.per_second, MILLION);
        self.at = now;
        let back = refilled.saturating_add(earned.saturating_mul(MILLION));
        self.taken = self.taken.saturating_sub(back) + MILLION;
        let within = self.taken <= u64::from(rate.burst) * MILLION;
        if !within {
            self.taken -= MILLION;
        }
        within
    }
}

/// What accrues in `elapsed`, at `per_second`, counted in units of 1/`scale`.
fn share(elapsed: Duration, per_second: u32, scale: u64) -> u64 {
    let nanos = elapsed.as_nanos() * u128::from(per_second) * u128::from(scale);
    u64::try_from(nanos / 1_000_000_000).unwrap_or(u64::MAX)
}
