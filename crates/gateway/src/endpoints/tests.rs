//! What becomes of the members of a set.

use super::*;

fn member(address: &str) -> Member {
    let target = Arc::new(address.parse().expect("a target"));
    Member { target, weight: 1, priority: 0, labels: BTreeMap::new() }
}

fn names(endpoints: &Endpoints) -> Vec<String> {
    endpoints.entries().iter().map(|entry| entry.member.target.to_string()).collect()
}

fn at(seconds: u64) -> Time {
    Time::ZERO + Duration::from_secs(seconds)
}

#[test]
fn who_stays_keeps_its_state_and_who_comes_later_is_admitted_then() {
    let endpoints = Endpoints::new(1);
    endpoints.replace(vec![member("a:1"), member("b:1"), member("a:1")], at(1));
    assert_eq!(names(&endpoints), ["a:1", "b:1"]);
    let b = endpoints.entries()[1].endpoint.clone();
    assert_eq!(b.admitted(), Time::ZERO);
    b.set_duty(Duty::Draining, at(2));
    endpoints.replace(vec![member("b:1"), member("c:1")], at(3));
    let entries = endpoints.entries();
    assert!(Arc::ptr_eq(&entries[0].endpoint, &b));
    assert_eq!(entries[0].endpoint.duty(), Duty::Draining);
    assert_eq!(entries[1].endpoint.admitted(), at(3));
}

#[test]
fn a_set_that_follows_leaves_the_one_before_alone() {
    let before = Endpoints::new(1);
    before.replace(vec![member("a:1")], at(1));
    let after = Endpoints::following(&before, vec![member("a:1"), member("b:1")], at(2));
    assert_eq!((names(&before), names(&after).len()), (vec!["a:1".to_owned()], 2));
    let seen = (before.version(), after.version());
    after.entries()[0].endpoint.set_health(Health::Failing, at(3));
    assert_ne!((before.version(), after.version()), seen);
    assert_eq!(before.entries()[0].endpoint.health(), Health::Failing);
}

#[test]
fn the_version_moves_only_when_something_has_changed() {
    let endpoints = Endpoints::new(1);
    endpoints.replace(vec![member("a:1")], at(1));
    let endpoint = endpoints.entries()[0].endpoint.clone();
    let version = endpoints.version();
    endpoint.set_health(Health::Passing, at(2));
    endpoint.set_duty(Duty::Serving, at(2));
    assert_eq!(endpoints.version(), version);
    endpoint.eject(at(9), Reason::FailureRatio);
    assert!(!endpoint.is_in_service(at(8)) && endpoint.is_in_service(at(9)));
    assert_eq!((endpoint.admitted(), endpoints.version()), (at(9), version + 1));
}
