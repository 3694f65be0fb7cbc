//! The threads of the data plane: makes the workers, starts them, waits for them.
//!
//! A worker that panics takes its own connections with it and nothing else: it shares with others only
//! counters and tables that are whole at any time. What becomes of the process is for the control plane
//! to say, which is told.

use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Builder, JoinHandle};

use tracing::error;

use crate::control::{ControlPort, Handle, Mailbox, WorkerFailure};
use crate::io::mio::Mio;
use crate::record::{self, Records};
use crate::snapshot::Snapshot;
use crate::stats::WorkerStats;
use crate::worker::{Bound, Parts, Worker};

/// Records that may wait for the log, per worker.
const RECORDS_MAX: usize = 16_384;

/// The running data plane.
#[derive(Debug)]
pub struct Running {
    /// Reaches the workers.
    pub handle: Handle,
    /// Their counters, in the order of their indices.
    pub stats: Vec<Arc<WorkerStats>>,
    /// Their records, to be taken by the log.
    pub records: Vec<Records>,
    bound: Arc<Mutex<Bound>>,
    threads: Vec<JoinHandle<()>>,
}

/// Opens the listeners of the snapshot and starts so many workers. All run, or none does.
pub fn start(
    snapshot: &Arc<Snapshot>,
    workers: usize,
    port: &Arc<dyn ControlPort>,
) -> io::Result<Running> {
    let bound = Arc::new(Mutex::new(Bound::default()));
    let (mut mailboxes, mut stats, mut records, mut threads) = (vec![], vec![], vec![], vec![]);
    for index in 0..workers {
        let io = Mio::new()?;
        let waker = io.waker();
        // A wake-up fails only when the worker's epoll is gone, and the worker with it.
        let (mailbox, receiver) = Mailbox::new(Arc::new(move || drop(waker.wake())));
        let (recorder, reader) = record::ring(RECORDS_MAX);
        let shard = Arc::new(WorkerStats::default());
        let parts = Parts {
            index,
            io,
            snapshot: snapshot.clone(),
            mailbox: receiver,
            port: port.clone(),
            stats: shard.clone(),
            recorder,
            bound: bound.clone(),
        };
        mailboxes.push(mailbox);
        stats.push(shard);
        records.push(reader);
        match spawn(parts) {
            Ok(thread) => threads.push(thread),
            Err(error) => {
                Handle::new(mailboxes).stop();
                return Err(error);
            }
        }
    }
    Ok(Running { handle: Handle::new(mailboxes), stats, records, bound, threads })
}

/// Starts a worker on its own thread, where it is also made: what it holds never leaves that thread.
/// Returns once it listens.
fn spawn(parts: Parts<Mio>) -> io::Result<JoinHandle<()>> {
    let (ready, outcome) = sync_channel(1);
    let (index, port) = (parts.index, parts.port.clone());
    let thread = Builder::new().name(format!("worker-{index}")).spawn(move || {
        let mut worker = match Worker::new(parts) {
            Ok(worker) => worker,
            Err(error) => return drop(ready.send(Err(error))),
        };
        drop(ready.send(Ok(())));
        // The worker is dropped in there, so that its sockets are closed before anybody is told. Nothing
        // of it is used again, and what it shares is never half-written.
        let outcome = catch_unwind(AssertUnwindSafe(move || worker.run()));
        if let Some(why) = failure(outcome) {
            port.failed(WorkerFailure { worker: index, why });
        }
    })?;
    outcome.recv().map_err(|_| io::Error::other("a worker panicked at its start"))??;
    Ok(thread)
}

/// Why a worker has ended, unless it was told to.
fn failure(outcome: thread::Result<io::Result<()>>) -> Option<String> {
    match outcome {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(format!("it can not wait for events: {error}")),
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().copied();
            let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
            Some(format!("panic: {}", text.unwrap_or("without a word")))
        }
    }
}

// === impl Running ===

impl Running {
    /// The names of the listeners and the addresses they really have.
    pub fn addresses(&self) -> Vec<(Arc<str>, SocketAddr)> {
        self.bound.lock().unwrap_or_else(PoisonError::into_inner).addresses()
    }

    /// Takes the records, once, for the thread that writes them.
    pub fn take_records(&mut self) -> Vec<Records> {
        std::mem::take(&mut self.records)
    }

    /// Whether every worker has ended.
    pub fn is_over(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }

    /// Waits for every worker to end, after a drain or a stop.
    pub fn join(self) {
        for thread in self.threads {
            if thread.join().is_err() {
                error!("a worker has panicked");
            }
        }
    }
}
