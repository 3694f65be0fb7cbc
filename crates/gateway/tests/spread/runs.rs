//! Calls without a gateway: a way of balancing is asked for each, and time is a number.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use narrows_gateway::balance::Policy;
use narrows_gateway::random::Random;

use super::nodes::Nodes;

/// The weights of the nodes over which calls are spread.
pub(crate) const WEIGHTS: [u32; 3] = [1, 2, 5];
/// How many calls are spread.
pub(crate) const CALLS: usize = 8000;
/// Callers: each has a key of its own, and a network.
const CALLERS: u64 = 20_000;
/// How many nodes there are when one of them is slow: the second.
pub(crate) const NODES: usize = 4;
/// Which of them is slow.
pub(crate) const SLOW: usize = 1;
/// The parts of the time that are counted apart.
pub(crate) const PARTS: usize = 80;
/// In which of them the node is slow.
pub(crate) const SLOW_PARTS: std::ops::Range<usize> = 10..30;
/// How long a part is.
const PART: Duration = Duration::from_millis(500);
/// Between two calls, on average.
const GAP: Duration = Duration::from_millis(1);
/// How long a node takes, on average.
const TAKES: Duration = Duration::from_millis(10);
/// How many times as long the slow one takes.
const SLOWER: u32 = 20;

/// What happened in one part of the time.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Part {
    /// Calls by node.
    pub(crate) calls: [u32; NODES],
    /// What these calls took, all together.
    pub(crate) took: Duration,
}

/// Which node each call goes to, if every reply comes at once.
pub(crate) fn spread(policy: Policy) -> Vec<usize> {
    let mut nodes = Nodes::new(policy, &WEIGHTS);
    let mut callers = Random::new(5);
    (0..CALLS).map(|_| nodes.choose_for(callers.next_u64() % CALLERS)).collect()
}

/// What each part of the time brings, if one of the nodes is slow for a while.
pub(crate) fn slow_node(policy: Policy) -> [Part; PARTS] {
    let mut nodes = Nodes::new(policy, &[1; NODES]);
    let mut chance = Random::new(7);
    let mut parts = [Part::default(); PARTS];
    let mut open = BinaryHeap::new();
    let start = nodes.now;
    loop {
        nodes.now = nodes.now + around(GAP, &mut chance);
        end_those_due(&mut open, &nodes);
        let at = (nodes.now.since(start).as_nanos() / PART.as_nanos()) as usize;
        let Some(part) = parts.get_mut(at) else { return parts };
        let node = nodes.choose_for(chance.next_u64() % CALLERS);
        let slower = if node == SLOW && SLOW_PARTS.contains(&at) { SLOWER } else { 1 };
        let takes = around(TAKES, &mut chance) * slower;
        nodes.candidates[node].peer.begin();
        open.push(Reverse((nodes.now + takes, node, takes)));
        part.calls[node] += 1;
        part.took += takes;
    }
}

type Open = BinaryHeap<Reverse<(narrows_wire::Time, usize, Duration)>>;

fn end_those_due(open: &mut Open, nodes: &Nodes) {
    while let Some(Reverse((due, node, took))) = open.peek().copied()
        && due <= nodes.now
    {
        open.pop();
        let peer = &nodes.candidates[node].peer;
        peer.end();
        peer.on_reply(took, due);
    }
}

/// From half to one and a half times as long, each as likely.
fn around(mean: Duration, chance: &mut Random) -> Duration {
    let thousandths = 500 + chance.next_u64() % 1001;
    mean * thousandths as u32 / 1000
}
