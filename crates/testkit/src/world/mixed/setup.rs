//! The part of the configuration that mixed worlds have beside that of all worlds, and who lives there.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use narrows_gateway::balance::{Balanced, Policy, Rules};
use narrows_gateway::endpoints::{Endpoints, Member};
use narrows_gateway::filter::Chain;
use narrows_gateway::outlier::Detection;
use narrows_gateway::passthrough::Passthrough;
use narrows_gateway::route::{Match, PathMatch};
use narrows_gateway::snapshot::{
    Accepts, Listener, Protocol, Route, Snapshot, Speaks, Targets, Translate, Upstream,
};
use narrows_gateway::stats::{ListenerStats, RouteStats, UpstreamStats};
use narrows_gateway::transcoding::{Methods, Transcoding};
use narrows_transcode::{Options, Transcoder};
use narrows_wire::Time;

use super::super::net::{Net, Welcome};
use super::super::rng::Rng;
use super::super::setup::{GATEWAY, address};
use super::super::{Actor, Plan};
use super::line::Version;
use super::node::{Ledger, Node};
use super::{client, tcp};

const HTTP1_NODES: [&str; 2] = ["10.0.2.1:80", "10.0.2.2:80"];
const HTTP2_NODES: [&str; 2] = ["10.0.3.1:80", "10.0.3.2:80"];
const BYTES_NODE: &str = "10.0.4.1:80";
/// Hosts of all worlds: one refuses connections, one does not answer.
const DEAD: &str = "10.0.1.1:1";
const HOLE: &str = "10.0.1.2:1";

/// What calls are when nodes hear gRPC.
const PROTO: &str = "syntax = \"proto3\"; package sim; message Blob { string text = 1; } \
    service Mixed { rpc Call(Blob) returns (Blob); }";

/// An upstream that is not in other worlds, and the route to it.
struct Place {
    name: &'static str,
    path: &'static str,
    nodes: &'static [&'static str],
    speaks: Speaks,
}

const PLACES: [Place; 6] = [
    Place { name: "http1", path: "/http1", nodes: &HTTP1_NODES, speaks: Speaks::Http1 },
    Place { name: "http2", path: "/http2", nodes: &HTTP2_NODES, speaks: Speaks::Http2 },
    Place { name: "dead", path: "/dead", nodes: &[DEAD], speaks: Speaks::Http1 },
    Place { name: "hole", path: "/hole", nodes: &[HOLE], speaks: Speaks::Http1 },
    Place { name: "calls", path: "/sim.Mixed/", nodes: &HTTP2_NODES, speaks: Speaks::Http2 },
    Place { name: "bytes", path: "", nodes: &[BYTES_NODE], speaks: Speaks::Bytes },
];

/// Where opaque bytes are taken.
fn bytes_address() -> SocketAddr {
    SocketAddr::new(GATEWAY.ip(), 81)
}

/// Puts everybody into the world.
pub(in super::super) fn actors(rng: &mut Rng, net: &Net, plan: Plan) -> Vec<Box<dyn Actor>> {
    let ledger = Ledger::default();
    let mut actors: Vec<Box<dyn Actor>> = vec![];
    for (version, nodes) in [(Version::Http1, HTTP1_NODES), (Version::Http2, HTTP2_NODES)] {
        for node in nodes.map(address) {
            net.add_host(node, Welcome::Accepts);
            let rng = Rng::new(rng.next());
            actors.push(Box::new(Node::new(rng, node, version, plan, ledger.clone())));
        }
    }
    net.add_host(address(BYTES_NODE), Welcome::Accepts);
    actors.push(Box::new(tcp::Node::new(Rng::new(rng.next()), address(BYTES_NODE), plan)));
    let versions = [Version::Http1, Version::Http1, Version::Http1, Version::Http2, Version::Http2];
    for (at, version) in versions.into_iter().enumerate() {
        let own = address(&format!("198.51.100.{}:2000", 10 + at));
        let (chance, first) = (Rng::new(rng.next()), 1000 * (at as u64 + 1));
        let with = (chance, net.clone());
        actors.push(Box::new(client::Client::new(with, (GATEWAY, own), version, plan, first)));
    }
    for at in 0..2 {
        let own = address(&format!("198.51.100.{}:2000", 20 + at));
        let (chance, first) = (Rng::new(rng.next()), 1000 * (at + 10));
        actors.push(Box::new(tcp::Client::new(chance, (bytes_address(), own), plan, first)));
    }
    actors
}

/// Adds to a snapshot of other worlds what mixed ones need; `before`: the one that it follows, whose counters and
/// nodes go on.
pub(in super::super) fn extend(
    snapshot: &mut Snapshot,
    routes: &mut Vec<(Match, Arc<Route>)>,
    before: Option<&Snapshot>,
) {
    let (model, model_route) = (snapshot.upstreams[0].clone(), routes[0].1.clone());
    for (at, place) in PLACES.iter().enumerate().map(|(at, place)| (at + 1, place)) {
        let old = before.map(|before| before.upstreams[at].clone());
        snapshot.upstreams.push(Arc::new(upstream(place, &model, old.as_deref())));
        if !place.path.is_empty() {
            let path = Some(PathMatch::prefix(place.path).expect("a path"));
            let conditions = Match { path, ..Match::default() };
            routes.push((conditions, route(place, at, &model_route, before)));
        }
    }
}

/// Adds the listener for opaque bytes and its route, which no request finds.
pub(in super::super) fn listen(snapshot: &mut Snapshot, before: Option<&Snapshot>) {
    let place = PLACES.last().expect("there are places");
    let model = snapshot.router.route(0).clone();
    let route = snapshot.router.attach(route(place, PLACES.len(), &model, before));
    let passthrough = Passthrough { rules: vec![], otherwise: Some(route) };
    let http = snapshot.listeners[0].clone();
    let listener = Listener {
        name: "bytes".into(),
        address: bytes_address(),
        tls: None,
        accepts: Accepts::Bytes(passthrough),
        sources: http.sources.clone(),
        forwarding: http.forwarding.clone(),
        h2: http.h2.clone(),
        h1: http.h1.clone(),
        stats: Arc::new(ListenerStats::new(1)),
        ..*http
    };
    snapshot.listeners.push(Arc::new(listener));
}

fn route(place: &Place, at: usize, model: &Route, before: Option<&Snapshot>) -> Arc<Route> {
    let old = before.map(|before| before.router.routes().collect::<Vec<_>>());
    let old = old.and_then(|routes| routes.into_iter().find(|route| *route.name == *place.name));
    Arc::new(Route {
        name: place.name.into(),
        upstream: Some(at),
        timeouts: model.timeouts,
        message_bytes_max: None,
        replay_bytes_max: model.replay_bytes_max,
        hedge: None,
        retry: None,
        filters: Chain::default(),
        grpc_web: if place.name == "calls" { Translate::Yes } else { Translate::No },
        stats: old.map_or_else(|| Arc::new(RouteStats::new(1)), |route| route.stats.clone()),
    })
}

fn upstream(place: &Place, model: &Upstream, old: Option<&Upstream>) -> Upstream {
    let stats = old.map(|old| old.stats.clone());
    let transcoding = (place.name == "calls").then(|| transcoding().clone());
    Upstream {
        name: place.name.into(),
        protocol: Protocol { speaks: place.speaks, tls: None },
        tls: model.tls.clone(),
        targets: Targets::Balanced(Box::new(balanced(place, old))),
        transcoding,
        h2: model.h2.clone(),
        h1: model.h1.clone(),
        // One request of HTTP/1.1 takes a connection for itself.
        max_connections: if place.speaks.is_exclusive() { 40 } else { model.max_connections },
        stats: stats.unwrap_or_else(|| Arc::new(UpstreamStats::new(1))),
        ..*model
    }
}

fn balanced(place: &Place, old: Option<&Upstream>) -> Balanced {
    let member = |node: &&str| Member {
        target: Arc::new(node.parse().expect("a target")),
        weight: 1,
        priority: 0,
        labels: std::collections::BTreeMap::new(),
    };
    let members = place.nodes.iter().map(member).collect();
    let endpoints = match old.map(|old| &old.targets) {
        Some(Targets::Balanced(old)) => Endpoints::following(&old.endpoints, members, Time::ZERO),
        _ => Endpoints::following(&Endpoints::new(1), members, Time::ZERO),
    };
    let (endpoints, policy) = (Arc::new(endpoints), Policy::RoundRobin);
    let (rules, outliers) = (Rules::default(), Detection::default());
    Balanced { endpoints, policy, rules, outliers, slow_start: None }
}

fn transcoding() -> &'static Arc<Transcoding> {
    static TRANSCODING: OnceLock<Arc<Transcoding>> = OnceLock::new();
    TRANSCODING.get_or_init(|| {
        let file = protox::file::File::from_source("mixed.proto", PROTO).expect("it compiles");
        let mut compiler = protox::Compiler::with_file_resolver(OneFile(file));
        compiler.open_file("mixed.proto").expect("it compiles");
        let set = compiler.encode_file_descriptor_set();
        let transcoder = Transcoder::new(&set, Options::default()).expect("it has no fault");
        let transcoding = Transcoding::default();
        transcoding.replace(Methods { transcoder, description: Box::default() });
        Arc::new(transcoding)
    })
}

/// Knows the one file that there is.
struct OneFile(protox::file::File);

impl protox::file::FileResolver for OneFile {
    fn open_file(&self, _: &str) -> Result<protox::file::File, protox::Error> {
        Ok(self.0.clone())
    }
}
