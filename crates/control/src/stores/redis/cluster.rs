//! Which node of a cluster serves which slots, and the lanes to them.
//!
//! Asked at the start, when a node says that a key has moved, when a connection is lost, and now and then.
//! Lanes to nodes that stay are kept. Keys that belong to another lane than before are read again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use redis::{Value, cmd};
use tokio::task::{AbortHandle, JoinSet};

use super::connect::{Purpose, connect};
use super::lane::{self, Lane, Place};
use super::map::{Layout, Map, SLOTS, UNSERVED};
use super::options::{CONNECTIONS_MAX, Node};
use super::value::explain;
use super::{Refresh, Shared};
use narrows_gateway::clock;

/// Between two questions when nothing happens.
const ASK_INTERVAL: Duration = Duration::from_secs(10);
/// Between two questions while a node is away: another one may have taken its place.
const ASK_INTERVAL_AWAY: Duration = Duration::from_millis(500);
/// At least between two questions.
const ASK_PAUSE: Duration = Duration::from_millis(100);

/// The nodes and their slots.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    nodes: Vec<Node>,
    slots: Box<[u16]>,
}

type Lanes = BTreeMap<Node, (Vec<Arc<Lane>>, Vec<AbortHandle>)>;

/// Finds the nodes and keeps lanes to them for as long as it is polled.
pub(super) async fn run(shared: Arc<Shared>, seeds: Vec<Node>) {
    let mut tasks = JoinSet::new();
    let mut lanes = Lanes::new();
    let mut present: Option<Found> = None;
    loop {
        match discover(&shared, &seeds, &lanes).await {
            Ok(found) => {
                if present.as_ref() != Some(&found) {
                    change(&shared, &mut tasks, &mut lanes, &found).await;
                    present = Some(found);
                }
            }
            Err(why) if present.is_none() => {
                shared.layout.send_replace(Layout::Failed(why.into()));
                shared.report();
            }
            // What was known is the best there is.
            Err(why) => tracing::debug!(store = shared.name(), why, "no node names the slots"),
        }
        tokio::time::sleep(ASK_PAUSE).await;
        let away = shared.layout.borrow().trouble().is_some();
        let patience = if away { ASK_INTERVAL_AWAY } else { ASK_INTERVAL };
        // Whichever ends first, the nodes are asked again.
        let _ = tokio::time::timeout(patience, shared.rediscover.notified()).await;
    }
}

/// Asks the nodes that are up, then the seeds, then the others.
async fn discover(shared: &Shared, seeds: &[Node], lanes: &Lanes) -> Result<Found, String> {
    for lane in lanes.values().filter_map(|(lanes, _)| lanes.first()) {
        if lane.trouble().is_none()
            && let Ok(mut up) = lane.up(Duration::ZERO).await
            && let Ok(reply) = slots_command().query_async::<Value>(&mut up.connection).await
            && let Some(found) = read(&reply, &up.node)
        {
            return Ok(found);
        }
    }
    let mut problems = Vec::new();
    for node in seeds.iter().chain(lanes.keys()) {
        match ask(shared, node).await {
            Ok(found) => return Ok(found),
            Err(problem) => problems.push(problem),
        }
    }
    Err(format!("no node of the cluster can be asked: {}", problems.join("; ")))
}

async fn ask(shared: &Shared, node: &Node) -> Result<Found, String> {
    let mut connection = connect(&shared.options, node, Purpose::Ask, None).await?;
    let reply = slots_command().query_async::<Value>(&mut connection).await;
    let reply = reply.map_err(|e| explain(&e, node, shared.options.response_timeout))?;
    read(&reply, node).ok_or_else(|| format!("Redis {node} is in no cluster, or serves no slot"))
}

fn slots_command() -> redis::Cmd {
    let mut command = cmd("CLUSTER");
    command.arg("SLOTS");
    command
}

/// Reads the reply to CLUSTER SLOTS; `None` if it names no master. A node that does not know its own
/// address is the one that was asked.
fn read(reply: &Value, asked: &Node) -> Option<Found> {
    let Value::Array(ranges) = reply else { return None };
    let mut masters = Vec::new();
    for range in ranges {
        let Value::Array(range) = range else { return None };
        let [Value::Int(first), Value::Int(last), Value::Array(master), ..] = range.as_slice()
        else {
            return None;
        };
        let [host, Value::Int(port), ..] = master.as_slice() else { return None };
        let host = match host {
            Value::BulkString(host) if !host.is_empty() => String::from_utf8_lossy(host).into(),
            _ => asked.host.clone(),
        };
        let (first, last) = (usize::try_from(*first).ok()?, usize::try_from(*last).ok()?);
        masters.push((Node::new(host, u16::try_from(*port).ok()?), first, last));
    }
    let mut nodes: Vec<_> = masters.iter().map(|(node, ..)| node.clone()).collect();
    nodes.sort();
    nodes.dedup();
    let mut slots = vec![UNSERVED; SLOTS].into_boxed_slice();
    for (node, first, last) in masters {
        let at = nodes.binary_search(&node).ok().and_then(|at| u16::try_from(at).ok())?;
        slots.get_mut(first..=last)?.fill(at);
    }
    (!nodes.is_empty()).then_some(Found { nodes, slots })
}

/// Makes lanes to new nodes, ends those to old ones, and has what moved read again.
async fn change(shared: &Arc<Shared>, tasks: &mut JoinSet<()>, lanes: &mut Lanes, found: &Found) {
    let per_node =
        shared.options.connections.min(CONNECTIONS_MAX / found.nodes.len().max(1)).max(1);
    lanes.retain(|node, (its, handles)| {
        let stays = found.nodes.contains(node) && its.len() == per_node;
        if !stays {
            handles.iter().for_each(AbortHandle::abort);
            its.iter().for_each(|lane| shared.cache.lose(|| lane.end_epoch()));
        }
        stays
    });
    for node in &found.nodes {
        lanes.entry(node.clone()).or_insert_with(|| {
            (0..per_node)
                .map(|_| {
                    let lane = Arc::new(Lane::new(Place::At(node.clone())));
                    let handle = tasks.spawn(lane::run(lane.clone(), shared.clone()));
                    (lane, handle)
                })
                .unzip()
        });
    }
    let of = |node| lanes.get(node).into_iter().flat_map(|(lanes, _)| lanes.clone());
    let all = found.nodes.iter().flat_map(of).collect();
    let map = Arc::new(Map::of_cluster(all, per_node, found.slots.clone()));
    let old = shared.layout.borrow().map();
    shared.layout.send_replace(Layout::Known(map.clone()));
    shared.report();
    if let Some(old) = old {
        distrust_moved(shared, &old, &map).await;
    }
}

async fn distrust_moved(shared: &Shared, old: &Map, new: &Map) {
    let moved = shared.keys(|key, _, _| {
        let redis_key = shared.options.key.expand(key);
        match (old.lane_of(&redis_key), new.lane_of(&redis_key)) {
            (Some(old), Some(new)) => !Arc::ptr_eq(old, new),
            (None, None) => false,
            (Some(_), None) | (None, Some(_)) => true,
        }
    });
    for key in moved {
        shared.cache.store().table.mark_stale(&key);
        if shared.bulk.send(Refresh { key, due: clock::now() }).await.is_err() {
            return;
        }
    }
}
