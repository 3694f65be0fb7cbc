//! The one door between the planes.
//!
//! The control plane owns a [`Handle`] and reaches workers through it: apply a snapshot, answer a parked
//! exchange, drain, stop, list what is alive. Workers reach the control plane through a [`ControlPort`].
//! Neither side ever waits for the other.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use crate::lookup::{Outcome, Store};
use crate::snapshot::Snapshot;
use crate::target::Target;

/// Who waits for an answer: an exchange of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ticket {
    /// The worker.
    pub worker: usize,
    /// The exchange there; it may be gone when the answer comes.
    pub exchange: u64,
}

/// Work that a worker can not do without I/O.
#[derive(Debug)]
pub enum Job {
    /// Ask a store for a key. The answer also goes into the table of the store.
    Lookup {
        /// The store.
        store: Arc<Store>,
        /// The key.
        key: Box<[u8]>,
        /// Who waits; `None` refreshes the table only.
        ticket: Option<Ticket>,
    },
    /// Pin a session to a node, unless it is pinned already.
    Pin {
        /// The store.
        store: Arc<Store>,
        /// The key of the session.
        key: Box<[u8]>,
        /// The node.
        pin: Pin,
        /// Who waits for what the store says then; `None`: nobody.
        ticket: Option<Ticket>,
    },
    /// Resolve a DNS name.
    Resolve {
        /// The name.
        name: Box<str>,
        /// The port that goes with it.
        port: u16,
        /// Who waits.
        ticket: Ticket,
    },
}

/// The node of a session, as it is to be written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// The node.
    pub target: Arc<Target>,
    /// The one that it takes the place of. If the store names yet another one, that one stays.
    pub replaces: Option<Arc<Target>>,
    /// How long it lasts.
    pub ttl: Duration,
}

/// Whether a pin has become what the store holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// It has.
    Now,
    /// The store has another one from before.
    Before,
}

/// The queue of jobs is full, or the control plane is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busy;

/// A worker that has ended and should not have. Its connections are closed, its counters stand still.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("worker {worker} has ended: {why}")]
pub struct WorkerFailure {
    /// Its number.
    pub worker: usize,
    /// What it panicked with, or why it could not go on.
    pub why: String,
}

/// Where workers post their jobs. Must not block.
pub trait ControlPort: Send + Sync {
    /// Posts a job.
    fn submit(&self, job: Job) -> Result<(), Busy>;

    /// Tells that a worker has ended, as its last word. Unless somebody wants to know, nothing is done.
    fn failed(&self, failure: WorkerFailure) {
        drop(failure);
    }
}

/// The store could not be asked, in words.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct StoreFailure(pub Arc<str>);

/// The answer to a [`Job`].
#[derive(Debug, Clone)]
pub enum Answer {
    /// To [`Job::Lookup`].
    Lookup(Result<Outcome, StoreFailure>),
    /// To [`Job::Pin`]: what the store holds now.
    Pinned(Result<(Outcome, Written), StoreFailure>),
    /// To [`Job::Resolve`]: the addresses and how long they hold.
    Resolved(Result<(Arc<[SocketAddr]>, Duration), Arc<str>>),
}

/// What the control plane tells a worker.
#[derive(Debug)]
pub enum Command {
    /// Use this snapshot for what comes from now on.
    Apply(Arc<Snapshot>),
    /// Resume a parked exchange.
    Answer(Ticket, Answer),
    /// Nodes may have left their sets: let go of them.
    Review,
    /// Stop accepting, tell peers to go, end what is left after the grace.
    Drain {
        /// How long open streams may go on.
        grace: Duration,
    },
    /// End now.
    Stop,
    /// Send a list of live streams.
    Streams(Sender<Vec<StreamInfo>>),
    /// Send a list of connections.
    Connections(Sender<Vec<ConnectionInfo>>),
}

/// A live call.
#[derive(Debug, Clone)]
pub struct StreamInfo {
    /// The worker that has it.
    pub worker: usize,
    /// Its number there.
    pub exchange: u64,
    /// The caller.
    pub client: SocketAddr,
    /// The path, `/service/method` for gRPC.
    pub path: String,
    /// The name of the route, once matched.
    pub route: Arc<str>,
    /// The node, once known.
    pub node: Option<SocketAddr>,
    /// The key that was looked up, if any.
    pub job: Option<String>,
    /// What it is doing: the name of its stage.
    pub stage: &'static str,
    /// How long it has lived.
    pub age: Duration,
    /// Time since bytes moved in either direction.
    pub idle: Duration,
    /// Body bytes from the caller.
    pub bytes_in: u64,
    /// Body bytes to the caller.
    pub bytes_out: u64,
}

/// An open connection of either side.
#[derive(Debug, Clone)]
pub struct ConnectionInfo {
    /// The worker that has it.
    pub worker: usize,
    /// The other end.
    pub peer: SocketAddr,
    /// `downstream` or `upstream`.
    pub side: &'static str,
    /// The listener or upstream it belongs to.
    pub owner: Arc<str>,
    /// Its state: `connecting`, `handshake`, `open`, or `draining`.
    pub state: &'static str,
    /// The protocol: `http/1.1`, `h2`, `h2c`, `tcp`, `tls`, or `detecting` as long as it is not known.
    pub protocol: &'static str,
    /// Streams open on it.
    pub streams: usize,
    /// Bytes waiting to be written.
    pub pending_bytes: usize,
    /// How long it has been open.
    pub age: Duration,
}

/// Reaches one worker: its queue and the waker of its loop.
#[derive(Clone)]
pub struct Mailbox {
    sender: Sender<Command>,
    waker: Arc<dyn Fn() + Send + Sync>,
}

/// Reaches every worker. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    mailboxes: Arc<[Mailbox]>,
}

// === impl Mailbox ===

impl Mailbox {
    /// A mailbox and the end that its worker reads. `waker` makes the worker's poll return.
    pub fn new(waker: Arc<dyn Fn() + Send + Sync>) -> (Self, Receiver<Command>) {
        let (sender, receiver) = channel();
        (Self { sender, waker }, receiver)
    }

    /// Posts a command. A worker that has ended takes none; that is no error.
    pub fn post(&self, command: Command) {
        if self.sender.send(command).is_ok() {
            (self.waker)();
        }
    }
}

impl std::fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mailbox")
    }
}

// === impl Handle ===

impl Handle {
    /// Reaches the workers behind these mailboxes, in the order of their indices.
    pub fn new(mailboxes: Vec<Mailbox>) -> Self {
        Self { mailboxes: mailboxes.into() }
    }

    /// Number of workers.
    pub fn workers(&self) -> usize {
        self.mailboxes.len()
    }

    /// Gives every worker a snapshot. Calls already running keep the one they began with.
    pub fn apply(&self, snapshot: &Arc<Snapshot>) {
        self.each(|| Command::Apply(snapshot.clone()));
    }

    /// Resumes a parked exchange.
    pub fn answer(&self, ticket: Ticket, answer: Answer) {
        if let Some(mailbox) = self.mailboxes.get(ticket.worker) {
            mailbox.post(Command::Answer(ticket, answer));
        }
    }

    /// Has every worker let go of nodes that have left their sets or are drained.
    pub fn review(&self) {
        self.each(|| Command::Review);
    }

    /// Drains every worker.
    pub fn drain(&self, grace: Duration) {
        self.each(|| Command::Drain { grace });
    }

    /// Stops every worker at once.
    pub fn stop(&self) {
        self.each(|| Command::Stop);
    }

    /// The live streams of all workers that answer within `patience`. Blocks the caller, never a worker.
    pub fn streams(&self, patience: Duration) -> Vec<StreamInfo> {
        self.gather(patience, Command::Streams)
    }

    /// The connections of all workers that answer within `patience`. Blocks the caller, never a worker.
    pub fn connections(&self, patience: Duration) -> Vec<ConnectionInfo> {
        self.gather(patience, Command::Connections)
    }

    fn each(&self, command: impl Fn() -> Command) {
        for mailbox in self.mailboxes.iter() {
            mailbox.post(command());
        }
    }

    fn gather<T>(&self, patience: Duration, command: impl Fn(Sender<Vec<T>>) -> Command) -> Vec<T> {
        let (sender, receiver) = channel();
        self.each(|| command(sender.clone()));
        drop(sender);
        let mut all = Vec::new();
        // A worker that is gone dropped its sender, so the channel ends when the last one answered.
        while let Ok(part) = receiver.recv_timeout(patience) {
            all.extend(part);
        }
        all
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Handle({} workers)", self.workers())
    }
}
