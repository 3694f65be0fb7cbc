//! The contract of the protocol engines: what they tell their owner, and the words that both use.
//!
//! [`h2::Connection`](crate::h2::Connection) and [`h1::Connection`](crate::h1::Connection) keep it, in
//! either [`Role`]. `receive` takes bytes and gives an [`Event`] at a time; commands such as `send_head`
//! append to one [`Output`]; `deadline` says when to be called again. So whoever relays from one
//! connection to another does not know which protocol either of them speaks. Codes and reasons are those
//! of HTTP/2, which has a name for each: an engine whose protocol can not say them ends the connection.

mod error;
mod event;
mod output;
mod refusal;

pub use error::{ConnectionError, ErrorCode, OpenError, Party, Processed, Reason};
pub use event::Event;
pub use output::Output;
pub use refusal::Refusal;

/// Which end of the connection we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// We connected; we open streams.
    Client,
    /// We accepted; the peer opens streams.
    Server,
}

/// Whether a direction of a stream ends with something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// More follows in this direction.
    Open,
    /// This direction of the stream ends (in HTTP/2: END_STREAM).
    Stream,
}

/// Names a stream to its owner. A key of a stream that is gone reaches nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StreamKey {
    slot: u32,
    generation: u32,
}

/// Requests that never became an event (server role): malformed, too large, or too many at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rejected {
    /// How many, since the connection began.
    pub requests: u64,
    /// Why the last of them was.
    pub last: Option<Reason>,
}

// === impl StreamKey ===

impl StreamKey {
    pub(crate) const fn new(slot: u32, generation: u32) -> Self {
        Self { slot, generation }
    }

    /// The slot of the stream: small, and used again after it. For tables beside the connection.
    pub const fn slot(self) -> u32 {
        self.slot
    }

    pub(crate) const fn generation(self) -> u32 {
        self.generation
    }
}

// === impl Rejected ===

impl Rejected {
    pub(crate) fn add(&mut self, reason: Reason) {
        self.requests += 1;
        self.last = Some(reason);
    }
}
