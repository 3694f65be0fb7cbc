//! A key with a lease in etcd.
//!
//! The lease is kept alive three times in its life, with the next server if one does not answer; so the key does not
//! flicker when a connection is lost. A lease that has ended is followed by a new one. A key that someone else has
//! written over or removed is written again.

use std::convert::Infallible;
use std::time::Duration;

use narrows_gateway::clock;

use super::Up;
use crate::connect::Node as Server;
use crate::etcd::{Client, EtcdError, EtcdOptions};
use crate::pause::Pause;

/// A key in etcd.
#[derive(Debug, Clone, PartialEq)]
pub struct EtcdKey {
    /// Which etcd.
    pub etcd: EtcdOptions,
    /// What the key begins with; the address follows.
    pub prefix: String,
    /// The address of the gateway, which is also the value.
    pub address: String,
    /// How long the key outlives the gateway.
    pub lease: Duration,
}

/// Keeps the key there; never ends.
pub(super) async fn keep(at: &EtcdKey, lease: &mut Option<i64>, up: &Up) -> Infallible {
    let mut pause = Pause::new();
    let mut problems = Vec::new();
    let mut servers = at.etcd.servers.iter().cycle();
    loop {
        let began = clock::now();
        if let Some(server) = servers.next() {
            let mut is_there = false;
            let Err(error) = hold(at, server, lease, || {
                is_there = true;
                up.is_there();
            })
            .await;
            if is_there {
                problems.clear();
            }
            problems.push(error.to_string());
        }
        // As long as there is another server to go to, nothing is away.
        if problems.len() >= at.etcd.servers.len() {
            up.is_away(problems.join("; "));
            problems.clear();
        }
        pause.wait_after(clock::now().since(began)).await;
    }
}

/// Ends the lease, and the key with it.
pub(super) async fn remove(at: &EtcdKey, lease: Option<i64>) {
    let Some(lease) = lease else { return };
    for server in &at.etcd.servers {
        if let Ok(client) = Client::connect(&at.etcd, server).await
            && client.revoke(lease).await.is_ok()
        {
            return;
        }
    }
}

async fn hold(
    at: &EtcdKey,
    server: &Server,
    held: &mut Option<i64>,
    mut there: impl FnMut(),
) -> Result<Infallible, EtcdError> {
    let client = Client::connect(&at.etcd, server).await?;
    loop {
        let lease = match *held {
            Some(lease) if client.keep_alive(lease).await?.is_some() => lease,
            _ => client.grant(at.lease).await?,
        };
        *held = Some(lease);
        let (_, found) = client.range(&at.key()).await?;
        let ours = found.iter().find(|found| found.key == at.key().as_bytes());
        if ours.is_none_or(|ours| ours.lease != lease) {
            client.put(&at.key(), &at.address, lease).await?;
        }
        there();
        tokio::time::sleep(at.lease / 3).await;
    }
}

// === impl EtcdKey ===

impl EtcdKey {
    pub(super) fn key(&self) -> String {
        format!("{}{}", self.prefix, self.address)
    }
}
