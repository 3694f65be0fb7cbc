//! Requests of HTTP/1.1 allocate nothing once everything is warm, and calls that stages translate a bounded number
//! of times.
//!
//! As in `allocations.rs` the gateway runs on a thread of its own, and the client and the node are this thread, on
//! arrays: whatever is counted is the gateway's. The client speaks HTTP/1.1 over one connection that is kept; the
//! node speaks HTTP/1.1, or as much of HTTP/2 as an answer takes. One test holds all of it, because the counter is
//! one for the whole process.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../examples/support/setup.rs"]
mod setup;

use std::alloc::System;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use narrows_gateway::control::ControlPort;
use narrows_gateway::route::{Match, Router};
use narrows_gateway::runtime;
use narrows_gateway::snapshot::{Route, Snapshot, Speaks, Translate, Upstream};
use narrows_gateway::transcoding::{Methods, Transcoding};
use narrows_transcode::{Options, Transcoder};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const WARM_UP: usize = 500;
const CALLS: usize = 1000;

/// Allocations and reallocations of a call in gRPC-Web (binary), at most. It has a stage, a head for each direction
/// that is rewritten, and what comes out of the stage; measured: 11.
const GRPC_WEB_MAX: usize = 16;
/// Those of a call in JSON, at most: a message is built by its descriptor and printed again; measured: 31.
const JSON_MAX: usize = 45;

const PLAIN: &[u8] = b"GET /thing HTTP/1.1\r\nhost: a\r\njobid: job-7\r\naccept: */*\r\n\r\n";
const GRPC_WEB: &[u8] = b"POST /sim.Mixed/Call HTTP/1.1\r\nhost: a\r\njobid: job-7\r\n\
    content-type: application/grpc-web+proto\r\ncontent-length: 12\r\n\r\n\0\0\0\0\x07\x0a\x05hello";
const JSON: &[u8] = b"POST /sim.Mixed/Call HTTP/1.1\r\nhost: a\r\njobid: job-7\r\n\
    content-type: application/json\r\ncontent-length: 16\r\n\r\n{\"text\":\"hello\"}";

const REPLY: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n\r\nhello";

const PROTO: &str = "syntax = \"proto3\"; package sim; message Blob { string text = 1; } \
    service Mixed { rpc Call(Blob) returns (Blob); }";

/// A gateway with its one client and its one node.
struct Bench {
    gateway: runtime::Running,
    client: TcpStream,
    node: TcpStream,
    input: Box<[u8; 1 << 16]>,
}

#[test]
fn requests_of_http1_allocate_nothing_and_translated_ones_little() {
    let mut bench = Bench::start(Speaks::Http1, PLAIN);
    let plain = bench.measure(PLAIN, b"hello", Bench::answer_http1);
    bench.stop();
    let mut bench = Bench::start(Speaks::Http2, GRPC_WEB);
    bench.node.read_exact(&mut [0; 24]).unwrap();
    bench.node.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).unwrap();
    let grpc_web = bench.measure(GRPC_WEB, b"grpc-status: 0\r\n", Bench::answer_grpc);
    bench.stop();
    let mut bench = Bench::start(Speaks::Http2, JSON);
    bench.node.read_exact(&mut [0; 24]).unwrap();
    bench.node.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).unwrap();
    let json = bench.measure(JSON, b"{\"text\":\"hello\"}", Bench::answer_grpc);
    bench.stop();
    println!("in {CALLS} calls: HTTP/1.1 {plain}, gRPC-Web {grpc_web}, JSON {json}");
    assert_eq!(plain, 0, "in {CALLS} requests");
    assert!(grpc_web <= GRPC_WEB_MAX * CALLS, "{grpc_web} in {CALLS} calls in gRPC-Web");
    assert!(json <= JSON_MAX * CALLS, "{json} in {CALLS} calls in JSON");
}

// === impl Bench ===

impl Bench {
    /// Starts a gateway; the first request has it connect to the node.
    fn start(speaks: Speaks, first: &[u8]) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let snapshot = snapshot(speaks, &listener.local_addr().unwrap().to_string());
        let port: Arc<dyn ControlPort> = Arc::new(setup::Nobody);
        let gateway = runtime::start(&snapshot, 1, &port).unwrap();
        let (_, address) = gateway.addresses().remove(0);
        let mut client = TcpStream::connect(address).unwrap();
        client.write_all(first).unwrap();
        let node = listener.accept().unwrap().0;
        for stream in [&client, &node] {
            stream.set_nodelay(true).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        }
        Self { gateway, client, node, input: Box::new([0; 1 << 16]) }
    }

    /// Allocations and reallocations of so many calls, behind others that warm everything up.
    fn measure(&mut self, request: &[u8], end: &[u8], answer: fn(&mut Self)) -> usize {
        answer(self);
        self.await_reply(end);
        for _ in 0..WARM_UP {
            self.call(request, end, answer);
        }
        let region = Region::new(ALLOCATOR);
        for _ in 0..CALLS {
            self.call(request, end, answer);
        }
        let change = region.change();
        change.allocations + change.reallocations
    }

    fn call(&mut self, request: &[u8], end: &[u8], answer: fn(&mut Self)) {
        self.client.write_all(request).unwrap();
        answer(self);
        self.await_reply(end);
    }

    /// Reads a reply, whose body, or its last chunk, ends like this.
    fn await_reply(&mut self, end: &[u8]) {
        let mut filled = 0;
        loop {
            let read = self.client.read(&mut self.input[filled..]).unwrap();
            assert!(read > 0, "the gateway closed the connection");
            filled += read;
            let reply = &self.input[..filled];
            let whole = reply.strip_suffix(b"\r\n0\r\n\r\n").unwrap_or(reply);
            if whole.ends_with(end) && (whole.len() < reply.len() || !is_chunked(reply)) {
                assert!(reply.starts_with(b"HTTP/1.1 200 "));
                return;
            }
        }
    }

    fn answer_http1(&mut self) {
        let mut filled = 0;
        while !self.input[..filled].ends_with(b"\r\n\r\n") {
            filled += self.node.read(&mut self.input[filled..]).unwrap();
        }
        self.node.write_all(REPLY).unwrap();
    }

    /// Reads frames up to the end of a request, and answers it: head, message, trailers.
    fn answer_grpc(&mut self) {
        loop {
            let mut header = [0; 9];
            self.node.read_exact(&mut header).unwrap();
            let [a, b, c, kind, flags, stream @ ..] = header;
            let payload = u32::from_be_bytes([0, a, b, c]) as usize;
            self.node.read_exact(&mut self.input[..payload]).unwrap();
            match (kind, flags & 1) {
                (4, 0) => self.node.write_all(&[0, 0, 0, 4, 1, 0, 0, 0, 0]).unwrap(),
                (6, 0) => {
                    self.node.write_all(&[0, 0, 8, 6, 1, 0, 0, 0, 0]).unwrap();
                    self.node.write_all(&self.input[..8]).unwrap();
                }
                (0 | 1, 1) => return self.send_grpc(stream, payload),
                _ => {}
            }
        }
    }

    fn send_grpc(&mut self, stream: [u8; 4], taken: usize) {
        let mut frames = Frames { bytes: [0; 256], len: 0 };
        if taken > 0 {
            // What was read may be sent again.
            frames.frame(8, 0, [0; 4], &(taken as u32).to_be_bytes());
        }
        frames.frame(1, 4, stream, b"\x88\0\x0ccontent-type\x10application/grpc");
        frames.frame(0, 0, stream, b"\0\0\0\0\x07\x0a\x05hello");
        frames.frame(1, 5, stream, b"\0\x0bgrpc-status\x010");
        self.node.write_all(&frames.bytes[..frames.len]).unwrap();
    }

    fn stop(self) {
        self.gateway.handle.stop();
        self.gateway.join();
    }
}

/// Frames of HTTP/2, on an array.
struct Frames {
    bytes: [u8; 256],
    len: usize,
}

// === impl Frames ===

impl Frames {
    fn frame(&mut self, kind: u8, flags: u8, stream: [u8; 4], payload: &[u8]) {
        self.put(&[0, 0, payload.len() as u8, kind, flags]);
        self.put(&stream);
        self.put(payload);
    }

    fn put(&mut self, bytes: &[u8]) {
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }
}

fn is_chunked(reply: &[u8]) -> bool {
    let name = b"transfer-encoding: chunked";
    reply.windows(name.len()).any(|window| window.eq_ignore_ascii_case(name))
}

/// The example's configuration, with a node that speaks like this, and all translations.
fn snapshot(speaks: Speaks, node: &str) -> Arc<Snapshot> {
    let mut snapshot = Arc::into_inner(setup::snapshot("127.0.0.1:0", node)).unwrap();
    let mut upstream: Upstream = Arc::into_inner(snapshot.upstreams.remove(0)).unwrap();
    upstream.protocol.speaks = speaks;
    // The wheel allocates when the first timer fires, once. None fires in this test.
    upstream.timeouts.connect = Some(Duration::from_secs(3600));
    if speaks == Speaks::Http2 {
        upstream.transcoding = Some(Arc::new(transcoding()));
        let router = std::mem::take(&mut snapshot.router);
        let route = router.route(0).clone();
        drop(router);
        let route: Route = Arc::into_inner(route).unwrap();
        let route = Route { grpc_web: Translate::Yes, ..route };
        snapshot.router = Router::new(vec![(Match::default(), Arc::new(route))]);
    }
    snapshot.upstreams.push(Arc::new(upstream));
    Arc::new(snapshot)
}

fn transcoding() -> Transcoding {
    let file = protox::file::File::from_source("mixed.proto", PROTO).unwrap();
    let mut compiler = protox::Compiler::with_file_resolver(OneFile(file));
    compiler.open_file("mixed.proto").unwrap();
    let set = compiler.encode_file_descriptor_set();
    let transcoding = Transcoding::default();
    let transcoder = Transcoder::new(&set, Options::default()).unwrap();
    transcoding.replace(Methods { transcoder, description: Box::default() });
    transcoding
}

/// Knows the one file that there is.
struct OneFile(protox::file::File);

impl protox::file::FileResolver for OneFile {
    fn open_file(&self, _: &str) -> Result<protox::file::File, protox::Error> {
        Ok(self.0.clone())
    }
}
