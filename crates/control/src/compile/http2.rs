//! HTTP/2 limits, from sizes as written to what the engine takes.
//!
//! Everything that is not written keeps the engine's own default; a test holds the defaults of the
//! configuration and those of the engine together.

use std::sync::Arc;

use narrows_wire::h2;

use super::report::Report;
use super::timeouts;
use crate::config::{ListenerConfig, Size, UpstreamConfig};

/// RFC 9113 §6.9.1: no flow-control window exceeds this; a byte more is taken for it.
const WINDOW_BYTES_MAX: u32 = (1 << 31) - 1;
/// The least window of a connection (RFC 9113 §6.9.2: its first size can not be lowered).
const CONNECTION_WINDOW_BYTES_MIN: u64 = 65_535;
/// Header fields of one message, together.
pub(super) const HEADER_BYTES_MAX: u64 = 16 << 20;

/// The limits towards clients.
pub(super) fn listener(
    path: &str,
    config: &ListenerConfig,
    report: &mut Report<'_>,
) -> Arc<h2::Config> {
    let (http2, timeouts) = (&config.http2, &config.timeouts);
    let path = format!("{path}.http2");
    let mut limits = h2::Config {
        max_concurrent_streams: http2.max_concurrent_streams,
        connect_protocol: true,
        preface_timeout: timeouts.preface.0,
        settings_timeout: timeouts.settings.0,
        header_timeout: timeouts.parse.0,
        stall_timeout: timeouts.write.0,
        ..h2::Config::default()
    };
    windows(
        &path,
        [http2.initial_window, http2.stream_window_max, http2.connection_window],
        &mut limits,
        report,
    );
    section(&path, http2.header_bytes_max, http2.header_fields_max, &mut limits, report);
    Arc::new(limits)
}

/// The limits towards nodes.
pub(super) fn upstream(
    path: &str,
    config: &UpstreamConfig,
    report: &mut Report<'_>,
) -> Arc<h2::Config> {
    let http2 = &config.http2;
    let path = format!("{path}.http2");
    let stall_timeout = timeouts::write(&config.timeouts);
    let mut limits = h2::Config { stall_timeout, ..h2::Config::default() };
    windows(
        &path,
        [http2.initial_window, http2.stream_window_max, http2.connection_window],
        &mut limits,
        report,
    );
    section(&path, http2.header_bytes_max, http2.header_fields_max, &mut limits, report);
    Arc::new(limits)
}

fn windows(
    path: &str,
    [initial, stream, connection]: [Size; 3],
    limits: &mut h2::Config,
    report: &mut Report<'_>,
) {
    let mut size = |key: &str, size: Size, least: u64| {
        let most = u64::from(WINDOW_BYTES_MAX) + 1;
        report.within(&format!("{path}.{key}"), size, least, most).min(WINDOW_BYTES_MAX)
    };
    limits.initial_window_bytes = size("initial_window", initial, 1);
    limits.stream_window_bytes_max = size("stream_window_max", stream, 1);
    limits.connection_window_bytes =
        size("connection_window", connection, CONNECTION_WINDOW_BYTES_MIN);
    if initial > stream {
        let path = format!("{path}.stream_window_max");
        report.error(path, format!("must not be less than initial_window, which is {initial}"));
    }
}

fn section(
    path: &str,
    bytes_max: Size,
    fields_max: u32,
    limits: &mut h2::Config,
    report: &mut Report<'_>,
) {
    let path = format!("{path}.header_bytes_max");
    limits.section.bytes_max = report.within(&path, bytes_max, 1024, HEADER_BYTES_MAX);
    limits.section.fields_max = fields_max;
    // A block of literals is hardly larger on the wire than decoded. One that is over the limit can be answered
    // only if it is read to its end.
    limits.header_block_bytes_max = 2 * limits.section.bytes_max as usize;
}
