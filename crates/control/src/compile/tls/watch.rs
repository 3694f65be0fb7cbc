//! Certificates that change without a reload.
//!
//! Somebody looks each second. Looking at the times of files works on every file system and with
//! every way of exchanging them: in place, by renaming, or by the links of a mounted secret, which
//! notifications of the kernel do not report for the files behind them. A change is taken when two
//! looks saw the same, so files that are still being written are left alone. What can not be used
//! leaves the certificate before it in force and is said once. Connections are never touched.

use std::sync::{Arc, Mutex, PoisonError};

use narrows_gateway::certificates::Certificates;

use super::source::{Fingerprint, Named, Source};

/// The certificates of a listener and the files that they come from.
#[derive(Debug)]
pub struct Watch {
    listener: Arc<str>,
    source: Source,
    certificates: Arc<Certificates>,
    seen: Mutex<Seen>,
}

/// What a look at the files has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Nothing new, or it is still changing.
    Same,
    /// Certificates were exchanged.
    Taken,
    /// Some can not be used; those before stay in force.
    Refused,
}

#[derive(Debug)]
struct Seen {
    /// The files that were judged last, whatever came of it.
    judged: Fingerprint,
    /// The files at the last look.
    last: Fingerprint,
    /// What is in force.
    in_force: Vec<Named>,
}

// === impl Watch ===

impl Watch {
    pub(super) fn new(
        listener: Arc<str>,
        source: Source,
        fingerprint: Fingerprint,
        (certificates, in_force): (Arc<Certificates>, Vec<Named>),
    ) -> Self {
        let seen = Seen { judged: fingerprint.clone(), last: fingerprint, in_force };
        Self { listener, source, certificates, seen: Mutex::new(seen) }
    }

    /// Looks at the files and takes what has changed. Waits for disks.
    pub fn look(&self) -> Look {
        // A look that failed half-way leaves nothing that the next one could not use.
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.source.fingerprint();
        let is_settled = std::mem::replace(&mut seen.last, now.clone()) == now;
        if !is_settled || now == seen.judged {
            return Look::Same;
        }
        seen.judged = now;
        self.take(&mut seen)
    }

    fn take(&self, seen: &mut Seen) -> Look {
        let listener = &*self.listener;
        let found = self.source.read(&seen.in_force);
        for (_, warning) in &found.warnings {
            tracing::warn!(listener, "{warning}");
        }
        if let Some(set) = found.set() {
            self.certificates.replace(set);
            seen.in_force.clone_from(&found.certificates);
        }
        if found.problems.is_empty() {
            tracing::info!(listener, certificates = seen.in_force.len(), "certificates taken");
            return Look::Taken;
        }
        let problems: Vec<_> = found.problems.iter().map(|(_, problem)| problem.as_str()).collect();
        tracing::error!(
            listener,
            problems = problems.join("; "),
            "certificates can not be used; those before them stay in force"
        );
        Look::Refused
    }
}
