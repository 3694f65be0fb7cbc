//! An ephemeral node in ZooKeeper.
//!
//! A lost connection is followed by another one of the same session, so the node does not flicker; a session that
//! has expired is followed by a new one, with a new node. A node of the same name that another session owns is most
//! likely that of this gateway in its last life: it is watched, and the name taken when it goes.

use std::convert::Infallible;
use std::future::Future;

use narrows_gateway::clock;

use super::Up;
use crate::pause::Pause;
use crate::zookeeper::{Identity, Lifetime, Session, ZookeeperError, ZookeeperOptions};

/// A node in ZooKeeper.
#[derive(Debug, Clone, PartialEq)]
pub struct ZookeeperNode {
    /// The ensemble.
    pub ensemble: ZookeeperOptions,
    /// The path that the node is a child of, without a slash at its end. It is made if it is not there.
    pub parent: String,
    /// The address of the gateway, which is the name of the node as well as its data.
    pub address: String,
}

/// The session that the node hangs on.
#[derive(Debug, Default)]
pub(super) struct Held(Identity);

/// Keeps the node there; never ends.
pub(super) async fn keep(at: &ZookeeperNode, held: &mut Held, up: &Up) -> Infallible {
    let mut pause = Pause::new();
    loop {
        let began = clock::now();
        let Err(error) = follow(at, held, up).await;
        if matches!(error, ZookeeperError::Expired) {
            held.0 = Identity::default();
        }
        up.is_away(error);
        pause.wait_after(clock::now().since(began)).await;
    }
}

/// Removes the node, with the session that it hangs on.
pub(super) async fn remove(at: &ZookeeperNode, held: &Held) {
    if let Ok(session) = Session::open(&at.ensemble, &held.0).await {
        // What can not be removed ends with the time of the session.
        let _ = session.close().await;
    }
}

async fn follow(
    at: &ZookeeperNode,
    held: &mut Held,
    up: &Up,
) -> Result<Infallible, ZookeeperError> {
    let mut session = Session::open(&at.ensemble, &held.0).await?;
    held.0 = session.identity().clone();
    let result = hold(at, &mut session, up).await;
    // Also what was seen last, so that no server is asked that is behind it.
    held.0 = session.identity().clone();
    result
}

async fn hold(
    at: &ZookeeperNode,
    session: &mut Session,
    up: &Up,
) -> Result<Infallible, ZookeeperError> {
    let path = at.path();
    loop {
        match session.owner(&path).await? {
            Some(owner) if owner == session.identity().id() => up.is_there(),
            Some(_) => up.is_away("another session owns the node; waiting for its end"),
            None => {
                create(at, session).await?;
                continue;
            }
        }
        session.event().await?;
    }
}

/// Creates the node, and what is above it. Someone else may be faster with any of them.
async fn create(at: &ZookeeperNode, session: &mut Session) -> Result<(), ZookeeperError> {
    let path = at.path();
    let data = at.address.as_bytes();
    match there(session.create(&path, data, Lifetime::Ephemeral)).await {
        Err(ZookeeperError::Missing(_)) => {}
        created => return created,
    }
    let ends = at.parent.match_indices('/').map(|(end, _)| end).skip(1);
    for end in ends.chain([at.parent.len()]) {
        let above = at.parent.get(..end).unwrap_or_default();
        there(session.create(above, b"", Lifetime::Persistent)).await?;
    }
    there(session.create(&path, data, Lifetime::Ephemeral)).await
}

async fn there(
    created: impl Future<Output = Result<(), ZookeeperError>>,
) -> Result<(), ZookeeperError> {
    match created.await {
        Err(ZookeeperError::Exists(_)) => Ok(()),
        created => created,
    }
}

// === impl ZookeeperNode ===

impl ZookeeperNode {
    pub(super) fn path(&self) -> String {
        format!("{}/{}", self.parent, self.address)
    }
}
