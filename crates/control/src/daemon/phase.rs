//! How the gateway ends: it drains, and stops when that takes too long or it is told to.
//!
//! Readiness goes first, then the gateway's own entry elsewhere, then the listeners.

use std::time::Duration;

use narrows_gateway::clock;
use narrows_gateway::control::WorkerFailure;
use narrows_wire::Time;

use super::Daemon;
use super::notify::{self, State};

/// Workers that have not ended so long after the grace of a drain are stopped.
const DRAIN_MARGIN: Duration = Duration::from_secs(5);

/// The same at a stop, which gives streams no grace, but tells their callers.
const STOP_MARGIN: Duration = Duration::from_secs(1);

/// How far the end is.
#[derive(Clone, Copy)]
pub(super) enum Phase {
    Serving,
    Draining { until: Time },
    Stopping { until: Time },
}

// === impl Daemon ===

impl Daemon {
    pub(super) async fn drain(&self, grace: Option<Duration>) -> Phase {
        let grace = grace.unwrap_or(self.shared.current().loaded.config.drain.grace.0);
        // Readiness first, so that whoever asks from now on sends no new callers.
        self.shared.set_draining();
        notify::notify(State::Stopping);
        tracing::info!(?grace, "draining");
        // Nobody is to find a listener that is closed already.
        self.shared.register.follow(None).await;
        self.shared.handle.drain(grace);
        Phase::Draining { until: clock::now() + grace + DRAIN_MARGIN }
    }

    /// Drains the other workers, unless the end has come already.
    pub(super) async fn fail(&mut self, failure: WorkerFailure, phase: Phase) -> Phase {
        tracing::error!(worker = failure.worker, why = failure.why, "a worker has ended");
        self.failed.get_or_insert(failure);
        match phase {
            Phase::Serving => self.drain(None).await,
            phase => phase,
        }
    }

    /// Ends streams with a status that says why; asked again, ends without a word.
    pub(super) async fn stop(&self, phase: Phase) -> Phase {
        self.shared.set_draining();
        notify::notify(State::Stopping);
        self.shared.register.follow(None).await;
        match phase {
            Phase::Serving | Phase::Draining { .. } => self.shared.handle.drain(Duration::ZERO),
            Phase::Stopping { .. } => self.shared.handle.stop(),
        }
        Phase::Stopping { until: clock::now() + STOP_MARGIN }
    }

    /// Goes on to the next phase when the time of this one is over.
    pub(super) fn hurry(&self, phase: Phase) -> Phase {
        match phase {
            Phase::Draining { until } | Phase::Stopping { until } if clock::now() >= until => {
                tracing::warn!("the workers have not ended in time; stopping them");
                self.shared.handle.stop();
                Phase::Stopping { until: Time::NEVER }
            }
            phase => phase,
        }
    }
}
