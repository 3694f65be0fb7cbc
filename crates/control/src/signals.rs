//! Signals, as what they ask for.
//!
//! TERM and QUIT drain, a second one or INT stops at once, HUP reloads, USR1 reopens log files.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// TERM, QUIT.
    Drain,
    /// INT.
    Stop,
    /// HUP.
    Reload,
    /// USR1.
    Reopen,
}

/// Receives signals from its making on.
#[derive(Debug)]
pub struct Signals {
    term: Signal,
    quit: Signal,
    int: Signal,
    hup: Signal,
    usr1: Signal,
}

// === impl Signals ===

impl Signals {
    /// Takes the signals over from the system's own reaction. Needs a tokio runtime around it.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            term: signal(SignalKind::terminate())?,
            quit: signal(SignalKind::quit())?,
            int: signal(SignalKind::interrupt())?,
            hup: signal(SignalKind::hangup())?,
            usr1: signal(SignalKind::user_defined1())?,
        })
    }

    /// The next request.
    pub async fn next(&mut self) -> Request {
        tokio::select! {
            _ = self.term.recv() => Request::Drain,
            _ = self.quit.recv() => Request::Drain,
            _ = self.int.recv() => Request::Stop,
            _ = self.hup.recv() => Request::Reload,
            _ = self.usr1.recv() => Request::Reopen,
        }
    }
}
