//! Routes and what they match.
//!
//! A route whose match an earlier one has too is an error: it would never be reached. The order of
//! the file matters only between routes that are equally specific; the data plane's router sorts
//! them.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;

use narrows_gateway::route::{
    AuthorityMatch, GrpcMatch, HeaderName, Match, Method, PathMatch, Pattern, Router, ValueMatch,
};
use narrows_gateway::snapshot::{Networks, Route, Translate};

use super::filters::{Filters, RouteFilters};
use super::previous::Previous;
use super::report::{Report, transpose};
use super::retry;
use super::timeouts;
use super::upstreams;
use crate::config::{
    self, Config, GrpcWebRule, ListenerProtocol, MatchConfig, RouteConfig, Severity, Size,
    ValueRule,
};

/// The largest body that may be kept for a replay.
const REPLAY_BYTES_MAX: Size = Size(16 << 20);
/// The length of a gRPC message has 32 bits; a byte more is taken for the largest of them.
const MESSAGE_BYTES_MAX: Size = Size(1 << 32);

/// Compiles every route.
pub(super) fn compile(
    config: &Config,
    previous: &Previous,
    next: &mut Previous,
    report: &mut Report<'_>,
) -> Router {
    let http = |listener: &config::ListenerConfig| listener.protocol == ListenerProtocol::Http;
    if config.routes.is_empty() && config.listeners.iter().any(http) {
        let message = "there is none; every request is refused";
        report.none("routes", message, Severity::Warning);
    }
    doubles(&config.routes, report);
    let filters = Filters::compile(config, report);
    let mut routes = Vec::new();
    for (at, route_config) in config.routes.iter().enumerate() {
        let path = format!("routes[{at}]");
        report.name(&format!("{path}.name"), &route_config.name);
        let conditions = conditions(&format!("{path}.match"), &route_config.matches, report);
        let carried = (previous, &mut *next);
        let filters = filters.of_route(&path, route_config, carried, report);
        let upstream = upstream(config, &path, route_config, &filters, report);
        let retry = route_config.retry.as_ref();
        let retry = retry.map(|rules| retry::rules(&format!("{path}.retry"), rules, report));
        let limits = limits(&path, route_config, report);
        if let (Some(conditions), Some(upstream), Some(limits)) = (conditions, upstream, limits) {
            let stats = previous.route(&route_config.name, next);
            let route = Route {
                name: route_config.name.as_str().into(),
                upstream,
                timeouts: timeouts::compile(&route_config.timeouts),
                message_bytes_max: limits.0,
                replay_bytes_max: limits.1,
                retry,
                hedge: route_config.hedge.as_ref().map(|hedge| hedge.delay.0),
                filters: filters.chain,
                grpc_web: match route_config.grpc_web {
                    GrpcWebRule::Translate => Translate::Yes,
                    GrpcWebRule::Pass => Translate::No,
                },
                stats,
            };
            routes.push((conditions, Arc::new(route)));
        }
    }
    Router::new(routes)
}

/// The index of a route's upstream, which only a route without calls for it does without.
fn upstream(
    config: &Config,
    path: &str,
    route: &RouteConfig,
    filters: &RouteFilters,
    report: &mut Report<'_>,
) -> Option<Option<usize>> {
    let Some(name) = &route.upstream else {
        if !filters.is_closed {
            let message = "the key \"upstream\" is missing, and no filter answers every request";
            report.error(path, message);
        }
        return Some(None);
    };
    let path = format!("{path}.upstream");
    let index = upstreams::index(config, &path, name, report);
    if config.upstreams.get(name).is_some_and(|upstream| upstream.protocol.is_opaque()) {
        let message = "takes bytes, not requests: it needs another protocol than tcp or tls";
        report.error(path, message);
    }
    index.map(Some)
}

/// Finds routes with the name or the match of an earlier one.
fn doubles(routes: &[RouteConfig], report: &mut Report<'_>) {
    let mut names: BTreeMap<&str, usize> = BTreeMap::new();
    for (at, route) in routes.iter().enumerate() {
        if let Some(first) = names.get(route.name.as_str()) {
            let message = format!("routes[{first}] already has the name {:?}", route.name);
            report.error(format!("routes[{at}].name"), message);
        }
        names.entry(&route.name).or_insert(at);
        // What stands in for a fault may be equal where what was written is not.
        if !report.is_certain(&format!("routes[{at}].match")) {
            continue;
        }
        let mut earlier = routes[..at].iter().enumerate();
        let first = earlier.find(|(first, other)| {
            other.matches == route.matches && report.is_certain(&format!("routes[{first}].match"))
        });
        if let Some((first, _)) = first {
            let message = format!(
                "is never reached: routes[{first}] ({}) matches the same",
                routes[first].name
            );
            report.error(format!("routes[{at}].match"), message);
        }
    }
}

/// The limits of messages and of replays.
fn limits(
    path: &str,
    route: &RouteConfig,
    report: &mut Report<'_>,
) -> Option<(Option<u32>, usize)> {
    let at_most = |size: Size, most: Size| match size <= most {
        true => Ok(size.0),
        false => Err(format!("must be at most {most}")),
    };
    let message = route.message_bytes_max.0.map(|size| {
        let bytes =
            report.ok(format!("{path}.message_bytes_max"), at_most(size, MESSAGE_BYTES_MAX));
        bytes.map(|bytes| u32::try_from(bytes).unwrap_or(u32::MAX))
    });
    let replay = at_most(route.replay_bytes_max, REPLAY_BYTES_MAX);
    let replay = report.ok(format!("{path}.replay_bytes_max"), replay);
    Some((transpose(message)?, usize::try_from(replay?).unwrap_or(usize::MAX)))
}

/// What a route matches, or every fault in it.
pub(super) fn conditions(
    path: &str,
    config: &MatchConfig,
    report: &mut Report<'_>,
) -> Option<Match> {
    let path_match = config.path.as_ref().map(|condition| {
        let (word, result) = match condition {
            config::PathMatch::Exact(text) => ("exact", PathMatch::exact(text)),
            config::PathMatch::Prefix(text) => ("prefix", PathMatch::prefix(text)),
            config::PathMatch::Regex(text) => ("regex", PathMatch::regex(text)),
        };
        report.ok(format!("{path}.path.{word}"), result)
    });
    let grpc = config.grpc.as_ref().map(|grpc| {
        let result = GrpcMatch::new(grpc.service.as_deref(), grpc.method.as_deref());
        report.ok(format!("{path}.grpc"), result)
    });
    let authorities = each(path, "authorities", &config.authorities, AuthorityMatch::new, report);
    let methods = each(path, "methods", &config.methods, Method::new, report);
    let headers: Vec<_> = config
        .headers
        .iter()
        .map(|(name, value)| {
            let path = format!("{path}.headers.{name}");
            let name = report.ok(&path, HeaderName::new(name));
            name.zip(value_match(&path, value, report))
        })
        .collect();
    let query: Vec<_> = config
        .query
        .iter()
        .map(|(name, value)| {
            let value = value_match(&format!("{path}.query.{name}"), value, report);
            value.map(|value| (name.as_str().into(), value))
        })
        .collect();
    Some(Match {
        path: transpose(path_match)?,
        grpc: transpose(grpc)?,
        authorities: authorities?,
        methods: methods?,
        headers: headers.into_iter().collect::<Option<_>>()?,
        query: query.into_iter().collect::<Option<_>>()?,
        sources: Networks::new(config.sources.iter().map(|network| network.0).collect()),
    })
}

/// Every item of a list, or a fault for each that is wrong.
pub(super) fn each<T, E: Display>(
    path: &str,
    key: &str,
    texts: &[String],
    parse: impl Fn(&str) -> Result<T, E>,
    report: &mut Report<'_>,
) -> Option<Vec<T>> {
    let mut parsed = Vec::new();
    for (at, text) in texts.iter().enumerate() {
        parsed.extend(report.ok(format!("{path}.{key}[{at}]"), parse(text)));
    }
    (parsed.len() == texts.len()).then_some(parsed)
}

fn value_match(
    path: &str,
    value: &config::ValueMatch,
    report: &mut Report<'_>,
) -> Option<ValueMatch> {
    let rule = match value {
        config::ValueMatch::Exact(text) => return Some(ValueMatch::Exact(text.as_bytes().into())),
        config::ValueMatch::Rule(rule) => rule,
    };
    Some(match rule {
        ValueRule::Present(true) => ValueMatch::Present,
        ValueRule::Present(false) => ValueMatch::Absent,
        ValueRule::Exact(text) => ValueMatch::Exact(text.as_bytes().into()),
        ValueRule::Prefix(text) => ValueMatch::Prefix(text.as_bytes().into()),
        ValueRule::Suffix(text) => ValueMatch::Suffix(text.as_bytes().into()),
        ValueRule::Contains(text) => ValueMatch::Contains(text.as_bytes().into()),
        ValueRule::Regex(text) => {
            ValueMatch::Regex(report.ok(format!("{path}.regex"), Pattern::new(text))?)
        }
    })
}
