//! From what the user writes to what a store is made from.
//!
//! Certificates are read here, so a store whose certificate files changed is another store after a reload.

use std::path::PathBuf;

use super::redis::{
    KeyTemplate, Node, OptionsError, Password, RedisOptions, TlsOptions, Topology, ValueForm,
};
use crate::config::{self, HashFields, RedisConfig, RedisTls, SecretUrl, StoreConfig};

/// What a store is made from. Equal options mean the same store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreOptions {
    /// A file on this machine.
    Embedded {
        /// The file; made if it does not exist.
        path: PathBuf,
    },
    /// A Redis server, or several that act as one.
    Redis(Box<RedisOptions>),
}

// === impl StoreOptions ===

impl StoreOptions {
    /// Compiles a store of the configuration. Reads certificates, but opens and connects nothing.
    pub fn from_config(config: &StoreConfig) -> Result<Self, OptionsError> {
        match config {
            StoreConfig::Embedded(embedded) => Ok(Self::Embedded { path: embedded.path.0.clone() }),
            StoreConfig::Redis(redis) => Ok(Self::Redis(Box::new(redis_options(redis)?))),
        }
    }
}

/// Compiles what is written about a Redis.
pub(crate) fn redis_options(config: &RedisConfig) -> Result<RedisOptions, OptionsError> {
    let place = config.topology().map_err(|why| OptionsError::Place(why.to_owned()))?;
    let mut options = topology(place)?;
    if let Some(username) = &config.username {
        options.username = Some(username.clone());
    }
    if let Some(password) = &config.password {
        options.password = Some(Password::from(password.reveal()));
    }
    if let Some(database) = config.database {
        options.database = i64::from(database);
    }
    if let Some(tls) = &config.tls {
        options.tls = Some(tls_options(tls)?);
    }
    options.key = KeyTemplate::parse(&config.key)?;
    options.value = value_form(&config.value)?;
    options.connections = usize::try_from(config.pool_size).unwrap_or(usize::MAX);
    options.connect_timeout = config.connect_timeout.0;
    options.response_timeout = config.response_timeout.0;
    options.ttl = config.ttl.0;
    options.negative_ttl = config.negative_ttl.0;
    options.max_entries = usize::try_from(config.max_entries).unwrap_or(usize::MAX);
    Ok(options)
}

fn topology(place: config::Topology<'_>) -> Result<RedisOptions, OptionsError> {
    match place {
        config::Topology::Single(url) => RedisOptions::from_url(url.reveal()),
        config::Topology::Cluster(urls) => {
            let (seeds, first) = nodes(urls)?;
            Ok(RedisOptions { topology: Topology::Cluster { seeds }, ..first })
        }
        config::Topology::Sentinel(sentinel) => {
            let (sentinels, first) = nodes(&sentinel.urls)?;
            let RedisOptions { username, password, tls, .. } = first;
            let master = sentinel.master.clone();
            let topology = Topology::Sentinel { sentinels, master, username, password };
            Ok(RedisOptions { tls, ..RedisOptions::new(topology) })
        }
    }
}

/// The servers, and what the first URL says besides.
fn nodes(urls: &[SecretUrl]) -> Result<(Vec<Node>, RedisOptions), OptionsError> {
    let mut nodes = Vec::with_capacity(urls.len());
    let mut first = None;
    for url in urls {
        let options = RedisOptions::from_url(url.reveal())?;
        if let Topology::Standalone(node) = &options.topology {
            nodes.push(node.clone());
        }
        first.get_or_insert(options);
    }
    Ok((nodes, first.ok_or(OptionsError::NoServers)?))
}

fn value_form(form: &config::ValueForm) -> Result<ValueForm, OptionsError> {
    match form {
        config::ValueForm::String => Ok(ValueForm::String),
        config::ValueForm::Hash(hash) => {
            match hash.fields().map_err(|why| OptionsError::Place(why.to_owned()))? {
                HashFields::Whole(field) => Ok(ValueForm::Field(field.to_owned())),
                HashFields::Parts(host, port) => {
                    Ok(ValueForm::HostPort { host: host.to_owned(), port: port.to_owned() })
                }
            }
        }
    }
}

fn tls_options(tls: &RedisTls) -> Result<TlsOptions, OptionsError> {
    let read = |path: &config::FilePath| {
        std::fs::read(&path.0).map_err(|error| OptionsError::Tls(format!("{path}: {error}")))
    };
    let client = match (&tls.certificate, &tls.private_key) {
        (Some(certificate), Some(key)) => Some((read(certificate)?, read(key)?.into())),
        (None, None) => None,
        _ => {
            let why = "certificate and private_key belong together".to_owned();
            return Err(OptionsError::Tls(why));
        }
    };
    let ca = tls.ca.as_ref().map(read).transpose()?;
    Ok(TlsOptions { ca, client, insecure: tls.insecure_skip_verify })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compile(yaml_as_json: &str) -> Result<RedisOptions, OptionsError> {
        let config: StoreConfig = serde_json::from_str(yaml_as_json).expect("a store");
        match StoreOptions::from_config(&config)? {
            StoreOptions::Redis(options) => Ok(*options),
            StoreOptions::Embedded { .. } => panic!("not a Redis store"),
        }
    }

    #[test]
    fn a_single_server_takes_what_its_url_says_unless_it_is_written_apart() {
        let options = compile(
            r#"{"redis": {"url": "redis://a:b@h:1/2", "password": "c", "key": "k:{key}", "pool_size": 7}}"#,
        );
        let options = options.expect("good options");
        assert_eq!(options.topology, Topology::Standalone(Node::new("h", 1)));
        assert_eq!(options.username.as_deref(), Some("a"));
        assert_eq!(options.password, Some(Password::from("c")));
        assert_eq!((options.database, options.connections), (2, 7));
        assert_eq!(options.key, KeyTemplate::parse("k:{key}").expect("a template"));
    }

    #[test]
    fn a_password_in_the_url_of_a_sentinel_is_for_the_sentinels() {
        let options = compile(
            r#"{"redis": {"sentinel": {"urls": ["redis://:s@h:1", "redis://i:2"], "master": "m"},
                "password": "p", "value": {"hash": {"field": "f"}}}}"#,
        );
        let options = options.expect("good options");
        let sentinels = vec![Node::new("h", 1), Node::new("i", 2)];
        let (master, password) = ("m".to_owned(), Some(Password::from("s")));
        let expected = Topology::Sentinel { sentinels, master, username: None, password };
        assert_eq!(options.topology, expected);
        assert_eq!(options.password, Some(Password::from("p")));
        assert_eq!(options.value, ValueForm::Field("f".into()));
    }

    #[test]
    fn a_certificate_that_can_not_be_read_is_named() {
        let error = compile(
            r#"{"redis": {"urls": ["rediss://h:1"], "tls": {"ca": "/nonexistent/ca.pem"}}}"#,
        );
        let text = error.expect_err("no such file").to_string();
        assert!(text.starts_with("tls: /nonexistent/ca.pem: "), "{text}");
    }
}
