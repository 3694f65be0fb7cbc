//! Nodes in a real DNS server: both families of addresses, SRV records, and a server that is killed.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::{Ipv6Addr, SocketAddr};
use std::time::Duration;

use narrows_e2e::client::EchoClient;
use narrows_e2e::config;
use narrows_e2e::discovery::{answering, becomes, stays};
use narrows_e2e::server::EchoServer;
use narrows_testkit::process::eventually;
use narrows_testkit::servers::{Narrows, Nsd};

/// How long a server is away, or a name is gone.
const OUTAGE: Duration = Duration::from_secs(3);

#[tokio::test]
async fn addresses_of_both_families_are_nodes_and_are_asked_for_again() {
    let v4 = EchoServer::start("v4");
    let port = v4.address.port();
    let v6 = EchoServer::start_at("v6", (Ipv6Addr::LOCALHOST, port).into());
    let mut server = Nsd::start(&lines(&["a A 127.0.0.1"]));
    let (gateway, client) =
        serve(&format!("name: a.nodes.example., port: {port}"), &server, 1).await;
    server.answer(&lines(&["a A 127.0.0.1", "a AAAA ::1"]));
    becomes(&client, &["v4", "v6"]).await;
    server.answer(&lines(&["a CNAME b", "b AAAA ::1"]));
    becomes(&client, &["v6"]).await;
    drop((v4, v6));
    assert_eq!(gateway.metric("narrows_discovery_errors_total", "dns"), 0.0);
}

#[tokio::test]
async fn an_answer_that_is_too_long_for_udp_is_asked_for_over_tcp() {
    let records: Vec<_> = (1..=200).map(|n| format!("a A 127.0.0.{n}")).collect();
    let server = Nsd::start(&records);
    let _served = serve("name: a.nodes.example., port: 1", &server, 200).await;
}

#[tokio::test]
async fn srv_records_have_ports_weights_and_priorities() {
    let nodes = ["0", "1", "2"].map(EchoServer::start);
    let mut server =
        Nsd::start(&services(&[(1, 10, &nodes[0]), (1, 0, &nodes[1]), (2, 9, &nodes[2])]));
    let (_gateway, client) = serve("name: _grpc._tcp.nodes.example., type: srv", &server, 3).await;
    // The node of the second priority is for when the others are gone; the weights are 10 to 1.
    let mut calls = nodes.each_ref().map(|node| node.calls());
    for _ in 0..10 {
        assert!(!answering(&client).await.contains(&"2".to_owned()));
    }
    calls = std::array::from_fn(|at| nodes[at].calls() - calls[at]);
    assert_eq!(calls[2], 0);
    assert!(calls[0] > 5 * calls[1], "{calls:?}");
    server.answer(&services(&[(2, 9, &nodes[2]), (2, 9, &nodes[0])]));
    becomes(&client, &["0", "2"]).await;
}

#[tokio::test]
async fn calls_go_on_while_the_server_is_dead_or_the_name_is_gone() {
    let nodes = ["0", "1", "2"].map(EchoServer::start);
    let mut server = Nsd::start(&services(&[(0, 1, &nodes[0]), (0, 1, &nodes[1])]));
    let (gateway, client) =
        serve("name: _grpc._tcp.nodes.example., type: srv, timeout: 500ms", &server, 2).await;
    server.answer(&[]);
    eventually("it is seen", || gateway.metric("narrows_discovery_up", "dns") == 0.0);
    stays(&client, &["0", "1"], OUTAGE).await;
    server.kill();
    stays(&client, &["0", "1"], OUTAGE).await;
    server.revive();
    server.answer(&services(&[(0, 1, &nodes[1]), (0, 1, &nodes[2])]));
    becomes(&client, &["1", "2"]).await;
    assert_eq!(gateway.metric("narrows_discovery_up", "dns"), 1.0);
}

fn services(records: &[(u16, u16, &EchoServer)]) -> Vec<String> {
    let line = |(priority, weight, node): &(u16, u16, &EchoServer)| {
        let SocketAddr::V4(at) = node.address else { panic!("nodes are on IPv4") };
        format!("_grpc._tcp SRV {priority} {weight} {} host", at.port())
    };
    let host = "host A 127.0.0.1".to_owned();
    records.iter().map(line).chain([host]).collect()
}

fn lines(records: &[&str]) -> Vec<String> {
    records.iter().map(|&record| record.to_owned()).collect()
}

async fn serve(name: &str, server: &Nsd, nodes: usize) -> (Narrows, EchoClient) {
    let dns = format!("dns: {{ {name}, resolvers: ['{}'] }}, hold: 3s", server.address());
    let gateway = Narrows::start(&config::discovered(&dns));
    eventually("the nodes are known", || {
        gateway.metric("narrows_discovery_nodes", "dns") == nodes as f64
    });
    let client = EchoClient::connect(gateway.address(), None).await;
    (gateway, client)
}
