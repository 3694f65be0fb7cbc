//! Which members of a set take calls: those in service at the first level that has enough of them.
//!
//! Members of equal priority are a level. The lowest number of which the panic threshold is in service takes all
//! calls. If no level has that many, the one with the largest share in service does, and in panic: with all
//! its members, in service or not, since the checks are then likelier to be wrong than that many nodes, and the few
//! that are left would be overrun. What an operator drains counts nowhere and takes nothing.

use std::collections::BTreeMap;

use narrows_wire::Time;

use crate::endpoints::{Duty, Entry};

/// Members that take calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    /// Their number.
    pub priority: u8,
    /// Whether all of them do.
    pub panic: Panic,
}

/// Whether a level is used although too few of it are in service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Panic {
    /// Enough are; only these are used.
    No,
    /// All are used.
    Yes,
}

#[derive(Debug, Clone, Copy, Default)]
struct Count {
    in_service: u64,
    all: u64,
}

// === impl Level ===

impl Level {
    /// The level that takes calls at `now`; `None`: there is no member that may. A threshold of 0 % means that
    /// there is no panic.
    pub fn of<'a>(
        entries: impl Iterator<Item = &'a Entry>,
        panic_percent: u32,
        now: Time,
    ) -> Option<Self> {
        let mut counts = BTreeMap::<u8, Count>::new();
        for entry in entries.filter(|entry| entry.endpoint.duty() == Duty::Serving) {
            let count = counts.entry(entry.member.priority).or_default();
            count.all += 1;
            count.in_service += u64::from(entry.endpoint.is_in_service(now));
        }
        let enough = counts.iter().find(|(_, count)| count.is_enough(panic_percent));
        if let Some((priority, _)) = enough {
            return Some(Self { priority: *priority, panic: Panic::No });
        }
        if panic_percent == 0 {
            return None;
        }
        // Of equals the last in reverse: the lowest number.
        let (priority, _) = counts.iter().rev().max_by(|(_, a), (_, b)| a.share_to(**b))?;
        Some(Self { priority: *priority, panic: Panic::Yes })
    }

    /// Whether this member takes calls at `now`.
    pub fn takes(self, entry: &Entry, now: Time) -> bool {
        let may = match self.panic {
            Panic::No => entry.endpoint.is_in_service(now),
            Panic::Yes => entry.endpoint.duty() == Duty::Serving,
        };
        may && entry.member.priority == self.priority
    }
}

// === impl Count ===

impl Count {
    fn is_enough(self, percent: u32) -> bool {
        self.in_service > 0 && self.in_service * 100 >= self.all * u64::from(percent)
    }

    fn share_to(self, other: Self) -> std::cmp::Ordering {
        (self.in_service * other.all).cmp(&(other.in_service * self.all))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::endpoints::{Endpoints, Health, Member};

    const NOW: Time = Time::from_nanos(1);

    /// Members by priority; `x` fails its checks, `d` is drained, `o` is in service.
    fn taken(levels: &[&str], panic_percent: u32) -> Option<(Level, usize)> {
        let endpoints = Endpoints::new(1);
        let mut members = Vec::new();
        for (priority, level) in levels.iter().enumerate() {
            members.extend((0..level.len()).map(|at| Member {
                target: Arc::new(format!("10.0.{priority}.{at}:1").parse().expect("a target")),
                weight: 1,
                priority: priority as u8,
                labels: BTreeMap::new(),
            }));
        }
        endpoints.replace(members, Time::ZERO);
        let entries = endpoints.entries();
        for (entry, state) in entries.iter().zip(levels.concat().chars()) {
            match state {
                'x' => entry.endpoint.set_health(Health::Failing, NOW),
                'd' => entry.endpoint.set_duty(Duty::Draining, NOW),
                _ => {}
            }
        }
        let level = Level::of(entries.iter(), panic_percent, NOW)?;
        Some((level, entries.iter().filter(|entry| level.takes(entry, NOW)).count()))
    }

    fn calm(priority: u8, count: usize) -> Option<(Level, usize)> {
        Some((Level { priority, panic: Panic::No }, count))
    }

    fn panic(priority: u8, count: usize) -> Option<(Level, usize)> {
        Some((Level { priority, panic: Panic::Yes }, count))
    }

    #[test]
    fn the_first_level_with_enough_in_service_takes_all_calls() {
        assert_eq!(taken(&["ooo", "ooo"], 50), calm(0, 3));
        assert_eq!(taken(&["oox", "ooo"], 50), calm(0, 2));
        assert_eq!(taken(&["oxx", "ooo"], 50), calm(1, 3));
        assert_eq!(taken(&["ox", "ooo"], 50), calm(0, 1));
        assert_eq!(taken(&["oxxx", "xxx", "o"], 50), calm(2, 1));
    }

    #[test]
    fn in_panic_all_are_used_but_what_is_drained() {
        assert_eq!(taken(&["oxx"], 50), panic(0, 3));
        assert_eq!(taken(&["xxxd"], 50), panic(0, 3));
        assert_eq!(taken(&["xxx", "oxx"], 50), panic(1, 3));
        assert_eq!(taken(&["xxx", "xx"], 50), panic(0, 3));
        assert_eq!(taken(&["dd"], 50), None);
    }

    #[test]
    fn what_is_drained_does_not_count() {
        assert_eq!(taken(&["odddd", "o"], 50), calm(0, 1));
        assert_eq!(taken(&["ddd", "o"], 50), calm(1, 1));
    }

    #[test]
    fn without_a_threshold_there_is_no_panic() {
        assert_eq!(taken(&["xxxxo", "ooo"], 0), calm(0, 1));
        assert_eq!(taken(&["xxx", "o"], 0), calm(1, 1));
        assert_eq!(taken(&["xxx"], 0), None);
    }

    #[test]
    fn a_threshold_of_all_takes_all() {
        assert_eq!(taken(&["oox", "oo"], 100), calm(1, 2));
    }
}
