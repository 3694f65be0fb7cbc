//! A gateway that registers itself in a real ZooKeeper and a real etcd: it drains, is killed, and is cut off.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use narrows_e2e::client::EchoClient;
use narrows_e2e::config;
use narrows_e2e::discovery::answering;
use narrows_e2e::server::EchoServer;
use narrows_testkit::process::{Signal, eventually};
use narrows_testkit::servers::{Etcd, Narrows, Wire, Zookeeper, ZookeeperSession, free_address};

const PATH: &str = "/services/gates";

/// Longer than any outage of a test.
const LONG: Duration = Duration::from_secs(50);

#[tokio::test]
async fn a_gateway_is_found_by_another_one() {
    let server = Zookeeper::start();
    let admin = server.session(LONG);
    let node = EchoServer::start("node");
    let found = free_address();
    let _found = Narrows::start(&behind(found, &node, &zookeeper(server.address())));
    registered(&admin, &[found]);
    let path = format!("servers: ['{}'], path: {PATH}", server.address());
    let front = Narrows::start(&config::discovered(&format!("zookeeper: {{ {path} }}")));
    let client = EchoClient::connect(front.address(), None).await;
    eventually("it is found", || front.metric("narrows_discovery_nodes", "zookeeper") == 1.0);
    assert_eq!(answering(&client).await, ["node"]);
}

#[tokio::test]
async fn a_node_in_zookeeper_is_removed_before_the_listeners_close() {
    let server = Zookeeper::start();
    let admin = server.session(LONG);
    let at = free_address();
    let node = EchoServer::start("node");
    let mut gateway = Narrows::start(&behind(at, &node, &zookeeper(server.address())));
    registered(&admin, &[at]);
    gateway.signal(Signal::Term);
    let name = at.to_string();
    while_listed(at, || admin.children(PATH).contains(&name));
    assert!(gateway.process().wait().success());
}

#[tokio::test]
async fn a_node_in_zookeeper_outlives_no_session_and_comes_back() {
    let mut server = Zookeeper::start();
    let wire = Wire::to(server.address());
    let at = free_address();
    let node = EchoServer::start("node");
    let config = behind(at, &node, &zookeeper(wire.address));
    let gateway = Narrows::start(&config);
    let admin = server.session(LONG);
    registered(&admin, &[at]);
    // Its session ends on the other side.
    wire.cut();
    registered(&admin, &[]);
    assert_eq!(gateway.metric("narrows_registered", ""), 0.0);
    wire.mend();
    registered(&admin, &[at]);
    // The server is away for a moment; the session goes on, and the node with it.
    drop(admin);
    server.kill();
    eventually("it is seen", || gateway.metric("narrows_registered", "") == 0.0);
    server.revive();
    eventually("it is seen", || gateway.metric("narrows_registered", "") == 1.0);
    // A gateway that was killed is back before its last session has ended.
    gateway.signal(Signal::Kill);
    let gateway = Narrows::start(&config);
    let admin = server.session(LONG);
    eventually("its own node", || gateway.metric("narrows_registered", "") == 1.0);
    registered(&admin, &[at]);
    gateway.signal(Signal::Kill);
    registered(&admin, &[]);
}

#[tokio::test]
async fn a_key_in_etcd_is_removed_before_the_listeners_close() {
    let server = Etcd::start();
    let at = free_address();
    let node = EchoServer::start("node");
    let mut gateway = Narrows::start(&behind(at, &node, &etcd(server.address())));
    let key = format!("{PATH}/{at}");
    eventually("it is there", || server.get(&key) == Some(at.to_string()));
    gateway.signal(Signal::Term);
    while_listed(at, || server.get(&key).is_some());
    assert!(gateway.process().wait().success());
}

#[tokio::test]
async fn a_key_in_etcd_outlives_no_lease_and_comes_back() {
    let mut server = Etcd::start();
    let wire = Wire::to(server.address());
    let at = free_address();
    let node = EchoServer::start("node");
    let gateway = Narrows::start(&behind(at, &node, &etcd(wire.address)));
    let key = format!("{PATH}/{at}");
    eventually("it is there", || server.get(&key).is_some());
    wire.cut();
    eventually("the lease ends", || server.get(&key).is_none());
    wire.mend();
    eventually("it is back", || server.get(&key).is_some());
    server.delete(&key);
    eventually("it is written again", || server.get(&key).is_some());
    server.kill();
    eventually("it is seen", || gateway.metric("narrows_registered", "") == 0.0);
    server.revive();
    eventually("it is back", || gateway.metric("narrows_registered", "") == 1.0);
    gateway.signal(Signal::Kill);
    eventually("the lease ends", || server.get(&key).is_none());
}

#[tokio::test]
async fn a_reload_moves_the_entry() {
    let server = Etcd::start();
    let (first, second) = (free_address(), free_address());
    let node = EchoServer::start("node");
    let config = behind(first, &node, &etcd(server.address()));
    let gateway = Narrows::start(&config);
    eventually("it is there", || server.get(&format!("{PATH}/{first}")).is_some());
    let moved = config.replace(
        &format!("register: {{ address: '{first}'"),
        &format!("register: {{ address: '{second}'"),
    );
    gateway.rewrite(&moved);
    gateway.control(&["reload"]);
    eventually("it is there", || server.get(&format!("{PATH}/{second}")).is_some());
    assert_eq!(server.get(&format!("{PATH}/{first}")), None);
}

/// Waits until these gateways are there and no others.
fn registered(admin: &ZookeeperSession, gateways: &[SocketAddr]) {
    let names: Vec<_> = gateways.iter().map(SocketAddr::to_string).collect();
    eventually("these are there", || admin.children(PATH) == names);
}

/// As long as a gateway can be found, it can be reached.
fn while_listed(at: SocketAddr, is_listed: impl Fn() -> bool) {
    eventually("it is not listed any more", || {
        let reached = TcpStream::connect(at);
        let listed = is_listed();
        assert!(!listed || reached.is_ok(), "listed, but closed: {reached:?}");
        !listed
    });
}

fn behind(at: SocketAddr, node: &EchoServer, system: &str) -> String {
    let config = config::fixed(&[node.address]).replace("127.0.0.1:0", &at.to_string());
    format!("{config}register: {{ address: '{at}', lease: 2s, {system} }}\n")
}

fn zookeeper(at: SocketAddr) -> String {
    format!("zookeeper: {{ servers: ['{at}'], path: {PATH}, session_timeout: 2s }}")
}

fn etcd(at: SocketAddr) -> String {
    format!("etcd: {{ endpoints: ['{at}'], prefix: {PATH}, timeout: 1s }}")
}
