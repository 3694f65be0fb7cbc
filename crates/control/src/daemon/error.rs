//! Why the gateway could not start, and why it ended when nobody told it to.

use std::io;
use std::net::SocketAddr;

use narrows_gateway::control::WorkerFailure;

use crate::config::Fault;

/// Why the gateway could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration, with everything that is wrong with it.
    #[error("{}", lines(.0))]
    Config(Vec<Fault>),
    /// A listener or a thread.
    #[error("can not start: {0}")]
    Start(io::Error),
    /// The admin listener.
    #[error("admin.address: can not listen on {address}: {error}")]
    Admin {
        /// Where it was to listen.
        address: SocketAddr,
        /// Why not.
        error: io::Error,
    },
}

/// Why the gateway ended badly.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A fault of the gateway itself; whoever supervises it starts it again.
    #[error("{0}; the gateway has ended because of it")]
    Worker(#[from] WorkerFailure),
}

fn lines(faults: &[Fault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
