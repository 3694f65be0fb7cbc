//! What a connection holds.

use narrows_wire::codec::{End, Event, Role};
use narrows_wire::h2::{Config, Connection};

use crate::support::{Pair, Raw, Seen, closed, reply, request, trailers};

/// A connection that has carried calls and rests now fits the budget of an idle one.
#[test]
fn an_idle_connection_is_small() {
    let mut pair = Pair::new();
    for round in 0..20 {
        for _ in 0..20 {
            let key = pair.open(round, &request(), End::Open);
            pair.client.connection.send_data(key, &[1; 5000], End::Stream);
        }
        for seen in pair.exchange().1 {
            if let Seen::Head { stream, .. } = seen {
                pair.server.connection.send_head(stream, &reply(), End::Open);
                pair.server.connection.send_data(stream, &[2; 1000], End::Open);
                pair.server.connection.send_trailers(stream, &trailers());
                pair.server.connection.release(stream);
            }
        }
        pair.exchange();
    }
    let busy = pair.server.connection.memory_bytes();
    pair.server.connection.shrink();
    let idle = pair.server.connection.memory_bytes();
    assert!(busy < 64 << 10, "{busy}");
    assert!(idle < 2 << 10, "{idle}");
    let fresh = Connection::new(Role::Server, Config::default().into(), pair.now);
    assert!(fresh.memory_bytes() < 2 << 10, "{}", fresh.memory_bytes());
    // It still works.
    pair.open(1, &request(), End::Stream);
    assert!(matches!(pair.exchange().1[..], [Seen::Head { .. }]));
}

/// An event is passed around for every frame.
#[test]
fn an_event_is_small() {
    assert!(size_of::<Event<'_>>() <= 64, "{}", size_of::<Event<'_>>());
}

/// The tables of a warm connection do not grow: the memory after a thousand calls is that after ten
/// thousand.
#[test]
fn a_warm_connection_does_not_grow() {
    let mut raw = Raw::client(Config::default());
    let mut after_a_thousand = 0;
    for n in 0..10_000u32 {
        let key = raw.request(2 * n + 1, End::Stream);
        raw.ours.connection.send_head(key, &reply(), End::Stream);
        raw.ours.connection.release(key);
        raw.ours.take_output();
        if n == 1000 {
            after_a_thousand = raw.ours.connection.memory_bytes();
        }
    }
    assert_eq!(raw.ours.connection.memory_bytes(), after_a_thousand);
    assert_eq!(closed(&raw.send(&[])), None);
}
