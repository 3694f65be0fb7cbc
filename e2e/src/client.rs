//! Client of `narrows.test.Echo` on tonic.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use narrows_testkit::servers::{self, Certificate, Signed};
use tokio::sync::mpsc;
use tonic::codec::{CompressionEncoding, Streaming};
use tonic::codegen::tokio_stream::Stream;
use tonic::metadata::{AsciiMetadataKey, BinaryMetadataKey, BinaryMetadataValue, MetadataMap};
use tonic::transport::{Certificate as Authority, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Response, Status};

use crate::codec::Raw;

/// A client: one connection, and metadata that goes with every call.
#[derive(Debug, Clone)]
pub struct EchoClient {
    grpc: tonic::client::Grpc<Channel>,
    metadata: MetadataMap,
    timeout: Duration,
}

/// What a unary call brought back.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The message.
    pub message: Bytes,
    /// Initial and trailing metadata together, as tonic gives them.
    pub metadata: MetadataMap,
}

/// An open bidirectional call.
#[derive(Debug)]
pub struct Conversation {
    requests: mpsc::Sender<Bytes>,
    replies: Streaming<Bytes>,
}

/// Messages to send, as a stream.
#[derive(Debug)]
pub struct Outgoing(mpsc::Receiver<Bytes>);

// === impl EchoClient ===

impl EchoClient {
    /// Connects; with a certificate the connection is TLS.
    ///
    /// # Panics
    ///
    /// When nothing accepts there.
    pub async fn connect(target: SocketAddr, certificate: Option<&Certificate>) -> Self {
        let tls = certificate.map(|certificate| {
            let authority = Authority::from_pem(certificate.pem());
            ClientTlsConfig::new().ca_certificate(authority).domain_name("localhost")
        });
        Self::try_connect(target, tls).await.expect("the target accepts")
    }

    /// Connects to a server whose certificate the authority has signed; shows it a certificate, if any.
    pub async fn connect_tls(
        target: SocketAddr,
        trusted: &servers::Authority,
        own: Option<&Signed>,
    ) -> Result<Self, tonic::transport::Error> {
        let authority = Authority::from_pem(trusted.pem());
        let mut tls = ClientTlsConfig::new().ca_certificate(authority).domain_name("localhost");
        if let Some(own) = own {
            tls = tls.identity(Identity::from_pem(&own.certificate, &own.private_key));
        }
        Self::try_connect(target, Some(tls)).await
    }

    async fn try_connect(
        target: SocketAddr,
        tls: Option<ClientTlsConfig>,
    ) -> Result<Self, tonic::transport::Error> {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let endpoint =
            Endpoint::from_shared(format!("{scheme}://{target}")).expect("an address is a URI");
        let mut endpoint = endpoint
            .initial_stream_window_size(1 << 20)
            .initial_connection_window_size(4 << 20)
            .tcp_nodelay(true);
        if let Some(tls) = tls {
            endpoint = endpoint.tls_config(tls)?;
        }
        let channel = endpoint.connect().await?;
        let grpc = tonic::client::Grpc::new(channel)
            .max_decoding_message_size(usize::MAX)
            .accept_compressed(CompressionEncoding::Gzip);
        Ok(Self { grpc, metadata: MetadataMap::new(), timeout: Duration::from_secs(60) })
    }

    /// The same connection with a field that goes with every call; `-bin` fields take bytes as they are.
    ///
    /// # Panics
    ///
    /// When name or value can not be metadata.
    #[must_use]
    pub fn with(&self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let mut client = self.clone();
        if name.ends_with("-bin") {
            let name = BinaryMetadataKey::from_bytes(name.as_bytes()).expect("a valid name");
            client.metadata.insert_bin(name, BinaryMetadataValue::from_bytes(value.as_ref()));
        } else {
            let name = AsciiMetadataKey::from_bytes(name.as_bytes()).expect("a valid name");
            client.metadata.insert(name, value.as_ref().try_into().expect("a valid value"));
        }
        client
    }

    /// The same connection with another limit for each call; without it a minute.
    #[must_use]
    pub fn within(&self, timeout: Duration) -> Self {
        Self { timeout, ..self.clone() }
    }

    /// The same connection, compressing what it sends.
    #[must_use]
    pub fn compressing(&self) -> Self {
        let mut client = self.clone();
        client.grpc = client.grpc.send_compressed(CompressionEncoding::Gzip);
        client
    }

    /// A unary call of a method by its path.
    pub async fn call(&self, path: &'static str, message: Bytes) -> Result<Reply, Status> {
        let mut grpc = self.ready().await?;
        let reply = grpc
            .unary(self.request(message), http::uri::PathAndQuery::from_static(path), Raw)
            .await?;
        let (metadata, message, _) = reply.into_parts();
        Ok(Reply { message, metadata })
    }

    /// `Unary`: the message comes back.
    pub async fn unary(&self, message: Bytes) -> Result<Reply, Status> {
        self.call("/narrows.test.Echo/Unary", message).await
    }

    /// A call with any number of messages either way.
    pub async fn stream<S>(
        &self,
        path: &'static str,
        messages: S,
    ) -> Result<Response<Streaming<Bytes>>, Status>
    where
        S: Stream<Item = Bytes> + Send + 'static,
    {
        let mut grpc = self.ready().await?;
        grpc.streaming(self.request(messages), http::uri::PathAndQuery::from_static(path), Raw)
            .await
    }

    /// `ClientStream`: their number and total size come back.
    pub async fn client_stream(&self, messages: Vec<Bytes>) -> Result<Reply, Status> {
        let mut grpc = self.ready().await?;
        let path = http::uri::PathAndQuery::from_static("/narrows.test.Echo/ClientStream");
        let messages = tonic::codegen::tokio_stream::iter(messages);
        let reply = grpc.client_streaming(self.request(messages), path, Raw).await?;
        let (metadata, message, _) = reply.into_parts();
        Ok(Reply { message, metadata })
    }

    /// `Bidi`, held open.
    pub async fn converse(&self) -> Result<Conversation, Status> {
        let (requests, outgoing) = mpsc::channel(4);
        let replies =
            self.stream("/narrows.test.Echo/Bidi", Outgoing(outgoing)).await?.into_inner();
        Ok(Conversation { requests, replies })
    }

    async fn ready(&self) -> Result<tonic::client::Grpc<Channel>, Status> {
        let mut grpc = self.grpc.clone();
        grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        Ok(grpc)
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        *request.metadata_mut() = self.metadata.clone();
        request.set_timeout(self.timeout);
        request
    }
}

// === impl Reply ===

impl Reply {
    /// The node that answered.
    pub fn node(&self) -> &str {
        self.metadata.get("x-node").and_then(|node| node.to_str().ok()).unwrap_or("")
    }
}

// === impl Conversation ===

impl Conversation {
    /// Sends a message and waits for it to come back. If the call has ended, its status says why.
    pub async fn exchange(&mut self, message: Bytes) -> Result<Bytes, Status> {
        let _ = self.say(message).await;
        self.hear().await?.ok_or_else(|| Status::unknown("the call ended"))
    }

    /// Sends a message.
    pub async fn say(&mut self, message: Bytes) -> Result<(), Status> {
        self.requests.send(message).await.map_err(|_| Status::unknown("the call has ended"))
    }

    /// Waits for a message; `None` at the end.
    pub async fn hear(&mut self) -> Result<Option<Bytes>, Status> {
        self.replies.message().await
    }

    /// Says that no more will be sent and waits for the end of the call.
    pub async fn finish(self) -> Result<MetadataMap, Status> {
        let Self { requests, mut replies } = self;
        drop(requests);
        while replies.message().await?.is_some() {}
        Ok(replies.trailers().await?.unwrap_or_default())
    }
}

// === impl Outgoing ===

impl Outgoing {
    /// A stream of what is sent into the channel.
    pub fn new(messages: mpsc::Receiver<Bytes>) -> Self {
        Self(messages)
    }
}

impl Stream for Outgoing {
    type Item = Bytes;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Bytes>> {
        self.0.poll_recv(context)
    }
}
