//! Connections of the control plane: to nodes that are asked to describe themselves or whether they are well, and to
//! servers that know nodes.
//!
//! TLS is that of the data plane, so what is trusted and shown is the same.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use narrows_gateway::snapshot::ClientTls;
use narrows_gateway::target::{Host, Scheme, Target};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::codegen::Service;
use tonic::codegen::http::Uri;
use tonic::transport::{Channel, Endpoint};

/// TCP connect and TLS handshake together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A node and how it is spoken to.
#[derive(Clone)]
pub struct Node {
    target: Target,
    /// `None`: in the clear.
    tls: Option<Arc<ClientTls>>,
}

/// Whether an upstream speaks TLS where a target does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// It does.
    Tls,
    /// It speaks in the clear.
    Plain,
}

/// Bytes both ways.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

type Connection = TokioIo<Box<dyn Stream>>;

#[derive(Clone)]
struct Connector(Node);

// === impl Node ===

impl Node {
    /// A node of an upstream.
    pub fn new(target: Target, security: Security, tls: &Arc<ClientTls>) -> Self {
        let is_secure = match target.scheme {
            Scheme::Inherit => security == Security::Tls,
            Scheme::Plain => false,
            Scheme::Tls => true,
        };
        Self { target, tls: is_secure.then(|| tls.clone()) }
    }

    /// A server that is spoken to over TLS, or in the clear.
    pub fn to(target: Target, tls: Option<Arc<ClientTls>>) -> Self {
        Self { target, tls }
    }

    /// A channel that connects when it is first used.
    pub(crate) fn channel(&self) -> Result<Channel, tonic::transport::Error> {
        self.channel_with(|endpoint| endpoint)
    }

    /// The same for requests to this host.
    pub(crate) fn channel_as(
        &self,
        host: Option<&str>,
    ) -> Result<Channel, tonic::transport::Error> {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let origin = host.and_then(|host| format!("{scheme}://{host}").parse().ok());
        self.channel_with(|endpoint| match origin {
            Some(origin) => endpoint.origin(origin),
            None => endpoint,
        })
    }

    /// The same with more settings.
    pub(crate) fn channel_with(
        &self,
        settings: impl FnOnce(Endpoint) -> Endpoint,
    ) -> Result<Channel, tonic::transport::Error> {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let authority = self.authority();
        // TLS is ours, not the channel's: it sees a connection in the clear.
        let endpoint = Endpoint::from_shared(format!("http://{authority}"))?;
        let endpoint = match format!("{scheme}://{authority}").parse() {
            Ok(origin) => endpoint.origin(origin),
            Err(_) => endpoint,
        };
        let endpoint = settings(endpoint.connect_timeout(CONNECT_TIMEOUT));
        Ok(endpoint.connect_with_connector_lazy(Connector(self.clone())))
    }

    /// `host:port`.
    pub(crate) fn authority(&self) -> String {
        Target { scheme: Scheme::Inherit, ..self.target.clone() }.to_string()
    }

    /// Connects once.
    pub(crate) async fn connect(self) -> io::Result<Box<dyn Stream>> {
        let stream = TcpStream::connect(self.authority()).await?;
        stream.set_nodelay(true)?;
        let Some(tls) = &self.tls else { return Ok(Box::new(stream)) };
        let name = match (&tls.server_name, &self.target.host) {
            (Some(name), _) => name.clone(),
            (None, Host::Ip(ip)) => ServerName::IpAddress((*ip).into()),
            (None, Host::Name(name)) => {
                ServerName::try_from(name.to_string()).map_err(io::Error::other)?
            }
        };
        let connector = TlsConnector::from(tls.config.clone());
        Ok(Box::new(connector.connect(name, stream).await?))
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.target.fmt(f)
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Node({self})")
    }
}

/// Equal if the same is spoken to in the same way; TLS that was made anew is another.
impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        let same_tls = match (&self.tls, &other.tls) {
            (Some(tls), Some(other)) => Arc::ptr_eq(tls, other),
            (None, None) => true,
            _ => false,
        };
        self.target == other.target && same_tls
    }
}

// === impl Connector ===

impl Service<Uri> for Connector {
    type Response = Connection;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Connection>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let connecting = self.0.clone().connect();
        Box::pin(async { Ok(TokioIo::new(connecting.await?)) })
    }
}
