//! What every way of balancing promises, over many calls: shares by weight, few keys that move, other nodes first for
//! calls that have failed. All from seeds.

#[path = "support/nodes.rs"]
mod nodes;

use narrows_gateway::balance::{Policy, RingOptions, hash};

use nodes::{Nodes, name};

const RING: Policy = Policy::RingHash(RingOptions { size_min: 0, load_percent_max: None });
const MAGLEV: Policy = Policy::Maglev(None);
const ALL: [Policy; 7] = [
    Policy::RoundRobin,
    Policy::Random,
    Policy::LeastRequest(2),
    Policy::PeakEwma,
    RING,
    MAGLEV,
    Policy::IpHash,
];

/// Chances that follow the weights stay within what chance allows (chi-square), others within so much of their share.
#[test]
fn shares_follow_the_weights() {
    let weights: Vec<u32> = (0..30).map(|at| 1 + at % 5).collect();
    let sum: u32 = weights.iter().sum();
    let calls = 3000 * sum;
    for (policy, off_by_max) in [
        (Policy::RoundRobin, 0.001),
        (Policy::Random, 0.08),
        (Policy::LeastRequest(2), 0.08),
        (Policy::PeakEwma, 0.08),
        (MAGLEV, 0.08),
        (RING, 0.5),
    ] {
        let mut nodes = Nodes::new(policy, &weights);
        let mut counts = vec![0u32; weights.len()];
        (0..u64::from(calls)).for_each(|call| counts[nodes.choose_for(call)] += 1);
        let mut chi_square = 0.0;
        for (count, weight) in counts.iter().zip(&weights) {
            let expected = f64::from(calls) * f64::from(*weight) / f64::from(sum);
            let off_by = (f64::from(*count) - expected).abs();
            assert!(off_by <= off_by_max * expected, "{policy:?}: {count} for {expected}");
            chi_square += off_by * off_by / expected;
        }
        // 29 degrees of freedom: chance gives more once in a thousand times.
        let by_chance = matches!(policy, Policy::Random | Policy::LeastRequest(_));
        assert!(!by_chance || chi_square < 58.3, "{policy:?}: {chi_square}");
    }
}

/// On a ring, the only keys that move are those that the node that comes takes, or the one that goes had.
#[test]
fn on_a_ring_only_the_keys_of_one_node_move() {
    for count in [3, 10, 100] {
        let moved = moves(RING, count);
        let share = 1.0 / f64::from(count + 1);
        assert_eq!(moved.elsewhere, 0.0, "{count}");
        assert!((0.5 * share..1.6 * share).contains(&moved.to_the_new), "{count}: {moved:?}");
    }
}

/// A table moves some keys of the others, too; few if it has a hundred places or more for each node.
#[test]
fn in_a_table_few_other_keys_move() {
    for (policy, count, elsewhere_max) in
        [(MAGLEV, 3, 0.02), (MAGLEV, 10, 0.02), (MAGLEV, 100, 0.03), (Policy::IpHash, 100, 0.03)]
    {
        let moved = moves(policy, count);
        let share = 1.0 / f64::from(count + 1);
        assert!((0.9 * share..1.1 * share).contains(&moved.to_the_new), "{count}: {moved:?}");
        assert!(moved.elsewhere <= elsewhere_max, "{policy:?} {count}: {moved:?}");
    }
}

/// Gateways that hear of nodes in another order choose the same ones.
#[test]
fn the_order_of_nodes_does_not_matter_to_keys() {
    for policy in [RING, MAGLEV, Policy::IpHash] {
        let names: Vec<String> = (0..20).map(name).collect();
        let reversed: Vec<String> = names.iter().rev().cloned().collect();
        let mut here = Nodes::named(policy, &names, &[1; 20]);
        let mut there = Nodes::named(policy, &reversed, &[1; 20]);
        for key in 0..2000 {
            let (one, other) = (here.choose_for(key), there.choose_for(key));
            assert_eq!(names[one], reversed[other], "{policy:?}");
        }
    }
}

#[test]
fn a_call_goes_to_nodes_that_have_not_failed_it_as_long_as_there_are_any() {
    for policy in ALL {
        let mut nodes = Nodes::new(policy, &[5, 1, 1, 1, 1]);
        for key in 0..200 {
            let mut seen = Vec::new();
            for _ in 0..5 {
                let chosen = nodes.choose(Some(hash(&u64::to_le_bytes(key))), &seen);
                assert!(!seen.contains(&chosen), "{policy:?}: {seen:?}, then {chosen}");
                seen.push(chosen);
            }
            nodes.choose(None, &seen);
        }
    }
}

#[test]
fn one_node_takes_everything() {
    for policy in ALL {
        let mut nodes = Nodes::new(policy, &[7]);
        assert!((0..20).all(|key| nodes.choose_for(key) == 0));
        assert_eq!(nodes.choose(None, &[0]), 0);
    }
}

/// All callers ask for the same thing: the node that has it gets its bound and no more, the next one comes after it.
#[test]
fn a_bound_on_the_load_spreads_a_key_that_everybody_asks_for() {
    let bounded = RingOptions { size_min: 1024, load_percent_max: Some(125) };
    for policy in [Policy::RingHash(bounded), Policy::Maglev(Some(125))] {
        let mut nodes = Nodes::new(policy, &[1, 1, 1, 1, 2, 2]);
        let mut order = Vec::new();
        for _ in 0..800 {
            let chosen = nodes.choose_for(7);
            nodes.candidates[chosen].peer.begin();
            if !order.contains(&chosen) {
                order.push(chosen);
            }
        }
        for candidate in &nodes.candidates {
            let share = 100 * u64::from(candidate.weight);
            assert!(candidate.peer.active() <= share * 5 / 4, "{policy:?}: {candidate:?}");
        }
        assert_eq!(nodes.choose_for(7), nodes.choose_for(7));
        nodes.candidates.iter().for_each(|it| (0..it.peer.active()).for_each(|_| it.peer.end()));
        assert_eq!(nodes.choose_for(7), order[0], "it is first again when it has room");
    }
}

/// Which keys are elsewhere after a node has come, as parts of all keys.
#[derive(Debug)]
struct Moved {
    to_the_new: f64,
    elsewhere: f64,
}

/// What moves when a node joins so many; the same as when it leaves again.
fn moves(policy: Policy, count: u32) -> Moved {
    const KEYS: u32 = 40_000;
    let mut before = Nodes::new(policy, &vec![1; count as usize]);
    let mut after = Nodes::new(policy, &vec![1; count as usize + 1]);
    let (mut to_the_new, mut elsewhere) = (0u32, 0u32);
    for key in 0..u64::from(KEYS) {
        match (before.choose_for(key), after.choose_for(key)) {
            (_, now) if now == count as usize => to_the_new += 1,
            (was, now) => elsewhere += u32::from(was != now),
        }
    }
    let part = |keys| f64::from(keys) / f64::from(KEYS);
    Moved { to_the_new: part(to_the_new), elsewhere: part(elsewhere) }
}
