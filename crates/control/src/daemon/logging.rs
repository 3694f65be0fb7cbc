//! The log of the gateway itself: lines on stderr, `time level target: message key=value`, or JSON.
//!
//! Set up once for the process; the level can be changed while it runs.

use std::io::stderr;
use std::sync::OnceLock;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{fmt, reload};

use crate::config::{LogConfig, LogFormat, LogLevel};

static LEVEL: OnceLock<reload::Handle<Targets, Registry>> = OnceLock::new();

/// Begins to log. A second call, or one after somebody else's, changes nothing.
pub fn init(config: &LogConfig) {
    let (filter, handle) = reload::Layer::new(targets(config.level));
    let lines = fmt::layer().with_writer(stderr).with_ansi(false);
    let lines = match config.format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    if tracing_subscriber::registry().with(filter).with(lines).try_init().is_ok() {
        let _ = LEVEL.set(handle);
    }
}

/// Changes the least severe level that is written.
pub fn set_level(level: LogLevel) {
    if let Some(handle) = LEVEL.get() {
        // It fails only when the subscriber is gone, and the process with it.
        let _ = handle.reload(targets(level));
    }
}

/// Our own parts at the level, libraries no finer than `warn`: their details are not about the gateway.
fn targets(level: LogLevel) -> Targets {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target("narrows", level)
        .with_target("narrows_control", level)
        .with_target("narrows_gateway", level)
        .with_target("narrows_wire", level)
        .with_target("audit", level)
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn libraries_are_never_finer_than_warn() {
        let debug = targets(LogLevel::Debug);
        assert!(debug.would_enable("narrows_control::admin", &Level::DEBUG));
        assert!(!debug.would_enable("narrows_control::admin", &Level::TRACE));
        assert!(!debug.would_enable("hyper", &Level::INFO));
        assert!(!targets(LogLevel::Error).would_enable("hyper", &Level::WARN));
    }
}
