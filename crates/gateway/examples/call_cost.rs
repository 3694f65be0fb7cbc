//! What a unary call costs in the data plane, in instructions.
//!
//! ```text
//! cargo build --release -p narrows-gateway --example call_cost
//! valgrind --tool=callgrind --toggle-collect='call_cost::*counted_*' \
//!     target/release/examples/call_cost 20000
//! ```
//! A worker runs on sockets in memory, between 8 clients with 32 calls in flight each, every call different,
//! and a node that answers. Only the turns of the worker are counted: the whole data plane, without the
//! kernel and the copies that it would make. Divide the total by the number of calls, which is the first argument; take the difference of two
//! runs to leave out the start. `same` as the second argument makes all calls alike. The name of a way to balance as
//! the third sends them to a set with one node instead of a job's; those with hashes go by the field `jobid`.
#![allow(clippy::unwrap_used, reason = "an example fails by panicking")]

#[path = "support/setup.rs"]
mod setup;
#[path = "../../wire/examples/support/traffic.rs"]
mod traffic;

use std::cell::RefCell;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use narrows_gateway::balance::{Balanced, HashKey, HashOn, Policy, RingOptions, Rules};
use narrows_gateway::control::{ControlPort, Mailbox};
use narrows_gateway::endpoints::{Endpoints, Member};
use narrows_gateway::io::{Io, Ready, Socket};
use narrows_gateway::outlier::Detection;
use narrows_gateway::record;
use narrows_gateway::route::Template;
use narrows_gateway::snapshot::{Listener, Targets};
use narrows_gateway::worker::{Bound, Parts, Worker};
use narrows_wire::codec::{End, Event, Role};
use narrows_wire::h2::{Config, Connection};
use narrows_wire::{Head, Indexing, Time};
use traffic::{Client, Random};

const CLIENTS: usize = 8;
const CALLS_PER_CLIENT: usize = 32;
const MESSAGE_BYTES: usize = 100;

fn main() {
    let calls: usize = std::env::args().nth(1).map_or(20_000, |text| text.parse().unwrap());
    let is_varied = std::env::args().nth(2).is_none_or(|text| text != "same");
    let world = Rc::new(RefCell::new(World::default()));
    let mut clients: Vec<Caller> = (0..CLIENTS).map(|at| Caller::new(at, &world)).collect();
    let mut node = Node::new();
    let mut worker = worker(&world, std::env::args().nth(3).as_deref());
    let mut done = 0;
    while done < calls {
        // The first calls are few, so that one connection to the node takes them and all that follow.
        let per_client = if done == 0 { 1 } else { CALLS_PER_CLIENT };
        for client in &mut clients {
            client.call(per_client, is_varied);
        }
        while world.borrow().has_news() {
            counted_turn(&mut worker);
            node.serve(&world);
        }
        done += CLIENTS * per_client;
        assert_eq!(node.answered, done);
        assert_eq!(worker.census()[0], 0, "a call has not ended");
        clients.iter_mut().for_each(Caller::take_replies);
    }
    println!("{done} calls");
}

#[inline(never)]
fn counted_turn(worker: &mut Worker<Memory>) {
    worker.turn().unwrap();
}

fn worker(world: &Rc<RefCell<World>>, policy: Option<&str>) -> Worker<Memory> {
    let port: Arc<dyn ControlPort> = Arc::new(setup::Nobody);
    let (_, mailbox) = Mailbox::new(Arc::new(|| {}));
    Worker::new(Parts {
        index: 0,
        io: Memory(Rc::clone(world)),
        snapshot: match policy {
            None => setup::snapshot("127.0.0.1:1", "127.0.0.1:2"),
            Some(name) => setup::with_targets("127.0.0.1:1", balanced(name)),
        },
        mailbox,
        port,
        stats: Arc::default(),
        recorder: record::ring(16).0,
        bound: Arc::new(Mutex::new(Bound::default())),
    })
    .unwrap()
}

/// A set with one node.
fn balanced(policy: &str) -> Targets {
    let ring = RingOptions { size_min: 160, load_percent_max: None };
    let policy = match policy {
        "round_robin" => Policy::RoundRobin,
        "random" => Policy::Random,
        "least_request" => Policy::LeastRequest(2),
        "peak_ewma" => Policy::PeakEwma,
        "ring_hash" => Policy::RingHash(ring),
        "maglev" => Policy::Maglev(None),
        "ip_hash" => Policy::IpHash,
        other => panic!("{other} is no way to balance"),
    };
    let endpoints = Endpoints::new(1);
    let target = Arc::new("127.0.0.1:2".parse().unwrap());
    let member = Member { target, weight: 1, priority: 0, labels: Default::default() };
    endpoints.replace(vec![member], Time::ZERO);
    let hash_on = HashOn::new(vec![HashKey::Template(Template::parse("{header.jobid}").unwrap())]);
    let rules = Rules { hash_on, ..Rules::default() };
    let (endpoints, outliers) = (Arc::new(endpoints), Detection::default());
    let balanced = Balanced { endpoints, policy, rules, outliers, slow_start: None };
    Targets::Balanced(Box::new(balanced))
}

/// One direction in each buffer.
#[derive(Default)]
struct Pipe {
    to_gateway: Vec<u8>,
    from_gateway: Vec<u8>,
    token: Option<usize>,
    /// Whether the gateway has been told that it is connected.
    is_announced: bool,
}

type SharedPipe = Rc<RefCell<Pipe>>;

/// Everything outside of the worker.
#[derive(Default)]
struct World {
    pipes: Vec<SharedPipe>,
    /// Clients that wait to be accepted.
    knocking: Vec<SharedPipe>,
    node: Option<SharedPipe>,
    listener: Option<usize>,
    /// Moves on with every question.
    nanos: u64,
}

struct Memory(Rc<RefCell<World>>);

struct MemorySocket(SharedPipe);

/// A client's connection.
struct Caller {
    pipe: SharedPipe,
    encoder: Client,
    random: Random,
    next_id: u32,
}

/// Answers every call.
struct Node {
    connection: Connection,
    head: Head,
    reply: Head,
    trailers: Head,
    answered: usize,
}

// === impl World ===

impl World {
    fn has_news(&self) -> bool {
        !self.knocking.is_empty() || self.pipes.iter().any(|pipe| pipe.borrow().has_news())
    }
}

// === impl Pipe ===

impl Pipe {
    fn has_news(&self) -> bool {
        self.is_readable() || !self.is_announced
    }

    fn is_readable(&self) -> bool {
        !self.to_gateway.is_empty()
    }
}

// === impl Memory ===

impl Io for Memory {
    type Socket = MemorySocket;
    type Acceptor = ();

    fn now(&mut self) -> Time {
        let mut world = self.0.borrow_mut();
        world.nanos += 5_000;
        Time::from_nanos(world.nanos)
    }

    fn wait(&mut self, ready: &mut Vec<Ready>, _: Option<Duration>) -> io::Result<()> {
        let world = self.0.borrow();
        let event = |token| Ready { token, readable: true, writable: false, hangup: false };
        ready.extend(world.listener.filter(|_| !world.knocking.is_empty()).map(event));
        let readable = |pipe: &SharedPipe| {
            let pipe = pipe.borrow();
            pipe.token.filter(|_| pipe.is_readable())
        };
        ready.extend(world.pipes.iter().filter_map(readable).map(event));
        for pipe in &world.pipes {
            let pipe = &mut *pipe.borrow_mut();
            if !std::mem::replace(&mut pipe.is_announced, true) {
                let token = pipe.token.unwrap();
                ready.push(Ready { token, readable: false, writable: true, hangup: false });
            }
        }
        Ok(())
    }

    fn listen(
        &mut self,
        _: &Listener,
        address: SocketAddr,
        token: usize,
    ) -> io::Result<((), SocketAddr)> {
        self.0.borrow_mut().listener = Some(token);
        Ok(((), address))
    }

    fn accept(&mut self, (): &mut ()) -> io::Result<(MemorySocket, SocketAddr)> {
        let mut world = self.0.borrow_mut();
        let pipe = world.knocking.pop().ok_or(ErrorKind::WouldBlock)?;
        world.pipes.push(Rc::clone(&pipe));
        Ok((MemorySocket(pipe), SocketAddr::from(([127, 0, 0, 1], 9))))
    }

    fn connect(&mut self, _: SocketAddr) -> io::Result<MemorySocket> {
        let mut world = self.0.borrow_mut();
        let pipe = SharedPipe::default();
        world.pipes.push(Rc::clone(&pipe));
        world.node = Some(Rc::clone(&pipe));
        Ok(MemorySocket(pipe))
    }

    fn register(&mut self, socket: &mut MemorySocket, token: usize) -> io::Result<()> {
        socket.0.borrow_mut().token = Some(token);
        Ok(())
    }

    fn deregister(&mut self, _: &mut MemorySocket) {}
}

// === impl MemorySocket ===

impl Socket for MemorySocket {
    fn connected(&mut self) -> Option<io::Result<()>> {
        Some(Ok(()))
    }

    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn abort(&mut self) {}
}

impl Read for MemorySocket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let input = &mut self.0.borrow_mut().to_gateway;
        if input.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        Ok(uncounted_read(input, buffer))
    }
}

impl Write for MemorySocket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(uncounted_write(bytes, &mut self.0.borrow_mut().from_gateway))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[inline(never)]
fn uncounted_read(input: &mut Vec<u8>, buffer: &mut [u8]) -> usize {
    let len = input.len().min(buffer.len());
    buffer[..len].copy_from_slice(&input[..len]);
    input.drain(..len);
    len
}

#[inline(never)]
fn uncounted_write(bytes: &[u8], output: &mut Vec<u8>) -> usize {
    output.extend_from_slice(bytes);
    bytes.len()
}

// === impl Caller ===

impl Caller {
    /// Knocks, and sends what comes first: preface, SETTINGS, the largest window for the connection.
    fn new(at: usize, world: &Rc<RefCell<World>>) -> Self {
        let pipe = SharedPipe::default();
        let out = &mut pipe.borrow_mut().to_gateway;
        out.extend_from_slice(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        put_frame(4, 0, 0, &[], out);
        put_frame(8, 0, 0, &(u32::MAX / 2 - 65_535).to_be_bytes(), out);
        world.borrow_mut().knocking.push(Rc::clone(&pipe));
        Self {
            pipe: Rc::clone(&pipe),
            encoder: Client::default(),
            random: Random(at as u64),
            next_id: 1,
        }
    }

    fn call(&mut self, count: usize, is_varied: bool) {
        let out = &mut self.pipe.borrow_mut().to_gateway;
        for _ in 0..count {
            if !is_varied {
                self.random = Random(7);
            }
            let mut block = Vec::new();
            self.encoder.request(&mut self.random, &mut block);
            put_frame(1, 0x4, self.next_id, &block, out);
            put_frame(0, 0x1, self.next_id, &message(), out);
            self.next_id += 2;
        }
    }

    fn take_replies(&mut self) {
        let replies = std::mem::take(&mut self.pipe.borrow_mut().from_gateway);
        assert!(replies.len() > MESSAGE_BYTES);
    }
}

// === impl Node ===

impl Node {
    fn new() -> Self {
        let mut reply = Head::new();
        for (name, value) in [
            (":status", "200"),
            ("content-type", "application/grpc"),
            ("grpc-encoding", "identity"),
            ("grpc-accept-encoding", "gzip"),
        ] {
            reply.push_text(name.as_bytes(), value.as_bytes(), Indexing::MayRepeat);
        }
        let mut trailers = Head::new();
        trailers.push_text(b"grpc-status", b"0", Indexing::MayRepeat);
        let config = Config { max_concurrent_streams: 1000, ..Config::default() };
        Self {
            connection: Connection::new(Role::Server, Arc::new(config), Time::ZERO),
            head: Head::new(),
            reply,
            trailers,
            answered: 0,
        }
    }

    fn serve(&mut self, world: &Rc<RefCell<World>>) {
        let Some(pipe) = world.borrow().node.clone() else { return };
        let input = std::mem::take(&mut pipe.borrow_mut().from_gateway);
        let (mut input, connection) = (&input[..], &mut self.connection);
        while let Some(event) = connection.receive(Time::ZERO, &mut input, &mut self.head) {
            match event {
                Event::Data { stream, data, end: End::Stream, .. } => {
                    connection.grant(stream, data.len());
                    connection.send_head(stream, &self.reply, End::Open);
                    connection.send_data(stream, &message(), End::Open);
                    connection.send_trailers(stream, &self.trailers);
                    connection.release(stream);
                    self.answered += 1;
                }
                Event::Head { .. } | Event::PeerSettings => {}
                other => panic!("{other:?}"),
            }
        }
        let output = connection.output();
        let bytes = output.front().to_vec();
        output.consume(bytes.len());
        pipe.borrow_mut().to_gateway.extend_from_slice(&bytes);
    }
}

/// A gRPC message with its prefix.
fn message() -> [u8; MESSAGE_BYTES + 5] {
    let mut message = [7; MESSAGE_BYTES + 5];
    message[..5].copy_from_slice(&[0, 0, 0, 0, MESSAGE_BYTES as u8]);
    message
}

fn put_frame(kind: u8, flags: u8, stream: u32, payload: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}
