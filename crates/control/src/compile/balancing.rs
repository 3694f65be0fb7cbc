//! The choice among the nodes of an upstream, from words to what workers go by.

use std::collections::BTreeMap;

use narrows_gateway::balance::{Fallback, HashKey, HashOn, Policy, RingOptions, Rules, Subset};
use narrows_gateway::endpoints::Member;
use narrows_gateway::route::Template;

use super::report::Report;
use crate::config::{
    BalanceOptions, BalanceWord, EndpointConfig, FallbackWord, HashOnConfig, LeastRequestConfig,
    LoadBalancing, MaglevConfig, RingHashConfig, SubsetConfig, UpstreamConfig,
};

/// How a node is chosen.
pub(super) fn policy(config: &LoadBalancing) -> Policy {
    let least_request = |config: &LeastRequestConfig| Policy::LeastRequest(config.choices);
    let ring_hash = |config: &RingHashConfig| {
        Policy::RingHash(RingOptions {
            size_min: config.minimum_ring_size as usize,
            load_percent_max: config.hash_balance_factor,
        })
    };
    let maglev = |config: &MaglevConfig| Policy::Maglev(config.hash_balance_factor);
    match config {
        LoadBalancing::Word(word) => match word {
            BalanceWord::RoundRobin => Policy::RoundRobin,
            BalanceWord::Random => Policy::Random,
            BalanceWord::LeastRequest => least_request(&LeastRequestConfig::default()),
            BalanceWord::PeakEwma => Policy::PeakEwma,
            BalanceWord::RingHash => ring_hash(&RingHashConfig::default()),
            BalanceWord::Maglev => maglev(&MaglevConfig::default()),
            BalanceWord::IpHash => Policy::IpHash,
        },
        LoadBalancing::With(options) => match options {
            BalanceOptions::LeastRequest(config) => least_request(config),
            BalanceOptions::RingHash(config) => ring_hash(config),
            BalanceOptions::Maglev(config) => maglev(config),
        },
    }
}

/// What it is chosen by.
pub(super) fn rules(path: &str, upstream: &UpstreamConfig, report: &mut Report<'_>) -> Rules {
    let goes_by_keys =
        matches!(policy(&upstream.load_balancing), Policy::RingHash(_) | Policy::Maglev(_));
    if !goes_by_keys && !upstream.hash_on.is_empty() {
        let message = "only load_balancing: ring_hash and maglev go by it";
        report.warn(format!("{path}.hash_on"), message);
    }
    if goes_by_keys && upstream.hash_on.is_empty() {
        let message = "goes by hash_on, and without it chooses at random";
        report.warn(format!("{path}.load_balancing"), message);
    }
    let keys = upstream.hash_on.iter().enumerate();
    let hash_on =
        keys.filter_map(|(at, key)| hash_key(&format!("{path}.hash_on[{at}]"), key, report));
    Rules {
        hash_on: HashOn::new(hash_on.collect()),
        subset: upstream
            .subset
            .as_ref()
            .map(|config| subset(&format!("{path}.subset"), config, report)),
        panic_percent: upstream.panic_threshold,
        ..Rules::default()
    }
}

/// A node of a fixed list.
pub(super) fn member(endpoint: &EndpointConfig) -> Member {
    let (address, weight) = endpoint.parts();
    let (priority, labels) = match endpoint {
        EndpointConfig::Address(_) => (0, BTreeMap::new()),
        EndpointConfig::Weighted(endpoint) => {
            let label =
                |(name, value): (&String, &String)| (name.as_str().into(), value.as_str().into());
            (endpoint.priority, endpoint.labels.iter().map(label).collect())
        }
    };
    Member { target: address.0.clone().into(), weight, priority, labels }
}

fn hash_key(path: &str, config: &HashOnConfig, report: &mut Report<'_>) -> Option<HashKey> {
    let (path, template) = match config {
        HashOnConfig::Source => return Some(HashKey::Source),
        HashOnConfig::Path => (path.to_owned(), "{path}".to_owned()),
        HashOnConfig::Header(name) => (format!("{path}.header"), format!("{{header.{name}}}")),
        HashOnConfig::Cookie(name) => (format!("{path}.cookie"), format!("{{cookie.{name}}}")),
        HashOnConfig::Query(name) => (format!("{path}.query"), format!("{{query.{name}}}")),
        HashOnConfig::Key(template) => (format!("{path}.key"), template.clone()),
    };
    report.ok(path, Template::parse(&template)).map(HashKey::Template)
}

fn subset(path: &str, config: &SubsetConfig, report: &mut Report<'_>) -> Subset {
    if config.labels.is_empty() {
        report.error(format!("{path}.labels"), "no label is named; without any, leave out subset");
    }
    let labels = config.labels.iter().filter_map(|(name, template)| {
        let template = report.ok(format!("{path}.labels.{name}"), Template::parse(template))?;
        Some((name.as_str().into(), template))
    });
    let labels = labels.collect();
    let fallback = match config.fallback {
        FallbackWord::Any => Fallback::Any,
        FallbackWord::None => Fallback::None,
    };
    Subset { labels, fallback }
}
