//! From a route to a node: a fixed list in turn, or the answer of a store, or the address of a name.
//!
//! What needs I/O parks the exchange; the answer comes by mailbox and the way goes on from there.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use narrows_wire::Time;

use super::failure::Failure;
use super::{KNOWN_TARGETS_MAX, Worker};
use crate::control::{Answer, Job, Ticket};
use crate::exchange::{Stage, Wait};
use crate::io::Io;
use crate::lookup::{Outcome, Store};
use crate::pool::{Identity, NodeTls, Resolved};
use crate::reply::Cause;
use crate::route::Request;
use crate::slab::Key;
use crate::snapshot::{Lookup, OnMissing, Targets, Upstream};
use crate::target::{Host, Scheme, Target};

/// How often a store that does not know a key is asked again under `on_missing: wait`.
pub(super) const ASK_AGAIN: Duration = Duration::from_millis(100);
/// How long a name may take to be resolved.
const RESOLVE_BUDGET: Duration = Duration::from_secs(5);
/// A name is not resolved more often than this.
const NAME_LIFETIME_MIN: Duration = Duration::from_secs(1);
/// Fallbacks of fallbacks; the configuration has no circles, this is the belt to those braces.
const FALLBACKS_MAX: u8 = 4;

/// What the table says of a key, without holding on to the table.
enum Found {
    Known(Key),
    Target(Arc<Target>),
    Missing,
    Malformed(Arc<str>),
    Ask,
}

impl<I: Io> Worker<I> {
    /// Finds the node of an exchange and sends it there; parks it if that needs I/O.
    pub(super) fn locate(&mut self, key: Key) -> Result<(), Failure> {
        let Some(exchange) = self.exchanges.get_mut(key) else { return Ok(()) };
        let active = exchange.active.clone();
        let index = exchange.upstream;
        let Some(upstream) = active.snapshot.upstreams.get(index) else {
            return Err(Failure::new(Cause::NoEndpoint));
        };
        match &upstream.targets {
            Targets::Balanced(balanced) => match &balanced.rules.sticky {
                Some(sticky) => self.stick(key, (index, balanced, sticky)),
                None => self.balance(key, index, balanced),
            },
            Targets::Lookup(lookup) => self.look_up(key, index, lookup),
            Targets::Asked(_) => match exchange.asked.clone() {
                Some(target) => self.go_to(key, &target),
                None => Err(Failure::new(Cause::NoEndpoint)),
            },
        }
    }

    fn look_up(&mut self, key: Key, upstream: usize, lookup: &Lookup) -> Result<(), Failure> {
        self.render_key(key, lookup)?;
        let now = self.now;
        let known = &self.known_targets;
        let store = &lookup.store;
        let found = store.table.read(&self.lookup_key, |cached| {
            let Some(cached) = cached else {
                return if store.complete { Found::Missing } else { Found::Ask };
            };
            let fresh = now < cached.fresh_until;
            if !fresh && store.complete {
                return Found::Missing; // its time is over
            }
            if !fresh && store.is_up() {
                return Found::Ask;
            }
            match &cached.outcome {
                Outcome::Found(target) => {
                    match known.get(&(upstream, Arc::as_ptr(target) as usize)) {
                        Some((_, node)) => Found::Known(*node),
                        None => Found::Target(target.clone()),
                    }
                }
                Outcome::Missing => Found::Missing,
                Outcome::Malformed(why) => Found::Malformed(why.clone()),
            }
        });
        self.stats.lookup_hits.add(u64::from(!matches!(found, Found::Ask)));
        match found {
            Found::Known(node) if self.pool.get(node).is_some() => self.go_in(key, node),
            // The node was forgotten when its last connection ended.
            Found::Known(_) => {
                self.known_targets.clear();
                self.look_up(key, upstream, lookup)
            }
            Found::Target(target) => self.go_to(key, &target),
            Found::Missing => self.on_unknown(key, lookup),
            Found::Malformed(why) => Err(self.malformed(key, lookup, &why)),
            Found::Ask => self.ask(key, &lookup.store, lookup.budget),
        }
    }

    fn render_key(&mut self, key: Key, lookup: &Lookup) -> Result<(), Failure> {
        let Some(exchange) = self.exchanges.get(key) else { return Ok(()) };
        let request = Request { head: &exchange.head, source: exchange.source };
        self.lookup_key.clear();
        lookup
            .key
            .render(&request, &mut self.lookup_key)
            .map_err(|missing| Failure::with(Cause::MissingKey, missing))
    }

    /// Parks the exchange until the store has answered.
    fn ask(&mut self, key: Key, store: &Arc<Store>, budget: Duration) -> Result<(), Failure> {
        self.stats.lookup_misses.add(1);
        let job = Job::Lookup {
            store: store.clone(),
            key: self.lookup_key.as_slice().into(),
            ticket: Some(self.ticket(key)),
        };
        if self.port.submit(job).is_err() {
            self.stats.lookup_errors.add(1);
            return Err(Failure::with(Cause::StoreDown, "too many lookups wait"));
        }
        self.park(key, Wait::Lookup, self.now + budget);
        Ok(())
    }

    pub(super) fn ticket(&self, key: Key) -> Ticket {
        Ticket { worker: self.index, exchange: key.pack() }
    }

    pub(super) fn park(&mut self, key: Key, wait: Wait, until: Time) {
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        exchange.stage = Stage::Parked { until, wait };
        if exchange.times.parked == Time::ZERO {
            exchange.times.parked = self.now;
        }
        self.arm_exchange(key);
    }

    /// The answer for a parked exchange.
    pub(super) fn on_answer(&mut self, key: Key, answer: Answer) {
        let Some(exchange) = self.exchanges.get(key) else { return };
        let Stage::Parked { wait, .. } = exchange.stage else { return };
        let result = match answer {
            Answer::Lookup(outcome) => self.on_looked_up(key, wait, outcome),
            Answer::Pinned(answer) => self.on_pinned(key, answer),
            Answer::Resolved(Ok((addresses, lifetime))) => {
                self.on_resolved(key, &addresses, self.now + lifetime.max(NAME_LIFETIME_MIN))
            }
            Answer::Resolved(Err(why)) => Err(Failure::inner(Cause::ResolveFailed, &*why)),
        };
        match result {
            Ok(()) => self.arm_exchange(key),
            Err(failure) => self.fail(key, failure.cause, failure.detail),
        }
    }

    fn on_looked_up(
        &mut self,
        key: Key,
        wait: Wait,
        outcome: Result<Outcome, crate::control::StoreFailure>,
    ) -> Result<(), Failure> {
        let Some(exchange) = self.exchanges.get(key) else { return Ok(()) };
        let active = exchange.active.clone();
        let Some(Targets::Lookup(lookup)) =
            active.snapshot.upstreams.get(exchange.upstream).map(|upstream| &upstream.targets)
        else {
            return Ok(());
        };
        match outcome {
            Ok(Outcome::Found(target)) => self.go_to(key, &target),
            Ok(Outcome::Missing) => match wait {
                Wait::Mapping { give_up } if self.now < give_up => {
                    self.park(key, wait, (self.now + ASK_AGAIN).min(give_up));
                    Ok(())
                }
                Wait::Mapping { .. } => Err(self.unknown_job(key, lookup)),
                Wait::Lookup | Wait::Resolve | Wait::Backoff => self.on_unknown(key, lookup),
            },
            Ok(Outcome::Malformed(why)) => Err(self.malformed(key, lookup, &why)),
            Err(failure) => {
                if self.use_stale(key, lookup)? {
                    return Ok(());
                }
                self.stats.lookup_errors.add(1);
                Err(Failure::inner(Cause::StoreDown, failure))
            }
        }
    }

    /// The store took too long: an old answer is better than none.
    pub(super) fn on_lookup_late(&mut self, key: Key) {
        let Some(exchange) = self.exchanges.get(key) else { return };
        let active = exchange.active.clone();
        let lookup = match active.snapshot.upstreams.get(exchange.upstream).map(|it| &it.targets) {
            Some(Targets::Lookup(lookup)) => lookup,
            Some(Targets::Balanced(balanced)) => {
                let Some(sticky) = &balanced.rules.sticky else { return };
                return self.fail_late(key, &sticky.store, sticky.budget);
            }
            Some(Targets::Asked(_)) | None => return,
        };
        match self.use_stale(key, lookup) {
            Ok(true) => {}
            Ok(false) => self.fail_late(key, &lookup.store, lookup.budget),
            Err(failure) => self.fail(key, failure.cause, failure.detail),
        }
    }

    fn fail_late(&mut self, key: Key, store: &Store, budget: Duration) {
        self.stats.lookup_errors.add(1);
        self.fail(key, Cause::LookupTimeout, format!("{} in {budget:?}", store.name));
    }

    fn use_stale(&mut self, key: Key, lookup: &Lookup) -> Result<bool, Failure> {
        self.render_key(key, lookup)?;
        let target =
            lookup.store.table.read(&self.lookup_key, |cached| match cached.map(|c| c.outcome) {
                Some(Outcome::Found(target)) => Some(target.clone()),
                Some(Outcome::Missing | Outcome::Malformed(_)) | None => None,
            });
        let Some(target) = target else { return Ok(false) };
        self.stats.lookup_stale.add(1);
        self.go_to(key, &target)?;
        Ok(true)
    }

    /// The store knows no node for the key, or the node it names can not be reached.
    pub(super) fn on_unknown(&mut self, key: Key, lookup: &Lookup) -> Result<(), Failure> {
        match lookup.on_missing {
            OnMissing::Fail => Err(self.unknown_job(key, lookup)),
            OnMissing::Wait(patience) => self.wait_for_mapping(key, patience),
            OnMissing::Fallback(upstream) => self.fall_back(key, upstream),
        }
    }

    /// Parks the exchange until the store names a node that can be reached. The patience counts from the
    /// first time that the exchange was parked.
    pub(super) fn wait_for_mapping(&mut self, key: Key, patience: Duration) -> Result<(), Failure> {
        let Some(exchange) = self.exchanges.get(key) else { return Ok(()) };
        let since = match exchange.times.parked {
            Time::ZERO => self.now,
            parked => parked,
        };
        let give_up = since + patience;
        let until = (self.now + ASK_AGAIN).min(give_up);
        self.park(key, Wait::Mapping { give_up }, until);
        Ok(())
    }

    pub(super) fn fall_back(&mut self, key: Key, upstream: usize) -> Result<(), Failure> {
        let Some(exchange) = self.exchanges.get_mut(key) else { return Ok(()) };
        exchange.upstream = upstream;
        exchange.fallbacks += 1;
        if exchange.fallbacks > FALLBACKS_MAX {
            return Err(Failure::with(Cause::NoEndpoint, "too many fallbacks"));
        }
        self.locate(key)
    }

    fn unknown_job(&mut self, key: Key, lookup: &Lookup) -> Failure {
        Failure::with(Cause::UnknownJob, self.job_in_store(key, lookup))
    }

    /// What the store holds for the key is no target; `why` may show it.
    fn malformed(&mut self, key: Key, lookup: &Lookup, why: &str) -> Failure {
        Failure::with(Cause::MalformedTarget, self.job_in_store(key, lookup)).and_inner(why)
    }

    /// The key of a call as its caller may be told.
    fn job_in_store(&mut self, key: Key, lookup: &Lookup) -> String {
        // The key is rendered again: an answer may have come for another exchange in between.
        let _ = self.render_key(key, lookup);
        let job = String::from_utf8_lossy(&self.lookup_key);
        format!("{job} in store {}", lookup.store.name)
    }

    /// Under `on_missing: wait`: asks the store once more, or gives up.
    pub(super) fn ask_again(&mut self, key: Key) {
        let Some(exchange) = self.exchanges.get(key) else { return };
        let Stage::Parked { wait: wait @ Wait::Mapping { give_up }, .. } = exchange.stage else {
            return;
        };
        let active = exchange.active.clone();
        let Some(Targets::Lookup(lookup)) =
            active.snapshot.upstreams.get(exchange.upstream).map(|upstream| &upstream.targets)
        else {
            return;
        };
        if self.now >= give_up {
            let failure = self.unknown_job(key, lookup);
            return self.fail(key, failure.cause, failure.detail);
        }
        self.park(key, wait, (self.now + ASK_AGAIN).min(give_up));
        if self.render_key(key, lookup).is_err() {
            return;
        }
        let now = self.now;
        let found = lookup.store.table.read(&self.lookup_key, |cached| match cached {
            Some(c) if now < c.fresh_until => match &c.outcome {
                Outcome::Found(target) => Some(target.clone()),
                Outcome::Missing | Outcome::Malformed(_) => None,
            },
            _ => None,
        });
        let result = match found {
            Some(target) => self.go_to(key, &target),
            None if lookup.store.complete => Ok(()),
            None => {
                let job = Job::Lookup {
                    store: lookup.store.clone(),
                    key: self.lookup_key.as_slice().into(),
                    ticket: Some(self.ticket(key)),
                };
                // A full queue means that it is asked in the next round.
                let _ = self.port.submit(job);
                Ok(())
            }
        };
        if let Err(failure) = result {
            self.fail(key, failure.cause, failure.detail);
        }
    }

    /// Sends the exchange to a target: checks it, resolves its name, finds its node.
    pub(super) fn go_to(&mut self, key: Key, target: &Arc<Target>) -> Result<(), Failure> {
        let Some(exchange) = self.exchanges.get_mut(key) else { return Ok(()) };
        exchange.times.located = self.now;
        let active = exchange.active.clone();
        let index = exchange.upstream;
        let Some(upstream) = active.snapshot.upstreams.get(index) else {
            return Err(Failure::new(Cause::NoEndpoint));
        };
        let identity = (index, Arc::as_ptr(target) as usize);
        let is_current = std::rc::Rc::ptr_eq(&active, &self.active);
        if is_current
            && let Some((_, node)) = self.known_targets.get(&identity)
            && self.pool.get(*node).is_some()
        {
            return self.go_in(key, *node);
        }
        let address = match (self.address_of(target, key), &target.host) {
            (Some(address), _) => address,
            (None, Host::Name(name)) => return self.resolve(key, name, target),
            (None, Host::Ip(_)) => return Err(Failure::new(Cause::Internal)),
        };
        let node = self.node_at(index, upstream, target, address)?;
        // A name may move, so only addresses are remembered; and only for the present configuration.
        let is_kept = !matches!(upstream.targets, Targets::Asked(_));
        if is_current && is_kept && target.address().is_some() {
            if self.known_targets.len() >= KNOWN_TARGETS_MAX {
                self.known_targets.clear();
            }
            self.known_targets.insert(identity, (target.clone(), node));
        }
        self.go_in(key, node)
    }

    /// Sends the exchange to its node, unless an operator keeps new calls from there.
    fn go_in(&mut self, key: Key, node: Key) -> Result<(), Failure> {
        let (Some(exchange), Some(found)) = (self.exchanges.get(key), self.pool.get(node)) else {
            return Ok(());
        };
        let drained = match exchange.upstream().map(|upstream| &upstream.targets) {
            Some(Targets::Lookup(lookup)) if lookup.drained.holds(found) => lookup.on_missing,
            _ => return self.dispatch(key, node),
        };
        self.pool.forget_if_unused(node);
        self.on_node_drained(key, drained)
    }

    /// The node that the store names is taken out of service; the store may come to name another one.
    fn on_node_drained(&mut self, key: Key, on_missing: OnMissing) -> Result<(), Failure> {
        match on_missing {
            OnMissing::Fail => Err(Failure::new(Cause::NodeDrained)),
            OnMissing::Wait(patience) => self.wait_for_mapping(key, patience),
            OnMissing::Fallback(upstream) => self.fall_back(key, upstream),
        }
    }

    /// The address of a target, unless it is a name that has to be resolved first.
    pub(super) fn address_of(&self, target: &Target, key: Key) -> Option<SocketAddr> {
        match &target.host {
            Host::Ip(ip) => Some(SocketAddr::new(*ip, target.port)),
            Host::Name(name) => self.resolved(name, target.port, exchange_turn(key)),
        }
    }

    pub(super) fn node_at(
        &mut self,
        index: usize,
        upstream: &Upstream,
        target: &Target,
        address: SocketAddr,
    ) -> Result<Key, Failure> {
        let allowed = match &upstream.targets {
            Targets::Lookup(lookup) => lookup.allow.contains(address.ip()),
            Targets::Asked(networks) => networks.contains(address.ip()),
            Targets::Balanced(_) => true,
        };
        if !allowed {
            return Err(Failure::new(Cause::TargetNotAllowed));
        }
        let client = match target.scheme {
            Scheme::Plain => None,
            Scheme::Inherit => upstream.protocol.tls.as_ref(),
            Scheme::Tls => Some(&upstream.tls),
        };
        let tls = client.map(|client| node_tls(client, &target.host, address)).transpose()?;
        let identity = Identity {
            upstream: upstream.name.clone(),
            address,
            speaks: upstream.protocol.speaks,
            tls: tls.as_ref().map(|tls| {
                (Arc::as_ptr(&tls.client.config) as usize, tls.name.to_str().into_owned())
            }),
        };
        let key = self.pool.node(identity, tls, index);
        if let Host::Name(name) = &target.host
            && let Some(node) = self.pool.get_mut(key)
        {
            node.name.get_or_insert_with(|| name.clone());
        }
        Ok(key)
    }

    fn resolved(&self, name: &str, port: u16, turn: usize) -> Option<SocketAddr> {
        let resolved = self.pool.names.get(name).filter(|resolved| self.now < resolved.until)?;
        let address = resolved.addresses.get(turn % resolved.addresses.len().max(1))?;
        Some(SocketAddr::new(address.ip(), port))
    }

    fn resolve(&mut self, key: Key, name: &str, target: &Target) -> Result<(), Failure> {
        let ticket = self.ticket(key);
        let job = Job::Resolve { name: name.into(), port: target.port, ticket };
        if self.port.submit(job).is_err() {
            return Err(Failure::with(Cause::ResolveFailed, "too many lookups wait"));
        }
        if let Some(exchange) = self.exchanges.get_mut(key) {
            exchange.resolving = Some(Arc::new(target.clone()));
        }
        self.park(key, Wait::Resolve, self.now + RESOLVE_BUDGET);
        Ok(())
    }

    fn on_resolved(
        &mut self,
        key: Key,
        addresses: &Arc<[SocketAddr]>,
        until: Time,
    ) -> Result<(), Failure> {
        let Some(exchange) = self.exchanges.get_mut(key) else { return Ok(()) };
        let Some(target) = exchange.resolving.take() else { return Ok(()) };
        if addresses.is_empty() {
            return Err(Failure::with(Cause::ResolveFailed, "the name has no address"));
        }
        if let Host::Name(name) = &target.host {
            if self.pool.names.len() >= KNOWN_TARGETS_MAX {
                self.pool.names.clear();
            }
            self.pool.names.insert(name.clone(), Resolved { addresses: addresses.clone(), until });
        }
        self.go_to(key, &target)
    }
}

/// Spreads calls over the addresses of a name.
fn exchange_turn(key: Key) -> usize {
    key.index() as usize
}

fn node_tls(
    client: &Arc<crate::snapshot::ClientTls>,
    host: &Host,
    address: SocketAddr,
) -> Result<NodeTls, Failure> {
    use rustls::pki_types::ServerName;
    let name = match (&client.server_name, host) {
        (Some(name), _) => name.clone(),
        (None, Host::Ip(_)) => ServerName::IpAddress(address.ip().into()),
        (None, Host::Name(name)) => ServerName::try_from(name.to_string())
            .map_err(|_| Failure::with(Cause::MalformedTarget, "the host is no name for TLS"))?,
    };
    Ok(NodeTls { client: client.clone(), name })
}
