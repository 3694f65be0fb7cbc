//! Keeps the methods of an upstream as its nodes describe them.
//!
//! One node is asked at a time, in turn; one that fails is followed by the next, then by pauses that
//! grow. What a node says is taken when it differs from what is in force. A node that is away, or
//! describes what can not be used, changes nothing.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use narrows_gateway::transcoding::{Methods, Transcoding};
use narrows_transcode::{About, Fault, Options, Transcoder};

use super::{ReflectionError, fetch};

pub use crate::connect::{Node, Security};

/// The pause after all nodes have failed, the first time; it doubles with each further round.
const PAUSE_MIN: Duration = Duration::from_millis(250);

/// The longest pause after failures, unless the interval is shorter.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Asks the nodes of one upstream.
#[derive(Debug)]
pub struct Refresh {
    upstream: Arc<str>,
    interval: Duration,
    options: Options,
    nodes: Vec<Node>,
    transcoding: Arc<Transcoding>,
    memory: Arc<Memory>,
}

/// What is known of an upstream beyond a reload.
#[derive(Debug, Default)]
pub struct Memory {
    /// What was taken last.
    set: Mutex<Option<Arc<[u8]>>>,
    taken: AtomicU64,
    same: AtomicU64,
    failed: AtomicU64,
}

/// What came of asking, and how often.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// The methods were exchanged.
    pub taken: u64,
    /// Nothing was new.
    pub same: u64,
    /// The node did not answer, or what it said can not be used.
    pub failed: u64,
}

/// Why nothing came of asking.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("{0}")]
    Node(#[from] ReflectionError),
    #[error("no channel: {0}")]
    Channel(#[from] tonic::transport::Error),
    #[error("{}", list(.0))]
    Faults(Vec<Fault>),
    #[error("{0}")]
    Task(#[from] tokio::task::JoinError),
}

/// The methods of a set of descriptors.
pub fn methods(upstream: &str, set: &[u8], options: Options) -> Result<Methods, Vec<Fault>> {
    let transcoder = Transcoder::new(set, options)?;
    let (title, version) = (upstream.to_owned(), "1".to_owned());
    let description = transcoder.openapi(&About { title, version, server: None });
    Ok(Methods { transcoder, description: description.to_string().into_bytes().into() })
}

// === impl Refresh ===

impl Refresh {
    /// What nodes said before is in force at once, as far as it can still be used.
    pub fn new(
        upstream: &str,
        interval: Duration,
        options: Options,
        nodes: Vec<Node>,
        (transcoding, memory): (Arc<Transcoding>, Arc<Memory>),
    ) -> Self {
        if let Some(set) = memory.set()
            && let Ok(methods) = methods(upstream, &set, options.clone())
        {
            transcoding.replace(methods);
        }
        Self { upstream: upstream.into(), interval, options, nodes, transcoding, memory }
    }

    /// The upstream that it is for.
    pub fn upstream(&self) -> &str {
        &self.upstream
    }

    /// What came of asking so far.
    pub fn counts(&self) -> Counts {
        self.memory.counts()
    }

    /// Asks again and again; never ends.
    pub async fn run(&self) {
        let mut failures = 0;
        for node in self.nodes.iter().cycle() {
            let pause = match self.ask(node).await {
                Ok(()) => {
                    failures = 0;
                    self.interval
                }
                Err(error) => {
                    self.memory.failed.fetch_add(1, Ordering::Relaxed);
                    // Once for each outage; the counter has the rest.
                    if failures == 0 {
                        self.warn(node, &error);
                    }
                    failures += 1;
                    self.pause(failures)
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    async fn ask(&self, node: &Node) -> Result<(), Failed> {
        let reflected = fetch(node.channel()?).await?;
        let set: Arc<[u8]> = reflected.descriptor_set.into();
        if self.transcoding.methods().is_some() && self.memory.set().as_ref() == Some(&set) {
            self.memory.same.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        let (upstream, options, read) = (self.upstream.clone(), self.options.clone(), set.clone());
        let made = tokio::task::spawn_blocking(move || methods(&upstream, &read, options));
        let methods = made.await?.map_err(Failed::Faults)?;
        let bindings = methods.transcoder.bindings().count();
        self.transcoding.replace(methods);
        self.memory.take(set);
        tracing::info!(upstream = &*self.upstream, %node, bindings, "methods taken from a node");
        if !reflected.undescribed.is_empty() {
            let services = reflected.undescribed.join(", ");
            tracing::warn!(upstream = &*self.upstream, %node, services, "services without description");
        }
        Ok(())
    }

    fn warn(&self, node: &Node, error: &Failed) {
        let in_force = match self.transcoding.methods() {
            Some(_) => "those before stay in force",
            None => "calls in JSON fail until they are",
        };
        let upstream = &*self.upstream;
        tracing::warn!(upstream, %node, %error, "methods can not be taken from a node; {in_force}");
    }

    /// How long to wait after so many failures in a row: not at all while there are other nodes.
    fn pause(&self, failures: usize) -> Duration {
        let rounds = failures / self.nodes.len().max(1);
        if rounds == 0 || !failures.is_multiple_of(self.nodes.len()) {
            return Duration::ZERO;
        }
        let doubled = 1 << (rounds - 1).min(16);
        (PAUSE_MIN * doubled).min(PAUSE_MAX).min(self.interval)
    }
}

// === impl Memory ===

impl Memory {
    fn set(&self) -> Option<Arc<[u8]>> {
        self.set.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn take(&self, set: Arc<[u8]>) {
        *self.set.lock().unwrap_or_else(PoisonError::into_inner) = Some(set);
        self.taken.fetch_add(1, Ordering::Relaxed);
    }

    fn counts(&self) -> Counts {
        Counts {
            taken: self.taken.load(Ordering::Relaxed),
            same: self.same.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
        }
    }
}

fn list(faults: &[Fault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
