//! What a stream has to send and may not yet: data without window, and what must not overtake it.
//!
//! A stream holds none of this while everything goes out at once. The holders are pooled in the connection,
//! so that a stream that waits now and then allocates nothing.

use crate::codec::ErrorCode;
use crate::{Head, Name, Time};

/// Holders kept for the next stream that waits.
const POOLED_MAX: usize = 32;
/// A holder with more memory than this is not kept.
const POOLED_BYTES_MAX: usize = 256 << 10;
/// Sent bytes at the front of a holder are cut off when there are this many.
const COMPACT_BYTES: usize = 16 << 10;

/// Data, and then the end of the stream: in this order.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    bytes: Vec<u8>,
    start: usize,
    /// How the stream ends behind the data.
    pub(super) tail: Tail,
    pub(super) trailers: Head,
    /// RST_STREAM behind all else.
    pub(super) reset: Option<ErrorCode>,
    /// When progress was last looked at, if ever, and the bytes that went since.
    pub(super) looked_at: Option<Time>,
    pub(super) sent_since: usize,
}

/// What follows the waiting data.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Tail {
    /// More data, perhaps.
    #[default]
    Open,
    /// END_STREAM on the last of the data.
    End,
    /// Trailers.
    Trailers,
}

/// Unused holders.
#[derive(Debug, Default)]
#[allow(clippy::vec_box, reason = "streams take the boxes")]
pub(super) struct Pool(Vec<Box<Waiting>>);

// === impl Waiting ===

impl Waiting {
    /// Bytes that wait.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    pub(super) fn push(&mut self, data: &[u8]) {
        self.bytes.extend_from_slice(data);
    }

    pub(super) fn front(&self, n: usize) -> &[u8] {
        &self.bytes[self.start..self.start + n]
    }

    /// Takes `n` bytes from the front.
    pub(super) fn consume(&mut self, n: usize) {
        self.start += n;
        self.sent_since += n;
        if self.start == self.bytes.len() {
            self.bytes.clear();
            self.start = 0;
        } else if self.start >= COMPACT_BYTES && self.start >= self.bytes.len() / 2 {
            self.bytes.copy_within(self.start.., 0);
            self.bytes.truncate(self.bytes.len() - self.start);
            self.start = 0;
        }
    }

    pub(super) fn set_trailers(&mut self, head: &Head) {
        self.tail = Tail::Trailers;
        self.trailers.clear();
        for field in head.fields() {
            match field.name {
                Name::Other => {
                    self.trailers.push_other(head.name(field), head.value(field), field.indexing);
                }
                name => self.trailers.push(name, head.value(field), field.indexing),
            }
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.bytes.capacity() + self.trailers.memory_bytes()
    }
}

// === impl Pool ===

impl Pool {
    pub(super) fn take(&mut self) -> Box<Waiting> {
        self.0.pop().unwrap_or_default()
    }

    pub(super) fn give_back(&mut self, mut waiting: Box<Waiting>) {
        if self.0.len() >= POOLED_MAX || waiting.memory_bytes() > POOLED_BYTES_MAX {
            return;
        }
        waiting.bytes.clear();
        waiting.start = 0;
        waiting.tail = Tail::Open;
        waiting.trailers.clear();
        waiting.reset = None;
        waiting.looked_at = None;
        waiting.sent_since = 0;
        self.0.push(waiting);
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.0.iter().map(|waiting| waiting.memory_bytes()).sum()
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
