//! What a new snapshot keeps of the one before.
//!
//! Counters by name and the sessions of clients by listener, so that a reload resets nothing;
//! TLS towards nodes where no file has changed, so that warm connections, which are pooled by it,
//! stay in use.

use std::collections::BTreeMap;
use std::sync::Arc;

use narrows_gateway::clock;
use narrows_gateway::drained::Drained;
use narrows_gateway::endpoints::{Endpoints, Health, Member};
use narrows_gateway::snapshot::ClientTls;
use narrows_gateway::stats::{FilterStats, ListenerStats, RouteStats, UpstreamStats};
use rustls::server::{ProducesTickets, ServerSessionMemoryCache, StoresServerSessions};

use super::Duties;
use super::tls::AlpnList;
use crate::config::UpstreamTls;
use crate::discovery::{SourceOptions, Wanted};
use crate::reflection::refresh::Memory;

/// What is carried over from one compilation to the next.
#[derive(Debug, Clone)]
pub struct Previous {
    workers: usize,
    listeners: BTreeMap<Arc<str>, Arc<ListenerStats>>,
    routes: BTreeMap<String, Arc<RouteStats>>,
    upstreams: BTreeMap<String, Arc<UpstreamStats>>,
    endpoints: BTreeMap<String, Arc<Endpoints>>,
    /// Of upstreams with a lookup.
    drained: BTreeMap<String, Arc<Drained>>,
    /// By route and filter.
    filters: BTreeMap<(String, &'static str), Arc<FilterStats>>,
    sessions: BTreeMap<SessionScope, Sessions>,
    clients: Vec<(ClientScope, Arc<ClientTls>)>,
    memories: BTreeMap<String, Arc<Memory>>,
    /// Noted while listeners and upstreams are compiled; not carried over.
    pub(super) duties: Duties,
}

/// What TLS towards nodes is made from.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ClientScope {
    pub(super) config: UpstreamTls,
    /// What is offered.
    pub(super) alpn: AlpnList,
    /// Of everything that was read from files.
    pub(super) digest: u64,
}

/// Where a session may be resumed: on the same listener, with the same authorities for client
/// certificates. A session stands for a certificate that was checked, so it must not open a door that
/// asks for another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SessionScope {
    /// The name of the listener.
    pub(super) listener: Arc<str>,
    pub(super) client_ca: Option<Vec<u8>>,
}

/// Sessions of clients, for all workers together.
#[derive(Debug, Clone)]
pub(super) struct Sessions {
    /// Hands sessions to clients, encrypted with keys that change by themselves.
    pub(super) tickets: Arc<dyn ProducesTickets>,
    /// Keeps those of clients that speak TLS 1.2 and know no tickets.
    pub(super) kept: Arc<dyn StoresServerSessions>,
}

/// Sessions that are kept for a listener.
const SESSIONS_MAX: usize = 1024;

// === impl Previous ===

impl Previous {
    /// Nothing came before; so many workers run.
    pub fn new(workers: usize) -> Self {
        Self {
            workers,
            listeners: BTreeMap::new(),
            routes: BTreeMap::new(),
            upstreams: BTreeMap::new(),
            endpoints: BTreeMap::new(),
            drained: BTreeMap::new(),
            filters: BTreeMap::new(),
            sessions: BTreeMap::new(),
            clients: Vec::new(),
            memories: BTreeMap::new(),
            duties: Duties::default(),
        }
    }

    /// The number of workers that run.
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// The counters of a listener, noted in `next`.
    pub(super) fn listener(&self, name: &Arc<str>, next: &mut Self) -> Arc<ListenerStats> {
        let stats = self.listeners.get(name).cloned();
        let stats = stats.unwrap_or_else(|| Arc::new(ListenerStats::new(self.workers)));
        next.listeners.insert(name.clone(), stats.clone());
        stats
    }

    /// The counters of a route, noted in `next`.
    pub(super) fn route(&self, name: &str, next: &mut Self) -> Arc<RouteStats> {
        let stats = self.routes.get(name).cloned();
        let stats = stats.unwrap_or_else(|| Arc::new(RouteStats::new(self.workers)));
        next.routes.insert(name.to_owned(), stats.clone());
        stats
    }

    /// The counters of an upstream, noted in `next`.
    pub(super) fn upstream(&self, name: &str, next: &mut Self) -> Arc<UpstreamStats> {
        let stats = self.upstreams.get(name).cloned();
        let stats = stats.unwrap_or_else(|| Arc::new(UpstreamStats::new(self.workers)));
        next.upstreams.insert(name.to_owned(), stats.clone());
        stats
    }

    /// The nodes of an upstream with what is known of them, noted in `next`.
    pub(super) fn endpoints(
        &self,
        upstream: &str,
        (members, initial): (Vec<Member>, Health),
        next: &mut Self,
    ) -> Arc<Endpoints> {
        let now = clock::now();
        let endpoints = match self.endpoints.get(upstream) {
            Some(before) => {
                before.begin_with(initial);
                Endpoints::following(before, members, now)
            }
            None => {
                let endpoints = Endpoints::new(self.workers);
                endpoints.begin_with(initial);
                endpoints.replace(members, now);
                endpoints
            }
        };
        let endpoints = Arc::new(endpoints);
        next.endpoints.insert(upstream.to_owned(), endpoints.clone());
        endpoints
    }

    /// The addresses that calls of an upstream are kept from, noted in `next`.
    pub(super) fn drained(&self, upstream: &str, next: &mut Self) -> Arc<Drained> {
        let drained = self.drained.get(upstream).cloned().unwrap_or_default();
        next.drained.insert(upstream.to_owned(), drained.clone());
        drained
    }

    /// The nodes of upstreams that are no more are in no set any more.
    pub(super) fn retire_missing(&self, next: &Self) {
        let is_gone = |(name, _): &(&String, _)| !next.endpoints.contains_key(*name);
        for (_, endpoints) in self.endpoints.iter().filter(is_gone) {
            endpoints.retire();
        }
    }

    /// The nodes of an upstream that are told by these sources, noted in `next`. Whoever follows the sources hands
    /// nodes over there, so it is the same set over reloads, and the nodes of before are in it until others are told.
    pub(super) fn discovered(
        &self,
        upstream: &str,
        (sources, initial): (Vec<SourceOptions>, Health),
        next: &mut Self,
    ) -> Arc<Endpoints> {
        let known = self.endpoints.get(upstream).cloned();
        let endpoints = known.unwrap_or_else(|| Arc::new(Endpoints::new(self.workers)));
        endpoints.begin_with(initial);
        next.endpoints.insert(upstream.to_owned(), endpoints.clone());
        let wanted = Wanted { upstream: upstream.into(), endpoints: endpoints.clone(), sources };
        next.duties.discovered.push(wanted);
        endpoints
    }

    /// The counters of a filter of a route, noted in `next`; filters of one name share them.
    pub(super) fn filter(
        &self,
        route: &str,
        name: &'static str,
        next: &mut Self,
    ) -> Arc<FilterStats> {
        let key = (route.to_owned(), name);
        let known = next.filters.get(&key).or_else(|| self.filters.get(&key)).cloned();
        let stats = known.unwrap_or_else(|| Arc::new(FilterStats::new(self.workers)));
        next.filters.insert(key, stats.clone());
        stats
    }

    /// What the nodes of an upstream said of themselves, noted in `next`.
    pub(super) fn memory(&self, upstream: &str, next: &mut Self) -> Arc<Memory> {
        let memory = self.memories.get(upstream).cloned().unwrap_or_default();
        next.memories.insert(upstream.to_owned(), memory.clone());
        memory
    }

    /// TLS towards nodes, as it was or made now, noted in `next`.
    pub(super) fn client(
        &self,
        scope: ClientScope,
        next: &mut Self,
        make: impl FnOnce() -> ClientTls,
    ) -> Arc<ClientTls> {
        let mut known = next.clients.iter().chain(&self.clients);
        let found = known.find(|(other, _)| *other == scope).map(|(_, client)| client.clone());
        let client = found.unwrap_or_else(|| Arc::new(make()));
        next.clients.push((scope, client.clone()));
        client
    }

    /// The sessions of a listener, noted in `next`.
    pub(super) fn sessions(
        &self,
        scope: SessionScope,
        next: &mut Self,
    ) -> Result<Sessions, rustls::Error> {
        let sessions = match self.sessions.get(&scope) {
            Some(sessions) => sessions.clone(),
            None => Sessions {
                tickets: rustls::crypto::ring::Ticketer::new()?,
                kept: ServerSessionMemoryCache::new(SESSIONS_MAX),
            },
        };
        next.sessions.insert(scope, sessions.clone());
        Ok(sessions)
    }
}
