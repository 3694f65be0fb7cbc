//! Active checks: asks the nodes of upstreams whether they are well.
//!
//! A task for each node asks over connections of its own, so that a check says nothing of the connections of calls
//! and takes nothing from them. What comes of it is noted in the `Endpoint`, which workers read. A node is in
//! service until checks have failed, unless the configuration says otherwise. A reload that does not concern a check
//! does not touch it. `follow.rs` starts and ends the tasks, `node.rs` is one of them, `probe.rs` what it asks,
//! `board.rs` what is known of them all. See `outlier.rs` of the data plane for nodes that fail calls.

mod board;
mod follow;
mod grpc;
mod http;
mod node;
mod probe;

use std::sync::Arc;
use std::time::Duration;

use narrows_gateway::endpoints::{Endpoints, Health};
use narrows_gateway::snapshot::ClientTls;

pub use board::{Board, Counts, Last};
pub use follow::follow;

use crate::connect::Security;

/// The checks of an upstream.
#[derive(Debug)]
pub struct Checks {
    /// Its name.
    pub upstream: Arc<str>,
    /// Whom to ask.
    pub endpoints: Arc<Endpoints>,
    /// What and how often.
    pub settings: Arc<Settings>,
}

/// How a node is asked. A check goes on over a reload if these are the same.
#[derive(Debug, PartialEq)]
pub struct Settings {
    /// What is asked.
    pub probe: Probe,
    /// How it is reached.
    pub way: Way,
    /// The port that is asked, if it is not that of calls.
    pub port: Option<u16>,
    /// From one check to the next.
    pub interval: Duration,
    /// The same while the node fails.
    pub unhealthy_interval: Duration,
    /// How long a check may take.
    pub timeout: Duration,
    /// By how much a pause may differ, in percent.
    pub jitter_percent: u32,
    /// Passes in a row that bring a node back.
    pub rise: u32,
    /// Failures in a row that take a node out.
    pub fall: u32,
    /// What a node is taken for before it was asked.
    pub initial: Health,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// A connection.
    Tcp,
    /// A request.
    Http(HttpProbe),
    /// A call of `grpc.health.v1.Health`.
    Grpc {
        /// The service that is asked about.
        service: String,
        /// Whether the node is watched as well.
        watch: Watching,
    },
}

/// Whether a node is to say by itself when something changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watching {
    /// It is.
    Yes,
    /// It is only asked.
    No,
}

/// A request and the answers that pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpProbe {
    /// The version that is spoken.
    pub version: HttpVersion,
    /// The method.
    pub method: &'static str,
    /// Path and query.
    pub path: String,
    /// The host that is asked for; `None`: the address of the node.
    pub host: Option<String>,
    /// Statuses that pass, from first to last.
    pub status: Vec<(u16, u16)>,
}

/// A version of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpVersion {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// How nodes are reached. Equal if it is the same TLS of the same upstream.
#[derive(Debug)]
pub struct Way {
    /// Whether TLS is spoken where a target does not say.
    pub security: Security,
    /// TLS of calls, whose identity tells this one from others.
    pub calls: Arc<ClientTls>,
    /// TLS of checks: the same, but for the protocols that are offered.
    pub tls: Arc<ClientTls>,
}

// === impl Way ===

impl Way {
    /// As calls go, but offering the protocol of the check.
    pub fn new(security: Security, calls: &Arc<ClientTls>, probe: &Probe) -> Self {
        let alpn: &[u8] = match probe {
            Probe::Tcp => return Self { security, calls: calls.clone(), tls: calls.clone() },
            Probe::Http(http) if http.version == HttpVersion::Http1 => b"http/1.1",
            Probe::Http(_) | Probe::Grpc { .. } => b"h2",
        };
        let mut config = (*calls.config).clone();
        config.alpn_protocols = vec![alpn.to_vec()];
        let tls = ClientTls { config: Arc::new(config), server_name: calls.server_name.clone() };
        Self { security, calls: calls.clone(), tls: Arc::new(tls) }
    }
}

impl PartialEq for Way {
    fn eq(&self, other: &Self) -> bool {
        self.security == other.security && Arc::ptr_eq(&self.calls, &other.calls)
    }
}

#[cfg(test)]
mod tests;
