//! Keys and values: what is read, how often, and what is said of what can not be used.

use std::collections::HashSet;
use std::sync::Arc;

use narrows_control::stores::jobs;
use narrows_control::stores::redis::{KeyTemplate, ValueForm};
use narrows_gateway::control::{Answer, Command, ControlPort, Handle, Job, Mailbox, Ticket};
use narrows_gateway::lookup::Outcome;
use narrows_testkit::servers::Redis;

use crate::support::{Opened, options};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_read_once_and_then_costs_redis_nothing() {
    let mut redis = Redis::start();
    redis.set("job-1", "10.0.0.1:50051");
    let opened = Opened::at(redis.address()).await;
    assert_eq!(opened.seen("job-1"), None);
    assert_eq!(opened.lookup("job-1").await, "10.0.0.1:50051");
    let before = redis.calls_of("get");
    for _ in 0..10_000 {
        assert_eq!(opened.seen("job-1").as_deref(), Some("10.0.0.1:50051"));
    }
    assert_eq!(opened.lookup("job-1").await, "10.0.0.1:50051");
    assert_eq!((before, redis.calls_of("get")), (1, 1));
    assert_eq!(opened.counts().queries, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_calls_for_one_key_are_one_query() {
    let mut redis = Redis::start();
    redis.set("job-1", "10.0.0.1:50051");
    let opened = Opened::at(redis.address()).await;
    let (mailbox, answers) = Mailbox::new(Arc::new(|| {}));
    let (port, queue) = jobs::channel(jobs::QUEUED_JOBS_MAX);
    tokio::spawn(queue.run(Handle::new(vec![mailbox]), opened.stores.clone()));
    for exchange in 0..1000 {
        let (store, ticket) = (opened.store.clone(), Some(Ticket { worker: 0, exchange }));
        let job = Job::Lookup { store, key: (*b"job-1").into(), ticket };
        port.submit(job).expect("the queue has room");
    }
    let mut answered = HashSet::new();
    opened
        .until("every call has its answer", || {
            for command in answers.try_iter() {
                let Command::Answer(ticket, Answer::Lookup(Ok(Outcome::Found(target)))) = command
                else {
                    panic!("not the answer");
                };
                assert_eq!(target.to_string(), "10.0.0.1:50051");
                assert!(answered.insert(ticket.exchange), "answered twice");
            }
            answered.len() == 1000
        })
        .await;
    assert_eq!(redis.calls_of("get"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_lookups_at_once_share_few_connections() {
    let mut redis = Redis::start();
    let mut two = options(redis.address());
    two.connections = 2;
    let opened = Arc::new(Opened::connected(two).await);
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..2000 {
        let opened = opened.clone();
        calls.spawn(async move { opened.lookup(&format!("job-{n}")).await });
    }
    while let Some(answer) = calls.join_next().await {
        assert_eq!(answer.expect("no call fails"), "missing");
    }
    assert_eq!(redis.calls_of("get"), 2000);
    assert_eq!(redis.info("connected_clients"), 3, "two, and the one of this test");
    assert_eq!(redis.info("total_connections_received"), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_that_do_not_fit_are_refused_at_once() {
    let opened = Opened::new(options("127.0.0.1:1".parse().expect("an address")));
    let (port, queue) = jobs::channel(2);
    let submit = || {
        let job = Job::Lookup { store: opened.store.clone(), key: (*b"a").into(), ticket: None };
        port.submit(job)
    };
    assert!(submit().is_ok() && submit().is_ok());
    assert!(submit().is_err());
    drop(queue);
    assert!(submit().is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn targets_are_read_from_hashes() {
    let mut redis = Redis::start();
    redis.command(&["HSET", "job:1", "node", "grpcs://10.0.0.1:1", "ip", "10.0.0.2", "port", "2"]);
    redis.command(&["HSET", "job:2", "ip", "::1"]);
    let mut fields = options(redis.address());
    fields.key = KeyTemplate::parse("job:{key}").expect("a template");
    fields.value = ValueForm::Field("node".into());
    let opened = Opened::connected(fields.clone()).await;
    assert_eq!(opened.lookup("1").await, "grpcs://10.0.0.1:1");
    assert_eq!(opened.lookup("2").await, "missing");
    assert_eq!(opened.lookup("3").await, "missing");
    redis.command(&["HSET", "job:1", "node", "10.0.0.9:9"]);
    opened.until_seen("1", "10.0.0.9:9").await;

    fields.value = ValueForm::HostPort { host: "ip".into(), port: "port".into() };
    let opened = Opened::connected(fields).await;
    assert_eq!(opened.lookup("1").await, "10.0.0.2:2");
    let half = r#"store jobs: key "job:2": the hash has no field "port""#;
    assert_eq!(opened.lookup("2").await, half);
    assert_eq!(opened.lookup("3").await, "missing");
    redis.command(&["HSET", "job:2", "port", "7"]);
    opened.until_seen("2", "[::1]:7").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_target_names_the_key_and_the_store_until_it_is_put_right() {
    let mut redis = Redis::start();
    redis.set("job-1", "nonsense");
    redis.command(&["RPUSH", "job-2", "10.0.0.1:1"]);
    let opened = Opened::at(redis.address()).await;
    assert_eq!(
        opened.lookup("job-1").await,
        r#"store jobs: key "job-1": its value "nonsense" is no target: no port; expected host:port"#
    );
    assert_eq!(
        opened.lookup("job-2").await,
        "store jobs: key \"job-2\": it holds no string; store the target as a string, or set value"
    );
    redis.set("job-1", "10.0.0.1:1");
    redis.set("job-2", "10.0.0.2:2");
    opened.until_seen("job-1", "10.0.0.1:1").await;
    opened.until_seen("job-2", "10.0.0.2:2").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_stay_within_their_limit() {
    let mut redis = Redis::start();
    let mut few = options(redis.address());
    few.max_entries = 64;
    let opened = Opened::connected(few).await;
    for n in 0..300 {
        let key = format!("job-{n}");
        redis.set(&key, "10.0.0.1:1");
        assert_eq!(opened.lookup(&key).await, "10.0.0.1:1");
        assert!(opened.store.table.len() <= 64);
    }
    for n in 0..300 {
        assert_eq!(opened.lookup(&format!("unknown-{n}")).await, "missing");
    }
    assert!(opened.store.table.len() <= 64);
    assert_eq!(opened.lookup("job-299").await, "10.0.0.1:1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_with_the_same_options_keeps_the_store_and_its_cache() {
    use narrows_control::stores::StoreOptions;
    let mut redis = Redis::start();
    redis.set("job-1", "10.0.0.1:1");
    let opened = Opened::at(redis.address()).await;
    opened.lookup("job-1").await;
    let same = StoreOptions::Redis(Box::new(options(redis.address())));
    let again = opened.stores.get_or_open("jobs", &same).expect("good options");
    assert!(Arc::ptr_eq(&again, &opened.store));

    let mut other = options(redis.address());
    other.max_entries = 7;
    let other = StoreOptions::Redis(Box::new(other));
    let other = opened.stores.get_or_open("jobs", &other).expect("good options");
    opened.stores.retain(&[other]);
    drop(again);
    // A call that began before still has its store; the new one stands beside it.
    let Opened { stores, store } = opened;
    assert_eq!(stores.status().len(), 1);
    let clients = |redis: &mut Redis| redis.info("connected_clients");
    assert!(clients(&mut redis) >= 5);
    drop(store);
    stores.retain(&[]);
    let opened = Opened::new(options(redis.address()));
    opened.until("the connections of closed stores end", || clients(&mut redis) <= 5).await;
}
