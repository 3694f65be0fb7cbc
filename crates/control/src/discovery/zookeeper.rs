//! Nodes as the children of a path in ZooKeeper.
//!
//! Children and their data are watched; whatever is announced is read again, with a new watch. A session that is
//! lost is followed by a new one, which reads everything anew, so no announcement can be missed. A path that is
//! not there has no nodes, and is waited for.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use narrows_gateway::clock;

use super::node::{Node, NodeError};
use super::slot::Slot;
use crate::pause::Pause;
use crate::zookeeper::{Event, EventKind, Identity, Session, ZookeeperError, ZookeeperOptions};

/// A path of an ensemble.
#[derive(Debug, Clone, PartialEq)]
pub struct ZookeeperPath {
    /// The ensemble.
    pub ensemble: ZookeeperOptions,
    /// The path, without a slash at its end.
    pub path: String,
}

/// What is at the path: the data of the children by their names.
struct Children<'a> {
    session: Session,
    path: &'a str,
    data: BTreeMap<String, Vec<u8>>,
}

/// Follows the path; never ends.
pub(super) async fn run(at: ZookeeperPath, slot: Arc<Slot>) {
    let mut pause = Pause::new();
    loop {
        let began = clock::now();
        let mut has_answered = false;
        let Err(error) = follow(&at, &slot, &mut has_answered).await;
        // A server that is lost may be followed by another one at once.
        if !has_answered {
            slot.away(error);
        }
        pause.wait_after(clock::now().since(began)).await;
    }
}

async fn follow(
    at: &ZookeeperPath,
    slot: &Slot,
    has_answered: &mut bool,
) -> Result<Infallible, ZookeeperError> {
    let session = Session::open(&at.ensemble, &Identity::default()).await?;
    let mut children = Children { session, path: &at.path, data: BTreeMap::new() };
    children.list().await?;
    slot.found(children.entries());
    *has_answered = true;
    loop {
        let event = children.session.event().await?;
        children.take(event).await?;
        slot.found(children.entries());
    }
}

// === impl Children ===

impl Children<'_> {
    fn entries(&self) -> Vec<(String, Result<Option<Node>, NodeError>)> {
        let entry = |(name, data): (&String, &Vec<u8>)| (name.clone(), Node::named(name, data));
        self.data.iter().map(entry).collect()
    }

    async fn take(&mut self, Event { kind, path }: Event) -> Result<(), ZookeeperError> {
        let child = path.strip_prefix(self.path).and_then(|rest| rest.strip_prefix('/'));
        match (kind, child) {
            (EventKind::Data, Some(child)) => self.read(vec![child.to_owned()]).await,
            (EventKind::Deleted, Some(child)) => {
                // It may be there again under the same name, with other data.
                self.data.remove(child);
                Ok(())
            }
            (_, None) if path == self.path => self.list().await,
            _ => Ok(()),
        }
    }

    /// Lists the children, and reads those that are new.
    async fn list(&mut self) -> Result<(), ZookeeperError> {
        let names = loop {
            match self.session.children(self.path).await {
                Ok(names) => break names,
                // Watched all the same, unless it has come just now.
                Err(ZookeeperError::Missing(_)) => {
                    if !self.session.exists(self.path).await? {
                        break Vec::new();
                    }
                }
                Err(error) => return Err(error),
            }
        };
        self.data.retain(|name, _| names.contains(name));
        let is_new = |name: &String| !self.data.contains_key(name);
        let new = names.into_iter().filter(is_new).collect();
        self.read(new).await
    }

    async fn read(&mut self, names: Vec<String>) -> Result<(), ZookeeperError> {
        let paths: Vec<_> = names.iter().map(|name| format!("{}/{name}", self.path)).collect();
        let data = self.session.data(&paths).await?;
        for (name, data) in names.into_iter().zip(data) {
            match data {
                Some(data) => drop(self.data.insert(name, data)),
                None => drop(self.data.remove(&name)),
            }
        }
        Ok(())
    }
}
