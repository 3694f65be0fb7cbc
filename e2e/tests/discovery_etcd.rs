//! Nodes in a real etcd: leases that end, and a server that is killed, paused, cut off, and compacted.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::time::Duration;

use narrows_e2e::client::EchoClient;
use narrows_e2e::config;
use narrows_e2e::discovery::{answering, becomes, soon_becomes, stays};
use narrows_e2e::server::EchoServer;
use narrows_testkit::process::eventually;
use narrows_testkit::servers::{Etcd, Narrows, Wire, free_address};

const PREFIX: &str = "/services/echo/";

/// How long a server is away.
const OUTAGE: Duration = Duration::from_secs(3);

#[tokio::test]
async fn a_node_that_joins_gets_calls_and_one_whose_lease_ends_gets_none() {
    let server = Etcd::start();
    let nodes = ["0", "1", "2"].map(EchoServer::start);
    server.put(&format!("{PREFIX}{}", nodes[0].address), "");
    server.put("/services/echoes", "127.0.0.1:1");
    let (_gateway, client) = serve(server.address(), 1).await;
    let lease = server.lease(1);
    lease.put(&format!("{PREFIX}member-1"), &nodes[1].address.to_string());
    soon_becomes(&client, &["0", "1"]).await;
    let object = format!(r#"{{"address":"{}","weight":2}}"#, nodes[2].address);
    server.put(&format!("{PREFIX}v1/member-2"), &object);
    soon_becomes(&client, &["0", "1", "2"]).await;
    // A process that dies without a word: its lease ends, and its key with it.
    drop(lease);
    becomes(&client, &["0", "2"]).await;
    server.delete(&format!("{PREFIX}v1/member-2"));
    soon_becomes(&client, &["0"]).await;
}

#[tokio::test]
async fn calls_go_on_while_the_server_is_dead() {
    let mut server = Etcd::start();
    let nodes = ["0", "1", "2"].map(EchoServer::start);
    let (gateway, client) = serve_nodes(&server, server.address(), &nodes[..2]).await;
    server.kill();
    eventually("it is seen", || gateway.metric("narrows_discovery_up", "etcd") == 0.0);
    stays(&client, &["0", "1"], OUTAGE).await;
    server.revive();
    server.put(&format!("{PREFIX}{}", nodes[2].address), "");
    becomes(&client, &["0", "1", "2"]).await;
    assert_eq!(gateway.metric("narrows_discovery_up", "etcd"), 1.0);
}

#[tokio::test]
async fn calls_go_on_while_the_server_is_paused() {
    let server = Etcd::start();
    let nodes = ["0", "1", "2"].map(EchoServer::start);
    let (gateway, client) = serve_nodes(&server, server.address(), &nodes[..2]).await;
    server.pause();
    eventually("it is seen", || gateway.metric("narrows_discovery_up", "etcd") == 0.0);
    stays(&client, &["0", "1"], OUTAGE).await;
    server.resume();
    server.put(&format!("{PREFIX}{}", nodes[2].address), "");
    becomes(&client, &["0", "1", "2"]).await;
}

#[tokio::test]
async fn changes_that_were_compacted_away_while_cut_off_are_not_missed() {
    let server = Etcd::start();
    let nodes = ["0", "1", "2"].map(EchoServer::start);
    let wire = Wire::to(server.address());
    let (gateway, client) = serve_nodes(&server, wire.address, &nodes[..2]).await;
    wire.cut();
    eventually("it is seen", || gateway.metric("narrows_discovery_up", "etcd") == 0.0);
    server.put(&format!("{PREFIX}{}", nodes[2].address), "");
    server.delete(&format!("{PREFIX}{}", nodes[0].address));
    for n in 0..100 {
        server.put("/elsewhere", &n.to_string());
    }
    server.compact();
    stays(&client, &["0", "1"], OUTAGE).await;
    wire.mend();
    becomes(&client, &["1", "2"]).await;
}

#[tokio::test]
async fn another_server_is_found_when_the_first_is_away() {
    let server = Etcd::start();
    let node = EchoServer::start("0");
    server.put(&format!("{PREFIX}{}", node.address), "");
    let away = free_address();
    let endpoints = format!("'{away}', '{}'", server.address());
    let gateway = Narrows::start(&discovered(&endpoints));
    let client = EchoClient::connect(gateway.address(), None).await;
    soon_becomes(&client, &["0"]).await;
    assert_eq!(gateway.metric("narrows_discovery_errors_total", "etcd"), 0.0);
}

#[tokio::test]
async fn a_start_without_the_server_takes_the_nodes_of_the_last_time() {
    let mut server = Etcd::start();
    let nodes = ["0", "1"].map(EchoServer::start);
    let (gateway, client) = serve_nodes(&server, server.address(), &nodes).await;
    drop(client);
    server.kill();
    let gateway = gateway.restart(&discovered(&format!("'{}'", server.address())));
    let client = EchoClient::connect(gateway.address(), None).await;
    becomes(&client, &["0", "1"]).await;
    server.revive();
    server.delete(&format!("{PREFIX}{}", nodes[0].address));
    becomes(&client, &["1"]).await;
}

async fn serve_nodes(server: &Etcd, at: SocketAddr, nodes: &[EchoServer]) -> (Narrows, EchoClient) {
    for node in nodes {
        server.put(&format!("{PREFIX}{}", node.address), "");
    }
    serve(at, nodes.len()).await
}

async fn serve(at: SocketAddr, nodes: usize) -> (Narrows, EchoClient) {
    let gateway = Narrows::start(&discovered(&format!("'{at}'")));
    eventually("the nodes are known", || {
        gateway.metric("narrows_discovery_nodes", "etcd") == nodes as f64
    });
    let client = EchoClient::connect(gateway.address(), None).await;
    assert_eq!(answering(&client).await.len(), nodes);
    (gateway, client)
}

fn discovered(endpoints: &str) -> String {
    config::discovered(&format!(
        "etcd: {{ endpoints: [{endpoints}], prefix: {PREFIX}, timeout: 1s }}, hold: 3s"
    ))
}
