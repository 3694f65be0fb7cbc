//! How long to wait before a system is tried again: longer each time, and never as long as others do.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// The first pause, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// Whoever worked for so long has not merely flickered.
const STEADY: Duration = Duration::from_secs(5);

/// A pause that grows.
#[derive(Debug)]
pub(crate) struct Pause(Duration);

// === impl Pause ===

impl Pause {
    pub(crate) fn new() -> Self {
        Self(PAUSES.0)
    }

    /// Waits after something that has worked for this long; short again if that was a while.
    pub(crate) async fn wait_after(&mut self, worked: Duration) {
        tokio::time::sleep(self.next_after(worked)).await;
    }

    fn next_after(&mut self, worked: Duration) -> Duration {
        if worked >= STEADY {
            self.0 = PAUSES.0;
        }
        self.next()
    }

    fn next(&mut self) -> Duration {
        let random = RandomState::new().build_hasher().finish() as f64 / u64::MAX as f64;
        let pause = self.0.mul_f64(0.5 + random / 2.0);
        self.0 = (self.0 * 2).min(PAUSES.1);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_begin_anew() {
        let mut pause = Pause::new();
        let first = pause.next();
        assert!(first <= PAUSES.0 && first >= PAUSES.0 / 2);
        for _ in 0..20 {
            assert!(pause.next() <= PAUSES.1);
        }
        assert_eq!(pause.0, PAUSES.1);
        assert!(pause.next_after(STEADY / 2) > PAUSES.0);
        assert!(pause.next_after(STEADY) <= PAUSES.0);
    }
}
