//! Forward proxies: who may reach what, and the routes that carry their limits and counters.
//!
//! The upstreams of a forward proxy stand behind those of the file, two for each (`upstreams.rs`): tunnels go
//! as bytes, requests as HTTP/1.1.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use narrows_gateway::filter::Chain;
use narrows_gateway::forward::Forward;
use narrows_gateway::route::{AuthorityMatch, Router};
use narrows_gateway::snapshot::{Route, Timeouts, Translate};

use super::previous::Previous;
use super::report::Report;
use crate::config::{Config, ForwardConfig};

/// Compiles the listener at this place of the list.
pub(super) fn compile(
    at: usize,
    name: &str,
    config: &Config,
    (previous, next): (&Previous, &mut Previous),
    router: &mut Router,
    report: &mut Report<'_>,
) -> Option<Forward> {
    let path = format!("listeners[{at}]");
    let listener = &config.listeners[at];
    let Some(forward) = &listener.forward else {
        report.error(path, "protocol forward needs forward: who may reach what");
        return None;
    };
    let path = format!("{path}.forward");
    let hosts = hosts(&path, forward, report);
    let credentials = credentials(&path, forward, report);
    if forward.networks.is_empty() {
        let message = "no network is allowed, so nothing can be reached";
        report.error(format!("{path}.networks"), message);
    }
    let before = config.listeners[..at].iter().filter(|other| other.forward.is_some()).count();
    let first = config.upstreams.len() + 2 * before;
    let mut route = |kind: &str, upstream: usize| {
        let name = format!("forward {name} {kind}");
        let stats = previous.route(&name, next);
        router.attach(Arc::new(Route {
            name: name.into(),
            upstream: Some(upstream),
            // The listener has them.
            timeouts: Timeouts::default(),
            message_bytes_max: None,
            replay_bytes_max: 0,
            retry: None,
            hedge: None,
            filters: Chain::default(),
            grpc_web: Translate::No,
            stats,
        }))
    };
    let (tunnels, requests) = (route("tunnels", first), route("requests", first + 1));
    let ports = forward.ports.clone();
    Some(Forward { credentials: credentials?, hosts: hosts?, ports, tunnels, requests })
}

fn hosts(
    path: &str,
    forward: &ForwardConfig,
    report: &mut Report<'_>,
) -> Option<Vec<AuthorityMatch>> {
    let hosts = forward.hosts.iter().enumerate();
    let parsed: Vec<_> = hosts
        .map(|(at, host)| report.ok(format!("{path}.hosts[{at}]"), AuthorityMatch::new(host)))
        .collect();
    parsed.into_iter().collect()
}

/// What callers send, as RFC 7617 §2 writes it.
fn credentials(
    path: &str,
    forward: &ForwardConfig,
    report: &mut Report<'_>,
) -> Option<Vec<Box<[u8]>>> {
    if forward.users.is_empty() {
        report.error(format!("{path}.users"), "nobody may ask; a proxy is never open to all");
        return None;
    }
    let mut all = Vec::new();
    for (name, password) in &forward.users {
        if name.contains(':') || password.reveal().is_empty() {
            let message = "a name has no colon, and a password is not empty";
            report.error(format!("{path}.users.{name}"), message);
            return None;
        }
        let text = STANDARD.encode(format!("{name}:{}", password.reveal()));
        all.push(text.into_bytes().into_boxed_slice());
    }
    Some(all)
}
