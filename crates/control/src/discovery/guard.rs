//! What may be believed of a source that says that nodes are gone.
//!
//! Nodes that come are taken at once. Nodes that vanish are let go at once as well, as long as enough remain: a source
//! that has lost its own data, or sees half of the network, says the same as one whose nodes are really gone, and
//! only the number tells them apart. A set of some size does not shrink within the time of a hold to less than a
//! share of what it was, and no set to nothing: the missing nodes stay until the hold is over. If they are still
//! missing then, the source is believed. Whoever is truly dead among them is found by its failing calls meanwhile.
//! Nodes that are exchanged for others, one by one or all together, are not held: the set does not shrink.
//! Pure: time comes in from outside.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use narrows_wire::Time;

use super::node::Node;

/// A set with fewer nodes may shrink to any size at once, except to nothing.
pub(super) const GUARDED_NODES_MIN: usize = 4;

/// What is let go at once, and for how long the rest is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// The share by which a set may shrink within `hold`, in percent.
    pub max_removal_percent: u32,
    /// How long the others are kept.
    pub hold: Duration,
}

/// The nodes of one source that are in force.
#[derive(Debug)]
pub(super) struct Guard {
    rules: Rules,
    nodes: BTreeMap<String, Entry>,
    /// How many there were before those that are held began to vanish.
    size: usize,
    /// How many there were, and until when, before the set shrank to what it is.
    larger: VecDeque<(Time, usize)>,
    origin: Origin,
}

/// What came of a look at the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Settled {
    /// Nodes that the source does not name and that are kept.
    pub(super) held: usize,
    /// When to look again.
    pub(super) again: Option<Time>,
}

#[derive(Debug)]
struct Entry {
    node: Node,
    /// Since when the source does not name it.
    missing_since: Option<Time>,
}

/// Where the nodes are from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// From the disk, of unknown age.
    Memory,
    /// From the source.
    Source,
}

// === impl Guard ===

impl Guard {
    /// Knows no nodes.
    pub(super) fn new(rules: Rules) -> Self {
        let origin = Origin::Memory;
        Self { rules, nodes: BTreeMap::new(), size: 0, larger: VecDeque::new(), origin }
    }

    /// Takes what the source said in another life, until it says something itself.
    pub(super) fn restore(&mut self, nodes: Vec<Node>) {
        self.nodes = entries(nodes).collect();
        self.size = self.nodes.len();
        self.origin = Origin::Memory;
    }

    /// Hears what the source says; [`Guard::settle`] draws the conclusions.
    pub(super) fn offer(&mut self, nodes: Vec<Node>, now: Time) {
        // Nothing follows from what an old set had and the source does not, unless it has nothing at all.
        if self.origin == Origin::Memory && !nodes.is_empty() {
            self.nodes.clear();
            self.size = 0;
        }
        self.origin = Origin::Source;
        let named: BTreeMap<_, _> = entries(nodes).collect();
        for (key, entry) in &mut self.nodes {
            if !named.contains_key(key) {
                entry.missing_since.get_or_insert(now);
            }
        }
        self.nodes.extend(named);
    }

    /// Lets go of what may go.
    pub(super) fn settle(&mut self, now: Time) -> Settled {
        let hold = self.rules.hold;
        self.larger.retain(|(until, _)| *until + hold > now);
        let before = self.nodes.len();
        self.nodes.retain(|_, entry| entry.missing_since.is_none_or(|since| since + hold > now));
        if self.nodes.len() < before {
            // The source was right: what it says now is the measure.
            self.larger.clear();
            self.size = self.nodes.len();
        }
        let missing = self.nodes.values().filter(|entry| entry.missing_since.is_some()).count();
        if self.is_too_many(missing) {
            let since = self.nodes.values().filter_map(|entry| entry.missing_since).min();
            return Settled { held: missing, again: since.map(|since| since + hold) };
        }
        self.nodes.retain(|_, entry| entry.missing_since.is_none());
        if self.nodes.len() < self.size {
            self.larger.push_back((now, self.size));
        }
        self.size = self.nodes.len();
        Settled { held: 0, again: None }
    }

    /// The nodes in force, in the order of their addresses.
    pub(super) fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values().map(|entry| &entry.node)
    }

    fn is_too_many(&self, missing: usize) -> bool {
        let remaining = self.nodes.len() - missing;
        let largest = self.larger.iter().map(|(_, size)| *size).max().unwrap_or(0).max(self.size);
        let share = 100_u64.saturating_sub(self.rules.max_removal_percent.into());
        let shrinks = (remaining as u64) * 100 < (largest as u64) * share;
        missing > 0 && (remaining == 0 || (largest >= GUARDED_NODES_MIN && shrinks))
    }
}

fn entries(nodes: Vec<Node>) -> impl Iterator<Item = (String, Entry)> {
    // The first of two with the same address counts: it is put in last.
    let entry = |node: Node| (node.target.to_string(), Entry { node, missing_since: None });
    nodes.into_iter().rev().map(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOLD: Duration = Duration::from_secs(30);

    fn guard() -> Guard {
        Guard::new(Rules { max_removal_percent: 50, hold: HOLD })
    }

    fn nodes(of: &[usize]) -> Vec<Node> {
        of.iter().map(|n| Node::new(format!("10.0.0.{n}:1").parse().expect("a target"))).collect()
    }

    fn in_force(guard: &Guard) -> Vec<usize> {
        let last = |node: &Node| {
            let text = node.target.to_string();
            text.trim_start_matches("10.0.0.").trim_end_matches(":1").parse().expect("a number")
        };
        guard.nodes().map(last).collect()
    }

    fn offered(guard: &mut Guard, of: &[usize], now: Time) -> usize {
        guard.offer(nodes(of), now);
        guard.settle(now).held
    }

    fn second(n: u64) -> Time {
        Time::ZERO + Duration::from_secs(n)
    }

    #[test]
    fn few_go_at_once_and_too_many_are_held() {
        let mut guard = guard();
        assert_eq!(offered(&mut guard, &[1, 2, 3, 4], second(0)), 0);
        assert_eq!(offered(&mut guard, &[1, 2], second(1)), 0, "half of them may go");
        assert_eq!(in_force(&guard), [1, 2]);
        assert_eq!(offered(&mut guard, &[1, 5, 6, 7, 8], second(100)), 0);
        assert_eq!(offered(&mut guard, &[8], second(101)), 4);
        assert_eq!(in_force(&guard), [1, 5, 6, 7, 8]);
        assert_eq!(guard.settle(second(130)).again, Some(second(131)));
        assert_eq!(guard.settle(second(131)), Settled { held: 0, again: None });
        assert_eq!(in_force(&guard), [8], "the source has been right all the time");
    }

    #[test]
    fn nodes_that_come_back_were_never_away() {
        let mut guard = guard();
        offered(&mut guard, &[1, 2, 3, 4], second(0));
        assert_eq!(offered(&mut guard, &[1], second(1)), 3);
        assert_eq!(offered(&mut guard, &[1, 2, 3, 9], second(2)), 0, "one less, one more");
        assert_eq!(in_force(&guard), [1, 2, 3, 9]);
    }

    #[test]
    fn many_small_steps_count_together() {
        let mut guard = guard();
        offered(&mut guard, &[1, 2, 3, 4, 5, 6], second(0));
        assert_eq!(offered(&mut guard, &[1, 2, 3, 4], second(1)), 0);
        assert_eq!(offered(&mut guard, &[1, 2, 3], second(2)), 0);
        assert_eq!(offered(&mut guard, &[1, 2], second(3)), 1, "the fourth of six");
        assert_eq!(offered(&mut guard, &[1, 2], second(33)), 0, "after the hold");
        assert_eq!(in_force(&guard), [1, 2]);
    }

    #[test]
    fn nodes_that_are_exchanged_one_by_one_are_not_held() {
        let mut guard = guard();
        offered(&mut guard, &[1, 2, 3, 4], second(0));
        for n in 5..20 {
            let now = [n - 3, n - 2, n - 1, n];
            assert_eq!(offered(&mut guard, &now, second(n as u64)), 0, "{n}");
        }
        assert_eq!(offered(&mut guard, &[21, 22, 23], second(20)), 0, "one less is few");
    }

    #[test]
    fn an_empty_set_is_not_believed_at_once() {
        let mut guard = guard();
        assert_eq!(offered(&mut guard, &[], second(0)), 0, "nothing was known");
        offered(&mut guard, &[1], second(0));
        assert_eq!(offered(&mut guard, &[], second(1)), 1);
        assert_eq!(in_force(&guard), [1]);
        assert_eq!(offered(&mut guard, &[], second(31)), 0);
        assert_eq!(in_force(&guard), [] as [usize; 0]);
    }

    #[test]
    fn a_small_set_may_shrink_and_any_set_may_be_exchanged() {
        let mut guard = guard();
        offered(&mut guard, &[1, 2, 3], second(0));
        assert_eq!(offered(&mut guard, &[3], second(1)), 0);
        assert_eq!(offered(&mut guard, &[4], second(2)), 0);
        assert_eq!(in_force(&guard), [4]);
    }

    #[test]
    fn what_was_on_disk_yields_to_the_source_unless_it_has_nothing() {
        let mut guard = guard();
        guard.restore(nodes(&[1, 2, 3, 4]));
        assert_eq!(in_force(&guard), [1, 2, 3, 4]);
        assert_eq!(offered(&mut guard, &[], second(1)), 4);
        assert_eq!(offered(&mut guard, &[5], second(2)), 4, "the source was heard before");
        guard.restore(nodes(&[1, 2, 3, 4]));
        assert_eq!(offered(&mut guard, &[5], second(3)), 0);
        assert_eq!(in_force(&guard), [5]);
    }

    #[test]
    fn the_newest_word_about_a_node_counts() {
        let mut guard = guard();
        offered(&mut guard, &[1], second(0));
        let mut heavier = nodes(&[1]);
        heavier[0].weight = 7;
        guard.offer(heavier, second(1));
        guard.settle(second(1));
        assert_eq!(guard.nodes().map(|node| node.weight).collect::<Vec<_>>(), [7]);
    }
}
