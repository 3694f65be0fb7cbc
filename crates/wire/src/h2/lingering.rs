//! How much of a request is still read after its reply.

use crate::Time;
use crate::codec::ErrorCode;

/// A stream that we have ended and the peer has not.
#[derive(Debug)]
pub(super) struct Lingering {
    /// What it is reset with in the end.
    pub(super) code: ErrorCode,
    /// What the peer may still send.
    pub(super) bytes_left: u32,
    /// When it is reset; not known before it is first looked at, since commands bring no time.
    pub(super) until: Option<Time>,
}
