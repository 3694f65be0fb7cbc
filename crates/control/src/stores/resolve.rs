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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::Receiver;

    use narrows_gateway::control::{Command, Mailbox};
    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn any_number_of_calls_for_a_name_are_one_query() {
        let (asked, go) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let (count, gate) = (asked.clone(), go.clone());
        let resolver = Arc::new(Resolver::with_query(Box::new(move |_| {
            let (count, gate) = (count.clone(), gate.clone());
            Box::pin(async move {
                count.fetch_add(1, Ordering::Relaxed);
                gate.notified().await;
                Ok([ip(1), "::1".parse().expect("an address")].into())
            })
        })));
        let (handle, answers) = worker();
        for exchange in 0..100 {
            resolver.resolve(&handle, "node".into(), 80, Ticket { worker: 0, exchange });
        }
        go.notify_one();
        for _ in 0..100 {
            assert_eq!(next(&answers).await, Ok("127.0.0.1:80 [::1]:80".to_owned()));
        }
        resolver.resolve(&handle, "node".into(), 81, Ticket { worker: 0, exchange: 100 });
        assert_eq!(next(&answers).await, Ok("127.0.0.1:81 [::1]:81".to_owned()));
        assert_eq!(asked.load(Ordering::Relaxed), 1, "one port or another, it is one name");
    }

    #[tokio::test]
    async fn the_system_is_asked_and_what_it_does_not_know_is_told() {
        let (handle, answers) = worker();
        let resolver = Arc::new(Resolver::new());
        let ticket = Ticket { worker: 0, exchange: 0 };
        resolver.resolve(&handle, "localhost".into(), 80, ticket);
        let local = next(&answers).await.expect("every system knows it");
        assert!(local.contains("127.0.0.1:80") || local.contains("[::1]:80"), "{local}");
        resolver.resolve(&handle, "no-such-name.invalid".into(), 80, ticket);
        let failure = next(&answers).await.expect_err("reserved for this");
        assert!(failure.starts_with("can not resolve no-such-name.invalid: "), "{failure}");
    }

    #[tokio::test]
    async fn a_name_beyond_the_limit_is_refused_at_once() {
        let never = |_| -> Pin<Box<dyn Future<Output = Addresses> + Send>> {
            Box::pin(std::future::pending())
        };
        let resolver = Arc::new(Resolver::with_query(Box::new(never)));
        let (handle, answers) = worker();
        for exchange in 0..=WAITING_NAMES_MAX as u64 {
            let name = format!("node-{exchange}");
            resolver.resolve(&handle, name.into(), 80, Ticket { worker: 0, exchange });
        }
        let refused = next(&answers).await.expect_err("one too many");
        assert!(refused.contains("too many names"), "{refused}");
        assert!(answers.try_recv().is_err(), "the others wait");
    }

    #[test]
    fn an_old_answer_is_used_for_a_while_when_it_can_not_be_renewed() {
        let mut state = State { known: HashMap::new(), flights: Flights::new(1) };
        let start = Time::ZERO;
        let known = |state: &State| state.known.get("node").expect("known").addresses.is_ok();
        state.learn("node", Ok([ip(1)].into()), start);
        state.learn("node", Err("away".into()), start + (STALE - HOLD));
        assert!(known(&state));
        state.learn("node", Err("away".into()), start + STALE);
        assert!(!known(&state));
        state.learn("node", Ok([ip(2)].into()), start + STALE + HOLD_FAILURE);
        assert!(known(&state));
    }

    #[test]
    fn names_kept_have_a_limit() {
        let mut state = State { known: HashMap::new(), flights: Flights::new(1) };
        for n in 0..=NAMES_MAX {
            state.learn(&n.to_string(), Ok([ip(1)].into()), Time::ZERO);
        }
        assert!(state.known.len() <= NAMES_MAX);
        assert!(state.known.contains_key(NAMES_MAX.to_string().as_str()));
    }

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([127, 0, 0, last])
    }

    fn worker() -> (Handle, Receiver<Command>) {
        let (mailbox, commands) = Mailbox::new(Arc::new(|| {}));
        (Handle::new(vec![mailbox]), commands)
    }

    /// The next answer, as text.
    async fn next(answers: &Receiver<Command>) -> Result<String, String> {
        let wait = async {
            loop {
                if let Ok(command) = answers.try_recv() {
                    return command;
                }
                tokio::task::yield_now().await;
            }
        };
        let command = tokio::time::timeout(Duration::from_secs(20), wait).await.expect("an answer");
        let Command::Answer(_, Answer::Resolved(result)) = command else {
            panic!("another answer")
        };
        let text = |addresses: Arc<[SocketAddr]>| {
            addresses.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(" ")
        };
        result.map(|(addresses, _)| text(addresses)).map_err(|why| why.to_string())
    }
}
