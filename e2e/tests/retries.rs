//! Calls that a node fails and another one answers: nodes that are not there, that die, that stop, that say no.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;

use bytes::Bytes;
use narrows_e2e::client::EchoClient;
use narrows_e2e::config;
use narrows_e2e::server::EchoServer;
use narrows_testkit::process::Signal;
use narrows_testkit::servers::{GrpcServer, Narrows, Stack, free_address};
use tonic::Code;

/// All calls of a test may be tried again at once.
const BUDGET: &str = "retry_budget: { budget_percent: 100, min_retry_concurrency: 100 }";

#[tokio::test]
async fn a_node_that_is_not_there_costs_no_call() {
    let nodes = [EchoServer::start("one"), EchoServer::start("two")];
    let gateway = gateway(&[free_address(), nodes[0].address, nodes[1].address], "", "");
    let client = EchoClient::connect(gateway.address(), None).await;
    for _ in 0..30 {
        client.unary(Bytes::new()).await.expect("another node answers");
    }
    assert!(gateway.metric("narrows_replays_total", "upstream=\"nodes\"") >= 1.0);
}

#[tokio::test]
async fn each_node_is_asked_once_and_the_last_answer_is_the_callers() {
    let nodes = ["one", "two", "three"].map(EchoServer::start);
    let rules = "retry: { retry_on: [unavailable], num_retries: 2 }";
    let addresses = [nodes[0].address, nodes[1].address, nodes[2].address];
    let gateway = gateway(&addresses, BUDGET, rules);
    let client = EchoClient::connect(gateway.address(), None).await;

    let busy = client.with("x-status", "14").unary(Bytes::new()).await;
    assert_eq!(busy.expect_err("every node says so").code(), Code::Unavailable);
    assert_eq!(nodes.each_ref().map(EchoServer::calls), [1, 1, 1]);
    assert_eq!(gateway.metric("narrows_retries_total", "upstream=\"nodes\""), 2.0);

    let denied = client.with("x-status", "7").unary(Bytes::new()).await;
    assert_eq!(denied.expect_err("no rule").code(), Code::PermissionDenied);
    assert_eq!(gateway.metric("narrows_retries_total", "upstream=\"nodes\""), 2.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_is_lost_with_a_node_that_is_killed() {
    let stays = EchoServer::start("stays");
    let mut dies = GrpcServer::start(Stack::Grpcio, "dies", None);
    let rules = "retry: { retry_on: [reset, connect-failure, unavailable], num_retries: 3 }";
    let gateway = gateway(&[dies.address, stays.address], BUDGET, rules);
    let client = EchoClient::connect(gateway.address(), None).await;
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..400 {
        if n == 100 {
            dies.process().signal(Signal::Kill);
        }
        let client = client.clone();
        calls.spawn(async move { client.unary(Bytes::from(vec![7; 200])).await });
        if n % 20 == 0 {
            calls.join_next().await.unwrap().unwrap().expect("a call is answered");
        }
    }
    while let Some(outcome) = calls.join_next().await {
        outcome.unwrap().expect("a call is answered");
    }
}

#[tokio::test]
async fn a_node_that_stopped_holds_up_no_call_that_may_be_hedged() {
    let runs = EchoServer::start("runs");
    let mut stops = GrpcServer::start(Stack::Grpcio, "stops", None);
    let gateway = gateway(&[stops.address, runs.address], BUDGET, "hedge: { delay: 30ms }");
    let client = EchoClient::connect(gateway.address(), None).await;
    for _ in 0..4 {
        client.unary(Bytes::new()).await.unwrap();
    }
    stops.process().signal(Signal::Stop);
    for _ in 0..10 {
        let reply = client.unary(Bytes::new()).await.expect("the other node answers");
        assert_eq!(reply.node(), "runs");
    }
    assert!(gateway.metric("narrows_hedges_total", "upstream=\"nodes\"") >= 1.0);
    stops.process().signal(Signal::Continue);
}

/// Calls go to these nodes; `upstream` and `route` are more keys of either.
fn gateway(nodes: &[SocketAddr], upstream: &str, route: &str) -> Narrows {
    let config = config::fixed(nodes);
    let config = config.replace("protocol: h2c,", &format!("protocol: h2c, {upstream},"));
    let config = config.replace("h2c, ,", "h2c,");
    Narrows::start(
        &config.replace("    upstream: nodes\n", &format!("    upstream: nodes\n    {route}\n")),
    )
}
