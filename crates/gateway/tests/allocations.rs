//! A unary call allocates nothing once everything is warm.
//!
//! The gateway runs as in production: a worker on its own thread, real sockets, a route, a lookup, counters and
//! a log record. The client and the node are this thread; they work on arrays, so every allocation that is
//! counted is the gateway's. Every call differs: its job, its deadline and its request id.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::alloc::System;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use narrows_gateway::control::{Busy, ControlPort, Job};
use narrows_gateway::filter::Chain;
use narrows_gateway::lookup::{Cached, Outcome, Store};
use narrows_gateway::record::Records;
use narrows_gateway::retry::RetryBudget;
use narrows_gateway::route::{Match, Router, Template};
use narrows_gateway::runtime;
use narrows_gateway::snapshot::{
    Accepts, AccessLog, ClientTls, Listener, Lookup, Networks, OnMissing, Protocol, ProxyProtocol,
    Route, Snapshot, Speaks, Targets, Timeouts, Translate, Upstream,
};
use narrows_gateway::stats::{ListenerStats, RouteStats, UpstreamStats};
use narrows_wire::{Time, h2};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Calls that are in flight at once, on one connection.
const BATCH: usize = 32;
const WARM_UP_BATCHES: usize = 200;
const BATCHES: usize = 500;
const JOBS: usize = 100;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

/// One end of a connection, on arrays alone.
struct Wire {
    stream: TcpStream,
    input: Box<[u8; 1 << 18]>,
    filled: usize,
    output: Box<[u8; 1 << 18]>,
    written: usize,
}

/// No job is posted: every lookup is answered by the table.
struct Nobody;

#[test]
fn a_call_in_steady_state_allocates_nothing() {
    let node = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let snapshot = Arc::new(snapshot(node.local_addr().unwrap()));
    let port: Arc<dyn ControlPort> = Arc::new(Nobody);
    let mut gateway = runtime::start(&snapshot, 1, &port).unwrap();
    let mut records = gateway.take_records();
    let (_, address) = gateway.addresses().remove(0);
    let mut client = Wire::new(TcpStream::connect(address).unwrap());
    client.bytes(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    client.greet();
    let mut calls = Calls { next: 1, made: 0 };
    calls.send(&mut client);
    let mut node = Wire::new(node.accept().unwrap().0);
    node.skip_preface();
    node.greet();
    serve(&mut node);
    client.take(BATCH, |_, _| {});
    for _ in 0..WARM_UP_BATCHES {
        round(&mut calls, &mut client, &mut node, &mut records);
    }

    let region = Region::new(ALLOCATOR);
    for _ in 0..BATCHES {
        round(&mut calls, &mut client, &mut node, &mut records);
    }
    let change = region.change();

    assert_eq!(change.allocations, 0, "in {} calls: {change:?}", BATCHES * BATCH);
    assert_eq!(change.reallocations, 0, "in {} calls: {change:?}", BATCHES * BATCH);
    assert_eq!(calls.made, (1 + WARM_UP_BATCHES + BATCHES) * BATCH);
    gateway.handle.stop();
    gateway.join();
}

fn round(calls: &mut Calls, client: &mut Wire, node: &mut Wire, records: &mut [Records]) {
    calls.send(client);
    serve(node);
    client.take(BATCH, |_, _| {});
    for records in records {
        while let Some(record) = records.pop() {
            records.recycle(record);
        }
    }
}

/// Reads a batch of calls and answers each: head, message, trailers.
fn serve(node: &mut Wire) {
    node.take(BATCH, |stream, wire| {
        wire.frame(HEADERS, END_HEADERS, stream, |block| {
            field(block, b":status", b"200");
            field(block, b"content-type", b"application/grpc");
        });
        wire.frame(DATA, 0, stream, |message| {
            message.bytes(&[0, 0, 0, 0, 100]).bytes(&[b'y'; 100]);
        });
        wire.frame(HEADERS, END_HEADERS | END_STREAM, stream, |block| {
            field(block, b"grpc-status", b"0")
        });
    });
    node.flush();
}

/// The calls of the client.
struct Calls {
    next: u32,
    made: usize,
}

impl Calls {
    fn send(&mut self, client: &mut Wire) {
        for _ in 0..BATCH {
            let (stream, number) = (self.next, self.made);
            self.next += 2;
            self.made += 1;
            client.frame(HEADERS, END_HEADERS, stream, |block| head(block, number));
            client.frame(DATA, END_STREAM, stream, |message| {
                message.bytes(&[0, 0, 0, 0, 100]).bytes(&[b'x'; 100]);
            });
        }
        client.flush();
    }
}

fn head(block: &mut Wire, number: usize) {
    field(block, b":method", b"POST");
    field(block, b":scheme", b"http");
    field(block, b":authority", b"localhost");
    field(block, b":path", b"/echo.Echo/Unary");
    field(block, b"content-type", b"application/grpc");
    field(block, b"te", b"trailers");
    let mut text = *b"job-000000000000";
    digits(&mut text[4..], number % JOBS);
    field(block, b"jobid", &text);
    digits(&mut text[4..], number);
    field(block, b"x-request-id", &text);
    let mut timeout = *b"00000000m";
    digits(&mut timeout[..8], 10_000 + number % 1000);
    field(block, b"grpc-timeout", &timeout);
}

fn digits(into: &mut [u8], mut number: usize) {
    for digit in into.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// RFC 7541 §6.2.2: a literal that is not indexed, its name spelled out.
fn field(block: &mut Wire, name: &[u8], value: &[u8]) {
    block.bytes(&[0, name.len() as u8]).bytes(name).bytes(&[value.len() as u8]).bytes(value);
}

// === impl Wire ===

impl Wire {
    fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let (input, output) = (Box::new([0; 1 << 18]), Box::new([0; 1 << 18]));
        Self { stream, input, filled: 0, output, written: 0 }
    }

    /// SETTINGS and a window that lasts for the whole test.
    fn greet(&mut self) {
        self.frame(SETTINGS, 0, 0, |_| {});
        self.frame(8, 0, 0, |payload| {
            payload.bytes(&(1_u32 << 30).to_be_bytes());
        });
        self.flush();
    }

    fn skip_preface(&mut self) {
        self.stream.read_exact(&mut [0; 24]).unwrap();
    }

    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.output[self.written..self.written + bytes.len()].copy_from_slice(bytes);
        self.written += bytes.len();
        self
    }

    fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: impl FnOnce(&mut Self)) {
        let start = self.written;
        self.bytes(&[0, 0, 0, kind, flags]).bytes(&stream.to_be_bytes());
        payload(self);
        let length = (self.written - start - 9) as u32;
        self.output[start..start + 3].copy_from_slice(&length.to_be_bytes()[1..]);
    }

    fn flush(&mut self) {
        self.stream.write_all(&self.output[..self.written]).unwrap();
        self.written = 0;
    }

    /// Reads until so many streams have been ended by the peer; `ended` may answer each.
    fn take(&mut self, mut streams: usize, mut ended: impl FnMut(u32, &mut Self)) {
        while streams > 0 {
            let read = self.stream.read(&mut self.input[self.filled..]).unwrap();
            assert!(read > 0, "the gateway closed the connection");
            self.filled += read;
            let mut at = 0;
            while let Some((kind, flags, stream, payload)) = self.frame_at(at) {
                at += 9 + payload;
                assert!(!matches!(kind, 3 | 7), "RST_STREAM or GOAWAY");
                if matches!(kind, SETTINGS | PING) && flags & ACK == 0 {
                    let mut copy = [0; 8];
                    copy.copy_from_slice(&self.input[at - 8..at]);
                    self.frame(kind, ACK, 0, |ack| {
                        if kind == PING {
                            ack.bytes(&copy);
                        }
                    });
                    self.flush();
                }
                if matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0 {
                    streams -= 1;
                    ended(stream, self);
                }
            }
            self.input.copy_within(at..self.filled, 0);
            self.filled -= at;
        }
    }

    fn frame_at(&self, at: usize) -> Option<(u8, u8, u32, usize)> {
        let [a, b, c, kind, flags, stream @ ..] =
            *self.input[at..self.filled].first_chunk::<9>()?;
        let payload = u32::from_be_bytes([0, a, b, c]) as usize;
        let stream = u32::from_be_bytes(stream);
        (self.filled >= at + 9 + payload).then_some((kind, flags, stream, payload))
    }
}

impl ControlPort for Nobody {
    fn submit(&self, job: Job) -> Result<(), Busy> {
        panic!("nothing is asked of the control plane: {job:?}")
    }
}

fn snapshot(node: SocketAddr) -> Snapshot {
    let listener = Listener {
        name: "gateway".into(),
        address: (Ipv4Addr::LOCALHOST, 0).into(),
        tls: None,
        accepts: Accepts::Http,
        sources: narrows_gateway::sources::SourceRules::default(),
        proxy_protocol: ProxyProtocol::None,
        preface_timeout: Duration::from_secs(10),
        timeouts: Timeouts::default(),
        h2: Arc::new(h2::Config::default()),
        h1: Arc::default(),
        forwarding: narrows_gateway::forwarding::Forwarding::default(),
        idle_timeout: Duration::from_secs(30),
        keepalive: narrows_gateway::keepalive::Keepalive::default(),
        max_connection_age: None,
        max_connection_age_grace: None,
        backlog: 128,
        max_connections: 1000,
        tcp_keepalive: Duration::from_secs(60),
        stats: Arc::new(ListenerStats::new(1)),
    };
    let route = Route {
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
    };
    Snapshot {
        hash: 0,
        listeners: vec![Arc::new(listener)],
        router: Router::new(vec![(Match::default(), Arc::new(route))]),
        upstreams: vec![Arc::new(upstream(&store(node)))],
        access_log: AccessLog::On { interval: Duration::ZERO },
    }
}

fn store(node: SocketAddr) -> Arc<Store> {
    let store = Arc::new(Store::new("jobs", true));
    let target = Arc::new(node.to_string().parse().unwrap());
    for job in 0..JOBS {
        let cached =
            Cached { outcome: Outcome::Found(Arc::clone(&target)), fresh_until: Time::NEVER };
        store.table.insert(format!("job-{job:012}").as_bytes(), cached);
    }
    store.set_up(true);
    store
}

fn upstream(store: &Arc<Store>) -> Upstream {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    Upstream {
        name: "nodes".into(),
        protocol: Protocol { speaks: Speaks::Http2, tls: None },
        tls: Arc::new(ClientTls { config: Arc::new(tls), server_name: None }),
        targets: Targets::Lookup(Lookup {
            store: Arc::clone(store),
            key: Template::parse("{header.jobid}").unwrap(),
            allow: Networks::new(vec!["127.0.0.0/8".parse().unwrap()]),
            drained: Arc::default(),
            budget: Duration::from_millis(500),
            on_missing: OnMissing::Fail,
        }),
        transcoding: None,
        h2: Arc::new(h2::Config::default()),
        h1: Arc::default(),
        // The wheel allocates when the first timer fires, once. None fires in this test.
        drain_timeout: None,
        timeouts: Timeouts {
            connect: Some(Duration::from_secs(3600)),
            acquire: Some(Duration::from_secs(60)),
            ..Timeouts::default()
        },
        idle_timeout: Duration::from_secs(20),
        keepalive: narrows_gateway::keepalive::Keepalive::default(),
        max_connection_age: None,
        max_connections: 4,
        retry_budget: RetryBudget::default(),
        announces: None,
        max_pending: 1000,
        stats: Arc::new(UpstreamStats::new(1)),
    }
}
