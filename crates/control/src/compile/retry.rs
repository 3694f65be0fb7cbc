//! Trying a call again, from words to what the data plane looks at.

use narrows_gateway::retry::{Conditions, Retry, RetryBudget};

use super::report::Report;
use crate::config::{RetryBudgetConfig, RetryConfig, RetryWord};

/// The rules of a route.
pub(super) fn rules(path: &str, config: &RetryConfig, report: &mut Report<'_>) -> Box<Retry> {
    let (words, codes) = (&config.retry_on, &config.retriable_status_codes);
    if words.is_empty() {
        report
            .error(format!("{path}.retry_on"), "no failure is named; without any, leave out retry");
    }
    if words.contains(&RetryWord::RetriableStatusCodes) == codes.is_empty() {
        let message = "retry_on: retriable-status-codes and this list need each other";
        report.error(format!("{path}.retriable_status_codes"), message);
    }
    for (at, code) in codes.iter().enumerate() {
        if !(400..=599).contains(code) {
            let path = format!("{path}.retriable_status_codes[{at}]");
            report.error(path, format!("{code} is no status of an error; expected 400 to 599"));
        }
    }
    let back_off = &config.retry_back_off;
    if back_off.base_interval > back_off.max_interval {
        let message = "is shorter than base_interval";
        report.error(format!("{path}.retry_back_off.max_interval"), message);
    }
    let on = words.iter().fold(Conditions::default(), |on, word| on.and(condition(*word)));
    Box::new(Retry {
        on,
        status_codes: codes.clone().into(),
        num_retries: config.num_retries,
        per_try_timeout: config.per_try_timeout.map(|period| period.0),
        base_interval: back_off.base_interval.0,
        max_interval: back_off.max_interval.0,
    })
}

/// The budget of an upstream.
pub(super) fn budget(config: &RetryBudgetConfig) -> RetryBudget {
    RetryBudget {
        budget_percent: config.budget_percent,
        min_retry_concurrency: config.min_retry_concurrency,
    }
}

fn condition(word: RetryWord) -> Conditions {
    match word {
        RetryWord::ConnectFailure => Conditions::CONNECT_FAILURE,
        RetryWord::RefusedStream => Conditions::REFUSED_STREAM,
        RetryWord::Reset => Conditions::RESET,
        RetryWord::Unavailable => Conditions::UNAVAILABLE,
        RetryWord::Cancelled => Conditions::CANCELLED,
        RetryWord::DeadlineExceeded => Conditions::DEADLINE_EXCEEDED,
        RetryWord::Internal => Conditions::INTERNAL,
        RetryWord::ResourceExhausted => Conditions::RESOURCE_EXHAUSTED,
        RetryWord::Status5xx => Conditions::STATUS_5XX,
        RetryWord::GatewayError => Conditions::GATEWAY_ERROR,
        RetryWord::RetriableStatusCodes => Conditions::STATUS_CODES,
    }
}
