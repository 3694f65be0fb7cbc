//! What the command line does without a running gateway: check, explain, edit the file of a store.
//!
//! Checking opens no store. Explaining reads embedded stores whose file is free; a remote store is not
//! asked. Nothing here listens.

use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use narrows_gateway::lookup::Store;
use narrows_gateway::snapshot::{Snapshot, Targets};
use narrows_gateway::target::Host;
use serde::Serialize;

use crate::compile::{
    self, Call, DryStores, Explanation, OpenStoreError, Previous, compile, explain as explain_call,
    worker_count,
};
use crate::config::{Config, Fault, Loaded, StoreConfig, Topology};
use crate::daemon::{OpenStores, control_runtime};
use crate::host::Needs;
use crate::stores::Stores;
use crate::stores::embedded::{Embedded, OpenError};

/// Longest wait for one address to accept.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// A configuration that would be accepted.
#[derive(Debug)]
pub struct Checked {
    /// As it is written.
    pub loaded: Loaded,
    /// As workers would use it; its stores are empty.
    pub snapshot: Snapshot,
    /// What somebody should look at.
    pub warnings: Vec<Fault>,
}

/// Whether something that the configuration names can be reached from here.
#[derive(Debug, Clone, Serialize)]
pub struct Reach {
    /// What it is: `stores.jobs`, `upstreams.search`.
    pub path: String,
    /// The address or name.
    pub address: String,
    /// Why not; `None`: it can.
    pub error: Option<String>,
}

/// Why the file of a store can not be edited.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// No embedded store has that name, or a name is needed.
    #[error("{0}")]
    Name(String),
    /// The file can not be opened; a running gateway may have it.
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// Loads and compiles without opening anything.
pub fn check(path: &Path) -> Result<Checked, Vec<Fault>> {
    let loaded = compile::load(path)?;
    let previous = Previous::new(worker_count(&loaded.config));
    let compiled = compile(&loaded, &previous, &mut DryStores)?;
    Ok(Checked { snapshot: compiled.snapshot, warnings: compiled.warnings, loaded })
}

/// What the kernel must provide for this configuration.
pub fn needs(snapshot: &Snapshot) -> Needs {
    let listeners = &snapshot.listeners;
    Needs {
        listeners: listeners.iter().map(|listener| (listener.address, listener.backlog)).collect(),
        connections_max: listeners
            .iter()
            .map(|listener| listener.max_connections)
            .reduce(usize::saturating_add),
    }
}

/// Resolves the names of endpoints and connects to the stores.
pub fn reach(checked: &Checked) -> Vec<Reach> {
    let mut all = Vec::new();
    for (name, store) in &checked.loaded.config.stores {
        for address in addresses(store) {
            let error = connect(&address).err();
            all.push(Reach { path: format!("stores.{name}"), address, error });
        }
    }
    for upstream in &checked.snapshot.upstreams {
        let Targets::Balanced(balanced) = &upstream.targets else { continue };
        for entry in balanced.endpoints.entries().iter() {
            let target = &entry.member.target;
            let Host::Name(host) = &target.host else { continue };
            let error = resolve(&format!("{host}:{}", target.port)).err();
            let path = format!("upstreams.{}", upstream.name);
            all.push(Reach { path, address: host.to_string(), error });
        }
    }
    all
}

/// What would become of a call. Embedded stores are read if their file is free.
pub fn explain(path: &Path, call: &Call) -> Result<Explanation, Vec<Fault>> {
    let loaded = compile::load(path)?;
    let failed = |error: std::io::Error| vec![Fault::error(None, "", error.to_string())];
    let runtime = control_runtime().map_err(failed)?;
    let _inside = runtime.enter();
    let previous = Previous::new(worker_count(&loaded.config));
    let compiled = compile(&loaded, &previous, &mut FreeStores(Stores::new()))?;
    Ok(explain_call(&compiled.snapshot, call))
}

/// Opens the file of an embedded store: the one with this name, or the only one. Must run within a tokio
/// runtime.
pub fn open_embedded(config: &Config, name: Option<&str>) -> Result<Embedded, EditError> {
    let embedded = config.stores.iter().filter_map(|(name, store)| match store {
        StoreConfig::Embedded(embedded) => Some((name.as_str(), &embedded.path.0)),
        StoreConfig::Redis(_) => None,
    });
    let all = embedded.collect::<Vec<_>>();
    let names = all.iter().map(|(name, _)| *name).collect::<Vec<_>>();
    let chosen = choose(&names, name).map_err(EditError::Name)?;
    let path = all.iter().find(|(name, _)| *name == chosen).map(|(_, path)| *path);
    let path = path.expect("the name was chosen among these");
    Ok(Embedded::open(chosen, path)?)
}

/// The store that is meant: the named one, or the only one there is.
pub fn choose<'a>(embedded: &[&'a str], name: Option<&str>) -> Result<&'a str, String> {
    match (name, embedded) {
        (Some(name), _) => {
            let found = embedded.iter().find(|known| **known == name).copied();
            found.ok_or_else(|| {
                format!("there is no embedded store {name}; there are: {}", embedded.join(", "))
            })
        }
        (None, [only]) => Ok(only),
        (None, []) => Err("there is no embedded store".to_owned()),
        (None, _) => Err(format!(
            "several stores are embedded; name one with --store: {}",
            embedded.join(", ")
        )),
    }
}

/// Opens embedded stores that exist and are free; of all others nothing is known.
struct FreeStores(Arc<Stores>);

impl compile::Stores for FreeStores {
    fn get_or_open(
        &mut self,
        name: &str,
        config: &StoreConfig,
    ) -> Result<Arc<Store>, OpenStoreError> {
        if let StoreConfig::Embedded(embedded) = config
            && embedded.path.exists()
            && let Ok(store) = OpenStores(&self.0).get_or_open(name, config)
        {
            return Ok(store);
        }
        Ok(Arc::new(Store::new(name, false)))
    }
}

fn addresses(store: &StoreConfig) -> Vec<String> {
    let StoreConfig::Redis(redis) = store else { return Vec::new() };
    let urls = match redis.topology() {
        Ok(Topology::Single(url)) => std::slice::from_ref(url),
        Ok(Topology::Cluster(urls)) => urls,
        Ok(Topology::Sentinel(sentinel)) => &sentinel.urls,
        Err(_) => &[],
    };
    urls.iter().map(|url| host_and_port(url.reveal())).collect()
}

/// The part of a URL between the password and the path, with Redis' own port if there is none.
fn host_and_port(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    if has_port { host.to_owned() } else { format!("{host}:6379") }
}

fn resolve(address: &str) -> Result<Vec<SocketAddr>, String> {
    let found = address.to_socket_addrs().map_err(|error| error.to_string())?.collect::<Vec<_>>();
    if found.is_empty() { Err("the name has no address".to_owned()) } else { Ok(found) }
}

fn connect(address: &str) -> Result<(), String> {
    let mut last = String::new();
    for address in resolve(address)? {
        match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
            Ok(_) => return Ok(()),
            Err(error) => last = error.to_string(),
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_that_is_meant_is_the_named_or_the_only_one() {
        assert_eq!(choose(&["jobs"], None), Ok("jobs"));
        assert_eq!(choose(&["a", "b"], Some("b")), Ok("b"));
        assert!(choose(&["a", "b"], None).expect_err("which").contains("a, b"));
        assert!(choose(&["a"], Some("b")).expect_err("unknown").contains("there are: a"));
        assert!(choose(&[], None).is_err());
    }

    #[test]
    fn a_url_of_redis_says_where_to_connect() {
        assert_eq!(host_and_port("redis://user:p@ss@10.0.0.1:7000/3"), "10.0.0.1:7000");
        assert_eq!(host_and_port("rediss://redis.local"), "redis.local:6379");
        assert_eq!(host_and_port("redis://[::1]:6380?x"), "[::1]:6380");
    }
}
