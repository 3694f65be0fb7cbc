//! Prints what the lookup table costs: memory, a bulk load, a read, and a change at full size.
//!
//! `cargo run --release --example table_size [ENTRIES]`, 10 million unless told otherwise. Keys look like
//! `job-1234567`, targets are 1,000 distinct ones.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use narrows_gateway::lookup::{Cached, Outcome, Table};
use narrows_gateway::target::Target;
use narrows_wire::Time;

const READS: u64 = 1_000_000;
const CHANGES: u64 = 100_000;

fn main() {
    let entries =
        std::env::args().nth(1).map_or(10_000_000, |text| text.parse().expect("a number"));
    let table = Table::new();
    let before = status_bytes("VmRSS:");

    let load = timed(1, || table.insert_many((0..entries).map(|name| (key(name), cached(name)))));
    assert_eq!(table.len() as u64, entries);
    println!("{entries} entries loaded in {:.1} s", load / 1e9);
    let (resident, peak) = (status_bytes("VmRSS:") - before, status_bytes("VmHWM:") - before);
    let accounted = mib(table.memory_bytes());
    println!(
        "resident {} MiB, at most {} MiB, accounted {accounted} MiB",
        mib(resident),
        mib(peak)
    );

    let mut names = Names(1, entries);
    let keys: Vec<_> = (0..READS).map(|_| key(names.next())).collect();
    let mut hits = 0;
    let read = timed(READS, || {
        hits = keys.iter().filter(|key| table.read(key.as_bytes(), |seen| seen.is_some())).count();
    });
    assert_eq!(hits as u64, READS);
    let near = timed(READS, || {
        let thousand = keys.iter().take(1_000).cycle().take(READS as usize);
        hits = thousand.filter(|key| table.read(key.as_bytes(), |seen| seen.is_some())).count();
    });
    println!("read {read:.0} ns at random, {near:.0} ns among 1,000 keys");

    let changes: Vec<_> = keys.iter().take(CHANGES as usize).zip(0..).collect();
    let each = |change: &dyn Fn(&[u8], u64)| {
        timed(CHANGES, || changes.iter().for_each(|(key, at)| change(key.as_bytes(), *at)))
    };
    let moved = each(&|key, at| table.insert(key, cached(at + 1)));
    let stale = each(&|key, _| table.mark_stale(key));
    let removed = each(&|key, _| table.remove(key));
    let added = each(&|key, at| table.insert(key, cached(at)));
    println!(
        "move {moved:.0} ns, mark stale {stale:.0} ns, remove {removed:.0} ns, add {added:.0} ns"
    );
    let all = timed(1, || table.mark_all_stale());
    println!("mark all stale {:.2} s", all / 1e9);
}

/// Nanoseconds for each of `times` steps that `work` does.
#[expect(clippy::disallowed_methods, reason = "a measurement of real time, outside any worker")]
fn timed(times: u64, work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_nanos() as f64 / times as f64
}

fn key(name: u64) -> String {
    format!("job-{name:07}")
}

fn cached(name: u64) -> Cached {
    let port = 10_000 + (name % 1_000) as u16;
    let target = Target::from(SocketAddr::from(([10, 0, 0, 1], port)));
    Cached { outcome: Outcome::Found(Arc::new(target)), fresh_until: Time::NEVER }
}

/// A line of what the kernel says of this process; 0 where it does not tell.
fn status_bytes(name: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok());
    number.unwrap_or(0) * 1024
}

fn mib(bytes: usize) -> usize {
    bytes >> 20
}

/// Numbers below the second field, from a linear congruential generator.
struct Names(u64, u64);

impl Names {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 24) % self.1
    }
}
