//! What a new snapshot keeps of the one before.
//!
//! Counters by name and the keys of session tickets by listener, so that a reload resets nothing;
//! TLS towards nodes where no file has changed, so that warm connections, which are pooled by it,
//! stay in use.

use std::collections::BTreeMap;
use std::sync::Arc;

use narrows_gateway::snapshot::ClientTls;
use narrows_gateway::stats::{RouteStats, UpstreamStats};
use rustls::server::ProducesTickets;

use crate::config::UpstreamTls;

/// What is carried over from one compilation to the next.
#[derive(Debug, Clone)]
pub struct Previous {
    workers: usize,
    routes: BTreeMap<String, Arc<RouteStats>>,
    upstreams: BTreeMap<String, Arc<UpstreamStats>>,
    tickets: BTreeMap<TicketScope, Arc<dyn ProducesTickets>>,
    clients: Vec<(ClientScope, Arc<ClientTls>)>,
}

/// What TLS towards nodes is made from.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ClientScope {
    pub(super) config: UpstreamTls,
    /// Of everything that was read from files.
    pub(super) digest: u64,
}

/// Where a ticket may be used: the same listener, and the same authorities for client certificates.
/// A ticket stands for a certificate that was checked, so it must not open a door that asks for
/// another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TicketScope {
    /// The name of the listener.
    pub(super) listener: Arc<str>,
    pub(super) client_ca: Option<Vec<u8>>,
}

// === impl Previous ===

impl Previous {
    /// Nothing came before; so many workers run.
    pub fn new(workers: usize) -> Self {
        Self {
            workers,
            routes: BTreeMap::new(),
            upstreams: BTreeMap::new(),
            tickets: BTreeMap::new(),
            clients: Vec::new(),
        }
    }

    /// The number of workers that run.
    pub fn workers(&self) -> usize {
        self.workers
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

    /// The maker of session tickets of a listener, noted in `next`. All workers share it.
    pub(super) fn tickets(
        &self,
        scope: TicketScope,
        next: &mut Self,
    ) -> Result<Arc<dyn ProducesTickets>, rustls::Error> {
        let tickets = match self.tickets.get(&scope) {
            Some(tickets) => tickets.clone(),
            None => rustls::crypto::ring::Ticketer::new()?,
        };
        next.tickets.insert(scope, tickets.clone());
        Ok(tickets)
    }
}
