//! Leaves nodes alone that fail calls: passive outlier detection.
//!
//! Workers judge by what they see themselves. What they note is shared and atomic, so a node that fails for all
//! is found by all together; a success after a success only reads. A node that fails too often is ejected: it
//! gets no calls for a time that grows with each ejection and shrinks while it behaves. A share of the set always
//! stays. `Detection` is what the configuration says, `Track` what is noted of one node.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use narrows_wire::Time;

use crate::endpoints::{Endpoint, Endpoints};

/// When a node of an upstream is ejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detection {
    /// What counts as a failure.
    pub failures: Failures,
    /// Failures in a row; 0: not looked at.
    pub consecutive_failures: u32,
    /// Failures to connect in a row, whether they count as failures or not; 0: not looked at.
    pub consecutive_connect_failures: u32,
    /// The share of calls that fail; `None`: not looked at.
    pub failure_ratio: Option<FailureRatio>,
    /// Over so long a ratio is taken, and after so long without an ejection the next one is shorter.
    pub interval: Duration,
    /// How long the first ejection lasts; each further one by as much longer.
    pub base_ejection_time: Duration,
    /// No ejection lasts longer.
    pub max_ejection_time: Duration,
    /// At most this share of a set is ejected, in percent. Of a set of several nodes one may always be.
    pub max_ejected_percent: u32,
}

/// A share of calls that is too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailureRatio {
    /// So many of a hundred.
    pub percent: u32,
    /// If there were at least so many calls in the interval.
    pub volume: u64,
}

/// How a node failed a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// No connection to it came about.
    Connect,
    /// It did not begin its reply in time.
    Timeout,
    /// It reset the stream, lost the connection, or broke the protocol.
    Reset,
    /// It answered with this status of HTTP, 500 or above.
    Http(u16),
    /// It answered with this status of gRPC, not 0.
    Grpc(u8),
}

/// A set of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failures(u32);

/// Why a node was ejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Too many failures in a row.
    ConsecutiveFailures,
    /// Too many failures to connect in a row.
    ConnectFailures,
    /// Too large a share of its calls failed.
    FailureRatio,
}

/// How often nodes of a set were ejected.
#[derive(Debug, Default)]
pub struct Ejections([AtomicU64; Reason::ALL.len()]);

/// What is noted of a node, by all workers.
#[derive(Debug, Default)]
pub struct Track {
    /// Failures since the last success.
    failures: AtomicU32,
    /// Failures to connect since the last success.
    connects: AtomicU32,
    /// Ejections, less the intervals that went well.
    ejections: AtomicU32,
    /// The interval for which a ratio is taken: when it began, and what had been counted by then.
    began: AtomicU64,
    base: [AtomicU64; 2],
}

// === impl Failures ===

impl Failures {
    /// None at all.
    pub const NONE: Self = Self(0);
    /// A connection that does not come about.
    pub const CONNECT: Self = Self(1 << 17);
    /// A reply that does not begin in time.
    pub const TIMEOUT: Self = Self(1 << 18);
    /// A stream that is reset, a connection that is lost, a protocol that is broken.
    pub const RESET: Self = Self(1 << 19);
    /// 502, 503, and 504.
    pub const GATEWAY_ERROR: Self = Self(1 << 20);
    /// The other statuses of HTTP from 500 on.
    const OTHER_5XX: Self = Self(1 << 21);
    /// Every status of HTTP from 500 on.
    pub const SERVER_ERROR: Self = Self::GATEWAY_ERROR.and(Self::OTHER_5XX);

    /// The status of gRPC with this code.
    pub const fn grpc(code: u8) -> Self {
        // OK is no failure, and what is above 16 is UNKNOWN to callers.
        match code {
            0 => Self::NONE,
            1..=16 => Self(1 << code),
            _ => Self(1 << 2),
        }
    }

    /// These and others.
    #[must_use]
    pub const fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Whether the fault is one of them.
    pub fn contain(self, fault: Fault) -> bool {
        let of_fault = match fault {
            Fault::Connect => Self::CONNECT,
            Fault::Timeout => Self::TIMEOUT,
            Fault::Reset => Self::RESET,
            Fault::Http(502..=504) => Self::GATEWAY_ERROR,
            Fault::Http(_) => Self::OTHER_5XX,
            Fault::Grpc(code) => Self::grpc(code),
        };
        self.0 & of_fault.0 != 0
    }
}

impl Default for Failures {
    /// What is hardly ever the fault of the request. UNKNOWN is what servers of gRPC answer when a handler throws:
    /// a request that does so everywhere would empty the set.
    fn default() -> Self {
        const UNAVAILABLE: Failures = Failures::grpc(14);
        const INTERNAL: Failures = Failures::grpc(13);
        const DATA_LOSS: Failures = Failures::grpc(15);
        let broken = Self::CONNECT.and(Self::TIMEOUT).and(Self::RESET);
        broken.and(Self::SERVER_ERROR).and(UNAVAILABLE).and(INTERNAL).and(DATA_LOSS)
    }
}

// === impl Detection ===

impl Default for Detection {
    /// What holds where nothing is said: only a node that can not be reached is left alone, and not for long.
    fn default() -> Self {
        Self {
            failures: Failures::default(),
            consecutive_failures: 0,
            consecutive_connect_failures: 5,
            failure_ratio: None,
            interval: Duration::from_secs(10),
            base_ejection_time: Duration::from_secs(10),
            max_ejection_time: Duration::from_secs(60),
            max_ejected_percent: 50,
        }
    }
}

impl Detection {
    /// A call to a node of the set has failed. The node is ejected if that was one too many.
    #[cold]
    pub fn on_failure(&self, set: &Endpoints, endpoint: &Endpoint, fault: Fault, now: Time) {
        // Calls that were under way when it was ejected say nothing new.
        if now < endpoint.ejected_until() {
            return;
        }
        if let Some(reason) = endpoint.track().fail(self, endpoint, fault, now) {
            self.eject(set, endpoint, reason, now);
        }
    }

    fn eject(&self, set: &Endpoints, endpoint: &Endpoint, reason: Reason, now: Time) {
        // One worker at a time, so that the share is kept. Another one tries again with its next failure.
        let Some(_turn) = set.begin_ejection() else { return };
        if !self.leaves_enough(set, endpoint, now) {
            return;
        }
        let track = endpoint.track();
        let healthy =
            now.since(endpoint.ejected_until()).as_nanos() / self.interval.as_nanos().max(1);
        let healthy = u32::try_from(healthy).unwrap_or(u32::MAX);
        let times =
            track.ejections.load(Ordering::Relaxed).saturating_sub(healthy).saturating_add(1);
        track.ejections.store(times, Ordering::Relaxed);
        track.succeed();
        track.began.store(0, Ordering::Relaxed);
        let time = self.base_ejection_time.saturating_mul(times).min(self.max_ejection_time);
        set.ejections().count(reason);
        endpoint.eject(now + time, reason);
    }

    /// Whether the set can do without this node as well.
    fn leaves_enough(&self, set: &Endpoints, endpoint: &Endpoint, now: Time) -> bool {
        let entries = set.entries();
        let is_this =
            |entry: &crate::endpoints::Entry| std::ptr::eq(&raw const *entry.endpoint, endpoint);
        if !entries.iter().any(is_this) {
            return false;
        }
        let ejected = entries.iter().filter(|entry| now < entry.endpoint.ejected_until()).count();
        let share = entries.len() * self.max_ejected_percent as usize / 100;
        let least = usize::from(entries.len() > 1 && self.max_ejected_percent > 0);
        ejected < share.max(least)
    }
}

// === impl Track ===

impl Track {
    /// A call went well.
    pub fn succeed(&self) {
        for count in [&self.failures, &self.connects] {
            // Written only when it changes: all workers read it.
            if count.load(Ordering::Relaxed) != 0 {
                count.store(0, Ordering::Relaxed);
            }
        }
    }

    /// Notes a failure; tells why it is one too many.
    fn fail(
        &self,
        detection: &Detection,
        endpoint: &Endpoint,
        fault: Fault,
        now: Time,
    ) -> Option<Reason> {
        let reaches = |count: &AtomicU32, most: u32| {
            let count = count.fetch_add(1, Ordering::Relaxed).saturating_add(1);
            most != 0 && count >= most
        };
        let connect = fault == Fault::Connect
            && reaches(&self.connects, detection.consecutive_connect_failures);
        if !detection.failures.contain(fault) {
            return connect.then_some(Reason::ConnectFailures);
        }
        let failed = reaches(&self.failures, detection.consecutive_failures);
        let ratio = detection
            .failure_ratio
            .is_some_and(|ratio| self.exceeds(ratio, endpoint.totals(), detection.interval, now));
        match (connect, failed, ratio) {
            (true, ..) => Some(Reason::ConnectFailures),
            (_, true, _) => Some(Reason::ConsecutiveFailures),
            (_, _, true) => Some(Reason::FailureRatio),
            (false, false, false) => None,
        }
    }

    /// Whether too many calls of this interval failed. An interval begins with the first failure after the last
    /// one was over, so that successes need no clock.
    fn exceeds(
        &self,
        ratio: FailureRatio,
        (successes, failures): (u64, u64),
        interval: Duration,
        now: Time,
    ) -> bool {
        let began = self.began.load(Ordering::Relaxed);
        let is_over = began == 0 || now.since(Time::ZERO + Duration::from_nanos(began)) >= interval;
        let swap = (Ordering::Relaxed, Ordering::Relaxed);
        if is_over {
            let taken = self.began.compare_exchange(began, now.as_nanos(), swap.0, swap.1);
            if taken.is_ok() {
                self.base[0].store(successes, Ordering::Relaxed);
                // The failure that begins the interval belongs to it.
                self.base[1].store(failures.saturating_sub(1), Ordering::Relaxed);
            }
        }
        let successes = successes.saturating_sub(self.base[0].load(Ordering::Relaxed));
        let failures = failures.saturating_sub(self.base[1].load(Ordering::Relaxed));
        let calls = successes + failures;
        calls >= ratio.volume && failures * 100 >= calls * u64::from(ratio.percent)
    }
}

// === impl Ejections ===

impl Ejections {
    fn count(&self, reason: Reason) {
        self.0[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How often for this reason.
    pub fn of(&self, reason: Reason) -> u64 {
        self.0[reason as usize].load(Ordering::Relaxed)
    }
}

// === impl Reason ===

impl Reason {
    /// All of them.
    pub const ALL: [Self; 3] =
        [Self::ConsecutiveFailures, Self::ConnectFailures, Self::FailureRatio];

    /// As it stands in metrics and logs.
    pub fn word(self) -> &'static str {
        match self {
            Self::ConsecutiveFailures => "consecutive_failures",
            Self::ConnectFailures => "consecutive_connect_failures",
            Self::FailureRatio => "failure_ratio",
        }
    }
}

#[cfg(test)]
mod tests;
