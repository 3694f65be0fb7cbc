//! A configuration with one route, for measurements: jobs `job-0` to `job-999` run on one node, and the
//! table of the store knows them all.

use std::sync::Arc;
use std::time::Duration;

use narrows_gateway::control::{Busy, ControlPort, Job};
use narrows_gateway::filter::Chain;
use narrows_gateway::lookup::{Cached, Outcome, Store};
use narrows_gateway::retry::RetryBudget;
use narrows_gateway::route::{Match, Router, Template};
use narrows_gateway::snapshot::*;
use narrows_gateway::stats::{ListenerStats, RouteStats, UpstreamStats};
use narrows_wire::{Time, h2};

/// No job is posted: every lookup is answered by the table.
pub(crate) struct Nobody;

impl ControlPort for Nobody {
    fn submit(&self, _: Job) -> Result<(), Busy> {
        Err(Busy)
    }
}

/// Calls go to the node that the store names.
pub(crate) fn snapshot(listen: &str, node: &str) -> Arc<Snapshot> {
    let store = Arc::new(Store::new("jobs", true));
    let target = Arc::new(node.parse().expect("an address"));
    for job in 0..1000 {
        let cached =
            Cached { outcome: Outcome::Found(Arc::clone(&target)), fresh_until: Time::NEVER };
        store.table.insert(format!("job-{job}").as_bytes(), cached);
    }
    let lookup = Lookup {
        store,
        key: Template::parse("{header.jobid}").expect("a template"),
        allow: Networks::new(vec!["127.0.0.0/8".parse().expect("a network")]),
        drained: Arc::default(),
        budget: Duration::from_millis(500),
        on_missing: OnMissing::Fail,
    };
    with_targets(listen, Targets::Lookup(lookup))
}

/// Calls go to these nodes.
pub(crate) fn with_targets(listen: &str, targets: Targets) -> Arc<Snapshot> {
    let h2 = Arc::new(h2::Config { max_concurrent_streams: 256, ..h2::Config::default() });
    let roots = Arc::new(rustls::crypto::ring::default_provider());
    let client = rustls::ClientConfig::builder_with_provider(roots)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let route = Arc::new(Route {
        name: "jobs".into(),
        upstream: Some(0),
        timeouts: Timeouts::default(),
        message_bytes_max: None,
        replay_bytes_max: 64 << 10,
        retry: None,
        hedge: None,
        filters: Chain::default(),
        grpc_web: Translate::No,
        stats: Arc::new(RouteStats::new(1)),
    });
    let upstream = Upstream {
        name: "nodes".into(),
        protocol: Protocol { speaks: Speaks::Http2, tls: None },
        tls: Arc::new(ClientTls { config: Arc::new(client), server_name: None }),
        targets,
        transcoding: None,
        h2: h2.clone(),
        h1: Arc::default(),
        drain_timeout: None,
        timeouts: Timeouts {
            connect: Some(Duration::from_secs(5)),
            acquire: Some(Duration::from_secs(5)),
            ..Timeouts::default()
        },
        idle_timeout: Duration::from_secs(60),
        keepalive: narrows_gateway::keepalive::Keepalive::default(),
        max_connection_age: None,
        max_connections: 64,
        retry_budget: RetryBudget::default(),
        announces: None,
        max_pending: 1024,
        stats: Arc::new(UpstreamStats::new(1)),
    };
    let listener = Listener {
        name: "a".into(),
        address: listen.parse().expect("an address"),
        tls: None,
        accepts: Accepts::Http,
        sources: narrows_gateway::sources::SourceRules::default(),
        proxy_protocol: ProxyProtocol::None,
        preface_timeout: Duration::from_secs(10),
        timeouts: Timeouts::default(),
        h2,
        h1: Arc::default(),
        forwarding: narrows_gateway::forwarding::Forwarding::default(),
        idle_timeout: Duration::from_secs(120),
        keepalive: narrows_gateway::keepalive::Keepalive::default(),
        max_connection_age: None,
        max_connection_age_grace: None,
        backlog: 1024,
        max_connections: 10_000,
        tcp_keepalive: Duration::from_secs(60),
        stats: Arc::new(ListenerStats::new(1)),
    };
    Arc::new(Snapshot {
        hash: 0,
        listeners: vec![Arc::new(listener)],
        router: Router::new(vec![(Match::default(), route)]),
        upstreams: vec![Arc::new(upstream)],
        access_log: AccessLog::Off,
    })
}
