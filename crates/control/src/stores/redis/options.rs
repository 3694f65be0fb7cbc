//! What a Redis store is made from, and the checks that can be made without a server.

use std::fmt;
use std::time::Duration;

use redis::IntoConnectionInfo;

/// Default of [`RedisOptions::connections`].
pub const CONNECTIONS: usize = 4;
/// The most connections to Redis, over all nodes of a cluster.
pub const CONNECTIONS_MAX: usize = 40;
/// The port where none is written.
const PORT: u16 = 6379;

/// What a Redis store is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisOptions {
    /// Where Redis is.
    pub topology: Topology,
    /// User name; `None`: the default user.
    pub username: Option<String>,
    /// Password.
    pub password: Option<Password>,
    /// Number of the database. A cluster has only 0.
    pub database: i64,
    /// TLS; `None`: in the clear.
    pub tls: Option<TlsOptions>,
    /// Makes the Redis key from the key of a lookup.
    pub key: KeyTemplate,
    /// How a target is held.
    pub value: ValueForm,
    /// Connections to a server; to all nodes together in a cluster, but at least one to each.
    pub connections: usize,
    /// TCP connect, TLS handshake, and authentication.
    pub connect_timeout: Duration,
    /// From a command to its reply.
    pub response_timeout: Duration,
    /// An answer is asked for again after this long, even if Redis announced no change.
    pub ttl: Duration,
    /// A key that Redis does not know is asked for again after this long.
    pub negative_ttl: Duration,
    /// Keys kept in memory. Redis must be able to track as many: keep it at or below its
    /// `tracking-table-max-keys`, or Redis announces changes that are none to make room.
    pub max_entries: usize,
}

/// Where Redis is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Topology {
    /// One server.
    Standalone(Node),
    /// The server that sentinels name.
    Sentinel {
        /// The sentinels, at least one.
        sentinels: Vec<Node>,
        /// The name under which they watch the server.
        master: String,
        /// User name for the sentinels.
        username: Option<String>,
        /// Password for the sentinels.
        password: Option<Password>,
    },
    /// A cluster.
    Cluster {
        /// Some of its nodes, at least one.
        seeds: Vec<Node>,
    },
}

/// The address of a server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node {
    /// Name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// A password. Prints as `****`.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

/// TLS towards Redis. All texts are PEM.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsOptions {
    /// Authorities; `None`: the public ones.
    pub ca: Option<Vec<u8>>,
    /// Our certificate and its private key, if Redis asks for one.
    pub client: Option<(Vec<u8>, PrivateKey)>,
    /// Accept any certificate.
    pub insecure: bool,
}

/// A private key. Prints as `****`.
#[derive(Clone, PartialEq, Eq)]
pub struct PrivateKey(pub(super) Vec<u8>);

/// Makes a Redis key: a text with `{key}` in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyTemplate {
    prefix: Box<[u8]>,
    suffix: Box<[u8]>,
}

/// How a target is held in Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueForm {
    /// A string.
    String,
    /// A field of a hash.
    Field(String),
    /// Two fields of a hash.
    HostPort {
        /// The field of the host.
        host: String,
        /// The field of the port.
        port: String,
    },
}

/// What is wrong with the options. Names the option as it stands in the configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// No `redis://` URL.
    #[error("url: expected redis://[user:password@]host[:port][/database], or rediss:// for TLS")]
    Url,
    /// It is not said, or said twice, where Redis or the target is.
    #[error("{0}")]
    Place(String),
    /// The template does not hold `{key}` once.
    #[error("key: {0:?} must contain {{key}} exactly once")]
    Key(String),
    /// A list of servers is empty.
    #[error("urls: name at least one server")]
    NoServers,
    /// Too few or too many connections.
    #[error("pool_size: {0} connections; expected 1 to {CONNECTIONS_MAX}")]
    Connections(usize),
    /// A cluster has no databases.
    #[error("database: a cluster has only database 0")]
    ClusterDatabase,
    /// Certificates or keys that can not be read.
    #[error("tls: {0}")]
    Tls(String),
}

// === impl RedisOptions ===

impl RedisOptions {
    /// The defaults for a Redis at this place.
    pub fn new(topology: Topology) -> Self {
        Self {
            topology,
            username: None,
            password: None,
            database: 0,
            tls: None,
            key: KeyTemplate { prefix: Box::default(), suffix: Box::default() },
            value: ValueForm::String,
            connections: CONNECTIONS,
            connect_timeout: Duration::from_secs(1),
            response_timeout: Duration::from_secs(1),
            ttl: Duration::from_secs(300),
            negative_ttl: Duration::from_secs(1),
            max_entries: 1_000_000,
        }
    }

    /// The server, user, password, database, and TLS that a URL names; defaults for the rest.
    pub fn from_url(url: &str) -> Result<Self, OptionsError> {
        let info = url.into_connection_info().map_err(|_| OptionsError::Url)?;
        let (node, tls) = match info.addr() {
            redis::ConnectionAddr::Tcp(host, port) => (Node::new(host, *port), None),
            redis::ConnectionAddr::TcpTls { host, port, insecure, .. } => {
                let tls = TlsOptions { insecure: *insecure, ..TlsOptions::default() };
                (Node::new(host, *port), Some(tls))
            }
            _ => return Err(OptionsError::Url),
        };
        let settings = info.redis_settings();
        Ok(Self {
            username: settings.username().map(str::to_owned),
            password: settings.password().map(Password::from),
            database: settings.db(),
            tls,
            ..Self::new(Topology::Standalone(node))
        })
    }

    /// What is wrong, if anything is.
    pub(crate) fn check(&self) -> Result<(), OptionsError> {
        if !(1..=CONNECTIONS_MAX).contains(&self.connections) {
            return Err(OptionsError::Connections(self.connections));
        }
        match &self.topology {
            Topology::Standalone(_) => Ok(()),
            Topology::Sentinel { sentinels: nodes, .. } | Topology::Cluster { seeds: nodes }
                if nodes.is_empty() =>
            {
                Err(OptionsError::NoServers)
            }
            Topology::Cluster { .. } if self.database != 0 => Err(OptionsError::ClusterDatabase),
            Topology::Sentinel { .. } | Topology::Cluster { .. } => Ok(()),
        }
    }
}

// === impl Node ===

impl Node {
    /// A server at this host and port.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port }
    }

    /// Reads `host:port`, `[v6]:port`, or as a cluster writes it, `v6:port`; without a port 6379.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(v6) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
            return Some(Self::new(v6, PORT));
        }
        let (host, port) = text.rsplit_once(':').unwrap_or((text, "6379"));
        let host = host.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(host);
        let port = port.parse().ok().filter(|port| *port != 0)?;
        (!host.is_empty()).then(|| Self::new(host, port))
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

// === impl Password ===

impl Password {
    /// The content. Never log it.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Password {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

// === impl PrivateKey ===

impl From<Vec<u8>> for PrivateKey {
    fn from(pem: Vec<u8>) -> Self {
        Self(pem)
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

// === impl KeyTemplate ===

impl KeyTemplate {
    /// Reads a text with `{key}` in it.
    pub fn parse(text: &str) -> Result<Self, OptionsError> {
        match text.split_once("{key}") {
            Some((prefix, suffix)) if !suffix.contains("{key}") => {
                Ok(Self { prefix: prefix.as_bytes().into(), suffix: suffix.as_bytes().into() })
            }
            _ => Err(OptionsError::Key(text.to_owned())),
        }
    }

    /// The Redis key.
    pub(super) fn expand(&self, key: &[u8]) -> Vec<u8> {
        [&self.prefix, key, &self.suffix].concat()
    }

    /// The key of a lookup whose Redis key this is.
    pub(super) fn key<'a>(&self, redis_key: &'a [u8]) -> Option<&'a [u8]> {
        redis_key.strip_prefix(&*self.prefix)?.strip_suffix(&*self.suffix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_and_who() {
        let options = RedisOptions::from_url("rediss://app:p%40ss@[::1]:7000/3").expect("a url");
        assert_eq!(options.topology, Topology::Standalone(Node::new("::1", 7000)));
        assert_eq!(options.username.as_deref(), Some("app"));
        assert_eq!(options.password.as_ref().map(Password::reveal), Some("p@ss"));
        assert_eq!(options.database, 3);
        assert!(options.tls.is_some());
        assert!(!format!("{options:?}").contains("p@ss"));
        let options = RedisOptions::from_url("redis://localhost").expect("a url");
        assert_eq!(options.topology, Topology::Standalone(Node::new("localhost", 6379)));
        for bad in ["", "localhost:6379", "http://localhost"] {
            assert_eq!(RedisOptions::from_url(bad), Err(OptionsError::Url), "{bad}");
        }
    }

    #[test]
    fn a_key_is_made_and_recognised() {
        let template = KeyTemplate::parse("jobs:{key}:node").expect("a template");
        assert_eq!(template.expand(b"7"), b"jobs:7:node");
        assert_eq!(template.key(b"jobs:7:node"), Some(&b"7"[..]));
        assert_eq!(template.key(b"other:7:node"), None);
        for bad in ["", "jobs", "{key}{key}"] {
            assert_eq!(KeyTemplate::parse(bad), Err(OptionsError::Key(bad.to_owned())));
        }
    }

    #[test]
    fn connections_have_a_limit() {
        let mut options = RedisOptions::from_url("redis://localhost").expect("a url");
        options.connections = CONNECTIONS_MAX;
        assert_eq!(options.check(), Ok(()));
        options.connections = CONNECTIONS_MAX + 1;
        assert_eq!(options.check(), Err(OptionsError::Connections(CONNECTIONS_MAX + 1)));
        options.connections = 0;
        assert_eq!(options.check(), Err(OptionsError::Connections(0)));
    }

    #[test]
    fn nodes_are_read_as_people_and_clusters_write_them() {
        let read = |text| Node::parse(text).map(|node| node.to_string());
        assert_eq!(read("a:1").as_deref(), Some("a:1"));
        assert_eq!(read("a").as_deref(), Some("a:6379"));
        assert_eq!(read("[::1]:2").as_deref(), Some("[::1]:2"));
        assert_eq!(read("[::1]").as_deref(), Some("[::1]:6379"));
        assert_eq!(read("::1:2").as_deref(), Some("[::1]:2"));
        assert_eq!(read(":1"), None);
        assert_eq!(read("a:0"), None);
    }
}
