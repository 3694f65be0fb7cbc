//! What a caller is told when the gateway can not serve a call: the status by cause, and its form on the wire.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;

use bytes::Bytes;
use narrows_e2e::config;
use narrows_e2e::server::EchoServer;
use narrows_e2e::wire::{WireClient, WireReply};
use narrows_testkit::servers::{Narrows, Redis, free_address};

const UNARY: &str = "/narrows.test.Echo/Unary";

/// Codes of gRPC that stand in these tests.
const INVALID_ARGUMENT: &str = "3";
const DEADLINE_EXCEEDED: &str = "4";
const NOT_FOUND: &str = "5";
const PERMISSION_DENIED: &str = "7";
const UNIMPLEMENTED: &str = "12";
const UNAVAILABLE: &str = "14";

#[tokio::test]
async fn each_cause_has_its_status_and_its_reason() {
    let node = EchoServer::start("node");
    let config = config::embedded().replace(
        "routes:",
        "routes:\n  - { name: by-path, match: { path: { prefix: /by-path/ } }, upstream: job-nodes }",
    );
    let gateway = Narrows::start(&config);
    let set = |job: &str, target: &str| gateway.control(&["route", "set", job, target]);
    set("good", &node.address.to_string());
    set("outside", "10.1.2.3:80");
    set("refused", &free_address().to_string());
    let client = WireClient::connect(gateway.address()).await;
    let call =
        async |path: &str, fields: &[(&str, &str)]| client.grpc(path, fields, b"").await.unwrap();

    let reply = call("/nowhere/Method", &[]).await;
    check(&gateway, &reply, UNIMPLEMENTED, "no_route");
    let reply = call("/by-path/Method", &[]).await;
    check(&gateway, &reply, INVALID_ARGUMENT, "missing_key");
    let reply = call(UNARY, &[("jobid", "absent")]).await;
    check(&gateway, &reply, NOT_FOUND, "unknown_job");
    let reply = call(UNARY, &[("jobid", "outside")]).await;
    check(&gateway, &reply, PERMISSION_DENIED, "target_not_allowed");
    let reply = call(UNARY, &[("jobid", "refused")]).await;
    check(&gateway, &reply, UNAVAILABLE, "connect_failed");
    let reply =
        call(UNARY, &[("jobid", "good"), ("x-delay-ms", "20000"), ("grpc-timeout", "200m")]).await;
    // The node had sent its head, so the status came in trailers.
    assert_eq!(reply.grpc_status(), Some(DEADLINE_EXCEEDED), "{reply:?}");
    let reply = call(UNARY, &[("jobid", "good"), ("grpc-timeout", "soon")]).await;
    check(&gateway, &reply, INVALID_ARGUMENT, "bad_grpc_timeout");
    let reply = call(UNARY, &[("jobid", "good")]).await;
    assert_eq!(reply.grpc_status(), Some("0"));
}

#[tokio::test]
async fn a_store_that_can_not_be_reached_is_said_to_be_so() {
    let mut redis = Redis::start();
    redis.kill();
    let gateway = Narrows::start(&config::redis(&redis.url()));
    let client = WireClient::connect(gateway.address()).await;
    let reply = client.grpc(UNARY, &[("jobid", "job-1")], b"").await.unwrap();
    check(&gateway, &reply, UNAVAILABLE, "store_down");
}

/// A node that goes away in the middle of a call: the caller gets a status, not a broken stream.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_goes_away_ends_its_calls_with_a_status() {
    let node = EchoServer::start("node");
    let gateway = Narrows::start(&config::fixed(&[node.address]));
    let client = WireClient::connect(gateway.address()).await;
    let call =
        tokio::spawn(async move { client.grpc(UNARY, &[("x-delay-ms", "60000")], b"").await });
    narrows_testkit::process::eventually("the call reaches the node", || node.calls() == 1);
    drop(node);
    let reply = call.await.unwrap().unwrap();
    assert_eq!(reply.grpc_status(), Some(UNAVAILABLE), "{reply:?}");
}

#[tokio::test]
async fn a_caller_that_does_not_speak_grpc_gets_an_http_status() {
    let gateway = Narrows::start(&config::embedded());
    let client = WireClient::connect(gateway.address()).await;
    let reply = client.request("GET", "/", &[], Bytes::new()).await.unwrap();
    assert_eq!(reply.status, 404);
    assert_eq!(reply.grpc_status(), None);
    let reply = client.request("GET", "/", &[("jobid", "absent")], Bytes::new()).await.unwrap();
    assert_eq!(reply.status, 404);
}

#[tokio::test]
async fn the_reason_does_not_name_the_node() {
    let refused: SocketAddr = free_address();
    let gateway = Narrows::start(&config::fixed(&[refused]));
    let client = WireClient::connect(gateway.address()).await;
    let reply = client.grpc(UNARY, &[], b"").await.unwrap();
    check_code(&reply, UNAVAILABLE);
    assert!(!reply.grpc_message().contains(&refused.to_string()), "{}", reply.grpc_message());
}

/// The status, its form, and that the gateway counted the reason.
fn check(gateway: &Narrows, reply: &WireReply, code: &str, reason: &str) {
    check_code(reply, code);
    let counted = gateway.metric("narrows_local_replies_total", &format!("reason=\"{reason}\""));
    assert_eq!(counted, 1.0, "{reason} is counted; the reply was {reply:?}");
}

/// A reply that the gateway makes is a head alone, with everything in it.
fn check_code(reply: &WireReply, code: &str) {
    assert_eq!(reply.grpc_status(), Some(code), "{reply:?}");
    assert_eq!(reply.status, 200);
    assert_eq!(
        reply.head.get("content-type").map(|value| value.as_bytes()),
        Some(&b"application/grpc"[..])
    );
    assert!(reply.trailers.is_none(), "a head alone: {reply:?}");
    assert!(!reply.grpc_message().is_empty(), "the caller is told why");
}
