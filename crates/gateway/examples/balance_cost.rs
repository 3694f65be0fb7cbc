//! What it costs to choose a node, and to build what ways of balancing choose from.
//!
//! ```text
//! cargo build --release -p narrows-gateway --example balance_cost
//! target/release/examples/balance_cost                          # times
//! valgrind --tool=callgrind --toggle-collect='balance_cost::*counted*' \
//!     target/release/examples/balance_cost maglev 1000 100000   # instructions of 100,000 choices
//! ```
//! Build times are those that a worker stalls when its candidates change, unless another one has built the same table
//! before.

use std::rc::Rc;
use std::sync::Arc;

use narrows_gateway::balance::{Balance, Candidate, Choice, Peer, Policy, RingOptions, Tables};
use narrows_gateway::clock;
use narrows_gateway::endpoints::{Endpoints, Member};
use narrows_gateway::random::Random;
use narrows_wire::Time;

const POLICIES: [(&str, Policy); 7] = [
    ("round_robin", Policy::RoundRobin),
    ("random", Policy::Random),
    ("least_request", Policy::LeastRequest(2)),
    ("peak_ewma", Policy::PeakEwma),
    ("ring_hash", Policy::RingHash(RingOptions { size_min: 160, load_percent_max: None })),
    ("maglev", Policy::Maglev(None)),
    ("ip_hash", Policy::IpHash),
];
const CHOICES: usize = 1_000_000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [name, nodes, choices] = arguments.as_slice() {
        let found = POLICIES.iter().find(|(known, _)| known == name);
        let (_, policy) = found.expect("a policy");
        let candidates = candidates(nodes.parse().expect("a number"));
        let mut balance = policy.balance(&Arc::default(), 0);
        balance.update(&candidates);
        counted(&mut *balance, &candidates, choices.parse().expect("a number"));
        return;
    }
    for (name, policy) in POLICIES {
        for nodes in [3, 100, 1000, 10_000] {
            let candidates = candidates(nodes);
            let tables = Arc::<Tables>::default();
            let first = built(policy, &tables, &candidates);
            let second = built(policy, &tables, &candidates);
            let mut balance = policy.balance(&tables, 0);
            balance.update(&candidates);
            let begun = clock::now();
            counted(&mut *balance, &candidates, CHOICES);
            let each = clock::now().since(begun).as_nanos() as f64 / CHOICES as f64;
            println!(
                "{name:14} {nodes:6} nodes: built in {first:?}, found in {second:?}, {each:.1} ns a choice"
            );
        }
    }
}

fn built(policy: Policy, tables: &Arc<Tables>, candidates: &[Candidate]) -> std::time::Duration {
    let mut balance = policy.balance(tables, 0);
    let begun = clock::now();
    balance.update(candidates);
    clock::now().since(begun)
}

#[inline(never)]
fn counted(balance: &mut dyn Balance, candidates: &[Candidate], choices: usize) {
    let mut random = Random::new(5);
    let mut sum = 0;
    for call in 0..choices {
        let hash = Some((call as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let mut choice =
            Choice { hash, tried: &[], now: Time::from_nanos(call as u64), random: &mut random };
        sum += balance.choose(candidates, &mut choice);
    }
    assert!(sum > 0 || candidates.len() == 1);
}

fn candidates(count: usize) -> Vec<Candidate> {
    let endpoints = Endpoints::new(1);
    let member = |at: usize| Member {
        target: Arc::new(format!("10.{}.{}.1:80", at / 250, at % 250).parse().expect("a target")),
        weight: 1 + at as u32 % 3,
        priority: 0,
        labels: Default::default(),
    };
    endpoints.replace((0..count).map(member).collect(), Time::ZERO);
    let mut candidates: Vec<Candidate> = Vec::with_capacity(count);
    for entry in endpoints.entries().iter() {
        let peer = match candidates.first() {
            Some(first) => first.peer.beside(entry.endpoint.clone()),
            None => Peer::new(entry.endpoint.clone(), 0),
        };
        candidates.push(Candidate { peer: Rc::new(peer), weight: entry.member.weight });
    }
    candidates
}
