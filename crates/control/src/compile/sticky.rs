//! Sessions that stay with their node: from words to what workers go by.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use narrows_gateway::balance::{OnGone, SessionCookie, Sticky};
use narrows_gateway::lookup::Store;
use narrows_gateway::route::Template;

use super::report::Report;
use crate::config::{Config, OnGoneConfig, StickyConfig, StoreConfig, UpstreamConfig, ValueForm};

/// A session that is kept for less is none; the embedded store counts in seconds.
const TTL_MIN: Duration = Duration::from_secs(1);

/// What can be made once the store is open.
pub(super) struct Plan<'a> {
    config: &'a StickyConfig,
    key: Template,
    cookie: Option<SessionCookie>,
}

/// Finds what is wrong; `None` if anything is. `name` is that of the upstream: sessions of different ones have nothing
/// to do with each other.
pub(super) fn plan<'a>(
    (path, name): (&str, &str),
    upstream: &'a UpstreamConfig,
    config: &Config,
    report: &mut Report<'_>,
) -> Option<Option<Plan<'a>>> {
    match &upstream.sticky {
        Some(sticky) => of((&format!("{path}.sticky"), name), sticky, config, report).map(Some),
        None => Some(None),
    }
}

fn of<'a>(
    (path, upstream): (&str, &str),
    sticky: &'a StickyConfig,
    config: &Config,
    report: &mut Report<'_>,
) -> Option<Plan<'a>> {
    check_store(&format!("{path}.store"), sticky, config, report);
    if sticky.ttl.0 < TTL_MIN {
        report.error(format!("{path}.ttl"), "at least 1s");
    }
    let prefix = format!("sticky/{upstream}/");
    let (path, name, kind) = match (&sticky.header, &sticky.cookie) {
        (Some(name), None) => (format!("{path}.header"), name, "header"),
        (None, Some(name)) => (format!("{path}.cookie"), name, "cookie"),
        (Some(_), Some(_)) | (None, None) => {
            report.error(path, "give one of header and cookie, which names the session");
            return None;
        }
    };
    let key = report.ok(path, Template::parse(&format!("{prefix}{{{kind}.{name}}}")))?;
    let cookie = sticky.cookie.as_ref();
    let cookie = cookie
        .map(|name| SessionCookie { name: name.as_str().into(), prefix: prefix.as_str().into() });
    Some(Plan { config: sticky, key, cookie })
}

fn check_store(path: &str, sticky: &StickyConfig, config: &Config, report: &mut Report<'_>) {
    match config.stores.get(&sticky.store) {
        None => {
            report.unknown(path, ("store", sticky.store.as_str()), "stores", config.stores.keys());
        }
        Some(StoreConfig::Redis(redis)) if !matches!(redis.value, ValueForm::String) => {
            report.error(path, "the values of this store are hashes; sessions need strings");
        }
        Some(StoreConfig::Redis(_) | StoreConfig::Embedded(_)) => {}
    }
}

// === impl Plan ===

impl Plan<'_> {
    /// What workers go by.
    pub(super) fn finish(self, stores: &BTreeMap<&str, Arc<Store>>) -> Sticky {
        Sticky {
            store: stores[self.config.store.as_str()].clone(),
            key: self.key,
            cookie: self.cookie,
            ttl: self.config.ttl.0,
            budget: self.config.budget.0,
            on_gone: match &self.config.on_gone {
                OnGoneConfig::Fail => OnGone::Fail,
                OnGoneConfig::Wait(patience) => OnGone::Wait(patience.0),
                OnGoneConfig::Rebalance => OnGone::Rebalance,
            },
        }
    }
}
