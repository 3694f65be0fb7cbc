//! What workers tell the daemon: jobs, which go to their queue, and that one of them has ended.

use std::sync::Arc;

use narrows_gateway::control::{Busy, ControlPort, Job, WorkerFailure};
use tokio::sync::mpsc;

use crate::stores::jobs::JobPort;

/// Where workers post.
#[derive(Debug)]
pub(super) struct Port {
    jobs: Arc<JobPort>,
    failures: mpsc::Sender<WorkerFailure>,
}

// === impl Port ===

impl Port {
    /// A port for so many workers, and the end at which their failures come out.
    pub(super) fn new(jobs: Arc<JobPort>, workers: usize) -> (Self, mpsc::Receiver<WorkerFailure>) {
        // A worker fails once at most, so there is always room.
        let (failures, receiver) = mpsc::channel(workers);
        (Self { jobs, failures }, receiver)
    }
}

impl ControlPort for Port {
    fn submit(&self, job: Job) -> Result<(), Busy> {
        self.jobs.submit(job)
    }

    fn failed(&self, failure: WorkerFailure) {
        // Nobody listens any more when the process is about to end.
        let _ = self.failures.try_send(failure);
    }
}
