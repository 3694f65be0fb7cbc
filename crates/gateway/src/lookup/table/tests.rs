//! The table against a sorted map, and under readers while it changes.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use narrows_wire::Time;

use super::*;
use crate::lookup::Outcome;
use crate::target::Target;

#[test]
fn the_table_agrees_with_a_sorted_map_over_random_changes() {
    let table = Table::new();
    let mut model = BTreeMap::new();
    let mut random = 11_u64;
    let mut below = |bound: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (random >> 33) % bound
    };
    for step in 0..6_000_u64 {
        let key = format!("job-{}", below(3_000));
        match below(10) {
            0..=5 => {
                let port = 1 + below(50) as u16;
                table.insert(key.as_bytes(), found(port, Time::NEVER));
                model.insert(key, (port, Time::NEVER));
            }
            6 => {
                let batch: Vec<_> =
                    (0..below(40)).map(|_| (below(3_000), 1 + below(50) as u16)).collect();
                let named = |(name, port): &(u64, u16)| (format!("job-{name}"), *port);
                let time = millis(step);
                table.insert_many(
                    batch.iter().map(named).map(|(key, port)| (key, found(port, time))),
                );
                model.extend(batch.iter().map(named).map(|(key, port)| (key, (port, time))));
            }
            7 => {
                table.mark_stale(key.as_bytes());
                model.entry(key).and_modify(|(_, fresh_until)| *fresh_until = Time::ZERO);
            }
            _ => {
                table.remove(key.as_bytes());
                model.remove(&key);
            }
        }
        assert_eq!(table.len(), model.len());
    }
    assert!(table.directory.load().depth >= 3, "the test splits shards");
    for name in 0..3_000 {
        let key = format!("job-{name}");
        assert_eq!(get(&table, &key), model.get(&key).copied(), "{key}");
    }
    assert_eq!(list(&table, 100), model);
    assert!(table.lock().len() <= 50);
    assert_eq!(recounted_bytes(&table), table.memory_bytes());
}

#[test]
fn a_bulk_load_keeps_the_last_of_equal_keys() {
    let table = Table::new();
    table.insert(b"k", found(9, Time::NEVER));
    table.insert_many([1, 2, 3].map(|port| (b"k", found(port, Time::NEVER))));
    table.insert_many([4, 5].map(|port| (b"l", found(port, Time::NEVER))));
    assert_eq!(
        (get(&table, "k"), get(&table, "l")),
        (Some((3, Time::NEVER)), Some((5, Time::NEVER)))
    );
    assert_eq!(table.len(), 2);
}

#[test]
fn a_bulk_load_of_many_batches_loses_nothing() {
    let table = filled(3 * BATCH.start as u32);
    for name in 0..3 * BATCH.start as u32 {
        assert!(get(&table, &format!("job-{name}")).is_some(), "job-{name}");
    }
    assert_eq!(get(&table, "job-none"), None);
    table.clear();
    assert_eq!((table.len(), get(&table, "job-1"), table.lock().len()), (0, None, 0));
}

#[test]
fn all_outcomes_are_kept_until_their_time_rounded_up() {
    let table = Table::new();
    let cached = |outcome, fresh_until| Cached { outcome, fresh_until };
    table.insert(b"", cached(Outcome::Missing, Time::from_nanos(1)));
    table.insert(b"bad", cached(Outcome::Malformed("why".into()), millis(5)));
    table.read(b"", |seen| {
        let seen = seen.expect("it was inserted");
        assert!(matches!(seen.outcome, Outcome::Missing));
        assert_eq!(seen.fresh_until, millis(1));
    });
    table.read(b"bad", |seen| {
        let seen = seen.expect("it was inserted");
        assert!(matches!(seen.outcome, Outcome::Malformed(why) if &**why == "why"));
        assert_eq!(seen.fresh_until, millis(5));
    });
}

#[test]
fn a_key_that_no_template_renders_is_not_kept() {
    let table = Table::new();
    table.insert(&[b'x'; KEY_BYTES_MAX], found(1, Time::NEVER));
    table.insert(&[b'x'; KEY_BYTES_MAX + 1], found(1, Time::NEVER));
    table.insert_many([([b'y'; KEY_BYTES_MAX + 1], found(1, Time::NEVER))]);
    assert_eq!(table.len(), 1);
}

#[test]
fn stale_entries_stay_and_fresh_ones_outlive_them() {
    let table = filled(2_000);
    table.mark_all_stale();
    assert!(list(&table, 1).values().all(|(_, fresh_until)| *fresh_until == Time::ZERO));
    for name in 0..100 {
        table.insert(format!("job-{name}").as_bytes(), found(1, millis(1 + name)));
    }
    table.evict(2_000);
    assert_eq!(table.len(), 2_000);
    table.evict(1_999);
    assert!((1_700..=1_750).contains(&table.len()), "{}", table.len());
    assert!((0..100).all(|name| get(&table, &format!("job-{name}")).is_some()));
    table.evict(0);
    assert!(table.is_empty());
    assert_eq!(table.lock().len(), 0);
}

#[test]
fn a_target_that_no_key_has_any_more_goes_away() {
    let table = Table::new();
    for port in 1..=1_000 {
        table.insert(b"moves", found(port, Time::NEVER));
        assert_eq!(table.lock().len(), 1);
    }
    table.insert(b"other", found(1_000, Time::NEVER));
    table.remove(b"moves");
    assert_eq!(table.lock().len(), 1);
    table.remove(b"other");
    assert_eq!(table.lock().len(), 0);
}

#[test]
fn a_target_released_under_a_reader_goes_with_the_next_sweep() {
    let table = Table::new();
    table.insert(b"a", found(1, Time::NEVER));
    table.read(b"a", |seen| {
        table.insert(b"a", found(2, Time::NEVER));
        assert!(
            matches!(seen.expect("it is there").outcome, Outcome::Found(target) if target.port == 1)
        );
        assert_eq!(table.lock().len(), 2);
    });
    for port in 3..100 {
        table.insert(b"a", found(port, Time::NEVER));
        table.insert(&port.to_be_bytes(), found(port, Time::NEVER));
    }
    assert!(!table.lock().holds(1), "the sweep took it");
}

/// A reader sees both keys at all times, with a value that was written, while they flip and
/// shards split around them.
#[test]
fn readers_never_miss_a_key_that_is_being_changed() {
    let table = Table::new();
    let ended = AtomicBool::new(false);
    table.insert(b"one", found(1, millis(1)));
    table.insert(b"two", found(2, millis(2)));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !ended.load(Ordering::Relaxed) {
                    for key in ["one", "two"] {
                        let (port, fresh_until) = get(&table, key).expect("it is always there");
                        assert_eq!(
                            fresh_until,
                            millis(u64::from(port)),
                            "port and time were written together"
                        );
                    }
                }
            });
        }
        for round in 0..4_000_u32 {
            let (a, b) = if round % 2 == 0 { (1, 2) } else { (2, 1) };
            table.insert(b"one", found(a, millis(u64::from(a))));
            table.insert(b"two", found(b, millis(u64::from(b))));
            table.insert(format!("more-{round}").as_bytes(), found(3, Time::NEVER));
        }
        ended.store(true, Ordering::Relaxed);
    });
    assert_eq!(table.len(), 4_002);
}

/// `job-0` and so on.
fn filled(entries: u32) -> Table {
    let table = Table::new();
    let port = |name: u32| 1 + (name % 1_000) as u16;
    table.insert_many(
        (0..entries).map(|name| (format!("job-{name}"), found(port(name), Time::NEVER))),
    );
    assert_eq!(table.len(), entries as usize);
    table
}

fn found(port: u16, fresh_until: Time) -> Cached {
    let target = Target::from(std::net::SocketAddr::from(([10, 0, 0, 1], port)));
    Cached { outcome: Outcome::Found(Arc::new(target)), fresh_until }
}

fn millis(millis: u64) -> Time {
    Time::from_nanos(millis * 1_000_000)
}

fn value(seen: Seen<'_>) -> (u16, Time) {
    match seen.outcome {
        Outcome::Found(target) => (target.port, seen.fresh_until),
        other => panic!("not found but {other:?}"),
    }
}

/// Port and time of a key.
fn get(table: &Table, key: &str) -> Option<(u16, Time)> {
    table.read(key.as_bytes(), |seen| seen.map(value))
}

/// All entries, read page by page.
fn list(table: &Table, page: usize) -> BTreeMap<String, (u16, Time)> {
    let mut all = BTreeMap::new();
    let mut cursor = Some(0);
    while let Some(at) = cursor {
        cursor = table.page(at, page, |key, seen| {
            let key = String::from_utf8(key.to_vec()).expect("the keys are text");
            assert!(all.insert(key, value(seen)).is_none(), "no key comes twice");
        });
    }
    all
}

/// What [`Table::memory_bytes`] is when counted shard by shard.
fn recounted_bytes(table: &Table) -> usize {
    let directory = table.directory.load();
    let mut shards: Vec<_> = directory.slots.iter().map(ArcSwap::load_full).collect();
    shards.dedup_by(|a, b| Arc::ptr_eq(a, b));
    let bytes: usize = shards.iter().map(|shard| shard.memory_bytes()).sum();
    bytes + size_of_val(&*directory.slots)
}
