//! HTTP/1: bytes of a peer, whole and cut into pieces, and what would be passed on of them.
//!
//! Three things have to hold: pieces give the events that the whole gives; every head and all trailers that
//! come out can be written, and are read again as what they were; memory stays within bounds.

use std::sync::Arc;

use narrows_wire::codec::{End, Event, Role};
use narrows_wire::h1::{Config, Connection, Scheme};
use narrows_wire::{Head, Name, Time};

use super::{CONNECTION_BYTES_MAX, INPUT_BYTES_MAX, head};

/// An event without what differs between runs. Pieces of a body are put together.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Message(&'static str, Vec<(Vec<u8>, Vec<u8>)>, End),
    Data(Vec<u8>, End),
    Other(String),
}

/// A client's bytes into our server.
pub fn h1_server(input: &[u8]) {
    compare(Role::Server, input);
}

/// A node's bytes into our client, which has asked for something.
pub fn h1_client(input: &[u8]) {
    compare(Role::Client, input);
}

/// The first byte says into how large pieces the input is cut, and what the client asked for.
fn compare(role: Role, input: &[u8]) {
    let input = &input[..input.len().min(INPUT_BYTES_MAX)];
    let Some((&first, bytes)) = input.split_first() else { return };
    let whole = run(role, first, bytes.chunks(INPUT_BYTES_MAX));
    let pieces = run(role, first, bytes.chunks(usize::from(first / 4) + 1));
    assert_eq!(whole, pieces, "pieces are taken for something else");
}

fn connection(role: Role) -> Connection {
    Connection::new(role, Scheme::Http, Arc::new(Config::default()), 7, Time::ZERO)
}

/// The owner answers each request when it is complete, takes every byte and writes everything at once.
fn run<'a>(role: Role, kind: u8, pieces: impl Iterator<Item = &'a [u8]>) -> Vec<Told> {
    let mut connection = connection(role);
    if role == Role::Client {
        connection.open(Time::ZERO, 0, &question(kind), End::Stream).expect("it is free");
    }
    let mut told = Vec::new();
    let mut left = Vec::new();
    for piece in pieces {
        left.extend_from_slice(piece);
        feed(&mut connection, role, &mut left, &mut told);
        assert!(connection.memory_bytes() <= CONNECTION_BYTES_MAX, "memory without bound");
    }
    if left.is_empty() {
        connection.end_input(Time::ZERO);
        feed(&mut connection, role, &mut left, &mut told);
    }
    told
}

/// What our client asked for.
fn question(kind: u8) -> Head {
    let (scheme, path, authority) = ((":scheme", "http"), (":path", "/"), (":authority", "a:1"));
    let connect = (":method", "CONNECT");
    match kind % 4 {
        0 => head(&[(":method", "GET"), scheme, path, authority]),
        1 => head(&[(":method", "HEAD"), scheme, path, authority]),
        2 => head(&[connect, authority]),
        _ => head(&[connect, (":protocol", "websocket"), scheme, path, authority]),
    }
}

fn feed(connection: &mut Connection, role: Role, left: &mut Vec<u8>, told: &mut Vec<Told>) {
    let bytes = std::mem::take(left);
    let mut input = &bytes[..];
    let mut fields = Head::new();
    while let Some(event) = connection.receive(Time::ZERO, &mut input, &mut fields) {
        tell(told, &event, &fields);
        match event {
            Event::Head { stream, end, .. } if role == Role::Server => {
                forward_request(&fields, end);
                let is_tunnel = fields.get(Name::Method) == Some(b"CONNECT");
                if end == End::Stream || is_tunnel {
                    answer(connection, stream);
                }
            }
            Event::Head { .. } | Event::Informational { .. } => forward_reply(&fields),
            Event::Trailers { stream, .. } if role == Role::Server => answer(connection, stream),
            Event::Data { stream, data, end, .. } => {
                connection.grant(stream, data.len());
                if end == End::Stream && role == Role::Server {
                    answer(connection, stream);
                }
            }
            Event::Refused { stream, .. } => answer(connection, stream),
            Event::Reset { stream, .. } => connection.release(stream),
            _ => {}
        }
        let output = connection.output();
        let written = output.len();
        output.consume(written);
        connection.pump();
    }
    assert!(input.is_empty() || !connection.accepts_input(), "bytes are left");
    *left = input.to_vec();
}

fn answer(connection: &mut Connection, stream: narrows_wire::codec::StreamKey) {
    connection.send_head(stream, &head(&[(":status", "200")]), End::Open);
    connection.send_data(stream, b"0123456789", End::Stream);
    connection.release(stream);
}

fn tell(told: &mut Vec<Told>, event: &Event<'_>, head: &Head) {
    let fields = || head.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
    let one = match event {
        Event::Head { end, .. } => Told::Message("head", fields(), *end),
        Event::Informational { .. } => Told::Message("informational", fields(), End::Open),
        Event::Trailers { .. } => Told::Message("trailers", fields(), End::Stream),
        Event::Data { data, end, .. } => {
            if let Some(Told::Data(body, last)) = told.last_mut()
                && *last == End::Open
            {
                body.extend_from_slice(data);
                *last = *end;
                return;
            }
            Told::Data(data.to_vec(), *end)
        }
        // Who writes the last bytes that nobody wants differs.
        Event::Sent { .. } => return,
        other => Told::Other(format!("{other:?}")),
    };
    told.push(one);
}

/// What came out as a request can be asked of a node, who reads the same.
fn forward_request(request: &Head, end: End) {
    let (mut client, mut server) = (connection(Role::Client), connection(Role::Server));
    let opened = client.open(Time::ZERO, 0, request, end);
    opened.expect("what was read can be said");
    let bytes = client.output().front().to_vec();
    let (mut input, mut again) = (&bytes[..], Head::new());
    match server.receive(Time::ZERO, &mut input, &mut again) {
        Some(Event::Head { .. }) => {}
        other => panic!("it is not understood: {other:?} {}", String::from_utf8_lossy(&bytes)),
    }
    same(request, &again);
}

/// What came out as the head of a reply can be told to a client, who reads the same.
fn forward_reply(reply: &Head) {
    let (mut client, mut server) = (connection(Role::Client), connection(Role::Server));
    client.open(Time::ZERO, 0, &question(0), End::Stream).expect("it is free");
    let mut fields = Head::new();
    let bytes = client.output().front().to_vec();
    let asked = server.receive(Time::ZERO, &mut &bytes[..], &mut fields);
    let Some(Event::Head { stream, .. }) = asked else { panic!("our own request: {asked:?}") };
    server.send_informational(stream, reply);
    server.send_head(stream, reply, End::Open);
    let bytes = server.output().front().to_vec();
    match client.receive(Time::ZERO, &mut &bytes[..], &mut fields) {
        Some(Event::Head { .. } | Event::Informational { .. }) => same(reply, &fields),
        other => panic!("it is not understood: {other:?} {}", String::from_utf8_lossy(&bytes)),
    }
}

/// The same fields. Cookies may be put together, TE may move, and a length that can not be meant is left out.
fn same(one: &Head, other: &Head) {
    let plain = |head: &Head| {
        let names = [Name::Cookie, Name::Te, Name::ContentLength];
        let kept = head.fields().iter().filter(|field| !names.contains(&field.name));
        let ours = [&b"sec-websocket-key"[..], b"sec-websocket-accept"];
        kept.map(|field| (head.name(field).to_vec(), head.value(field).to_vec()))
            .filter(|(name, _)| !ours.contains(&&name[..]))
            .collect::<Vec<_>>()
    };
    assert_eq!(plain(one), plain(other), "fields changed on the way");
}
