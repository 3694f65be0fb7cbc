//! Gives a node that joins or comes back a share of calls that grows.
//!
//! What runs a node needs time to become fast: caches fill, compilers learn, pools open connections. So for a
//! window of time its weight is a part of what it will be. Weights are whole numbers, so as long as one node of a
//! set warms up, all weights of the set are multiplied by [`SCALE`].

use std::time::Duration;

use narrows_wire::Time;

/// What weights are multiplied by while a node warms up.
pub const SCALE: u32 = 100;
/// So often in a window the weights are taken anew.
const STEPS: u32 = 20;

/// How a share grows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SlowStart {
    /// How long it takes.
    pub window: Duration,
    /// 1: evenly. Above: fast at first; below: slowly at first.
    pub curve: f64,
    /// The share at the beginning, in percent, at least 1.
    pub min_weight_percent: u32,
}

// === impl SlowStart ===

impl SlowStart {
    /// The share, in percent, of a node that was admitted then; `None`: all of it.
    pub fn percent(&self, admitted: Time, now: Time) -> Option<u32> {
        if admitted == Time::ZERO || now >= admitted + self.window {
            return None;
        }
        let part = now.since(admitted).as_secs_f64() / self.window.as_secs_f64();
        // A curve of 2 is a square root, as Envoy's aggression.
        let percent = (100.0 * part.powf(1.0 / self.curve)) as u32;
        Some(percent.clamp(self.min_weight_percent.clamp(1, 100), 100))
    }

    /// When the share of a node that warms up is to be looked at again.
    pub fn next_look(&self, admitted: Time, now: Time) -> Time {
        let step = (self.window / STEPS).max(Duration::from_millis(1));
        (now + step).min(admitted + self.window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::ZERO + Duration::from_secs(seconds)
    }

    fn shares(curve: f64) -> Vec<Option<u32>> {
        let slow = SlowStart { window: Duration::from_secs(40), curve, min_weight_percent: 10 };
        [100, 101, 110, 120, 139, 140].map(|now| slow.percent(at(100), at(now))).into()
    }

    #[test]
    fn a_share_grows_from_its_least_to_all() {
        assert_eq!(shares(1.0), [Some(10), Some(10), Some(25), Some(50), Some(97), None]);
        assert_eq!(shares(2.0), [Some(10), Some(15), Some(50), Some(70), Some(98), None]);
        assert_eq!(shares(0.5), [Some(10), Some(10), Some(10), Some(25), Some(95), None]);
    }

    #[test]
    fn who_was_there_from_the_start_has_its_share_at_once() {
        let slow =
            SlowStart { window: at(60).since(Time::ZERO), curve: 1.0, min_weight_percent: 10 };
        assert_eq!(slow.percent(Time::ZERO, at(1)), None);
    }

    #[test]
    fn a_share_is_looked_at_about_twenty_times() {
        let window = Duration::from_secs(30);
        let slow = SlowStart { window, curve: 1.0, min_weight_percent: 10 };
        let (mut now, mut looks) = (at(5), 0);
        while slow.percent(at(5), now).is_some() {
            now = slow.next_look(at(5), now);
            looks += 1;
        }
        assert_eq!((now, looks), (at(35), 20));
    }
}
