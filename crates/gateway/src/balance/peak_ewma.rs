//! Of two that are drawn by weight, the one where a call costs less: how long calls took lately until their reply
//! began, times the calls that it has, and one more. As in Finagle and Linkerd.
//!
//! What is known of an endpoint's speed ([`Latency`]) follows each slow reply at once and forgets it slowly, so that
//! one that stalls is left alone with the first call that shows it. It fades while there are no calls, so that
//! one that was left alone is tried again. A failure counts as a slow reply: it must not pay to fail fast.

use std::time::Duration;

use narrows_wire::Time;

use super::weighted::{Weighted, untried};
use super::{Balance, Candidate, Choice};

/// After this long without anything new, a latency has fallen to 1/e of what it was.
const DECAY: Duration = Duration::from_secs(10);
/// What a failure counts as, at least.
const FAILURE: Duration = Duration::from_secs(1);
/// What an endpoint counts as that has calls and has never answered any: it gets no second call before the first
/// is answered, unless the others are as new.
const UNKNOWN: f64 = 1e15;

/// How long calls took until their reply began, as it is remembered.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Latency {
    /// When it was so; [`Time::ZERO`]: nothing is known.
    at: Time,
    nanos: f64,
}

/// The cheapest of two.
#[derive(Debug, Default)]
pub(super) struct PeakEwma {
    weights: Weighted,
    weight_mean: f64,
}

// === impl Latency ===

impl Latency {
    /// What is remembered at `now`, in nanoseconds.
    pub fn nanos(&self, now: Time) -> f64 {
        self.nanos * fading(now.since(self.at))
    }

    /// What is remembered after a call that took so long.
    #[must_use]
    pub fn after(&self, took: Duration, now: Time) -> Self {
        let took = took.as_nanos() as f64;
        let fading = fading(now.since(self.at));
        // Peaks count at once; what is less comes in by and by.
        let nanos = took.max(self.nanos * fading + took * (1.0 - fading));
        Self { at: now, nanos }
    }

    /// What is remembered after a call that failed after so long.
    #[must_use]
    pub fn after_failure(&self, took: Duration, now: Time) -> Self {
        self.after(took.max(FAILURE), now)
    }
}

/// What is left of 1 after so long: e^-x, by a fraction that is always between 0 and 1.
fn fading(time: Duration) -> f64 {
    let x = time.as_nanos() as f64 / DECAY.as_nanos() as f64;
    1.0 / (1.0 + x * (1.0 + x * (0.5 + x * (1.0 / 6.0))))
}

// === impl PeakEwma ===

impl PeakEwma {
    fn cost(&self, candidate: &Candidate, now: Time) -> f64 {
        let active = candidate.peer.active() as f64;
        let latency = candidate.peer.latency.get();
        if latency == Latency::default() {
            return if active > 0.0 { UNKNOWN + active } else { 0.0 };
        }
        let weight = f64::from(candidate.weight.max(1));
        latency.nanos(now) * (active * self.weight_mean / weight + 1.0)
    }
}

impl Balance for PeakEwma {
    fn update(&mut self, candidates: &[Candidate]) {
        self.weights.update(candidates);
        self.weight_mean = self.weights.sum() as f64 / candidates.len().max(1) as f64;
    }

    fn choose(&mut self, candidates: &[Candidate], choice: &mut Choice<'_>) -> usize {
        let mut best = self.weights.draw(choice.random);
        if candidates.len() > 1 {
            let other = self.weights.draw_other(choice.random, best);
            if let (Some(first), Some(second)) = (candidates.get(best), candidates.get(other))
                && self.cost(second, choice.now) < self.cost(first, choice.now)
            {
                best = other;
            }
        }
        untried(best, candidates, choice)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{TestChoice, candidates};
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::ZERO + Duration::from_secs(seconds)
    }

    fn millis(latency: Latency, now: Time) -> u64 {
        (latency.nanos(now) / 1e6) as u64
    }

    #[test]
    fn a_slow_reply_counts_at_once_and_is_forgotten_slowly() {
        let latency = Latency::default().after(Duration::from_millis(10), at(1));
        assert_eq!(millis(latency, at(1)), 10);
        let latency = latency.after(Duration::from_millis(1000), at(2));
        assert_eq!(millis(latency, at(2)), 1000);
        let latency = latency.after(Duration::from_millis(10), at(3));
        assert!((900..920).contains(&millis(latency, at(3))), "{latency:?}");
        assert!((330..380).contains(&millis(latency, at(13))), "{latency:?}");
        assert!(millis(latency, at(133)) < 5, "{latency:?}");
    }

    #[test]
    fn to_fail_fast_does_not_pay() {
        let latency = Latency::default().after(Duration::from_millis(5), at(1));
        let latency = latency.after_failure(Duration::from_micros(100), at(1));
        assert_eq!(millis(latency, at(1)), 1000);
    }

    #[test]
    fn the_cheaper_one_is_taken() {
        let candidates = candidates(&[1, 1]);
        let mut balance = PeakEwma::default();
        balance.update(&candidates);
        let mut pick = || {
            let mut choice = TestChoice { now: at(1), ..TestChoice::default() };
            balance.choose(&candidates, &mut choice.choice())
        };
        let answered = |at_index: usize, millis| {
            let latency = &candidates[at_index].peer.latency;
            latency.set(latency.get().after(Duration::from_millis(millis), at(1)));
        };
        candidates[0].peer.endpoint.shard(0).active.add(1);
        assert_eq!(pick(), 1, "one that has not answered yet gets no second call");
        answered(0, 10);
        answered(1, 30);
        assert_eq!(pick(), 0, "2 x 10 ms are less than 30 ms");
        candidates[0].peer.endpoint.shard(0).active.add(2);
        assert_eq!(pick(), 1, "4 x 10 ms are not");
    }
}
