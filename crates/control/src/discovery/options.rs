//! What a source is made from. Equal options are the same source, which a reload leaves alone.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::etcd::EtcdPrefix;
use super::guard::Rules;
use super::slot::Slot;
use super::zookeeper::ZookeeperPath;
use super::{etcd, file, zookeeper};
use crate::connect::Node as Server;

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
    /// A file on this machine.
    File(PathBuf),
    /// The children of a path in ZooKeeper.
    Zookeeper(ZookeeperPath),
    /// The keys below a prefix in etcd.
    Etcd(EtcdPrefix),
}

/// Follows a source; never ends.
pub(super) async fn run(options: SourceOptions, slot: Arc<Slot>) {
    match options.place {
        Place::File(path) => file::run(path, slot).await,
        Place::Zookeeper(path) => zookeeper::run(path, slot).await,
        Place::Etcd(prefix) => etcd::run(prefix, slot).await,
    }
}

// === impl Place ===

impl Place {
    /// As it is written in the configuration.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::File(_) => "file",
            Self::Zookeeper(_) => "zookeeper",
            Self::Etcd(_) => "etcd",
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Zookeeper(at) => write!(f, "{}{}", list(&at.ensemble.servers), at.path),
            Self::Etcd(at) => write!(f, "{} {}", list(&at.etcd.servers), at.prefix),
        }
    }
}

fn list(servers: &[Server]) -> String {
    servers.iter().map(Server::to_string).collect::<Vec<_>>().join(",")
}
