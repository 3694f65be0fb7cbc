//! A Redis behind a sentinel: the store follows the master.

use narrows_control::stores::redis::{RedisOptions, Topology};
use narrows_testkit::servers::Redis;

use crate::support::{Opened, node};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_follows_a_master_that_dies() {
    let (mut master, mut replica, sentinel) = watched().await;
    master.set("job-1", "10.0.0.1:1");
    let opened = Opened::connected(behind(&sentinel)).await;
    assert_eq!(opened.lookup("job-1").await, "10.0.0.1:1");
    opened.until("the replica has it", || !replica.command(&["GET", "job-1"]).is_empty()).await;
    master.kill();
    opened.until("the loss is noticed", || !opened.store.is_up()).await;
    assert_eq!(opened.seen("job-1").as_deref(), Some("10.0.0.1:1"));
    opened.until("the replica is the master", || is_master(&mut replica)).await;
    opened.until("the store is up again", || opened.store.is_up()).await;
    until(|| replica.try_command(&["SET", "job-1", "10.0.0.2:2"]).is_ok()).await;
    opened.until_seen("job-1", "10.0.0.2:2").await;
    assert_eq!(opened.lookup("job-2").await, "missing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_follows_a_switch_though_the_old_master_lives() {
    let (mut master, mut replica, mut sentinel) = watched().await;
    master.set("job-1", "10.0.0.1:1");
    let opened = Opened::connected(behind(&sentinel)).await;
    assert_eq!(opened.lookup("job-1").await, "10.0.0.1:1");
    let switch = ["SENTINEL", "FAILOVER", "jobs"];
    opened.until("the replica can be promoted", || sentinel.try_command(&switch).is_ok()).await;
    opened.until("the replica is the master", || is_master(&mut replica)).await;
    until(|| replica.try_command(&["SET", "job-1", "10.0.0.2:2"]).is_ok()).await;
    opened.until_seen("job-1", "10.0.0.2:2").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinels_that_know_no_master_are_told() {
    let (_master, _replica, sentinel) = watched().await;
    let mut options = behind(&sentinel);
    if let Topology::Sentinel { master, .. } = &mut options.topology {
        *master = "other".to_owned();
    }
    let failure = Opened::new(options).lookup("job-1").await;
    assert!(failure.contains("no sentinel names the master other"), "{failure}");
}

/// A master, its replica, and a sentinel that knows both.
async fn watched() -> (Redis, Redis, Redis) {
    let mut master = Redis::start();
    let port = master.address().port().to_string();
    let replica = Redis::start_with(&["--replicaof", &format!("127.0.0.1 {port}")]);
    until(|| master.command(&["INFO", "replication"]).contains("state=online")).await;
    let mut sentinel = Redis::sentinel_of(master.address(), "jobs");
    until(|| sentinel.command(&["SENTINEL", "REPLICAS", "jobs"]).contains("slave")).await;
    (master, replica, sentinel)
}

fn behind(sentinel: &Redis) -> RedisOptions {
    RedisOptions::new(Topology::Sentinel {
        // The first one is not there: the next one is asked.
        sentinels: vec![node("127.0.0.1:1".parse().expect("an address")), node(sentinel.address())],
        master: "jobs".to_owned(),
        username: None,
        password: None,
    })
}

fn is_master(redis: &mut Redis) -> bool {
    // A sentinel that promotes a server closes the connections of its clients.
    redis.try_command(&["ROLE"]).is_ok_and(|role| role.starts_with("master"))
}

async fn until(mut is_so: impl FnMut() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(crate::support::PATIENCE, wait).await.expect("servers find each other");
}
