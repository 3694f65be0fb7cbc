//! Sending a call to the node of its session.
//!
//! The table of the store says where that is, without I/O. A session that it does not know is pinned: a node is chosen
//! as for any call, and the store is asked to write it down unless another gateway has been faster. The exchange is
//! parked meanwhile, and goes where the store says then. See `balance/sticky.rs` for the rules.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use narrows_wire::{Head, Indexing, Name, Time};

use super::Worker;
use super::failure::Failure;
use super::judge::{Outcome, detach};
use super::locate::ASK_AGAIN;
use crate::balance::{Balanced, OnGone, Peer, Sticky, hash};
use crate::control::{Job, Pin, StoreFailure, Written};
use crate::exchange::{Exchange, Stage, Wait};
use crate::io::Io;
use crate::lookup;
use crate::outlier::Fault;
use crate::reply::Cause;
use crate::route::Request;
use crate::slab::Key;
use crate::snapshot::Targets;
use crate::target::Target;

/// How often a session moves at most for one call: each time, its node was gone again.
const MOVES_MAX: u8 = 3;
/// Sessions of which a worker remembers when it had their pins last longer.
const TOUCHED_MAX: usize = 65_536;
/// A pin is made to last longer again after this part of its time.
const TOUCHES_PER_TTL: u32 = 4;

/// A set whose sessions stick.
type Sticking<'a> = (usize, &'a Balanced, &'a Sticky);

/// What becomes of a call whose node can not be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreached {
    /// It may go to another node.
    MayGoElsewhere,
    /// It is parked until the node is back.
    Waits,
    /// It fails.
    Ends,
}

/// What the table of the store says of a session.
enum Found {
    Pinned(Arc<Target>),
    Malformed(Arc<str>),
    Unknown,
}

impl<I: Io> Worker<I> {
    /// Sends an exchange to the node of its session; one without a session to any.
    pub(super) fn stick(&mut self, key: Key, set: Sticking<'_>) -> Result<(), Failure> {
        let (index, balanced, sticky) = set;
        if !self.render_session(key, sticky) {
            return self.balance(key, index, balanced);
        }
        match self.find_pin(sticky) {
            Found::Pinned(target) => {
                self.stats.lookup_hits.add(1);
                self.go_to_pinned(key, set, &target)
            }
            Found::Malformed(why) => Err(malformed(sticky, &why)),
            Found::Unknown => self.pin(key, set, None),
        }
    }

    /// Puts the key of the session into `lookup_key`. A caller that is to have a cookie and has none gets a name.
    fn render_session(&mut self, key: Key, sticky: &Sticky) -> bool {
        let Some(exchange) = self.exchanges.get_mut(key) else { return false };
        let request = Request { head: &exchange.head, source: exchange.source };
        if sticky.render(&request, exchange.session.as_deref(), &mut self.lookup_key) {
            return true;
        }
        if sticky.cookie.is_none() {
            return false;
        }
        let id = format!("{:032x}", self.random.next_u128());
        let session = exchange.session.get_or_insert_default();
        session.made = Some(id.into());
        sticky.render(&request, Some(session), &mut self.lookup_key)
    }

    fn find_pin(&self, sticky: &Sticky) -> Found {
        let (store, now) = (&sticky.store, self.now);
        store.table.read(&self.lookup_key, |cached| {
            let is_believed = |cached: &lookup::Seen<'_>| {
                now < cached.fresh_until || !store.complete && !store.is_up()
            };
            match cached.filter(is_believed).map(|cached| cached.outcome) {
                Some(lookup::Outcome::Found(target)) => Found::Pinned(target.clone()),
                Some(lookup::Outcome::Malformed(why)) => Found::Malformed(why.clone()),
                Some(lookup::Outcome::Missing) | None => Found::Unknown,
            }
        })
    }

    fn go_to_pinned(
        &mut self,
        key: Key,
        set: Sticking<'_>,
        target: &Arc<Target>,
    ) -> Result<(), Failure> {
        let (index, balanced, sticky) = set;
        let Some(exchange) = self.exchanges.get_mut(key) else { return Ok(()) };
        let unreached = exchange.session.as_mut().and_then(|session| session.unreached.take());
        let is_unreached = unreached.is_some_and(|unreached| unreached == *target);
        match self.pinned_peer(key, index, balanced, target) {
            Some(peer) if !is_unreached => {
                self.touch(key, sticky, target);
                self.go_to_peer(key, peer)
            }
            Some(_) | None => match sticky.on_gone {
                OnGone::Fail => Err(Failure::new(Cause::SessionLost)),
                OnGone::Wait(patience) => self.wait_for_node(key, patience),
                OnGone::Rebalance => self.pin(key, set, Some(target.clone())),
            },
        }
    }

    /// Chooses a node and parks the exchange until the store has written it down, or says who was faster.
    fn pin(
        &mut self,
        key: Key,
        (index, balanced, sticky): Sticking<'_>,
        replaces: Option<Arc<Target>>,
    ) -> Result<(), Failure> {
        let target = self.choose(key, index, balanced)?.endpoint.target.clone();
        if replaces.is_some() {
            let Some(exchange) = self.exchanges.get_mut(key) else { return Ok(()) };
            let session = exchange.session.get_or_insert_default();
            session.moves += 1;
            if session.moves > MOVES_MAX {
                return Err(Failure::new(Cause::SessionLost));
            }
        }
        self.stats.lookup_misses.add(1);
        self.render_session(key, sticky);
        let pin = Pin { target, replaces, ttl: sticky.ttl };
        let ticket = Some(self.ticket(key));
        if self.post_pin(sticky, pin, ticket).is_err() {
            self.stats.lookup_errors.add(1);
            return Err(Failure::with(Cause::StoreDown, "too many lookups wait"));
        }
        self.park(key, Wait::Lookup, self.now + sticky.budget);
        Ok(())
    }

    fn post_pin(
        &self,
        sticky: &Sticky,
        pin: Pin,
        ticket: Option<crate::control::Ticket>,
    ) -> Result<(), crate::control::Busy> {
        let key = self.lookup_key.as_slice().into();
        self.port.submit(Job::Pin { store: sticky.store.clone(), key, pin, ticket })
    }

    /// What the store says after a session was pinned.
    pub(super) fn on_pinned(
        &mut self,
        key: Key,
        answer: Result<(lookup::Outcome, Written), StoreFailure>,
    ) -> Result<(), Failure> {
        let Some(exchange) = self.exchanges.get(key) else { return Ok(()) };
        if !matches!(exchange.stage, Stage::Parked { wait: Wait::Lookup, .. }) {
            return Ok(()); // An answer to an earlier question.
        }
        let (active, index) = (exchange.active.clone(), exchange.upstream);
        let targets = active.snapshot.upstreams.get(index).map(|upstream| &upstream.targets);
        let Some(Targets::Balanced(balanced)) = targets else { return Ok(()) };
        let Some(sticky) = &balanced.rules.sticky else { return Ok(()) };
        let (outcome, written) = answer.map_err(|failure| {
            self.stats.lookup_errors.add(1);
            Failure::inner(Cause::StoreDown, failure)
        })?;
        match outcome {
            lookup::Outcome::Found(target) => {
                if written == Written::Now && self.render_session(key, sticky) {
                    self.note_touch(sticky);
                }
                self.go_to_pinned(key, (index, balanced, sticky), &target)
            }
            lookup::Outcome::Missing => {
                Err(Failure::with(Cause::StoreDown, "the session was forgotten at once"))
            }
            lookup::Outcome::Malformed(why) => Err(malformed(sticky, &why)),
        }
    }

    /// Has the store keep a pin for its whole time again, unless this worker has done so a short while ago.
    fn touch(&mut self, key: Key, sticky: &Sticky, target: &Arc<Target>) {
        if !self.render_session(key, sticky) {
            return;
        }
        let due = self.touched.get(&hash(&self.lookup_key));
        if due.is_some_and(|due| self.now < *due) {
            return;
        }
        let replaces = Some(target.clone());
        let pin = Pin { target: target.clone(), replaces, ttl: sticky.ttl };
        // A full queue means that the next call has it done.
        if self.post_pin(sticky, pin, None).is_ok() {
            self.note_touch(sticky);
        }
    }

    fn note_touch(&mut self, sticky: &Sticky) {
        if self.touched.len() >= TOUCHED_MAX {
            let now = self.now;
            self.touched.retain(|_, due| now < *due);
        }
        if self.touched.len() >= TOUCHED_MAX {
            self.touched.clear();
        }
        let due = self.now + sticky.ttl / TOUCHES_PER_TTL;
        self.touched.insert(hash(&self.lookup_key), due);
    }

    /// Parks an exchange for a moment, after which it looks for its node again.
    fn wait_for_node(&mut self, key: Key, patience: Duration) -> Result<(), Failure> {
        if let Some(leg) = self.exchanges.get(key).and_then(|exchange| exchange.node_leg()) {
            self.leave_node(key, leg.link);
        }
        let now = self.now;
        let Some(exchange) = self.exchanges.get_mut(key) else { return Ok(()) };
        // If one was tried, it could not be reached.
        detach(exchange, Outcome::Failure(Fault::Connect), now);
        let session = exchange.session.get_or_insert_default();
        let give_up = *session.gone_since.get_or_insert(now) + patience;
        if now >= give_up {
            return Err(Failure::new(Cause::SessionLost));
        }
        let until = (now + ASK_AGAIN).min(give_up);
        exchange.stage = Stage::Parked { until, wait: Wait::Backoff };
        exchange.clocks.per_try = Time::NEVER;
        self.arm_exchange(key);
        Ok(())
    }

    /// The node of a call can not be reached: its session says what becomes of it.
    pub(super) fn on_pin_unreached(&mut self, key: Key, sticky: &Sticky) -> Unreached {
        if !self.render_session(key, sticky) {
            return Unreached::MayGoElsewhere;
        }
        match sticky.on_gone {
            OnGone::Fail => Unreached::Ends,
            OnGone::Wait(patience) => match self.wait_for_node(key, patience) {
                Ok(()) => Unreached::Waits,
                Err(_) => Unreached::Ends,
            },
            OnGone::Rebalance => {
                if let Some(exchange) = self.exchanges.get_mut(key) {
                    let target = exchange.peer.as_ref().map(|peer| peer.endpoint.target.clone());
                    exchange.session.get_or_insert_default().unreached = target;
                }
                Unreached::MayGoElsewhere
            }
        }
    }

    /// Tells the caller the name of the session that was made for it.
    #[cold]
    pub(super) fn set_cookie(&self, exchange: &Exchange, id: &str, head: &mut Head) {
        let Some(upstream) = exchange.upstream() else { return };
        let Targets::Balanced(balanced) = &upstream.targets else { return };
        let cookie = balanced.rules.sticky.as_ref().and_then(|sticky| sticky.cookie.as_ref());
        let is_tls = self.links.get(exchange.client.link).is_some_and(|link| link.tls.is_some());
        if let Some(cookie) = cookie {
            let secure = if is_tls { "; Secure" } else { "" };
            // Without an age: the caller keeps it as long as it runs, and the store as long as it is used.
            let value = format!("{}={id}; Path=/; HttpOnly; SameSite=Lax{secure}", cookie.name);
            head.push(Name::SetCookie, value.as_bytes(), Indexing::Secret);
        }
    }

    /// The node with this target, if it may have new calls.
    fn pinned_peer(
        &mut self,
        key: Key,
        index: usize,
        balanced: &Balanced,
        target: &Target,
    ) -> Option<Rc<Peer>> {
        let active = self.exchanges.get(key)?.active.clone();
        let mut balancers = active.balancers.borrow_mut();
        let balancer = balancers.get_mut(index)?.as_mut()?;
        balancer.refresh(balanced, &mut self.peers, (self.index, self.now));
        balancer.pinned(target, self.now)
    }
}

fn malformed(sticky: &Sticky, why: &str) -> Failure {
    Failure::with(Cause::MalformedTarget, format!("store {}", sticky.store.name)).and_inner(why)
}
