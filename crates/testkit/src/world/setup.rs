//! Builds the world of a seed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use narrows_gateway::balance::{Balanced, Sticky};
use narrows_gateway::certificates::{CertificateSet, Certificates};
use narrows_gateway::control::Mailbox;
use narrows_gateway::filter::Chain;
use narrows_gateway::lookup::Store;
use narrows_gateway::record;
use narrows_gateway::retry::{Retry, RetryBudget};
use narrows_gateway::route::{Match, Router, Template};
use narrows_gateway::snapshot::{
    Accepts, AccessLog, Authorities, ClientTls, Listener, Lookup, Networks, OnMissing, Protocol,
    ProxyProtocol, Route, ServerTls, Snapshot, Speaks, Targets, Timeouts, Translate, Upstream,
};
use narrows_gateway::stats::{ListenerStats, RouteStats, UpstreamStats, WorkerStats};
use narrows_gateway::worker::{Bound, Parts, Worker};
use narrows_wire::{Time, h2};
use rustls::sign::CertifiedKey;

use super::World;
use super::call::{CHANCE_MODES, Call, MODES, Mode};
use super::client::Client;
use super::control::{Control, Posted};
use super::filters::broken_chain;
use super::mixed::setup as mixed;
use super::net::{Net, Welcome};
use super::node::Node;
use super::rng::Rng;

const NODES: usize = 3;
const CLIENTS: usize = 4;
const JOBS: usize = 12;
/// Large messages, so that windows run out.
const MESSAGE_BYTES_MAX: u64 = 300_000;

/// What the route gives a node that does not answer.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);

/// What happens in a world beside calls.
#[derive(Debug, Clone, Copy, Default)]
pub struct Plan {
    /// Connections break at any time.
    pub cuts: bool,
    /// Nodes drain their connections.
    pub goaways: bool,
    /// The configuration is replaced again and again.
    pub reloads: bool,
    /// Callers break the protocol now and then, and lose their connections.
    pub hostile: bool,
    /// Few connections, short queues, short waits, and connections that are soon old.
    pub tight: bool,
    /// The route has filters that fail, in all ways.
    pub broken_filters: bool,
    /// Nodes of HTTP/1.1 close connections that rest soon, and at the worst time.
    pub hasty: bool,
    /// Calls of each client.
    pub calls: usize,
    /// Calls of each client of other protocols than gRPC over HTTP/2; 0: there are none.
    pub mixed: usize,
    /// Limits that the others of this plan do not press against.
    pub limits: Limits,
}

/// What a listener and a route demand; nothing special unless it is set here.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    /// Clients have to shake hands for TLS first.
    pub tls: bool,
    /// Connections of clients at once.
    pub connections_max: Option<usize>,
    /// The route's limit for a call as a whole.
    pub total: Option<Duration>,
    /// The route's limit for a call on which nothing moves.
    pub idle: Option<Duration>,
    /// Jobs that wait for the control plane.
    pub jobs_max: Option<usize>,
    /// The upstream is a set of nodes, any of which takes any call.
    pub balanced: Option<fn() -> Balanced>,
    /// What keeps sessions at one node of the set.
    pub sticky: Option<fn(&Arc<Store>) -> Sticky>,
    /// When a second node is asked as well.
    pub hedge: Option<Duration>,
    /// When calls are tried again.
    pub retry: Option<fn() -> Retry>,
    /// What else the listener is to be like.
    pub listener: Option<fn(&mut Listener)>,
    /// What else the route is to be like.
    pub route: Option<fn(&mut Route)>,
    /// What else the upstream is to be like.
    pub upstream: Option<fn(&mut Upstream)>,
}

/// Where the gateway listens.
pub(super) const GATEWAY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 80);

pub(super) fn build(seed: u64, plan: Plan) -> World {
    let mut rng = Rng::new(seed);
    let net = Net::new(Rng::new(rng.next()));
    let store = Arc::new(Store::new("jobs", false));
    store.set_up(true);
    let (nodes, jobs) = nodes_and_jobs(&mut rng, &net, plan);
    let snapshot = Arc::new(snapshot(&store, plan, None));
    let posted = Posted::new(plan.limits.jobs_max);
    let woken = net.waker();
    let (mailbox, receiver) = Mailbox::new(Arc::new(move || woken.store(true, Ordering::Relaxed)));
    let (recorder, _records) = record::ring(16);
    let stats = Arc::new(WorkerStats::default());
    let worker = Worker::new(Parts {
        index: 0,
        io: net.clone(),
        snapshot: snapshot.clone(),
        mailbox: receiver,
        port: Arc::new(posted.clone()),
        stats: stats.clone(),
        recorder,
        bound: Arc::new(Mutex::new(Bound::default())),
    });
    let clients = (0..CLIENTS).map(|at| client(&mut rng, at, plan)).collect();
    let control = Control::new(Rng::new(rng.next()), posted, store, jobs);
    let others = if plan.mixed > 0 { mixed::actors(&mut rng, &net, plan) } else { vec![] };
    let trouble = plan.cuts || plan.goaways;
    World {
        plan,
        worker_due: Time::ZERO,
        faults_due: if trouble { Time::ZERO } else { Time::NEVER },
        reload_due: if plan.reloads { Time::ZERO } else { Time::NEVER },
        other_due: Time::NEVER,
        rng,
        net,
        worker: worker.expect("the simulated world can listen"),
        control,
        mailbox,
        stats,
        snapshot,
        clients,
        nodes,
        others,
        wrong: vec![],
    }
}

/// The same configuration in another snapshot, as a reload of an unchanged file gives it.
pub(super) fn reloaded(old: &Snapshot, plan: Plan) -> Arc<Snapshot> {
    let Some(Targets::Lookup(lookup)) = old.upstreams.first().map(|upstream| &upstream.targets)
    else {
        unreachable!("the upstream of the world looks targets up");
    };
    Arc::new(snapshot(&lookup.store, plan, Some(old)))
}

/// The same configuration, but for where calls go and the grace of nodes that leave.
#[cfg(test)]
pub(super) fn sent_to(
    old: &Snapshot,
    targets: Targets,
    drain_timeout: Option<Duration>,
) -> Arc<Snapshot> {
    let Some(Targets::Lookup(lookup)) = old.upstreams.first().map(|upstream| &upstream.targets)
    else {
        unreachable!("the upstream of the world looks targets up");
    };
    let plan = Plan::default();
    let mut new = snapshot(&lookup.store, plan, Some(old));
    let own = upstream(&lookup.store, old.upstreams[0].stats.clone(), plan);
    new.upstreams = vec![Arc::new(Upstream { targets, drain_timeout, ..own })];
    Arc::new(new)
}

fn nodes_and_jobs(
    rng: &mut Rng,
    net: &Net,
    plan: Plan,
) -> (Vec<Node>, BTreeMap<String, Arc<narrows_gateway::target::Target>>) {
    let mut jobs = BTreeMap::new();
    let mut of_node = vec![BTreeSet::new(); NODES];
    let target = |text: String| Arc::new(text.parse().expect("a target"));
    for job in 0..JOBS {
        let node = rng.below(NODES);
        of_node[node].insert(format!("job-{job}"));
        jobs.insert(format!("job-{job}"), target(format!("10.0.0.{node}:50051")));
    }
    jobs.insert("forbidden".into(), target("172.16.0.1:1".into()));
    jobs.insert("dead".into(), target("10.0.1.1:1".into()));
    jobs.insert("hole".into(), target("10.0.1.2:1".into()));
    net.add_host(address("10.0.1.1:1"), Welcome::Refuses);
    net.add_host(address("10.0.1.2:1"), Welcome::Silent);
    let nodes = of_node.into_iter().enumerate().map(|(at, jobs)| {
        let address = address(&format!("10.0.0.{at}:50051"));
        net.add_host(address, Welcome::Accepts);
        let jobs = plan.limits.balanced.is_none().then_some(jobs);
        Node::new(Rng::new(rng.next()), address, jobs)
    });
    (nodes.collect(), jobs)
}

fn client(rng: &mut Rng, at: usize, plan: Plan) -> Client {
    let calls = (0..plan.calls).map(|n| call(rng, (at * plan.calls + n) as u64)).collect();
    let slow = rng.one_in(4);
    Client::new(Rng::new(rng.next()), GATEWAY, client_address(at), calls, slow, plan.hostile)
}

/// Where a client calls from.
pub(super) fn client_address(at: usize) -> SocketAddr {
    address(&format!("198.51.100.{at}:1000"))
}

fn call(rng: &mut Rng, id: u64) -> Call {
    // Most calls are ordinary.
    let mode = if rng.one_in(2) { MODES[rng.below(CHANCE_MODES)] } else { Mode::Echo };
    let job = match mode {
        Mode::UnknownJob => "nobody".into(),
        Mode::ForbiddenJob => "forbidden".into(),
        Mode::DeadNode => "dead".into(),
        Mode::BlackHole => "hole".into(),
        _ => format!("job-{}", rng.below(JOBS)),
    };
    let size = |rng: &mut Rng| {
        if rng.one_in(4) { rng.next() % MESSAGE_BYTES_MAX } else { rng.next() % 500 }
    };
    // A refused call can only be sent again while its body is kept.
    let up = match mode {
        Mode::RefusedOnce => rng.next() % 500,
        Mode::Huge => 2 * MESSAGE_BYTES_MAX + 1,
        _ => size(rng),
    };
    Call { id, mode, job, up, down: size(rng), received: 0, fate: None, message: String::new() }
}

/// `before`: the one that it follows, whose counters go on.
fn snapshot(store: &Arc<Store>, plan: Plan, before: Option<&Snapshot>) -> Snapshot {
    let mut listener = Listener {
        name: "gateway".into(),
        address: GATEWAY,
        tls: plan.limits.tls.then(server_tls),
        accepts: Accepts::Http,
        sources: narrows_gateway::sources::SourceRules::default(),
        proxy_protocol: ProxyProtocol::None,
        preface_timeout: Duration::from_secs(10),
        timeouts: Timeouts::default(),
        h2: Arc::new(h2::Config { connect_protocol: true, ..h2::Config::default() }),
        h1: Arc::default(),
        forwarding: narrows_gateway::forwarding::Forwarding::default(),
        idle_timeout: Duration::from_secs(30),
        keepalive: narrows_gateway::keepalive::Keepalive::default(),
        max_connection_age: age_max(plan),
        max_connection_age_grace: None,
        backlog: 128,
        max_connections: plan.limits.connections_max.unwrap_or(1000),
        tcp_keepalive: Duration::from_secs(60),
        stats: Arc::new(ListenerStats::new(1)),
    };
    if let Some(change) = plan.limits.listener {
        change(&mut listener);
    }
    let new = (Arc::new(UpstreamStats::new(1)), Arc::new(RouteStats::new(1)));
    let (upstream_stats, route_stats) = before.map_or(new, |old| {
        let route = old.router.routes().find(|route| &*route.name == "jobs");
        (old.upstreams[0].stats.clone(), route.expect("it has always been there").stats.clone())
    });
    let mut snapshot = Snapshot {
        hash: 0,
        listeners: vec![Arc::new(listener)],
        router: Router::default(),
        upstreams: vec![Arc::new(upstream(store, upstream_stats, plan))],
        access_log: AccessLog::Off,
    };
    let mut routes = vec![(Match::default(), Arc::new(route(route_stats, plan)))];
    if plan.mixed > 0 {
        mixed::extend(&mut snapshot, &mut routes, before);
    }
    snapshot.router = Router::new(routes);
    if plan.mixed > 0 {
        mixed::listen(&mut snapshot, before);
    }
    if let Some(before) = before {
        snapshot.listeners = before.listeners.clone();
    }
    snapshot
}

fn server_tls() -> Arc<ServerTls> {
    let made = rcgen::generate_simple_self_signed(["gateway".to_owned()]).expect("a valid name");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let key = provider.key_provider.load_private_key(key.into()).expect("a key that was just made");
    let shown = Arc::new(CertifiedKey::new(vec![made.cert.into()], key));
    let certificates = Arc::new(Certificates::new(CertificateSet::new(shown, [])));
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has them")
        .with_no_client_auth()
        .with_cert_resolver(certificates.clone());
    Arc::new(ServerTls { config: Arc::new(config), certificates, authorities: Authorities::Any })
}

fn route(stats: Arc<RouteStats>, plan: Plan) -> Route {
    let mut route = Route {
        name: "jobs".into(),
        upstream: Some(0),
        timeouts: Timeouts {
            total: plan.limits.total,
            idle: plan.limits.idle,
            response: Some(RESPONSE_TIMEOUT),
            ..Timeouts::default()
        },
        message_bytes_max: Some(2 * MESSAGE_BYTES_MAX as u32),
        replay_bytes_max: 64 << 10,
        hedge: plan.limits.hedge,
        retry: plan.limits.retry.map(|rules| Box::new(rules())),
        filters: if plan.broken_filters { broken_chain() } else { Chain::default() },
        grpc_web: Translate::No,
        stats,
    };
    if let Some(change) = plan.limits.route {
        change(&mut route);
    }
    route
}

fn upstream(store: &Arc<Store>, stats: Arc<UpstreamStats>, plan: Plan) -> Upstream {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has them")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let mut upstream = Upstream {
        name: "nodes".into(),
        protocol: Protocol { speaks: Speaks::Http2, tls: None },
        tls: Arc::new(ClientTls { config: Arc::new(tls), server_name: None }),
        targets: match plan.limits.balanced {
            Some(nodes) => {
                let mut nodes = nodes();
                nodes.rules.sticky = plan.limits.sticky.map(|sticky| sticky(store));
                Targets::Balanced(Box::new(nodes))
            }
            None => Targets::Lookup(lookup(store)),
        },
        transcoding: None,
        h2: Arc::new(h2::Config::default()),
        h1: Arc::default(),
        timeouts: Timeouts {
            connect: Some(Duration::from_secs(1)),
            acquire: Some(if plan.tight {
                Duration::from_millis(50)
            } else {
                Duration::from_secs(60)
            }),
            ..Timeouts::default()
        },
        drain_timeout: None,
        idle_timeout: Duration::from_secs(20),
        keepalive: narrows_gateway::keepalive::Keepalive::default(),
        max_connection_age: age_max(plan),
        max_connections: if plan.tight { 1 } else { 4 },
        retry_budget: RetryBudget::default(),
        announces: None,
        max_pending: if plan.tight { 4 } else { 1000 },
        stats,
    };
    if let Some(change) = plan.limits.upstream {
        change(&mut upstream);
    }
    upstream
}

fn lookup(store: &Arc<Store>) -> Lookup {
    Lookup {
        store: store.clone(),
        key: Template::parse("{header.jobid}").expect("a template"),
        allow: Networks::new(vec!["10.0.0.0/8".parse().expect("a network")]),
        drained: Arc::default(),
        budget: Duration::from_millis(500),
        on_missing: OnMissing::Fail,
    }
}

fn age_max(plan: Plan) -> Option<Duration> {
    plan.tight.then_some(Duration::from_millis(300))
}

pub(super) fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}
