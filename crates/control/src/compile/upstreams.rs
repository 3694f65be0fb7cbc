//! Upstreams: a plan of each first, then the upstream itself.
//!
//! The plan finds everything that can be wrong and needs no store. The upstream is made from it
//! when nothing is wrong and the stores are open; nothing can fail then.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use narrows_gateway::balance::{Balanced, Policy, Rules};
use narrows_gateway::endpoints::{Endpoints, Member};
use narrows_gateway::lookup::Store;
use narrows_gateway::retry::RetryBudget;
use narrows_gateway::route::Template;
use narrows_gateway::snapshot::{
    ClientTls, Lookup, Networks, OnMissing, Protocol, Speaks, Targets, Upstream,
};
use narrows_gateway::target::Scheme;
use narrows_gateway::timeout::NEVER;
use narrows_gateway::transcoding::Transcoding;
use narrows_wire::proxy_protocol::Version;
use narrows_wire::{h1, h2};

use super::discovery::{self, Means};
use super::previous::Previous;
use super::report::Report;
use super::retry;
use super::timeouts;
use super::tls::{self, ClientRoots};
use super::transcode::{self, Asked};
use super::{balancing, health, http1, http2, sticky};
use crate::config::{
    Config, LookupConfig, OnMissingConfig, ProtocolWord, ProxyVersion, UpstreamConfig,
};
use crate::discovery::SourceOptions;

/// What tunnels of a forward proxy go over.
static TUNNELS: LazyLock<UpstreamConfig> =
    LazyLock::new(|| UpstreamConfig { protocol: ProtocolWord::Tcp, ..UpstreamConfig::default() });
/// What requests to a forward proxy go over.
static REQUESTS: LazyLock<UpstreamConfig> =
    LazyLock::new(|| UpstreamConfig { protocol: ProtocolWord::Http1, ..UpstreamConfig::default() });

/// An upstream that can be made once its store is open.
pub(super) struct Plan<'a> {
    name: String,
    config: &'a UpstreamConfig,
    tls: Arc<ClientTls>,
    transcoding: Option<Arc<Transcoding>>,
    h2: Arc<h2::Config>,
    h1: Arc<h1::Config>,
    retry_budget: RetryBudget,
    targets: PlannedTargets<'a>,
}

enum PlannedTargets<'a> {
    Balanced {
        members: Vec<Member>,
        policy: Policy,
        rules: Rules,
        sticky: Option<sticky::Plan<'a>>,
    },
    Discovered {
        sources: Vec<SourceOptions>,
        policy: Policy,
        rules: Rules,
        sticky: Option<sticky::Plan<'a>>,
    },
    Asked(Networks),
    Lookup {
        store: &'a str,
        key: Template,
        config: &'a LookupConfig,
        on_missing: OnMissing,
    },
}

/// Plans every upstream. Their order is that of the indices in the snapshot.
pub(super) fn plan<'a>(
    config: &'a Config,
    previous: &Previous,
    next: &mut Previous,
    report: &mut Report<'_>,
) -> Vec<Plan<'a>> {
    let mut roots = ClientRoots::default();
    let mut plans = Vec::new();
    for (name, upstream) in &config.upstreams {
        let path = format!("upstreams.{name}");
        report.name(&path, name);
        let carried = (previous, &mut *next);
        let alpn = match upstream.protocol {
            ProtocolWord::H2c | ProtocolWord::H2 => tls::ALPN_H2,
            ProtocolWord::Https => tls::ALPN_HTTP,
            ProtocolWord::Http1 | ProtocolWord::Tcp | ProtocolWord::Tls => tls::ALPN_NONE,
        };
        let path_tls = format!("{path}.tls");
        let tls = tls::client(&path_tls, &upstream.tls, alpn, &mut roots, carried, report);
        let h2 = http2::upstream(&path, upstream, report);
        let h1 = http1::upstream(&path, upstream, report);
        let retry_budget = retry::budget(&upstream.retry_budget);
        trust(&path, upstream, &mut roots, report);
        if upstream.proxy_protocol.is_some() && !upstream.protocol.is_opaque() {
            // The header names one client, and these connections carry the requests of many.
            let message = "only protocols tcp and tls have it; requests are told by their fields";
            report.error(format!("{path}.proxy_protocol"), message);
        }
        let mut means = Means { roots: &mut roots, previous, next: &mut *next, report };
        let targets = targets((&path, name), upstream, config, &mut means);
        health::check(&path, upstream, report);
        if let (Some(tls), Some(targets)) = (tls, targets) {
            let asked = Asked { name, path: &path, upstream, tls: &tls };
            let transcoding = transcode::compile(&asked, previous, next, report);
            let name = name.clone();
            plans.push(Plan {
                name,
                config: upstream,
                tls,
                transcoding,
                h2,
                h1,
                retry_budget,
                targets,
            });
        }
    }
    cycles(config, report);
    let carried = (previous, next);
    forward(config, &mut plans, &mut roots, carried, report);
    plans
}

/// Each forward proxy has two upstreams of its own behind those of the file: for tunnels, and for requests. See
/// `compile/forward.rs`.
fn forward<'a>(
    config: &'a Config,
    plans: &mut Vec<Plan<'a>>,
    roots: &mut ClientRoots,
    (previous, next): (&Previous, &mut Previous),
    report: &mut Report<'_>,
) {
    for (at, listener) in config.listeners.iter().enumerate() {
        let Some(forward) = &listener.forward else { continue };
        let path = format!("listeners[{at}].forward");
        let networks: Vec<_> = forward.networks.iter().map(|network| network.0).collect();
        for (kind, config) in [("tunnels", &*TUNNELS), ("requests", &*REQUESTS)] {
            let carried = (previous, &mut *next);
            let tls = tls::client(&path, &config.tls, tls::ALPN_NONE, roots, carried, report);
            let h2 = http2::upstream(&path, config, report);
            let h1 = http1::upstream(&path, config, report);
            let targets = PlannedTargets::Asked(Networks::new(networks.clone()));
            let name = format!("forward {} {kind}", listener.address);
            if let Some(tls) = tls {
                let retry_budget = RetryBudget::default();
                let transcoding = None;
                plans.push(Plan { name, config, tls, transcoding, h2, h1, retry_budget, targets });
            }
        }
    }
}

/// Makes the upstreams of the plans.
pub(super) fn finish(
    plans: Vec<Plan<'_>>,
    stores: &BTreeMap<&str, Arc<Store>>,
    previous: &Previous,
    next: &mut Previous,
) -> Vec<Arc<Upstream>> {
    let make = |plan: Plan<'_>| {
        let config = plan.config;
        let targets = match plan.targets {
            PlannedTargets::Balanced { members, policy, rules, sticky } => {
                let members = (members, health::initial(config));
                let rules = Rules { sticky: sticky.map(|plan| plan.finish(stores)), ..rules };
                let endpoints = previous.endpoints(&plan.name, members, next);
                next.duties
                    .checks
                    .extend(health::checks(&plan.name, config, &plan.tls, &endpoints));
                Targets::Balanced(Box::new(balanced(config, endpoints, policy, rules)))
            }
            PlannedTargets::Discovered { sources, policy, rules, sticky } => {
                let sources = (sources, health::initial(config));
                let rules = Rules { sticky: sticky.map(|plan| plan.finish(stores)), ..rules };
                let endpoints = previous.discovered(&plan.name, sources, next);
                next.duties
                    .checks
                    .extend(health::checks(&plan.name, config, &plan.tls, &endpoints));
                Targets::Balanced(Box::new(balanced(config, endpoints, policy, rules)))
            }
            PlannedTargets::Asked(networks) => Targets::Asked(networks),
            PlannedTargets::Lookup { store, key, config, on_missing } => Targets::Lookup(Lookup {
                store: stores[store].clone(),
                key,
                allow: Networks::new(config.allow.iter().map(|network| network.0).collect()),
                drained: previous.drained(&plan.name, next),
                budget: config.budget.0,
                on_missing,
            }),
        };
        let speaks = match config.protocol {
            ProtocolWord::H2c | ProtocolWord::H2 => Speaks::Http2,
            ProtocolWord::Http1 => Speaks::Http1,
            ProtocolWord::Https => Speaks::Either,
            ProtocolWord::Tcp | ProtocolWord::Tls => Speaks::Bytes,
        };
        let tls = config.protocol.is_secure().then(|| plan.tls.clone());
        Arc::new(Upstream {
            name: plan.name.as_str().into(),
            protocol: Protocol { speaks, tls },
            tls: plan.tls,
            targets,
            transcoding: plan.transcoding,
            h2: plan.h2,
            h1: plan.h1,
            drain_timeout: config.drain_timeout.duration(),
            timeouts: timeouts::compile(&config.timeouts),
            idle_timeout: config.idle_timeout.duration().unwrap_or(NEVER),
            keepalive: timeouts::keepalive(config.keepalive),
            max_connection_age: config.max_connection_age.duration(),
            max_connections: config.max_connections as usize,
            max_pending: config.max_pending as usize,
            retry_budget: plan.retry_budget,
            announces: config.proxy_protocol.map(|version| match version {
                ProxyVersion::V1 => Version::V1,
                ProxyVersion::V2 => Version::V2,
            }),
            stats: previous.upstream(&plan.name, next),
        })
    };
    plans.into_iter().map(make).collect()
}

fn balanced(
    config: &UpstreamConfig,
    endpoints: Arc<Endpoints>,
    policy: Policy,
    rules: Rules,
) -> Balanced {
    let outliers = health::outliers(config.outlier_detection.as_ref());
    let slow_start = config.slow_start.as_ref().map(health::slow_start);
    Balanced { endpoints, policy, rules, outliers, slow_start }
}

/// The upstream that this one falls back to.
pub(super) fn fallback(upstream: &UpstreamConfig) -> Option<&String> {
    match &upstream.lookup.as_ref()?.on_missing {
        OnMissingConfig::Fallback(name) => Some(name),
        OnMissingConfig::Fail | OnMissingConfig::Wait(_) => None,
    }
}

/// The index of an upstream in the snapshot, or a fault.
pub(super) fn index(
    config: &Config,
    path: &str,
    name: &str,
    report: &mut Report<'_>,
) -> Option<usize> {
    let found = config.upstreams.keys().position(|known| known == name);
    if found.is_none() {
        report.unknown(path, ("upstream", name), "upstreams", config.upstreams.keys());
    }
    found
}

/// Warns where TLS is spoken and nobody is trusted.
fn trust(path: &str, upstream: &UpstreamConfig, roots: &mut ClientRoots, report: &mut Report<'_>) {
    let tls = &upstream.tls;
    let mut targets = upstream.endpoints.iter().map(|endpoint| &endpoint.parts().0.0);
    let speaks_tls = upstream.protocol.is_secure() || targets.any(|t| t.scheme == Scheme::Tls);
    if speaks_tls && tls.ca.is_none() && !tls.insecure_skip_verify && roots.system_is_empty() {
        let message = "the system trusts no authorities; without ca, no node can be reached";
        report.warn(format!("{path}.tls"), message);
    }
}

fn targets<'a>(
    (path, name): (&str, &str),
    upstream: &'a UpstreamConfig,
    config: &'a Config,
    means: &mut Means<'_, '_>,
) -> Option<PlannedTargets<'a>> {
    let written = [
        (!upstream.endpoints.is_empty(), "endpoints"),
        (upstream.discovery.is_some(), "discovery"),
        (upstream.lookup.is_some(), "lookup"),
    ];
    let names: Vec<_> = written.iter().filter(|(is, _)| *is).map(|(_, name)| *name).collect();
    match (names.as_slice(), &upstream.lookup) {
        (["lookup"], _) if upstream.sticky.is_some() => {
            let message = "a lookup names the node already; this is for endpoints and discovery";
            means.report.error(format!("{path}.sticky"), message);
            None
        }
        (["lookup"], Some(found)) => lookup(&format!("{path}.lookup"), found, config, means.report),
        (["discovery"], _) => {
            let sources = discovery::sources(&format!("{path}.discovery"), upstream, means)?;
            let policy = balancing::policy(&upstream.load_balancing);
            let rules = balancing::rules(path, upstream, means.report);
            let sticky = sticky::plan((path, name), upstream, config, means.report)?;
            Some(PlannedTargets::Discovered { sources, policy, rules, sticky })
        }
        (["endpoints"], _) => fixed((path, name), upstream, config, means.report),
        ([], _) => {
            means.report.error(path, "no nodes; write endpoints, discovery, or lookup");
            None
        }
        (several, _) => {
            means.report.error(path, format!("give only one of {}", several.join(" and ")));
            None
        }
    }
}

fn fixed<'a>(
    (path, name): (&str, &str),
    upstream: &'a UpstreamConfig,
    config: &Config,
    report: &mut Report<'_>,
) -> Option<PlannedTargets<'a>> {
    let mut members: Vec<Member> = Vec::new();
    for (at, endpoint) in upstream.endpoints.iter().enumerate() {
        let member = balancing::member(endpoint);
        if members.iter().any(|other| other.target == member.target) {
            let message = format!("{} is listed twice; a weight says it better", member.target);
            report.warn(format!("{path}.endpoints[{at}]"), message);
        }
        members.push(member);
    }
    let policy = balancing::policy(&upstream.load_balancing);
    let rules = balancing::rules(path, upstream, report);
    let sticky = sticky::plan((path, name), upstream, config, report)?;
    Some(PlannedTargets::Balanced { members, policy, rules, sticky })
}

fn lookup<'a>(
    path: &str,
    lookup: &'a LookupConfig,
    config: &'a Config,
    report: &mut Report<'_>,
) -> Option<PlannedTargets<'a>> {
    let store = config.stores.contains_key(&lookup.store);
    if !store {
        let (path, name) = (format!("{path}.store"), ("store", lookup.store.as_str()));
        report.unknown(&path, name, "stores", config.stores.keys());
    }
    let key = report.ok(format!("{path}.key"), Template::parse(&lookup.key));
    if lookup.allow.is_empty() {
        let message = "no network is allowed, so every target would be refused";
        report.error(format!("{path}.allow"), message);
    }
    let on_missing = match &lookup.on_missing {
        OnMissingConfig::Fail => Some(OnMissing::Fail),
        OnMissingConfig::Wait(period) => Some(OnMissing::Wait(period.0)),
        OnMissingConfig::Fallback(name) => {
            let path = format!("{path}.on_missing.fallback");
            index(config, &path, name, report).map(OnMissing::Fallback)
        }
    };
    let (key, on_missing) = (key?, on_missing?);
    store.then_some(PlannedTargets::Lookup {
        store: &lookup.store,
        key,
        config: lookup,
        on_missing,
    })
}

/// Finds upstreams that fall back to each other in a circle. Each circle is reported once.
fn cycles(config: &Config, report: &mut Report<'_>) {
    for start in config.upstreams.keys() {
        let mut chain = vec![start];
        while let Some(next) = config.upstreams.get(chain[chain.len() - 1]).and_then(fallback) {
            if next == start {
                // The others of the circle come to the same; the first name reports it.
                if chain.iter().min() == Some(&start) {
                    let names: Vec<&str> = chain.iter().map(|name| name.as_str()).collect();
                    let message = format!("a circle: {} -> {start}", names.join(" -> "));
                    report.error(format!("upstreams.{start}.lookup.on_missing.fallback"), message);
                }
                break;
            }
            if chain.contains(&next) {
                break;
            }
            chain.push(next);
        }
    }
}
