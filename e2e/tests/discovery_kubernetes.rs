//! Nodes of a service in Kubernetes, as a stand-in for its API server tells them over TLS.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::Ipv4Addr;
use std::time::Duration;

use narrows_e2e::client::EchoClient;
use narrows_e2e::config;
use narrows_e2e::discovery::{becomes, soon_becomes, stays};
use narrows_e2e::server::EchoServer;
use narrows_testkit::process::eventually;
use narrows_testkit::servers::{Kubernetes, Narrows, TOKEN};
use serde_json::{Value, json};

/// How long the server is away.
const OUTAGE: Duration = Duration::from_secs(3);

#[tokio::test]
async fn endpoints_that_are_ready_are_nodes() {
    let server = Kubernetes::start();
    let (nodes, port) = pods();
    server.put("echo-1", port, &[pod(0, ready()), pod(1, starting())]);
    let (_gateway, client) = serve(&server, 1).await;
    becomes(&client, &["0"]).await;
    server.put("echo-1", port, &[pod(0, ready()), pod(1, ready())]);
    soon_becomes(&client, &["0", "1"]).await;
    server.put("echo-2", port, &[pod(2, ready())]);
    soon_becomes(&client, &["0", "1", "2"]).await;
    server.put("echo-1", port, &[pod(0, ending()), pod(1, ready())]);
    soon_becomes(&client, &["1", "2"]).await;
    server.delete("echo-2");
    soon_becomes(&client, &["1"]).await;
    // None is ready: the one that still serves goes on.
    server.put("echo-1", port, &[pod(0, ending()), pod(1, starting())]);
    soon_becomes(&client, &["0"]).await;
    assert_eq!(server.lists(), 1, "all that followed was watched");
    drop(nodes);
}

#[tokio::test]
async fn calls_go_on_while_the_server_is_dead_and_what_was_forgotten_is_listed_anew() {
    let server = Kubernetes::start();
    let (nodes, port) = pods();
    server.put("echo-1", port, &[pod(0, ready()), pod(1, ready())]);
    let (gateway, client) = serve(&server, 2).await;
    server.kill();
    eventually("it is seen", || gateway.metric("narrows_discovery_up", "kubernetes") == 0.0);
    server.put("echo-1", port, &[pod(1, ready()), pod(2, ready())]);
    server.compact();
    stays(&client, &["0", "1"], OUTAGE).await;
    server.revive();
    becomes(&client, &["1", "2"]).await;
    assert_eq!(gateway.metric("narrows_discovery_up", "kubernetes"), 1.0);
    drop(nodes);
}

/// Three nodes at the same port of different addresses, as pods are.
fn pods() -> ([EchoServer; 3], u16) {
    let first = EchoServer::start("0");
    let port = first.address.port();
    let at = |n: u8| (Ipv4Addr::new(127, 0, 0, n), port).into();
    ([first, EchoServer::start_at("1", at(2)), EchoServer::start_at("2", at(3))], port)
}

fn pod(n: usize, conditions: Value) -> (&'static str, Value) {
    (["127.0.0.1", "127.0.0.2", "127.0.0.3"][n], conditions)
}

fn ready() -> Value {
    json!({ "ready": true, "serving": true, "terminating": false })
}

fn starting() -> Value {
    json!({ "ready": false, "serving": false, "terminating": false })
}

fn ending() -> Value {
    json!({ "ready": false, "serving": true, "terminating": true })
}

async fn serve(server: &Kubernetes, nodes: usize) -> (Narrows, EchoClient) {
    let ca = server.certificate().certificate();
    let source = format!(
        "kubernetes: {{ api_server: 'localhost:{}', service: echo, port: grpc, token_file: token, \
         tls: {{ ca: '{}' }} }}, hold: 3s",
        server.address().port(),
        ca.display()
    );
    let gateway = Narrows::start_with(&config::discovered(&source), &[("token", TOKEN)]);
    eventually("the nodes are known", || {
        gateway.metric("narrows_discovery_nodes", "kubernetes") == nodes as f64
    });
    let client = EchoClient::connect(gateway.address(), None).await;
    (gateway, client)
}
