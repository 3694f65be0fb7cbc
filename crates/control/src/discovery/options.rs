//! What a source is made from. Equal options are the same source, which a reload leaves alone.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::dns::DnsName;
use super::etcd::EtcdPrefix;
use super::guard::Rules;
use super::kubernetes::KubernetesService;
use super::redis_set::RedisKey;
use super::slot::Slot;
use super::zookeeper::ZookeeperPath;
use super::{dns, etcd, file, kubernetes, redis_set, zookeeper};
use crate::stores::redis::Topology;

/// A source of nodes.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceOptions {
    /// Which, and where it is.
    pub place: Place,
    /// Networks in which its nodes may be; empty: anywhere.
    pub allow: Vec<IpNet>,
    /// Words within this time are taken together.
    pub debounce: Duration,
    /// What is believed when nodes vanish.
    pub rules: Rules,
}

/// Where a source is.
#[derive(Debug, Clone, PartialEq)]
pub enum Place {
    /// A name in DNS.
    Dns(DnsName),
    /// A file on this machine.
    File(PathBuf),
    /// A set or a hash in Redis.
    RedisSet(RedisKey),
    /// The children of a path in ZooKeeper.
    Zookeeper(ZookeeperPath),
    /// The keys below a prefix in etcd.
    Etcd(EtcdPrefix),
    /// The endpoints of a service in Kubernetes.
    Kubernetes(KubernetesService),
}

/// Follows a source; never ends.
pub(super) async fn run(options: SourceOptions, slot: Arc<Slot>) {
    match options.place {
        Place::Dns(name) => dns::run(name, slot).await,
        Place::File(path) => file::run(path, slot).await,
        Place::RedisSet(key) => redis_set::run(key, slot).await,
        Place::Zookeeper(path) => zookeeper::run(path, slot).await,
        Place::Etcd(prefix) => etcd::run(prefix, slot).await,
        Place::Kubernetes(service) => kubernetes::run(service, slot).await,
    }
}

// === impl Place ===

impl Place {
    /// As it is written in the configuration.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Dns(_) => "dns",
            Self::File(_) => "file",
            Self::RedisSet(_) => "redis_set",
            Self::Zookeeper(_) => "zookeeper",
            Self::Etcd(_) => "etcd",
            Self::Kubernetes(_) => "kubernetes",
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(at) => at.name.fmt(f),
            Self::File(path) => path.display().fmt(f),
            Self::RedisSet(at) => write!(f, "{} {}", servers(&at.redis.topology), at.key),
            Self::Zookeeper(at) => write!(f, "{}{}", list(&at.ensemble.servers), at.path),
            Self::Etcd(at) => write!(f, "{} {}", list(&at.etcd.servers), at.prefix),
            Self::Kubernetes(at) => {
                write!(f, "{} {}/{}:{}", at.server, at.namespace, at.service, at.port)
            }
        }
    }
}

fn list<S: ToString>(servers: &[S]) -> String {
    servers.iter().map(S::to_string).collect::<Vec<_>>().join(",")
}

fn servers(topology: &Topology) -> String {
    match topology {
        Topology::Standalone(node) => node.to_string(),
        Topology::Sentinel { sentinels, master, .. } => format!("{}/{master}", list(sentinels)),
        Topology::Cluster { seeds } => list(seeds),
    }
}
