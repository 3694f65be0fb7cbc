//! Why a request is not taken although it can be answered.
//!
//! The engine says what is wrong, the owner what the client is told: each of these has a status of its own
//! in the owner's table, and is counted for the route that the request would have taken.

use super::Reason;
use crate::h1::Fault;

/// Why a request was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It breaks a rule of the protocol: 400.
    #[error("{0}")]
    BadRequest(Reason),
    /// Its first line is over the limit: 414.
    #[error("{}", Fault::RequestLineTooLong)]
    RequestLineTooLong,
    /// Its fields are over the limit: 431.
    #[error("{}", Fault::HeadTooLarge)]
    HeadTooLarge,
    /// Its body has a transfer coding other than chunked: 501.
    #[error("{}", Fault::UnknownCoding)]
    UnsupportedTransferCoding,
    /// Its version is not one of HTTP/1: 505.
    #[error("{}", Fault::Version)]
    VersionNotSupported,
    /// Its head was not complete in time: 408.
    #[error("{}", Fault::HeadLate)]
    HeadTimeout,
    /// Its body made no progress: 408.
    #[error("{}", Fault::BodyLate)]
    BodyTimeout,
}

// === impl Refusal ===

impl Refusal {
    /// The same as a reason, for who ends a stream with it.
    pub fn reason(self) -> Reason {
        let fault = match self {
            Self::BadRequest(reason) => return reason,
            Self::RequestLineTooLong => Fault::RequestLineTooLong,
            Self::HeadTooLarge => Fault::HeadTooLarge,
            Self::UnsupportedTransferCoding => Fault::UnknownCoding,
            Self::VersionNotSupported => Fault::Version,
            Self::HeadTimeout => Fault::HeadLate,
            Self::BodyTimeout => Fault::BodyLate,
        };
        Reason::Http1(fault)
    }
}
