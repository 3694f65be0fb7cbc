//! Descriptors that nodes tell of themselves: real ones, and one that follows a script.

#[path = "reflection/scripted.rs"]
mod scripted;

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};

use narrows_control::reflection::{self, Reflected, ReflectionError};
use narrows_testkit::servers::repository;
use narrows_transcode::{Options, Transcoder};
use prost_reflect::DescriptorPool;
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Endpoint, Server};

use scripted::Scripted;

fn library() -> Vec<u8> {
    let protos = repository().join("crates/transcode/tests/protos");
    let mut compiler = protox::Compiler::new([protos]).expect("the directory is there");
    compiler.include_imports(true).open_file("library.proto").expect("our own file compiles");
    compiler.encode_file_descriptor_set()
}

/// Serves on a free port until the runtime ends.
fn serve<S>(service: S) -> SocketAddr
where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send + 'static,
{
    let incoming = TcpIncoming::bind((Ipv4Addr::LOCALHOST, 0).into()).expect("a free port");
    let address = incoming.local_addr().expect("a bound listener has an address");
    tokio::spawn(Server::builder().serve_with_incoming(service, incoming));
    address
}

async fn fetch(address: SocketAddr) -> Result<Reflected, ReflectionError> {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("a URL");
    reflection::fetch(endpoint.connect_lazy()).await
}

fn services(set: &[u8]) -> Vec<String> {
    let pool = DescriptorPool::decode(set).expect("all imports are there");
    pool.services().map(|service| service.full_name().to_owned()).collect()
}

fn real() -> tonic_reflection::server::Builder<'static> {
    let set: &'static [u8] = library().leak();
    tonic_reflection::server::Builder::configure().register_encoded_file_descriptor_set(set)
}

#[tokio::test]
async fn a_real_node_describes_itself() {
    let service = real().build_v1().expect("a good set");
    let address = serve(service);
    let reflected = fetch(address).await.expect("it answers");
    assert_eq!(services(&reflected.descriptor_set), ["test.v1.Library"]);
    assert!(reflected.undescribed.is_empty());
    let transcoder = Transcoder::new(&reflected.descriptor_set, Options::default());
    let bindings = transcoder.expect("no fault");
    assert!(bindings.bindings().any(|binding| binding.path() == "/test.v1.Library/Echo"));
    assert_eq!(fetch(address).await.expect("it answers"), reflected);
}

#[tokio::test]
async fn a_real_node_that_knows_only_the_older_version_does_too() {
    let service = real().build_v1alpha().expect("a good set");
    let address = serve(service);
    let reflected = fetch(address).await.expect("it answers");
    assert_eq!(services(&reflected.descriptor_set), ["test.v1.Library"]);
}

#[tokio::test]
async fn annotations_survive() {
    let address = serve(Scripted::of(&library()));
    let reflected = fetch(address).await.expect("it answers");
    let transcoder = Transcoder::new(&reflected.descriptor_set, Options::default());
    let transcoder = transcoder.expect("no fault");
    assert!(transcoder.bindings().any(|binding| binding.path() == "/v1/shelves/{id}"));
    let whole = Transcoder::new(&library(), Options::default()).expect("no fault");
    assert_eq!(transcoder.bindings().count(), whole.bindings().count());
}

/// The files of google/protobuf come with every compiler; others must be told.
#[tokio::test]
async fn files_that_everybody_has_may_be_missing() {
    let mut node = Scripted::of(&library());
    node.forget("google/protobuf/timestamp.proto");
    node.forget("google/protobuf/descriptor.proto");
    let address = serve(node);
    let reflected = fetch(address).await.expect("it answers");
    assert_eq!(services(&reflected.descriptor_set), ["test.v1.Library"]);

    let mut node = Scripted::of(&library());
    node.forget("google/api/http.proto");
    let error = fetch(serve(node)).await.expect_err("no http.proto");
    let text = "google/api/http.proto is imported, but the node does not have it";
    assert_eq!(error.to_string(), text);
}

#[tokio::test]
async fn a_service_without_a_description_is_told() {
    let mut node = Scripted::of(&library());
    node.list("test.v1.Secret");
    let reflected = fetch(serve(node)).await.expect("it answers");
    assert_eq!(reflected.undescribed, ["test.v1.Secret"]);
    assert_eq!(services(&reflected.descriptor_set), ["test.v1.Library"]);
}

#[tokio::test]
async fn one_service_past_the_limit_is_too_much() {
    for (more, is_taken) in
        [(reflection::SERVICES_MAX - 1, true), (reflection::SERVICES_MAX, false)]
    {
        let mut node = Scripted::of(&library());
        (0..more).for_each(|number| node.list(&format!("test.v1.S{number}")));
        let reflected = fetch(serve(node)).await;
        assert_eq!(reflected.is_ok(), is_taken, "{more}");
    }
}

#[tokio::test]
async fn a_node_without_reflection_or_no_node_at_all_is_told() {
    let other = serve(scripted::Other);
    let error = fetch(other).await.expect_err("it has no reflection");
    assert!(error.to_string().contains("Unimplemented"), "{error}");
    let nobody = narrows_testkit::servers::free_address();
    let error = fetch(nobody).await.expect_err("nobody is there");
    assert!(error.to_string().contains("Unavailable"), "{error}");
}
