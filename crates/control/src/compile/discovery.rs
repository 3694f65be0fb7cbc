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
    DiscoveryConfig, DnsConfig, DnsRecords, EtcdConfig, KubernetesConfig, NodeAddress,
    RedisSetConfig, Secret, SourcesOfNodes, UpstreamConfig, UpstreamTls, ZookeeperConfig,
};
use crate::connect::Node as Server;
use crate::discovery::{
    DnsName, EtcdPrefix, KubernetesService, Place, Records, RedisKey, Rules, SourceOptions,
    ZookeeperPath,
};
use crate::etcd::EtcdOptions;
use crate::stores::redis::RedisOptions;
use crate::stores::redis_options;
use crate::zookeeper::ZookeeperOptions;

/// What is needed to compile a source.
pub(super) struct Means<'a, 'r> {
    pub(super) roots: &'a mut ClientRoots,
    pub(super) previous: &'a Previous,
    pub(super) next: &'a mut Previous,
    pub(super) report: &'a mut Report<'r>,
}

/// At least between two questions to DNS.
const TTL_MIN: Duration = Duration::from_millis(100);

/// At least between two looks at a key of Redis.
const POLL_INTERVAL_MIN: Duration = Duration::from_millis(100);

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
    if let Some(config) = &source.dns {
        return dns(&path, config, means).map(Place::Dns);
    }
    if let Some(file) = &source.file {
        return Some(Place::File(file.path.0.clone()));
    }
    if let Some(config) = &source.zookeeper {
        return zookeeper(&path, config, means).map(Place::Zookeeper);
    }
    if let Some(config) = &source.redis_set {
        return redis_set(&path, config, means).map(Place::RedisSet);
    }
    if let Some(config) = &source.etcd {
        return etcd(&path, config, means).map(Place::Etcd);
    }
    let service = source.kubernetes.as_ref()?;
    kubernetes(&path, service, means).map(Place::Kubernetes)
}

fn dns(path: &str, config: &DnsConfig, means: &mut Means<'_, '_>) -> Option<DnsName> {
    let mut is_good = true;
    let mut fault = |key: &str, message: &str| {
        is_good = false;
        means.report.error(format!("{path}.{key}"), message);
    };
    if !DnsName::is_name(&config.name) {
        fault("name", "expected a name such as search.example.com");
    }
    let (least, most) = (config.ttl_min.0, config.ttl_max.0);
    if least < TTL_MIN {
        fault("ttl_min", "must be at least 100ms, or the servers would be asked all the time");
    }
    if most < least {
        fault("ttl_max", "must not be less than ttl_min");
    }
    let records = match (config.records, config.port) {
        (DnsRecords::A, Some(port @ 1..)) => Records::Addresses(port),
        (DnsRecords::Srv, None) => Records::Services,
        (DnsRecords::A, _) => {
            fault("port", "records of addresses have no port; write the one of the nodes");
            Records::Services
        }
        (DnsRecords::Srv, Some(_)) => {
            fault("port", "SRV records say the port; leave it out");
            Records::Services
        }
    };
    is_good.then(|| DnsName {
        name: config.name.clone(),
        records,
        resolvers: config.resolvers.iter().map(|address| address.0).collect(),
        timeout: config.timeout.0,
        ttl: (least, most),
    })
}

fn redis_set(path: &str, config: &RedisSetConfig, means: &mut Means<'_, '_>) -> Option<RedisKey> {
    let checked = |redis: RedisOptions| redis.check().map(|()| redis);
    let redis = means.report.ok(path, redis_options(&config.server()).and_then(checked));
    if config.tls.as_ref().is_some_and(|tls| tls.insecure_skip_verify) {
        means.report.warn(format!("{path}.tls.insecure_skip_verify"), tls::INSECURE);
    }
    let poll_interval = config.poll_interval.0;
    let mut is_good = true;
    if config.key.is_empty() {
        is_good = false;
        means.report.error(format!("{path}.key"), "expected the key of a set or a hash");
    }
    if poll_interval < POLL_INTERVAL_MIN {
        is_good = false;
        let message = format!("must be at least {POLL_INTERVAL_MIN:?}");
        means.report.error(format!("{path}.poll_interval"), message);
    }
    let redis = Box::new(redis?);
    is_good.then(|| RedisKey { redis, key: config.key.clone(), poll_interval })
}

pub(super) fn zookeeper(
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

pub(super) fn etcd(
    path: &str,
    config: &EtcdConfig,
    means: &mut Means<'_, '_>,
) -> Option<EtcdPrefix> {
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

fn kubernetes(
    path: &str,
    config: &KubernetesConfig,
    means: &mut Means<'_, '_>,
) -> Option<KubernetesService> {
    let mut is_good = true;
    for (key, text) in [("namespace", &config.namespace), ("service", &config.service)] {
        // They go into a URI as they are.
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
        if text.is_empty() || !text.bytes().all(is_plain) {
            is_good = false;
            means.report.error(format!("{path}.{key}"), "expected a name as Kubernetes takes it");
        }
    }
    if config.port.is_empty() {
        is_good = false;
        means.report.error(format!("{path}.port"), "expected the name or the number of a port");
    }
    if config.plaintext && config.tls.is_some() {
        is_good = false;
        means.report.error(format!("{path}.tls"), "plaintext speaks no TLS; leave out one of them");
    }
    let tls = config.tls.clone().unwrap_or_else(KubernetesConfig::pod_tls);
    let tls = (!config.plaintext).then_some(&tls);
    let address = std::slice::from_ref(&config.api_server);
    let server = servers(path, ("api_server", address), tls, means)?.pop()?;
    is_good.then(|| KubernetesService {
        server,
        namespace: config.namespace.clone(),
        service: config.service.clone(),
        port: config.port.clone(),
        token_file: tls.is_some().then(|| config.token_file.0.clone()),
        timeout: config.timeout.0,
    })
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
