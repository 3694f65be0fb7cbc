//! What one source of connections may have: whether it is let in, how many connections, how quickly new ones,
//! and how many bytes a second over all of them.
//!
//! A source is an address, and for IPv6 its /64, since whoever has one address there has them all. What is known
//! of sources is shared by all workers of a listener and outlives reloads; it is asked once for each
//! connection, under a lock, and for bytes without one. Sources that have nothing are forgotten when their number
//! grows.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use narrows_wire::Time;

use crate::snapshot::Networks;

/// Sources that are remembered; above it those without connections are forgotten.
const SOURCES_MAX: usize = 65_536;
/// What may pass at once after a pause, as the time that it would take at the rate.
const BURST: Duration = Duration::from_secs(1);

/// What one source may have. `None`: no limit.
#[derive(Debug, Clone, Default)]
pub struct SourceRules {
    /// Networks that may connect; empty: all.
    pub allow: Networks,
    /// Networks that may not, looked at before `allow`.
    pub deny: Networks,
    /// Connections open at once.
    pub connections_max: Option<u32>,
    /// New connections a second; so many may come at once after a pause.
    pub connections_per_second: Option<u32>,
    /// Bytes a second over all connections, both directions together.
    pub bytes_per_second: Option<u64>,
}

/// Why a connection is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The lists say so.
    Denied,
    /// The source has as many connections as it may.
    TooMany,
    /// They come too quickly.
    TooFast,
}

/// The sources of a listener.
#[derive(Debug, Default)]
pub struct Sources(Mutex<HashMap<IpAddr, Entry, foldhash::fast::RandomState>>);

/// A connection's place among those of its source. Free again when dropped.
#[derive(Debug)]
pub struct SourceSeat {
    source: IpAddr,
    sources: Arc<Sources>,
    bytes: Arc<Pace>,
}

#[derive(Debug, Default)]
struct Entry {
    connections: u32,
    arrivals: Pace,
    bytes: Arc<Pace>,
}

/// When what was taken so far would have passed at the rate, in nanoseconds (GCRA).
#[derive(Debug, Default)]
struct Pace(AtomicU64);

// === impl SourceRules ===

impl SourceRules {
    /// Whether anything is limited, so that sources have to be known.
    pub fn is_empty(&self) -> bool {
        self.allow.networks().is_empty()
            && self.deny.networks().is_empty()
            && self.connections_max.is_none()
            && self.connections_per_second.is_none()
            && self.bytes_per_second.is_none()
    }

    fn admits(&self, address: IpAddr) -> bool {
        let allowed = self.allow.networks().is_empty() || self.allow.contains(address);
        allowed && !self.deny.contains(address)
    }
}

// === impl Sources ===

impl Sources {
    /// A place for a new connection, unless a rule is against it.
    pub fn take(
        self: &Arc<Self>,
        rules: &SourceRules,
        address: IpAddr,
        now: Time,
    ) -> Result<SourceSeat, Refused> {
        if !rules.admits(address) {
            return Err(Refused::Denied);
        }
        let source = source_of(address);
        let mut entries = self.entries();
        if entries.len() >= SOURCES_MAX {
            entries.retain(|_, entry| entry.connections > 0);
        }
        let entry = entries.entry(source).or_default();
        if rules.connections_max.is_some_and(|max| entry.connections >= max) {
            return Err(Refused::TooMany);
        }
        if let Some(rate) = rules.connections_per_second
            && !entry.arrivals.try_take(1, u64::from(rate), now)
        {
            return Err(Refused::TooFast);
        }
        entry.connections += 1;
        Ok(SourceSeat { source, sources: self.clone(), bytes: entry.bytes.clone() })
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<IpAddr, Entry, foldhash::fast::RandomState>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl SourceSeat ===

impl SourceSeat {
    /// Counts bytes that have passed, and tells until when no more should.
    pub fn pass(&self, rules: &SourceRules, bytes: u64, now: Time) -> Time {
        match rules.bytes_per_second {
            Some(rate) => self.bytes.take(bytes, rate, now),
            None => Time::ZERO,
        }
    }
}

impl Drop for SourceSeat {
    fn drop(&mut self) {
        if let Some(entry) = self.sources.entries().get_mut(&self.source) {
            entry.connections = entry.connections.saturating_sub(1);
        }
    }
}

// === impl Pace ===

impl Pace {
    /// Takes `n` at `rate` a second if the burst has room for them.
    fn try_take(&self, n: u64, rate: u64, now: Time) -> bool {
        let (now, cost) = (now.as_nanos(), cost(n, rate));
        let limit = now + BURST.as_nanos() as u64;
        let next = |passed: u64| {
            let after = passed.max(now) + cost;
            (after <= limit).then_some(after)
        };
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
    }

    /// Takes `n` at `rate` a second, and tells when there is room again.
    fn take(&self, n: u64, rate: u64, now: Time) -> Time {
        let cost = cost(n, rate);
        let next = |passed: u64| Some(passed.max(now.as_nanos()) + cost);
        let before = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        let after = before.unwrap_or_default().max(now.as_nanos()) + cost;
        Time::from_nanos(after.saturating_sub(BURST.as_nanos() as u64))
    }
}

/// How long `n` take at `rate` a second, in nanoseconds.
fn cost(n: u64, rate: u64) -> u64 {
    let nanos = u128::from(n) * 1_000_000_000 / u128::from(rate.max(1));
    u64::try_from(nanos).unwrap_or(u64::MAX / 4)
}

fn source_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "192.0.2.1";

    fn take(
        sources: &Arc<Sources>,
        rules: &SourceRules,
        address: &str,
        at: Duration,
    ) -> Result<SourceSeat, Refused> {
        sources.take(rules, address.parse().expect("an address"), Time::ZERO + at)
    }

    fn networks(list: &[&str]) -> Networks {
        Networks::new(list.iter().map(|text| text.parse().expect("a network")).collect())
    }

    #[test]
    fn lists_decide_who_is_let_in_and_deny_wins() {
        let (allow, deny) = (networks(&["192.0.2.0/24"]), networks(&["192.0.2.9/32"]));
        let rules = SourceRules { allow, deny, ..SourceRules::default() };
        let sources = Arc::default();
        assert!(take(&sources, &rules, A, Duration::ZERO).is_ok());
        for address in ["192.0.2.9", "198.51.100.1"] {
            let refused = take(&sources, &rules, address, Duration::ZERO);
            assert_eq!(refused.err(), Some(Refused::Denied), "{address}");
        }
    }

    #[test]
    fn a_connection_more_than_the_limit_is_refused_until_one_ends() {
        let rules = SourceRules { connections_max: Some(2), ..SourceRules::default() };
        let sources = Arc::default();
        let first = take(&sources, &rules, A, Duration::ZERO).expect("room");
        let _second = take(&sources, &rules, A, Duration::ZERO).expect("room");
        let third = take(&sources, &rules, A, Duration::ZERO);
        assert_eq!(third.err(), Some(Refused::TooMany));
        assert!(take(&sources, &rules, "192.0.2.2", Duration::ZERO).is_ok(), "another source");
        drop(first);
        assert!(take(&sources, &rules, A, Duration::ZERO).is_ok());
    }

    #[test]
    fn addresses_of_one_network_of_ipv6_are_one_source() {
        let rules = SourceRules { connections_max: Some(1), ..SourceRules::default() };
        let sources = Arc::default();
        let _first = take(&sources, &rules, "2001:db8::1", Duration::ZERO).expect("room");
        assert!(take(&sources, &rules, "2001:db8::2", Duration::ZERO).is_err());
        assert!(take(&sources, &rules, "2001:db8:0:1::1", Duration::ZERO).is_ok());
    }

    #[test]
    fn connections_that_come_too_quickly_are_refused_until_time_has_passed() {
        let rules = SourceRules { connections_per_second: Some(4), ..SourceRules::default() };
        let sources = Arc::default();
        for _ in 0..4 {
            assert!(take(&sources, &rules, A, Duration::ZERO).is_ok());
        }
        assert_eq!(take(&sources, &rules, A, Duration::ZERO).err(), Some(Refused::TooFast));
        assert!(take(&sources, &rules, A, Duration::from_millis(250)).is_ok());
        assert!(take(&sources, &rules, A, Duration::from_millis(250)).is_err());
    }

    /// A second's worth passes at once, then the rate is kept over all connections of the source.
    #[test]
    fn bytes_pass_at_the_rate_over_all_connections_of_a_source() {
        let rules = SourceRules { bytes_per_second: Some(1000), ..SourceRules::default() };
        let sources = Arc::default();
        let first = take(&sources, &rules, A, Duration::ZERO).expect("room");
        let second = take(&sources, &rules, A, Duration::ZERO).expect("room");
        assert_eq!(first.pass(&rules, 1000, Time::ZERO), Time::ZERO);
        let until = second.pass(&rules, 500, Time::ZERO);
        assert_eq!(until, Time::ZERO + Duration::from_millis(500));
        let later = Time::ZERO + Duration::from_secs(10);
        assert!(first.pass(&rules, 1000, later) <= later, "the pause is forgiven");
    }

    #[test]
    fn sources_without_connections_are_forgotten_when_there_are_many() {
        let rules = SourceRules { connections_max: Some(1), ..SourceRules::default() };
        let sources: Arc<Sources> = Arc::default();
        let _kept = take(&sources, &rules, A, Duration::ZERO).expect("room");
        for n in 0..SOURCES_MAX as u32 {
            let address = IpAddr::from((0x0a00_0000 + n).to_be_bytes());
            drop(sources.take(&rules, address, Time::ZERO).expect("room"));
        }
        assert!(sources.entries().len() < SOURCES_MAX);
        assert!(take(&sources, &rules, A, Duration::ZERO).is_err(), "it still has its connection");
    }
}
