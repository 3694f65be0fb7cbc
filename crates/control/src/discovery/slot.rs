//! Where a source leaves its last word, and what is counted about it.
//!
//! Only the last word counts, so there is no queue that could grow: a source writes over what nobody has taken yet.

use std::fmt::Display;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ipnet::IpNet;
use narrows_gateway::target::Host;
use tokio::sync::{Notify, watch};

use super::node::{Node, NodeError, scale};
use super::options::SourceOptions;

/// The most nodes of a source. More are no set of nodes but a mistake, and change nothing.
pub(super) const NODES_MAX: usize = 10_000;

/// How a source is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceStatus {
    /// Its kind, and its number if the upstream has several of that kind.
    pub source: Arc<str>,
    /// Where it is, in words.
    pub place: Arc<str>,
    /// Whether it answers.
    pub up: bool,
    /// What is wrong, in words.
    pub trouble: Option<String>,
    /// Nodes of it that are in force.
    pub nodes: usize,
    /// Nodes that it does not name and that are kept for a while.
    pub held: usize,
    /// How often it said something new.
    pub updates: u64,
    /// How often it failed.
    pub errors: u64,
    /// Entries that were left out because they are no nodes, or not where they may be.
    pub refused: u64,
    /// How often nodes were kept that it did not name.
    pub holds: u64,
}

/// The last word of a source.
#[derive(Debug)]
pub(super) struct Slot {
    upstream: Arc<str>,
    source: Arc<str>,
    place: Arc<str>,
    allow: Vec<IpNet>,
    word: Mutex<Word>,
    /// Told of each new word; shared with the other sources of the upstream.
    changed: Arc<Notify>,
    /// Whether it has said anything, good or bad, and that has been acted on.
    heard: watch::Sender<bool>,
    up: AtomicBool,
    nodes: AtomicUsize,
    held: AtomicUsize,
    updates: AtomicU64,
    errors: AtomicU64,
    refused: AtomicU64,
    holds: AtomicU64,
}

#[derive(Debug, Default)]
struct Word {
    /// Not taken yet.
    news: Option<Vec<Node>>,
    /// What was taken last.
    last: Vec<Node>,
    has_spoken: bool,
    trouble: Option<String>,
    /// Entries that were told as refused; each is told once as long as it stays.
    told: Vec<String>,
}

// === impl Slot ===

impl Slot {
    /// One for each source of an upstream.
    pub(super) fn of(upstream: &Arc<str>, sources: &[SourceOptions]) -> Vec<Arc<Self>> {
        let changed = Arc::new(Notify::new());
        let kinds: Vec<_> = sources.iter().map(|source| source.place.kind()).collect();
        let slot = |(at, source): (usize, &SourceOptions)| {
            let kind = kinds[at];
            let number = kinds[..=at].iter().filter(|other| **other == kind).count();
            let name = if number == 1 { kind.to_owned() } else { format!("{kind}-{number}") };
            Arc::new(Self {
                upstream: upstream.clone(),
                source: name.into(),
                place: source.place.to_string().into(),
                allow: source.allow.clone(),
                word: Mutex::default(),
                changed: changed.clone(),
                heard: watch::Sender::new(false),
                up: AtomicBool::new(false),
                nodes: AtomicUsize::new(0),
                held: AtomicUsize::new(0),
                updates: AtomicU64::new(0),
                errors: AtomicU64::new(0),
                refused: AtomicU64::new(0),
                holds: AtomicU64::new(0),
            })
        };
        sources.iter().enumerate().map(slot).collect()
    }

    pub(super) fn upstream(&self) -> &str {
        &self.upstream
    }

    pub(super) fn source(&self) -> &str {
        &self.source
    }

    pub(super) fn place(&self) -> &str {
        &self.place
    }

    pub(super) fn changed(&self) -> &Arc<Notify> {
        &self.changed
    }

    /// The source answers, and these are its entries: a node, nothing to be called, or why it is none.
    pub(super) fn found<N>(
        &self,
        entries: impl IntoIterator<Item = (N, Result<Option<Node>, NodeError>)>,
    ) where
        N: Display,
    {
        let (mut nodes, mut refused) = (Vec::new(), Vec::new());
        for (name, entry) in entries {
            match entry {
                Ok(Some(node)) if self.allows(&node) => nodes.push(node),
                Ok(Some(node)) => refused.push(format!("{}: not in allow", node.target)),
                Ok(None) => {}
                Err(error) => refused.push(format!("{name}: {error}")),
            }
        }
        if nodes.len() > NODES_MAX {
            return self.away(format!("more than {NODES_MAX} nodes"));
        }
        scale(&mut nodes);
        self.speak(nodes, refused);
    }

    /// The source does not answer, or not in a way that can be understood.
    pub(super) fn away(&self, why: impl Display) {
        let why = why.to_string();
        self.errors.fetch_add(1, Ordering::Relaxed);
        let was_up = self.up.swap(false, Ordering::Relaxed);
        let mut word = self.lock();
        let is_first = !std::mem::replace(&mut word.has_spoken, true);
        // Once for each outage; the counter has the rest.
        if was_up || is_first {
            let (upstream, source, place) = (self.upstream(), self.source(), self.place());
            tracing::warn!(
                upstream,
                source,
                place,
                why,
                "source of nodes is away; its nodes stay in force"
            );
        }
        word.trouble = Some(why);
        drop(word);
        self.changed.notify_one();
    }

    /// What it said since the last look.
    pub(super) fn take(&self) -> Option<Vec<Node>> {
        self.lock().news.take()
    }

    /// Whether it has said anything yet.
    pub(super) fn has_spoken(&self) -> bool {
        self.lock().has_spoken
    }

    /// Notes that what it said has been acted on.
    pub(super) fn acted(&self, nodes: usize, held: usize) {
        self.nodes.store(nodes, Ordering::Relaxed);
        if held > 0 && self.held.swap(held, Ordering::Relaxed) == 0 {
            self.holds.fetch_add(1, Ordering::Relaxed);
        } else {
            self.held.store(held, Ordering::Relaxed);
        }
        if self.has_spoken() {
            self.heard.send_replace(true);
        }
    }

    /// Waits for the first word, and until it has been acted on.
    pub(super) async fn heard(&self) {
        let mut heard = self.heard.subscribe();
        // It ends only with the slot.
        let _ = heard.wait_for(|heard| *heard).await;
    }

    /// How the source is doing.
    pub(super) fn status(&self) -> SourceStatus {
        SourceStatus {
            source: self.source.clone(),
            place: self.place.clone(),
            up: self.up.load(Ordering::Relaxed),
            trouble: self.lock().trouble.clone(),
            nodes: self.nodes.load(Ordering::Relaxed),
            held: self.held.load(Ordering::Relaxed),
            updates: self.updates.load(Ordering::Relaxed),
            errors: self.errors.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            holds: self.holds.load(Ordering::Relaxed),
        }
    }

    fn speak(&self, nodes: Vec<Node>, refused: Vec<String>) {
        let was_up = self.up.swap(true, Ordering::Relaxed);
        let mut word = self.lock();
        let is_first = !std::mem::replace(&mut word.has_spoken, true);
        let (upstream, source) = (self.upstream(), self.source());
        if !was_up {
            tracing::info!(
                upstream,
                source,
                place = self.place(),
                nodes = nodes.len(),
                "source of nodes answers"
            );
        }
        for entry in refused.iter().filter(|entry| !word.told.contains(entry)) {
            self.refused.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(upstream, source, entry, "left out: no node, or not where nodes may be");
        }
        word.told = refused;
        word.trouble = None;
        if is_first || word.last != nodes {
            self.updates.fetch_add(1, Ordering::Relaxed);
            word.last.clone_from(&nodes);
        }
        word.news = Some(nodes);
        drop(word);
        self.changed.notify_one();
    }

    fn allows(&self, node: &Node) -> bool {
        let within = |ip: std::net::IpAddr| {
            let ip = ip.to_canonical();
            self.allow.iter().any(|network| network.contains(&ip))
        };
        match &node.target.host {
            _ if self.allow.is_empty() => true,
            Host::Ip(ip) => within(*ip),
            Host::Name(_) => false,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Word> {
        self.word.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
