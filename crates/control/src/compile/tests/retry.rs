//! Rules for trying calls again: what is written is done, and what makes no sense is a fault.

use std::time::Duration;

use narrows_gateway::reply::Cause;
use narrows_gateway::retry::{Answered, RetryBudget};

use super::*;

fn with(route: &str, upstream: &str) -> String {
    let text = GOOD.replace("{ name: rest,", &format!("{{ name: rest, {route},"));
    text.replace("fixed: {", &format!("fixed: {{ {upstream},"))
}

#[test]
fn what_is_written_is_done() {
    let text = with(
        "retry: { retry_on: [unavailable, 5xx], num_retries: 3, per_try_timeout: 1s }, hedge: { delay: 80ms }",
        "retry_budget: { budget_percent: 5, min_retry_concurrency: 1 }",
    );
    let snapshot = compiled(&text).snapshot;
    let budget = RetryBudget { budget_percent: 5, min_retry_concurrency: 1 };
    assert_eq!(snapshot.upstreams[0].retry_budget, budget);
    assert_eq!(snapshot.upstreams[1].retry_budget, RetryBudget::default());
    let route = snapshot.router.routes().find(|route| &*route.name == "rest").expect("it is there");
    let retry = route.retry.as_ref().expect("rules");
    assert_eq!((retry.num_retries, retry.per_try_timeout), (3, Some(Duration::from_secs(1))));
    assert_eq!(retry.base_interval, Duration::from_millis(25));
    assert!(retry.after_failure(Cause::ConnectFailed) && !retry.after_failure(Cause::Deadline));
    assert!(retry.after_answer(Answered { http: 500, grpc: None }));
    assert!(!retry.after_answer(Answered { http: 429, grpc: None }));
    assert_eq!(route.hedge, Some(Duration::from_millis(80)));
}

#[test]
fn rules_that_make_no_sense_are_faults() {
    for (rules, expected) in [
        ("{ retry_on: [] }", "retry_on: no failure is named"),
        ("{ retry_on: [retriable-status-codes] }", "need each other"),
        ("{ retry_on: [reset], retriable_status_codes: [429] }", "need each other"),
        (
            "{ retry_on: [retriable-status-codes], retriable_status_codes: [200] }",
            "200 is no status of an error",
        ),
        (
            "{ retry_on: [reset], retry_back_off: { base_interval: 2s, max_interval: 1s } }",
            "is shorter than base_interval",
        ),
    ] {
        let faults = errors(&with(&format!("retry: {rules}"), "max_pending: 9"));
        let [fault] = &faults[..] else { panic!("{rules}: {faults:?}") };
        assert!(fault.contains(expected), "{fault}");
    }
}
