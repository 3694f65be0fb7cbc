//! Sessions that stay with their node, on two gateways with one Redis, and with a store in a file.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;

use bytes::Bytes;
use narrows_e2e::client::EchoClient;
use narrows_e2e::server::EchoServer;
use narrows_testkit::process::eventually;
use narrows_testkit::servers::{Narrows, Redis};
use tonic::Code;

const SESSIONS: usize = 40;

/// Whichever gateway a session comes to first, it has one node on both; one that loses its node gets another, on both.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_gateways_agree_on_the_nodes_of_sessions() {
    let mut redis = Redis::start();
    let mut nodes: Vec<_> = ["0", "1", "2"].map(EchoServer::start).into();
    let addresses: Vec<_> = nodes.iter().map(|node| node.address).collect();
    let store = format!("redis: {{ url: '{}', key: 's:{{key}}' }}", redis.url());
    let config = config(&store, "header: x-session", "rebalance", &addresses);
    let gateways = [Narrows::start(&config), Narrows::start(&config)];
    let mut clients = Vec::new();
    for gateway in &gateways {
        eventually("it is connected to Redis", || gateway.metric("narrows_store_up", "") == 1.0);
        clients.push(EchoClient::connect(gateway.address(), None).await);
    }

    let before = nodes_of_sessions(&clients).await;
    for node in ["0", "1", "2"] {
        assert!(before.iter().any(|its| its == node), "no session went to {node}");
    }
    assert_eq!(nodes_of_sessions(&clients).await, before);
    let ttl = redis.command(&["PTTL", "s:sticky/nodes/session-0"]);
    let ttl: i64 = ttl.trim().trim_start_matches("(integer) ").parse().unwrap();
    assert!((1..=60_000).contains(&ttl), "{ttl}");

    drop(nodes.remove(1));
    let after = nodes_of_sessions(&clients).await;
    for (before, after) in before.iter().zip(&after) {
        assert!(after != "1" && (before == "1" || before == after), "{before}, then {after}");
    }
    assert_eq!(nodes_of_sessions(&clients).await, after);
}

/// A caller without the cookie is given one; its node is known after a restart, and its end is told.
#[tokio::test]
async fn a_cookie_leads_back_to_its_node_after_a_restart() {
    let mut nodes: Vec<_> = ["0", "1", "2"].map(EchoServer::start).into();
    let addresses: Vec<_> = nodes.iter().map(|node| node.address).collect();
    let store = "embedded: { path: '{directory}/sessions.redb' }";
    let config = config(store, "cookie: sid", "fail", &addresses);
    let gateway = Narrows::start(&config);
    let client = EchoClient::connect(gateway.address(), None).await;
    let first = client.unary(Bytes::new()).await.unwrap();
    let cookie = first.metadata.get("set-cookie").unwrap().to_str().unwrap().to_owned();
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap();
    for _ in 0..10 {
        let next = client.with("cookie", cookie).unary(Bytes::new()).await.unwrap();
        assert_eq!(next.node(), first.node());
        assert!(next.metadata.get("set-cookie").is_none());
    }

    let gateway = gateway.restart(&config);
    let client = EchoClient::connect(gateway.address(), None).await.with("cookie", cookie);
    for _ in 0..10 {
        assert_eq!(client.unary(Bytes::new()).await.unwrap().node(), first.node());
    }
    nodes.remove(first.node().parse().unwrap());
    let addresses: Vec<_> = nodes.iter().map(|node| node.address).collect();
    gateway.rewrite(&self::config(store, "cookie: sid", "fail", &addresses));
    gateway.control(&["reload"]);
    let status = client.unary(Bytes::new()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(status.message().contains("the node of the session is gone"), "{status:?}");
}

/// The node that each session reaches; the first call of every other one comes to the other gateway.
async fn nodes_of_sessions(clients: &[EchoClient]) -> Vec<String> {
    let mut nodes = Vec::new();
    for session in 0..SESSIONS {
        let mut seen = Vec::new();
        for turn in 0..4 {
            let client = &clients[(session + turn) % clients.len()];
            let client = client.with("x-session", format!("session-{session}"));
            seen.push(client.unary(Bytes::new()).await.unwrap().node().to_owned());
        }
        assert!(seen.iter().all(|node| *node == seen[0]), "session-{session}: {seen:?}");
        nodes.push(seen.remove(0));
    }
    nodes
}

fn config(store: &str, by: &str, on_gone: &str, nodes: &[SocketAddr]) -> String {
    let nodes: Vec<_> = nodes.iter().map(|address| format!("'{address}'")).collect();
    format!(
        "\
workers: 2
listeners:
  - address: 127.0.0.1:0
stores:
  sessions: {{ {store} }}
upstreams:
  nodes:
    protocol: h2c
    endpoints: [{}]
    sticky: {{ {by}, store: sessions, ttl: 60s, on_gone: {on_gone} }}
routes:
  - name: all
    upstream: nodes
",
        nodes.join(", ")
    )
}
