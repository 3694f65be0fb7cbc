//! Nodes that pass and fail their checks, asked over real sockets.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};

use narrows_gateway::clock;
use narrows_gateway::endpoints::{Endpoint, Member};
use narrows_gateway::target::Target;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tonic::body::Body;
use tonic::codegen::{Service, http as wire, tokio_stream};
use tonic::server::{Grpc, ServerStreamingService, UnaryService};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use super::grpc::{HealthCheckRequest, HealthCheckResponse};
use super::*;
use crate::reflection::codec::Prost;

/// Nothing here takes long unless it goes wrong.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_node_that_answers_badly_is_taken_out_and_comes_back() {
    let (status, node) = http_node("200 OK").await;
    let scene = Scene::check(node, http_probe(HttpVersion::Http1)).await;
    scene.becomes(Health::Passing, 1).await;
    status.send("503 Service Unavailable").expect("it listens");
    scene.becomes(Health::Failing, 0).await;
    assert_eq!(scene.failure().as_deref(), Some("answered with status 503"));
    status.send("204 No Content").expect("it listens");
    scene.becomes(Health::Passing, 0).await;
}

#[tokio::test]
async fn a_node_that_can_not_be_reached_is_taken_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let node = listener.local_addr().expect("bound");
    let scene = Scene::check(node, Probe::Tcp).await;
    scene.becomes(Health::Passing, 1).await;
    drop(listener);
    scene.becomes(Health::Failing, 0).await;
    assert!(scene.failure().expect("why").starts_with("can not connect"), "{:?}", scene.failure());
}

#[tokio::test]
async fn a_node_that_never_answers_is_taken_out() {
    // It accepts and is silent.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let node = listener.local_addr().expect("bound");
    let scene = Scene::check(node, http_probe(HttpVersion::Http1)).await;
    scene.becomes(Health::Failing, 3).await;
    assert_eq!(scene.failure().as_deref(), Some("no answer within 1s"));
}

#[tokio::test]
async fn a_node_says_at_once_that_it_does_not_serve() {
    let (says, node) = grpc_node().await;
    let probe = Probe::Grpc { service: "a.B".into(), watch: Watching::Yes };
    // Asked so seldom that only what the node says by itself can be in time.
    let interval = 100 * PATIENCE;
    let scene = Scene::with(node, Settings { interval, ..settings(probe) }).await;
    scene.becomes(Health::Passing, 1).await;
    says.send(2).expect("it listens");
    scene.becomes(Health::Failing, 0).await;
    assert_eq!(scene.failure().as_deref(), Some("says NOT_SERVING"));
    says.send(1).expect("it listens");
    scene.becomes(Health::Passing, 0).await;
}

#[tokio::test]
async fn a_node_is_asked_by_calls_and_by_requests_over_http_2() {
    let (says, node) = grpc_node().await;
    let probe = Probe::Grpc { service: "a.B".into(), watch: Watching::No };
    let scene = Scene::check(node, probe).await;
    scene.becomes(Health::Passing, 1).await;
    says.send(3).expect("it listens");
    scene.becomes(Health::Failing, 0).await;
    assert_eq!(scene.failure().as_deref(), Some("says SERVICE_UNKNOWN"));

    let scene = Scene::check(node, http_probe(HttpVersion::Http2)).await;
    scene.becomes(Health::Passing, 1).await;
}

#[tokio::test]
async fn a_node_that_has_to_prove_itself_is_out_of_service_until_then() {
    let (_status, node) = http_node("200 OK").await;
    let probe = http_probe(HttpVersion::Http1);
    let settings = Settings { initial: Health::Failing, ..settings(probe) };
    let scene = Scene::new(node, settings);
    assert_eq!(scene.endpoint().health(), Health::Failing);
    scene.follow().await.becomes(Health::Passing, 1).await;
}

#[tokio::test]
async fn a_reload_does_not_touch_a_check_that_stays_and_ends_one_that_goes() {
    let (status, node) = http_node("503 Busy").await;
    let scene = Scene::check(node, http_probe(HttpVersion::Http1)).await;
    scene.becomes(Health::Failing, 3).await;
    let asked = scene.asked();
    // The same in new words, on a set that takes the place of the one before.
    let again =
        Endpoints::following(&scene.checks.borrow()[0].endpoints, members(node), clock::now());
    let checks = Checks {
        upstream: "nodes".into(),
        endpoints: Arc::new(again),
        settings: scene.checks.borrow()[0].settings.clone(),
    };
    scene.checks.send_replace(vec![Arc::new(checks)]);
    scene.becomes(Health::Failing, asked + 2).await;
    status.send("200 OK").expect("it listens");
    scene.becomes(Health::Passing, 0).await;

    status.send("503 Busy").expect("it listens");
    scene.becomes(Health::Failing, 0).await;
    scene.checks.send_replace(vec![]);
    scene.becomes(Health::Passing, 0).await;
    assert_eq!(scene.board.counts(), [], "nobody is checked any more");
}

/// A node that is checked.
struct Scene {
    endpoint: Arc<Endpoint>,
    board: Arc<Board>,
    checks: watch::Sender<Vec<Arc<Checks>>>,
    task: Option<tokio::task::JoinHandle<()>>,
}

fn settings(probe: Probe) -> Settings {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has them")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let tls = Arc::new(ClientTls { config: Arc::new(tls), server_name: None });
    Settings {
        way: Way::new(Security::Plain, &tls, &probe),
        probe,
        port: None,
        interval: Duration::from_millis(10),
        unhealthy_interval: Duration::from_millis(10),
        timeout: Duration::from_secs(1),
        jitter_percent: 10,
        rise: 2,
        fall: 3,
        initial: Health::Passing,
    }
}

fn http_probe(version: HttpVersion) -> Probe {
    let (path, status) = ("/healthz".to_owned(), vec![(200, 299)]);
    Probe::Http(HttpProbe { version, method: "GET", path, host: None, status })
}

fn members(node: SocketAddr) -> Vec<Member> {
    let target = Arc::new(Target::from(node));
    vec![Member { target, weight: 1, priority: 0, labels: BTreeMap::new() }]
}

// === impl Scene ===

impl Scene {
    async fn check(node: SocketAddr, probe: Probe) -> Self {
        Self::with(node, settings(probe)).await
    }

    async fn with(node: SocketAddr, settings: Settings) -> Self {
        Self::new(node, settings).follow().await
    }

    fn new(node: SocketAddr, settings: Settings) -> Self {
        let endpoints = Arc::new(Endpoints::new(1));
        endpoints.begin_with(settings.initial);
        endpoints.replace(members(node), clock::now());
        let endpoint = endpoints.entries()[0].endpoint.clone();
        let settings = Arc::new(settings);
        let checks = vec![Arc::new(Checks { upstream: "nodes".into(), endpoints, settings })];
        Self { endpoint, board: Arc::default(), checks: watch::channel(checks).0, task: None }
    }

    async fn follow(mut self) -> Self {
        let checks = self.checks.subscribe();
        let current = move || checks.borrow().clone();
        self.task = Some(tokio::spawn(follow(self.board.clone(), current)));
        self
    }

    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    fn asked(&self) -> u64 {
        self.board.counts().iter().map(|(_, counts)| counts.passed + counts.failed).sum()
    }

    fn failure(&self) -> Option<String> {
        self.board.last(&"nodes".into(), &self.endpoint.target.to_string())?.failure
    }

    /// Waits until the node is taken for that, and has been asked so often at least.
    async fn becomes(&self, health: Health, asked: u64) {
        let is_there = async {
            while self.endpoint.health() != health || self.asked() < asked {
                tokio::task::yield_now().await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, is_there).await;
        assert!(waited.is_ok(), "not {health:?}: {:?}", self.board);
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.task.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

/// A node that answers each request with a status.
async fn http_node(status: &'static str) -> (watch::Sender<&'static str>, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let (sender, says) = watch::channel(status);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let status = *says.borrow();
            let mut request = [0; 1024];
            let read = stream.read(&mut request).await.unwrap_or(0);
            let text = String::from_utf8_lossy(&request[..read]);
            assert!(text.starts_with("GET /healthz HTTP/1.1\r\nhost: 127.0.0.1:"), "{text}");
            let reply = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
            // A check may have given up.
            let _ = stream.write_all(reply.as_bytes()).await;
        }
    });
    (sender, address)
}

/// A node that serves `grpc.health.v1.Health` and says what it is told to.
async fn grpc_node() -> (watch::Sender<i32>, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let (sender, says) = watch::channel(1);
    let incoming = TcpIncoming::from(listener);
    tokio::spawn(Server::builder().serve_with_incoming(Node(says), incoming));
    (sender, address)
}

#[derive(Clone)]
struct Node(watch::Receiver<i32>);

/// What a node says from now on, each time that it changes.
struct Said(Mutex<tokio::sync::mpsc::Receiver<i32>>);

type Answering<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl Service<wire::Request<Body>> for Node {
    type Response = wire::Response<Body>;
    type Error = Infallible;
    type Future = Answering<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: wire::Request<Body>) -> Self::Future {
        let node = self.clone();
        let mut grpc = Grpc::new(Prost::<HealthCheckResponse, HealthCheckRequest>::default());
        Box::pin(async move {
            Ok(match request.uri().path() {
                "/grpc.health.v1.Health/Check" => grpc.unary(node, request).await,
                "/grpc.health.v1.Health/Watch" => grpc.server_streaming(node, request).await,
                _ => Status::unimplemented("no such method").into_http(),
            })
        })
    }
}

impl UnaryService<HealthCheckRequest> for Node {
    type Response = HealthCheckResponse;
    type Future = std::future::Ready<Result<Response<HealthCheckResponse>, Status>>;

    fn call(&mut self, request: Request<HealthCheckRequest>) -> Self::Future {
        assert_eq!(request.get_ref().service, "a.B");
        let status = *self.0.borrow();
        std::future::ready(Ok(Response::new(HealthCheckResponse { status })))
    }
}

impl ServerStreamingService<HealthCheckRequest> for Node {
    type Response = HealthCheckResponse;
    type ResponseStream = Said;
    type Future = std::future::Ready<Result<Response<Said>, Status>>;

    fn call(&mut self, _: Request<HealthCheckRequest>) -> Self::Future {
        let (sender, receiver) = tokio::sync::mpsc::channel(8);
        let mut says = self.0.clone();
        tokio::spawn(async move {
            loop {
                let status = *says.borrow_and_update();
                if sender.send(status).await.is_err() || says.changed().await.is_err() {
                    return;
                }
            }
        });
        std::future::ready(Ok(Response::new(Said(Mutex::new(receiver)))))
    }
}

impl tokio_stream::Stream for Said {
    type Item = Result<HealthCheckResponse, Status>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut receiver = self.0.lock().expect("no panic");
        receiver
            .poll_recv(context)
            .map(|said| said.map(|status| Ok(HealthCheckResponse { status })))
    }
}
