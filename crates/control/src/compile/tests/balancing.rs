//! Ways to balance: words and options, and what goes with what.

use std::time::Duration;

use narrows_gateway::balance::{Balanced, Fallback, OnGone, Policy, RingOptions};

use super::*;

fn with(keys: &str) -> String {
    GOOD.replace("fixed: {", &format!("fixed: {{ {keys}, "))
}

fn with_balanced(keys: &str, check: impl FnOnce(&Balanced)) {
    let compiled = compiled(&with(keys));
    let Targets::Balanced(balanced) = &compiled.snapshot.upstreams[0].targets else {
        panic!("endpoints")
    };
    check(balanced);
}

#[test]
fn a_way_is_a_word_or_a_key_with_options() {
    let ring =
        |size_min, load_percent_max| Policy::RingHash(RingOptions { size_min, load_percent_max });
    for (written, policy) in [
        ("round_robin", Policy::RoundRobin),
        ("random", Policy::Random),
        ("least_request", Policy::LeastRequest(2)),
        ("{ least_request: { choices: 3 } }", Policy::LeastRequest(3)),
        ("peak_ewma", Policy::PeakEwma),
        ("ring_hash", ring(160, None)),
        ("{ ring_hash: { minimum_ring_size: 5000 } }", ring(5000, None)),
        ("{ ring_hash: { hash_balance_factor: 125 } }", ring(160, Some(125))),
        ("maglev", Policy::Maglev(None)),
        ("{ maglev: { hash_balance_factor: 150 } }", Policy::Maglev(Some(150))),
        ("ip_hash", Policy::IpHash),
    ] {
        with_balanced(&format!("load_balancing: {written}"), |balanced| {
            assert_eq!(balanced.policy, policy, "{written}");
        });
    }
}

#[test]
fn keys_labels_and_the_threshold_are_taken_over() {
    let keys = "load_balancing: maglev, panic_threshold: 30, \
                hash_on: [{ header: user }, { cookie: c }, { query: q }, path, source, { key: '{method}' }], \
                subset: { labels: { zone: '{header.x-zone}' }, fallback: none }";
    with_balanced(keys, |balanced| {
        assert!(!balanced.rules.hash_on.is_empty());
        assert_eq!(balanced.rules.panic_percent, 30);
        let subset = balanced.rules.subset.as_ref().expect("it is written");
        assert_eq!((subset.labels.len(), subset.fallback), (1, Fallback::None));
    });
    let text = GOOD.replace("weight: 3 }", "weight: 3, priority: 1, labels: { zone: a } }");
    let compiled = compiled(&text);
    let Targets::Balanced(balanced) = &compiled.snapshot.upstreams[0].targets else {
        panic!("endpoints")
    };
    let member = &balanced.endpoints.entries()[1].member;
    assert_eq!((member.priority, member.labels.get("zone").map(|zone| &**zone)), (1, Some("a")));
}

#[test]
fn what_is_no_key_and_what_goes_by_none_is_told() {
    for (keys, place, message) in [
        (
            "load_balancing: maglev, hash_on: [{ header: ':x' }]",
            "hash_on[0].header",
            "variable {header.:x} lacks a usable name",
        ),
        (
            "load_balancing: maglev, hash_on: [{ key: '{x' }]",
            "hash_on[0].key",
            "no } closes the { at byte 0; write {{ for the brace itself",
        ),
        (
            "subset: { labels: {} }",
            "subset.labels",
            "no label is named; without any, leave out subset",
        ),
        (
            "subset: { labels: { zone: '{nope}' } }",
            "subset.labels.zone",
            "unknown variable {nope}; there are {header.NAME}, {query.NAME}, {cookie.NAME}, \
             {path}, {authority}, {method}, {source.ip}, {grpc.service}, {grpc.method}",
        ),
    ] {
        let expected = format!("upstreams.fixed.{place}: {message}");
        let faults = errors(&with(keys));
        assert!(faults.iter().any(|fault| fault.ends_with(&expected)), "{keys}: {faults:?}");
    }
    for (keys, place) in
        [("hash_on: [path]", "fixed.hash_on"), ("load_balancing: maglev", "fixed.load_balancing")]
    {
        let warnings = compiled(&with(keys)).warnings;
        assert!(warnings.iter().any(|w| w.to_string().contains(place)), "{warnings:?}");
    }
}

#[test]
fn a_session_has_a_store_and_one_name() {
    let sticky = |keys: &str| with(&format!("sticky: {{ {keys} }}"));
    let compiled = compiled(&sticky("cookie: sid, store: jobs, ttl: 2m, on_gone: { wait: 5s }"));
    let Targets::Balanced(balanced) = &compiled.snapshot.upstreams[0].targets else {
        panic!("endpoints")
    };
    let sticky_rules = balanced.rules.sticky.as_ref().expect("it is written");
    assert_eq!(&*sticky_rules.store.name, "jobs");
    assert_eq!(sticky_rules.on_gone, OnGone::Wait(Duration::from_secs(5)));
    let cookie = sticky_rules.cookie.as_ref().expect("it is written");
    assert_eq!((&*cookie.name, &*cookie.prefix), ("sid", "sticky/fixed/"));
    let one_name = "sticky: give one of header and cookie, which names the session";
    for (keys, message) in [
        ("store: jobs", one_name),
        ("header: a, cookie: b, store: jobs", one_name),
        ("header: a, ttl: 999ms, store: jobs", "sticky.ttl: at least 1s"),
        ("header: a, store: nope", "sticky.store: no store named \"nope\""),
    ] {
        let faults = errors(&sticky(keys));
        let expected = format!("upstreams.fixed.{message}");
        assert!(faults.iter().any(|fault| fault.contains(&expected)), "{keys}: {faults:?}");
    }
}

#[test]
fn numbers_have_bounds() {
    for (keys, message) in [
        ("panic_threshold: 101", "panic_threshold: must be at most 100"),
        (
            "load_balancing: { least_request: { choices: 1 } }",
            "load_balancing.least_request.choices: must be at least 2",
        ),
        (
            "load_balancing: { ring_hash: { minimum_ring_size: 262145 } }",
            "load_balancing.ring_hash.minimum_ring_size: must be at most 262144",
        ),
        (
            "load_balancing: { maglev: { hash_balance_factor: 99 } }",
            "load_balancing.maglev.hash_balance_factor: must be at least 100",
        ),
    ] {
        let faults = parse(Path::new("c.yaml"), &with(keys), &|_| None).expect_err(keys);
        assert!(faults.iter().any(|it| it.to_string().ends_with(message)), "{faults:?}");
    }
}
