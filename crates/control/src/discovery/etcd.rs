//! Nodes as the keys below a prefix in etcd.
//!
//! All keys are read, then watched from the next revision on. Whatever ends the watch has all of them read anew, so
//! nothing can be missed; that changes in between were compacted away is no failure then. A server is asked a small
//! question now and then that it can only answer with a majority: one that is cut off from the others would
//! keep its watches open and say nothing.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use narrows_gateway::clock;
use tokio::time::MissedTickBehavior;

use super::node::{Node, NodeError};
use super::slot::Slot;
use crate::connect::Node as Server;
use crate::etcd::{Change, Client, EtcdError, EtcdOptions, KeyValue};
use crate::pause::Pause;

/// A prefix in etcd.
#[derive(Debug, Clone, PartialEq)]
pub struct EtcdPrefix {
    /// Which etcd.
    pub etcd: EtcdOptions,
    /// The prefix.
    pub prefix: String,
}

/// Values by keys.
type Keys = BTreeMap<Vec<u8>, Vec<u8>>;

/// Follows the prefix; never ends.
pub(super) async fn run(at: EtcdPrefix, slot: Arc<Slot>) {
    let mut pause = Pause::new();
    let mut problems = Vec::new();
    for server in at.etcd.servers.iter().cycle() {
        let began = clock::now();
        let mut has_answered = false;
        let Err(error) = follow(&at, server, &slot, &mut has_answered).await;
        if has_answered {
            problems.clear();
        }
        if !matches!(error, EtcdError::Compacted { .. }) {
            problems.push(error.to_string());
        }
        // As long as there is another server to go to, nothing is away.
        if problems.len() >= at.etcd.servers.len() {
            slot.away(problems.join("; "));
            problems.clear();
        }
        pause.wait_after(clock::now().since(began)).await;
    }
}

async fn follow(
    at: &EtcdPrefix,
    server: &Server,
    slot: &Slot,
    has_answered: &mut bool,
) -> Result<Infallible, EtcdError> {
    let client = Client::connect(&at.etcd, server).await?;
    let (revision, found) = client.range(&at.prefix).await?;
    let mut keys: Keys =
        found.into_iter().map(|KeyValue { key, value, .. }| (key, value)).collect();
    slot.found(entries(&keys, &at.prefix));
    *has_answered = true;
    let mut watch = client.watch(&at.prefix, revision + 1).await?;
    let mut checks = tokio::time::interval(at.etcd.timeout);
    checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let changes = tokio::select! {
            changes = watch.next() => changes?,
            _ = checks.tick() => {
                client.check(&at.prefix).await?;
                continue;
            }
        };
        for change in changes {
            match change {
                Change::Put(KeyValue { key, value, .. }) => drop(keys.insert(key, value)),
                Change::Gone(key) => drop(keys.remove(&key)),
            }
        }
        slot.found(entries(&keys, &at.prefix));
    }
}

fn entries(keys: &Keys, prefix: &str) -> Vec<(String, Result<Option<Node>, NodeError>)> {
    let entry = |(key, value): (&Vec<u8>, &Vec<u8>)| {
        let name = String::from_utf8_lossy(key).into_owned();
        let node = Node::named(last_part(&name, prefix), value);
        (name, node)
    };
    keys.iter().map(entry).collect()
}

/// What of a key may be a node: its last part, but nothing of the prefix.
fn last_part<'a>(key: &'a str, prefix: &str) -> &'a str {
    let rest = key.strip_prefix(prefix).unwrap_or(key).trim_matches('/');
    rest.rsplit('/').next().unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_may_end_with_a_node() {
        assert_eq!(last_part("/services/a/10.0.0.1:1", "/services/a/"), "10.0.0.1:1");
        assert_eq!(last_part("/services/a/10.0.0.1:1", "/services/a"), "10.0.0.1:1");
        assert_eq!(last_part("/services/a/v1/10.0.0.1:1", "/services/"), "10.0.0.1:1");
        let keys = Keys::from([
            (b"/s/10.0.0.1:1".to_vec(), Vec::new()),
            (b"/s/x".to_vec(), b"10.0.0.2:1".to_vec()),
            (b"/s/y".to_vec(), b"nothing".to_vec()),
        ]);
        let found = entries(&keys, "/s/");
        assert_eq!(found.iter().filter(|(_, node)| node.is_ok()).count(), 2);
    }
}
