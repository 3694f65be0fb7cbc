//! Filters: each entry of a list once, then a chain for each route.
//!
//! The global filters come first, then those of the route's upstream, then its own. What an entry becomes is
//! shared by all chains that it is in; only its counter belongs to the route.

mod compress;
mod cors;
mod edits;
mod respond;

use std::collections::BTreeMap;
use std::sync::Arc;

use narrows_gateway::filter::{Chain, FILTERS_MAX, Filter, Guarded, OnError};
use narrows_gateway::route::Match;

use super::previous::Previous;
use super::report::Report;
use super::routes;
use crate::config::{Config, FilterConfig, MatchConfig, OnErrorWord, RouteConfig};

/// The filters that more than one route can have.
pub(super) struct Filters<'a> {
    global: Vec<Made>,
    upstreams: BTreeMap<&'a str, Vec<Made>>,
}

/// An entry of a list, compiled.
#[derive(Clone)]
struct Made {
    filter: Arc<dyn Filter>,
    conditions: Match,
    on_error: OnError,
    answers: Answers,
}

/// Whether a filter answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answers {
    /// Whatever the request.
    Always,
    /// Some requests, or none.
    Perhaps,
}

/// The filters of a route.
pub(super) struct RouteFilters {
    pub(super) chain: Chain,
    /// Whether no request gets past them.
    pub(super) is_closed: bool,
}

// === impl Filters ===

impl<'a> Filters<'a> {
    /// Compiles what stands at the top level and in upstreams.
    pub(super) fn compile(config: &'a Config, report: &mut Report<'_>) -> Self {
        let global = list("filters", &config.filters, report);
        let mut upstreams = BTreeMap::new();
        for (name, upstream) in &config.upstreams {
            let path = format!("upstreams.{name}.filters");
            if upstream.protocol.is_opaque() && !upstream.filters.is_empty() {
                report.error(&path, "there are no requests with protocol tcp or tls");
            }
            upstreams.insert(name.as_str(), list(&path, &upstream.filters, report));
        }
        Self { global, upstreams }
    }

    /// The filters of a route. Counters are carried over by route and name.
    pub(super) fn of_route(
        &self,
        path: &str,
        route: &RouteConfig,
        (previous, next): (&Previous, &mut Previous),
        report: &mut Report<'_>,
    ) -> RouteFilters {
        let path = format!("{path}.filters");
        let own = list(&path, &route.filters, report);
        let upstream = route.upstream.as_ref().and_then(|name| self.upstreams.get(name.as_str()));
        let all: Vec<&Made> =
            self.global.iter().chain(upstream.into_iter().flatten()).chain(&own).collect();
        if all.len() > FILTERS_MAX {
            let message = format!("{} with those of its upstream and the global ones", all.len());
            report.error(&path, format!("at most {FILTERS_MAX} filters for a route; {message}"));
        }
        let is_closed = all.iter().any(|made| made.answers == Answers::Always);
        let guarded = all.into_iter().map(|made| Guarded {
            filter: made.filter.clone(),
            conditions: made.conditions.clone(),
            on_error: made.on_error,
            stats: previous.filter(&route.name, made.filter.name(), next),
        });
        RouteFilters { chain: Chain::new(guarded.collect()), is_closed }
    }
}

/// The filters of a list that are switched on; faults of the others are found too.
fn list(path: &str, configs: &[FilterConfig], report: &mut Report<'_>) -> Vec<Made> {
    let each = configs.iter().enumerate();
    let made = each.filter_map(|(at, config)| {
        let made = entry(&format!("{path}[{at}]"), config, report);
        made.filter(|_| config.enabled)
    });
    made.collect()
}

fn entry(path: &str, config: &FilterConfig, report: &mut Report<'_>) -> Option<Made> {
    let (filter, answers) = the_one(path, config, report)?;
    let all = MatchConfig::default();
    let matches = config.matches.as_ref().unwrap_or(&all);
    Some(Made {
        filter,
        conditions: routes::conditions(&format!("{path}.match"), matches, report)?,
        on_error: match config.on_error {
            Some(OnErrorWord::Closed) => OnError::Closed,
            Some(OnErrorWord::Open) | None => OnError::Open,
        },
        answers: if *matches == all { answers } else { Answers::Perhaps },
    })
}

/// A filter under its key, if nothing is wrong with it.
type Named = (&'static str, Option<Arc<dyn Filter>>, Answers);

/// The filter of an entry, which names exactly one.
fn the_one(
    path: &str,
    config: &FilterConfig,
    report: &mut Report<'_>,
) -> Option<(Arc<dyn Filter>, Answers)> {
    let mut found: Vec<Named> = Vec::new();
    if let Some(compress) = &config.compress {
        let made = compress::compile(&format!("{path}.compress"), compress, report);
        found.push(("compress", made.map(|made| Arc::new(made) as _), Answers::Perhaps));
    }
    if let Some(cors) = &config.cors {
        let made = cors::compile(&format!("{path}.cors"), cors, report);
        found.push(("cors", made.map(|made| Arc::new(made) as _), Answers::Perhaps));
    }
    if let Some(redirect) = &config.redirect {
        let made = edits::redirect(&format!("{path}.redirect"), redirect, report);
        found.push(("redirect", made.map(|made| Arc::new(made) as _), Answers::Perhaps));
    }
    if let Some(respond) = &config.respond {
        let made = respond::compile(&format!("{path}.respond"), respond, report);
        found.push(("respond", made.map(|made| Arc::new(made) as _), Answers::Always));
    }
    if let Some(headers) = &config.headers {
        let made = edits::headers(&format!("{path}.headers"), headers, report);
        found.push(("headers", made.map(|made| Arc::new(made) as _), Answers::Perhaps));
    }
    if let Some(rewrite) = &config.rewrite {
        let made = edits::rewrite(&format!("{path}.rewrite"), rewrite, report);
        found.push(("rewrite", made.map(|made| Arc::new(made) as _), Answers::Perhaps));
    }
    let names: Vec<&str> = found.iter().map(|(name, ..)| *name).collect();
    match names.as_slice() {
        [_] => {}
        [] => report.error(path, "names no filter, such as headers or cors"),
        [_, ..] => {
            let message = format!("names several filters: {}; each is an entry", names.join(", "));
            report.error(path, message);
        }
    }
    let (_, filter, answers) = found.pop()?;
    Some((filter?, answers))
}
