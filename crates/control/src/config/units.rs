//! Durations and sizes as people write them.
//!
//! A duration is a sum of parts, each with its unit, from large to small: `250ms`, `10s`, `1m30s`.
//! A size is a number with a unit: `64KiB`, `3GiB`, or as nginx writes it, `3000m`. A limit is one
//! of these, or `none`. A bare number other than 0 is no duration: nobody can tell which unit was
//! meant.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::form::{TextForm, text_form};

/// A duration above zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(pub Duration);

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

/// A limit that may be absent; written `none` or `0` then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Limit<T>(pub Option<T>);

/// Why a text is no duration or size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// Neither digits nor a unit.
    #[error("{0:?} is not {1}")]
    Malformed(String, &'static str),
    /// A number alone.
    #[error("{0:?} has no unit; expected {1}")]
    NoUnit(String, &'static str),
    /// Zero where nothing would ever happen in that time.
    #[error("must be more than 0")]
    Zero,
    /// More than fits.
    #[error("{0:?} is too large")]
    TooLarge(String),
}

const PERIOD: &str = "a duration such as 250ms, 10s, 1m30s, or 1h";
const SIZE: &str = "a size such as 512, 64KiB, or 3GiB";

const PERIOD_UNITS: [(&str, u64); 6] = [
    ("d", 86_400_000_000),
    ("h", 3_600_000_000),
    ("m", 60_000_000),
    ("s", 1_000_000),
    ("ms", 1_000),
    ("us", 1),
];

const SIZE_UNITS: [(&str, u64); 4] =
    [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("", 1)];

/// The longest duration: a hundred years, far from where arithmetic overflows.
const MICROS_MAX: u64 = 100 * 365 * 86_400_000_000;

text_form!(Period);
text_form!(Size);
text_form!(Limit<Period>);
text_form!(Limit<Size>);

// === impl Period ===

impl Period {
    /// So many seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// So many milliseconds.
    pub const fn millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }
}

impl TextForm for Period {
    const FORMAT: &'static str = "duration-words";
    const EXPECTED: &'static str = PERIOD;
}

impl FromStr for Period {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        match micros(text)? {
            0 => Err(UnitError::Zero),
            micros => Ok(Self(Duration::from_micros(micros))),
        }
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = u64::try_from(self.0.as_micros()).unwrap_or(MICROS_MAX);
        for (unit, micros) in PERIOD_UNITS {
            // A day is written in hours: `36h` reads better than `1d12h`.
            if unit != "d" && rest >= micros {
                write!(f, "{}{unit}", rest / micros)?;
                rest %= micros;
            }
        }
        Ok(())
    }
}

fn micros(text: &str) -> Result<u64, UnitError> {
    let malformed = || UnitError::Malformed(text.to_owned(), PERIOD);
    let (mut sum, mut rest, mut largest) = (0_u64, text, u64::MAX);
    if text.chars().all(|c| c.is_ascii_digit()) && !text.is_empty() {
        return match text.trim_start_matches('0') {
            "" => Ok(0),
            _ => Err(UnitError::NoUnit(text.to_owned(), PERIOD)),
        };
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(malformed)?;
        let (number, after) = rest.split_at(digits);
        let end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let known = PERIOD_UNITS.iter().find(|(name, _)| *name == unit);
        let scale = known.map(|(_, scale)| *scale).filter(|scale| *scale < largest);
        let scale = scale.filter(|_| !number.is_empty()).ok_or_else(malformed)?;
        let part = number.parse::<u64>().ok().and_then(|n| n.checked_mul(scale));
        let total = part.and_then(|part| sum.checked_add(part)).filter(|sum| *sum <= MICROS_MAX);
        sum = total.ok_or_else(|| UnitError::TooLarge(text.to_owned()))?;
        (rest, largest) = (after, scale);
    }
    if text.is_empty() { Err(malformed()) } else { Ok(sum) }
}

// === impl Size ===

impl TextForm for Size {
    const FORMAT: &'static str = "size";
    const EXPECTED: &'static str = SIZE;
    const JSON_TYPES: &'static [&'static str] = &["string", "integer"];
}

impl FromStr for Size {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let scale = match unit.trim_start_matches(' ') {
            "" | "B" => 1,
            "k" | "K" | "KiB" => 1 << 10,
            "m" | "M" | "MiB" => 1 << 20,
            "g" | "G" | "GiB" => 1 << 30,
            "kB" | "KB" => 1_000,
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            _ => return Err(UnitError::Malformed(text.to_owned(), SIZE)),
        };
        if number.is_empty() {
            return Err(UnitError::Malformed(text.to_owned(), SIZE));
        }
        let bytes = number.parse::<u64>().ok().and_then(|n| n.checked_mul(scale));
        bytes.map(Self).ok_or_else(|| UnitError::TooLarge(text.to_owned()))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |scale: &u64| self.0 >= *scale && self.0.is_multiple_of(*scale);
        let (unit, scale) =
            SIZE_UNITS.into_iter().find(|(_, scale)| fits(scale)).unwrap_or(("", 1));
        write!(f, "{}{unit}", self.0 / scale)
    }
}

// === impl Limit ===

impl TextForm for Limit<Period> {
    const FORMAT: &'static str = "duration-words-or-none";
    const EXPECTED: &'static str = "a duration such as 250ms, 10s, 1m30s, or 1h; or none";
}

impl TextForm for Limit<Size> {
    const FORMAT: &'static str = "size-or-none";
    const EXPECTED: &'static str = "a size such as 512, 64KiB, or 3GiB; or none";
    const JSON_TYPES: &'static [&'static str] = &["string", "integer"];
}

impl FromStr for Limit<Period> {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        if text == "none" || micros(text)? == 0 {
            return Ok(Self(None));
        }
        text.parse().map(|period| Self(Some(period)))
    }
}

impl FromStr for Limit<Size> {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        if text == "none" {
            return Ok(Self(None));
        }
        text.parse().map(|size| Self((size != Size(0)).then_some(size)))
    }
}

impl<T: fmt::Display> fmt::Display for Limit<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(limit) => limit.fmt(f),
            None => f.write_str("none"),
        }
    }
}

impl<T> Default for Limit<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl Limit<Period> {
    /// The limit as the data plane takes it.
    pub fn duration(self) -> Option<Duration> {
        self.0.map(|period| period.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_sums_of_parts_with_units() {
        for (text, micros) in [
            ("250ms", 250_000),
            ("10s", 10_000_000),
            ("1m30s", 90_000_000),
            ("1h", 3_600_000_000),
            ("5us", 5),
            ("1d", 86_400_000_000),
        ] {
            assert_eq!(text.parse(), Ok(Period(Duration::from_micros(micros))), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_says_why() {
        let error = |text: &str| text.parse::<Period>().expect_err(text).to_string();
        assert_eq!(error("10"), format!("\"10\" has no unit; expected {PERIOD}"));
        for text in ["", "s", "10x", "-1s", "1.5s", "10 s", "1s1m", "1s1s", "1m30"] {
            assert_eq!(error(text), format!("{text:?} is not {PERIOD}"));
        }
        assert_eq!(error("0s"), "must be more than 0");
        assert_eq!(error("0"), "must be more than 0");
        assert_eq!(error("99999999999d"), "\"99999999999d\" is too large");
        assert!("36500d".parse::<Period>().is_ok());
        assert_eq!(error("36501d"), "\"36501d\" is too large");
    }

    #[test]
    fn sizes_take_the_units_of_people_and_of_nginx() {
        for (text, bytes) in [
            ("0", 0),
            ("512", 512),
            ("512B", 512),
            ("64KiB", 65_536),
            ("3GiB", 3 << 30),
            ("3000m", 3000 << 20),
            ("2k", 2048),
            ("1 MiB", 1 << 20),
            ("1kB", 1000),
            ("1MB", 1_000_000),
        ] {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
        }
        let error = |text: &str| text.parse::<Size>().expect_err(text).to_string();
        for text in ["", "KiB", "1.5KiB", "10kib", "-1", "1 0"] {
            assert_eq!(error(text), format!("{text:?} is not {SIZE}"));
        }
        assert_eq!(error("99999999999999g"), "\"99999999999999g\" is too large");
    }

    #[test]
    fn values_read_back_as_they_are_written() {
        for text in ["250ms", "1m30s", "36h", "1s500ms", "7us"] {
            assert_eq!(text.parse::<Period>().expect(text).to_string(), text);
        }
        for text in ["0", "1", "1023", "1KiB", "1025", "65535", "3GiB", "3000MiB"] {
            assert_eq!(text.parse::<Size>().expect(text).to_string(), text);
        }
    }

    #[test]
    fn none_and_zero_are_no_limit() {
        for text in ["none", "0", "0s"] {
            assert_eq!(text.parse(), Ok(Limit::<Period>(None)), "{text}");
        }
        assert_eq!("0".parse(), Ok(Limit::<Size>(None)));
        assert_eq!("4MiB".parse(), Ok(Limit(Some(Size(4 << 20)))));
        assert_eq!(Limit::<Size>(None).to_string(), "none");
        assert!("never".parse::<Limit<Period>>().is_err());
    }
}
