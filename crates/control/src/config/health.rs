//! How the nodes of an upstream are watched: calls that fail, checks, and the share of one that joins.
//!
//! The words are those of Envoy where it has them. See `compile/health.rs` for what becomes of it.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::form::{TextForm, text_form};
use super::units::Period;

/// When a node that fails calls is left alone for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OutlierConfig {
    /// What counts as a failure. Statuses of gRPC that are not listed, and all of HTTP below 500, are answers
    /// and no failures.
    pub failures: Vec<FailureWord>,
    /// Failures in a row, over all workers, after which the node is ejected. 0: not looked at.
    pub consecutive_failures: u32,
    /// Failures to connect in a row after which the node is ejected. 0: not looked at.
    pub consecutive_connect_failures: u32,
    /// The share of failures among the calls of an interval at which the node is ejected. 0: not looked at.
    pub failure_ratio: Percent,
    /// The share is looked at when the interval has so many calls.
    #[schemars(range(min = 1))]
    pub failure_ratio_volume: u32,
    /// Over so long a share is taken. Each interval without an ejection makes the next one shorter again.
    pub interval: Period,
    /// How long the first ejection lasts; the second lasts twice as long, and so on.
    pub base_ejection_time: Period,
    /// No ejection lasts longer.
    pub max_ejection_time: Period,
    /// At most this share of the nodes is ejected at a time, but of several nodes one may always be. 0: none ever
    /// is.
    pub max_ejected: Percent,
}

/// Something that a node does to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FailureWord {
    /// No connection to it comes about.
    ConnectFailure,
    /// It does not begin its reply in time (`timeouts.response` of the route).
    Timeout,
    /// It resets the stream, loses the connection, or breaks the protocol.
    Reset,
    /// It answers with 502, 503, or 504.
    GatewayError,
    /// It answers with any status of HTTP from 500 on.
    #[serde(rename = "5xx")]
    ServerError,
    /// gRPC status 1.
    Cancelled,
    /// gRPC status 2.
    Unknown,
    /// gRPC status 3.
    InvalidArgument,
    /// gRPC status 4.
    DeadlineExceeded,
    /// gRPC status 5.
    NotFound,
    /// gRPC status 6.
    AlreadyExists,
    /// gRPC status 7.
    PermissionDenied,
    /// gRPC status 8.
    ResourceExhausted,
    /// gRPC status 9.
    FailedPrecondition,
    /// gRPC status 10.
    Aborted,
    /// gRPC status 11.
    OutOfRange,
    /// gRPC status 12.
    Unimplemented,
    /// gRPC status 13.
    Internal,
    /// gRPC status 14.
    Unavailable,
    /// gRPC status 15.
    DataLoss,
    /// gRPC status 16.
    Unauthenticated,
}

/// How the share of a node grows that joins the others or comes back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SlowStartConfig {
    /// How long it takes until the node has its whole share.
    pub window: Period,
    /// `linear`, or a number from 0.1 to 10: above 1 the share grows fast at first, below 1 slowly at first.
    pub curve: Curve,
    /// The share at the beginning, at least 1 %.
    pub min_weight: Percent,
}

/// A share of a hundred: `10%` or `10`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Percent(pub u32);

/// The form of growth; 1 is even.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Curve(pub f64);

/// Why a text is no share, no curve, or no status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not {1}")]
pub struct ShareError(String, &'static str);

text_form!(Percent);
text_form!(Curve);

// === impl OutlierConfig ===

impl Default for OutlierConfig {
    fn default() -> Self {
        use FailureWord::{
            ConnectFailure, DataLoss, Internal, Reset, ServerError, Timeout, Unavailable,
        };
        Self {
            failures: vec![
                ConnectFailure,
                Timeout,
                Reset,
                ServerError,
                Unavailable,
                Internal,
                DataLoss,
            ],
            consecutive_failures: 5,
            consecutive_connect_failures: 5,
            failure_ratio: Percent(0),
            failure_ratio_volume: 100,
            interval: Period::seconds(10),
            base_ejection_time: Period::seconds(30),
            max_ejection_time: Period::seconds(300),
            max_ejected: Percent(50),
        }
    }
}

// === impl SlowStartConfig ===

impl Default for SlowStartConfig {
    fn default() -> Self {
        Self { window: Period::seconds(30), curve: Curve(1.0), min_weight: Percent(10) }
    }
}

// === impl ShareError ===

impl ShareError {
    pub(super) fn new(text: &str, expected: &'static str) -> Self {
        Self(text.to_owned(), expected)
    }
}

// === impl Percent ===

impl TextForm for Percent {
    const FORMAT: &'static str = "percent";
    const EXPECTED: &'static str = "a share such as 10% or 10, at most 100";
    const JSON_TYPES: &'static [&'static str] = &["string", "integer"];
}

impl FromStr for Percent {
    type Err = ShareError;

    fn from_str(text: &str) -> Result<Self, ShareError> {
        let number = text.strip_suffix('%').unwrap_or(text).trim_end();
        let share = number.parse().ok().filter(|share| *share <= 100);
        share.map(Self).ok_or_else(|| ShareError::new(text, Self::EXPECTED))
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

// === impl Curve ===

impl TextForm for Curve {
    const FORMAT: &'static str = "curve";
    const EXPECTED: &'static str = "linear, or a number from 0.1 to 10";
    const JSON_TYPES: &'static [&'static str] = &["string", "number"];
}

impl FromStr for Curve {
    type Err = ShareError;

    fn from_str(text: &str) -> Result<Self, ShareError> {
        if text == "linear" {
            return Ok(Self(1.0));
        }
        let number = text.parse().ok().filter(|number| (0.1..=10.0).contains(number));
        number.map(Self).ok_or_else(|| ShareError::new(text, Self::EXPECTED))
    }
}

impl fmt::Display for Curve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1.0 => f.write_str("linear"),
            number => number.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_written_with_or_without_its_sign() {
        for text in ["10%", "10", "10 %"] {
            assert_eq!(text.parse(), Ok(Percent(10)), "{text}");
        }
        assert_eq!(Percent(100).to_string().parse(), Ok(Percent(100)));
        for text in ["101", "-1", "", "%", "1.5", "half"] {
            let error = text.parse::<Percent>().expect_err(text).to_string();
            assert_eq!(error, format!("{text:?} is not {}", Percent::EXPECTED));
        }
    }

    #[test]
    fn a_curve_is_linear_or_a_number() {
        for (text, curve) in [("linear", 1.0), ("1", 1.0), ("0.5", 0.5), ("10", 10.0)] {
            assert_eq!(text.parse(), Ok(Curve(curve)), "{text}");
            assert_eq!(Curve(curve).to_string().parse(), Ok(Curve(curve)));
        }
        for text in ["0", "10.1", "-1", "NaN", "steep"] {
            assert!(text.parse::<Curve>().is_err(), "{text}");
        }
    }
}
