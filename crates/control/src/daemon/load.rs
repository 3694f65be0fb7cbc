//! How a file becomes what the gateway uses.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use narrows_gateway::clock;
use narrows_gateway::lookup::Store;
use narrows_gateway::snapshot::{Snapshot, Targets};
use serde::Serialize;

use super::open::OpenStores;
use crate::access_log::{Destination, Format, Settings};
use crate::compile::{self, Compiled, Duties, Previous, compile};
use crate::config::{AccessFormat, Fault, Loaded, LogPath};
use crate::stores::Stores;

/// The configuration in force.
#[derive(Debug)]
pub struct Current {
    /// As it is written.
    pub loaded: Loaded,
    /// As the workers use it.
    pub snapshot: Arc<Snapshot>,
    /// What somebody should look at.
    pub warnings: Vec<Fault>,
    /// What the control plane does for it.
    pub duties: Duties,
    /// When it was loaded, since 1970-01-01 UTC.
    pub loaded_at: Duration,
}

/// What a reload did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Applied {
    /// Names the configuration now in force.
    pub hash: String,
    /// Whether it says anything else than the one before.
    pub changed: bool,
    /// What somebody should look at.
    pub warnings: Vec<String>,
}

/// Loads and compiles; nothing is applied.
pub(super) async fn load(
    path: &Path,
    previous: Previous,
    stores: Arc<Stores>,
) -> Result<(Current, Previous), Vec<Fault>> {
    let path = path.to_owned();
    let loaded = tokio::task::spawn_blocking(move || compile::load(&path)).await;
    build(finished(loaded)?, previous, stores).await
}

/// Compiles; nothing is applied.
pub(super) async fn build(
    loaded: Loaded,
    previous: Previous,
    stores: Arc<Stores>,
) -> Result<(Current, Previous), Vec<Fault>> {
    // An embedded store with millions of keys takes seconds to read, certificates come from disks.
    let task = tokio::task::spawn_blocking(move || {
        let compiled = compile(&loaded, &previous, &mut OpenStores(&stores))?;
        let Compiled { snapshot, warnings, duties, next } = compiled;
        stores.retain(&in_use(&snapshot));
        let loaded_at = clock::unix(clock::now());
        let snapshot = Arc::new(snapshot);
        let current = Current { loaded, snapshot, warnings, duties, loaded_at };
        Ok((current, next))
    });
    finished(task.await)
}

/// Where the access log goes; `None`: nowhere.
pub(super) fn access_log(current: &Current) -> Option<Settings> {
    let log = current.loaded.config.access_log.as_ref()?;
    let destination = match &log.path {
        LogPath::Stdout => Destination::Stdout,
        LogPath::Stderr => Destination::Stderr,
        LogPath::File(path) => Destination::File(path.clone()),
    };
    let format = match log.format {
        AccessFormat::Json => Format::Json,
        AccessFormat::Combined => Format::Combined,
    };
    Some(Settings { destination, format })
}

fn in_use(snapshot: &Snapshot) -> Vec<Arc<Store>> {
    let lookup = |targets: &Targets| match targets {
        Targets::Lookup(lookup) => Some(lookup.store.clone()),
        Targets::Balanced(balanced) => Some(balanced.rules.sticky.as_ref()?.store.clone()),
        Targets::Asked(_) => None,
    };
    snapshot.upstreams.iter().filter_map(|upstream| lookup(&upstream.targets)).collect()
}

fn finished<T>(
    task: Result<Result<T, Vec<Fault>>, tokio::task::JoinError>,
) -> Result<T, Vec<Fault>> {
    task.unwrap_or_else(|error| Err(vec![Fault::error(None, "", error.to_string())]))
}

// === impl Current ===

impl Current {
    /// Its name as people see it.
    pub fn hash_text(&self) -> String {
        format!("{:016x}", self.snapshot.hash)
    }

    /// Logs what somebody should look at.
    pub(super) fn warn(&self) {
        for warning in &self.warnings {
            tracing::warn!("{warning}");
        }
    }

    pub(super) fn applied(&self, before: &Self) -> Applied {
        Applied {
            hash: self.hash_text(),
            changed: self.snapshot.hash != before.snapshot.hash,
            warnings: self.warnings.iter().map(ToString::to_string).collect(),
        }
    }
}
