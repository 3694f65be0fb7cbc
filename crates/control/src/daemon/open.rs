//! Opens the stores that a configuration names.

use std::sync::Arc;

use narrows_gateway::lookup::Store;

use crate::compile::{self, OpenStoreError};
use crate::config::StoreConfig;
use crate::stores::{StoreOptions, Stores};

/// Gives stores that are open already, and opens the others.
pub(crate) struct OpenStores<'a>(pub(crate) &'a Stores);

// === impl OpenStores ===

impl compile::Stores for OpenStores<'_> {
    fn get_or_open(
        &mut self,
        name: &str,
        config: &StoreConfig,
    ) -> Result<Arc<Store>, OpenStoreError> {
        let failed = |error: String| OpenStoreError(error);
        let options =
            StoreOptions::from_config(config).map_err(|error| failed(error.to_string()))?;
        self.0.get_or_open(name, &options).map_err(|error| failed(error.to_string()))
    }
}
