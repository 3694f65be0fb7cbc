//! Where the nodes of an upstream come from, if not from a fixed list or a lookup.
//!
//! A source is a system that knows which nodes there are now. Several sources of one upstream are
//! written as a list; their nodes are put together. See `docs/discovery.md` for what is done with
//! what they say, and `compile/discovery.rs` for what becomes of this.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::address::{Address, Network, NodeAddress};
use super::path::FilePath;
use super::secret::{Secret, SecretUrl};
use super::store::{RedisConfig, RedisTls, SentinelConfig};
use super::units::Period;
use super::upstream::UpstreamTls;

/// Where Kubernetes puts what a pod needs to speak to its API server.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// One source, or several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum SourcesOfNodes {
    /// Several; of nodes that more than one names, the first in this order is believed.
    Several(Vec<DiscoveryConfig>),
    /// The only one. Not tried first: serde takes a list for a struct without names.
    One(Box<DiscoveryConfig>),
}

/// A source of nodes. Exactly one of `dns`, `file`, `redis_set`, `zookeeper`, `etcd`, and
/// `kubernetes` says which.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DiscoveryConfig {
    /// A name in DNS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns: Option<DnsConfig>,
    /// A file on this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<NodeFileConfig>,
    /// A set or a hash in Redis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redis_set: Option<RedisSetConfig>,
    /// The children of a path in ZooKeeper.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zookeeper: Option<ZookeeperConfig>,
    /// The keys below a prefix in etcd.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub etcd: Option<EtcdConfig>,
    /// The EndpointSlices of a service in Kubernetes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<KubernetesConfig>,
    /// Networks in which nodes may be; others are left out and counted. With it, nodes must be
    /// written by address. Default: anywhere.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<Network>,
    /// Changes that come within this time of each other are taken together.
    pub debounce: Period,
    /// A set that had at least four nodes may shrink by this share within `hold`. If more are missing,
    /// all that are missing are kept for that long.
    #[schemars(range(min = 0, max = 100))]
    pub max_removal_percent: u32,
    /// How long nodes are kept that vanish too many at once, or all of them. After that the source is
    /// believed.
    pub hold: Period,
}

/// A name in DNS.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["name"]))]
pub struct DnsConfig {
    /// The name. With a dot at its end it is whole; else the domains of the system are tried too.
    pub name: String,
    /// What is asked for.
    #[serde(rename = "type")]
    pub records: DnsRecords,
    /// The port of the nodes; for `a`, since such records have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<u16>,
    /// Servers to ask. Default: those of the system (`/etc/resolv.conf`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resolvers: Vec<Address>,
    /// How long the answer of a server may take.
    pub timeout: Period,
    /// At least between two questions, however short a record says that it lives.
    pub ttl_min: Period,
    /// At most between two questions, however long a record says that it lives.
    pub ttl_max: Period,
}

/// Records of DNS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DnsRecords {
    /// Addresses of both families (A and AAAA); each is a node.
    #[default]
    A,
    /// SRV: host, port, weight, and priority of each node.
    Srv,
}

/// A file with a list of nodes, in YAML or JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeFileConfig {
    /// The file. It is looked at four times a second and taken when it has changed.
    pub path: FilePath,
}

/// A set or a hash in Redis: members are nodes, or fields are nodes and values their weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["key"]))]
pub struct RedisSetConfig {
    /// One server: `redis://[user:password@]host[:port][/database]`, or `rediss://` for TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<SecretUrl>,
    /// Some nodes of a cluster.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<SecretUrl>,
    /// The server that sentinels name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sentinel: Option<SentinelConfig>,
    /// The key of the set or hash.
    pub key: String,
    /// User name, unless it stands in the URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Password, unless it stands in the URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// Number of the database, unless it stands in the URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 65535))]
    pub database: Option<u16>,
    /// TLS to Redis; also switched on by `rediss://`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<RedisTls>,
    /// TCP connect and TLS handshake.
    pub connect_timeout: Period,
    /// From a command to its reply.
    pub response_timeout: Period,
    /// The key is read again after this long, even if Redis announced no change.
    pub poll_interval: Period,
}

/// A path in ZooKeeper. Each child is a node: its data, or else its name, says which.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["servers", "path"]))]
pub struct ZookeeperConfig {
    /// The servers of the ensemble, as `host:port`.
    pub servers: Vec<NodeAddress>,
    /// The path, such as `/services/search`. It need not exist yet.
    pub path: String,
    /// User of the scheme `digest`. Default: nobody in particular.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Password of that user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// TLS to the servers. Default: in the clear.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<UpstreamTls>,
    /// A server that is silent for so long is left; the ensemble forgets us after the same time.
    pub session_timeout: Period,
}

/// A prefix in etcd. Each key below it is a node: its value, or else the end of its name, says
/// which.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["endpoints", "prefix"]))]
pub struct EtcdConfig {
    /// The servers, as `host:port`; the first that answers is used.
    pub endpoints: Vec<NodeAddress>,
    /// The prefix, such as `/services/search/`.
    pub prefix: String,
    /// User, where etcd asks for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Password of that user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// TLS to the servers. Default: in the clear.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<UpstreamTls>,
    /// A server that is silent for so long is left for the next.
    pub timeout: Period,
}

/// A service in Kubernetes. Its user needs to list and watch `endpointslices` of `discovery.k8s.io`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["service", "port"]))]
pub struct KubernetesConfig {
    /// The API server, as `host:port`.
    pub api_server: NodeAddress,
    /// The namespace of the service.
    pub namespace: String,
    /// The name of the service.
    pub service: String,
    /// The port of the service's endpoints (the target port): its name, or its number.
    pub port: String,
    /// The file with the token that the API server asks for; read again for each request.
    pub token_file: FilePath,
    /// TLS to the API server. Default: its certificate comes from the authority of the pod's service
    /// account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<UpstreamTls>,
    /// Speaks to the API server in the clear and shows it no token, as to `kubectl proxy`.
    pub plaintext: bool,
    /// How long the API server may take to answer.
    pub timeout: Period,
}

// === impl SourcesOfNodes ===

impl SourcesOfNodes {
    /// Each of them.
    pub fn all(&self) -> &[DiscoveryConfig] {
        match self {
            Self::One(only) => std::slice::from_ref(only),
            Self::Several(all) => all,
        }
    }
}

// === impl DiscoveryConfig ===

impl DiscoveryConfig {
    /// Which kinds of source are written.
    pub fn kinds(&self) -> Vec<&'static str> {
        let written = [
            (self.dns.is_some(), "dns"),
            (self.file.is_some(), "file"),
            (self.redis_set.is_some(), "redis_set"),
            (self.zookeeper.is_some(), "zookeeper"),
            (self.etcd.is_some(), "etcd"),
            (self.kubernetes.is_some(), "kubernetes"),
        ];
        written.into_iter().filter(|(is_written, _)| *is_written).map(|(_, kind)| kind).collect()
    }
}

impl Default for DiscoveryConfig {
    fn default() -> Self {
        Self {
            dns: None,
            file: None,
            redis_set: None,
            zookeeper: None,
            etcd: None,
            kubernetes: None,
            allow: Vec::new(),
            debounce: Period::millis(100),
            max_removal_percent: 50,
            hold: Period::seconds(30),
        }
    }
}

impl Default for DnsConfig {
    fn default() -> Self {
        Self {
            name: String::new(),
            records: DnsRecords::default(),
            port: None,
            resolvers: Vec::new(),
            timeout: Period::seconds(2),
            ttl_min: Period::seconds(1),
            ttl_max: Period::seconds(300),
        }
    }
}

// === impl RedisSetConfig ===

impl RedisSetConfig {
    /// The Redis that it is in, as a store would be written.
    pub fn server(&self) -> RedisConfig {
        RedisConfig {
            url: self.url.clone(),
            urls: self.urls.clone(),
            sentinel: self.sentinel.clone(),
            username: self.username.clone(),
            password: self.password.clone(),
            database: self.database,
            tls: self.tls.clone(),
            pool_size: 1,
            connect_timeout: self.connect_timeout,
            response_timeout: self.response_timeout,
            ..RedisConfig::default()
        }
    }
}

impl Default for RedisSetConfig {
    fn default() -> Self {
        Self {
            url: None,
            urls: Vec::new(),
            sentinel: None,
            key: String::new(),
            username: None,
            password: None,
            database: None,
            tls: None,
            connect_timeout: Period::seconds(1),
            response_timeout: Period::seconds(1),
            poll_interval: Period::seconds(5),
        }
    }
}

impl Default for ZookeeperConfig {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            path: String::new(),
            username: None,
            password: None,
            tls: None,
            session_timeout: Period::seconds(10),
        }
    }
}

impl Default for EtcdConfig {
    fn default() -> Self {
        Self {
            endpoints: Vec::new(),
            prefix: String::new(),
            username: None,
            password: None,
            tls: None,
            timeout: Period::seconds(3),
        }
    }
}

// === impl KubernetesConfig ===

impl KubernetesConfig {
    /// TLS as a pod speaks it.
    pub fn pod_tls() -> UpstreamTls {
        let ca = Some(FilePath(format!("{SERVICE_ACCOUNT}/ca.crt").into()));
        UpstreamTls { ca, ..UpstreamTls::default() }
    }
}

impl Default for KubernetesConfig {
    fn default() -> Self {
        Self {
            api_server: "kubernetes.default.svc:443".parse().expect("it is written as it should"),
            namespace: "default".to_owned(),
            service: String::new(),
            port: String::new(),
            token_file: FilePath(format!("{SERVICE_ACCOUNT}/token").into()),
            tls: None,
            plaintext: false,
            timeout: Period::seconds(3),
        }
    }
}
