//! What the gateway says of itself when it is asked.

use std::time::Duration;

use narrows_gateway::control::{Command, ConnectionInfo};

use super::call::Mode;
use super::limits::make_call;
use super::setup::{GATEWAY, client_address};
use super::{Limits, Plan, World};

#[test]
fn a_connection_is_listed_with_what_it_speaks() {
    let mut world = World::new(1, Plan::default());
    make_call(&mut world, Mode::Echo, 10);
    assert_eq!(spoken(&mut world, "upstream"), ["h2c"]);
    assert_eq!(spoken(&mut world, "downstream"), ["h2c"]);
    for (at, words) in [(2, &b"GET / HTTP/1.1\r\n"[..]), (3, b"PRI * HT")] {
        let socket = world.net.connect_actor(GATEWAY, client_address(at));
        world.pass(Duration::from_millis(100));
        world.net.write(socket, words).expect("room for a few bytes");
    }
    world.pass(Duration::from_secs(1));
    assert_eq!(spoken(&mut world, "downstream"), ["detecting", "h2c", "http/1.1"]);
}

#[test]
fn a_handshake_is_not_taken_for_a_protocol() {
    let limits = Limits { tls: true, ..Limits::default() };
    let mut world = World::new(1, Plan { limits, ..Plan::default() });
    world.clients.clear();
    world.net.connect_actor(GATEWAY, client_address(1));
    world.pass(Duration::from_secs(1));
    assert_eq!(spoken(&mut world, "downstream"), ["detecting"]);
}

/// What the connections of one side speak, sorted.
fn spoken(world: &mut World, side: &str) -> Vec<&'static str> {
    let (to, links) = std::sync::mpsc::channel();
    world.mailbox.post(Command::Connections(to));
    world.turn();
    let listed: Vec<ConnectionInfo> = links.try_iter().flatten().collect();
    let of_side = listed.iter().filter(|link| link.side == side);
    let mut spoken: Vec<_> = of_side.map(|link| link.protocol).collect();
    spoken.sort_unstable();
    spoken
}
