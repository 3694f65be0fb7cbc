//! Nodes as the members of a set in Redis, or as the fields of a hash with their weights.
//!
//! Redis announces a change of the key, which is read whole then; it is read now and then even so, which also shows
//! that Redis still answers. A key that is not there has no nodes: Redis removes a set with its last member.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use narrows_gateway::clock;

use super::node::{Node, NodeError};
use super::slot::{NODES_MAX, Slot};
use crate::pause::Pause;
use crate::stores::redis::{Content, RedisOptions, WatchedKey};

/// A key in Redis. Equal options are the same source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisKey {
    /// Which Redis.
    pub redis: Box<RedisOptions>,
    /// The key.
    pub key: String,
    /// It is read again after this long, even if no change was announced.
    pub poll_interval: Duration,
}

type Entry = (String, Result<Option<Node>, NodeError>);

/// Follows the key; never ends.
pub(super) async fn run(at: RedisKey, slot: Arc<Slot>) {
    let mut pause = Pause::new();
    loop {
        let began = clock::now();
        let Err(why) = follow(&at, &slot).await;
        slot.away(why);
        pause.wait_after(clock::now().since(began)).await;
    }
}

async fn follow(at: &RedisKey, slot: &Slot) -> Result<Infallible, String> {
    let (mut key, mut content) = WatchedKey::open(&at.redis, &at.key, NODES_MAX).await?;
    loop {
        slot.found(entries(content));
        // Either way it is read again.
        let _ = tokio::time::timeout(at.poll_interval, key.changed()).await;
        content = key.read().await?;
    }
}

fn entries(content: Content) -> Vec<Entry> {
    let mut entries: Vec<Entry> = match content {
        Content::Set(members) => members.into_iter().map(member).collect(),
        Content::Hash(fields) => {
            fields.into_iter().map(|(field, value)| weighted(field, &value)).collect()
        }
    };
    // Redis gives them in no order, and another order is no change.
    entries.sort_by(|(a, _), (b, _)| a.cmp(b));
    entries
}

fn member(text: String) -> Entry {
    let node = Node::read(&text);
    (text, node)
}

fn weighted(field: String, value: &str) -> Entry {
    let Ok(weight) = value.trim().parse() else {
        return (field, Err(NodeError::Weight(value.chars().take(20).collect())));
    };
    let node = Node::read(&field)
        .map(|node| node.filter(|_| weight > 0).map(|node| Node { weight, ..node }));
    (field, node)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_nodes_and_values_of_fields_are_weights() {
        let set = Content::Set(vec!["h:2".into(), "h".into(), "h:1".into()]);
        let found = entries(set);
        let good: Vec<_> = found.iter().filter(|(_, node)| node.is_ok()).map(|(n, _)| n).collect();
        assert_eq!(good, ["h:1", "h:2"]);
        let fields = [("h:1", "3"), ("h:2", "0"), ("h:3", "-1"), ("h", "1"), ("h:4", "heavy")];
        let fields = fields.map(|(field, value)| (field.to_owned(), value.to_owned()));
        let found = entries(Content::Hash(fields.into()));
        let weight = |node: &Result<Option<Node>, NodeError>| {
            node.as_ref().ok().map(|node| node.as_ref().map(|node| node.weight))
        };
        let weights: Vec<_> = found.iter().map(|(_, node)| weight(node)).collect();
        assert_eq!(weights, [None, Some(Some(3)), Some(None), None, None]);
    }
}
