//! Limits and timeouts of a connection.
//!
//! The defaults are the safe ones; both roles use the same limits, because an upstream may be as
//! hostile as a client. One `Config` is shared by all connections of a listener or an upstream.

use std::time::Duration;

use super::guard;
use crate::hpack::SectionLimits;

/// What a connection announces, enforces and waits for.
#[derive(Debug, Clone)]
pub struct Config {
    /// Streams that the peer may have open at once (server role). A stream counts until it is closed
    /// and [released](super::Connection::release). Default: 100.
    pub max_concurrent_streams: u32,
    /// Receive window of a new stream, in bytes (RFC 9113 §6.5.2). Default: 65,535.
    pub initial_window_bytes: u32,
    /// The receive window of a stream doubles up to this many bytes while its receiver drains it
    /// quickly. Default: 1 MiB.
    pub stream_window_bytes_max: u32,
    /// By how many bytes the windows of all streams of a connection may have grown in sum. So what streams
    /// with slow readers hold stays small against `buffered_bytes_max`, and stops no other stream.
    /// Default: 4 MiB.
    pub grown_windows_bytes_max: u32,
    /// Receive window of the connection, in bytes. Default: 1 MiB.
    pub connection_window_bytes: u32,
    /// The window of the connection is not credited while more bytes than this were handed to the owner
    /// and not granted yet. Default: 32 MiB, which is more than 400 streams with full windows hold.
    pub buffered_bytes_max: u32,
    /// Largest frame payload that the peer may send (RFC 9113 §4.2): 16,384 to 16,777,215 bytes.
    /// Default: 16,384.
    pub max_frame_bytes: u32,
    /// Limits of a decoded field section. Default: those of [`SectionLimits`].
    pub section: SectionLimits,
    /// Bytes that one header block may take on the wire with all its CONTINUATION frames. It cannot be
    /// decoded when it is longer, so the connection ends. Default: 64 KiB.
    pub header_block_bytes_max: usize,
    /// While the output holds more bytes than this, streams keep their data and the connection
    /// [accepts no input](super::Connection::accepts_input). Default: 512 KiB.
    pub output_bytes_max: usize,
    /// Whether extended CONNECT (RFC 8441) is announced and taken (server role). Default: false.
    pub connect_protocol: bool,
    /// For the peer's preface and SETTINGS. Default: 5 s.
    pub preface_timeout: Duration,
    /// For the acknowledgement of our SETTINGS. Default: 10 s.
    pub settings_timeout: Duration,
    /// From the first byte of a header block, or of any frame but DATA, to its last. Default: 10 s.
    pub header_timeout: Duration,
    /// A stream is reset when its waiting data makes no progress for so long, and the connection is closed
    /// when its output makes none. Progress is bytes sent, not frames received. It is looked at once per
    /// such time, so that a stall lasts for less than twice as long. Default: 30 s.
    pub stall_timeout: Duration,
    /// What a peer may still send of a request whose reply is complete, before its stream is reset; that much
    /// is dropped. Default: 2 MiB.
    pub linger_bytes_max: u32,
    /// How long a peer may still send of such a request. Default: 2 s.
    pub linger_timeout: Duration,
    /// Budgets against abuse.
    pub guard: guard::Limits,
}

// === impl Config ===

impl Default for Config {
    fn default() -> Self {
        Self {
            max_concurrent_streams: 100,
            initial_window_bytes: 65_535,
            stream_window_bytes_max: 1 << 20,
            grown_windows_bytes_max: 4 << 20,
            connection_window_bytes: 1 << 20,
            buffered_bytes_max: 32 << 20,
            max_frame_bytes: 16_384,
            section: SectionLimits::default(),
            header_block_bytes_max: 64 << 10,
            output_bytes_max: 512 << 10,
            connect_protocol: false,
            preface_timeout: Duration::from_secs(5),
            settings_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(30),
            linger_bytes_max: 2 << 20,
            linger_timeout: Duration::from_secs(2),
            guard: guard::Limits::default(),
        }
    }
}
