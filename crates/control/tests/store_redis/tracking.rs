//! Changes: Redis announces them, and workers see them at once.

use std::time::Duration;

use narrows_control::stores::redis::KeyTemplate;
use narrows_testkit::servers::Redis;

use crate::support::{Opened, options};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_moves_is_followed_each_time() {
    let mut redis = Redis::start();
    redis.set("job-1", "10.0.0.1:0001");
    let opened = Opened::at(redis.address()).await;
    assert_eq!(opened.lookup("job-1").await, "10.0.0.1:1");
    for port in 2..100 {
        let target = format!("10.0.0.1:{port}");
        redis.set("job-1", &target);
        opened.until_seen("job-1", &target).await;
    }
    assert_eq!(opened.counts().queries, 1, "nobody had to ask");
    assert!(opened.counts().refreshes <= 98, "one refresh for each change");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_job_is_known_though_it_was_asked_for_before() {
    let mut redis = Redis::start();
    let mut patient = options(redis.address());
    patient.negative_ttl = Duration::from_secs(3600);
    let opened = Opened::connected(patient).await;
    assert_eq!(opened.lookup("job-1").await, "missing");
    assert_eq!(opened.lookup("job-1").await, "missing");
    assert_eq!(redis.calls_of("get"), 1);
    redis.set("job-1", "10.0.0.1:1");
    opened.until_seen("job-1", "10.0.0.1:1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_key_is_forgotten_after_its_time() {
    let redis = Redis::start();
    let mut brief = options(redis.address());
    brief.negative_ttl = Duration::from_millis(100);
    let opened = Opened::connected(brief).await;
    assert_eq!(opened.lookup("job-1").await, "missing");
    opened.until("it is forgotten", || opened.store.table.is_empty()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_ends_is_missing() {
    let mut redis = Redis::start();
    for key in ["deleted", "expired", "flushed"] {
        redis.set(key, "10.0.0.1:1");
    }
    let opened = Opened::at(redis.address()).await;
    for key in ["deleted", "expired", "flushed"] {
        assert_eq!(opened.lookup(key).await, "10.0.0.1:1");
    }
    redis.command(&["DEL", "deleted"]);
    redis.command(&["PEXPIRE", "expired", "20"]);
    opened.until("deleted", || opened.seen("deleted").as_deref() != Some("10.0.0.1:1")).await;
    opened.until("expired", || opened.seen("expired").as_deref() != Some("10.0.0.1:1")).await;
    redis.command(&["FLUSHALL"]);
    opened.until("flushed", || opened.seen("flushed").as_deref() != Some("10.0.0.1:1")).await;
    for key in ["deleted", "expired", "flushed"] {
        assert_eq!(opened.lookup(key).await, "missing");
    }
}

/// Redis does not name the keys then: its announcement holds nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_emptied_is_read_anew() {
    let mut redis = Redis::start();
    let mut patient = options(redis.address());
    patient.negative_ttl = Duration::from_secs(3600);
    let opened = Opened::connected(patient).await;
    for flush in [&["FLUSHALL"][..], &["FLUSHDB"], &["FLUSHALL", "ASYNC"]] {
        let [gone, back, never] = ["gone", "back", "never"].map(|key| format!("{key} {flush:?}"));
        redis.set(&gone, "10.0.0.1:1");
        redis.set(&back, "10.0.0.1:1");
        for (key, said) in [(&gone, "10.0.0.1:1"), (&back, "10.0.0.1:1"), (&never, "missing")] {
            assert_eq!(opened.lookup(key).await, said);
            assert_eq!(opened.seen(key).as_deref(), Some(said));
        }
        let (gets, counts) = (redis.calls_of("get"), opened.counts());

        redis.command(flush);
        // Each connection is told.
        let told = counts.invalidations + options(redis.address()).connections as u64;
        opened.until("all is announced", || opened.counts().invalidations == told).await;
        for key in [&gone, &back, &never] {
            assert_eq!(opened.seen(key), None, "{key}");
        }
        assert_eq!(redis.calls_of("get"), gets, "nothing is read before a call asks for it");

        redis.set(&back, "10.0.0.2:2");
        for (key, said) in [(&gone, "missing"), (&back, "10.0.0.2:2"), (&never, "missing")] {
            let (first, second) = tokio::join!(opened.lookup(key), opened.lookup(key));
            assert_eq!((&*first, &*second), (said, said), "{key}");
        }
        assert_eq!(redis.calls_of("get"), gets + 3, "one read of each key");
        redis.set(&back, "10.0.0.3:3");
        opened.until_seen(&back, "10.0.0.3:3").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_other_keys_cost_nothing() {
    let mut redis = Redis::start();
    redis.set("jobs/1/node", "10.0.0.1:1");
    let mut templated = options(redis.address());
    templated.key = KeyTemplate::parse("jobs/{key}/node").expect("a template");
    let opened = Opened::connected(templated).await;
    assert_eq!(opened.lookup("1").await, "10.0.0.1:1");
    for n in 0..1000 {
        redis.set(&format!("jobs/{}/node", n + 2), "10.0.0.1:2");
    }
    redis.set("jobs/1/node", "10.0.0.1:3");
    opened.until_seen("1", "10.0.0.1:3").await;
    assert_eq!(opened.counts().invalidations, 1);
    assert_eq!(redis.calls_of("get"), 2);
}

/// Lookups and writes of the same keys at the same time: whatever the order in which replies and
/// announcements came, what stays is what was written last.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_write_wins_over_lookups_under_way() {
    let mut redis = Redis::start();
    let mut restless = options(redis.address());
    // Many entries end while keys are written, so that calls ask and the background asks too.
    restless.negative_ttl = Duration::from_millis(1);
    let opened = Opened::connected(restless).await;
    for round in 1..=300 {
        let key = format!("job-{}", round % 3);
        let lookups = [opened.lookup(&key), opened.lookup(&key)];
        let write = async {
            redis.command(&["DEL", &key]);
            redis.set(&key, &format!("10.0.0.1:{round}"));
            redis.set(&key, &format!("10.0.0.2:{round}"));
        };
        let [first, second] = lookups;
        tokio::join!(first, write, second);
        let last = format!("10.0.0.2:{round}");
        opened
            .until("the last write is seen", || {
                // A key that nobody has asked for since is asked for by the next call.
                opened.seen(&key).is_none_or(|seen| seen == last)
            })
            .await;
        assert_eq!(opened.lookup(&key).await, last);
        assert_eq!(opened.seen(&key), Some(last));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_are_renewed_before_they_end() {
    let mut redis = Redis::start();
    redis.set("job-1", "10.0.0.1:1");
    let mut short = options(redis.address());
    short.ttl = Duration::from_millis(400);
    let opened = Opened::connected(short).await;
    assert_eq!(opened.lookup("job-1").await, "10.0.0.1:1");
    opened.until("it is read again and again", || redis.calls_of("get") >= 4).await;
    assert_eq!(opened.counts().queries, 1, "nobody had to ask");
}
