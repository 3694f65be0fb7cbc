//! Reads keys, one for a call that waits or many in the background, and lands what Redis says.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Pipeline, RedisResult, Value, cmd};
use tokio::sync::{Semaphore, mpsc};

use super::cache::{Begun, Hold, Key, Landed};
use super::connect::{Purpose, connect};
use super::lane::{Lane, Up};
use super::map::Layout;
use super::options::Node;
use super::value::{Named, Said, explain};
use super::{Refresh, Shared};

/// Keys in one pipeline.
const BATCH_KEYS_MAX: usize = 256;
/// Pipelines under way in the background.
const BATCHES_MAX: usize = 8;
/// How often a key is read anew because it changed, moved, or its connection was lost while it was read.
pub(super) const TRIES: u32 = 4;
/// How long to wait for a cluster that says TRYAGAIN or has moved a slot.
pub(super) const SETTLE: Duration = Duration::from_millis(50);

/// Why a key could not be read.
enum Failed {
    /// The connection was lost: another one may do.
    Lost(String),
    /// There is no use in trying again.
    Finally(String),
}

/// Reads a key that [`Cache::want`](super::cache::Cache::want) gave out, and answers all who wait for it.
pub(super) async fn one(shared: Arc<Shared>, key: Key) {
    let redis_key = shared.options.key.expand(&key);
    let mut last = String::new();
    for tries_left in (0..TRIES).rev() {
        let retry = tries_left > 0;
        match attempt(&shared, &key, &redis_key, retry).await {
            Ok(Landed::Done) => return,
            Ok(Landed::Again) => {}
            Err(Failed::Lost(why)) => last = why,
            Err(Failed::Finally(why)) => return fail(&shared, &key, &why),
        }
    }
    fail(&shared, &key, &last);
}

/// Reads keys of the background queues for as long as it is polled.
pub(super) async fn refresh(
    shared: Arc<Shared>,
    mut urgent: mpsc::Receiver<Refresh>,
    mut bulk: mpsc::Receiver<Refresh>,
) {
    let permits = Arc::new(Semaphore::new(BATCHES_MAX));
    loop {
        // Neither queue ends while the store is open.
        let Some(first) = (tokio::select! {
            biased;
            first = urgent.recv() => first,
            first = bulk.recv() => first,
        }) else {
            return;
        };
        let others = std::iter::from_fn(|| urgent.try_recv().or_else(|_| bulk.try_recv()).ok());
        let keys = std::iter::once(first).chain(others.take(BATCH_KEYS_MAX - 1));
        let Some(map) = shared.layout.borrow().map() else {
            keys.for_each(drop);
            continue;
        };
        // At most as many as there are connections, so looking through them is cheap.
        let mut lanes: Vec<(Arc<Lane>, Vec<Key>)> = Vec::new();
        for Refresh { key, due } in keys {
            if let Some(lane) = map.lane_of(&shared.options.key.expand(&key)) {
                // A lane that is down reads everything anew once it is up.
                if lane.trouble().is_none() && shared.cache.refresh(&key, due) == Begun::Query {
                    match lanes.iter_mut().find(|(its, _)| Arc::ptr_eq(its, lane)) {
                        Some((_, keys)) => keys.push(key),
                        None => lanes.push((lane.clone(), vec![key])),
                    }
                }
            }
        }
        for (lane, keys) in lanes {
            let permit = permits.clone().acquire_owned().await;
            let shared = shared.clone();
            tokio::spawn(async move {
                many(&shared, &lane, keys).await;
                drop(permit);
            });
        }
    }
}

/// Reads keys of one lane in one pipeline.
async fn many(shared: &Arc<Shared>, lane: &Lane, keys: Vec<Key>) {
    let redis_keys: Vec<_> = keys.iter().map(|key| shared.options.key.expand(key)).collect();
    let replies = match lane.up(patience(shared)).await {
        Ok(up) => {
            let replies = query(shared, &mut up.connection.clone(), &redis_keys, false).await;
            let explained = |error| explain(&error, &up.node, shared.options.response_timeout);
            replies.map(|replies| (up.clone(), replies)).map_err(explained)
        }
        Err(why) => Err(why.to_string()),
    };
    let (up, replies) = match replies {
        Ok(replies) => replies,
        Err(why) => return keys.iter().for_each(|key| fail(shared, key, &why)),
    };
    for ((key, redis_key), reply) in keys.into_iter().zip(redis_keys).zip(replies) {
        let landed = match shared.options.value.read(shared.name(), &redis_key, &reply) {
            Said::Outcome(outcome) => shared.cache.land(&key, outcome, || lane.hold(&up), true),
            Said::Failure(why) => {
                fail(shared, &key, &why);
                Landed::Done
            }
            Said::Moved(_) | Said::Ask(_) => Landed::Again,
        };
        if landed == Landed::Again {
            tokio::spawn(one(shared.clone(), key));
        }
    }
}

async fn attempt(
    shared: &Arc<Shared>,
    key: &Key,
    redis_key: &[u8],
    retry: bool,
) -> Result<Landed, Failed> {
    let lane = lane_of(shared, redis_key).await.map_err(Failed::Finally)?;
    let up = lane.up(patience(shared)).await.map_err(|why| Failed::Finally(why.to_string()))?;
    let reply = read(shared, &up, redis_key).await?;
    let said = match shared.options.value.read(shared.name(), redis_key, &reply) {
        Said::Moved(node) => {
            shared.rediscover.notify_one();
            elsewhere(shared, &node, redis_key, false).await?
        }
        Said::Ask(node) => elsewhere(shared, &node, redis_key, true).await?,
        Said::Outcome(outcome) => {
            return Ok(shared.cache.land(key, outcome, || lane.hold(&up), retry));
        }
        failure @ Said::Failure(_) => failure,
    };
    match said {
        Said::Outcome(outcome) => Ok(shared.cache.land(key, outcome, || Hold::Brief, retry)),
        Said::Moved(_) | Said::Ask(_) => {
            tokio::time::sleep(SETTLE).await;
            Err(Failed::Lost("the nodes of the cluster disagree on who has it".to_owned()))
        }
        Said::Failure(why) => Err(Failed::Finally(why)),
    }
}

/// Asks a node that another one named.
async fn elsewhere(
    shared: &Arc<Shared>,
    node: &Node,
    redis_key: &[u8],
    asking: bool,
) -> Result<Said, Failed> {
    let map = shared.layout.borrow().map();
    let lane = map.as_ref().and_then(|map| map.lane_at(node, redis_key)).cloned();
    let mut connection = match lane {
        Some(lane) => {
            lane.up(patience(shared)).await.map_err(|w| Failed::Finally(w.to_string()))?.connection
        }
        None => {
            connect(&shared.options, node, Purpose::Ask, None).await.map_err(Failed::Finally)?
        }
    };
    let replies = query(shared, &mut connection, &[redis_key.to_vec()], asking).await;
    let replies = replies
        .map_err(|error| Failed::Lost(explain(&error, node, shared.options.response_timeout)))?;
    let reply = replies.last().unwrap_or(&Value::Nil);
    Ok(shared.options.value.read(shared.name(), redis_key, reply))
}

async fn read(shared: &Shared, up: &Up, redis_key: &[u8]) -> Result<Value, Failed> {
    let mut connection = up.connection.clone();
    match query(shared, &mut connection, &[redis_key.to_vec()], false).await {
        Ok(mut replies) => Ok(replies.pop().unwrap_or(Value::Nil)),
        Err(error) => {
            let why = explain(&error, &up.node, shared.options.response_timeout);
            Err(if error.is_timeout() { Failed::Finally(why) } else { Failed::Lost(why) })
        }
    }
}

/// One reply for each key, and one more in front if `asking`.
async fn query(
    shared: &Shared,
    connection: &mut MultiplexedConnection,
    redis_keys: &[Vec<u8>],
    asking: bool,
) -> RedisResult<Vec<Value>> {
    let mut pipeline = Pipeline::with_capacity(redis_keys.len() + 1);
    if asking {
        pipeline.add_command(cmd("ASKING"));
    }
    for redis_key in redis_keys {
        pipeline.add_command(shared.options.value.query(redis_key));
    }
    connection.send_packed_commands(&pipeline, 0, pipeline.len()).await
}

/// The lane of a key; waits while the servers are being found for the first time.
pub(super) async fn lane_of(shared: &Shared, redis_key: &[u8]) -> Result<Arc<Lane>, String> {
    let mut layout = shared.layout.subscribe();
    let settled = layout.wait_for(|layout| !matches!(layout, Layout::Unknown));
    let Ok(Ok(layout)) = tokio::time::timeout(patience(shared), settled).await else {
        return Err("no connection yet".to_owned());
    };
    match &*layout {
        Layout::Known(map) => map
            .lane_of(redis_key)
            .cloned()
            .ok_or_else(|| "no node of the cluster serves its slot".to_owned()),
        Layout::Failed(why) => Err(why.to_string()),
        Layout::Unknown => Err("no connection yet".to_owned()),
    }
}

/// How long to wait for a connection that is being made.
pub(super) fn patience(shared: &Shared) -> Duration {
    shared.options.connect_timeout + shared.options.response_timeout
}

fn fail(shared: &Shared, key: &Key, why: &str) {
    let text = format!("store {}: key {}: {why}", shared.name(), Named(key));
    shared.cache.fail(key, &text.into());
}
