//! DNS names of targets, for workers.
//!
//! A name is asked for once however many calls wait, and its answer is kept for [`HOLD`], since the
//! system's resolver does not tell the time to live. An answer that can not be renewed is used up to
//! [`STALE`]: nodes outlive name servers. Never runs on a worker.

use std::collections::HashMap;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use narrows_gateway::clock;
use narrows_gateway::control::{Answer, Handle, Ticket};
use narrows_wire::Time;
use tokio::sync::Semaphore;

use super::flights::{Flights, Joined};

/// How long an answer holds.
const HOLD: Duration = Duration::from_secs(30);
/// How long a failure holds.
const HOLD_FAILURE: Duration = Duration::from_secs(1);
/// How long an answer is used while it can not be renewed.
const STALE: Duration = Duration::from_secs(600);
/// How long the resolver may take.
const QUERY_TIMEOUT: Duration = Duration::from_secs(5);
/// Names asked for at the same time; more wait.
const QUERIES_MAX: usize = 64;
/// Names that wait or are asked for; more fail.
const WAITING_NAMES_MAX: usize = 4096;
/// Names kept.
const NAMES_MAX: usize = 65_536;

/// Resolves names and keeps the answers.
pub(super) struct Resolver {
    state: Mutex<State>,
    permits: Semaphore,
    query: Box<Query>,
}

struct State {
    known: HashMap<Box<str>, Known>,
    flights: Flights<Box<str>, (Ticket, u16)>,
}

struct Known {
    addresses: Addresses,
    fresh_until: Time,
    usable_until: Time,
}

type Addresses = Result<Arc<[IpAddr]>, Arc<str>>;
type Query = dyn Fn(Box<str>) -> Pin<Box<dyn Future<Output = Addresses> + Send>> + Send + Sync;

// === impl Resolver ===

impl Resolver {
    /// Asks the system.
    pub(super) fn new() -> Self {
        Self::with_query(Box::new(|name| Box::pin(ask_system(name))))
    }

    fn with_query(query: Box<Query>) -> Self {
        let flights = Flights::new(WAITING_NAMES_MAX);
        let state = Mutex::new(State { known: HashMap::new(), flights });
        Self { state, permits: Semaphore::new(QUERIES_MAX), query }
    }

    /// Answers the ticket, now or when the name is known.
    pub(super) fn resolve(
        self: &Arc<Self>,
        handle: &Handle,
        name: Box<str>,
        port: u16,
        ticket: Ticket,
    ) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = clock::now();
        if let Some(known) = state.known.get(&name).filter(|known| now < known.fresh_until) {
            return handle.answer(ticket, answer(known, port, now));
        }
        match state.flights.join(name.clone(), Some((ticket, port))) {
            Joined::Waits => {}
            Joined::Full(_) => {
                let text = format!("can not resolve {name}: too many names are being resolved");
                handle.answer(ticket, Answer::Resolved(Err(text.into())));
            }
            Joined::First => {
                let (this, handle) = (self.clone(), handle.clone());
                tokio::spawn(async move { this.ask(&handle, name).await });
            }
        }
    }

    async fn ask(&self, handle: &Handle, name: Box<str>) {
        let addresses = {
            let _permit = self.permits.acquire().await;
            let query = tokio::time::timeout(QUERY_TIMEOUT, (self.query)(name.clone())).await;
            query.unwrap_or_else(|_| Err(format!("no answer in {QUERY_TIMEOUT:?}").into()))
        };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = clock::now();
        state.learn(&name, addresses, now);
        for (ticket, port) in state.flights.land(&name) {
            if let Some(known) = state.known.get(&name) {
                handle.answer(ticket, answer(known, port, now));
            }
        }
    }
}

// === impl State ===

impl State {
    fn learn(&mut self, name: &str, addresses: Addresses, now: Time) {
        if self.known.len() >= NAMES_MAX && !self.known.contains_key(name) {
            self.known.retain(|_, known| now < known.fresh_until);
        }
        if self.known.len() >= NAMES_MAX {
            self.known.clear();
        }
        match (addresses, self.known.get_mut(name)) {
            // A name that could be resolved before keeps its last answer for a while.
            (Err(_), Some(known)) if known.addresses.is_ok() && now < known.usable_until => {
                known.fresh_until = now + HOLD_FAILURE;
            }
            (addresses, _) => {
                let addresses =
                    addresses.map_err(|why| format!("can not resolve {name}: {why}").into());
                let hold = if addresses.is_ok() { HOLD } else { HOLD_FAILURE };
                let (fresh_until, usable_until) = (now + hold, now + STALE);
                self.known.insert(name.into(), Known { addresses, fresh_until, usable_until });
            }
        }
    }
}

fn answer(known: &Known, port: u16, now: Time) -> Answer {
    let hold = known.fresh_until.since(now);
    Answer::Resolved(
        known.addresses.clone().map(|addresses| {
            (addresses.iter().map(|ip| SocketAddr::new(*ip, port)).collect(), hold)
        }),
    )
}

async fn ask_system(name: Box<str>) -> Addresses {
    let found = tokio::net::lookup_host((&*name, 0)).await.map_err(|e| Arc::from(e.to_string()))?;
    let mut addresses = Vec::<IpAddr>::new();
    for address in found {
        if !addresses.contains(&address.ip()) {
            addresses.push(address.ip());
        }
    }
    if addresses.is_empty() { Err("it has no address".into()) } else { Ok(addresses.into()) }
}
