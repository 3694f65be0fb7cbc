//! The number of sockets depends on the number of nodes, not on that of calls.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use narrows_e2e::client::EchoClient;
use narrows_e2e::config;
use narrows_e2e::server::EchoServer;
use narrows_e2e::sockets::{established_to, time_wait_of};
use narrows_testkit::servers::{Narrows, Redis};

const CALLS: usize = 100_000;
const CLIENTS: usize = 8;
const STREAMS_EACH: usize = 32;
const JOBS: usize = 100;

/// Connections that the gateway may hold to one Redis by default.
const REDIS_POOL: u64 = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_calls_use_a_handful_of_connections() {
    let node = EchoServer::start("node");
    let mut redis = Redis::start();
    for job in 0..JOBS {
        redis.set(&format!("job-{job}"), &node.address.to_string());
    }
    let gateway = Narrows::start(&config::redis(&redis.url()));
    call(&gateway, CALLS / 10).await;
    let waiting = time_wait_of(node.address) + time_wait_of(redis.address());

    call(&gateway, CALLS - CALLS / 10).await;

    let upstream = established_to(node.address);
    let lookups = redis.info("connected_clients") - 1;
    let reads = redis.calls_of("get") + redis.calls_of("mget");
    let waiting_after = time_wait_of(node.address) + time_wait_of(redis.address());
    println!(
        "{CALLS} calls: {upstream} connections to the node, {lookups} to Redis, {reads} lookups there, \
         {waiting} then {waiting_after} sockets in TIME_WAIT"
    );
    assert!((1..10).contains(&upstream), "{upstream} connections to one node");
    assert!(lookups <= REDIS_POOL, "{lookups} connections to Redis");
    assert!(reads <= 2 * JOBS as u64, "{reads} lookups of {JOBS} jobs");
    assert!(waiting_after <= waiting, "TIME_WAIT grows: {waiting}, {waiting_after}");
    assert_eq!(node.calls(), CALLS as u64);
}

/// Makes `count` calls over a few connections with many streams each.
async fn call(gateway: &Narrows, count: usize) {
    let mut callers = Vec::new();
    for _ in 0..CLIENTS {
        let client = EchoClient::connect(gateway.address(), None).await;
        for caller in 0..STREAMS_EACH {
            let client = client.clone();
            let calls = count / CLIENTS / STREAMS_EACH
                + usize::from(caller < count / CLIENTS % STREAMS_EACH);
            callers.push(tokio::spawn(async move {
                for turn in 0..calls {
                    let client = client.with("jobid", format!("job-{}", (caller + turn) % JOBS));
                    client.unary(Bytes::from_static(b"x")).await.expect("no call fails");
                }
            }));
        }
    }
    for caller in callers {
        caller.await.expect("no call fails");
    }
}
