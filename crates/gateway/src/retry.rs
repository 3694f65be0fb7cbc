//! When a call that failed at a node is tried once more: the rules of a route, and the budget of an upstream.
//!
//! The words are Envoy's. A call is only ever tried again before the first byte of a reply, and only if all of its
//! request is still there. What a node provably did not process is sent again without any rule
//! (`worker/failure.rs`); this is for the rest, where the operator knows that twice does no harm.

use std::time::Duration;

use narrows_wire::grpc::Status;

use crate::random::Random;
use crate::reply::Cause;

/// What a route says of trying again.
#[derive(Debug, Clone)]
pub struct Retry {
    /// After which failures.
    pub on: Conditions,
    /// After which HTTP statuses beside them, if [`Conditions::STATUS_CODES`] is among them.
    pub status_codes: Box<[u16]>,
    /// How often, beside the first time.
    pub num_retries: u8,
    /// How long each time may take until the reply begins; `None`: as long as the call itself.
    pub per_try_timeout: Option<Duration>,
    /// The first wait is a part of this, chosen by chance; it doubles each time.
    pub base_interval: Duration,
    /// No wait is longer.
    pub max_interval: Duration,
}

/// How many calls of an upstream may be in retries at once, per worker, so that retries do not become a storm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryBudget {
    /// Of the calls that its nodes have now, in percent.
    pub budget_percent: u32,
    /// So many are always allowed.
    pub min_retry_concurrency: u32,
}

/// Kinds of failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Conditions(u16);

/// What a node answered, as far as rules look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answered {
    /// The HTTP status.
    pub http: u16,
    /// The gRPC status, if the reply is over with its head.
    pub grpc: Option<Status>,
}

// === impl Conditions ===

impl Conditions {
    /// No connection could be made.
    pub const CONNECT_FAILURE: Self = Self(1);
    /// The node refused the stream without processing it.
    pub const REFUSED_STREAM: Self = Self(1 << 1);
    /// The node gave no reply at all: reset, lost connection, time over.
    pub const RESET: Self = Self(1 << 2);
    /// gRPC status UNAVAILABLE.
    pub const UNAVAILABLE: Self = Self(1 << 3);
    /// gRPC status CANCELLED.
    pub const CANCELLED: Self = Self(1 << 4);
    /// gRPC status DEADLINE_EXCEEDED.
    pub const DEADLINE_EXCEEDED: Self = Self(1 << 5);
    /// gRPC status INTERNAL.
    pub const INTERNAL: Self = Self(1 << 6);
    /// gRPC status RESOURCE_EXHAUSTED.
    pub const RESOURCE_EXHAUSTED: Self = Self(1 << 7);
    /// An HTTP status of 500 and above, or no reply at all.
    pub const STATUS_5XX: Self = Self(1 << 8);
    /// HTTP status 502, 503, or 504.
    pub const GATEWAY_ERROR: Self = Self(1 << 9);
    /// HTTP statuses that the route names.
    pub const STATUS_CODES: Self = Self(1 << 10);

    /// These and those.
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn meets(self, any: Self) -> bool {
        self.0 & any.0 != 0
    }
}

// === impl Retry ===

impl Retry {
    /// Whether a call that the gateway would end for this cause may be tried again.
    pub fn after_failure(&self, cause: Cause) -> bool {
        let no_reply = Conditions::RESET.and(Conditions::STATUS_5XX);
        let kinds = match cause {
            Cause::ConnectFailed | Cause::ConnectTimeout | Cause::TlsTimeout => {
                no_reply.and(Conditions::CONNECT_FAILURE).and(Conditions::UNAVAILABLE)
            }
            Cause::Unprocessed => no_reply.and(Conditions::REFUSED_STREAM),
            Cause::UpstreamClosed => no_reply.and(Conditions::UNAVAILABLE),
            Cause::UpstreamReset | Cause::UpstreamProtocol => no_reply.and(Conditions::INTERNAL),
            Cause::UpstreamCancelled => no_reply.and(Conditions::CANCELLED),
            Cause::UpstreamCalm => no_reply.and(Conditions::RESOURCE_EXHAUSTED),
            Cause::ResponseTimeout | Cause::PerTryTimeout => {
                no_reply.and(Conditions::DEADLINE_EXCEEDED).and(Conditions::GATEWAY_ERROR)
            }
            _ => return false,
        };
        self.on.meets(kinds)
    }

    /// Whether a call may be tried again that a node answered so.
    pub fn after_answer(&self, answered: Answered) -> bool {
        let mut kinds = match answered.grpc {
            Some(Status::Unavailable) => Conditions::UNAVAILABLE,
            Some(Status::Cancelled) => Conditions::CANCELLED,
            Some(Status::DeadlineExceeded) => Conditions::DEADLINE_EXCEEDED,
            Some(Status::Internal) => Conditions::INTERNAL,
            Some(Status::ResourceExhausted) => Conditions::RESOURCE_EXHAUSTED,
            Some(_) | None => Conditions::default(),
        };
        if answered.http >= 500 {
            kinds = kinds.and(Conditions::STATUS_5XX);
        }
        if matches!(answered.http, 502..=504) {
            kinds = kinds.and(Conditions::GATEWAY_ERROR);
        }
        if self.status_codes.contains(&answered.http) {
            kinds = kinds.and(Conditions::STATUS_CODES);
        }
        self.on.meets(kinds)
    }

    /// How long to wait before the call is tried for the `nth` time again, from 1. Any part of the interval is as
    /// likely as any other, so that calls that failed together do not come back together.
    pub fn wait(&self, nth: u8, random: &mut Random) -> Duration {
        let doubled = 1u32.checked_shl(u32::from(nth.saturating_sub(1))).unwrap_or(u32::MAX);
        let interval = self.base_interval.saturating_mul(doubled).min(self.max_interval);
        let nanos = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(random.next_u64() % nanos.saturating_add(1).max(1))
    }
}

// === impl RetryBudget ===

impl RetryBudget {
    /// Whether one more of `active` calls may be tried again where `retrying` are in retries already.
    pub fn allows(self, active: i64, retrying: i64) -> bool {
        let share = active.max(0).saturating_mul(i64::from(self.budget_percent)) / 100;
        retrying < share.max(i64::from(self.min_retry_concurrency))
    }
}

impl Default for RetryBudget {
    /// A fifth of the calls, and three.
    fn default() -> Self {
        Self { budget_percent: 20, min_retry_concurrency: 3 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retry(on: Conditions) -> Retry {
        Retry {
            on,
            status_codes: [429].into(),
            num_retries: 1,
            per_try_timeout: None,
            base_interval: Duration::from_millis(25),
            max_interval: Duration::from_millis(60),
        }
    }

    #[test]
    fn each_word_covers_its_failures_and_no_others() {
        let connect = retry(Conditions::CONNECT_FAILURE);
        assert!(connect.after_failure(Cause::ConnectTimeout));
        assert!(!connect.after_failure(Cause::UpstreamReset));
        let reset = retry(Conditions::RESET);
        assert!(
            reset.after_failure(Cause::UpstreamReset) && reset.after_failure(Cause::Unprocessed)
        );
        for cause in [Cause::Deadline, Cause::ClientCancelled, Cause::NoRoute, Cause::Draining] {
            assert!(!retry(Conditions(u16::MAX)).after_failure(cause), "{cause:?}");
        }
        let grpc = |status| Answered { http: 200, grpc: Some(status) };
        let unavailable = retry(Conditions::UNAVAILABLE);
        assert!(unavailable.after_answer(grpc(Status::Unavailable)));
        assert!(!unavailable.after_answer(grpc(Status::PermissionDenied)));
        let http = |http| Answered { http, grpc: None };
        assert!(retry(Conditions::STATUS_5XX).after_answer(http(500)));
        assert!(!retry(Conditions::GATEWAY_ERROR).after_answer(http(500)));
        assert!(retry(Conditions::GATEWAY_ERROR).after_answer(http(503)));
        assert!(!retry(Conditions::STATUS_5XX).after_answer(http(429)));
        assert!(retry(Conditions::STATUS_CODES).after_answer(http(429)));
    }

    #[test]
    fn waits_double_up_to_a_limit_and_differ() {
        let retry = retry(Conditions::RESET);
        let mut random = Random::new(1);
        for (nth, most) in [(1, 25), (2, 50), (3, 60), (40, 60)] {
            let waits: Vec<_> = (0..200).map(|_| retry.wait(nth, &mut random)).collect();
            let most = Duration::from_millis(most);
            assert!(waits.iter().all(|wait| *wait <= most), "{nth}");
            assert!(waits.iter().any(|wait| *wait > most * 3 / 4), "{nth}");
            assert!(waits.iter().any(|wait| *wait < most / 4), "{nth}");
        }
    }

    #[test]
    fn the_budget_is_a_share_of_the_calls_and_never_less_than_its_minimum() {
        let budget = RetryBudget::default();
        assert!(budget.allows(0, 2) && !budget.allows(0, 3));
        assert!(budget.allows(100, 19) && !budget.allows(100, 20));
    }
}
