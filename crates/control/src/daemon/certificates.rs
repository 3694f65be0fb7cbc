//! Looks at files of certificates and of descriptors again and again.
//!
//! A task of its own: a disk that hangs holds up neither a reload nor a drain. See
//! `compile/tls/watch.rs` and `compile/transcode/watch.rs` for what a look does.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::state::Shared;
use crate::compile::Look;

/// Between two looks.
const INTERVAL: Duration = Duration::from_secs(1);

/// Watches what the configuration in force says is watched; never ends.
pub(super) async fn watch(shared: Arc<Shared>) {
    let mut turns = tokio::time::interval(INTERVAL);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        turns.tick().await;
        let current = shared.current();
        if current.duties.watches.is_empty() && current.duties.descriptors.is_empty() {
            continue;
        }
        let look = move || {
            let certificates: Vec<Look> =
                current.duties.watches.iter().map(|watch| watch.look()).collect();
            let descriptors: Vec<Look> =
                current.duties.descriptors.iter().map(|watch| watch.look()).collect();
            (certificates, descriptors)
        };
        match tokio::task::spawn_blocking(look).await {
            Ok((certificates, descriptors)) => {
                certificates.into_iter().for_each(|look| shared.certificates.count(look));
                descriptors.into_iter().for_each(|look| shared.descriptors.count(look));
            }
            Err(error) => tracing::error!(%error, "files could not be looked at"),
        }
    }
}
