//! `grpc-timeout`: how long the caller will wait.

use std::time::Duration;

/// The most that eight digits hold.
const VALUE_MAX: u128 = 99_999_999;

/// Units from the finest, in nanoseconds.
const UNITS: [(u8, u128); 6] = [
    (b'n', 1),
    (b'u', 1_000),
    (b'm', 1_000_000),
    (b'S', 1_000_000_000),
    (b'M', 60_000_000_000),
    (b'H', 3_600_000_000_000),
];

/// The time that a call may take from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timeout(pub Duration);

/// Why a `grpc-timeout` cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TimeoutFault {
    /// No digit, more than eight, or something else among them.
    #[error("grpc-timeout must have one to eight digits")]
    Digits,
    /// The last byte is none of `H M S m u n`.
    #[error("grpc-timeout must end with one of H M S m u n")]
    Unit,
}

/// The text of a [`Timeout`], without allocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeoutText {
    bytes: [u8; 9],
    start: usize,
}

// === impl Timeout ===

impl Timeout {
    /// Reads the value of the field: one to eight digits and a unit, nothing else. Zero is a deadline
    /// that has passed.
    pub fn parse(text: &[u8]) -> Result<Self, TimeoutFault> {
        let (unit, digits) = text.split_last().ok_or(TimeoutFault::Digits)?;
        let (_, nanos) = UNITS.iter().find(|(name, _)| name == unit).ok_or(TimeoutFault::Unit)?;
        if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
            return Err(TimeoutFault::Digits);
        }
        let value = digits.iter().fold(0, |value, digit| value * 10 + u32::from(digit - b'0'));
        let nanos = u128::from(value) * nanos;
        let (secs, rest) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
        Ok(Self(Duration::new(secs as u64, rest as u32)))
    }

    /// The text in the finest unit that fits. What does not fit is cut off, never rounded up, so that
    /// the next hop cannot believe that it has more time than there is.
    pub fn text(self) -> TimeoutText {
        let nanos = self.0.as_nanos();
        let fits = UNITS.iter().find(|(_, unit)| nanos / unit <= VALUE_MAX);
        let (name, value) = match fits {
            Some((name, unit)) => (*name, (nanos / unit) as u32),
            None => (b'H', VALUE_MAX as u32),
        };
        TimeoutText::new(value, name)
    }
}

// === impl TimeoutText ===

impl TimeoutText {
    /// A value of eight digits at most.
    fn new(value: u32, unit: u8) -> Self {
        let digits = eight_digits(value);
        // The lowest byte is the first digit; what leads is cut off, except the last one.
        let zeros = (digits.trailing_zeros() / 8).min(7) as usize;
        let mut bytes = [unit; 9];
        bytes[..8].copy_from_slice(&(digits | 0x3030_3030_3030_3030).to_le_bytes());
        Self { bytes, start: zeros }
    }

    /// The text.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[self.start..]
    }
}

/// Eight digits, a byte for each, the first lowest: all at once, by halves.
const fn eight_digits(value: u32) -> u64 {
    let (high, low) = ((value / 10_000) as u64, (value % 10_000) as u64);
    let fours = high | low << 32;
    // Multiplied by 1/100 and 1/10 in fixed point, exact for what is below 10,000 and 100.
    let hundreds = ((fours * 10_486) >> 20) & 0x7f_0000_007f;
    let twos = hundreds | (fours - hundreds * 100) << 16;
    let tens = ((twos * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | (twos - tens * 10) << 8
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every digit at every place, and what is next to a round number.
    #[test]
    fn digits_are_those_of_the_number() {
        let powers = (0..8).map(|power| 10u32.pow(power));
        let values = powers.flat_map(|one| (1..10).flat_map(move |n| [n * one - 1, n * one]));
        for value in (0..10_000).chain((0..10_000).map(|n| n * 10_000 + n)).chain(values) {
            let text = TimeoutText::new(value, b'm');
            assert_eq!(text.as_bytes(), format!("{value}m").as_bytes());
        }
    }

    fn text(timeout: Duration) -> String {
        String::from_utf8(Timeout(timeout).text().as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn each_unit_is_read() {
        for (text, nanos) in UNITS.map(|(name, nanos)| ([b'7', name], nanos)) {
            assert_eq!(Timeout::parse(&text).unwrap().0.as_nanos(), 7 * nanos);
        }
        let most = Timeout::parse(b"99999999H").unwrap();
        assert_eq!(most.0, Duration::from_secs(99_999_999 * 3600));
        assert_eq!(Timeout::parse(b"0n").unwrap().0, Duration::ZERO);
        assert_eq!(Timeout::parse(b"00000001S").unwrap().0, Duration::from_secs(1));
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [&b""[..], b"S", b"123456789S", b"-1S", b"+1S", b"1.5S", b" 1S", b"1 S"] {
            assert_eq!(Timeout::parse(text), Err(TimeoutFault::Digits));
        }
        for text in [&b"1"[..], b"1s", b"1h", b"1S ", b"1N", b"1mm_"] {
            assert_eq!(Timeout::parse(text), Err(TimeoutFault::Unit));
        }
        assert_eq!(Timeout::parse(b"1mm"), Err(TimeoutFault::Digits));
    }

    #[test]
    fn the_finest_unit_that_fits_is_written_and_the_rest_cut_off() {
        assert_eq!(text(Duration::ZERO), "0n");
        assert_eq!(text(Duration::from_nanos(99_999_999)), "99999999n");
        assert_eq!(text(Duration::from_nanos(100_000_999)), "100000u");
        assert_eq!(text(Duration::from_secs(5)), "5000000u");
        assert_eq!(text(Duration::from_micros(100_000_000) - Duration::from_nanos(1)), "99999999u");
        assert_eq!(text(Duration::from_micros(100_000_999)), "100000m");
        assert_eq!(text(Duration::from_millis(100_000_999)), "100000S");
        assert_eq!(text(Duration::from_secs(100_000_059)), "1666667M");
        assert_eq!(text(Duration::from_secs(6_000_000_000)), "1666666H");
        assert_eq!(text(Duration::MAX), "99999999H");
    }

    #[test]
    fn what_is_written_is_never_longer_than_what_was_read() {
        for digits in 1..=8u32 {
            for (name, _) in UNITS {
                let value = 10u32.pow(digits) - 1;
                let read = Timeout::parse(format!("{value}{}", name as char).as_bytes()).unwrap();
                let again = Timeout::parse(read.text().as_bytes()).unwrap();
                assert!(again <= read);
                assert!(again.0.as_nanos() * 1_000_001 / 1_000_000 + 1 >= read.0.as_nanos());
            }
        }
    }
}
