//! A client of ZooKeeper: one session, and the few operations that are needed of it.
//!
//! The protocol is small and has not changed in a decade; the crates for it bring a runtime of their own. `wire.rs` is
//! its encoding, `session.rs` a session on one connection. Whoever uses a session opens a new one after any error:
//! what was watched is read anew then, so nothing has to be carried over, but for the session itself where
//! ephemeral nodes hang on it (`Identity`).

mod session;
mod wire;

use std::time::Duration;

use crate::config::Secret;
use crate::connect::Node as Server;

pub(crate) use session::{Identity, Lifetime, Session};
pub(crate) use wire::Malformed;

/// Where an ensemble is and who we are there. Equal options are the same ensemble.
#[derive(Debug, Clone, PartialEq)]
pub struct ZookeeperOptions {
    /// The servers, at least one.
    pub servers: Vec<Server>,
    /// User and password of the scheme `digest`.
    pub user: Option<(String, Secret)>,
    /// A server that is silent for so long is left, and the ensemble forgets a session after it.
    pub session_timeout: Duration,
}

/// Something that was watched has changed. Each is told once, until it is read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    /// What happened.
    pub(crate) kind: EventKind,
    /// Where.
    pub(crate) path: String,
}

/// What can happen to a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventKind {
    /// It is there now.
    Created,
    /// It is gone.
    Deleted,
    /// Its data are others.
    Data,
    /// It has other children.
    Children,
    /// Something else, which nobody asked for.
    Other(i32),
}

/// Why an operation or a session failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ZookeeperError {
    /// No server could be reached.
    #[error("{}", .0.join("; "))]
    NoServer(Vec<String>),
    /// The connection was lost.
    #[error("{server}: {error}")]
    Lost {
        /// Which server.
        server: String,
        /// Why.
        error: std::io::Error,
    },
    /// The server does not say anything.
    #[error("{server} has been silent for {after:?}")]
    Silent {
        /// Which server.
        server: String,
        /// For how long.
        after: Duration,
    },
    /// The server says something that is not the protocol.
    #[error("the server answers what can not be understood: {0}")]
    Malformed(#[from] Malformed),
    /// The session is over, with its ephemeral nodes.
    #[error("the session has expired")]
    Expired,
    /// The user name or the password is wrong.
    #[error("the server refuses the user name or the password")]
    Refused,
    /// The user may not do this.
    #[error("{0}: not allowed for this user")]
    Forbidden(String),
    /// There is nothing at the path.
    #[error("{0}: there is no such node")]
    Missing(String),
    /// There is something at the path already.
    #[error("{0}: there is such a node already")]
    Exists(String),
    /// Any other error.
    #[error("{path}: error {code}")]
    Other {
        /// What was asked for.
        path: String,
        /// The code of the server.
        code: i32,
    },
}

// === impl EventKind ===

impl From<i32> for EventKind {
    fn from(code: i32) -> Self {
        match code {
            1 => Self::Created,
            2 => Self::Deleted,
            3 => Self::Data,
            4 => Self::Children,
            other => Self::Other(other),
        }
    }
}

// === impl ZookeeperError ===

impl ZookeeperError {
    /// What a reply with this code means; 0 is none.
    fn of_code(code: i32, path: &str) -> Self {
        let path = path.to_owned();
        match code {
            -101 => Self::Missing(path),
            -102 => Self::Forbidden(path),
            -110 => Self::Exists(path),
            -112 => Self::Expired,
            -115 => Self::Refused,
            code => Self::Other { path, code },
        }
    }
}
