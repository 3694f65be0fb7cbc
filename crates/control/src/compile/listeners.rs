//! Listeners: each address once, each with a name of its own.
//!
//! The name is the address as written. The data plane knows a listener over a reload by it, so it
//! must not depend on anything else in the file.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use narrows_gateway::route::Router;
use narrows_gateway::snapshot::{Accepts, Listener, Networks, ProxyProtocol};
use narrows_gateway::sources::SourceRules;

use super::previous::Previous;
use super::report::Report;
use super::tunnels::Tunnels;
use super::{forward, forwarding, http1, http2, timeouts, tls};
use crate::config::{
    Config, ForwardingConfig, ListenerConfig, ListenerProtocol, Network, Severity, SourcesConfig,
};
use narrows_gateway::timeout::NEVER;

/// Compiles every listener.
pub(super) fn compile(
    config: &Config,
    previous: &Previous,
    next: &mut Previous,
    router: &mut Router,
    report: &mut Report<'_>,
) -> Vec<Arc<Listener>> {
    if config.listeners.is_empty() {
        let message = "there is none; at least one address to listen on is needed";
        report.none("listeners", message, Severity::Error);
    }
    addresses(config, report);
    let mut names: BTreeMap<SocketAddr, usize> = BTreeMap::new();
    let mut compile = |(at, listener_config): (usize, &ListenerConfig)| {
        let path = format!("listeners[{at}]");
        let count = names.entry(listener_config.address.0).or_insert(0);
        *count += 1;
        // Only addresses with port 0 may be there more than once.
        let name: Arc<str> = match *count {
            1 => listener_config.address.to_string().into(),
            count => format!("{}#{count}", listener_config.address).into(),
        };
        let accepts = match listener_config.protocol {
            // What else there may be depends on it.
            _ if !report.is_certain(&format!("{path}.protocol")) => None,
            ListenerProtocol::Http => http(&path, listener_config, report),
            ListenerProtocol::Tcp => {
                let tunnels = Tunnels { config, previous, next: &mut *next, router: &mut *router };
                tunnels.compile(&path, &name, listener_config, report).map(Accepts::Bytes)
            }
            ListenerProtocol::Forward => {
                let carried = (previous, &mut *next);
                let forward = forward::compile(at, &name, config, carried, router, report);
                forward.map(|forward| Accepts::Forward(Arc::new(forward)))
            }
        };
        let carried = (previous, &mut *next);
        let listener = listener(&path, name, listener_config, carried, report);
        Some(Arc::new(Listener { accepts: accepts?, ..listener? }))
    };
    config.listeners.iter().enumerate().filter_map(&mut compile).collect()
}

/// Finds addresses that are used twice.
fn addresses(config: &Config, report: &mut Report<'_>) {
    let mut seen: BTreeMap<SocketAddr, String> = BTreeMap::new();
    let admin = Some(&config.admin).filter(|admin| admin.enabled);
    let listeners = config.listeners.iter().enumerate();
    let all = listeners.map(|(at, listener)| (format!("listeners[{at}]"), listener.address.0));
    for (path, address) in all.chain(admin.map(|a| ("admin".to_owned(), a.address.0))) {
        // Port 0 is another port each time.
        if address.port() == 0 {
            continue;
        }
        if let Some(first) = seen.insert(address, path.clone()) {
            let message = format!("{first} already listens on {address}");
            report.error(format!("{path}.address"), message);
        }
    }
}

/// Checks that nothing is written that only other protocols have.
fn http(path: &str, listener: &ListenerConfig, report: &mut Report<'_>) -> Option<Accepts> {
    let written = [
        ("upstream", listener.upstream.is_some()),
        ("passthrough", !listener.passthrough.is_empty()),
        ("forward", listener.forward.is_some()),
    ];
    for (key, _) in written.into_iter().filter(|(_, is_written)| *is_written) {
        let message = "only another protocol has it; routes say where requests go";
        report.error(format!("{path}.{key}"), message);
    }
    Some(Accepts::Http)
}

fn sources(config: &SourcesConfig) -> SourceRules {
    let networks = |list: &[Network]| Networks::new(list.iter().map(|one| one.0).collect());
    SourceRules {
        allow: networks(&config.allow),
        deny: networks(&config.deny),
        connections_max: config.max_connections,
        connections_per_second: config.connections_per_second,
        bytes_per_second: config.bandwidth.0.map(|size| size.0),
    }
}

fn listener(
    path: &str,
    name: Arc<str>,
    config: &ListenerConfig,
    (previous, next): (&Previous, &mut Previous),
    report: &mut Report<'_>,
) -> Option<Listener> {
    let h2 = http2::listener(path, config, report);
    let h1 = http1::listener(path, config, report);
    let stats = previous.listener(&name, next);
    if config.protocol != ListenerProtocol::Http && config.forwarding != ForwardingConfig::default()
    {
        let message = "only protocol http has these rules";
        report.error(format!("{path}.forwarding"), message);
    }
    let forwarding = forwarding::compile(&format!("{path}.forwarding"), &config.forwarding, report);
    let tls = match &config.tls {
        None => None,
        Some(tls) => {
            let path = format!("{path}.tls");
            let alpn = match config.protocol {
                ListenerProtocol::Http | ListenerProtocol::Forward => tls::ALPN_HTTP,
                ListenerProtocol::Tcp => tls::ALPN_NONE,
            };
            if tls.strict_sni && config.protocol == ListenerProtocol::Tcp {
                let message = "only protocol http has requests that it could hold to a certificate";
                report.error(format!("{path}.strict_sni"), message);
            }
            Some(tls::server(&path, &name, tls, alpn, (previous, next), report)?)
        }
    };
    Some(Listener {
        name,
        address: config.address.0,
        tls,
        accepts: Accepts::Http,
        sources: sources(&config.sources),
        proxy_protocol: match config.proxy_protocol {
            true => ProxyProtocol::Required,
            false => ProxyProtocol::None,
        },
        h2,
        h1,
        preface_timeout: config.timeouts.preface.0,
        timeouts: timeouts::compile(&config.timeouts.of_calls()),
        forwarding,
        idle_timeout: config.idle_timeout.duration().unwrap_or(NEVER),
        keepalive: timeouts::keepalive(config.keepalive),
        max_connection_age: config.max_connection_age.duration(),
        max_connection_age_grace: config.max_connection_age_grace.duration(),
        backlog: config.backlog,
        max_connections: config.max_connections as usize,
        tcp_keepalive: config.tcp_keepalive.0,
        stats,
    })
}
