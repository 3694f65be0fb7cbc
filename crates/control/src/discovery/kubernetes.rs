//! Nodes as the endpoints of a service in Kubernetes.
//!
//! Its EndpointSlices are listed, then watched from the version of the list on. A watch that ends is followed by one
//! from the last version seen; if the API server has forgotten that version (410 Gone), they are listed anew, so
//! nothing can be missed. Endpoints that are ready are nodes. If none is, those that still serve while they end are:
//! a service whose last pods are replaced goes on. `kubernetes/api.rs` speaks to the API server,
//! `kubernetes/slice.rs` reads what it says.

mod api;
mod slice;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use narrows_gateway::clock;

use self::api::{Api, ApiError};
use self::slice::{Event, List, Slice};
use super::slot::Slot;
use crate::connect::Node as Server;
use crate::pause::Pause;

/// After this long the API server ends a watch, and another one follows. One that lasts for longer has no server.
pub(super) const WATCH_TIME: Duration = Duration::from_secs(30);

/// Between two watches.
const WATCH_PAUSE: Duration = Duration::from_millis(100);

/// A service in Kubernetes. Equal options are the same source.
#[derive(Debug, Clone, PartialEq)]
pub struct KubernetesService {
    /// The API server.
    pub server: Server,
    /// The namespace of the service.
    pub namespace: String,
    /// Its name.
    pub service: String,
    /// The port of its endpoints: its name, or its number.
    pub port: String,
    /// The file with the token for the API server; `None`: it asks for none.
    pub token_file: Option<PathBuf>,
    /// How long the API server may take to answer.
    pub timeout: Duration,
}

/// The slices by name.
type Slices = BTreeMap<String, Slice>;

/// What is known of the service.
struct Known<'a> {
    at: &'a KubernetesService,
    slot: &'a Slot,
    slices: Slices,
    version: String,
}

/// Follows the service; never ends.
pub(super) async fn run(at: KubernetesService, slot: Arc<Slot>) {
    let mut pause = Pause::new();
    loop {
        let began = clock::now();
        let Err(error) = follow(&at, &slot).await;
        // What happened since can not be told any more; listing anew finds it, and is no failure.
        if !matches!(error, ApiError::Gone) {
            slot.away(error);
        }
        pause.wait_after(clock::now().since(began)).await;
    }
}

async fn follow(at: &KubernetesService, slot: &Slot) -> Result<Infallible, ApiError> {
    let list: List = Api::connect(at).await?.list().await?;
    let mut known = Known { at, slot, slices: Slices::new(), version: list.version()? };
    known.slices = list.slices();
    known.tell();
    loop {
        // A server that ends watches at once is not to be asked without a pause.
        tokio::time::sleep(WATCH_PAUSE).await;
        let mut watch = Api::connect(at).await?.watch(&known.version).await?;
        while let Some(event) = watch.next().await? {
            known.take(event)?;
        }
    }
}

// === impl Known ===

impl Known<'_> {
    fn tell(&self) {
        self.slot.found(slice::entries(self.slices.values(), &self.at.port));
    }

    fn take(&mut self, event: Event) -> Result<(), ApiError> {
        let (slice, is_there) = match event {
            Event::Added(slice) | Event::Modified(slice) => (slice, true),
            Event::Deleted(slice) => (slice, false),
            Event::Bookmark(slice) => {
                self.version = slice.version()?;
                return Ok(());
            }
            Event::Error(status) => return Err(status.into()),
        };
        self.version = slice.version()?;
        if is_there {
            self.slices.insert(slice.name().to_owned(), slice);
        } else {
            self.slices.remove(slice.name());
        }
        self.tell();
        Ok(())
    }
}
