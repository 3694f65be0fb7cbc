//! A Redis store as workers and calls see it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use narrows_control::stores::redis::{Node, RedisOptions, Topology};
use narrows_control::stores::{Counts, StoreOptions, Stores, jobs};
use narrows_gateway::clock;
use narrows_gateway::control::{
    Answer, Command, ControlPort, Handle, Job, Mailbox, Pin, Ticket, Written,
};
use narrows_gateway::lookup::{Outcome, Store};

/// How long a condition may take to come true. Far more than it should: a busy machine is no failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A store, open.
pub(crate) struct Opened {
    pub(crate) stores: Arc<Stores>,
    pub(crate) store: Arc<Store>,
}

// === impl Opened ===

impl Opened {
    /// Opens a store; it may not be connected yet.
    pub(crate) fn new(options: RedisOptions) -> Self {
        let stores = Stores::new();
        let options = StoreOptions::Redis(Box::new(options));
        let store = stores.get_or_open("jobs", &options).expect("good options");
        Self { stores, store }
    }

    /// Opens a store on one server and waits until it is connected.
    pub(crate) async fn at(address: SocketAddr) -> Self {
        Self::connected(options(address)).await
    }

    /// Opens a store and waits until it is connected.
    pub(crate) async fn connected(options: RedisOptions) -> Self {
        let opened = Self::new(options);
        opened.until("it is connected", || opened.store.is_up()).await;
        opened
    }

    /// What a call is told that has to ask: the target, `missing`, or why not.
    pub(crate) async fn lookup(&self, key: &str) -> String {
        match self.stores.lookup("jobs", key.as_bytes()).await.expect("the store is open") {
            Ok(outcome) => words(&outcome),
            Err(failure) => failure.to_string(),
        }
    }

    /// What a call is told that pins its session: the target, and whose it is; or why not.
    pub(crate) async fn pin(&self, key: &str, pin: Pin) -> Result<(String, Written), String> {
        let (mailbox, answers) = Mailbox::new(Arc::new(|| {}));
        let (port, queue) = jobs::channel(1);
        let queue = tokio::spawn(queue.run(Handle::new(vec![mailbox]), self.stores.clone()));
        let ticket = Some(Ticket { worker: 0, exchange: 0 });
        let job = Job::Pin { store: self.store.clone(), key: key.as_bytes().into(), pin, ticket };
        port.submit(job).expect("the queue has room");
        let mut answer = None;
        self.until("the pin is answered", || {
            answer = answers.try_recv().ok();
            answer.is_some()
        })
        .await;
        queue.abort();
        let Some(Command::Answer(_, Answer::Pinned(answer))) = answer else {
            panic!("not the answer");
        };
        answer
            .map(|(outcome, written)| (words(&outcome), written))
            .map_err(|failure| failure.to_string())
    }

    /// What a worker uses without asking.
    pub(crate) fn seen(&self, key: &str) -> Option<String> {
        let now = clock::now();
        self.store.table.read(key.as_bytes(), |seen| {
            let usable = seen.filter(|seen| now < seen.fresh_until || !self.store.is_up());
            usable.map(|seen| words(seen.outcome))
        })
    }

    /// Waits until workers use this for the key.
    pub(crate) async fn until_seen(&self, key: &str, what: &str) {
        self.until(what, || self.seen(key).as_deref() == Some(what)).await;
    }

    /// Waits until something is the case.
    pub(crate) async fn until(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let wait = async {
            while !is_so() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, wait).await.is_err() {
            panic!("not within {PATIENCE:?}: {what}; {:?}", self.stores.status());
        }
    }

    pub(crate) fn counts(&self) -> Counts {
        self.stores.status().first().expect("one store").counts
    }

    pub(crate) fn trouble(&self) -> String {
        let status = self.stores.status();
        status.first().expect("one store").detail.clone().unwrap_or_default()
    }
}

/// One server, and so much time for its replies that a busy machine does not look like an outage.
pub(crate) fn options(address: SocketAddr) -> RedisOptions {
    let mut options = RedisOptions::new(Topology::Standalone(node(address)));
    options.connect_timeout = PATIENCE;
    options.response_timeout = PATIENCE;
    options
}

pub(crate) fn node(address: SocketAddr) -> Node {
    Node::new(address.ip().to_string(), address.port())
}

fn words(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Found(target) => target.to_string(),
        Outcome::Missing => "missing".to_owned(),
        Outcome::Malformed(text) => text.to_string(),
    }
}
