//! Starts a task for each node that is to be checked, and ends it when it is not any more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use narrows_gateway::clock;
use narrows_gateway::endpoints::{Endpoint, Health};
use tokio::task::AbortHandle;

use super::node::Node;
use super::{Board, Checks, Settings};

/// Between two looks at who is in the sets.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// An upstream and the identity of one of its nodes.
type Key = (Arc<str>, usize);

/// Checks and the version of their set.
type Seen = (Arc<Checks>, u64);

/// The tasks that run.
#[derive(Default)]
struct Tasks {
    running: BTreeMap<Key, Task>,
    /// What was seen of the upstreams at the last look.
    seen: Vec<Seen>,
}

struct Task {
    settings: Arc<Settings>,
    endpoint: Arc<Endpoint>,
    handle: AbortHandle,
}

/// Checks what `current` says, which may change from look to look; never ends.
pub async fn follow(board: Arc<Board>, current: impl Fn() -> Vec<Arc<Checks>>) {
    let mut tasks = Tasks::default();
    let mut interval = tokio::time::interval(LOOK_INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        tasks.look(&current(), &board);
    }
}

// === impl Tasks ===

impl Tasks {
    fn look(&mut self, current: &[Arc<Checks>], board: &Arc<Board>) {
        let seen: Vec<_> =
            current.iter().map(|checks| (checks.clone(), checks.endpoints.version())).collect();
        if is_same(&self.seen, &seen) {
            return;
        }
        self.seen = seen;
        let mut wanted = BTreeSet::new();
        for checks in current {
            for entry in checks.endpoints.entries().iter() {
                let key = (checks.upstream.clone(), Arc::as_ptr(&entry.endpoint) as usize);
                self.keep(&key, checks, &entry.endpoint, board);
                wanted.insert(key);
            }
        }
        self.end_all_but(&wanted);
        board.retain(|upstream, node| {
            let of_upstream = current.iter().find(|checks| checks.upstream == *upstream);
            of_upstream.is_some_and(|checks| node.is_none_or(|node| has(checks, node)))
        });
    }

    /// The node is checked in this way, whatever it was before.
    fn keep(&mut self, key: &Key, checks: &Checks, endpoint: &Arc<Endpoint>, board: &Arc<Board>) {
        if let Some(task) = self.running.get(key)
            && task.settings == checks.settings
        {
            return;
        }
        if let Some(task) = self.running.remove(key) {
            task.handle.abort();
        }
        let node = Node::new(&checks.upstream, endpoint, &checks.settings, board);
        let handle = tokio::spawn(async move { node.run().await }).abort_handle();
        let (settings, endpoint) = (checks.settings.clone(), endpoint.clone());
        self.running.insert(key.clone(), Task { settings, endpoint, handle });
    }

    /// Who is checked no more is taken for well.
    fn end_all_but(&mut self, wanted: &BTreeSet<Key>) {
        self.running.retain(|key, task| {
            let is_wanted = wanted.contains(key);
            if !is_wanted {
                task.handle.abort();
                task.endpoint.set_health(Health::Passing, clock::now());
            }
            is_wanted
        });
    }
}

fn is_same(before: &[Seen], now: &[Seen]) -> bool {
    let same = |(one, other): (&Seen, &Seen)| Arc::ptr_eq(&one.0, &other.0) && one.1 == other.1;
    before.len() == now.len() && before.iter().zip(now).all(same)
}

fn has(checks: &Checks, node: &str) -> bool {
    checks.endpoints.entries().iter().any(|entry| entry.member.target.to_string() == node)
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.running.values().for_each(|task| task.handle.abort());
    }
}
