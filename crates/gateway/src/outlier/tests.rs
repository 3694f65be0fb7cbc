//! When a node is ejected, for how long, and that the set keeps enough.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::endpoints::Member;

fn set(nodes: usize) -> Endpoints {
    let endpoints = Endpoints::new(2);
    let member = |at: usize| Member {
        target: Arc::new(format!("10.0.0.1:{}", at + 1).parse().expect("a target")),
        weight: 1,
        priority: 0,
        labels: BTreeMap::new(),
    };
    endpoints.replace((0..nodes).map(member).collect(), Time::ZERO);
    endpoints
}

fn node(set: &Endpoints, at: usize) -> Arc<Endpoint> {
    set.entries()[at].endpoint.clone()
}

fn at(seconds: u64) -> Time {
    Time::ZERO + Duration::from_secs(seconds)
}

fn detection() -> Detection {
    Detection {
        consecutive_failures: 3,
        consecutive_connect_failures: 2,
        base_ejection_time: Duration::from_secs(30),
        max_ejection_time: Duration::from_secs(100),
        ..Detection::default()
    }
}

/// A call fails as a worker would note it.
fn fail(detection: &Detection, set: &Endpoints, node: &Endpoint, fault: Fault, now: Time) {
    node.shard(1).failures.add(1);
    detection.on_failure(set, node, fault, now);
}

fn fail_times(detection: &Detection, set: &Endpoints, at: usize, times: usize, now: Time) {
    let node = node(set, at);
    for _ in 0..times {
        fail(detection, set, &node, Fault::Reset, now);
    }
}

fn ejected(set: &Endpoints, now: Time) -> usize {
    set.entries().iter().filter(|entry| now < entry.endpoint.ejected_until()).count()
}

#[test]
fn failures_in_a_row_eject_and_a_success_between_them_does_not() {
    let (set, detection) = (set(4), detection());
    fail_times(&detection, &set, 0, 2, at(1));
    node(&set, 0).succeed();
    fail_times(&detection, &set, 0, 2, at(1));
    assert_eq!(ejected(&set, at(1)), 0);
    fail_times(&detection, &set, 0, 1, at(1));
    assert_eq!(node(&set, 0).ejected_until(), at(31));
    assert_eq!(node(&set, 0).ejected_for(), Reason::ConsecutiveFailures);
    assert_eq!(set.ejections().of(Reason::ConsecutiveFailures), 1);
}

#[test]
fn failures_to_connect_have_a_limit_of_their_own() {
    let (set, detection) = (set(4), Detection { failures: Failures::NONE, ..detection() });
    fail(&detection, &set, &node(&set, 0), Fault::Connect, at(1));
    fail(&detection, &set, &node(&set, 0), Fault::Reset, at(1));
    assert_eq!(ejected(&set, at(1)), 0);
    fail(&detection, &set, &node(&set, 0), Fault::Connect, at(1));
    assert_eq!(node(&set, 0).ejected_for(), Reason::ConnectFailures);
}

#[test]
fn what_does_not_count_is_no_failure() {
    let (set, detection) = (set(4), detection());
    for _ in 0..10 {
        fail(&detection, &set, &node(&set, 0), Fault::Grpc(7), at(1));
    }
    assert_eq!(ejected(&set, at(1)), 0);
}

#[test]
fn ejections_grow_up_to_a_limit_and_shrink_while_all_is_well() {
    let (set, detection) = (set(4), detection());
    let mut now = at(1);
    for seconds in [30, 60, 90, 100, 100] {
        fail_times(&detection, &set, 0, 3, now);
        assert_eq!(node(&set, 0).ejected_until(), now + Duration::from_secs(seconds));
        now = node(&set, 0).ejected_until();
    }
    // Five ejections, four intervals of 10 s without one: it counts as the second.
    now = now + Duration::from_secs(40);
    fail_times(&detection, &set, 0, 3, now);
    assert_eq!(node(&set, 0).ejected_until(), now + Duration::from_secs(60));
}

#[test]
fn calls_under_way_do_not_eject_once_more() {
    let (set, detection) = (set(4), detection());
    fail_times(&detection, &set, 0, 50, at(1));
    assert_eq!(node(&set, 0).ejected_until(), at(31));
    assert_eq!(set.ejections().of(Reason::ConsecutiveFailures), 1);
}

#[test]
fn a_share_of_the_set_always_stays() {
    for (nodes, percent, most) in
        [(1, 50, 0), (2, 50, 1), (3, 10, 1), (4, 50, 2), (10, 30, 3), (4, 0, 0), (1, 100, 1)]
    {
        let set = set(nodes);
        let detection = Detection { max_ejected_percent: percent, ..detection() };
        for node in 0..nodes {
            fail_times(&detection, &set, node, 3, at(1));
        }
        assert_eq!(ejected(&set, at(2)), most, "{nodes} nodes, {percent} %");
    }
}

#[test]
fn a_node_that_has_left_the_set_takes_no_place_of_others() {
    let (set, detection) = (set(4), detection());
    let gone = node(&set, 3);
    let members: Vec<_> = set.entries()[..3].iter().map(|entry| entry.member.clone()).collect();
    set.replace(members, at(1));
    for _ in 0..3 {
        fail(&detection, &set, &gone, Fault::Reset, at(1));
    }
    assert_eq!(gone.ejected_until(), Time::ZERO);
}

#[test]
fn a_share_of_failures_ejects_when_there_are_enough_calls() {
    let ratio = FailureRatio { percent: 50, volume: 10 };
    let detection =
        Detection { consecutive_failures: 0, failure_ratio: Some(ratio), ..detection() };
    let set = set(4);
    let node = node(&set, 0);
    node.shard(0).successes.add(1000);
    // What was before the interval does not count.
    for _ in 0..9 {
        fail(&detection, &set, &node, Fault::Reset, at(1));
    }
    assert_eq!(ejected(&set, at(1)), 0);
    fail(&detection, &set, &node, Fault::Reset, at(2));
    assert_eq!(node.ejected_for(), Reason::FailureRatio);
    // In the next interval half of the calls succeed, less one failure.
    let back = node.ejected_until();
    for _ in 0..20 {
        node.shard(0).successes.add(2);
        fail(&detection, &set, &node, Fault::Reset, back);
    }
    assert_eq!(node.ejected_until(), back);
}
