//! Jobs in a real Redis: moved under load, and Redis killed, paused and back.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use narrows_e2e::client::EchoClient;
use narrows_e2e::config;
use narrows_e2e::server::EchoServer;
use narrows_testkit::process::eventually;
use narrows_testkit::servers::{Narrows, Redis};
use tokio::time::Instant;
use tonic::Code;

const JOBS: usize = 8;
const CALLS: usize = 20_000;
const CALLERS: usize = 16;
const MOVE_EVERY: Duration = Duration::from_millis(10);

/// A call may still reach the old node for so long after the write was acknowledged.
const STALE_MAX: Duration = Duration::from_secs(1);

/// How long Redis is away.
const OUTAGE: Duration = Duration::from_secs(10);

/// A job has been moved: when the write was sent, when it was acknowledged, and whereto.
#[derive(Debug, Clone, Copy)]
struct Move {
    sent: Instant,
    acknowledged: Instant,
    node: usize,
}

/// A call has been answered.
#[derive(Debug, Clone, Copy)]
struct Answer {
    job: usize,
    began: Instant,
    ended: Instant,
    node: usize,
}

/// Two nodes, a Redis that knows jobs, and a gateway between.
struct Site {
    nodes: [EchoServer; 2],
    redis: Redis,
    gateway: Narrows,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_is_lost_while_jobs_move_between_nodes() {
    let site = Site::start();
    let addresses = site.addresses();
    let client = EchoClient::connect(site.gateway.address(), None).await;
    let (stop, stopped) = mpsc::channel::<()>();
    let mover = thread::spawn(move || move_jobs(site.redis, addresses, &stopped));

    let answers = Arc::new(Mutex::new(Vec::with_capacity(CALLS)));
    let mut callers = Vec::new();
    for caller in 0..CALLERS {
        callers.push(tokio::spawn(call_jobs(caller, client.clone(), Arc::clone(&answers))));
    }
    for caller in callers {
        caller.await.expect("no call is lost");
    }
    drop(stop);
    let moves = mover.join().expect("Redis takes every write");
    let answers = answers.lock().unwrap();
    assert_eq!(answers.len(), CALLS);
    let count: usize = moves.values().map(Vec::len).sum();
    let stale = last_stale(&moves, &answers);
    println!(
        "{CALLS} calls, {count} moves; last call to an old node {stale:?} after the acknowledged write"
    );
    assert!(count > JOBS * 4, "{count} moves are too few to say anything");
    assert!(stale <= STALE_MAX, "a call reached the old node {stale:?} after the write");
}

#[tokio::test]
async fn calls_to_known_jobs_succeed_while_redis_is_dead() {
    let mut site = Site::start();
    let client = site.warm().await;
    site.redis.kill();
    outage(&client).await;
    site.redis.revive();
    site.recovers(&client).await;
}

#[tokio::test]
async fn calls_to_known_jobs_succeed_while_redis_is_paused() {
    let mut site = Site::start();
    let client = site.warm().await;
    site.redis.command(&["CONFIG", "RESETSTAT"]);
    site.redis.pause();
    outage(&client).await;
    site.redis.resume();
    site.recovers(&client).await;
}

/// Every known job is called over and over; an unknown one is refused within the budget of its lookup.
async fn outage(client: &EchoClient) {
    let end = Instant::now() + OUTAGE;
    let mut calls = 0;
    while Instant::now() < end {
        let answer =
            client.with("jobid", format!("job-{}", calls % JOBS)).unary(Bytes::new()).await;
        assert_eq!(answer.expect("a known job is served without Redis").node(), "0");
        calls += 1;
    }
    println!("{calls} calls while Redis was away");
    let status = client.with("jobid", "unknown").unary(Bytes::new()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
}

async fn call_jobs(caller: usize, client: EchoClient, answers: Arc<Mutex<Vec<Answer>>>) {
    for turn in 0..CALLS / CALLERS {
        let job = (caller + turn) % JOBS;
        let began = Instant::now();
        let reply =
            client.with("jobid", format!("job-{job}")).unary(Bytes::from_static(b"x")).await;
        let node = reply.expect("no call is lost").node().parse().expect("nodes have numbers");
        let answer = Answer { job, began, ended: Instant::now(), node };
        answers.lock().unwrap().push(answer);
    }
}

/// Moves one job after the other to the other node until it is told to stop.
fn move_jobs(
    mut redis: Redis,
    nodes: [SocketAddr; 2],
    stop: &mpsc::Receiver<()>,
) -> HashMap<usize, Vec<Move>> {
    let mut moves: HashMap<usize, Vec<Move>> = HashMap::new();
    for turn in 0.. {
        if stop.recv_timeout(MOVE_EVERY) == Err(RecvTimeoutError::Disconnected) {
            break;
        }
        let (job, node) = (turn % JOBS, (turn / JOBS + 1) % 2);
        let sent = Instant::now();
        redis.set(&format!("job-{job}"), &nodes[node].to_string());
        moves.entry(job).or_default().push(Move { sent, acknowledged: Instant::now(), node });
    }
    moves
}

/// How long after an acknowledged write the last call began that still reached the old node.
///
/// Fails when a call reached the old node although an earlier one had been seen to reach the new one.
fn last_stale(moves: &HashMap<usize, Vec<Move>>, answers: &[Answer]) -> Duration {
    let mut last = Duration::ZERO;
    for (job, moves) in moves {
        let answers: Vec<_> = answers.iter().filter(|answer| answer.job == *job).collect();
        for (at, moved) in moves.iter().enumerate() {
            let next = moves.get(at + 1).map(|next| next.sent);
            let until_next = |instant: Instant| next.is_none_or(|next| instant < next);
            let after: Vec<_> = answers
                .iter()
                .filter(|a| a.began >= moved.acknowledged && until_next(a.ended))
                .collect();
            let seen = after.iter().filter(|a| a.node == moved.node).map(|a| a.ended).min();
            for stale in after.iter().filter(|a| a.node != moved.node) {
                last = last.max(stale.began - moved.acknowledged);
                assert!(
                    seen.is_none_or(|seen| stale.began <= seen),
                    "job-{job}: a call reached the old node after another had reached the new one"
                );
            }
        }
    }
    last
}

impl Site {
    fn start() -> Self {
        let nodes = ["0", "1"].map(EchoServer::start);
        let mut redis = Redis::start();
        for job in 0..JOBS {
            redis.set(&format!("job-{job}"), &nodes[0].address.to_string());
        }
        let gateway = Narrows::start(&config::redis(&redis.url()));
        eventually("the gateway is connected to Redis", || {
            gateway.metric("narrows_store_up", "") == 1.0
        });
        Self { nodes, redis, gateway }
    }

    fn addresses(&self) -> [SocketAddr; 2] {
        self.nodes.each_ref().map(|node| node.address)
    }

    /// A client that has called every job once.
    async fn warm(&self) -> EchoClient {
        let client = EchoClient::connect(self.gateway.address(), None).await;
        for job in 0..JOBS {
            client.with("jobid", format!("job-{job}")).unary(Bytes::new()).await.unwrap();
        }
        client
    }

    /// The gateway sees that Redis is back: each key is read once more, and a moved job goes to its new node.
    async fn recovers(&mut self, client: &EchoClient) {
        eventually("the gateway sees Redis again", || {
            self.gateway.metric("narrows_store_up", "") == 1.0
        });
        let reads = |redis: &mut Redis| redis.calls_of("get") + redis.calls_of("mget");
        for _ in 0..3 {
            for job in 0..JOBS {
                client.with("jobid", format!("job-{job}")).unary(Bytes::new()).await.unwrap();
            }
        }
        let read = reads(&mut self.redis);
        // The outage has asked for one job that is unknown, at most once more after Redis was back.
        assert!(read <= JOBS as u64 + 1, "{read} reads of {JOBS} keys");
        self.redis.set("job-0", &self.nodes[1].address.to_string());
        let moved = Instant::now();
        let client = client.with("jobid", "job-0");
        while client.unary(Bytes::new()).await.unwrap().node() != "1" {
            assert!(moved.elapsed() <= STALE_MAX, "a write after the outage is not seen");
        }
    }
}
