//! What is due when: one timer per link and per exchange that waits for something, moved lazily.
//!
//! A timer is only ever moved to an earlier time. When it fires its owner is asked what is really due; if
//! nothing is, it is set again. So the hot path compares two numbers and touches no wheel.

use std::time::Duration;

use narrows_wire::Time;
use narrows_wire::codec::ErrorCode;

use super::keepalive::is_watched;
use super::{Owner, Worker};
use crate::closes::Close;
use crate::exchange::{Stage, Wait};
use crate::io::{Io, Socket};
use crate::link::{Link, Side, State};
use crate::reply::Cause;
use crate::slab::Key;

/// A link that is closing has this long to write what it has, and again as long as it moves.
pub(super) const CLOSING_TIME_MAX: Duration = Duration::from_secs(5);
/// Bytes that a link which is closing writes in each such time, or it is cut off.
const CLOSING_BYTES_MIN: u64 = 1 << 10;
/// A client has this long to end its direction after ours.
pub(super) const LINGER_TIME_MAX: Duration = Duration::from_secs(1);
/// A link that has been without streams for this long gives back memory.
const SHRINK_AFTER: Duration = Duration::from_secs(5);

impl<I: Io> Worker<I> {
    pub(super) fn fire_timers(&mut self) {
        let mut fired = std::mem::take(&mut self.fired);
        self.timers.expire(self.now, |owner| fired.push(owner));
        for owner in fired.drain(..) {
            match owner {
                Owner::Link(key) => self.on_link_due(key),
                Owner::Exchange(key) => self.on_exchange_due(key),
                Owner::Accept => self.accept_everywhere(),
                Owner::Drain => self.end_drain(),
            }
        }
        self.fired = fired;
    }

    /// When something of this link is due at the earliest.
    pub(super) fn link_due(&self, link: &Link<I::Socket>) -> Time {
        let idle = match link.state {
            State::Open if link.codec.active_streams() == 0 => {
                let limit = self.idle_limit(link);
                link.last_used + if link.shrunk { limit } else { limit.min(SHRINK_AFTER) }
            }
            State::Open
            | State::Connecting
            | State::Handshake
            | State::Closing
            | State::Lingering => Time::NEVER,
        };
        let throttled = match link.throttled_until {
            until if until > self.now => until,
            _ => Time::NEVER,
        };
        let quiet = if is_watched(link, self.now) { link.watch.due() } else { Time::NEVER };
        link.codec.deadline().min(link.due).min(idle).min(throttled).min(quiet)
    }

    fn idle_limit(&self, link: &Link<I::Socket>) -> Duration {
        match &link.side {
            Side::Downstream(listener) => listener.idle_timeout,
            Side::Upstream(node) => {
                self.upstream_of(*node).map_or(Duration::ZERO, |u| u.idle_timeout)
            }
        }
    }

    fn on_link_due(&mut self, key: Key) {
        let now = self.now;
        let Some(link) = self.links.get_mut(key) else { return };
        link.timer = None;
        if link.throttled_until != Time::ZERO && link.throttled_until <= now {
            link.throttled_until = Time::ZERO;
            link.starved = true;
            self.mark_dirty(key);
        }
        if !self.look_after_peer(key) {
            return;
        }
        let Some(link) = self.links.get_mut(key) else { return };
        if link.codec.deadline() <= now {
            link.codec.on_deadline(now);
            self.mark_dirty(key);
            self.take_events(key);
        }
        let Some(link) = self.links.get(key) else { return };
        if link.due <= now {
            match link.state {
                State::Connecting => return self.lose_link(key, Close::ConnectTimeout),
                State::Handshake if !link.is_downstream() => {
                    return self.lose_link(key, Close::TlsTimeout);
                }
                State::Handshake => return self.lose_link(key, Close::HandshakeTimeout),
                State::Lingering => return self.lose_link(key, Close::WriteTimeout),
                State::Closing => return self.on_closing_late(key),
                State::Open => self.on_old(key),
            }
        }
        self.close_if_idle(key);
        self.arm_link(key);
    }

    /// A peer takes its time for its last bytes. If it does not take them, what it has is not to look complete.
    fn on_closing_late(&mut self, key: Key) {
        let due = self.now + CLOSING_TIME_MAX;
        let Some(link) = self.links.get_mut(key) else { return };
        if link.written - link.closing_mark >= CLOSING_BYTES_MIN {
            link.closing_mark = link.written;
            link.due = due;
            return self.arm_link(key);
        }
        if !link.codec.output().is_empty() {
            link.socket.abort();
        }
        self.lose_link(key, Close::WriteTimeout);
    }

    /// The connection is old: it takes no more calls and ends with its last stream.
    fn on_old(&mut self, key: Key) {
        let now = self.now;
        let Some(link) = self.links.get_mut(key) else { return };
        if let Side::Downstream(listener) = &link.side {
            let grace = listener.max_connection_age_grace;
            if std::mem::replace(&mut link.retired, true) {
                return self.end_old(key);
            }
            link.due = grace.map_or(Time::NEVER, |grace| now + grace);
            link.ending.leave(Close::Age);
            link.codec.drain(now);
            self.mark_dirty(key);
        } else {
            self.end_if_unused(key);
            if let Some(link) = self.links.get_mut(key)
                && link.state == State::Open
            {
                link.retired = true;
                link.ending.leave(Close::Age);
                link.due = Time::NEVER;
            }
        }
    }

    /// What is left on the old connection of a client has had its grace.
    fn end_old(&mut self, key: Key) {
        let tags = self.links.get(key).map(|link| link.codec.tags()).unwrap_or_default();
        for tag in tags {
            self.fail(Key::unpack(tag), Cause::ConnectionAge, String::new());
        }
        if let Some(link) = self.links.get_mut(key) {
            link.codec.close(ErrorCode::NO_ERROR, "too old");
            self.close_link(key, Close::Age);
        }
    }

    fn close_if_idle(&mut self, key: Key) {
        let Some(link) = self.links.get(key) else { return };
        let idle = link.state == State::Open
            && link.codec.active_streams() == 0
            && link.last_used + self.idle_limit(link) <= self.now;
        if let Some(link) = self.links.get_mut(key)
            && !link.shrunk
            && link.codec.active_streams() == 0
            && link.last_used + SHRINK_AFTER <= self.now
        {
            link.codec.shrink();
            link.shrunk = true;
        }
        if idle && let Some(link) = self.links.get_mut(key) {
            link.codec.close(ErrorCode::NO_ERROR, "idle");
            self.close_link(key, Close::Idle);
        }
    }

    /// Sets the timer of an exchange if something is due earlier than it fires.
    pub(super) fn arm_exchange(&mut self, key: Key) {
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        let (due, _) = exchange.next_due();
        match exchange.clocks.timer {
            Some((_, at)) if at <= due => {}
            Some((timer, _)) => {
                self.timers.move_to(timer, due);
                exchange.clocks.timer = Some((timer, due));
            }
            None if due == Time::NEVER => {}
            None => {
                exchange.clocks.timer = Some((self.timers.set(due, Owner::Exchange(key)), due));
            }
        }
    }

    fn on_exchange_due(&mut self, key: Key) {
        let now = self.now;
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        exchange.clocks.timer = None;
        let (due, cause) = exchange.next_due();
        match cause {
            _ if due > now => self.arm_exchange(key),
            Some(cause) => self.fail(key, cause, String::new()),
            None if exchange.clocks.hedge <= now => {
                self.hedge(key);
                self.arm_exchange(key);
            }
            None if exchange.clocks.record <= now => {
                self.record_periodically(key);
                self.arm_exchange(key);
            }
            None => {
                self.on_wait_over(key);
                self.arm_exchange(key);
            }
        }
    }

    fn on_wait_over(&mut self, key: Key) {
        let Some(exchange) = self.exchanges.get(key) else { return };
        match exchange.stage {
            Stage::Parked { wait: Wait::Lookup, .. } => self.on_lookup_late(key),
            Stage::Parked { wait: Wait::Mapping { .. }, .. } => self.ask_again(key),
            Stage::Parked { wait: Wait::Resolve, .. } => {
                self.fail(key, Cause::ResolveFailed, "no answer in time");
            }
            Stage::Parked { wait: Wait::Backoff, .. } => self.on_backoff_over(key),
            Stage::Queued { .. } => self.fail(key, Cause::AcquireTimeout, ""),
            Stage::Relaying(_) | Stage::Local => {}
        }
    }
}
