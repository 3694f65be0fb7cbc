//! How the gateway asks nodes whether they are well.
//!
//! Exactly one of `tcp`, `http`, and `grpc` says what is asked; [`HealthCheckConfig::probe`] tells which. See
//! `health.rs` for who asks.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::form::{TextForm, text_form};
use super::health::{Percent, ShareError};
use super::units::Period;

/// Asks each node again and again, over a connection of its own, with TLS as calls have it. Exactly one of `tcp`,
/// `http`, and `grpc` says what is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HealthCheckConfig {
    /// Connects, with TLS where calls have it, and closes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp: Option<TcpCheckConfig>,
    /// Sends a request over HTTP/1.1, or over HTTP/2 where calls go over it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpCheckConfig>,
    /// Calls `grpc.health.v1.Health`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grpc: Option<GrpcCheckConfig>,
    /// From one check of a node to the next.
    pub interval: Period,
    /// The same while the node fails. Default: as `interval`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unhealthy_interval: Option<Period>,
    /// How long a check may take, with its connection.
    pub timeout: Period,
    /// Each pause is by up to so much longer or shorter.
    pub jitter: Percent,
    /// So many checks in a row have to pass until a node that failed is in service again.
    #[schemars(range(min = 1))]
    pub rise: u32,
    /// So many checks in a row have to fail until a node is taken out of service.
    #[schemars(range(min = 1))]
    pub fall: u32,
    /// What a node is taken for before its first check.
    pub initial: InitialWord,
    /// The port that is asked. Default: that of calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub port: Option<u16>,
}

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub enum ProbeConfig<'a> {
    /// A connection.
    Tcp,
    /// A request.
    Http(&'a HttpCheckConfig),
    /// A call.
    Grpc(&'a GrpcCheckConfig),
}

/// A connection alone: `tcp: {}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TcpCheckConfig {}

/// A request that is answered as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HttpCheckConfig {
    /// The path, with a query if there is one.
    pub path: String,
    /// The `host` of the request. Default: the address of the node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The method.
    pub method: CheckMethod,
    /// The statuses that pass.
    pub status: Vec<StatusRange>,
}

/// A method that changes nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum CheckMethod {
    /// Asks for a page.
    #[default]
    Get,
    /// Asks for the fields of a page.
    Head,
    /// Asks what can be asked.
    Options,
}

/// A call of `grpc.health.v1.Health`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GrpcCheckConfig {
    /// The service that is asked about. Default: the node as a whole.
    pub service: String,
    /// Also watches: what the node says of itself counts at once, whatever `rise` and `fall` are. Of a node that
    /// can not be watched no more is expected than that it answers checks.
    pub watch: bool,
}

/// What a node is taken for before anybody has asked it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InitialWord {
    /// It gets calls until checks have failed.
    #[default]
    Passing,
    /// It gets no calls until a check has passed.
    Failing,
}

/// Statuses of HTTP: `200`, `200-299`, or `2xx`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusRange {
    /// The first.
    pub first: u16,
    /// The last.
    pub last: u16,
}

text_form!(StatusRange);

// === impl HealthCheckConfig ===

impl HealthCheckConfig {
    /// What is asked, or what to write.
    pub fn probe(&self) -> Result<ProbeConfig<'_>, &'static str> {
        match (&self.tcp, &self.http, &self.grpc) {
            (Some(_), None, None) => Ok(ProbeConfig::Tcp),
            (None, Some(http), None) => Ok(ProbeConfig::Http(http)),
            (None, None, Some(grpc)) => Ok(ProbeConfig::Grpc(grpc)),
            (None, None, None) => Err("say what is asked: tcp, http, or grpc"),
            _ => Err("give only one of tcp, http, and grpc"),
        }
    }
}

impl Default for HealthCheckConfig {
    fn default() -> Self {
        Self {
            tcp: None,
            http: None,
            grpc: None,
            interval: Period::seconds(5),
            unhealthy_interval: None,
            timeout: Period::seconds(1),
            jitter: Percent(10),
            rise: 2,
            fall: 3,
            initial: InitialWord::Passing,
            port: None,
        }
    }
}

impl Default for HttpCheckConfig {
    fn default() -> Self {
        Self {
            path: "/".to_owned(),
            host: None,
            method: CheckMethod::Get,
            status: vec![StatusRange { first: 200, last: 299 }],
        }
    }
}

impl Default for GrpcCheckConfig {
    fn default() -> Self {
        Self { service: String::new(), watch: true }
    }
}

// === impl StatusRange ===

impl TextForm for StatusRange {
    const FORMAT: &'static str = "status-range";
    const EXPECTED: &'static str = "a status such as 200, or several such as 200-299 or 2xx";
    const JSON_TYPES: &'static [&'static str] = &["string", "integer"];
}

impl FromStr for StatusRange {
    type Err = ShareError;

    fn from_str(text: &str) -> Result<Self, ShareError> {
        let number = |text: &str| text.parse::<u16>().ok();
        let range = match (text.strip_suffix("xx"), text.split_once('-')) {
            (Some(class), _) => {
                let class = number(class).filter(|class| *class < 10);
                class.map(|class| (class * 100, class * 100 + 99))
            }
            (None, Some((first, last))) => number(first).zip(number(last)),
            (None, None) => number(text).map(|status| (status, status)),
        };
        let range = range.filter(|(first, last)| *first >= 100 && first <= last && *last <= 599);
        let range = range.map(|(first, last)| Self { first, last });
        range.ok_or_else(|| ShareError::new(text, Self::EXPECTED))
    }
}

impl fmt::Display for StatusRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.first == self.last {
            true => self.first.fmt(f),
            false => write!(f, "{}-{}", self.first, self.last),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_one_or_several() {
        for (text, first, last) in
            [("200", 200, 200), ("200-204", 200, 204), ("2xx", 200, 299), ("5xx", 500, 599)]
        {
            assert_eq!(text.parse(), Ok(StatusRange { first, last }), "{text}");
        }
        for text in ["", "99", "600", "299-200", "xx", "6xx", "65xx", "9999xx", "200-", "ok"] {
            assert!(text.parse::<StatusRange>().is_err(), "{text}");
        }
        assert_eq!("2xx".parse::<StatusRange>().expect("valid").to_string(), "200-299");
    }
}
