//! Nodes that fail, say that they do not serve, and are drained, between real clients and servers.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use narrows_e2e::client::EchoClient;
use narrows_e2e::config;
use narrows_e2e::server::EchoServer;
use narrows_testkit::process::{Signal, eventually};
use narrows_testkit::servers::{GrpcServer, Narrows, Stack};
use tonic::Code;

/// A configuration with more keys for its only upstream.
fn with(config: &str, keys: &str) -> String {
    config.replace("protocol: h2c,", &format!("protocol: h2c, {keys},"))
}

fn in_service(gateway: &Narrows, node: std::net::SocketAddr) -> bool {
    let labels = format!("upstream=\"nodes\",endpoint=\"{node}\"");
    gateway.metric("narrows_endpoint_in_service", &labels) == 1.0
}

#[tokio::test]
async fn a_drained_node_keeps_its_streams_and_gets_no_new_calls() {
    let nodes = [EchoServer::start("one"), EchoServer::start("two")];
    let gateway = Narrows::start(&config::fixed(&[nodes[0].address, nodes[1].address]));
    let client = EchoClient::connect(gateway.address(), None).await;
    let mut streams = Vec::new();
    for _ in 0..4 {
        let mut stream = client.converse().await.unwrap();
        stream.exchange(Bytes::from_static(b"open")).await.unwrap();
        streams.push(stream);
    }
    let node = nodes[0].address.to_string();
    assert!(gateway.control(&["drain", &node]).contains("nodes"));
    let before = nodes[0].calls();
    for _ in 0..10 {
        client.unary(Bytes::new()).await.unwrap();
    }
    assert_eq!(nodes[0].calls(), before);
    for mut stream in streams {
        assert_eq!(stream.exchange(Bytes::from_static(b"on")).await.unwrap(), "on");
        stream.finish().await.expect("a stream ends well");
    }
    gateway.control(&["undrain", &node]);
    for _ in 0..10 {
        client.unary(Bytes::new()).await.unwrap();
    }
    assert_eq!(nodes[0].calls(), before + 5);
}

#[tokio::test]
async fn streams_to_a_drained_node_end_after_the_grace() {
    let node = EchoServer::start("node");
    let config = with(&config::fixed(&[node.address]), "drain_timeout: 300ms");
    let gateway = Narrows::start(&config);
    let client = EchoClient::connect(gateway.address(), None).await;
    let mut stream = client.converse().await.unwrap();
    stream.exchange(Bytes::from_static(b"open")).await.unwrap();
    gateway.control(&["drain", &node.address.to_string()]);
    let status = stream.hear().await.expect_err("the grace is over");
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert_eq!(status.message(), "the node is taken out of service");
}

#[tokio::test]
async fn callers_do_not_see_a_node_that_is_killed_for_long() {
    let mut nodes: Vec<_> =
        ["one", "two"].map(|node| GrpcServer::start(Stack::Grpcio, node, None)).into();
    let gateway = Narrows::start(&config::fixed(&[nodes[0].address, nodes[1].address]));
    let client = EchoClient::connect(gateway.address(), None).await;
    for _ in 0..10 {
        client.unary(Bytes::new()).await.unwrap();
    }
    nodes[0].process().signal(Signal::Kill);
    nodes[0].process().wait();
    let mut failed = 0;
    for _ in 0..40 {
        failed += usize::from(client.unary(Bytes::new()).await.is_err());
    }
    assert!(failed <= 5, "{failed} calls");
    assert!(!in_service(&gateway, nodes[0].address));
    let labels = "upstream=\"nodes\",reason=\"consecutive_connect_failures\"";
    assert_eq!(gateway.metric("narrows_ejections_total", labels), 1.0);
}

/// The node is another gateway, which says NOT_SERVING by its own health service while it drains.
#[tokio::test]
async fn a_node_that_says_that_it_does_not_serve_is_taken_out_at_once() {
    let echo = EchoServer::start("node");
    let drain = format!("{}drain: {{ grace: 1h }}\n", config::fixed(&[echo.address]));
    let node = Narrows::start(&drain);
    // It is asked but once a minute: only what it says by itself is in time.
    let check = "health_check: { grpc: {}, interval: 1m }, panic_threshold: 0";
    let gateway = Narrows::start(&with(&config::fixed(&[node.address()]), check));
    let passed = "upstream=\"nodes\",result=\"passed\"";
    eventually("a check passes", || gateway.metric("narrows_health_checks_total", passed) > 0.0);
    let client = EchoClient::connect(gateway.address(), None).await;
    let mut stream = client.converse().await.unwrap();
    stream.exchange(Bytes::from_static(b"keeps the node alive")).await.unwrap();
    node.control(&["drain"]);
    eventually("the node is out of service", || !in_service(&gateway, node.address()));
    let status = client.unary(Bytes::new()).await.expect_err("there is no other node");
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    stream.finish().await.expect("a stream that is open ends well");
}
