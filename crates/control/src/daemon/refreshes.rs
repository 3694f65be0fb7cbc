//! Asks nodes for their methods as long as the configuration in force says so.
//!
//! See `reflection/refresh.rs` for what asking does.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::state::Shared;

/// Follows the configuration in force; never ends.
pub(super) async fn follow(shared: Arc<Shared>) {
    loop {
        // Dropped at the next change, which ends what goes on.
        let mut tasks = JoinSet::new();
        for refresh in &shared.current().duties.refreshes {
            let refresh = refresh.clone();
            tasks.spawn(async move { refresh.run().await });
        }
        shared.changed().await;
    }
}
