//! Nodes that fail, come back, and leave, in virtual time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use narrows_gateway::balance::{Balanced, Policy, Rules};
use narrows_gateway::control::Command;
use narrows_gateway::endpoints::{Duty, Endpoint, Endpoints, Health, Member};
use narrows_gateway::outlier::{Detection, Reason};
use narrows_gateway::slow_start::SlowStart;
use narrows_gateway::snapshot::Targets;
use narrows_wire::Time;

use super::call::{Call, Fate, Mode};
use super::client::Client;
use super::net::Welcome;
use super::node::Node;
use super::rng::Rng;
use super::setup::{GATEWAY, client_address, sent_to};
use super::{Plan, World};

/// Timers fire on the ticks of a wheel, and what they cause has to travel.
const TOLERANCE: Duration = Duration::from_millis(100);
const BASE: Duration = Duration::from_secs(30);

#[test]
fn a_node_that_fails_is_left_alone_and_longer_each_time() {
    let mut scene = Scene::new(3, detection(), None, None);
    scene.world.nodes[0].mood = Some(Mode::ResetMidway);
    let failed = failures(&scene.calls(60));
    assert!((3..12).contains(&failed), "{failed} calls before it is ejected, and few under way");
    assert_eq!(failures(&scene.calls(60)), 0);

    let first = scene.endpoint(0).ejected_until();
    scene.pass_until(first);
    assert!(failures(&scene.calls(60)) >= 3, "it is back, and no better");
    let second = scene.endpoint(0).ejected_until().since(first);
    assert!((2 * BASE..2 * BASE + Duration::from_secs(1)).contains(&second), "{second:?}");
    assert_eq!(scene.endpoints.ejections().of(Reason::ConsecutiveFailures), 2);
}

#[test]
fn a_node_that_can_not_be_reached_is_left_alone_without_a_word_in_the_configuration() {
    let mut scene = Scene::new(3, Detection::default(), None, None);
    let address = scene.endpoint(1).target.address().expect("an address");
    scene.world.net.add_host(address, Welcome::Refuses);
    assert_eq!(failures(&scene.calls(60)), 0, "another node takes what it does not get");
    let failed = scene.endpoint(1).shard(0).failures.get();
    assert!((5..25).contains(&failed), "{failed}");
    assert_eq!(scene.share(1, 30), 0);
    assert_eq!(scene.endpoint(1).ejected_for(), Reason::ConnectFailures);

    scene.world.net.add_host(address, Welcome::Accepts);
    scene.pass_until(scene.endpoint(1).ejected_until());
    let before = scene.counts();
    assert_eq!(failures(&scene.calls(30)), 0);
    assert!(scene.counts()[1] - before[1] > 5, "it is back: {:?}", scene.counts());
}

#[test]
fn when_all_nodes_fail_most_of_them_stay() {
    let mut scene = Scene::new(3, detection(), None, None);
    scene.world.nodes.iter_mut().for_each(|node| node.mood = Some(Mode::ResetMidway));
    assert_eq!(failures(&scene.calls(200)), 200);
    let now = scene.world.net.now();
    let entries = scene.endpoints.entries();
    assert_eq!(entries.iter().filter(|entry| entry.endpoint.is_in_service(now)).count(), 2);
}

#[test]
fn an_answer_that_is_no_failure_ejects_nobody() {
    let mut scene = Scene::new(3, detection(), None, None);
    // FAILED_PRECONDITION: the request is to blame.
    scene.world.nodes[0].mood = Some(Mode::Fails);
    assert!(failures(&scene.calls(90)) > 20);
    assert_eq!(scene.endpoint(0).ejected_until(), Time::ZERO);
    assert!(scene.endpoint(0).shard(0).successes.get() > 20);
}

#[test]
fn a_node_that_comes_back_starts_with_a_small_share() {
    let window = Duration::from_secs(20);
    let slow = SlowStart { window, curve: 1.0, min_weight_percent: 10 };
    let mut scene = Scene::new(3, detection(), Some(slow), None);
    assert_eq!(scene.share(0, 120), 40, "who was there from the start has its share");

    scene.endpoint(0).set_health(Health::Failing, scene.world.net.now());
    assert_eq!(scene.share(0, 60), 0);
    let back = scene.world.net.now();
    scene.endpoint(0).set_health(Health::Passing, back);
    let first = scene.share(0, 120);
    assert!((4..10).contains(&first), "a tenth of a share: {first} of 120");
    scene.pass_until(back + window / 2);
    let half = scene.share(0, 120);
    assert!((20..29).contains(&half), "half of a share: {half} of 120");
    scene.pass_until(back + window);
    assert_eq!(scene.share(0, 120), 40);
}

#[test]
fn a_node_that_joins_starts_with_a_small_share_unless_it_is_the_first() {
    let slow = SlowStart { window: Duration::from_secs(600), curve: 1.0, min_weight_percent: 10 };
    let mut scene = Scene::new(2, detection(), Some(slow), None);
    assert_eq!(scene.share(0, 60), 30);
    scene.add_node();
    let share = scene.share(2, 210);
    assert!((8..13).contains(&share), "a tenth of a share: {share} of 210");
}

#[test]
fn streams_to_a_node_that_is_removed_have_a_grace_and_then_an_end() {
    let grace = Duration::from_secs(2);
    let mut scene = Scene::new(2, detection(), None, Some(grace));
    scene.calls(10);
    scene.open(2);
    let begin = scene.world.net.now();
    scene.remove(0);
    scene.world.pass(TOLERANCE);
    assert_eq!(scene.share(0, 20), 0, "no new calls");
    assert!(scene.ends().is_empty(), "none has ended: {:?}", scene.ends());
    scene.pass_until(begin + grace + TOLERANCE);
    let ends = scene.ends();
    assert_eq!(ends.len(), 1, "{ends:?}");
    assert_eq!(ends[0].fate, Some(Fate::Status(14)));
    assert_eq!(ends[0].message, "the node is taken out of service");
    assert_eq!(scene.connections(0), 0);
    assert_ne!(scene.connections(1), 0);
}

#[test]
fn without_a_grace_streams_to_a_node_that_leaves_end_by_themselves() {
    let mut scene = Scene::new(2, detection(), None, None);
    scene.open(2);
    scene.remove(0);
    scene.world.pass(Duration::from_secs(4));
    assert!(scene.ends().is_empty());
    assert_eq!(scene.connections(0), 1, "it lives as long as its stream");
    scene.world.pass(Duration::from_secs(2));
    // The route's limit for a response.
    assert_eq!(scene.ends().len(), 2);
    assert_eq!(scene.connections(0), 0);
}

#[test]
fn idle_connections_to_a_node_that_is_drained_are_closed_at_once() {
    let mut scene = Scene::new(2, detection(), None, None);
    scene.calls(10);
    assert_eq!((scene.connections(0), scene.connections(1)), (1, 1));
    scene.drain(0, Duty::Draining);
    assert_eq!((scene.connections(0), scene.connections(1)), (0, 1));
    assert_eq!(scene.share(0, 20), 0);
    scene.drain(0, Duty::Serving);
    assert_eq!(scene.share(0, 20), 10);
}

#[test]
fn a_node_that_is_taken_back_in_time_keeps_its_streams() {
    let grace = Duration::from_secs(2);
    let mut scene = Scene::new(2, detection(), None, Some(grace));
    scene.open(2);
    scene.drain(0, Duty::Draining);
    scene.world.pass(grace / 2);
    scene.drain(0, Duty::Serving);
    scene.world.pass(grace);
    assert!(scene.ends().is_empty(), "{:?}", scene.ends());
}

#[test]
fn a_drained_address_gets_no_calls_by_lookup() {
    let mut world = World::new(1, Plan::default());
    let call = |job: &str| Call { job: job.into(), ..call(Mode::Echo) };
    let before = run(&mut world, vec![call("job-1")]);
    assert_eq!(before[0].fate, Some(Fate::Status(0)));
    let Targets::Lookup(lookup) = &world.snapshot.upstreams[0].targets else {
        unreachable!("the upstream of the world looks targets up");
    };
    let drained = lookup.drained.clone();
    let nodes: Vec<_> = (0..3).map(|at| format!("10.0.0.{at}:50051")).collect();
    for node in &nodes {
        drained.drain(&node.parse().expect("a target")).expect("room");
    }
    let after = run(&mut world, vec![call("job-1")]);
    assert_eq!(after[0].fate, Some(Fate::Status(14)));
    assert_eq!(after[0].message, "the node is taken out of service");
    for node in &nodes {
        drained.undrain(&node.parse().expect("a target"));
    }
    assert_eq!(run(&mut world, vec![call("job-1")])[0].fate, Some(Fate::Status(0)));
}

/// A world whose upstream is a set of nodes.
struct Scene {
    world: World,
    endpoints: Arc<Endpoints>,
    clients: usize,
}

fn detection() -> Detection {
    Detection {
        consecutive_failures: 3,
        base_ejection_time: BASE,
        max_ejection_time: 10 * BASE,
        ..Detection::default()
    }
}

fn call(mode: Mode) -> Call {
    Call {
        id: 1,
        mode,
        job: "job".into(),
        up: 10,
        down: 10,
        received: 0,
        fate: None,
        message: String::new(),
    }
}

fn failures(calls: &[Call]) -> usize {
    calls.iter().filter(|call| call.fate != Some(Fate::Status(0))).count()
}

/// Calls of a new client, until all have ended.
fn run(world: &mut World, calls: Vec<Call>) -> Vec<Call> {
    let own = client_address(world.clients.len());
    world.clients.push(Client::new(Rng::new(1), GATEWAY, own, calls, false, false));
    while world.clients.last().is_some_and(|client| !client.is_done()) {
        world.step();
    }
    let client = world.clients.last_mut().expect("just pushed");
    client.leave(&mut world.net);
    client.calls().to_vec()
}

// === impl Scene ===

impl Scene {
    fn new(
        nodes: usize,
        outliers: Detection,
        slow_start: Option<SlowStart>,
        grace: Option<Duration>,
    ) -> Self {
        let mut world = World::new(1, Plan::default());
        world.clients.clear();
        world.nodes.clear();
        let endpoints = Arc::new(Endpoints::new(1));
        let balanced = Balanced {
            endpoints: endpoints.clone(),
            policy: Policy::RoundRobin,
            rules: Rules::default(),
            outliers,
            slow_start,
        };
        let snapshot = sent_to(&world.snapshot, Targets::Balanced(Box::new(balanced)), grace);
        world.snapshot = snapshot.clone();
        world.mailbox.post(Command::Apply(snapshot));
        let mut scene = Self { world, endpoints, clients: 0 };
        let members = (0..nodes).map(|_| scene.host()).collect();
        scene.endpoints.replace(members, scene.world.net.now());
        scene
    }

    /// One more node, not yet in the set.
    fn host(&mut self) -> Member {
        let text = format!("10.0.2.{}:50051", self.world.nodes.len());
        let address = text.parse().expect("an address");
        self.world.net.add_host(address, Welcome::Accepts);
        self.world.nodes.push(Node::new(Rng::new(1), address, None));
        let target = Arc::new(text.parse().expect("a target"));
        Member { target, weight: 1, priority: 0, labels: BTreeMap::new() }
    }

    fn members(&self) -> Vec<Member> {
        self.endpoints.entries().iter().map(|entry| entry.member.clone()).collect()
    }

    fn add_node(&mut self) {
        let mut members = self.members();
        members.push(self.host());
        self.endpoints.replace(members, self.world.net.now());
    }

    fn remove(&mut self, at: usize) {
        let mut members = self.members();
        members.remove(at);
        self.endpoints.replace(members, self.world.net.now());
        self.review();
    }

    fn drain(&mut self, at: usize, duty: Duty) {
        self.endpoint(at).set_duty(duty, self.world.net.now());
        self.review();
    }

    fn review(&mut self) {
        self.world.mailbox.post(Command::Review);
        self.world.pass(Duration::from_millis(20));
    }

    fn endpoint(&self, at: usize) -> Arc<Endpoint> {
        let name = format!("10.0.2.{at}:50051");
        let entries = self.endpoints.entries();
        let found = entries.iter().find(|entry| entry.member.target.to_string() == name);
        found.expect("it is in the set").endpoint.clone()
    }

    /// Ordinary calls of a new client.
    fn calls(&mut self, calls: usize) -> Vec<Call> {
        run(
            &mut self.world,
            (0..calls).map(|id| Call { id: id as u64, ..call(Mode::Echo) }).collect(),
        )
    }

    /// Calls that each node has had.
    fn counts(&self) -> Vec<u64> {
        let entries = self.endpoints.entries();
        entries.iter().map(|entry| entry.endpoint.shard(0).calls.get()).collect()
    }

    /// How many of so many calls come to a node; none if it is not in the set.
    fn share(&mut self, at: usize, calls: usize) -> u64 {
        let name = format!("10.0.2.{at}:50051");
        let entries = self.endpoints.entries();
        let found = entries.iter().find(|entry| entry.member.target.to_string() == name);
        let before = found.map_or(0, |entry| entry.endpoint.shard(0).calls.get());
        assert_eq!(failures(&self.calls(calls)), 0);
        found.map_or(0, |entry| entry.endpoint.shard(0).calls.get() - before)
    }

    /// Streams that nobody ends, from a client that stays.
    fn open(&mut self, streams: usize) {
        let calls = (0..streams).map(|id| Call { id: id as u64, ..call(Mode::Mute) }).collect();
        self.clients = self.world.clients.len();
        let own = client_address(self.clients);
        self.world.clients.push(Client::new(Rng::new(1), GATEWAY, own, calls, false, false));
        self.world.pass(TOLERANCE);
    }

    /// Those of the streams that have ended.
    fn ends(&self) -> Vec<Call> {
        let calls = self.world.clients[self.clients].calls();
        calls.iter().filter(|call| call.fate.is_some()).cloned().collect()
    }

    /// The gateway's connections to a node.
    fn connections(&mut self, at: usize) -> usize {
        let (to, answer) = std::sync::mpsc::channel();
        self.world.mailbox.post(Command::Connections(to));
        self.world.turn();
        let links: Vec<_> = answer.try_iter().flatten().collect();
        let own = format!("10.0.2.{at}:50051");
        links.iter().filter(|link| link.peer.to_string() == own).count()
    }

    fn pass_until(&mut self, time: Time) {
        let left = time.since(self.world.net.now());
        self.world.pass(left);
    }
}
