//! A cluster of three masters: every key is read and tracked where it is, also while it moves.

use narrows_control::stores::redis::{RedisOptions, Topology};
use narrows_testkit::servers::{Redis, free_address};

use crate::support::{Opened, PATIENCE, node};

const NODES: usize = 3;
const SLOTS: usize = 16_384;

struct Cluster(Vec<Redis>);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_read_and_followed_on_every_node() {
    let mut cluster = Cluster::start().await;
    let opened = Opened::connected(cluster.options()).await;
    for n in 0..60 {
        let key = format!("job-{n}");
        cluster.owner(&key).set(&key, "10.0.0.1:1");
        assert_eq!(opened.lookup(&key).await, "10.0.0.1:1");
    }
    for node in &mut cluster.0 {
        assert!(node.calls_of("get") > 0, "keys are spread over the nodes");
    }
    for n in 0..60 {
        let key = format!("job-{n}");
        cluster.owner(&key).set(&key, "10.0.0.2:2");
        opened.until_seen(&key, "10.0.0.2:2").await;
    }
    assert_eq!(opened.counts().queries, 60, "nobody had to ask again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_node_does_not_concern_the_keys_of_others() {
    let mut cluster = Cluster::start().await;
    // The others go on serving their slots.
    for node in &mut cluster.0 {
        node.command(&["CONFIG", "SET", "cluster-require-full-coverage", "no"]);
    }
    let opened = Opened::connected(cluster.options()).await;
    let (mut lost, mut kept) = (Vec::new(), Vec::new());
    for n in 0..30 {
        let key = format!("job-{n}");
        let owner = cluster.owner_index(&key);
        cluster.0[owner].set(&key, "10.0.0.1:1");
        (if owner == 2 { &mut lost } else { &mut kept }).push(key);
    }
    let (known, unknown) = lost.split_at(lost.len() / 2);
    for key in known {
        assert_eq!(opened.lookup(key).await, "10.0.0.1:1");
    }
    cluster.0[2].kill();
    opened.until("the loss is noticed", || !opened.store.is_up()).await;
    for key in &kept {
        assert_eq!(opened.lookup(key).await, "10.0.0.1:1");
        cluster.owner(key).set(key, "10.0.0.2:2");
        opened.until_seen(key, "10.0.0.2:2").await;
    }
    for key in known {
        assert_eq!(opened.lookup(key).await, "10.0.0.1:1");
    }
    for key in unknown {
        let failure = opened.lookup(key).await;
        assert!(failure.starts_with("store jobs: key"), "{failure}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_moves_is_followed() {
    let mut cluster = Cluster::start().await;
    let opened = Opened::connected(cluster.options()).await;
    let (stays, moves) = ("{tag}stays", "{tag}moves");
    let from = cluster.owner_index(stays);
    let to = (from + 1) % NODES;
    for key in [stays, moves] {
        cluster.0[from].set(key, "10.0.0.1:1");
    }
    let slot = cluster.slot(stays).to_string();
    let (from_id, to_id) = (cluster.id(from), cluster.id(to));
    cluster.0[to].command(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id]);
    cluster.0[from].command(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id]);
    let port = cluster.0[to].address().port().to_string();
    cluster.0[from].command(&["MIGRATE", "127.0.0.1", &port, moves, "0", "5000"]);
    // Half way: one key is still there, the other is asked for at its new place.
    assert_eq!(opened.lookup(stays).await, "10.0.0.1:1");
    assert_eq!(opened.lookup(moves).await, "10.0.0.1:1");
    assert_eq!(opened.lookup("{tag}neither").await, "missing");

    cluster.0[from].command(&["MIGRATE", "127.0.0.1", &port, stays, "0", "5000"]);
    for at in [to, from] {
        cluster.0[at].command(&["CLUSTER", "SETSLOT", &slot, "NODE", &to_id]);
    }
    assert_eq!(opened.lookup(stays).await, "10.0.0.1:1");
    for key in [stays, moves] {
        cluster.0[to].set(key, "10.0.0.2:2");
        opened.until_seen(key, "10.0.0.2:2").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_takes_over_is_followed() {
    let mut cluster = Cluster::start().await;
    let mut replica = cluster.replica_of(0).await;
    let opened = Opened::connected(cluster.options()).await;
    let key = (0..).map(|n| format!("job-{n}")).find(|key| cluster.owner_index(key) == 0);
    let key = key.expect("some key is there");
    cluster.0[0].set(&key, "10.0.0.1:1");
    assert_eq!(opened.lookup(&key).await, "10.0.0.1:1");
    cluster.0[0].kill();
    opened.until("the loss is noticed", || !opened.store.is_up()).await;
    assert_eq!(opened.seen(&key).as_deref(), Some("10.0.0.1:1"));
    opened
        .until("it takes writes", || replica.try_command(&["SET", &key, "10.0.0.2:2"]).is_ok())
        .await;
    opened.until_seen(&key, "10.0.0.2:2").await;
    opened.until("all nodes are there", || opened.store.is_up()).await;
    replica.set(&key, "10.0.0.3:3");
    opened.until_seen(&key, "10.0.0.3:3").await;
}

// === impl Cluster ===

impl Cluster {
    async fn start() -> Self {
        let mut nodes: Vec<_> = (0..NODES).map(|_| Self::node()).collect();
        let (first, first_bus) = (nodes[0].0.address(), nodes[0].1.to_string());
        for (at, (node, _)) in nodes.iter_mut().enumerate() {
            let (from, to) = (at * SLOTS / NODES, (at + 1) * SLOTS / NODES - 1);
            node.command(&["CLUSTER", "ADDSLOTSRANGE", &from.to_string(), &to.to_string()]);
            node.command(&["CLUSTER", "SET-CONFIG-EPOCH", &(at + 1).to_string()]);
        }
        for (node, _) in &mut nodes[1..] {
            let port = first.port().to_string();
            node.command(&["CLUSTER", "MEET", "127.0.0.1", &port, &first_bus]);
        }
        let mut cluster = Self(nodes.into_iter().map(|(node, _)| node).collect());
        let agree = async {
            while !cluster.agrees() {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, agree).await.expect("the nodes find each other");
        cluster
    }

    /// A node that is in no cluster yet, and the port of its bus.
    fn node() -> (Redis, u16) {
        let bus = free_address().port();
        let port = bus.to_string();
        let enabled = ["--cluster-enabled", "yes", "--cluster-port", &port];
        let timeout = ["--cluster-node-timeout", "1000"];
        (Redis::start_with(&[&enabled[..], &timeout[..]].concat()), bus)
    }

    /// A new node that takes the place of a master when that is gone.
    async fn replica_of(&mut self, at: usize) -> Redis {
        let (mut replica, bus) = Self::node();
        let master = self.id(at);
        let (port, bus) = (replica.address().port().to_string(), bus.to_string());
        self.0[at].command(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]);
        let ready = async {
            while replica.try_command(&["CLUSTER", "REPLICATE", &master]).is_err() {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            let online =
                |node: &mut Redis| node.command(&["INFO", "replication"]).contains("state=online");
            let known = |node: &mut Redis| node.command(&["CLUSTER", "NODES"]).contains(" slave ");
            while !online(&mut self.0[at])
                || !self.0.iter_mut().all(|node| known(node) && agrees(node, NODES + 1))
                || !agrees(&mut replica, NODES + 1)
            {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, ready).await.expect("the nodes find each other");
        replica
    }

    fn agrees(&mut self) -> bool {
        self.0.iter_mut().all(|node| agrees(node, NODES))
    }

    fn options(&self) -> RedisOptions {
        RedisOptions::new(Topology::Cluster { seeds: vec![node(self.0[0].address())] })
    }

    fn slot(&mut self, key: &str) -> usize {
        self.0[0].command(&["CLUSTER", "KEYSLOT", key]).parse().expect("a slot")
    }

    fn owner_index(&mut self, key: &str) -> usize {
        let slot = self.slot(key);
        (0..NODES).find(|at| slot < (at + 1) * SLOTS / NODES).expect("a node")
    }

    fn owner(&mut self, key: &str) -> &mut Redis {
        let at = self.owner_index(key);
        &mut self.0[at]
    }

    fn id(&mut self, at: usize) -> String {
        self.0[at].command(&["CLUSTER", "MYID"])
    }
}

fn agrees(node: &mut Redis, nodes: usize) -> bool {
    let info = node.command(&["CLUSTER", "INFO"]);
    info.contains("cluster_state:ok") && info.contains(&format!("cluster_known_nodes:{nodes}\r"))
}
