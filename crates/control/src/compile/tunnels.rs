//! Listeners for any bytes: which upstream takes a connection.
//!
//! Each upstream that a listener names gets a route of its own for it, which no request finds: it carries the
//! limits and the counters of those connections.

use std::sync::Arc;

use narrows_gateway::filter::Chain;
use narrows_gateway::passthrough::{Passthrough, TlsRule};
use narrows_gateway::route::{AuthorityMatch, Router};
use narrows_gateway::snapshot::{Route, Timeouts, Translate};
use narrows_gateway::timeout::{Layers, NEVER};

use super::previous::Previous;
use super::report::Report;
use super::timeouts;
use super::upstreams;
use crate::config::{Config, ListenerConfig, PassthroughRule};

/// ALPN names have one byte for their length (RFC 7301 §3.1).
const ALPN_BYTES_MAX: usize = 255;

/// What it takes to compile them.
pub(super) struct Tunnels<'a> {
    pub(super) config: &'a Config,
    pub(super) previous: &'a Previous,
    pub(super) next: &'a mut Previous,
    pub(super) router: &'a mut Router,
}

// === impl Tunnels ===

impl Tunnels<'_> {
    /// Compiles the listener with this name.
    pub(super) fn compile(
        mut self,
        path: &str,
        name: &str,
        listener: &ListenerConfig,
        report: &mut Report<'_>,
    ) -> Option<Passthrough> {
        if listener.upstream.is_none() && listener.passthrough.is_empty() {
            report.error(path, "protocol tcp needs upstream: the one that takes the connections");
            return None;
        }
        if listener.tls.is_some() && !listener.passthrough.is_empty() {
            let message = "TLS that ends here does not pass through; leave out tls or passthrough";
            report.error(format!("{path}.passthrough"), message);
            return None;
        }
        let otherwise = listener.upstream.as_ref().map(|upstream| {
            self.route(&format!("{path}.upstream"), name, upstream, listener, report)
        });
        let mut rules = Vec::new();
        for (at, rule) in listener.passthrough.iter().enumerate() {
            let path = format!("{path}.passthrough[{at}]");
            let conditions = conditions(&path, rule, report);
            let upstream = format!("{path}.upstream");
            let route = self.route(&upstream, name, &rule.upstream, listener, report);
            if let (Some((server_names, alpn)), Some(route)) = (conditions, route) {
                rules.push(TlsRule { server_names, alpn, route });
            }
        }
        Some(Passthrough { rules, otherwise: otherwise.flatten() })
    }

    /// The route from this listener to an upstream; the same one each time.
    fn route(
        &mut self,
        path: &str,
        listener_name: &str,
        wanted: &str,
        listener: &ListenerConfig,
        report: &mut Report<'_>,
    ) -> Option<usize> {
        let upstream = upstreams::index(self.config, path, wanted, report)?;
        if !self.config.upstreams[wanted].protocol.is_opaque() {
            if report.is_certain(&format!("upstreams.{wanted}.protocol")) {
                report.error(path, format!("upstream {wanted} needs protocol tcp or tls for this"));
            }
            return None;
        }
        let name = format!("tcp {listener_name} {wanted}");
        if let Some(known) = self.router.routes().position(|route| *route.name == *name) {
            return Some(known);
        }
        let of_upstream = timeouts::compile(&self.config.upstreams[wanted].timeouts);
        let of_listener = timeouts::compile(&listener.timeouts.of_calls());
        let idle = Layers([&of_upstream, &of_listener, &Timeouts::NOTHING])
            .limit(|place| place.tunnel_idle)
            .or(Some(NEVER));
        let stats = self.previous.route(&name, self.next);
        Some(self.router.attach(Arc::new(Route {
            name: name.into(),
            upstream: Some(upstream),
            timeouts: Timeouts { idle, ..Timeouts::default() },
            message_bytes_max: None,
            replay_bytes_max: 0,
            retry: None,
            hedge: None,
            filters: Chain::default(),
            grpc_web: Translate::No,
            stats,
        })))
    }
}

type Conditions = (Vec<AuthorityMatch>, Vec<Box<[u8]>>);

fn conditions(path: &str, rule: &PassthroughRule, report: &mut Report<'_>) -> Option<Conditions> {
    let mut names = Vec::new();
    for (at, name) in rule.server_names.iter().enumerate() {
        let path = format!("{path}.server_names[{at}]");
        names.push(report.ok(path, AuthorityMatch::new(name)));
    }
    let mut alpn = Vec::new();
    for (at, protocol) in rule.alpn.iter().enumerate() {
        let fits = (1..=ALPN_BYTES_MAX).contains(&protocol.len());
        let name = fits.then(|| Box::from(protocol.as_bytes())).ok_or("no name of a protocol");
        alpn.push(report.ok(format!("{path}.alpn[{at}]"), name));
    }
    Some((names.into_iter().collect::<Option<_>>()?, alpn.into_iter().collect::<Option<_>>()?))
}
