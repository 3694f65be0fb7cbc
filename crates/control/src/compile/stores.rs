//! Stores: what can be wrong with them before they are opened, and the door to who opens them.
//!
//! Checking touches no store and no network; it reads certificates only. Opening is behind a trait,
//! so that a configuration can be checked on a machine that has none of the stores.

use std::collections::BTreeMap;
use std::sync::Arc;

use narrows_gateway::lookup::Store;

use super::report::Report;
use crate::config::{Config, RedisConfig, StoreConfig, Topology, ValueForm};

/// Opens stores and keeps them open over reloads.
pub trait Stores {
    /// The store of this name. One that is open with an equal configuration is given again, with
    /// all that it knows. A remote store that can not be reached is no error: it is opened and
    /// asked later.
    fn get_or_open(
        &mut self,
        name: &str,
        config: &StoreConfig,
    ) -> Result<Arc<Store>, OpenStoreError>;
}

/// Why a store can not be opened, in words for the operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct OpenStoreError(pub String);

/// Stores that know nothing and touch nothing: for checking a configuration.
#[derive(Debug, Default)]
pub struct DryStores;

// === impl DryStores ===

impl Stores for DryStores {
    fn get_or_open(
        &mut self,
        name: &str,
        config: &StoreConfig,
    ) -> Result<Arc<Store>, OpenStoreError> {
        let complete = matches!(config, StoreConfig::Embedded(_));
        Ok(Arc::new(Store::new(name, complete)))
    }
}

/// Finds what is wrong with the stores without opening them.
pub(super) fn check(config: &Config, report: &mut Report<'_>) {
    let mut files: BTreeMap<&std::path::Path, &str> = BTreeMap::new();
    for (name, store) in &config.stores {
        let path = format!("stores.{name}");
        report.name(&path, name);
        match store {
            StoreConfig::Embedded(embedded) => {
                if let Some(first) = files.insert(&embedded.path, name) {
                    let message = format!("the store {first:?} already keeps its table there");
                    report.error(format!("{path}.embedded.path"), message);
                }
            }
            StoreConfig::Redis(redis) => check_redis(&format!("{path}.redis"), redis, report),
        }
    }
}

/// Opens each of them.
pub(super) fn open<'a>(
    config: &'a Config,
    stores: &mut dyn Stores,
    report: &mut Report<'_>,
) -> BTreeMap<&'a str, Arc<Store>> {
    let mut opened = BTreeMap::new();
    for (name, store) in &config.stores {
        let result = stores.get_or_open(name, store);
        if let Some(store) = report.ok(format!("stores.{name}"), result) {
            opened.insert(name.as_str(), store);
        }
    }
    opened
}

fn check_redis(path: &str, redis: &RedisConfig, report: &mut Report<'_>) {
    let topology = report.ok(path, redis.topology());
    if let (Some(Topology::Cluster(_)), Some(1..)) = (topology, redis.database) {
        report.error(format!("{path}.database"), "a cluster has only database 0");
    }
    if redis.key.matches("{key}").count() != 1 {
        let message = "must hold {key} exactly once, in place of the key of the lookup";
        report.error(format!("{path}.key"), message);
    }
    if let ValueForm::Hash(hash) = &redis.value {
        report.ok(format!("{path}.value.hash"), hash.fields());
    }
    let Some(tls) = &redis.tls else { return };
    super::tls::check_client_files(
        &format!("{path}.tls"),
        tls.ca.as_ref(),
        tls.certificate.as_ref().zip(tls.private_key.as_ref()),
        tls.certificate.is_some() != tls.private_key.is_some(),
        report,
    );
    if tls.insecure_skip_verify {
        report.warn(format!("{path}.tls.insecure_skip_verify"), super::tls::INSECURE);
    }
}
