//! Server of `narrows.test.Echo` on tonic.
//!
//! It runs on a thread of its own; when it goes out of scope its sockets close at once, as with a machine that
//! is switched off. All methods are served as streams: on the wire there is no difference.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use narrows_testkit::servers::{Authority, Certificate, Signed};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tonic::body::Body;
use tonic::codec::{CompressionEncoding, Streaming};
use tonic::codegen::{BoxFuture, Service};
use tonic::metadata::{BinaryMetadataValue, MetadataMap, MetadataValue};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Code, Request, Response, Status};

use crate::codec::{Raw, message};

/// A running server.
#[derive(Debug)]
pub struct EchoServer {
    /// Where it serves.
    pub address: SocketAddr,
    calls: Arc<AtomicU64>,
    runtime: Option<Runtime>,
}

/// The service itself.
#[derive(Debug, Clone)]
struct Echo {
    node: Arc<str>,
    calls: Arc<AtomicU64>,
}

/// One call of a known method.
#[derive(Debug, Clone)]
struct Call {
    method: Method,
    node: Arc<str>,
    request_encoding: Option<String>,
}

#[derive(Debug, Clone, Copy)]
enum Method {
    Unary,
    Empty,
    ClientStream,
    ServerStream,
    Bidi,
}

type Replies = mpsc::Sender<Result<Bytes, Status>>;

// === impl EchoServer ===

impl EchoServer {
    /// Starts a plaintext server that calls itself `node`.
    pub fn start(node: &str) -> Self {
        Self::serve(node, Server::builder(), (Ipv4Addr::LOCALHOST, 0).into())
    }

    /// Starts a plaintext server on an address that another one has left.
    pub fn start_at(node: &str, address: SocketAddr) -> Self {
        Self::serve(node, Server::builder(), address)
    }

    /// Starts a server that speaks TLS.
    ///
    /// # Panics
    ///
    /// When the certificate is not one.
    pub fn start_tls(node: &str, certificate: &Certificate) -> Self {
        let identity = Identity::from_pem(certificate.pem(), certificate.private_key_pem());
        let server = Server::builder().tls_config(ServerTlsConfig::new().identity(identity));
        Self::serve(
            node,
            server.expect("the certificate is valid"),
            (Ipv4Addr::LOCALHOST, 0).into(),
        )
    }

    /// Starts a server that speaks TLS with clients only that show a certificate of the authority.
    ///
    /// # Panics
    ///
    /// When a certificate is not one.
    pub fn start_mutual_tls(node: &str, certificate: &Signed, clients: &Authority) -> Self {
        let identity = Identity::from_pem(&certificate.certificate, &certificate.private_key);
        let authority = tonic::transport::Certificate::from_pem(clients.pem());
        let tls = ServerTlsConfig::new().identity(identity).client_ca_root(authority);
        let server = Server::builder().tls_config(tls).expect("the certificates are valid");
        Self::serve(node, server, (Ipv4Addr::LOCALHOST, 0).into())
    }

    /// How many calls have reached it.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    fn serve(node: &str, server: Server, address: SocketAddr) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a thread can be started");
        let calls = Arc::new(AtomicU64::new(0));
        let echo = Echo { node: node.into(), calls: Arc::clone(&calls) };
        let guard = runtime.enter();
        let incoming =
            TcpIncoming::bind(address).expect("the address is free").with_nodelay(Some(true));
        let address = incoming.local_addr().expect("a bound listener has an address");
        drop(guard);
        let server = server
            .initial_stream_window_size(1 << 20)
            .initial_connection_window_size(4 << 20)
            .http2_max_header_list_size(64 << 10);
        runtime.spawn(server.serve_with_incoming(echo, incoming));
        Self { address, calls, runtime: Some(runtime) }
    }
}

impl Drop for EchoServer {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

// === impl Echo ===

impl Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let Some(method) = Method::of(request.uri().path()) else {
            let reply = Status::unimplemented(request.uri().path()).into_http::<Body>();
            return Box::pin(async { Ok(reply) });
        };
        let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
        let request_encoding = header("grpc-encoding").map(str::to_owned);
        let call = Call { method, node: Arc::clone(&self.node), request_encoding };
        let mut grpc = tonic::server::Grpc::new(Raw)
            .max_decoding_message_size(usize::MAX)
            .accept_compressed(CompressionEncoding::Gzip);
        if header("x-compress") == Some("gzip") {
            grpc = grpc.send_compressed(CompressionEncoding::Gzip);
        }
        Box::pin(async move { Ok(grpc.streaming(call, request).await) })
    }
}

// === impl Method ===

impl Method {
    fn of(path: &str) -> Option<Self> {
        match path.strip_prefix("/narrows.test.Echo/")? {
            "Unary" => Some(Self::Unary),
            "Empty" => Some(Self::Empty),
            "ClientStream" => Some(Self::ClientStream),
            "ServerStream" => Some(Self::ServerStream),
            "Bidi" => Some(Self::Bidi),
            _ => None,
        }
    }
}

// === impl Call ===

impl Service<Request<Streaming<Bytes>>> for Call {
    type Response = Response<tonic::codegen::BoxStream<Bytes>>;
    type Error = Status;
    type Future = BoxFuture<Self::Response, Status>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Streaming<Bytes>>) -> Self::Future {
        let call = self.clone();
        Box::pin(async move {
            let asked = request.metadata().clone();
            let status = call.status(&asked);
            if status.code() != Code::Ok {
                return Err(status);
            }
            let (replies, stream) = mpsc::channel(4);
            let head = call.head(&asked);
            tokio::spawn(call.run(request, replies, status));
            let stream: tonic::codegen::BoxStream<Bytes> = Box::pin(Incoming(stream));
            let mut response = Response::new(stream);
            *response.metadata_mut() = head;
            Ok(response)
        })
    }
}

impl Call {
    /// The initial metadata.
    fn head(&self, asked: &MetadataMap) -> MetadataMap {
        let mut head = MetadataMap::new();
        head.insert("x-node", self.node.parse().expect("a node's name is plain"));
        if let Some(value) = asked.get("x-echo-initial") {
            head.insert("x-echo-initial", value.clone());
        }
        if let Some(encoding) = self.request_encoding.as_deref().and_then(|name| name.parse().ok())
        {
            head.insert("x-request-encoding", encoding);
        }
        head
    }

    /// The status to end with, and the trailers.
    fn status(&self, asked: &MetadataMap) -> Status {
        let mut trailers = MetadataMap::new();
        if let Some(value) = asked.get_bin("x-echo-trailing-bin").and_then(bytes_of) {
            trailers.insert_bin("x-echo-trailing-bin", BinaryMetadataValue::from_bytes(&value));
        }
        let code = number(asked, "x-status").unwrap_or(0);
        let text = asked.get_bin("x-message-bin").and_then(bytes_of).unwrap_or_default();
        let code = i32::try_from(code).map_or(Code::Unknown, Code::from);
        Status::with_metadata(code, String::from_utf8_lossy(&text), trailers)
    }

    /// Answers. tonic sends trailers with a good status only if the stream ends with it as if it were an error.
    async fn run(self, request: Request<Streaming<Bytes>>, replies: Replies, end: Status) {
        let asked = request.metadata().clone();
        if let Some(delay) = number(&asked, "x-delay-ms") {
            tokio::time::sleep(Duration::from_millis(delay)).await;
        }
        let end = match self.answer(request.into_inner(), &asked, &replies).await {
            Ok(()) => end,
            Err(status) => status,
        };
        // The receiver is gone when the client has cancelled.
        let _ = replies.send(Err(end)).await;
    }

    async fn answer(
        &self,
        mut requests: Streaming<Bytes>,
        asked: &MetadataMap,
        replies: &Replies,
    ) -> Result<(), Status> {
        let (mut count, mut bytes) = (0, 0);
        while let Some(request) = requests.message().await? {
            count += 1;
            bytes += request.len();
            match self.method {
                Method::Unary => {
                    let size =
                        number(asked, "x-reply-size").and_then(|size| usize::try_from(size).ok());
                    reply(replies, size.map_or(request, message)).await?;
                }
                Method::Empty => reply(replies, Bytes::new()).await?,
                Method::ClientStream => {}
                Method::ServerStream => {
                    for size in String::from_utf8_lossy(&request).split_whitespace() {
                        let size = size.parse().map_err(|_| Status::invalid_argument("sizes"))?;
                        reply(replies, message(size)).await?;
                    }
                }
                Method::Bidi => reply(replies, request).await?,
            }
        }
        if matches!(self.method, Method::ClientStream) {
            reply(replies, format!("{count} {bytes}").into()).await?;
        }
        Ok(())
    }
}

/// The receiving end as a stream.
struct Incoming(mpsc::Receiver<Result<Bytes, Status>>);

impl tonic::codegen::tokio_stream::Stream for Incoming {
    type Item = Result<Bytes, Status>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}

async fn reply(replies: &Replies, message: Bytes) -> Result<(), Status> {
    replies.send(Ok(message)).await.map_err(|_| Status::cancelled("the client is gone"))
}

fn number(asked: &MetadataMap, name: &str) -> Option<u64> {
    asked.get(name)?.to_str().ok()?.parse().ok()
}

fn bytes_of(value: &MetadataValue<tonic::metadata::Binary>) -> Option<Bytes> {
    value.to_bytes().ok()
}
