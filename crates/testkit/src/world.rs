//! The simulated world: the whole gateway with clients, nodes, faults, and time in one thread.
//!
//! Everything follows from a seed. Time jumps from one happening to the next. The gateway's worker runs on
//! `net::Net` instead of epoll and sockets, with the same rules: readiness is reported once per change, a
//! write takes what fits, a short read means that nothing is left. Clients and nodes speak through the same
//! engine and check every byte. [`World::run`] ends with a list of what did not hold; empty is good.

#[cfg(test)]
mod balance;
mod call;
mod client;
#[cfg(test)]
mod closes;
mod control;
#[cfg(test)]
mod crowd;
mod filters;
#[cfg(test)]
mod health;
#[cfg(test)]
mod keepalive;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod matrix;
mod mixed;
mod net;
mod node;
#[cfg(test)]
mod peer;
#[cfg(test)]
mod retry;
mod rng;
mod setup;
#[cfg(test)]
mod sticky;
#[cfg(test)]
mod views;
#[cfg(test)]
mod volumes;

use std::sync::Arc;
use std::time::Duration;

use narrows_gateway::closes::Close;
use narrows_gateway::control::Command;
use narrows_gateway::snapshot::Snapshot;
use narrows_gateway::stats::WorkerStats;
use narrows_gateway::worker::Worker;
use narrows_wire::Time;

pub use call::{Call, Fate, Mode};
use client::Client;
use control::Control;
use net::Net;
use node::Node;
use rng::Rng;
pub use setup::{Limits, Plan};

/// A world that is not done by then hangs.
const VIRTUAL_TIME_MAX: Duration = Duration::from_secs(600);
/// Turns of everything, as a second guard against going round in circles.
const STEPS_MAX: usize = 4_000_000;
/// Longer than the idle timeouts of links on both sides.
const SETTLE: Duration = Duration::from_secs(120);

/// The gateway, its callers, and its nodes.
pub struct World {
    plan: Plan,
    rng: Rng,
    net: Net,
    worker: Worker<Net>,
    control: Control,
    mailbox: narrows_gateway::control::Mailbox,
    stats: Arc<WorkerStats>,
    snapshot: Arc<Snapshot>,
    clients: Vec<Client>,
    nodes: Vec<Node>,
    /// Those of other protocols.
    others: Vec<Box<dyn Actor>>,
    /// When the worker wants to run although nothing is ready.
    worker_due: Time,
    faults_due: Time,
    reload_due: Time,
    /// When something else than its own parts has something to do.
    other_due: Time,
    wrong: Vec<String>,
}

/// Somebody in the world beside the gateway.
trait Actor: std::fmt::Debug {
    /// Does what is to be done now.
    fn step(&mut self, net: &Net, now: Time);
    /// When it does something by itself.
    fn next_due(&self) -> Time;
    /// Whether all that it wanted has come to an end.
    fn is_done(&self) -> bool {
        true
    }
    /// What has not.
    fn unfinished(&self) -> Vec<String> {
        vec![]
    }
    /// Closes what is of no more use.
    fn leave(&mut self) {}
    /// Lets what runs end, and takes no more on the connections that there are.
    fn go_away(&mut self, _: Time) {}
    /// What did not hold.
    fn faults(&mut self) -> Vec<String>;
}

impl World {
    /// The world of a seed.
    pub fn new(seed: u64, plan: Plan) -> Self {
        setup::build(seed, plan)
    }

    /// Runs until every call has its end and every connection is gone; gives what did not hold.
    pub fn run(mut self) -> Vec<String> {
        let mut steps = 0;
        while !self.is_done() {
            steps += 1;
            if steps > STEPS_MAX || self.net.now() > Time::ZERO + VIRTUAL_TIME_MAX {
                self.wrong.push(format!("hangs at {:?}: {}", self.net.now(), self.unfinished()));
                return self.wrong;
            }
            self.step();
        }
        self.check_calls();
        self.settle();
        self.check_census();
        self.wrong
    }

    fn is_done(&self) -> bool {
        self.clients.iter().all(Client::is_done) && self.others.iter().all(|actor| actor.is_done())
    }

    fn unfinished(&self) -> String {
        let calls = self.clients.iter().flat_map(Client::unfinished);
        let calls = calls.map(|call| format!("{call:?}"));
        let others = self.others.iter().flat_map(|actor| actor.unfinished());
        let calls: Vec<_> = calls.chain(others).take(3).collect();
        format!("{:?}; {}", self.worker, calls.join("; "))
    }

    /// Everything that happens now, then time moves on to what happens next.
    fn step(&mut self) {
        self.step_until(Time::NEVER);
    }

    /// The same, but time moves no further than to `end`.
    fn step_until(&mut self, end: Time) {
        let now = self.net.now();
        for client in &mut self.clients {
            client.step(&mut self.net, now);
        }
        for node in &mut self.nodes {
            node.step(&mut self.net, now);
        }
        for actor in &mut self.others {
            actor.step(&self.net, now);
        }
        self.control.step(now, &self.mailbox);
        self.cause_trouble(now);
        if self.net.has_ready() || now >= self.worker_due {
            self.turn();
        }
        self.advance(end);
    }

    fn turn(&mut self) {
        if let Err(error) = self.worker.turn() {
            self.wrong.push(format!("the worker fails: {error}"));
        }
        self.worker_due = match self.worker.patience() {
            Some(patience) => self.net.now() + patience,
            None => Time::NEVER,
        };
    }

    fn advance(&mut self, end: Time) {
        if self.net.has_ready() {
            return;
        }
        let mut next = self.worker_due.min(self.net.next_delivery()).min(self.control.next_due());
        next = next.min(self.other_due);
        for client in &self.clients {
            next = next.min(client.next_due());
        }
        for node in &self.nodes {
            next = next.min(node.next_due());
        }
        for actor in &self.others {
            next = next.min(actor.next_due());
        }
        if !self.is_done() {
            next = next.min(self.faults_due).min(self.reload_due);
        }
        // Timers fire on ticks; a small step makes sure that time moves at all.
        let least = self.net.now() + Duration::from_micros(50);
        self.net.advance_to(next.min(end).max(least));
    }

    /// Cut connections, nodes that drain, reloads.
    fn cause_trouble(&mut self, now: Time) {
        if now >= self.reload_due {
            self.reload_due = now + self.rng.millis(5, 50);
            self.mailbox.post(Command::Apply(setup::reloaded(&self.snapshot, self.plan)));
        }
        if now >= self.faults_due {
            self.faults_due = now + self.rng.millis(2, 80);
            if self.plan.cuts && self.rng.one_in(3) {
                self.net.cut_any(&mut self.rng);
            }
            if self.plan.goaways && self.rng.one_in(2) {
                let at = self.rng.below(self.nodes.len());
                self.nodes[at].go_away(now);
                if !self.others.is_empty() {
                    let at = self.rng.below(self.others.len());
                    self.others[at].go_away(now);
                }
            }
        }
    }

    fn check_calls(&mut self) {
        for call in self.clients.iter().flat_map(Client::calls) {
            if let Err(what) = call.verdict(self.plan) {
                self.wrong.push(format!("call {}: {what}: {call:?}", call.id));
            }
        }
        for client in &mut self.clients {
            self.wrong.append(&mut client.wrong);
        }
        for node in &mut self.nodes {
            self.wrong.append(&mut node.wrong);
        }
        self.wrong.extend(self.others.iter_mut().flat_map(|actor| actor.faults()));
    }

    /// Clients leave, idle connections end.
    fn settle(&mut self) {
        for client in &mut self.clients {
            client.leave(&mut self.net);
        }
        self.others.iter_mut().for_each(|actor| actor.leave());
        self.pass(SETTLE);
    }

    /// Goes on for so long.
    fn pass(&mut self, time: Duration) {
        let end = self.net.now() + time;
        while self.net.now() < end {
            self.step_until(end);
        }
    }

    /// Connections of clients that ended for this.
    fn closes_of_clients(&self, close: Close) -> u64 {
        self.snapshot.listeners[0].stats.shard(0).closes.of(close).get()
    }

    fn check_census(&mut self) {
        let [exchanges, links, nodes, timers] = self.worker.census();
        if exchanges + links + nodes + timers > 0 {
            let (to, streams) = std::sync::mpsc::channel();
            self.mailbox.post(Command::Streams(to));
            let (to, links) = std::sync::mpsc::channel();
            self.mailbox.post(Command::Connections(to));
            self.turn();
            let streams: Vec<_> = streams.try_iter().flatten().collect();
            let links: Vec<_> = links.try_iter().flatten().collect();
            self.wrong.push(format!("left over: {:?} {streams:?} {links:?}", self.worker));
        }
        if self.stats.downstream.get() != 0 {
            self.wrong.push(format!("gauge of clients: {}", self.stats.downstream.get()));
        }
        let closes: u64 = Close::ALL.iter().map(|close| self.closes_of_clients(*close)).sum();
        if closes != self.stats.accepted.get() {
            self.wrong.push(format!("{} clients came, {closes} went", self.stats.accepted.get()));
        }
        for upstream in &self.snapshot.upstreams {
            let shard = upstream.stats.shard(0);
            let gauges =
                [&shard.connections, &shard.streams, &shard.pending].map(|gauge| gauge.get());
            if gauges != [0; 3] {
                self.wrong.push(format!("gauges of upstream {}: {gauges:?}", upstream.name));
            }
        }
        for route in self.snapshot.router.routes() {
            if route.stats.shard(0).active.get() != 0 {
                self.wrong.push(format!("gauge of route {}", route.name));
            }
            self.wrong.extend(filters::misbehaved(&route.filters));
        }
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "World({:?})", self.worker)
    }
}
