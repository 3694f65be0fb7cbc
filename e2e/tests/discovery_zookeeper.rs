//! Nodes in a real ZooKeeper: ephemeral ones that come and die, and a server that is killed, paused, and cut off.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::time::Duration;

use narrows_e2e::client::EchoClient;
use narrows_e2e::config;
use narrows_e2e::discovery::{answering, becomes, soon_becomes, stays};
use narrows_e2e::server::EchoServer;
use narrows_testkit::process::eventually;
use narrows_testkit::servers::{Narrows, Wire, Zookeeper, ZookeeperSession};

const PATH: &str = "/services/echo";

/// Longer than any outage of a test, so that only what a test ends has ended.
const LONG: Duration = Duration::from_secs(50);

/// How long a server is away: longer than the gateway's session lives.
const OUTAGE: Duration = Duration::from_secs(4);

#[tokio::test]
async fn a_node_that_joins_gets_calls_and_one_that_dies_gets_none() {
    let server = Zookeeper::start();
    let nodes = ["0", "1", "2"].map(EchoServer::start);
    let admin = server.session(LONG);
    let dying = server.session(Duration::from_millis(500));
    // The path is not there yet: no nodes, and it is waited for.
    let gateway = start(server.address());
    admin.create(PATH, "");
    admin.create_ephemeral(&format!("{PATH}/{}", nodes[0].address), "");
    let client = EchoClient::connect(gateway.address(), None).await;
    eventually("the first node is known", || nodes_known(&gateway) == 1.0);
    soon_becomes(&client, &["0"]).await;

    // By its name, by its data, by an object.
    dying.create_ephemeral(&format!("{PATH}/member-1"), &nodes[1].address.to_string());
    soon_becomes(&client, &["0", "1"]).await;
    let object = format!(r#"{{"address":"{}","weight":2}}"#, nodes[2].address);
    admin.create(&format!("{PATH}/member-2"), &object);
    soon_becomes(&client, &["0", "1", "2"]).await;
    // A process that dies without a word: its session ends, and its node with it.
    drop(dying);
    becomes(&client, &["0", "2"]).await;
    admin.set(&format!("{PATH}/member-2"), &object.replace(":2}", ":0}"));
    soon_becomes(&client, &["0"]).await;
    admin.set(&format!("{PATH}/member-2"), &nodes[1].address.to_string());
    soon_becomes(&client, &["0", "1"]).await;
    admin.delete(&format!("{PATH}/member-2"));
    soon_becomes(&client, &["0"]).await;
}

#[tokio::test]
async fn calls_go_on_while_the_server_is_dead() {
    let mut server = Zookeeper::start();
    let nodes = ["0", "1", "2"].map(EchoServer::start);
    let (gateway, client) = serve(&server, server.address(), &nodes[..2]).await;
    server.kill();
    eventually("it is seen", || gateway.metric("narrows_discovery_up", "zookeeper") == 0.0);
    stays(&client, &["0", "1"], OUTAGE).await;
    server.revive();
    let admin = server.session(LONG);
    admin.create(&format!("{PATH}/{}", nodes[2].address), "");
    becomes(&client, &["0", "1", "2"]).await;
    assert_eq!(gateway.metric("narrows_discovery_up", "zookeeper"), 1.0);
}

#[tokio::test]
async fn calls_go_on_while_the_server_is_paused() {
    let server = Zookeeper::start();
    let nodes = ["0", "1", "2"].map(EchoServer::start);
    let (gateway, client) = serve(&server, server.address(), &nodes[..2]).await;
    server.pause();
    eventually("it is seen", || gateway.metric("narrows_discovery_up", "zookeeper") == 0.0);
    stays(&client, &["0", "1"], OUTAGE).await;
    server.resume();
    let admin = server.session(LONG);
    admin.create(&format!("{PATH}/{}", nodes[2].address), "");
    becomes(&client, &["0", "1", "2"]).await;
}

#[tokio::test]
async fn an_expired_session_is_followed_by_a_new_one_that_misses_nothing() {
    let server = Zookeeper::start();
    let nodes = ["0", "1", "2"].map(EchoServer::start);
    let wire = Wire::to(server.address());
    let (gateway, client) = serve(&server, wire.address, &nodes[..2]).await;
    let admin = server.session(LONG);
    wire.cut();
    eventually("it is seen", || gateway.metric("narrows_discovery_up", "zookeeper") == 0.0);
    // Both of these go unheard, and the session ends meanwhile.
    admin.create(&format!("{PATH}/{}", nodes[2].address), "");
    admin.delete(&format!("{PATH}/{}", nodes[0].address));
    stays(&client, &["0", "1"], OUTAGE).await;
    wire.mend();
    becomes(&client, &["1", "2"]).await;
}

#[tokio::test]
async fn a_start_without_the_server_takes_the_nodes_of_the_last_time() {
    let mut server = Zookeeper::start();
    let nodes = ["0", "1"].map(EchoServer::start);
    let (gateway, client) = serve(&server, server.address(), &nodes).await;
    drop(client);
    server.kill();
    let gateway = gateway.restart(&discovered(server.address()));
    let client = EchoClient::connect(gateway.address(), None).await;
    becomes(&client, &["0", "1"]).await;
    assert_eq!(gateway.metric("narrows_discovery_up", "zookeeper"), 0.0);
    server.revive();
    server.session(LONG).delete(&format!("{PATH}/{}", nodes[0].address));
    becomes(&client, &["1"]).await;
}

#[tokio::test]
async fn nodes_that_vanish_all_at_once_are_kept_for_a_while() {
    let server = Zookeeper::start();
    let nodes = ["0", "1", "2", "3", "4"].map(EchoServer::start);
    let (gateway, client) = serve(&server, server.address(), &nodes).await;
    let admin = server.session(LONG);
    for node in &nodes[1..] {
        admin.delete(&format!("{PATH}/{}", node.address));
    }
    eventually("some are kept", || {
        gateway.metric("narrows_discovery_held_nodes", "zookeeper") > 0.0
    });
    assert!(answering(&client).await.len() > 1);
    eventually("they are let go", || nodes_known(&gateway) == 1.0);
    assert_eq!(answering(&client).await, ["0"]);
}

async fn serve(server: &Zookeeper, at: SocketAddr, nodes: &[EchoServer]) -> (Narrows, EchoClient) {
    let admin: ZookeeperSession = server.session(LONG);
    admin.create(PATH, "");
    for node in nodes {
        admin.create(&format!("{PATH}/{}", node.address), "");
    }
    let gateway = start(at);
    eventually("the nodes are known", || nodes_known(&gateway) == nodes.len() as f64);
    let client = EchoClient::connect(gateway.address(), None).await;
    assert_eq!(answering(&client).await.len(), nodes.len());
    (gateway, client)
}

fn start(server: SocketAddr) -> Narrows {
    Narrows::start(&discovered(server))
}

fn discovered(server: SocketAddr) -> String {
    config::discovered(&format!(
        "zookeeper: {{ servers: ['{server}'], path: {PATH}, session_timeout: 2s }}, hold: 3s"
    ))
}

fn nodes_known(gateway: &Narrows) -> f64 {
    gateway.metric("narrows_discovery_nodes", "zookeeper")
}
