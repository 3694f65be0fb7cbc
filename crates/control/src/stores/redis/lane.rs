//! One connection to Redis, kept up.
//!
//! A lane is up, down with a reason, or just being connected; who wants to read over it waits only for the
//! last. It is watched while idle too: Redis that does not answer a PING is away, though its socket is open.
//! Each connection has an epoch, so that a reply can be told from one of a connection that was lost meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use redis::aio::{AsyncPushSender, MultiplexedConnection};
use redis::{PushInfo, PushKind, Value, cmd};
use tokio::sync::{Notify, watch};

use super::connect::{Purpose, connect};
use super::options::Node;
use super::value::explain;
use super::{Shared, sentinel};
use crate::stores::redis::cache::Hold;

/// Between two PINGs.
const PING_INTERVAL: Duration = Duration::from_millis(500);
/// Before the first attempt to connect again, and at most.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// A connection, or the attempt to have one.
#[derive(Debug)]
pub(super) struct Lane {
    place: Place,
    state: watch::Sender<State>,
    epoch: AtomicU64,
    again: Notify,
}

/// Where a lane leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// To this server.
    At(Node),
    /// To the master that the sentinels name.
    Master,
}

/// A connection that is up.
#[derive(Debug, Clone)]
pub(super) struct Up {
    pub(super) connection: MultiplexedConnection,
    pub(super) node: Node,
    epoch: u64,
}

#[derive(Debug)]
enum State {
    Connecting,
    Up(Up),
    Down(Arc<str>),
}

// === impl Lane ===

impl Lane {
    pub(super) fn new(place: Place) -> Self {
        Self {
            place,
            state: watch::Sender::new(State::Connecting),
            epoch: AtomicU64::new(0),
            again: Notify::new(),
        }
    }

    /// The server it always leads to.
    pub(super) fn node(&self) -> Option<&Node> {
        match &self.place {
            Place::At(node) => Some(node),
            Place::Master => None,
        }
    }

    /// The connection; waits while it is being made, but no longer than `patience`.
    pub(super) async fn up(&self, patience: Duration) -> Result<Up, Arc<str>> {
        let mut state = self.state.subscribe();
        let settled = state.wait_for(|state| !matches!(state, State::Connecting));
        match tokio::time::timeout(patience, settled).await {
            Ok(Ok(state)) => match &*state {
                State::Up(up) => Ok(up.clone()),
                State::Down(why) => Err(why.clone()),
                State::Connecting => Err("still connecting".into()),
            },
            Ok(Err(_)) | Err(_) => Err(format!("no connection within {patience:?}").into()),
        }
    }

    /// What is wrong, in words.
    pub(super) fn trouble(&self) -> Option<Arc<str>> {
        match &*self.state.borrow() {
            State::Connecting => Some("connecting".into()),
            State::Down(why) => Some(why.clone()),
            State::Up(_) => None,
        }
    }

    /// The server it is connected to now.
    pub(super) fn connected_to(&self) -> Option<Node> {
        match &*self.state.borrow() {
            State::Up(up) => Some(up.node.clone()),
            State::Connecting | State::Down(_) => None,
        }
    }

    /// Whether a reply over this connection may still be believed.
    pub(super) fn hold(&self, up: &Up) -> Hold {
        if self.epoch.load(Ordering::Relaxed) == up.epoch { Hold::Tracked } else { Hold::Lost }
    }

    /// No reply of the present connection may be believed any more.
    pub(super) fn end_epoch(&self) {
        self.epoch.fetch_add(1, Ordering::Relaxed);
    }

    /// Gives the connection up and makes it anew, without waiting.
    pub(super) fn connect_again(&self) {
        self.again.notify_one();
    }
}

/// Keeps a lane up for as long as it is polled.
pub(super) async fn run(lane: Arc<Lane>, shared: Arc<Shared>) {
    let mut delay = BACKOFF.0;
    let mut was_up = false;
    loop {
        let closed = Arc::new(Notify::new());
        match attempt(&lane, &shared, &closed).await {
            Ok((connection, node)) => {
                if std::mem::replace(&mut was_up, true) {
                    shared.cache.counters().reconnects.fetch_add(1, Ordering::Relaxed);
                }
                delay = BACKOFF.0;
                let epoch = lane.epoch.load(Ordering::Relaxed);
                let up = Up { connection, node, epoch };
                lane.state.send_replace(State::Up(up.clone()));
                shared.report();
                let why = tokio::select! {
                    why = watch(&lane, &shared, up, &closed) => why,
                    () = async { shared.refill(&lane).await; std::future::pending().await } => {
                        continue
                    }
                };
                tracing::debug!(store = shared.name(), why, "connection lost");
                lane.state.send_replace(State::Connecting);
                shared.report();
                shared.distrust(&lane).await;
                shared.rediscover.notify_one();
            }
            Err(why) => {
                lane.state.send_replace(State::Down(why.into()));
                shared.report();
            }
        }
        let jittered = delay.mul_f64(0.5 + super::random_fraction() / 2.0);
        tokio::select! {
            () = tokio::time::sleep(jittered) => delay = (delay * 2).min(BACKOFF.1),
            () = lane.again.notified() => {}
        }
    }
}

async fn attempt(
    lane: &Lane,
    shared: &Arc<Shared>,
    closed: &Arc<Notify>,
) -> Result<(MultiplexedConnection, Node), String> {
    let options = &shared.options;
    let (node, purpose) = match &lane.place {
        Place::At(node) => (node.clone(), Purpose::Track),
        Place::Master => (sentinel::master(options).await?, Purpose::TrackMaster),
    };
    let (store, closed) = (Arc::downgrade(shared), closed.clone());
    // Runs between two replies of the connection, so it must not wait.
    let on_push: Arc<dyn AsyncPushSender> = Arc::new(move |push: PushInfo| {
        match (push.kind, store.upgrade()) {
            (PushKind::Disconnection, _) => closed.notify_one(),
            (PushKind::Invalidate, Some(shared)) => announced(&shared, &push.data),
            _ => {}
        }
        Ok::<(), ()>(())
    });
    let connection = connect(options, &node, purpose, Some(on_push)).await?;
    Ok((connection, node))
}

/// An announcement holds a list of keys, or nothing when the whole database was emptied.
fn announced(shared: &Shared, data: &[Value]) {
    match data.first() {
        Some(Value::Array(keys)) => {
            for key in keys {
                if let Value::BulkString(key) = key {
                    shared.invalidated(Some(key));
                }
            }
        }
        _ => shared.invalidated(None),
    }
}

/// Returns when the connection is of no use any more, with the reason.
async fn watch(lane: &Lane, shared: &Shared, mut up: Up, closed: &Notify) -> String {
    let mut tick = tokio::time::interval(PING_INTERVAL);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = closed.notified() => return format!("Redis {} closed the connection", up.node),
            () = lane.again.notified() => return format!("Redis {} is no longer the one to ask", up.node),
            _ = tick.tick() => {}
        }
        let ping = cmd("PING");
        let pong = tokio::select! {
            pong = ping.exec_async(&mut up.connection) => pong,
            () = closed.notified() => return format!("Redis {} closed the connection", up.node),
        };
        // An error reply is a sign of life too.
        if let Err(error) = pong
            && (error.is_timeout() || error.is_unrecoverable_error())
        {
            return explain(&error, &up.node, shared.options.response_timeout);
        }
    }
}
