//! Nodes in a real Redis: members of a set, fields of a hash, and a server that is killed or paused.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use narrows_e2e::client::EchoClient;
use narrows_e2e::config;
use narrows_e2e::discovery::{answering, becomes, soon_becomes, stays};
use narrows_e2e::server::EchoServer;
use narrows_testkit::process::eventually;
use narrows_testkit::servers::{Narrows, Redis};

/// How long a server is away.
const OUTAGE: Duration = Duration::from_secs(3);

#[tokio::test]
async fn members_of_a_set_are_nodes() {
    let mut redis = Redis::start();
    let nodes = ["0", "1", "2"].map(EchoServer::start);
    add(&mut redis, &nodes[..2]);
    let (gateway, client) = serve(&redis, 2).await;
    add(&mut redis, &nodes[2..]);
    soon_becomes(&client, &["0", "1", "2"]).await;
    redis.command(&["SREM", "nodes", &nodes[0].address.to_string()]);
    soon_becomes(&client, &["1", "2"]).await;
    redis.command(&["SADD", "nodes", "not a node"]);
    eventually("it is counted", || {
        gateway.metric("narrows_discovery_refused_total", "redis_set") == 1.0
    });
    assert_eq!(answering(&client).await, ["1", "2"]);
}

#[tokio::test]
async fn fields_of_a_hash_are_nodes_with_weights() {
    let mut redis = Redis::start();
    let nodes = ["0", "1"].map(EchoServer::start);
    let [first, second] = nodes.each_ref().map(|node| node.address.to_string());
    redis.command(&["HSET", "nodes", &first, "20", &second, "1"]);
    let (_gateway, client) = serve(&redis, 2).await;
    for _ in 0..10 {
        answering(&client).await;
    }
    assert!(nodes[0].calls() > 5 * nodes[1].calls());
    redis.command(&["HSET", "nodes", &first, "0"]);
    soon_becomes(&client, &["1"]).await;
}

#[tokio::test]
async fn calls_go_on_while_the_server_is_dead() {
    let mut redis = Redis::start();
    let nodes = ["0", "1", "2"].map(EchoServer::start);
    add(&mut redis, &nodes[..2]);
    let (gateway, client) = serve(&redis, 2).await;
    redis.kill();
    eventually("it is seen", || gateway.metric("narrows_discovery_up", "redis_set") == 0.0);
    stays(&client, &["0", "1"], OUTAGE).await;
    redis.revive();
    add(&mut redis, &nodes[2..]);
    becomes(&client, &["0", "1", "2"]).await;
    assert_eq!(gateway.metric("narrows_discovery_up", "redis_set"), 1.0);
}

#[tokio::test]
async fn calls_go_on_while_the_server_is_paused_and_when_it_has_lost_the_set() {
    let mut redis = Redis::start();
    let nodes = ["0", "1"].map(EchoServer::start);
    add(&mut redis, &nodes);
    let (gateway, client) = serve(&redis, 2).await;
    redis.pause();
    eventually("it is seen", || gateway.metric("narrows_discovery_up", "redis_set") == 0.0);
    stays(&client, &["0", "1"], OUTAGE).await;
    redis.resume();
    eventually("it is seen", || gateway.metric("narrows_discovery_up", "redis_set") == 1.0);
    redis.command(&["FLUSHALL"]);
    eventually("the nodes are held", || {
        gateway.metric("narrows_discovery_held_nodes", "redis_set") == 2.0
    });
    assert_eq!(answering(&client).await, ["0", "1"]);
    add(&mut redis, &nodes[1..]);
    becomes(&client, &["1"]).await;
}

fn add(redis: &mut Redis, nodes: &[EchoServer]) {
    for node in nodes {
        redis.command(&["SADD", "nodes", &node.address.to_string()]);
    }
}

async fn serve(redis: &Redis, nodes: usize) -> (Narrows, EchoClient) {
    let set = format!("redis_set: {{ url: '{}', key: nodes, poll_interval: 1s }}", redis.url());
    let gateway = Narrows::start(&config::discovered(&format!("{set}, hold: 3s")));
    eventually("the nodes are known", || {
        gateway.metric("narrows_discovery_nodes", "redis_set") == nodes as f64
    });
    let client = EchoClient::connect(gateway.address(), None).await;
    (gateway, client)
}
