//! Keepalive: whether the peer of a connection that has streams is still there.
//!
//! A peer that says nothing for an interval is asked by PING, and is lost if it says nothing again. Any byte is a sign
//! of life. Without streams nobody is asked: servers of gRPC take that for abuse. One that complains of too many PINGs
//! is asked half as often from then on (`pool.rs` remembers it for later connections).

use std::time::Duration;

use narrows_wire::Time;
use narrows_wire::codec::ErrorCode;

use crate::timeout::NEVER;

/// What a peer says behind GOAWAY that is asked too often (gRPC A8).
const COMPLAINT: &[u8] = b"too_many_pings";
/// How often an interval is doubled at most: then it is a thousand times as long.
pub const DOUBLINGS_MAX: u32 = 10;

/// When peers are asked, and how long they have to say something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keepalive {
    /// A peer that says nothing for so long is asked; `None`: never.
    pub interval: Option<Duration>,
    /// One that says nothing for so long after that is lost.
    pub timeout: Duration,
}

/// What is due of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pulse {
    /// Nothing.
    Beats,
    /// Its peer is to be asked.
    Asks,
    /// Its peer is gone.
    Lost,
}

/// What is known of the life of a peer.
#[derive(Debug, Clone, Copy)]
pub struct Watch {
    interval: Duration,
    timeout: Duration,
    doublings: u32,
    /// Since when it says nothing.
    quiet_since: Time,
    /// When it was asked; [`Time::NEVER`]: it is not.
    asked: Time,
}

/// Whether a GOAWAY complains of too many PINGs.
pub fn is_complaint(code: ErrorCode, text: &[u8]) -> bool {
    code == ErrorCode::ENHANCE_YOUR_CALM && text == COMPLAINT
}

// === impl Keepalive ===

impl Default for Keepalive {
    fn default() -> Self {
        Self { interval: None, timeout: Duration::from_secs(20) }
    }
}

// === impl Watch ===

impl Watch {
    /// Nobody is asked.
    pub const NONE: Self = Self {
        interval: NEVER,
        timeout: NEVER,
        doublings: 0,
        quiet_since: Time::ZERO,
        asked: Time::NEVER,
    };

    /// That of a connection which opens at `now`, to a peer that has complained so often.
    pub fn new(rules: Keepalive, doublings: u32, now: Time) -> Self {
        Self {
            interval: rules.interval.unwrap_or(NEVER),
            timeout: rules.timeout,
            doublings: doublings.min(DOUBLINGS_MAX),
            quiet_since: now,
            asked: Time::NEVER,
        }
    }

    /// The peer says something, or its silence counts from here.
    #[inline]
    pub fn hear(&mut self, now: Time) {
        self.quiet_since = now;
        self.asked = Time::NEVER;
    }

    /// The peer complains: it is asked half as often. Gives how often it has complained.
    pub fn slow_down(&mut self) -> u32 {
        self.doublings = (self.doublings + 1).min(DOUBLINGS_MAX);
        self.doublings
    }

    /// When something is due, as long as there are streams.
    #[inline]
    pub fn due(&self) -> Time {
        match self.asked {
            _ if self.interval == NEVER => Time::NEVER,
            Time::NEVER => self.quiet_since + self.interval.saturating_mul(1 << self.doublings),
            asked => asked + self.timeout,
        }
    }

    /// What is due at `now`. Whoever is to be asked counts as asked.
    pub fn look(&mut self, now: Time) -> Pulse {
        match self.asked {
            _ if self.due() > now => Pulse::Beats,
            Time::NEVER => {
                self.asked = now;
                Pulse::Asks
            }
            _ => Pulse::Lost,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Keepalive =
        Keepalive { interval: Some(Duration::from_secs(10)), timeout: Duration::from_secs(5) };

    fn at(seconds: u64) -> Time {
        Time::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn a_quiet_peer_is_asked_and_then_lost() {
        let mut watch = Watch::new(RULES, 0, at(1));
        assert_eq!((watch.look(at(10)), watch.due()), (Pulse::Beats, at(11)));
        assert_eq!((watch.look(at(11)), watch.due()), (Pulse::Asks, at(16)));
        assert_eq!(watch.look(at(15)), Pulse::Beats);
        assert_eq!(watch.look(at(16)), Pulse::Lost);
    }

    #[test]
    fn any_byte_is_a_sign_of_life() {
        let mut watch = Watch::new(RULES, 0, at(1));
        watch.hear(at(9));
        assert_eq!(watch.look(at(11)), Pulse::Beats);
        assert_eq!(watch.look(at(19)), Pulse::Asks);
        watch.hear(at(20));
        assert_eq!((watch.look(at(24)), watch.due()), (Pulse::Beats, at(30)));
    }

    #[test]
    fn each_complaint_doubles_the_interval_up_to_a_limit() {
        let mut watch = Watch::new(RULES, 1, at(0));
        assert_eq!(watch.due(), at(20));
        assert_eq!((watch.slow_down(), watch.due()), (2, at(40)));
        for _ in 0..=DOUBLINGS_MAX {
            watch.slow_down();
        }
        assert_eq!((watch.slow_down(), watch.due()), (DOUBLINGS_MAX, at(10 << DOUBLINGS_MAX)));
    }

    #[test]
    fn nobody_is_asked_unless_it_is_written() {
        assert_eq!(Watch::new(Keepalive::default(), 0, at(1)).due(), Time::NEVER);
        assert_eq!(Watch::NONE.due(), Time::NEVER);
    }

    #[test]
    fn only_the_words_of_a_complaint_are_one() {
        assert!(is_complaint(ErrorCode::ENHANCE_YOUR_CALM, b"too_many_pings"));
        assert!(!is_complaint(ErrorCode::ENHANCE_YOUR_CALM, b""));
        assert!(!is_complaint(ErrorCode::NO_ERROR, b"too_many_pings"));
    }
}
