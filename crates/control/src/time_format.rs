//! Points in time as people and log tools read them, in UTC.

use std::io::Write as _;
use std::time::Duration;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// How a point in time is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stamp {
    /// `2026-02-28T23:59:59.012Z` (RFC 3339).
    Millis,
    /// `28/Feb/2026:23:59:59 +0000`, as web servers write it.
    Combined,
}

/// Appends the point in time that lies so far behind 1970-01-01 UTC.
pub(crate) fn push(out: &mut Vec<u8>, unix_time: Duration, stamp: Stamp) {
    let seconds = unix_time.as_secs();
    let (year, month, day) = date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    // Writing to a vector does not fail.
    let _ = match stamp {
        Stamp::Millis => write!(
            out,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z",
            unix_time.subsec_millis()
        ),
        Stamp::Combined => {
            let name = MONTHS.get(month as usize - 1).copied().unwrap_or("-");
            write!(out, "{day:02}/{name}/{year:04}:{hour:02}:{minute:02}:{second:02} +0000")
        }
    };
}

/// Year, month, and day of a day counted from 1970-01-01. Years begin in March here, so that the day that
/// some years lack is the last one; 146,097 days are the 400 years after which the calendar repeats.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199, "2024-02-29T23:59:59.000Z"),
            (1_798_761_600, "2027-01-01T00:00:00.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            let mut out = Vec::new();
            push(&mut out, Duration::from_secs(seconds), Stamp::Millis);
            assert_eq!(String::from_utf8(out).expect("ASCII"), expected);
        }
    }
}
