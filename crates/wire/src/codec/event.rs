//! What a connection tells its owner.
//!
//! Events of a stream carry its key and the tag that the owner gave it (0 until it gave one). After
//! [`Event::Reset`], and after both directions have ended, a stream gives no more events.

use super::{ConnectionError, End, ErrorCode, Party, Processed, Reason, Refusal, StreamKey};

/// One thing that happened on a connection, from [`Connection::receive`](crate::h2::Connection::receive).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// A request (server role, tag 0) or the final reply (client role). Its fields are in `head`, and
    /// form a valid message.
    Head {
        /// The stream.
        stream: StreamKey,
        /// The owner's word.
        tag: u64,
        /// Whether the message has no body.
        end: End,
    },
    /// The peer's request breaks a rule or a limit, and can still be answered (server role). If its head was
    /// given before (the tag is the owner's then), it is its body that does. Otherwise `head` holds what is
    /// known of it, unchecked: method, path, authority, and the fields that fitted, or nothing. The stream
    /// gives no more of the request. A connection of HTTP/1 ends behind the answer.
    Refused {
        /// The stream.
        stream: StreamKey,
        /// The owner's word.
        tag: u64,
        /// Why.
        refusal: Refusal,
    },
    /// A reply 1xx (client role). Its fields are in `head`.
    Informational {
        /// The stream.
        stream: StreamKey,
        /// The owner's word.
        tag: u64,
    },
    /// Bytes of a body. The owner [grants](crate::h2::Connection::grant) them when they are taken.
    Data {
        /// The stream.
        stream: StreamKey,
        /// The owner's word.
        tag: u64,
        /// The bytes, inside the input. Empty only at the end of the stream.
        data: &'a [u8],
        /// Whether these are the last bytes.
        end: End,
    },
    /// The trailers, which end the stream. Its fields are in `head`.
    Trailers {
        /// The stream.
        stream: StreamKey,
        /// The owner's word.
        tag: u64,
    },
    /// The stream is over before its time.
    Reset {
        /// The stream.
        stream: StreamKey,
        /// The owner's word.
        tag: u64,
        /// The code that was received or sent.
        code: ErrorCode,
        /// Who ended it.
        by: Party,
        /// Why.
        reason: Reason,
        /// Whether the request may be sent again elsewhere.
        processed: Processed,
    },
    /// Waiting bytes of a stream went to the output.
    Sent {
        /// The stream.
        stream: StreamKey,
        /// The owner's word.
        tag: u64,
        /// How many, since the last such event.
        bytes: usize,
    },
    /// The answer to [`Connection::ping`](crate::h2::Connection::ping).
    Pong,
    /// The peer's settings have changed, and with them perhaps the
    /// [capacity](crate::h2::Connection::capacity).
    PeerSettings,
    /// The peer goes away. [`Event::Reset`] follows for each stream of ours above `last_stream`.
    GoAway {
        /// The peer's code.
        code: ErrorCode,
        /// The last stream of ours that the peer looks at.
        last_stream: u32,
        /// The peer's debug data. Empty if the frame did not come in one piece.
        debug: &'a [u8],
    },
    /// The connection is draining and its last stream is gone.
    Drained,
    /// The connection is over: flush the output and drop the transport. Streams get no events of their
    /// own, and nothing follows.
    Closed {
        /// Why.
        error: ConnectionError,
    },
}
