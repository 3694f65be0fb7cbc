//! One check: what is asked, and what can be wrong with the answer.

use std::io;
use std::time::Duration;

use tonic::Status;

use super::grpc::Client;
use super::{HttpVersion, Probe, Watching, http};
use crate::connect::Node;

/// Why a check failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum CheckError {
    #[error("can not connect: {0}")]
    Connect(io::Error),
    #[error("the connection was lost: {0}")]
    Connection(io::Error),
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    #[error("answered with status {0}")]
    HttpStatus(u16),
    #[error("what answers does not speak HTTP")]
    NotHttp,
    #[error("{} ({:?})", .0.message(), .0.code())]
    Grpc(Box<Status>),
    #[error("says {0}")]
    Says(&'static str),
}

/// Checks of one node, with what is kept from one to the next.
pub(super) struct Session<'a> {
    probe: &'a Probe,
    node: Node,
    /// For checks over HTTP/2.
    client: Client,
}

// === impl Session ===

impl<'a> Session<'a> {
    pub(super) fn new(probe: &'a Probe, node: Node) -> Self {
        let host = match probe {
            Probe::Http(http) => http.host.as_deref(),
            Probe::Tcp | Probe::Grpc { .. } => None,
        };
        Self { probe, client: Client::new(node.clone(), host), node }
    }

    /// Checks once.
    pub(super) async fn ask(&self) -> Result<(), CheckError> {
        match self.probe {
            Probe::Tcp => {
                self.node.clone().connect().await.map_err(CheckError::Connect)?;
                Ok(())
            }
            Probe::Http(probe) => {
                let status = match probe.version {
                    HttpVersion::Http1 => http::ask(&self.node, probe).await?,
                    HttpVersion::Http2 => self.client.http_status(probe).await?,
                };
                let passes = |(first, last): &(u16, u16)| (*first..=*last).contains(&status);
                if probe.status.iter().any(passes) {
                    Ok(())
                } else {
                    Err(CheckError::HttpStatus(status))
                }
            }
            Probe::Grpc { service, .. } => self.client.check(service).await,
        }
    }

    /// Tells what the node says by itself, as long as it does; never ends otherwise.
    pub(super) async fn watch(&self, pause: Duration, hear: impl Fn(Result<(), CheckError>)) {
        if let Probe::Grpc { service, watch: Watching::Yes } = self.probe {
            self.client.watch(service, pause, hear).await;
        }
    }
}
