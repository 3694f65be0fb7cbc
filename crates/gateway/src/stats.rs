//! Counters of the data plane: one shard per worker, written by that worker alone, read by anyone.
//!
//! A single writer needs no read-modify-write, so counting costs a load and a store. Shards are made for a
//! number of workers and carried over a reload by name, so a reload resets nothing.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use narrows_wire::HeadBytes;

use crate::closes::Closes;
use crate::reply::{Cause, TABLE};

/// Counts up. Only one thread may write.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

/// Goes up and down. Only one thread may write.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

/// Upper bounds of the latency buckets, in seconds; one more bucket takes what is above the last.
pub const BUCKETS: [f64; 16] = [
    0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
    60.0,
];

/// Durations by bucket.
#[derive(Debug, Default)]
pub struct Histogram {
    counts: [Counter; BUCKETS.len() + 1],
    sum_nanos: Counter,
}

/// A counter for each cause.
#[derive(Debug)]
pub struct Causes([Counter; TABLE.len()]);

/// Bytes of messages in one direction.
#[derive(Debug, Default)]
pub struct Volume {
    /// Names and values of pseudo fields: the first line of HTTP/1, and Host.
    pub line: Counter,
    /// Names and values of all other fields, trailers among them.
    pub head: Counter,
    /// Bodies.
    pub body: Counter,
}

/// What happened on a route, in one worker.
#[derive(Debug, Default)]
pub struct RouteShard {
    /// Calls begun.
    pub started: Counter,
    /// Calls ended, by gRPC status 0 to 16; the last: no gRPC status.
    pub grpc: [Counter; 18],
    /// Calls ended, by hundreds of the HTTP status (index 0: none was sent).
    pub http: [Counter; 6],
    /// From the head of the request to the end of the call.
    pub duration: Histogram,
    /// From callers.
    pub bytes_in: Volume,
    /// To callers.
    pub bytes_out: Volume,
    /// Calls that live now.
    pub active: Gauge,
    /// Replies made by the gateway itself.
    pub local: Causes,
}

/// What happened towards an upstream, in one worker.
#[derive(Debug, Default)]
pub struct UpstreamShard {
    /// Connections opened.
    pub connects: Counter,
    /// Connections that could not be opened.
    pub connect_failures: Counter,
    /// Connections open now.
    pub connections: Gauge,
    /// Streams open now.
    pub streams: Gauge,
    /// Calls that wait for a connection or a stream now.
    pub pending: Gauge,
    /// Calls sent once more because the node provably did not process them.
    pub replays: Counter,
    /// Calls tried once more by the rules of their routes, each time counted.
    pub retries: Counter,
    /// Calls that a second node was asked to answer as well.
    pub hedges: Counter,
    /// Calls for which a node was chosen among all, because too few are in service.
    pub panic_calls: Counter,
    /// Calls that are being tried again, or at two nodes, now.
    pub retrying: Gauge,
    /// Calls that were not tried again because too many others were.
    pub retry_overflows: Counter,
    /// From the end of the request to the head of the reply.
    pub response: Histogram,
    /// Connections ended, and those that never came about, by reason.
    pub closes: Closes,
}

/// What happened on a listener, in one worker.
#[derive(Debug, Default)]
pub struct ListenerShard {
    /// Connections ended, by reason.
    pub closes: Closes,
}

/// What happened in one worker as a whole.
#[derive(Debug, Default)]
pub struct WorkerStats {
    /// Client connections accepted.
    pub accepted: Counter,
    /// Client connections open now.
    pub downstream: Gauge,
    /// Client connections ended because of a protocol error or an abuse limit.
    pub downstream_errors: Counter,
    /// Requests that were malformed or over a limit, so that their streams were reset unseen; counted when
    /// their connection ends.
    pub rejected: Counter,
    /// Client connections on which no complete head came in time, so that no call began.
    pub parse_timeouts: Counter,
    /// Client connections closed at once because of what their source may have.
    pub refused_sources: Counter,
    /// TLS handshakes that failed.
    pub handshake_failures: Counter,
    /// Lookups answered from the table.
    pub lookup_hits: Counter,
    /// Lookups for which a store was asked.
    pub lookup_misses: Counter,
    /// Lookups answered with an entry past its time because the store is away.
    pub lookup_stale: Counter,
    /// Lookups that failed.
    pub lookup_errors: Counter,
    /// Log records dropped because the log could not keep up.
    pub log_dropped: Counter,
    /// Turns of the loop.
    pub turns: Counter,
    /// Replies to requests that have no route, by [`Cause`].
    pub unrouted: Causes,
    methods: Mutex<Vec<Arc<MethodStats>>>,
}

/// What happened on one gRPC method, in one worker.
#[derive(Debug, Default)]
pub struct MethodStats {
    /// `/service/method`, or `other`.
    pub path: Box<str>,
    /// Calls ended, by gRPC status 0 to 16; the last: no gRPC status.
    pub handled: [Counter; 18],
    /// From the head of the request to the end of the call.
    pub duration: Histogram,
}

/// The shards of a route.
#[derive(Debug)]
pub struct RouteStats(Box<[RouteShard]>);

/// How often a filter failed, a counter for each worker.
#[derive(Debug)]
pub struct FilterStats(Box<[Counter]>);

/// The shards of a listener.
#[derive(Debug)]
pub struct ListenerStats(Box<[ListenerShard]>);

/// The shards of an upstream.
#[derive(Debug)]
pub struct UpstreamStats(Box<[UpstreamShard]>);

// === impl Counter ===

impl Counter {
    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    /// The present value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

// === impl Volume ===

impl Volume {
    /// Counts a message.
    pub fn add(&self, heads: HeadBytes, body: u64) {
        self.line.add(heads.line.into());
        self.head.add(heads.fields.into());
        self.body.add(body);
    }
}

// === impl Causes ===

impl Causes {
    /// The counter of a cause.
    pub fn of(&self, cause: Cause) -> &Counter {
        &self.0[cause as usize]
    }
}

impl Default for Causes {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Counter::default()))
    }
}

// === impl Gauge ===

impl Gauge {
    /// Adds `n`, which may be negative.
    pub fn add(&self, n: i64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    /// The present value.
    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

// === impl Histogram ===

impl Histogram {
    /// Counts a duration.
    pub fn record(&self, duration: Duration) {
        const BOUNDS_NANOS: [u64; BUCKETS.len()] = {
            let mut bounds = [0; BUCKETS.len()];
            let mut at = 0;
            while at < BUCKETS.len() {
                bounds[at] = (BUCKETS[at] * 1e9) as u64;
                at += 1;
            }
            bounds
        };
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_NANOS.iter().position(|bound| nanos <= *bound).unwrap_or(BUCKETS.len());
        self.counts[bucket].add(1);
        self.sum_nanos.add(nanos);
    }

    /// Counts by bucket, not cumulative; the last one is above all bounds.
    pub fn counts(&self) -> [u64; BUCKETS.len() + 1] {
        std::array::from_fn(|at| self.counts[at].get())
    }

    /// The sum of all durations, in seconds.
    pub fn sum_seconds(&self) -> f64 {
        self.sum_nanos.get() as f64 / 1e9
    }
}

// === impl RouteStats ===

impl RouteStats {
    /// Zeroes for so many workers.
    pub fn new(workers: usize) -> Self {
        Self((0..workers).map(|_| RouteShard::default()).collect())
    }

    /// The shard of a worker.
    pub fn shard(&self, worker: usize) -> &RouteShard {
        &self.0[worker]
    }

    /// All shards.
    pub fn shards(&self) -> &[RouteShard] {
        &self.0
    }
}

// === impl FilterStats ===

impl FilterStats {
    /// Zeroes for so many workers.
    pub fn new(workers: usize) -> Self {
        Self((0..workers).map(|_| Counter::default()).collect())
    }

    /// The counter of a worker.
    pub fn of(&self, worker: usize) -> &Counter {
        &self.0[worker]
    }

    /// Failures of all workers together.
    pub fn failures(&self) -> u64 {
        self.0.iter().map(Counter::get).sum()
    }
}

// === impl ListenerStats ===

impl ListenerStats {
    /// Zeroes for so many workers.
    pub fn new(workers: usize) -> Self {
        Self((0..workers).map(|_| ListenerShard::default()).collect())
    }

    /// The shard of a worker.
    pub fn shard(&self, worker: usize) -> &ListenerShard {
        &self.0[worker]
    }

    /// All shards.
    pub fn shards(&self) -> &[ListenerShard] {
        &self.0
    }
}

// === impl UpstreamStats ===

impl UpstreamStats {
    /// Zeroes for so many workers.
    pub fn new(workers: usize) -> Self {
        Self((0..workers).map(|_| UpstreamShard::default()).collect())
    }

    /// The shard of a worker.
    pub fn shard(&self, worker: usize) -> &UpstreamShard {
        &self.0[worker]
    }

    /// All shards.
    pub fn shards(&self) -> &[UpstreamShard] {
        &self.0
    }
}

// === impl WorkerStats ===

impl WorkerStats {
    /// Adds a method, which shows in metrics from now on. Rare: once per method and worker.
    pub fn add_method(&self, path: &str) -> Arc<MethodStats> {
        let stats = Arc::new(MethodStats { path: path.into(), ..MethodStats::default() });
        self.methods.lock().unwrap_or_else(PoisonError::into_inner).push(stats.clone());
        stats
    }

    /// The methods seen so far.
    pub fn methods(&self) -> Vec<Arc<MethodStats>> {
        self.methods.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_falls_into_the_bucket_whose_bound_it_does_not_exceed() {
        let histogram = Histogram::default();
        for micros in [100, 101, 61_000_000] {
            histogram.record(Duration::from_micros(micros));
        }
        let counts = histogram.counts();
        assert_eq!((counts[0], counts[1], counts[BUCKETS.len()]), (1, 1, 1));
        assert!((histogram.sum_seconds() - 61.000_201).abs() < 1e-9);
    }
}
