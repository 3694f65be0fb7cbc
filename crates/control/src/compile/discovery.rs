//! Sources of nodes: what can be wrong with them before anybody is asked.
//!
//! Files of certificates are read here; nothing is connected to. Who follows the sources is handed the result in
//! `Compiled::discovered`.

use std::time::Duration;

use narrows_gateway::target::Scheme;

use super::previous::Previous;
use super::report::Report;
use super::tls::{self, ClientRoots};
use crate::config::{
    DiscoveryConfig, EtcdConfig, NodeAddress, Secret, SourcesOfNodes, UpstreamConfig, UpstreamTls,
    ZookeeperConfig,
};
use crate::connect::Node as Server;
use crate::discovery::{EtcdPrefix, Place, Rules, SourceOptions, ZookeeperPath};
use crate::etcd::EtcdOptions;
use crate::zookeeper::ZookeeperOptions;

/// What is needed to compile a source.
pub(super) struct Means<'a, 'r> {
    pub(super) roots: &'a mut ClientRoots,
    pub(super) previous: &'a Previous,
    pub(super) next: &'a mut Previous,
    pub(super) report: &'a mut Report<'r>,
}

/// The longest and the shortest time of a session in ZooKeeper.
const SESSION_TIMEOUTS: (Duration, Duration) =
    (Duration::from_millis(100), Duration::from_secs(300));

/// The sources of an upstream; `None`: faults were reported.
pub(super) fn sources(
    path: &str,
    upstream: &UpstreamConfig,
    means: &mut Means<'_, '_>,
) -> Option<Vec<SourceOptions>> {
    let written = upstream.discovery.as_ref()?.all();
    if written.is_empty() {
        means.report.error(path, "no sources; name at least one");
    }
    let single = matches!(upstream.discovery, Some(SourcesOfNodes::One(_)));
    let mut sources = Vec::new();
    for (at, source) in written.iter().enumerate() {
        let path = if single { path.to_owned() } else { format!("{path}[{at}]") };
        let Some(place) = place(&path, source, means) else { continue };
        sources.push(SourceOptions {
            place,
            allow: source.allow.iter().map(|network| network.0).collect(),
            debounce: source.debounce.0,
            rules: Rules { max_removal_percent: source.max_removal_percent, hold: source.hold.0 },
        });
    }
    (!sources.is_empty() && sources.len() == written.len()).then_some(sources)
}

fn place(path: &str, source: &DiscoveryConfig, means: &mut Means<'_, '_>) -> Option<Place> {
    let kinds = source.kinds();
    let [kind] = kinds.as_slice() else {
        let message = match kinds.as_slice() {
            [] => "nothing says where nodes come from; write one of dns, file, redis_set, zookeeper, etcd, kubernetes".to_owned(),
            kinds => format!("give only one of {}; write several as a list", kinds.join(", ")),
        };
        means.report.error(path, message);
        return None;
    };
    let path = format!("{path}.{kind}");
    if let Some(file) = &source.file {
        return Some(Place::File(file.path.0.clone()));
    }
    if let Some(config) = &source.zookeeper {
        return zookeeper(&path, config, means).map(Place::Zookeeper);
    }
    if let Some(config) = &source.etcd {
        return etcd(&path, config, means).map(Place::Etcd);
    }
    means.report.error(path, "not supported yet");
    None
}

fn zookeeper(
    path: &str,
    config: &ZookeeperConfig,
    means: &mut Means<'_, '_>,
) -> Option<ZookeeperPath> {
    let servers = servers(path, ("servers", &config.servers), config.tls.as_ref(), means);
    let at = config.path.trim_end_matches('/');
    // Names between slashes, none of them empty or about the tree itself.
    let is_path = at.starts_with('/')
        && at[1..].split('/').all(|part| !part.is_empty() && part != "." && part != "..");
    if !is_path {
        means.report.error(format!("{path}.path"), "expected a path such as /services/search");
    }
    let user = user(path, (&config.username, &config.password), means)?;
    let session_timeout = config.session_timeout.0;
    if !(SESSION_TIMEOUTS.0..=SESSION_TIMEOUTS.1).contains(&session_timeout) {
        let (least, most) = SESSION_TIMEOUTS;
        let message = format!("must be from {least:?} to {most:?}");
        means.report.error(format!("{path}.session_timeout"), message);
    }
    let ensemble = ZookeeperOptions { servers: servers?, user, session_timeout };
    is_path.then(|| ZookeeperPath { ensemble, path: at.to_owned() })
}

fn etcd(path: &str, config: &EtcdConfig, means: &mut Means<'_, '_>) -> Option<EtcdPrefix> {
    let servers = servers(path, ("endpoints", &config.endpoints), config.tls.as_ref(), means);
    let user = user(path, (&config.username, &config.password), means)?;
    if config.prefix.is_empty() {
        let message =
            "it is empty, so every key would be a node; write one such as /services/search/";
        means.report.error(format!("{path}.prefix"), message);
        return None;
    }
    let etcd = EtcdOptions { servers: servers?, user, timeout: config.timeout.0 };
    Some(EtcdPrefix { etcd, prefix: config.prefix.clone() })
}

/// The servers of a system, at least one; `None`: faults were reported.
fn servers(
    path: &str,
    (key, written): (&str, &[NodeAddress]),
    tls: Option<&UpstreamTls>,
    means: &mut Means<'_, '_>,
) -> Option<Vec<Server>> {
    let client = match tls {
        None => None,
        Some(tls) => {
            let carried = (means.previous, &mut *means.next);
            let path = format!("{path}.tls");
            // Of all that is offered, etcd alone wants to be told what is spoken.
            let alpn = if key == "endpoints" { tls::ALPN_H2 } else { tls::ALPN_NONE };
            Some(tls::client(&path, tls, alpn, means.roots, carried, means.report)?)
        }
    };
    if written.is_empty() {
        means.report.error(format!("{path}.{key}"), "no servers; name at least one");
        return None;
    }
    for (at, address) in written.iter().enumerate() {
        if address.0.scheme != Scheme::Inherit {
            let message = "write host:port; tls says whether TLS is spoken";
            means.report.error(format!("{path}.{key}[{at}]"), message);
            return None;
        }
    }
    let server = |address: &NodeAddress| Server::to(address.0.clone(), client.clone());
    Some(written.iter().map(server).collect())
}

/// A user with a password, or nobody; `None`: a fault was reported.
fn user(
    path: &str,
    written: (&Option<String>, &Option<Secret>),
    means: &mut Means<'_, '_>,
) -> Option<Option<(String, Secret)>> {
    match written {
        (Some(user), Some(password)) => Some(Some((user.clone(), password.clone()))),
        (None, None) => Some(None),
        _ => {
            means.report.error(path, "username and password belong together");
            None
        }
    }
}
