//! Redis is away, silent, or comes back: known jobs go on, and nothing old is believed afterwards.

use std::time::Duration;

use narrows_testkit::servers::Redis;

use crate::support::{Opened, options};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn known_jobs_are_served_while_redis_is_away_and_asked_for_once_when_it_is_back() {
    let mut redis = Redis::start();
    redis.set("job-1", "10.0.0.1:1");
    let opened = Opened::at(redis.address()).await;
    assert_eq!(opened.lookup("job-1").await, "10.0.0.1:1");
    redis.kill();
    opened.until("the loss is noticed", || !opened.store.is_up()).await;
    assert_eq!(opened.seen("job-1").as_deref(), Some("10.0.0.1:1"));
    assert_eq!(opened.lookup("job-1").await, "10.0.0.1:1");
    let down = || opened.trouble().contains("can not be reached");
    opened.until("it can not be reached", down).await;
    let failure = opened.lookup("job-2").await;
    assert!(failure.starts_with(r#"store jobs: key "job-2": Redis 127.0.0.1:"#), "{failure}");
    assert!(failure.contains("can not be reached"), "{failure}");

    redis.revive();
    redis.set("job-1", "10.0.0.2:2");
    opened.until_seen("job-1", "10.0.0.2:2").await;
    opened.until("it is up", || opened.store.is_up()).await;
    redis.set("job-1", "10.0.0.3:3");
    opened.until_seen("job-1", "10.0.0.3:3").await;
    assert!(opened.counts().reconnects >= 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_loss_each_key_is_read_once() {
    let mut redis = Redis::start();
    let opened = Opened::at(redis.address()).await;
    for n in 0..1000 {
        let key = format!("job-{n}");
        redis.set(&key, "10.0.0.1:1");
        assert_eq!(opened.lookup(&key).await, "10.0.0.1:1");
    }
    redis.command(&["CONFIG", "RESETSTAT"]);
    redis.command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    opened.until("all connections are new", || opened.counts().reconnects == 4).await;
    let all = || (0..1000).all(|n| opened.seen(&format!("job-{n}")).is_some());
    opened.until("every key is fresh again", || opened.store.is_up() && all()).await;
    assert_eq!(redis.calls_of("get"), 1000);
    redis.set("job-7", "10.0.0.7:7");
    opened.until_seen("job-7", "10.0.0.7:7").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_while_the_connection_was_lost_is_not_missed() {
    let mut redis = Redis::start();
    redis.set("job-1", "10.0.0.1:1");
    let opened = Opened::at(redis.address()).await;
    for port in 2..20 {
        opened.lookup("job-1").await;
        redis.command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
        let target = format!("10.0.0.1:{port}");
        redis.set("job-1", &target);
        opened.until_seen("job-1", &target).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_does_not_answer_is_away() {
    let mut redis = Redis::start();
    redis.set("job-1", "10.0.0.1:1");
    let mut prompt = options(redis.address());
    (prompt.connect_timeout, prompt.response_timeout) = (SECOND, SECOND);
    let opened = Opened::connected(prompt).await;
    assert_eq!(opened.lookup("job-1").await, "10.0.0.1:1");
    redis.pause();
    opened.until("the silence is noticed", || !opened.store.is_up()).await;
    assert_eq!(opened.seen("job-1").as_deref(), Some("10.0.0.1:1"));
    assert_eq!(opened.lookup("job-1").await, "10.0.0.1:1");
    let failure = opened.lookup("job-2").await;
    assert!(failure.contains("did not answer within 1s"), "{failure}");
    redis.resume();
    opened.until("it is back", || opened.store.is_up()).await;
    redis.set("job-1", "10.0.0.2:2");
    opened.until_seen("job-1", "10.0.0.2:2").await;
    assert_eq!(opened.lookup("job-2").await, "missing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_can_be_opened_before_its_redis_is_there() {
    let mut redis = Redis::start();
    redis.kill();
    let opened = Opened::new(options(redis.address()));
    let failure = opened.lookup("job-1").await;
    assert!(failure.contains("can not be reached"), "{failure}");
    assert!(!opened.store.is_up());
    redis.revive();
    redis.set("job-1", "10.0.0.1:1");
    opened.until("it is up", || opened.store.is_up()).await;
    assert_eq!(opened.lookup("job-1").await, "10.0.0.1:1");
}
