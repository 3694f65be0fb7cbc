//! A worker: one thread's share of the data plane.
//!
//! It owns its sockets, streams, pools, and timers, and refers to them by index and generation. A turn of
//! the loop: poll, read each ready link into one shared buffer and handle all its events, take commands,
//! fire timers, then write every link that has output once. It never blocks but in the poll, and in steady
//! state it allocates nothing per call.
//! Read `worker/request.rs` for a call's way in, `worker/relay.rs` for its body, `worker/reply.rs` for its way back,
//! `worker/failure.rs` for how it can end otherwise.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use narrows_wire::{Head, Time};

use crate::control::{Command, ControlPort};
use crate::exchange::{Exchange, Leg};
use crate::io::{Io, Ready};
use crate::link::Link;
use crate::pool::Pool;
use crate::random::Random;
use crate::record::Recorder;
use crate::slab::{Key, Slab};
use crate::snapshot::{AccessLog, Snapshot};
use crate::stats::{MethodStats, WorkerStats};
use crate::target::Target;
use crate::timer::Wheel;

mod announce;
mod balance;
mod detect;
mod ending;
mod failure;
mod filters;
mod finish;
mod flushed;
mod health;
mod hedge;
mod hop;
mod judge;
mod keepalive;
mod links;
mod listen;
mod locate;
mod mailbox;
mod relay;
mod reply;
mod request;
mod retry;
mod review;
mod stages;
mod sticky;
mod timers;
mod transcode;
mod upstream;
mod warmth;
mod websocket;

use balance::{Balancer, Peers};
pub use hedge::Hedge;
use listen::Accepting;
pub use listen::{Bound, Seat};
pub use retry::Retried;

/// The shared read buffer: all that one read takes.
const READ_BYTES: usize = 256 << 10;
/// Reads of one link in a turn before the others have theirs.
const READS_PER_TURN: usize = 4;
/// Heads, body buffers, and places for exchanges that are kept for reuse.
const SPARES_MAX: usize = 1024;
/// Body buffers that have grown larger are given back to the allocator.
const SPARE_BYTES_MAX: usize = 64 << 10;
/// Tokens below are listening sockets; above are packed keys of links, whose generation is never 0.
const LINKS_AT: usize = 1 << 32;
/// Memory of targets whose nodes have been looked up; forgotten all at once when full.
const KNOWN_TARGETS_MAX: usize = 65_536;

/// A snapshot in use by this worker, with what the worker remembers along with it.
#[derive(Debug)]
pub struct Active {
    /// The configuration.
    pub snapshot: Arc<Snapshot>,
    /// What chooses among the nodes of each upstream.
    balancers: RefCell<Vec<Option<Balancer>>>,
}

/// Who waits for a timer.
#[derive(Debug, Clone, Copy)]
enum Owner {
    Link(Key),
    Exchange(Key),
    /// Listening sockets, after accepting failed for want of something.
    Accept,
    /// The end of the grace of a drain.
    Drain,
}

/// What makes a worker.
#[allow(missing_debug_implementations, reason = "taken apart at once")]
pub struct Parts<I> {
    /// Its number, from 0.
    pub index: usize,
    /// Its world.
    pub io: I,
    /// Its first configuration.
    pub snapshot: Arc<Snapshot>,
    /// What the control plane tells it.
    pub mailbox: Receiver<Command>,
    /// Where it posts what needs I/O.
    pub port: Arc<dyn ControlPort>,
    /// Its counters.
    pub stats: Arc<WorkerStats>,
    /// Where its records go.
    pub recorder: Recorder,
    /// The addresses that are really bound, shared by all workers.
    pub bound: Arc<Mutex<Bound>>,
}

/// One thread's share of the data plane.
pub struct Worker<I: Io> {
    index: usize,
    io: I,
    now: Time,
    links: Slab<Box<Link<I::Socket>>>,
    exchanges: Slab<Box<Exchange>>,
    pool: Pool,
    timers: Wheel<Owner>,
    active: Rc<Active>,
    accepting: Vec<Accepting<I::Acceptor>>,
    accept_paused: bool,
    mailbox: Receiver<Command>,
    port: Arc<dyn ControlPort>,
    stats: Arc<WorkerStats>,
    recorder: Recorder,
    bound: Arc<Mutex<Bound>>,
    /// The node of each target seen, by upstream and identity of the target, which is kept alive here.
    known_targets: HashMap<(usize, usize), (Arc<Target>, Key), Fast>,
    /// The endpoints of balanced upstreams.
    peers: Peers,
    /// When the pins of sessions are to be made to last longer, by the hashes of their keys.
    touched: HashMap<u64, Time, Fast>,
    methods: HashMap<Box<[u8]>, Arc<MethodStats>, Fast>,
    other_methods: Arc<MethodStats>,
    /// Links with output, links to read again, links whose output holds ranges of the read buffer.
    dirty: Vec<Key>,
    reread: VecDeque<Key>,
    lent: Vec<Key>,
    ready: Vec<Ready>,
    fired: Vec<Owner>,
    read_buffer: Vec<u8>,
    plain_buffer: Vec<u8>,
    lookup_key: Vec<u8>,
    /// Room for values of fields while they are put together.
    scratch: Vec<u8>,
    random: Random,
    spare_heads: Vec<Head>,
    spare_bodies: Vec<Vec<u8>>,
    /// Places for exchanges, all of the present configuration.
    #[expect(clippy::vec_box, reason = "they go into the slab and come back without being copied")]
    spare_exchanges: Vec<Box<Exchange>>,
    downstream_links: usize,
    draining: Option<Drain>,
    stopped: bool,
}

/// A drain under way.
#[derive(Debug, Clone, Copy)]
struct Drain {
    until: Time,
    ended: bool,
}

/// Hashes what is small and not chosen to collide: addresses and interned pointers.
#[derive(Debug, Clone, Copy, Default)]
struct Fast;

// === impl Active ===

impl Active {
    fn new(snapshot: Arc<Snapshot>, random: &mut Random) -> Rc<Self> {
        let balancer = |upstream: &Arc<_>| Balancer::of(upstream, random.next_u64());
        let balancers = snapshot.upstreams.iter().map(balancer).collect();
        Rc::new(Self { snapshot, balancers: RefCell::new(balancers) })
    }
}

// === impl Worker ===

impl<I: Io> Worker<I> {
    /// A worker that listens where its snapshot says.
    pub fn new(parts: Parts<I>) -> std::io::Result<Self> {
        let Parts { index, mut io, snapshot, mailbox, port, stats, recorder, bound } = parts;
        let now = io.now();
        let mut random = Random::new(io.seed());
        let active = Active::new(snapshot, &mut random);
        let other_methods = stats.add_method("other");
        let mut worker = Self {
            index,
            io,
            now,
            links: Slab::new(),
            exchanges: Slab::new(),
            pool: Pool::default(),
            timers: Wheel::new(),
            active,
            accepting: Vec::new(),
            accept_paused: false,
            mailbox,
            port,
            stats,
            recorder,
            bound,
            known_targets: HashMap::default(),
            peers: Peers::default(),
            touched: HashMap::default(),
            methods: HashMap::default(),
            other_methods,
            dirty: Vec::new(),
            reread: VecDeque::new(),
            lent: Vec::new(),
            ready: Vec::new(),
            fired: Vec::new(),
            read_buffer: vec![0; READ_BYTES],
            plain_buffer: vec![0; READ_BYTES],
            lookup_key: Vec::new(),
            scratch: Vec::new(),
            random,
            spare_heads: Vec::new(),
            spare_bodies: Vec::new(),
            spare_exchanges: Vec::new(),
            downstream_links: 0,
            draining: None,
            stopped: false,
        };
        worker.open_listeners()?;
        Ok(worker)
    }

    /// Turns until it is stopped or drained.
    pub fn run(&mut self) -> std::io::Result<()> {
        while !self.is_over() {
            self.turn()?;
        }
        Ok(())
    }

    /// Whether nothing is left to do after a stop or a drain.
    pub fn is_over(&self) -> bool {
        let drained =
            self.draining.is_some() && self.exchanges.is_empty() && self.downstream_links == 0;
        self.stopped || drained
    }

    /// One turn of the loop. Waits only if there is nothing to do.
    pub fn turn(&mut self) -> std::io::Result<()> {
        let timeout = self.patience();
        let mut ready = std::mem::take(&mut self.ready);
        self.io.wait(&mut ready, timeout)?;
        self.now = self.io.now();
        self.stats.turns.add(1);
        // Before what has come in: a call that is made after a reload was answered finds the new snapshot.
        self.take_commands();
        for event in ready.drain(..) {
            self.on_ready(event);
        }
        self.ready = ready;
        self.read_rest();
        self.fire_timers();
        self.flush_dirty();
        Ok(())
    }

    /// The present time of this turn.
    pub fn now(&self) -> Time {
        self.now
    }

    /// What lives: exchanges, links, nodes, timers. All zero once everything has ended.
    pub fn census(&self) -> [usize; 4] {
        [self.exchanges.len(), self.links.len(), self.pool.len(), self.timers.len()]
    }

    /// The addresses it listens on.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.accepting.iter().map(|accepting| accepting.address).collect()
    }

    /// How long the next turn may wait; `None`: until something is ready.
    pub fn patience(&mut self) -> Option<Duration> {
        if !self.reread.is_empty() || !self.dirty.is_empty() {
            return Some(Duration::ZERO);
        }
        self.timers.next().map(|next| next.since(self.io.now()))
    }

    fn on_ready(&mut self, event: Ready) {
        if event.token < LINKS_AT { self.accept(event.token) } else { self.on_link_ready(event) }
    }

    /// Keeps a buffer for the next body, unless it has grown large.
    fn keep_body(&mut self, mut body: Vec<u8>) {
        if body.capacity() <= SPARE_BYTES_MAX && self.spare_bodies.len() < SPARES_MAX {
            body.clear();
            self.spare_bodies.push(body);
        }
    }

    /// Keeps the place of an exchange for the next one.
    fn keep_exchange(&mut self, mut exchange: Box<Exchange>) {
        exchange.renew(&self.active);
        if exchange.kept.capacity() > SPARE_BYTES_MAX {
            exchange.kept = Vec::new();
        }
        if self.spare_exchanges.len() < SPARES_MAX {
            self.spare_exchanges.push(exchange);
        }
    }

    fn spare_exchange(&mut self, from: (Leg, IpAddr)) -> Box<Exchange> {
        let spare = self.spare_exchanges.pop();
        spare.unwrap_or_else(|| Box::new(Exchange::new(from, self.active.clone())))
    }

    fn spare_head(&mut self) -> Head {
        self.spare_heads.pop().unwrap_or_default()
    }

    fn records(&self) -> Option<Duration> {
        match self.active.snapshot.access_log {
            AccessLog::Off => None,
            AccessLog::On { interval } => Some(interval),
        }
    }
}

impl<I: Io> std::fmt::Debug for Worker<I> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Worker({}, {:?})", self.index, self.census())
    }
}

// === impl Fast ===

impl std::hash::BuildHasher for Fast {
    type Hasher = FastHasher;

    fn build_hasher(&self) -> FastHasher {
        FastHasher(0)
    }
}

/// The hasher of [`Fast`].
#[derive(Debug)]
struct FastHasher(u64);

impl std::hash::Hasher for FastHasher {
    fn finish(&self) -> u64 {
        // The high bits are the good ones; the table uses both ends.
        self.0 ^ (self.0 >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.write_u64(u64::from_le_bytes(*word));
        }
        self.write_u64(rest.iter().fold(1, |word, byte| word << 8 | u64::from(*byte)));
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }
}
