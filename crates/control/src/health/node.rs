//! Checks of one node, again and again.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use narrows_gateway::clock;
use narrows_gateway::endpoints::{Endpoint, Health};
use narrows_gateway::random::Random;
use narrows_gateway::target::Target;

use super::board::Last;
use super::probe::{CheckError, Session};
use super::{Board, Settings};
use crate::connect;

/// A node that is checked.
pub(super) struct Node {
    upstream: Arc<str>,
    name: String,
    endpoint: Arc<Endpoint>,
    settings: Arc<Settings>,
    board: Arc<Board>,
    verdict: Mutex<Verdict>,
}

/// What a node is taken for, and what speaks against it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verdict {
    health: Health,
    /// Checks in a row that say otherwise.
    against: u32,
    /// How many of them are needed.
    needed: Needed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needed {
    /// As configured.
    Several,
    /// One pass is enough: nobody has asked the node before.
    OnePass,
}

// === impl Node ===

impl Node {
    pub(super) fn new(
        upstream: &Arc<str>,
        endpoint: &Arc<Endpoint>,
        settings: &Arc<Settings>,
        board: &Arc<Board>,
    ) -> Self {
        let name = endpoint.target.to_string();
        // A node that was checked in another way before is what it was found to be.
        let is_known = board.last(upstream, &name).is_some();
        let verdict = if is_known {
            Verdict::known(endpoint.health())
        } else {
            Verdict::new(settings.initial)
        };
        endpoint.set_health(verdict.health, clock::now());
        Self {
            upstream: upstream.clone(),
            name,
            endpoint: endpoint.clone(),
            settings: settings.clone(),
            board: board.clone(),
            verdict: Mutex::new(verdict),
        }
    }

    /// Never ends.
    pub(super) async fn run(&self) {
        let target = self.endpoint.target.as_ref().clone();
        let target = Target { port: self.settings.port.unwrap_or(target.port), ..target };
        let way = &self.settings.way;
        let node = connect::Node::new(target, way.security, &way.tls);
        let session = Session::new(&self.settings.probe, node);
        tokio::join!(
            self.ask(&session),
            session.watch(self.settings.interval, |said| self.hear(said))
        );
    }

    async fn ask(&self, session: &Session<'_>) {
        let mut random = Random::new(clock::now().as_nanos() ^ Arc::as_ptr(&self.endpoint) as u64);
        loop {
            let asked = tokio::time::timeout(self.settings.timeout, session.ask()).await;
            let result = asked.unwrap_or(Err(CheckError::Timeout(self.settings.timeout)));
            let health = self.judge(result);
            tokio::time::sleep(self.pause(health, &mut random)).await;
        }
    }

    fn pause(&self, health: Health, random: &mut Random) -> Duration {
        let settings = &self.settings;
        let pause = match health {
            Health::Passing => settings.interval,
            Health::Failing => settings.unhealthy_interval,
        };
        let fraction = random.next_u64() as f64 / u64::MAX as f64;
        let spread = f64::from(settings.jitter_percent) / 100.0;
        pause.mul_f64(1.0 + spread * (2.0 * fraction - 1.0))
    }

    /// Takes the result of a check into account.
    fn judge(&self, result: Result<(), CheckError>) -> Health {
        let settings = &self.settings;
        let mut verdict = self.verdict.lock().unwrap_or_else(PoisonError::into_inner);
        let before = verdict.health;
        verdict.take(result.is_ok(), settings.rise, settings.fall);
        self.note(before, verdict.health, result.err());
        verdict.health
    }

    /// What a node says of itself by itself holds at once.
    fn hear(&self, said: Result<(), CheckError>) {
        let mut verdict = self.verdict.lock().unwrap_or_else(PoisonError::into_inner);
        let before = verdict.health;
        let health = if said.is_ok() { Health::Passing } else { Health::Failing };
        *verdict = Verdict::known(health);
        self.note(before, health, said.err());
    }

    fn note(&self, before: Health, health: Health, failure: Option<CheckError>) {
        let now = clock::now();
        let (upstream, node) = (&*self.upstream, &self.name);
        self.endpoint.set_health(health, now);
        match (before, health, &failure) {
            (Health::Passing, Health::Failing, Some(error)) => {
                tracing::warn!(upstream, node, %error, "a node fails its checks");
            }
            (Health::Failing, Health::Passing, _) => {
                tracing::info!(upstream, node, "a node passes its checks");
            }
            _ => {}
        }
        let failure = failure.map(|error| error.to_string());
        self.board.note(&self.upstream, node, Last { failure, at: now, health });
    }
}

// === impl Verdict ===

impl Verdict {
    fn new(health: Health) -> Self {
        Self { health, against: 0, needed: Needed::OnePass }
    }

    fn known(health: Health) -> Self {
        Self { health, against: 0, needed: Needed::Several }
    }

    fn take(&mut self, passed: bool, rise: u32, fall: u32) {
        let needed = match (self.health, passed, self.needed) {
            (Health::Passing, true, _) | (Health::Failing, false, _) => {
                *self = Self::known(self.health);
                return;
            }
            (Health::Passing, false, _) => fall,
            (Health::Failing, true, Needed::OnePass) => 1,
            (Health::Failing, true, Needed::Several) => rise,
        };
        self.against += 1;
        if self.against >= needed {
            *self = Self::known(if passed { Health::Passing } else { Health::Failing });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The health after each check, with `rise` 2 and `fall` 3: `+` passes, `-` fails.
    fn run(initial: Health, checks: &str) -> String {
        let mut verdict = Verdict::new(initial);
        let word = |check| {
            verdict.take(check == '+', 2, 3);
            if verdict.health == Health::Passing { 'p' } else { 'f' }
        };
        checks.chars().map(word).collect()
    }

    #[test]
    fn it_takes_several_checks_in_a_row_to_change_what_a_node_is_taken_for() {
        assert_eq!(run(Health::Passing, "--+---++-+++"), "pppppffppppp");
        assert_eq!(run(Health::Passing, "----+-++"), "ppfffffp");
    }

    #[test]
    fn a_node_that_has_to_prove_itself_needs_one_check() {
        assert_eq!(run(Health::Failing, "+"), "p");
        assert_eq!(run(Health::Failing, "-++"), "ffp");
    }
}
