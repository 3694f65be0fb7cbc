//! Peers that are gone without a word, on either side, and nodes that do not like to be asked.

use std::net::SocketAddr;
use std::time::Duration;

use narrows_gateway::balance::{Balanced, Policy};
use narrows_gateway::closes::Close;
use narrows_gateway::keepalive::Keepalive;
use narrows_gateway::retry::{Conditions, Retry};
use narrows_gateway::snapshot::{Listener, Route, Timeouts, Upstream};
use narrows_wire::{Time, h2};

use super::net::Welcome;
use super::peer::Peer;
use super::retry::set;
use super::{Limits, Plan, World};

const INTERVAL: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_secs(5);
/// Timers fire on the ticks of a wheel, and what they cause has to travel.
const TOLERANCE: Duration = Duration::from_millis(100);
const NODES: [&str; 2] = ["10.0.0.8:50051", "10.0.0.9:50051"];
/// GOAWAY with all streams, ENHANCE_YOUR_CALM, and the words of gRPC.
const COMPLAINT: &[u8] =
    b"\x00\x00\x16\x07\x00\x00\x00\x00\x00\x7f\xff\xff\xff\x00\x00\x00\x0btoo_many_pings";

/// A client, and the connections that nodes have taken.
struct Scene {
    world: World,
    client: Peer,
    nodes: Vec<Peer>,
}

#[test]
fn calls_to_a_node_that_is_gone_end() {
    let mut scene = Scene::new(Limits { upstream: Some(asks_nodes), ..limits() });
    scene.client.call(scene.now());
    scene.pass(TOLERANCE);
    scene.nodes[0].is_deaf = true;
    scene.pass(INTERVAL + TIMEOUT - 2 * TOLERANCE);
    assert_eq!(scene.client.statuses, [""; 0]);
    scene.pass(3 * TOLERANCE);
    assert_eq!(scene.client.statuses, ["14"]);
    assert_eq!(scene.closes_of_nodes(Close::KeepaliveTimeout), 1);
}

#[test]
fn calls_to_a_node_that_is_gone_are_made_elsewhere() {
    let retry: fn() -> Retry = rules;
    let nodes: fn() -> Balanced = || set(&NODES, Policy::RoundRobin);
    let limits = Limits { retry: Some(retry), balanced: Some(nodes), ..limits() };
    let mut scene = Scene::new(Limits { upstream: Some(asks_nodes), ..limits });
    scene.client.call(scene.now());
    scene.pass(TOLERANCE);
    scene.nodes[0].is_deaf = true;
    scene.pass(INTERVAL + TIMEOUT + TOLERANCE);
    assert_eq!((scene.nodes.len(), scene.nodes[1].streams.len()), (2, 1));
    assert_eq!(scene.client.statuses, [""; 0]);
}

#[test]
fn calls_of_a_client_that_is_gone_are_cancelled_at_their_nodes() {
    let mut scene = Scene::new(Limits { listener: Some(asks_clients), ..limits() });
    scene.client.call(scene.now());
    scene.pass(TOLERANCE);
    scene.client.is_deaf = true;
    scene.pass(INTERVAL + TIMEOUT - 2 * TOLERANCE);
    assert_eq!((scene.nodes[0].streams.len(), scene.nodes[0].resets), (1, 0));
    scene.pass(3 * TOLERANCE);
    assert_eq!((scene.nodes[0].streams.len(), scene.nodes[0].resets), (0, 1));
    assert_eq!(scene.world.closes_of_clients(Close::KeepaliveTimeout), 1);
    assert_eq!(scene.world.snapshot.router.route(0).stats.shard(0).active.get(), 0);
}

#[test]
fn a_node_that_complains_is_asked_half_as_often_on_later_connections_too() {
    let mut scene = Scene::new(Limits { upstream: Some(asks_nodes), ..limits() });
    let call = scene.client.call(scene.now());
    scene.pass(INTERVAL + TIMEOUT);
    assert_eq!(scene.nodes[0].pings, 1);
    scene.nodes[0].last = Some(COMPLAINT);
    scene.pass(8 * INTERVAL + TIMEOUT);
    assert_eq!(scene.nodes[0].pings, 1 + 4);
    scene.client.cancel(call);
    scene.pass(TOLERANCE);
    // Nothing is left of the node but what it said.
    assert_eq!((scene.nodes[0].is_over, scene.world.worker.census()[2]), (true, 0));
    scene.client.call(scene.now());
    scene.pass(8 * INTERVAL + TIMEOUT);
    assert_eq!((scene.nodes.len(), scene.nodes[1].pings), (2, 4));
}

#[test]
fn nobody_is_asked_without_streams() {
    let limits = Limits { upstream: Some(asks_nodes), listener: Some(asks_clients), ..limits() };
    let mut scene = Scene::new(limits);
    let call = scene.client.call(scene.now());
    scene.pass(2 * INTERVAL + TIMEOUT);
    assert_eq!((scene.client.pings, scene.nodes[0].pings), (2, 2));
    scene.client.cancel(call);
    scene.pass(10 * INTERVAL);
    assert_eq!((scene.client.pings, scene.nodes[0].pings), (2, 2));
    // The silence of before does not count.
    scene.client.call(scene.now());
    scene.pass(INTERVAL - TOLERANCE);
    assert_eq!((scene.client.pings, scene.nodes[0].pings), (2, 2));
    scene.pass(2 * TOLERANCE);
    assert_eq!((scene.client.pings, scene.nodes[0].pings), (3, 3));
}

// === impl Scene ===

impl Scene {
    fn new(limits: Limits) -> Self {
        let mut world = World::new(1, Plan { limits, ..Plan::default() });
        world.clients.clear();
        world.nodes.clear();
        for node in NODES {
            world.net.add_host(address(node), Welcome::Accepts);
        }
        let client = Peer::client(&world.net, 1, world.net.now());
        let mut scene = Self { world, client, nodes: vec![] };
        scene.pass(TOLERANCE);
        scene
    }

    fn now(&self) -> Time {
        self.world.net.now()
    }

    /// Goes on until exactly so much later.
    fn pass(&mut self, time: Duration) {
        let end = self.now() + time;
        while self.now() < end {
            self.world.other_due = end;
            let (net, now) = (&self.world.net, self.now());
            let config = h2::Config::default;
            let taken = NODES.iter().filter_map(|at| Peer::node(net, address(at), config(), now));
            self.nodes.extend(taken);
            self.client.step(net, now);
            self.nodes.iter_mut().for_each(|node| node.step(net, now));
            self.world.step();
        }
    }

    fn closes_of_nodes(&self, close: Close) -> u64 {
        self.world.snapshot.upstreams[0].stats.shard(0).closes.of(close).get()
    }
}

fn limits() -> Limits {
    let nodes: fn() -> Balanced = || set(&NODES[..1], Policy::RoundRobin);
    Limits { balanced: Some(nodes), route: Some(endless), ..Limits::default() }
}

fn endless(route: &mut Route) {
    route.timeouts = Timeouts::default();
}

fn asks_nodes(upstream: &mut Upstream) {
    upstream.keepalive = Keepalive { interval: Some(INTERVAL), timeout: TIMEOUT };
    upstream.idle_timeout = 100 * INTERVAL;
}

fn asks_clients(listener: &mut Listener) {
    listener.keepalive = Keepalive { interval: Some(INTERVAL), timeout: TIMEOUT };
    listener.idle_timeout = 100 * INTERVAL;
}

fn rules() -> Retry {
    Retry {
        on: Conditions::RESET,
        status_codes: [].into(),
        num_retries: 1,
        per_try_timeout: None,
        base_interval: Duration::from_millis(1),
        max_interval: Duration::from_millis(1),
    }
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}
