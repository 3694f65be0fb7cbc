//! What relaying an exchange of HTTP/1 to HTTP/1 costs, without sockets.
//!
//! ```text
//! cargo build --release -p narrows-wire --example h1_cost
//! time target/release/examples/h1_cost 1000000
//! ```
//! A request is read from a client and asked of a node, its reply is read and given to the client. The
//! argument is the number of exchanges: divide the time by it, or the instructions that callgrind counts.
#![allow(clippy::unwrap_used, reason = "an example fails by panicking")]

use std::fmt::Write;
use std::sync::Arc;

use narrows_wire::codec::{End, Event, Role, StreamKey};
use narrows_wire::h1::{Connection, Scheme};
use narrows_wire::{Head, Time};

const REPLY: &[u8] = b"HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Wed, 25 Nov 2026 13:00:00 GMT\r\n\
    Content-Type: application/json\r\nContent-Length: 100\r\nConnection: keep-alive\r\n\
    Cache-Control: no-cache\r\nX-Request-Id: 4f2c0b7a9d1e4c0f8a3b5d6e7f809102\r\n\r\n\
    0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789";

/// A gateway between a client and a node.
struct Relay {
    client: Connection,
    node: Connection,
    head: Head,
}

fn main() {
    let exchanges: u32 =
        std::env::args().nth(1).map_or(1_000_000, |text| text.parse().expect("a number"));
    let requests: Vec<_> = (0..1000).map(request).collect();
    let connection = |role| Connection::new(role, Scheme::Http, Arc::default(), 1, Time::ZERO);
    let (client, node) = (connection(Role::Server), connection(Role::Client));
    let mut relay = Relay { client, node, head: Head::new() };
    let mut bytes = 0;
    for request in requests.iter().cycle().take(exchanges as usize) {
        bytes += relay.exchange(request.as_bytes());
    }
    println!("{exchanges} exchanges, {} bytes out for each", bytes / exchanges as usize);
}

/// What a browser or a tool sends, with what differs from call to call.
fn request(number: u64) -> String {
    let mut text = format!("GET /api/v1/items/{number}?page=2&sort=name HTTP/1.1\r\n");
    let id = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for field in [
        "Host: api.example.com",
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        "Accept: application/json, text/plain, */*",
        "Accept-Language: en-US,en;q=0.5",
        "Accept-Encoding: gzip, deflate, br, zstd",
        "Connection: keep-alive",
    ] {
        write!(text, "{field}\r\n").unwrap();
    }
    write!(text, "Authorization: Bearer {id:016x}{id:016x}{id:016x}\r\n").unwrap();
    write!(text, "Traceparent: 00-{id:032x}-{id:016x}-01\r\nX-Request-Id: {id:032x}\r\n\r\n")
        .unwrap();
    text
}

// === impl Relay ===

impl Relay {
    fn exchange(&mut self, request: &[u8]) -> usize {
        let Self { client, node, head } = self;
        let event = client.receive(Time::ZERO, &mut &request[..], head);
        let Some(Event::Head { stream, .. }) = event else { panic!("{event:?}") };
        node.open(Time::ZERO, 0, head, End::Stream).unwrap();
        let written = flush(node);
        let mut input = REPLY;
        while let Some(event) = node.receive(Time::ZERO, &mut input, head) {
            pass(client, stream, event, head);
        }
        client.release(stream);
        written + flush(client)
    }
}

fn pass(client: &mut Connection, stream: StreamKey, event: Event<'_>, head: &Head) {
    match event {
        Event::Head { end, .. } => client.send_head(stream, head, end),
        Event::Data { data, end, .. } => {
            client.send_data(stream, data, end);
        }
        other => panic!("{other:?}"),
    }
}

fn flush(connection: &mut Connection) -> usize {
    let output = connection.output();
    let written = output.len();
    output.consume(written);
    written
}
