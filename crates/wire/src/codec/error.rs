//! What goes wrong on a connection, named: codes of the wire, and reasons for people.
//!
//! A [`Reason`] says in one sentence which rule was broken or which limit was passed. It travels as
//! debug data of GOAWAY, and the owner writes it to its log and counts by it. An [`ErrorCode`] is what
//! the peer's machine reads. Nothing here decides; see `guard.rs` and `connection.rs`.

use std::fmt;

use crate::fields::Malformed;
use crate::h1::Fault;
use crate::hpack::DecodeError;
use crate::syntax::FieldFault;

/// An error code of RST_STREAM and GOAWAY (RFC 9113 §7). Unknown codes are carried as they are.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ErrorCode(pub u32);

/// Who ended a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Party {
    /// The peer sent RST_STREAM or GOAWAY.
    Peer,
    /// This end: the peer broke a rule, or a limit was passed.
    Us,
}

/// Whether the peer may have acted on a request that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Processed {
    /// It provably did not: REFUSED_STREAM, or above the last stream of GOAWAY. Safe to send again.
    No,
    /// Nothing is known.
    Maybe,
}

/// The end of a whole connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{reason} ({code})")]
pub struct ConnectionError {
    /// What the peer was told.
    pub code: ErrorCode,
    /// What happened.
    pub reason: Reason,
}

/// Why a client connection opened no stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The peer's SETTINGS_MAX_CONCURRENT_STREAMS is reached.
    #[error("the peer takes no more streams at once")]
    Full,
    /// GOAWAY was received, or [`drain`](crate::h2::Connection::drain) was called.
    #[error("the connection is draining")]
    Draining,
    /// All stream ids are used up (RFC 9113 §5.1.1).
    #[error("the connection has no stream ids left")]
    Exhausted,
    /// The connection is over.
    #[error("the connection is closed")]
    Closed,
    /// The request has no form in the protocol of the connection.
    #[error("the request can not be said in the protocol of the connection")]
    Inexpressible,
}

/// Why a stream or a connection ended, in one sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    // Ends that are nobody's error.
    /// RST_STREAM was received.
    #[error("peer reset the stream")]
    PeerReset,
    /// GOAWAY was received and its last stream is below this one.
    #[error("peer went away before it looked at the stream")]
    PeerWentAway,
    /// The owner closed the connection, for the reason given.
    #[error("{0}")]
    Owner(&'static str),

    // Framing (RFC 9113 §4, §6).
    /// §3.4
    #[error("connection preface is not that of HTTP/2")]
    PrefaceInvalid,
    /// §3.4
    #[error("first frame is not SETTINGS")]
    PrefaceWithoutSettings,
    /// §4.2
    #[error("frame is longer than SETTINGS_MAX_FRAME_SIZE")]
    FrameTooLong,
    /// §6
    #[error("length of the frame does not fit its type")]
    FrameLength,
    /// §6
    #[error("frame type is not allowed on this stream id")]
    StreamIdKind,
    /// §6.1
    #[error("padding is as long as the payload or longer")]
    PaddingTooLong,
    /// §6.10
    #[error("header block was interrupted by another frame")]
    BlockInterrupted,
    /// §6.10
    #[error("CONTINUATION without a header block")]
    ContinuationUnexpected,
    /// §8.4: push is disabled.
    #[error("PUSH_PROMISE although push is disabled")]
    PushPromise,
    /// §6.5.2
    #[error("value of a setting is out of range")]
    SettingValue,
    /// §6.5.2: SETTINGS_INITIAL_WINDOW_SIZE
    #[error("SETTINGS_INITIAL_WINDOW_SIZE moves a window out of range")]
    SettingWindow,
    /// §6.9
    #[error("WINDOW_UPDATE with an increment of zero")]
    WindowIncrementZero,
    /// §6.9.1
    #[error("window grew beyond 2^31-1")]
    WindowOverflow,
    /// §6.9.1
    #[error("more data than the window allows")]
    WindowExceeded,
    /// RFC 7540 §5.3.1; such priorities are obsolete, a loop among them is not harmless to all.
    #[error("stream depends on itself")]
    SelfDependency,

    // Streams (RFC 9113 §5.1).
    /// §5.1
    #[error("frame on a stream that was never opened")]
    StreamIdle,
    /// §5.1
    #[error("frame on a stream that its sender has ended")]
    StreamEnded,
    /// §5.1.1
    #[error("stream id is not above those used before")]
    StreamIdOrder,
    /// §5.1.2
    #[error("more streams at once than SETTINGS_MAX_CONCURRENT_STREAMS")]
    StreamRefused,

    // Messages (RFC 9113 §8).
    /// RFC 7541
    #[error("header block cannot be decompressed: {0}")]
    Compression(DecodeError),
    /// A byte in a field's name or value (§8.2.1).
    #[error("malformed field: {0}")]
    Field(FieldFault),
    /// The fields do not form a message (§8.2, §8.3).
    #[error("malformed message: {0}")]
    Malformed(Malformed),
    /// §8.1.1
    #[error("content-length differs from the length of the data")]
    ContentLength,
    /// §8.1
    #[error("data before the head of the message")]
    DataBeforeHead,
    /// §8.1
    #[error("trailers do not end the stream")]
    TrailersWithoutEnd,
    /// §8.1: an interim reply never ends the stream.
    #[error("informational reply ends the stream")]
    InformationalEnds,
    /// [`Config::section`](crate::h2::Config::section)
    #[error("header section is over its limit")]
    SectionTooLarge,
    /// [`Config::header_block_bytes_max`](crate::h2::Config::header_block_bytes_max)
    #[error("header block is over its limit")]
    BlockTooLarge,

    // HTTP/1 (RFC 9112).
    /// What HTTP/1 frames otherwise than HTTP/2.
    #[error("{0}")]
    Http1(Fault),

    // Time.
    /// [`Config::preface_timeout`](crate::h2::Config::preface_timeout)
    #[error("no preface and SETTINGS in time")]
    PrefaceLate,
    /// [`Config::settings_timeout`](crate::h2::Config::settings_timeout)
    #[error("SETTINGS not acknowledged in time")]
    SettingsAckLate,
    /// [`Config::header_timeout`](crate::h2::Config::header_timeout)
    #[error("frame or header block not complete in time")]
    HeaderLate,
    /// [`Config::stall_timeout`](crate::h2::Config::stall_timeout), a stream's waiting data.
    #[error("peer opened no window for the waiting data in time")]
    StreamStalled,
    /// [`Config::stall_timeout`](crate::h2::Config::stall_timeout), the connection's output.
    #[error("peer read nothing in time")]
    OutputStalled,

    // Abuse; the limits are those of `guard::Limits`.
    /// CVE-2023-44487, rapid reset.
    #[error("too many streams reset before their reply")]
    ResetFlood,
    /// CVE-2025-8671, MadeYouReset.
    #[error("too many streams reset for errors of the peer")]
    ErrorFlood,
    /// Streams beyond the announced limit.
    #[error("too many streams refused")]
    RefusedFlood,
    /// CVE-2024-27316 and its kin.
    #[error("too many CONTINUATION frames in one header block")]
    ContinuationFlood,
    /// CVE-2019-9515.
    #[error("too many SETTINGS frames")]
    SettingsFlood,
    /// CVE-2019-9512.
    #[error("too many PING frames")]
    PingFlood,
    /// CVE-2019-9513.
    #[error("too many PRIORITY frames")]
    PriorityFlood,
    /// CVE-2019-9518.
    #[error("too many empty DATA frames")]
    EmptyDataFlood,
    /// CVE-2019-9511, CVE-2019-9517.
    #[error("too many WINDOW_UPDATE frames")]
    WindowUpdateFlood,
    /// Frames of unknown type, and frames that change nothing.
    #[error("too many frames without effect")]
    IdleFrameFlood,
    /// Informational replies of one stream.
    #[error("too many informational replies")]
    InformationalFlood,
    /// The common budget: header bytes, control frames and dribbled data against payload and time.
    #[error("connection costs more than it carries")]
    CostExceeded,
}

// === impl ErrorCode ===

impl ErrorCode {
    /// Graceful.
    pub const NO_ERROR: Self = Self(0x0);
    /// A rule was broken that has no code of its own.
    pub const PROTOCOL_ERROR: Self = Self(0x1);
    /// A fault on the sender's side.
    pub const INTERNAL_ERROR: Self = Self(0x2);
    /// Flow control was not obeyed.
    pub const FLOW_CONTROL_ERROR: Self = Self(0x3);
    /// SETTINGS was not acknowledged in time.
    pub const SETTINGS_TIMEOUT: Self = Self(0x4);
    /// A frame for a stream that its sender had ended.
    pub const STREAM_CLOSED: Self = Self(0x5);
    /// A frame of an invalid size.
    pub const FRAME_SIZE_ERROR: Self = Self(0x6);
    /// The stream was not processed; safe to send again.
    pub const REFUSED_STREAM: Self = Self(0x7);
    /// The stream is no longer needed.
    pub const CANCEL: Self = Self(0x8);
    /// The state of field compression is lost.
    pub const COMPRESSION_ERROR: Self = Self(0x9);
    /// The connection of a CONNECT request was closed.
    pub const CONNECT_ERROR: Self = Self(0xa);
    /// The peer generates excessive load.
    pub const ENHANCE_YOUR_CALM: Self = Self(0xb);
    /// The transport is not secure enough.
    pub const INADEQUATE_SECURITY: Self = Self(0xc);
    /// HTTP/1.1 is required.
    pub const HTTP_1_1_REQUIRED: Self = Self(0xd);

    const NAMES: [&str; 14] = [
        "NO_ERROR",
        "PROTOCOL_ERROR",
        "INTERNAL_ERROR",
        "FLOW_CONTROL_ERROR",
        "SETTINGS_TIMEOUT",
        "STREAM_CLOSED",
        "FRAME_SIZE_ERROR",
        "REFUSED_STREAM",
        "CANCEL",
        "COMPRESSION_ERROR",
        "CONNECT_ERROR",
        "ENHANCE_YOUR_CALM",
        "INADEQUATE_SECURITY",
        "HTTP_1_1_REQUIRED",
    ];
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Self::NAMES.get(self.0 as usize) {
            Some(name) => f.write_str(name),
            None => write!(f, "{:#x}", self.0),
        }
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

// === impl ConnectionError ===

impl ConnectionError {
    pub(crate) const fn new(code: ErrorCode, reason: Reason) -> Self {
        Self { code, reason }
    }

    pub(crate) const fn protocol(reason: Reason) -> Self {
        Self::new(ErrorCode::PROTOCOL_ERROR, reason)
    }

    pub(crate) const fn flow(reason: Reason) -> Self {
        Self::new(ErrorCode::FLOW_CONTROL_ERROR, reason)
    }

    pub(crate) const fn size(reason: Reason) -> Self {
        Self::new(ErrorCode::FRAME_SIZE_ERROR, reason)
    }

    pub(crate) const fn calm(reason: Reason) -> Self {
        Self::new(ErrorCode::ENHANCE_YOUR_CALM, reason)
    }
}
