//! HTTP/1 limits, from sizes as written to what the engine takes.
//!
//! Everything that is not written keeps the engine's own default; a test holds the defaults of the
//! configuration and those of the engine together.

use std::sync::Arc;

use narrows_wire::h1;

use super::http2::HEADER_BYTES_MAX;
use super::report::Report;
use super::timeouts;
use crate::config::{ListenerConfig, Size, UpstreamConfig};

/// The first line of a request.
const REQUEST_LINE_BYTES_MAX: u64 = 1 << 20;

/// The limits towards clients.
pub(super) fn listener(
    path: &str,
    config: &ListenerConfig,
    report: &mut Report<'_>,
) -> Arc<h1::Config> {
    let (http1, timeouts) = (&config.http1, &config.timeouts);
    let path = format!("{path}.http1");
    let line = format!("{path}.request_line_bytes_max");
    let request_line =
        report.within(&line, http1.request_line_bytes_max, 256, REQUEST_LINE_BYTES_MAX);
    let mut limits = h1::Config {
        request_line_bytes_max: request_line as usize,
        requests_max: http1.requests_max.map(u64::from),
        upgrade_h2c: true,
        header_timeout: timeouts.parse.0,
        stall_timeout: timeouts.write.0,
        ..h1::Config::default()
    };
    section(&path, (http1.header_bytes_max, http1.header_fields_max), &mut limits, report);
    Arc::new(limits)
}

/// The limits towards nodes.
pub(super) fn upstream(
    path: &str,
    config: &UpstreamConfig,
    report: &mut Report<'_>,
) -> Arc<h1::Config> {
    let http1 = &config.http1;
    let path = format!("{path}.http1");
    let mut limits = h1::Config {
        requests_max: http1.requests_max.map(u64::from),
        stall_timeout: timeouts::write(&config.timeouts),
        ..h1::Config::default()
    };
    section(&path, (http1.header_bytes_max, http1.header_fields_max), &mut limits, report);
    Arc::new(limits)
}

fn section(
    path: &str,
    (bytes_max, fields_max): (Size, u32),
    limits: &mut h1::Config,
    report: &mut Report<'_>,
) {
    let path = format!("{path}.header_bytes_max");
    limits.section.bytes_max = report.within(&path, bytes_max, 1024, HEADER_BYTES_MAX);
    limits.section.fields_max = fields_max;
}
