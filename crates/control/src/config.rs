//! The configuration as it is written: loading, checking, showing.
//!
//! One YAML file, or a directory of them; JSON is read as YAML. The structs below are the one
//! source of truth: the JSON schema is made from them, files are checked against it, the reference
//! page is written from it. Loading is strict and reports every fault at once, each with file,
//! line, and column. Invariant: what [`load`] returns was checked for itself only; whether names
//! refer to anything, and whether certificates can be read, is found by
//! [`compile`](crate::compile), also in a [`Draft`] that has faults.

mod address;
mod balancing;
mod check;
mod discovery;
mod doubt;
mod dump;
mod expand;
mod fault;
mod filter;
mod form;
mod forwarding;
mod health;
mod health_check;
mod listener;
mod path;
mod process;
mod reference;
mod register;
mod retry;
mod route;
mod schema;
mod secret;
mod source;
mod sticky;
mod store;
mod suggest;
mod timeouts;
mod tls;
mod transcode;
mod units;
mod untyped;
mod upstream;
mod yaml;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use address::{Address, AddressError, Network, NodeAddress};
pub use balancing::{
    BalanceOptions, BalanceWord, FallbackWord, HashOnConfig, LeastRequestConfig, LoadBalancing,
    MaglevConfig, RingHashConfig, SubsetConfig,
};
pub use discovery::{
    DiscoveryConfig, DnsConfig, DnsRecords, EtcdConfig, KubernetesConfig, NodeFileConfig,
    RedisSetConfig, SourcesOfNodes, ZookeeperConfig,
};
pub use dump::dump;
pub use expand::Environment;
pub use fault::{Fault, Position, Severity};
pub use filter::{
    BodyConfig, BodySource, CodingWord, CompressConfig, CorsConfig, FilterConfig, HeaderEdits,
    HeadersConfig, OnErrorWord, OriginConfig, OriginRule, PathRule, PrefixRule, RedirectConfig,
    RedirectStatus, RegexRule, RespondConfig, RewriteConfig, SchemeWord,
};
pub use form::TextForm;
pub use forwarding::{
    AddToWord, ForwardingConfig, RequestIdWord, ServerWord, TraceWord, TrailWord,
};
pub use health::{Curve, FailureWord, OutlierConfig, Percent, ShareError, SlowStartConfig};
pub use health_check::{
    CheckMethod, GrpcCheckConfig, HealthCheckConfig, HttpCheckConfig, InitialWord, ProbeConfig,
    StatusRange, TcpCheckConfig,
};
pub use listener::{
    ForwardConfig, ListenerConfig, ListenerHttp1, ListenerHttp2, ListenerProtocol, PassthroughRule,
    SourcesConfig,
};
pub use path::FilePath;
pub use process::{
    AccessFormat, AccessLogConfig, AdminConfig, DrainConfig, LogConfig, LogFormat, LogLevel,
    LogPath,
};
pub use reference::reference;
pub use register::RegisterConfig;
pub use retry::{BackOffConfig, HedgeConfig, RetryBudgetConfig, RetryConfig, RetryWord};
pub use route::{
    GrpcMatch, GrpcWebRule, MatchConfig, PathMatch, RouteConfig, ValueMatch, ValueRule,
};
pub use schema::schema;
pub use secret::{MASK, Secret, SecretUrl, UrlError};
pub use sticky::{OnGoneConfig, StickyConfig};
pub use store::{
    EmbeddedConfig, HashFields, HashForm, RedisConfig, RedisTls, SentinelConfig, StoreConfig,
    Topology, ValueForm,
};
pub use timeouts::{CallTimeouts, KeepaliveConfig, ListenerTimeouts};
pub use tls::{CertificatePair, CertificateSource, ListenerTls, TlsVersion};
pub use transcode::{
    DefaultsWord, EnumWord, NamesWord, PrintConfig, ProtosConfig, ReflectionConfig,
    TranscodeConfig, TranscodeLimits, UnknownWord,
};
pub use units::{Limit, Period, Size, UnitError};
pub use upstream::{
    EndpointConfig, LookupConfig, OnMissingConfig, ProtocolWord, ProxyVersion, UpstreamConfig,
    UpstreamHttp1, UpstreamHttp2, UpstreamTls, WeightedEndpoint,
};

pub(crate) use doubt::Doubts;
pub(crate) use fault::sort;
pub(crate) use suggest::hint;
pub(crate) use untyped::untyped;

/// Everything that can be configured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Worker threads. Default: one for each core. Fixed while the process lives: a reload does not
    /// change it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1024))]
    pub workers: Option<u32>,
    /// Where calls are accepted. At least one.
    pub listeners: Vec<ListenerConfig>,
    /// Stores of targets, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub stores: BTreeMap<String, StoreConfig>,
    /// Sets of nodes, by name.
    pub upstreams: BTreeMap<String, UpstreamConfig>,
    /// Which requests go where. The most specific route that matches wins, then the first in the
    /// file.
    pub routes: Vec<RouteConfig>,
    /// Filters of every route, in this order. They come before those of its upstream, which come before its
    /// own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<FilterConfig>,
    /// Where the gateway registers itself, so that callers find it. Default: nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub register: Option<Box<RegisterConfig>>,
    /// The admin listener.
    pub admin: AdminConfig,
    /// The access log. Default: none is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_log: Option<AccessLogConfig>,
    /// The log of the gateway itself, to stderr.
    pub log: LogConfig,
    /// Draining.
    pub drain: DrainConfig,
    /// A directory for what should outlive the process: the last nodes that were discovered. Default:
    /// what systemd says (`StateDirectory=`), else nothing is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_directory: Option<FilePath>,
}

/// A configuration that was read without errors.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What was read.
    pub config: Config,
    /// Names the content: equal for files that say the same. Secrets do not count.
    pub hash: u64,
    /// The files that were read.
    pub files: Vec<PathBuf>,
    /// Where each path is.
    positions: BTreeMap<String, Position>,
    /// Where it is not as it was written; nowhere, unless it is part of a [`Draft`] with faults.
    doubts: Doubts,
}

/// What was read, whether it has faults or not.
#[derive(Debug)]
pub struct Draft {
    /// As it was written where there is no fault. `None`: nothing can be told from it.
    pub(crate) loaded: Option<Loaded>,
    /// All that is wrong so far.
    pub(crate) faults: Vec<Fault>,
}

/// Reads a file, or every file of a directory. Either a configuration without errors, or all of
/// them.
pub fn load(path: &Path) -> Result<Loaded, Vec<Fault>> {
    draft(path).whole()
}

/// The same with variables from elsewhere than the environment of the process.
pub fn load_with(path: &Path, environment: Environment<'_>) -> Result<Loaded, Vec<Fault>> {
    read(&source::Source::read(path), environment).whole()
}

/// Reads as [`load`] does, and gives also what has faults.
pub fn draft(path: &Path) -> Draft {
    read(&source::Source::read(path), &|name| std::env::var(name).ok())
}

/// Reads a text as [`load`] reads a file of that name; relative names of files count from its
/// directory.
pub fn parse(name: &Path, text: &str, environment: Environment<'_>) -> Result<Loaded, Vec<Fault>> {
    draft_of(name, text, environment).whole()
}

/// Reads a text as [`draft`] reads a file of that name.
pub(crate) fn draft_of(name: &Path, text: &str, environment: Environment<'_>) -> Draft {
    read(&source::Source::text(name, text), environment)
}

fn read(source: &source::Source, environment: Environment<'_>) -> Draft {
    let mut merged = source.tree();
    let mut checker = check::Checker::new(schema::shared(), &source.files, environment);
    checker.doubts = merged.doubts;
    let value = checker.document(&merged.root);
    let mut faults = checker.faults;
    faults.append(&mut merged.faults);
    fault::sort(&mut faults);
    // The schema and serde come from the same structs; should they differ, nothing is let through.
    let config: Config = match serde_json::from_value(value) {
        Ok(config) => config,
        Err(error) => {
            if faults.is_empty() {
                faults.push(Fault::error(None, "", error.to_string()));
            }
            return Draft { loaded: None, faults };
        }
    };
    // Of the dump: the hash is shown to many, so no secret may be guessed with its help.
    let hash = fnv1a(dump(&config).as_bytes());
    let files = source.files.iter().map(|file| file.to_path_buf()).collect();
    let (positions, doubts) = (checker.positions, checker.doubts);
    Draft { loaded: Some(Loaded { config, hash, files, positions, doubts }), faults }
}

/// FNV-1a: equal on every machine and in every release.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

// === impl Draft ===

impl Draft {
    /// The configuration, if it has no faults.
    pub fn whole(self) -> Result<Loaded, Vec<Fault>> {
        match self.loaded {
            Some(loaded) if self.faults.is_empty() => Ok(loaded),
            _ => Err(self.faults),
        }
    }
}

// === impl Loaded ===

impl Loaded {
    /// Where it is not as it was written.
    pub(crate) fn doubts(&self) -> &Doubts {
        &self.doubts
    }

    /// The place of a path, or of the nearest thing around it that is written.
    pub fn position(&self, path: &str) -> Option<&Position> {
        let mut path = path;
        loop {
            if let Some(position) = self.positions.get(path) {
                return Some(position);
            }
            path = match path.rfind(['.', '[']) {
                Some(at) => &path[..at],
                None if path.is_empty() => return None,
                None => "",
            };
        }
    }

    /// An error about a path.
    pub fn fault(&self, path: &str, message: impl Into<String>) -> Fault {
        Fault::error(self.position(path).cloned(), path, message)
    }
}

#[cfg(test)]
mod tests;
