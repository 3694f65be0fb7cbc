//! Limits in time of calls, from what is written to what the data plane looks up.

use std::time::Duration;

use narrows_gateway::keepalive::Keepalive;
use narrows_gateway::timeout::{NEVER, Timeouts};

use crate::config::{CallTimeouts, KeepaliveConfig, Limit, Period};

/// How long bytes may wait without progress where nothing is written.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// What one place writes.
pub(super) fn compile(config: &CallTimeouts) -> Timeouts {
    Timeouts {
        connect: limit(config.connect),
        tls: limit(config.tls),
        acquire: limit(config.acquire),
        write: limit(config.write),
        response: limit(config.response),
        body: limit(config.body),
        idle: limit(config.idle),
        total: limit(config.total),
        grpc_timeout_max: limit(config.max_grpc_timeout),
        tunnel_idle: limit(config.tunnel_idle),
    }
}

/// What the engines of connections to nodes have for all their calls.
pub(super) fn write(config: &CallTimeouts) -> Duration {
    limit(config.write).unwrap_or(WRITE_TIMEOUT)
}

/// When peers are asked for signs of life.
pub(super) fn keepalive(config: KeepaliveConfig) -> Keepalive {
    Keepalive { interval: config.interval.duration(), timeout: config.timeout.0 }
}

fn limit(written: Option<Limit<Period>>) -> Option<Duration> {
    written.map(|limit| limit.duration().unwrap_or(NEVER))
}
