//! Sessions: pinned once however many ask, moved only by who knows where they are, and kept for a time.

use std::time::Duration;

use narrows_control::stores::redis::ValueForm;
use narrows_gateway::control::{Pin, Written};
use narrows_testkit::servers::Redis;

use crate::support::{Opened, options};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_gateways_that_pin_a_session_the_first_one_wins() {
    let mut redis = Redis::start();
    let (here, there) = (Opened::at(redis.address()).await, Opened::at(redis.address()).await);
    assert_eq!(there.lookup("a").await, "missing");
    assert_eq!(
        here.pin("a", pin("10.0.0.1:1", None)).await,
        Ok(("10.0.0.1:1".into(), Written::Now))
    );
    assert_eq!(
        there.pin("a", pin("10.0.0.2:1", None)).await,
        Ok(("10.0.0.1:1".into(), Written::Before))
    );
    assert_eq!((here.seen("a"), there.seen("a")), (there.seen("a"), Some("10.0.0.1:1".into())));
    let ttl: i64 = redis.command(&["PTTL", "a"]).trim().parse().expect("a number");
    assert!((1..=60_000).contains(&ttl), "{ttl}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_moves_only_from_where_it_is_and_all_hear_of_it() {
    let redis = Redis::start();
    let (here, there) = (Opened::at(redis.address()).await, Opened::at(redis.address()).await);
    assert!(here.pin("a", pin("10.0.0.1:1", None)).await.is_ok());
    assert_eq!(there.lookup("a").await, "10.0.0.1:1");
    let moved = here.pin("a", pin("10.0.0.2:1", Some("10.0.0.1:1"))).await;
    assert_eq!(moved, Ok(("10.0.0.2:1".into(), Written::Now)));
    let late = there.pin("a", pin("10.0.0.3:1", Some("10.0.0.1:1"))).await;
    assert_eq!(late, Ok(("10.0.0.2:1".into(), Written::Before)));
    there.until_seen("a", "10.0.0.2:1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_can_not_be_kept_where_values_are_hashes_or_redis_is_away() {
    let mut redis = Redis::start();
    let mut hashes = options(redis.address());
    hashes.value = ValueForm::Field("target".into());
    let opened = Opened::connected(hashes).await;
    let refused = opened.pin("a", pin("10.0.0.1:1", None)).await.expect_err("hashes");
    assert!(refused.contains("values are strings"), "{refused}");
    let opened = Opened::at(redis.address()).await;
    redis.kill();
    opened.until("it is away", || !opened.store.is_up()).await;
    let refused = opened.pin("a", pin("10.0.0.1:1", None)).await.expect_err("away");
    assert!(refused.contains("store jobs: key \"a\""), "{refused}");
}

fn pin(target: &str, replaces: Option<&str>) -> Pin {
    let parsed = |text: &str| std::sync::Arc::new(text.parse().expect("a target"));
    Pin { target: parsed(target), replaces: replaces.map(parsed), ttl: Duration::from_secs(60) }
}
