//! Server of `narrows.test.Shop` (`e2e/protos/shop.proto`) on tonic, with server reflection.
//!
//! It knows its messages by their descriptors only, so that a test can give it another schema. A method without a
//! behaviour of its own answers with the fields of the request that its reply has too. Like the other server, it
//! stops at once when it goes out of scope.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use narrows_testkit::process::Scratch;
use narrows_testkit::servers::{Certificate, repository};
use prost::Message as _;
use prost_reflect::{DescriptorPool, DeserializeOptions, DynamicMessage, MethodDescriptor};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, mpsc};
use tonic::body::Body;
use tonic::codec::Streaming;
use tonic::codegen::{BoxFuture, BoxStream, Service, tokio_stream};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Code, Request, Response, Status};

use crate::codec::Raw;

/// A running server.
#[derive(Debug)]
pub struct Shop {
    /// Where it serves.
    pub address: SocketAddr,
    items: Arc<Semaphore>,
    runtime: Option<Runtime>,
}

/// How a [`Shop`] is served.
#[derive(Debug, Clone, Copy)]
pub struct Serve<'a> {
    /// Encoded descriptors: [`descriptors`].
    pub set: &'a [u8],
    /// Port 0 lets the system choose.
    pub address: SocketAddr,
    /// `None`: in the clear.
    pub certificate: Option<&'a Certificate>,
}

/// All services of the server.
#[derive(Clone)]
struct Services<R> {
    pool: DescriptorPool,
    items: Arc<Semaphore>,
    reflection: R,
}

/// One call of a known method.
#[derive(Clone)]
struct Call {
    method: MethodDescriptor,
    items: Arc<Semaphore>,
}

type Replies = mpsc::Sender<Result<Bytes, Status>>;

/// The schema with these methods added, compiled.
///
/// # Panics
///
/// When it does not compile.
pub fn descriptors(more: &str) -> Vec<u8> {
    let place = Scratch::new("protos");
    let file = repository().join("e2e/protos/shop.proto");
    let text = std::fs::read_to_string(file).expect("the file is in the repository");
    let file = place.write("shop.proto", &text.replace("// MORE METHODS", more));
    let include = [place.path().to_owned(), repository().join("crates/transcode/tests/protos")];
    let mut compiler = protox::Compiler::new(include).expect("the directories are there");
    compiler.include_imports(true).include_source_info(true);
    compiler.open_file(file).expect("the schema compiles");
    compiler.encode_file_descriptor_set()
}

// === impl Shop ===

impl Shop {
    /// Starts a server in the clear.
    pub fn start() -> Self {
        let address = (Ipv4Addr::LOCALHOST, 0).into();
        Self::serve(Serve { set: &descriptors(""), address, certificate: None })
    }

    /// Starts a server.
    ///
    /// # Panics
    ///
    /// When the address is taken or the certificate is none.
    pub fn serve(serve: Serve<'_>) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a thread can be started");
        let items = Arc::new(Semaphore::new(0));
        let guard = runtime.enter();
        let incoming = TcpIncoming::bind(serve.address).expect("the address is free");
        let address = incoming.local_addr().expect("a bound listener has an address");
        drop(guard);
        let mut server = Server::builder();
        if let Some(certificate) = serve.certificate {
            let identity = Identity::from_pem(certificate.pem(), certificate.private_key_pem());
            let tls = ServerTlsConfig::new().identity(identity);
            server = server.tls_config(tls).expect("the certificate is valid");
        }
        let reflection = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(serve.set)
            .build_v1()
            .expect("the set is whole");
        let pool = DescriptorPool::decode(serve.set).expect("the set is whole");
        let services = Services { pool, items: items.clone(), reflection };
        runtime.spawn(server.serve_with_incoming(services, incoming));
        Self { address, items, runtime: Some(runtime) }
    }

    /// Lets those who watch have one more item.
    pub fn release(&self) {
        self.items.add_permits(1);
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

// === impl Services ===

impl<R> Service<http::Request<Body>> for Services<R>
where
    R: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>,
    R::Future: Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let path = request.uri().path();
        if path.starts_with("/grpc.reflection.") {
            return Box::pin(self.reflection.call(request));
        }
        let known = path.rsplit('/').next().and_then(|name| {
            self.pool
                .services()
                .flat_map(|s| s.methods().collect::<Vec<_>>())
                .find(|m| m.name() == name)
        });
        let Some(method) = known else {
            let reply = Status::unimplemented(path).into_http::<Body>();
            return Box::pin(async { Ok(reply) });
        };
        let call = Call { method, items: self.items.clone() };
        Box::pin(async move { Ok(tonic::server::Grpc::new(Raw).streaming(call, request).await) })
    }
}

// === impl Call ===

impl Service<Request<Streaming<Bytes>>> for Call {
    type Response = Response<BoxStream<Bytes>>;
    type Error = Status;
    type Future = BoxFuture<Self::Response, Status>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Streaming<Bytes>>) -> Self::Future {
        let (replies, stream) = mpsc::channel(4);
        tokio::spawn(self.clone().run(request.into_inner(), replies));
        let stream: BoxStream<Bytes> =
            Box::pin(tokio_stream::wrappers::ReceiverStream::new(stream));
        Box::pin(async { Ok(Response::new(stream)) })
    }
}

impl Call {
    async fn run(self, requests: Streaming<Bytes>, replies: Replies) {
        let end = self.answer(requests, &replies).await;
        if let Err(status) = end {
            // The receiver is gone when the caller has cancelled.
            let _ = replies.send(Err(status)).await;
        }
    }

    async fn answer(&self, mut requests: Streaming<Bytes>, to: &Replies) -> Result<(), Status> {
        let mut taken = Vec::new();
        while let Some(request) = requests.message().await? {
            taken.push(self.read(request)?);
        }
        let first = taken.first().cloned().unwrap_or_default();
        match self.method.name() {
            "Watch" => {
                for id in 1..=3 {
                    if id > 1 {
                        let permit = self.items.acquire().await;
                        permit.map_err(|_| Status::aborted("closed"))?.forget();
                    }
                    self.reply(to, json!({ "id": id, "name": "watched" })).await?;
                }
                Ok(())
            }
            "Import" => {
                let names: Vec<_> = taken.iter().map(|item| item["name"].clone()).collect();
                self.reply(to, json!({ "items": taken.len(), "names": names })).await
            }
            "Fail" => Err(failure(first["code"].as_i64().unwrap_or_default())),
            "Download" => {
                let picture = json!({ "contentType": "image/x-test", "data": "AAEC/w==" });
                self.reply(to, picture).await
            }
            _ => self.reply(to, first).await,
        }
    }

    fn read(&self, request: Bytes) -> Result<Value, Status> {
        let message = DynamicMessage::decode(self.method.input(), request);
        let message = message.map_err(|error| Status::invalid_argument(error.to_string()))?;
        serde_json::to_value(&message).map_err(|error| Status::internal(error.to_string()))
    }

    async fn reply(&self, to: &Replies, reply: Value) -> Result<(), Status> {
        let options = DeserializeOptions::new().deny_unknown_fields(false);
        let message =
            DynamicMessage::deserialize_with_options(self.method.output(), reply, &options)
                .map_err(|error| Status::internal(error.to_string()))?;
        let bytes = message.encode_to_vec().into();
        to.send(Ok(bytes)).await.map_err(|_| Status::cancelled("the caller is gone"))
    }
}

/// A status with a detail: a `google.protobuf.Duration` of five seconds.
fn failure(code: i64) -> Status {
    const STATUS: &[u8] =
        b"\x1a\x32\x0a\x2ctype.googleapis.com/google.protobuf.Duration\x12\x02\x08\x05";
    let code = i32::try_from(code).map_or(Code::Unknown, Code::from);
    let details = Bytes::from_static(STATUS);
    Status::with_details(code, "as you asked: 100 %", details)
}
