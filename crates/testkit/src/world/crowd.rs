//! Many long streams at once, to nodes that take few on one connection: the pool opens as many connections as that
//! takes, and no stream waits for another one to end.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use narrows_gateway::balance::{Balanced, Policy};
use narrows_gateway::snapshot::{Listener, Route, Timeouts, Upstream};
use narrows_wire::h2;

use super::net::Welcome;
use super::peer::Peer;
use super::retry::set;
use super::{Limits, Plan, World};

const STREAMS: usize = 10_000;
/// Streams that nodes take on one connection.
const NODE_STREAMS: u32 = 100;
const CLIENTS: usize = 10;
/// Streams that clients may have on one connection.
const CLIENT_STREAMS: u32 = 1000;
const NODES: [&str; 3] = ["10.0.0.7:50051", "10.0.0.8:50051", "10.0.0.9:50051"];
/// All streams are to be open by then.
const PATIENCE: Duration = Duration::from_secs(4);

#[test]
fn ten_thousand_long_streams_are_open_at_once() {
    let nodes: fn() -> Balanced = || set(&NODES, Policy::RoundRobin);
    let limits = Limits {
        balanced: Some(nodes),
        listener: Some(wide),
        route: Some(endless),
        upstream: Some(wide_pool),
        ..Limits::default()
    };
    let mut world = World::new(1, Plan { limits, ..Plan::default() });
    world.clients.clear();
    world.nodes.clear();
    NODES.iter().for_each(|node| world.net.add_host(address(node), Welcome::Accepts));
    let begin = world.net.now();
    let client = |at| (Peer::client(&world.net, at, begin), 0);
    let mut clients: Vec<_> = (0..CLIENTS).map(client).collect();
    let mut taken: BTreeMap<&str, Vec<Peer>> = BTreeMap::new();
    while world.net.now() < begin + PATIENCE && open(&clients) < STREAMS {
        step(&mut world, &mut clients, &mut taken);
    }
    assert_eq!(open(&clients), STREAMS);
    let shard = world.snapshot.upstreams[0].stats.shard(0);
    assert_eq!((shard.streams.get(), shard.pending.get()), (STREAMS as i64, 0));
    for peers in taken.values() {
        let fullest = peers.iter().map(|peer| peer.streams.len()).max();
        assert_eq!(fullest, Some(NODE_STREAMS as usize));
        // Connections are filled, so that few are needed.
        let streams: usize = peers.iter().map(|peer| peer.streams.len()).sum();
        assert!(peers.len() <= streams.div_ceil(NODE_STREAMS as usize) + 1, "{}", peers.len());
    }
}

fn step(
    world: &mut World,
    clients: &mut [(Peer, usize)],
    taken: &mut BTreeMap<&'static str, Vec<Peer>>,
) {
    let (net, now) = (&world.net, world.net.now());
    for (client, calls) in clients {
        while *calls < STREAMS / CLIENTS && client.capacity() > 0 {
            client.call(now);
            *calls += 1;
        }
        client.step(net, now);
    }
    for node in NODES {
        let peers = taken.entry(node).or_default();
        let config = h2::Config { max_concurrent_streams: NODE_STREAMS, ..h2::Config::default() };
        peers.extend(Peer::node(net, address(node), config, now));
        for peer in peers {
            peer.step(net, now);
            peer.begin_replies();
        }
    }
    world.step();
}

/// Streams whose replies have begun.
fn open(clients: &[(Peer, usize)]) -> usize {
    clients.iter().map(|(client, _)| client.streams.len()).sum()
}

fn wide(listener: &mut Listener) {
    let h2 = (*listener.h2).clone();
    listener.h2 = Arc::new(h2::Config { max_concurrent_streams: CLIENT_STREAMS, ..h2 });
}

fn endless(route: &mut Route) {
    route.timeouts = Timeouts::default();
}

fn wide_pool(upstream: &mut Upstream) {
    upstream.max_connections = 128;
    upstream.max_pending = STREAMS;
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}
