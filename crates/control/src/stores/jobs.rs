//! What workers can not do without I/O, done for them.
//!
//! Workers post into a bounded queue and never wait; what does not fit is refused at once and the worker
//! tells its caller. One task takes the jobs and starts them; it does no I/O itself, so a slow store holds
//! up no other. Every ticket gets exactly one answer.

use std::sync::Arc;

use narrows_gateway::control::{Answer, Busy, ControlPort, Handle, Job};
use tokio::sync::mpsc;

use super::Stores;
use super::resolve::Resolver;

/// Jobs that wait to be started.
pub const QUEUED_JOBS_MAX: usize = 16_384;

/// Where workers post.
#[derive(Debug)]
pub struct JobPort(mpsc::Sender<Job>);

/// The other end: what was posted.
#[derive(Debug)]
pub struct JobQueue(mpsc::Receiver<Job>);

/// A queue of at most `max` jobs.
pub fn channel(max: usize) -> (Arc<JobPort>, JobQueue) {
    let (sender, receiver) = mpsc::channel(max);
    (Arc::new(JobPort(sender)), JobQueue(receiver))
}

// === impl JobPort ===

impl ControlPort for JobPort {
    fn submit(&self, job: Job) -> Result<(), Busy> {
        self.0.try_send(job).map_err(|_| Busy)
    }
}

// === impl JobQueue ===

impl JobQueue {
    /// Does the jobs until every port is gone.
    pub async fn run(mut self, handle: Handle, stores: Arc<Stores>) {
        let resolver = Arc::new(Resolver::new());
        while let Some(job) = self.0.recv().await {
            match job {
                Job::Lookup { store, key, ticket } => {
                    let handle = handle.clone();
                    stores.ask(
                        &store,
                        key,
                        ticket.map(|ticket| -> super::Reply {
                            Box::new(move |result| handle.answer(ticket, Answer::Lookup(result)))
                        }),
                    );
                }
                Job::Pin { store, key, pin, ticket } => {
                    let handle = handle.clone();
                    stores.pin(
                        &store,
                        key,
                        pin,
                        ticket.map(|ticket| -> super::PinReply {
                            Box::new(move |result| handle.answer(ticket, Answer::Pinned(result)))
                        }),
                    );
                }
                Job::Resolve { name, port, ticket } => {
                    resolver.resolve(&handle, name, port, ticket);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_for_which_there_is_no_room_is_refused_at_once() {
        let (port, queue) = channel(2);
        let post = |ticket| {
            let ticket = narrows_gateway::control::Ticket { worker: 0, exchange: ticket };
            port.submit(Job::Resolve { name: "node".into(), port: 1, ticket })
        };
        assert_eq!([post(1), post(2), post(3)], [Ok(()), Ok(()), Err(Busy)]);
        drop(queue);
        assert_eq!(post(4), Err(Busy), "nobody takes jobs any more");
    }
}
