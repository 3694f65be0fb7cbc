//! What the sources of an upstream say, put together and handed on.
//!
//! Words that come close to each other are taken together. A set is handed on when it differs from the one before,
//! and kept on disk when it has come from a source. As long as a source has not been heard at all, nothing is
//! handed on that could take its nodes away, unless it takes too long.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use narrows_gateway::clock;
use narrows_wire::Time;
use tokio::sync::Notify;

use super::FIRST_WORD_TIMEOUT;
use super::guard::Guard;
use super::memory::{Kept, Memory};
use super::node::Node;
use super::options::SourceOptions;
use super::slot::Slot;

/// Takes the nodes of an upstream.
pub(super) type Sink = Box<dyn Fn(&[Node]) + Send + Sync>;

/// Keeps the set of one upstream.
pub(super) struct Keeper {
    sources: Vec<Source>,
    changed: Arc<Notify>,
    debounce: Duration,
    sink: Sink,
    memory: Option<Memory>,
    /// What was handed on last.
    in_force: Option<Vec<Node>>,
}

struct Source {
    slot: Arc<Slot>,
    guard: Guard,
    held: usize,
}

// === impl Keeper ===

impl Keeper {
    /// Keeps what the sources say in their slots.
    pub(super) fn new(
        sources: &[SourceOptions],
        slots: Vec<Arc<Slot>>,
        sink: Sink,
        memory: Option<Memory>,
    ) -> Self {
        let changed = slots.first().map(|slot| slot.changed().clone()).unwrap_or_default();
        let debounce = sources.iter().map(|source| source.debounce).max().unwrap_or_default();
        let source = |(options, slot): (&SourceOptions, Arc<Slot>)| {
            let guard = Guard::new(options.rules);
            Source { slot, guard, held: 0 }
        };
        let sources = sources.iter().zip(slots).map(source).collect();
        Self { sources, changed, debounce, sink, memory, in_force: None }
    }

    /// Never ends.
    pub(super) async fn run(mut self) {
        self.remember().await;
        let patience = clock::now() + FIRST_WORD_TIMEOUT;
        let mut again = Some(patience);
        loop {
            self.wait(again).await;
            let now = clock::now();
            again = self.settle(now);
            if now < patience && !self.all_spoke() {
                again = Some(again.map_or(patience, |again| again.min(patience)));
                continue;
            }
            self.hand_on().await;
        }
    }

    /// Hands on what was kept on disk.
    async fn remember(&mut self) {
        let Some(memory) = &self.memory else { return };
        for kept in memory.load().await {
            let fits = |source: &&mut Source| {
                source.slot.source() == kept.source && source.slot.place() == kept.place
            };
            if let Some(source) = self.sources.iter_mut().find(fits) {
                source.guard.restore(kept.nodes);
            }
        }
        let nodes = self.merged();
        if !nodes.is_empty() {
            let upstream = self.upstream();
            tracing::info!(
                upstream,
                nodes = nodes.len(),
                "nodes taken from disk until sources answer"
            );
            (self.sink)(&nodes);
            self.in_force = Some(nodes);
        }
    }

    /// Waits for a word, and a while for more; or until `again`.
    async fn wait(&self, again: Option<Time>) {
        let until = async {
            match again {
                Some(again) => tokio::time::sleep(again.since(clock::now())).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.changed.notified() => tokio::time::sleep(self.debounce).await,
            () = until => {}
        }
    }

    /// Takes what has been said; gives when to look again even if nothing is said.
    fn settle(&mut self, now: Time) -> Option<Time> {
        let mut again: Option<Time> = None;
        for source in &mut self.sources {
            if let Some(nodes) = source.slot.take() {
                source.guard.offer(nodes, now);
            }
            let settled = source.guard.settle(now);
            source.tell(settled.held);
            again = again.into_iter().chain(settled.again).min();
        }
        again
    }

    async fn hand_on(&mut self) {
        let nodes = self.merged();
        // A source that never answered is no reason to hand on nothing.
        let is_known = self.in_force.is_some() || self.sources.iter().any(Source::has_answered);
        if is_known && self.in_force.as_ref() != Some(&nodes) {
            tracing::info!(upstream = self.upstream(), nodes = nodes.len(), "nodes changed");
            (self.sink)(&nodes);
            self.in_force = Some(nodes);
            self.keep().await;
        }
        for source in &self.sources {
            source.slot.acted(source.guard.nodes().count(), source.held);
        }
    }

    async fn keep(&self) {
        let Some(memory) = &self.memory else { return };
        let kept = |source: &Source| Kept {
            source: source.slot.source().to_owned(),
            place: source.slot.place().to_owned(),
            nodes: source.guard.nodes().cloned().collect(),
        };
        memory.save(self.sources.iter().map(kept).collect()).await;
    }

    /// All nodes; of two with the same address that of the first source.
    fn merged(&self) -> Vec<Node> {
        let mut taken = BTreeSet::new();
        let all = self.sources.iter().flat_map(|source| source.guard.nodes());
        all.filter(|node| taken.insert(node.target.to_string())).cloned().collect()
    }

    fn all_spoke(&self) -> bool {
        self.sources.iter().all(|source| source.slot.has_spoken())
    }

    fn upstream(&self) -> &str {
        self.sources.first().map(|source| source.slot.upstream()).unwrap_or_default()
    }
}

// === impl Source ===

impl Source {
    fn has_answered(&self) -> bool {
        self.slot.status().updates > 0
    }

    fn tell(&mut self, held: usize) {
        let (upstream, source) = (self.slot.upstream(), self.slot.source());
        if held > 0 && self.held == 0 {
            tracing::warn!(
                upstream,
                source,
                held,
                "too many nodes vanished at once; they are kept for a while"
            );
        }
        self.held = held;
    }
}
