//! Jobs in the embedded store, edited by the command line while calls are made.

use bytes::Bytes;
use narrows_e2e::client::EchoClient;
use narrows_e2e::config;
use narrows_e2e::server::EchoServer;
use narrows_testkit::servers::Narrows;
use tonic::Code;

#[tokio::test]
async fn a_job_is_routable_the_moment_it_is_set() {
    let (first, second) = (EchoServer::start("first"), EchoServer::start("second"));
    let gateway = Narrows::start(&config::embedded());
    let client = EchoClient::connect(gateway.address(), None).await.with("jobid", "job-1");

    assert_eq!(client.unary(Bytes::new()).await.unwrap_err().code(), Code::NotFound);
    gateway.control(&["route", "set", "job-1", &first.address.to_string()]);
    assert_eq!(client.unary(Bytes::new()).await.unwrap().node(), "first");
    gateway.control(&["route", "set", "job-1", &second.address.to_string()]);
    assert_eq!(client.unary(Bytes::new()).await.unwrap().node(), "second");
    gateway.control(&["route", "del", "job-1"]);
    assert_eq!(client.unary(Bytes::new()).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn jobs_survive_a_restart() {
    let node = EchoServer::start("node");
    let gateway = Narrows::start(&config::embedded());
    gateway.control(&["route", "set", "job-1", &node.address.to_string()]);
    let gateway = gateway.restart(&config::embedded());

    let client = EchoClient::connect(gateway.address(), None).await.with("jobid", "job-1");
    assert_eq!(client.unary(Bytes::new()).await.unwrap().node(), "node");
    let listed = gateway.control(&["route", "list"]);
    assert!(listed.contains("job-1") && listed.contains(&node.address.to_string()), "{listed}");
    let got = gateway.control(&["route", "get", "job-1"]);
    assert!(got.contains(&node.address.to_string()), "{got}");
}

/// A call that has begun stays with its node when its job moves.
#[tokio::test]
async fn an_open_stream_stays_where_it_is_when_its_job_moves() {
    let (first, second) = (EchoServer::start("first"), EchoServer::start("second"));
    let gateway = Narrows::start(&config::embedded());
    gateway.control(&["route", "set", "job-1", &first.address.to_string()]);
    let client = EchoClient::connect(gateway.address(), None).await.with("jobid", "job-1");
    let mut call = client.converse().await.unwrap();
    assert_eq!(call.exchange(Bytes::from_static(b"before")).await.unwrap(), "before");

    gateway.control(&["route", "set", "job-1", &second.address.to_string()]);

    assert_eq!(client.unary(Bytes::new()).await.unwrap().node(), "second");
    assert_eq!(call.exchange(Bytes::from_static(b"after")).await.unwrap(), "after");
    call.finish().await.unwrap();
}
