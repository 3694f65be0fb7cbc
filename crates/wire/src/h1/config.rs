//! Limits and timeouts of a connection.
//!
//! The defaults are the safe ones; both roles use the same limits, because an upstream may be as
//! hostile as a client. One `Config` is shared by all connections of a listener or an upstream.

use std::time::Duration;

use crate::hpack::SectionLimits;

/// What a connection takes, and what it waits for.
#[derive(Debug, Clone)]
pub struct Config {
    /// Bytes of the first line of a request or a reply, without its end. Default: 8 KiB.
    pub request_line_bytes_max: usize,
    /// Limits of the fields of a head, and of trailers: their number and their size, both on the wire and
    /// as RFC 9113 §10.5.1 counts it. Lines of cookies count as any others. Default: those of
    /// [`SectionLimits`]; more than 256 fields are never taken.
    pub section: SectionLimits,
    /// Bytes of the line of a chunk, with its extensions. Default: 256.
    pub chunk_line_bytes_max: usize,
    /// Bytes of a body that are handed to the owner and not granted. More are not read. Default: 64 KiB.
    pub window_bytes: usize,
    /// While the output holds more bytes than this, [`send_data`](super::Connection::send_data) gives no
    /// credit and the connection [accepts no input](super::Connection::accepts_input). Default: 512 KiB.
    pub output_bytes_max: usize,
    /// So much of a request that was answered early is read and dropped, so that the connection can go on;
    /// one that is longer ends it. Default: 64 KiB.
    pub drain_bytes_max: u64,
    /// Requests on one connection. Default: no limit.
    pub requests_max: Option<u64>,
    /// Informational replies to one request. Default: 32.
    pub informational_max: u32,
    /// What a request of HTTP/1.0 that has no Host is taken to ask for (RFC 9112 §3.3). Default:
    /// `localhost`.
    pub default_authority: Box<str>,
    /// Whether a request that offers to go on in HTTP/2 (`Upgrade: h2c`, RFC 7540 §3.2) is taken at its word
    /// (server role, without TLS): see [`take_h2c`](super::Connection::take_h2c). Default: false.
    pub upgrade_h2c: bool,
    /// From the first byte of a head, or of trailers, to the last. Default: 10 s.
    pub header_timeout: Duration,
    /// The connection is closed when its output makes no progress for so long, and a request whose body
    /// brings less than 1 KiB in such a time, while it is waited for, is refused. Looked at once per such
    /// time, so that a stall lasts for less than twice as long. A reply may take its time: how long a node
    /// may be silent is up to the owner. Default: 30 s.
    pub stall_timeout: Duration,
}

// === impl Config ===

impl Default for Config {
    fn default() -> Self {
        Self {
            request_line_bytes_max: 8 << 10,
            section: SectionLimits::default(),
            chunk_line_bytes_max: 256,
            window_bytes: 64 << 10,
            output_bytes_max: 512 << 10,
            drain_bytes_max: 64 << 10,
            requests_max: None,
            informational_max: 32,
            default_authority: "localhost".into(),
            upgrade_h2c: false,
            header_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(30),
        }
    }
}
