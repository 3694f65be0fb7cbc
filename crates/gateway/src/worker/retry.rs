//! Trying a call again that failed at a node, before anything of a reply has gone to its caller.
//!
//! The rules stand in `retry.rs`. A call that is to be tried again is parked for the time of its wait; then its node is
//! chosen anew, and nodes where it has failed come last.

use std::rc::Rc;
use std::time::Duration;

use narrows_wire::codec::{End, ErrorCode, StreamKey};
use narrows_wire::grpc::{self, Status};
use narrows_wire::{Head, Indexing, Name, Time};

use super::Worker;
use super::judge::{Outcome, blame, detach};
use super::sticky::Unreached;
use crate::balance::Peer;
use crate::exchange::{Exchange, Progress, Stage, Wait};
use crate::io::Io;
use crate::outlier::Fault;
use crate::reply::Cause;
use crate::retry::{Answered, Retry};
use crate::slab::Key;
use crate::snapshot::Targets;

/// What is known of the earlier times of a call that is tried again.
#[derive(Debug, Default)]
pub struct Retried {
    /// How often it has been tried again by the rules of its route.
    pub times: u8,
    /// The upstream in whose budget it is then, an index.
    pub upstream: usize,
    /// The nodes where it failed.
    pub tried: Vec<Rc<Peer>>,
}

/// Nodes that are tried at most when the first ones can not be reached, if no rules say more.
const UNREACHED_MAX: usize = 3;

/// What becomes of a reply where two nodes have the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// It goes to the caller.
    Taken,
    /// The other node's is waited for.
    Ignored,
}

/// What a node says about trying again.
enum Pushback {
    /// Nothing.
    None,
    /// After this long.
    After(Duration),
    /// Not at all.
    Never,
}

impl<I: Io> Worker<I> {
    /// Tries another node of a set when one can not be reached: nothing has been processed then, so that it takes no
    /// rule. `false`: there is no other, or enough have been tried.
    pub(super) fn fail_over(&mut self, key: Key, cause: Cause) -> bool {
        let Some(exchange) = self.exchanges.get(key) else { return false };
        let active = exchange.active.clone();
        let is_unreached =
            matches!(cause, Cause::ConnectFailed | Cause::ConnectTimeout | Cause::TlsTimeout);
        if !is_unreached || !exchange.is_repeatable() || self.is_ending() {
            return false;
        }
        let upstream = active.snapshot.upstreams.get(exchange.upstream);
        let Some(upstream) = upstream else { return false };
        let Targets::Balanced(balanced) = &upstream.targets else { return false };
        if let Some(sticky) = &balanced.rules.sticky {
            match self.on_pin_unreached(key, sticky) {
                Unreached::MayGoElsewhere => {}
                Unreached::Waits => return true,
                Unreached::Ends => return false,
            }
        }
        let Some(exchange) = self.exchanges.get(key) else { return false };
        let failed = exchange.retried.as_ref().map_or(0, |retried| retried.tried.len()) + 1;
        if failed >= balanced.endpoints.entries().len().min(UNREACHED_MAX) {
            return false;
        }
        upstream.stats.shard(self.index).replays.add(1);
        self.park_until(key, self.now, blame(cause));
        true
    }

    /// Tries a call again that would end for this cause. `false`: it ends.
    pub(super) fn retry_failure(&mut self, key: Key, cause: Cause) -> bool {
        let Some(exchange) = self.exchanges.get(key) else { return false };
        let Some(retry) = exchange.retry() else { return false };
        retry.after_failure(cause) && self.try_again(key, blame(cause), None, None)
    }

    /// Tries a call again to which a node answered in a way that the route has rules for. `false`: the answer goes
    /// to the caller.
    pub(super) fn retry_answer(
        &mut self,
        key: Key,
        from: (Key, StreamKey),
        end: End,
        head: &Head,
    ) -> bool {
        let Some(exchange) = self.exchanges.get(key) else { return false };
        let Some(retry) = exchange.retry() else { return false };
        let answered = Answered::of(head, end, exchange.is_grpc);
        if !retry.after_answer(answered) {
            return false;
        }
        let wait = match Pushback::of(head) {
            Pushback::None => None,
            Pushback::After(wait) => Some(wait),
            Pushback::Never => return false,
        };
        let is_over = end == End::Stream && exchange.request.progress == Progress::Ended;
        self.try_again(key, answered.outcome(), wait, (!is_over).then_some(from))
    }

    /// One of two nodes that have a call begins its reply. One that the route has rules against is ignored as long as
    /// the other one may still answer.
    pub(super) fn hear(
        &mut self,
        key: Key,
        from: (Key, StreamKey),
        end: End,
        head: &Head,
    ) -> Heard {
        let Some(exchange) = self.exchanges.get(key) else { return Heard::Taken };
        let rules = exchange.route().and_then(|route| route.retry.as_deref());
        let answered = Answered::of(head, end, exchange.is_grpc);
        if rules.is_some_and(|retry| retry.after_answer(answered)) {
            self.lose_hedged(key, from.0, (end == End::Open).then_some(ErrorCode::CANCEL));
            return Heard::Ignored;
        }
        self.settle_hedge(key, from);
        Heard::Taken
    }

    /// Parks a call until it is to be tried again, unless the budget of its upstream or its own time do not allow it.
    /// `open`: its stream to the node, if that still goes on.
    fn try_again(
        &mut self,
        key: Key,
        outcome: Outcome,
        wait: Option<Duration>,
        open: Option<(Key, StreamKey)>,
    ) -> bool {
        let Some(exchange) = self.exchanges.get(key) else { return false };
        let Some(retry) = exchange.retry() else { return false };
        let nth = exchange.retried.as_ref().map_or(0, |retried| retried.times) + 1;
        let until = self.now + wait.unwrap_or_else(|| retry.wait(nth, &mut self.random));
        if until >= exchange.clocks.deadline.min(exchange.clocks.total) {
            return false;
        }
        if !self.enter_budget(key) {
            return false;
        }
        if let Some((link, stream)) = open {
            self.reset_stream(link, stream, ErrorCode::CANCEL);
        }
        if let Some(exchange) = self.exchanges.get_mut(key) {
            exchange.retries_left -= 1;
            exchange.count_attempt();
            if let Some(upstream) = exchange.upstream() {
                upstream.stats.shard(self.index).retries.add(1);
            }
        }
        self.park_until(key, until, outcome);
        true
    }

    /// Counts a call in the budget of its upstream, once. `false`: there is no room for it.
    pub(super) fn enter_budget(&mut self, key: Key) -> bool {
        let Some(exchange) = self.exchanges.get_mut(key) else { return false };
        if exchange.retried.as_ref().is_some_and(|retried| retried.times > 0) {
            return true;
        }
        let Some(upstream) = exchange.upstream() else { return false };
        let shard = upstream.stats.shard(self.index);
        let is_allowed = upstream.retry_budget.allows(shard.streams.get(), shard.retrying.get());
        shard.retry_overflows.add(u64::from(!is_allowed));
        shard.retrying.add(i64::from(is_allowed));
        is_allowed
    }

    /// The node of a call has failed it; another one is chosen at `until`.
    fn park_until(&mut self, key: Key, until: Time, outcome: Outcome) {
        let leg = self.exchanges.get(key).and_then(|exchange| exchange.node_leg());
        if let Some(leg) = leg {
            self.leave_node(key, leg.link);
        }
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        exchange.give_up_peer(outcome, self.now);
        exchange.clocks.per_try = Time::NEVER;
        exchange.clocks.hedge = Time::NEVER;
        exchange.stage = Stage::Parked { until, wait: Wait::Backoff };
        self.arm_exchange(key);
    }

    /// The wait of a call that is to be tried again is over.
    pub(super) fn on_backoff_over(&mut self, key: Key) {
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        exchange.stage = Stage::Local;
        exchange.node = None;
        if let Err(failure) = self.locate(key) {
            self.fail(key, failure.cause, failure.detail);
        }
    }

    /// The budget of an upstream has room again for another call.
    pub(super) fn leave_retries(&self, exchange: &Exchange) {
        let Some(retried) = exchange.retried.as_ref().filter(|retried| retried.times > 0) else {
            return;
        };
        if let Some(upstream) = exchange.active.snapshot.upstreams.get(retried.upstream) {
            upstream.stats.shard(self.index).retrying.add(-1);
        }
    }
}

// === impl Exchange ===

impl Exchange {
    /// The rules for trying it again, as long as it can be.
    pub(super) fn retry(&self) -> Option<&Retry> {
        if self.retries_left == 0 || !self.is_repeatable() {
            return None;
        }
        self.route()?.retry.as_deref()
    }

    /// Whether nothing of a reply has come and all of the request is still there.
    pub(super) fn is_repeatable(&self) -> bool {
        self.replayable && self.reply.progress == Progress::Nothing
    }

    /// The node that was chosen for it is not to be chosen again, if there are others.
    pub(super) fn give_up_peer(&mut self, outcome: Outcome, now: Time) {
        let Some(peer) = self.peer.clone() else { return };
        detach(self, outcome, now);
        self.retried.get_or_insert_default().tried.push(peer);
    }

    /// It has been sent to a node, which has so long to begin a reply.
    pub(super) fn start_try(&mut self, now: Time) {
        let limit = self.retry().and_then(|retry| retry.per_try_timeout);
        self.clocks.per_try = limit.map_or(Time::NEVER, |limit| now + limit);
        let delay = self.route().and_then(|route| route.hedge).filter(|_| self.hedge.is_none());
        self.clocks.hedge = delay.map_or(Time::NEVER, |delay| now + delay);
    }

    /// One more node gets it.
    pub(super) fn count_attempt(&mut self) {
        let upstream = self.upstream;
        let retried = self.retried.get_or_insert_default();
        if retried.times == 0 {
            retried.upstream = upstream;
        }
        retried.times += 1;
        if self.is_grpc {
            // gRFC A6: how often the call has been tried before, by the caller itself too.
            let before = self.head.get(Name::GrpcPreviousRpcAttempts).and_then(number).unwrap_or(0);
            let attempts = before.saturating_add(1).to_string();
            self.head.set(Name::GrpcPreviousRpcAttempts, attempts.as_bytes(), Indexing::MayRepeat);
        }
    }
}

// === impl Answered ===

impl Answered {
    fn of(head: &Head, end: End, is_grpc: bool) -> Self {
        let status = head.get(Name::GrpcStatus).filter(|_| is_grpc && end == End::Stream);
        Self {
            http: head.get(Name::Status).and_then(number).unwrap_or(0).try_into().unwrap_or(0),
            grpc: status.and_then(grpc::Status::parse).filter(|status| *status != Status::Ok),
        }
    }

    fn outcome(self) -> Outcome {
        match self.grpc {
            Some(status) => Outcome::Failure(Fault::Grpc(status.code())),
            None if self.http >= 500 => Outcome::Failure(Fault::Http(self.http)),
            None => Outcome::Success,
        }
    }
}

// === impl Pushback ===

impl Pushback {
    /// gRFC A6: what is not a number of milliseconds means that the call is not to be tried again.
    fn of(head: &Head) -> Self {
        match head.get(Name::GrpcRetryPushback) {
            None => Self::None,
            Some(value) => match number(value) {
                Some(millis) => Self::After(Duration::from_millis(millis.into())),
                None => Self::Never,
            },
        }
    }
}

fn number(text: &[u8]) -> Option<u32> {
    std::str::from_utf8(text).ok()?.parse().ok()
}
