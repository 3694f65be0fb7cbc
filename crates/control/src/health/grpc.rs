//! Checks over HTTP/2: `grpc.health.v1.Health`, and plain requests.
//!
//! One connection is kept for a node and made anew after a failure. The messages are written by hand: there are two.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tonic::codegen::Service;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use super::HttpProbe;
use super::probe::CheckError;
use crate::connect::Node;
use crate::reflection::codec::Prost;

const CHECK: &str = "/grpc.health.v1.Health/Check";
const WATCH: &str = "/grpc.health.v1.Health/Watch";
/// A node that ends watches at once is not watched more often than this.
const PAUSE_MIN: Duration = Duration::from_millis(250);

/// A question about a service.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct HealthCheckRequest {
    #[prost(string, tag = "1")]
    pub(super) service: String,
}

/// The answer, a `ServingStatus`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct HealthCheckResponse {
    #[prost(int32, tag = "1")]
    pub(super) status: i32,
}

/// A connection to a node, as far as there is one.
pub(super) struct Client {
    node: Node,
    host: Option<String>,
    channel: Mutex<Option<Channel>>,
}

// === impl Client ===

impl Client {
    pub(super) fn new(node: Node, host: Option<&str>) -> Self {
        Self { node, host: host.map(str::to_owned), channel: Mutex::new(None) }
    }

    /// Asks once.
    pub(super) async fn check(&self, service: &str) -> Result<(), CheckError> {
        let mut grpc = tonic::client::Grpc::new(self.channel()?);
        let path = PathAndQuery::from_static(CHECK);
        let asked = async {
            grpc.ready().await.map_err(|error| unavailable(&error))?;
            grpc.unary(request(service), path, codec()).await
        };
        let guard = Renew(self);
        let answer = asked.await.map_err(|status| CheckError::Grpc(Box::new(status)))?;
        guard.keep();
        judge(answer.into_inner())
    }

    /// Has the node say what it is, again and again; ends only if the node does not know how to.
    pub(super) async fn watch(
        &self,
        service: &str,
        pause: Duration,
        hear: impl Fn(Result<(), CheckError>),
    ) {
        loop {
            if let Err(status) = self.watch_once(service, &hear).await
                && status.code() == Code::Unimplemented
            {
                return;
            }
            // That it can not be watched now is for checks to find out.
            tokio::time::sleep(pause.max(PAUSE_MIN)).await;
        }
    }

    async fn watch_once(
        &self,
        service: &str,
        hear: &impl Fn(Result<(), CheckError>),
    ) -> Result<(), Status> {
        let channel = self.channel().map_err(|error| Status::unavailable(error.to_string()))?;
        let mut grpc = tonic::client::Grpc::new(channel);
        grpc.ready().await.map_err(|error| unavailable(&error))?;
        let path = PathAndQuery::from_static(WATCH);
        let mut said = grpc.server_streaming(request(service), path, codec()).await?.into_inner();
        while let Some(answer) = said.message().await? {
            hear(judge(answer));
        }
        Ok(())
    }

    /// Sends a request and gives the status of the answer.
    pub(super) async fn http_status(&self, probe: &HttpProbe) -> Result<u16, CheckError> {
        let mut channel = self.channel()?;
        let request = tonic::codegen::http::Request::builder()
            .method(probe.method)
            .uri(probe.path.as_str())
            .header("user-agent", "narrows-health-check")
            .body(tonic::body::Body::empty());
        let failed = |error: &dyn std::error::Error| CheckError::Grpc(Box::new(unavailable(error)));
        let request = request.map_err(|error| failed(&error))?;
        let guard = Renew(self);
        std::future::poll_fn(|context| channel.poll_ready(context))
            .await
            .map_err(|error| failed(&error))?;
        let answer = channel.call(request).await.map_err(|error| failed(&error))?;
        guard.keep();
        Ok(answer.status().as_u16())
    }

    /// The connection, or a new one.
    fn channel(&self) -> Result<Channel, CheckError> {
        let mut kept = self.channel.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(channel) = &*kept {
            return Ok(channel.clone());
        }
        let made = self.node.channel_as(self.host.as_deref());
        let channel = made.map_err(|error| CheckError::Grpc(Box::new(unavailable(&error))))?;
        Ok(kept.insert(channel).clone())
    }
}

/// The next check has a new connection, unless this one ends well. One that is cut short by its limit in time does
/// not.
struct Renew<'a>(&'a Client);

impl Renew<'_> {
    fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Renew<'_> {
    fn drop(&mut self) {
        *self.0.channel.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

fn request(service: &str) -> Request<HealthCheckRequest> {
    Request::new(HealthCheckRequest { service: service.to_owned() })
}

fn codec() -> Prost<HealthCheckRequest, HealthCheckResponse> {
    Prost::default()
}

/// `grpc.health.v1.HealthCheckResponse.ServingStatus`.
fn judge(answer: HealthCheckResponse) -> Result<(), CheckError> {
    match answer.status {
        1 => Ok(()),
        2 => Err(CheckError::Says("NOT_SERVING")),
        3 => Err(CheckError::Says("SERVICE_UNKNOWN")),
        _ => Err(CheckError::Says("UNKNOWN")),
    }
}

/// An error of the connection with what caused it, which is where the words are.
fn unavailable(error: &dyn std::error::Error) -> Status {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = inner.to_string();
        cause = inner.source();
    }
    Status::unavailable(text)
}
