//! An exchange over HTTP/1 allocates nothing once its connections are warm, in either role.

use std::alloc::System;
use std::sync::Arc;

use narrows_wire::codec::{Event, Role};
use narrows_wire::h1::{Connection, Scheme};
use narrows_wire::{Head, Time};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const REQUEST: &[u8] = b"POST /a/b?c HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: x\r\n\
    Connection: keep-alive\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\
    X-Request-Id: 4f2c0b7a9d1e4c0f8a3b5d6e7f809102\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
const REPLY: &[u8] = b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 5\r\n\r\nworld";

/// Where a request is cut in two: not at all, in its head, in its chunks.
const CUTS: [usize; 4] = [0, 100, REQUEST.len() - 13, REQUEST.len() - 3];

/// A gateway between a client and a node, both of which speak HTTP/1.
fn exchange(client: &mut Connection, node: &mut Connection, head: &mut Head, cut: usize) {
    let mut stream = None;
    let mut asked = None;
    for mut input in [&REQUEST[..cut], &REQUEST[cut..]] {
        while let Some(event) = client.receive(Time::ZERO, &mut input, head) {
            match event {
                Event::Head { stream: key, end, .. } => {
                    stream = Some(key);
                    asked = Some(node.open(Time::ZERO, 0, head, end).expect("it is free"));
                }
                Event::Data { data, end, .. } => {
                    node.send_data(asked.expect("it was asked"), data, end);
                }
                other => panic!("{other:?}"),
            }
        }
    }
    flush(node);
    let stream = stream.expect("there was a request");
    let mut input = REPLY;
    while let Some(event) = node.receive(Time::ZERO, &mut input, head) {
        match event {
            Event::Head { end, .. } => client.send_head(stream, head, end),
            Event::Data { data, end, .. } => drop_sent(client.send_data(stream, data, end)),
            other => panic!("{other:?}"),
        }
    }
    client.release(stream);
    flush(client);
}

fn drop_sent(sent: usize) {
    assert_eq!(sent, 5);
}

fn flush(connection: &mut Connection) {
    let output = connection.output();
    let written = output.len();
    assert!(written > 0);
    output.consume(written);
    connection.pump();
}

#[test]
fn an_exchange_in_steady_state_allocates_nothing() {
    let connection = |role| Connection::new(role, Scheme::Http, Arc::default(), 1, Time::ZERO);
    let (mut client, mut node) = (connection(Role::Server), connection(Role::Client));
    let mut head = Head::new();
    for cut in CUTS {
        exchange(&mut client, &mut node, &mut head, cut);
    }
    let region = Region::new(ALLOCATOR);
    for round in 0..1000 {
        exchange(&mut client, &mut node, &mut head, CUTS[round % 4]);
    }
    let change = region.change();
    assert_eq!((change.allocations, change.reallocations), (0, 0), "{change:?}");
    assert_eq!((client.active_streams(), node.capacity()), (0, 1));
}
