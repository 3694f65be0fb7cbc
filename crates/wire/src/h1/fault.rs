//! What can be wrong with a message of HTTP/1 that cannot be wrong with one of HTTP/2.
//!
//! What both can get wrong is a [`Reason`](crate::codec::Reason) of its own: bytes of a field, fields that
//! do not form a message.

/// A rule of RFC 9112 that a peer broke, a limit that it passed, or an end that came too early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Fault {
    /// §2.2, §3, §4
    #[error("first line is not one of HTTP/1")]
    StartLine,
    /// §2.3
    #[error("version of HTTP is not supported")]
    Version,
    /// §3.2
    #[error("target of the request is not valid")]
    Target,
    /// §2.2
    #[error("line ends with a bare line feed")]
    BareLineFeed,
    /// §2.2
    #[error("bare carriage return")]
    BareCarriageReturn,
    /// §5.2
    #[error("field is folded over several lines")]
    LineFolded,
    /// §5.1
    #[error("line is not a field name, a colon, and a value")]
    FieldLine,
    /// §3.2
    #[error("no host")]
    HostMissing,
    /// §3.2
    #[error("host twice")]
    HostTwice,
    /// RFC 9110 §7.6.1
    #[error("connection names a field that is not for it to name")]
    ConnectionOption,
    /// §6.1
    #[error("transfer-encoding does not end with chunked, or comes twice")]
    TransferCoding,
    /// §6.1
    #[error("transfer coding is not supported")]
    UnknownCoding,
    /// §6.1
    #[error("transfer-encoding in HTTP/1.0")]
    TransferCodingOld,
    /// §6.3
    #[error("both content-length and transfer-encoding")]
    LengthAndCoding,
    /// RFC 9110 §9.3.6
    #[error("CONNECT with a body")]
    ConnectWithBody,
    /// §7.1
    #[error("chunk size is not a number, or too large")]
    ChunkSize,
    /// §7.1.1
    #[error("chunk extension is not valid")]
    ChunkExtension,
    /// [`Config::chunk_line_bytes_max`](super::Config::chunk_line_bytes_max)
    #[error("line of a chunk is over its limit")]
    ChunkLineTooLong,
    /// §7.1
    #[error("chunk does not end where it should")]
    ChunkEnd,
    /// RFC 9110 §15.2.2
    #[error("switches to a protocol that was not asked for")]
    SwitchedProtocol,
    /// RFC 6455 §4.1
    #[error("answers an offer of WebSocket with success but does not switch")]
    NotSwitched,
    /// RFC 6455 §4.1
    #[error("sec-websocket-accept does not answer the key")]
    WebSocketAccept,
    /// §9.2
    #[error("bytes that answer no request")]
    Unsolicited,
    /// [`Config::request_line_bytes_max`](super::Config::request_line_bytes_max)
    #[error("first line is over its limit")]
    RequestLineTooLong,
    /// [`Config::section`](super::Config::section)
    #[error("fields are over their limit")]
    HeadTooLarge,
    /// [`Config::header_timeout`](super::Config::header_timeout)
    #[error("head or trailers not complete in time")]
    HeadLate,
    /// [`Config::stall_timeout`](super::Config::stall_timeout)
    #[error("body made no progress in time")]
    BodyLate,
    /// §8
    #[error("peer closed the connection before the message was complete")]
    Truncated,
    /// §9.3.1: a request that may be sent again.
    #[error("peer closed the connection before it replied")]
    ClosedEarly,
    /// Our own side: more or less data than content-length says.
    #[error("data to be sent differs from its content-length")]
    LengthBroken,
}
