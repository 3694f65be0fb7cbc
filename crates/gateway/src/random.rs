//! Numbers that nobody else has: parts of ids, masks of frames. Not for secrets.
//!
//! Everything follows from the seed that a worker's world gives it, so that a test can say it again.

/// SplitMix64.
#[derive(Debug)]
pub struct Random(u64);

// === impl Random ===

impl Random {
    /// The numbers that follow from `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// The next two numbers.
    pub fn next_u128(&mut self) -> u128 {
        u128::from(self.next_u64()) << 64 | u128::from(self.next_u64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_from_the_seed_and_differ() {
        let mut random = Random::new(7);
        let first = random.next_u128();
        assert_eq!(Random::new(7).next_u128(), first);
        assert_ne!(random.next_u128(), first);
        assert_ne!(Random::new(8).next_u128(), first);
    }
}
