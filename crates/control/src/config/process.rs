//! What concerns the process as a whole: the admin listener, logs, draining.
//!
//! None of it is seen by the data plane, but for whether calls are recorded. The control plane
//! takes it from the configuration itself.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::address::Address;
use super::units::{Limit, Period};

/// The admin listener: health, metrics, reload, live streams. It has no password: keep it on
/// loopback.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AdminConfig {
    /// Whether there is one.
    pub enabled: bool,
    /// Address and port. Port 0 lets the system choose one.
    pub address: Address,
}

/// The access log: one record for each call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AccessLogConfig {
    /// `stdout`, `stderr`, or a file. Files are opened again at SIGUSR1.
    pub path: LogPath,
    /// How a record is written.
    pub format: AccessFormat,
    /// A call that lives longer is also recorded at each such interval, so that a stream of hours
    /// is not invisible until its end. `none` or 0: only at the end.
    pub interval: Limit<Period>,
}

/// How a record of the access log is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccessFormat {
    /// One JSON object on a line.
    #[default]
    Json,
    /// The `combined` format of nginx and Apache, for tools that know only that; it says nothing of gRPC.
    Combined,
}

/// The log of the gateway itself, to stderr.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// The least severe messages that are written.
    pub level: LogLevel,
    /// How a message is written.
    pub format: LogFormat,
}

/// Severity of a message, by its reader.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// Act now.
    Error,
    /// Look today.
    Warn,
    /// State has changed.
    #[default]
    Info,
    /// Why something happened.
    Debug,
    /// Each frame.
    Trace,
}

/// How a message is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// A line for people: time, level, target, message, fields.
    #[default]
    Text,
    /// One JSON object on a line.
    Json,
}

/// Draining, on SIGTERM, SIGQUIT, and `narrows drain`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DrainConfig {
    /// How long open streams may go on before they are ended.
    pub grace: Period,
}

/// Where log records go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "String", into = "String")]
#[schemars(with = "String", extend("format" = "log-path"))]
pub enum LogPath {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// A file, appended to.
    File(PathBuf),
}

// === impl AdminConfig ===

impl Default for AdminConfig {
    fn default() -> Self {
        Self { enabled: true, address: Address(SocketAddr::from((Ipv4Addr::LOCALHOST, 9901))) }
    }
}

// === impl AccessLogConfig ===

impl Default for AccessLogConfig {
    fn default() -> Self {
        Self {
            path: LogPath::Stdout,
            format: AccessFormat::Json,
            interval: Limit(Some(Period::seconds(300))),
        }
    }
}

// === impl LogLevel ===

impl LogLevel {
    /// The word that is written in the configuration.
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

// === impl DrainConfig ===

impl Default for DrainConfig {
    fn default() -> Self {
        Self { grace: Period::seconds(30) }
    }
}

// === impl LogPath ===

impl From<String> for LogPath {
    fn from(text: String) -> Self {
        match text.as_str() {
            "stdout" => Self::Stdout,
            "stderr" => Self::Stderr,
            _ => Self::File(text.into()),
        }
    }
}

impl From<LogPath> for String {
    fn from(path: LogPath) -> Self {
        path.to_string()
    }
}

impl fmt::Display for LogPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("stdout"),
            Self::Stderr => f.write_str("stderr"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}
