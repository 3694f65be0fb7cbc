//! What a store is written as: who knows on which node a job runs.
//!
//! Where serde alone can not tell that the right ones of several keys were given, a method says
//! what was meant, or what to write: [`RedisConfig::topology`], [`HashForm::fields`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::path::FilePath;
use super::secret::{Secret, SecretUrl};
use super::units::Period;

/// A store of targets by key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum StoreConfig {
    /// A table in memory, durable in one file. Nothing to install.
    Embedded(EmbeddedConfig),
    /// A Redis server, a Redis behind sentinels, or a Redis cluster.
    Redis(Box<RedisConfig>),
}

/// A table in memory, durable in one file, edited by `narrows route` and the admin API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EmbeddedConfig {
    /// The file. It is made if it does not exist; its directory must exist.
    pub path: FilePath,
}

/// Redis. Exactly one of `url`, `urls`, and `sentinel` says where it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RedisConfig {
    /// A single server: `redis://[user:password@]host[:port][/database]`, `rediss://` for TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<SecretUrl>,
    /// Some nodes of a cluster; the others are found through them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<SecretUrl>,
    /// A server behind sentinels, followed when it fails over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sentinel: Option<SentinelConfig>,
    /// The Redis key for a job; `{key}` stands for the key of the lookup.
    pub key: String,
    /// How the target is held in Redis.
    pub value: ValueForm,
    /// User name; overrides the one in the URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Password; overrides the one in the URL. `file:PATH` reads it from a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// Number of the database; overrides the one in the URL. A cluster has only database 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 65535))]
    pub database: Option<u16>,
    /// TLS to Redis; also switched on by `rediss://`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<RedisTls>,
    /// Connections to Redis, over all workers. Lookups are pipelined, so few are enough.
    #[schemars(range(min = 1, max = 40))]
    pub pool_size: u32,
    /// TCP connect and TLS handshake.
    pub connect_timeout: Period,
    /// From a command to its reply.
    pub response_timeout: Period,
    /// An answer is asked for again after this long, even if Redis announced no change.
    pub ttl: Period,
    /// A key that Redis does not know is asked for again after this long.
    pub negative_ttl: Period,
    /// Keys kept in memory.
    #[schemars(range(min = 1))]
    pub max_entries: u64,
}

/// Sentinels and the server that they watch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SentinelConfig {
    /// The sentinels: `redis://[user:password@]host[:port]`.
    pub urls: Vec<SecretUrl>,
    /// The name under which they watch the server.
    pub master: String,
}

/// How a target is held in Redis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ValueForm {
    /// A string: `host:port`, `grpc://host:port`, or `grpcs://host:port`.
    String,
    /// A hash, in one of its fields or in two.
    Hash(HashForm),
}

/// The fields of a hash. Either `field`, or `host_field` and `port_field`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HashForm {
    /// The field that holds the whole target, as a string value would.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The field that holds the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_field: Option<String>,
    /// The field that holds the port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port_field: Option<String>,
}

/// TLS to Redis.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RedisTls {
    /// PEM file with the authorities that Redis' certificate must come from. Default: the public
    /// ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<FilePath>,
    /// PEM file with our certificate, if Redis asks for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<FilePath>,
    /// PEM file with the private key of `certificate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private_key: Option<FilePath>,
    /// Accepts any certificate. For tests only: whoever is in the middle can redirect every job.
    pub insecure_skip_verify: bool,
}

/// Where a Redis is: the one of the three forms that was written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Topology<'a> {
    /// One server.
    Single(&'a SecretUrl),
    /// Nodes of a cluster, at least one.
    Cluster(&'a [SecretUrl]),
    /// Behind sentinels, at least one.
    Sentinel(&'a SentinelConfig),
}

/// Where a target is in a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashFields<'a> {
    /// In this field.
    Whole(&'a str),
    /// In these fields: host and port.
    Parts(&'a str, &'a str),
}

// === impl RedisConfig ===

impl RedisConfig {
    /// Where this Redis is; an error says what to write.
    pub fn topology(&self) -> Result<Topology<'_>, &'static str> {
        match (&self.url, self.urls.as_slice(), &self.sentinel) {
            (Some(url), [], None) => Ok(Topology::Single(url)),
            (None, urls @ [_, ..], None) => Ok(Topology::Cluster(urls)),
            (None, [], Some(sentinel)) if sentinel.urls.is_empty() => {
                Err("sentinel.urls is empty; name at least one sentinel")
            }
            (None, [], Some(sentinel)) => Ok(Topology::Sentinel(sentinel)),
            (None, [], None) => {
                Err("nothing says where Redis is; write url, urls (cluster), or sentinel")
            }
            _ => Err("give only one of url, urls (cluster), and sentinel"),
        }
    }
}

impl Default for RedisConfig {
    fn default() -> Self {
        Self {
            url: None,
            urls: Vec::new(),
            sentinel: None,
            key: "{key}".to_owned(),
            value: ValueForm::String,
            username: None,
            password: None,
            database: None,
            tls: None,
            pool_size: 4,
            connect_timeout: Period::seconds(1),
            response_timeout: Period::seconds(1),
            ttl: Period::seconds(300),
            negative_ttl: Period::seconds(1),
            max_entries: 1_000_000,
        }
    }
}

// === impl HashForm ===

impl HashForm {
    /// Which fields are read; an error says what to write.
    pub fn fields(&self) -> Result<HashFields<'_>, &'static str> {
        match (&self.field, &self.host_field, &self.port_field) {
            (Some(field), None, None) => Ok(HashFields::Whole(field)),
            (None, Some(host), Some(port)) => Ok(HashFields::Parts(host, port)),
            _ => Err("give either field, or both host_field and port_field"),
        }
    }
}
