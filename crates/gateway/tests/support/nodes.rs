//! Nodes that are only looked at, and what chooses among them: no sockets, no clock.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use narrows_gateway::balance::{Balance, Candidate, Choice, Peer, Policy, hash};
use narrows_gateway::endpoints::{Endpoints, Member};
use narrows_gateway::random::Random;
use narrows_wire::Time;

/// Nodes and what chooses among them.
pub(crate) struct Nodes {
    pub(crate) balance: Box<dyn Balance>,
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) random: Random,
    pub(crate) now: Time,
}

// === impl Nodes ===

impl Nodes {
    pub(crate) fn new(policy: Policy, weights: &[u32]) -> Self {
        let names: Vec<String> = (0..weights.len()).map(name).collect();
        Self::named(policy, &names, weights)
    }

    pub(crate) fn named(policy: Policy, names: &[String], weights: &[u32]) -> Self {
        let endpoints = Endpoints::new(1);
        let member = |(name, weight): (&String, &u32)| Member {
            target: Arc::new(name.parse().expect("a target")),
            weight: *weight,
            priority: 0,
            labels: BTreeMap::new(),
        };
        endpoints.replace(names.iter().zip(weights).map(member).collect(), Time::ZERO);
        let mut candidates: Vec<Candidate> = Vec::new();
        for entry in endpoints.entries().iter() {
            let peer = match candidates.first() {
                Some(first) => first.peer.beside(entry.endpoint.clone()),
                None => Peer::new(entry.endpoint.clone(), 0),
            };
            candidates.push(Candidate { peer: Rc::new(peer), weight: entry.member.weight });
        }
        let mut balance = policy.balance(&Arc::default(), 3);
        balance.update(&candidates);
        Self { balance, candidates, random: Random::new(11), now: Time::ZERO }
    }

    pub(crate) fn choose_for(&mut self, key: u64) -> usize {
        self.choose(Some(hash(&key.to_le_bytes())), &[])
    }

    pub(crate) fn choose(&mut self, hash: Option<u64>, tried: &[usize]) -> usize {
        let tried: Vec<_> = tried.iter().map(|at| self.candidates[*at].peer.clone()).collect();
        let mut choice = Choice { hash, tried: &tried, now: self.now, random: &mut self.random };
        self.balance.choose(&self.candidates, &mut choice)
    }
}

/// The address of the node with this number.
pub(crate) fn name(at: usize) -> String {
    format!("10.0.{}.{}:50051", at / 250, at % 250 + 1)
}
