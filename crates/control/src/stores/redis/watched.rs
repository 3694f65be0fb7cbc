//! One key of Redis that is read whole: a set, or a hash.
//!
//! Not a store: there is one key, and who reads it keeps what it says. The connection has Redis track the key, so a
//! change is announced; whoever waits for one reads the key again after it. Invariant: after any error the connection
//! is given up, since what was announced in between may be lost.

use std::sync::Arc;

use redis::aio::{AsyncPushSender, MultiplexedConnection};
use redis::{Cmd, FromRedisValue, PushInfo, PushKind, RedisError, cmd};
use tokio::sync::Notify;

use super::connect::{Purpose, connect};
use super::options::{Node, RedisOptions, Topology};
use super::sentinel;
use super::value::explain;

/// What is at the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    /// The members of a set; none if there is no such key.
    Set(Vec<String>),
    /// The fields of a hash and their values.
    Hash(Vec<(String, String)>),
}

/// A key, watched over a connection of its own.
pub(crate) struct WatchedKey {
    options: RedisOptions,
    key: String,
    /// The most members or fields that are read.
    size_max: usize,
    connection: MultiplexedConnection,
    node: Node,
    changed: Arc<Notify>,
}

/// Why a server of a cluster did not answer.
enum Failed {
    /// Another one has the key.
    Elsewhere(Node),
    /// In words.
    Finally(String),
}

// === impl WatchedKey ===

impl WatchedKey {
    /// Connects to the server that has the key, and reads it.
    pub(crate) async fn open(
        options: &RedisOptions,
        key: &str,
        size_max: usize,
    ) -> Result<(Self, Content), String> {
        let mut problems = Vec::new();
        let (servers, purpose) = match &options.topology {
            Topology::Standalone(node) => (vec![node.clone()], Purpose::Track),
            Topology::Sentinel { .. } => {
                (vec![sentinel::master(options).await?], Purpose::TrackMaster)
            }
            Topology::Cluster { seeds } => (seeds.clone(), Purpose::Track),
        };
        for server in servers {
            match Self::open_at(options, (key, size_max), server, purpose).await {
                Ok(opened) => return Ok(opened),
                Err(problem) => problems.push(problem),
            }
        }
        Err(problems.join("; "))
    }

    async fn open_at(
        options: &RedisOptions,
        (key, size_max): (&str, usize),
        server: Node,
        purpose: Purpose,
    ) -> Result<(Self, Content), String> {
        let mut this = Self::connect(options, (key, size_max), server, purpose).await?;
        match this.ask().await {
            Ok(content) => Ok((this, content)),
            Err(Failed::Finally(why)) => Err(why),
            // One step is enough: whoever has a slot knows that it does.
            Err(Failed::Elsewhere(node)) => {
                let mut this = Self::connect(options, (key, size_max), node, purpose).await?;
                let content = this.read().await?;
                Ok((this, content))
            }
        }
    }

    async fn connect(
        options: &RedisOptions,
        (key, size_max): (&str, usize),
        node: Node,
        purpose: Purpose,
    ) -> Result<Self, String> {
        let changed = Arc::new(Notify::new());
        let told = changed.clone();
        let on_push: Arc<dyn AsyncPushSender> = Arc::new(move |push: PushInfo| {
            if matches!(push.kind, PushKind::Disconnection | PushKind::Invalidate) {
                told.notify_one();
            }
            Ok::<(), ()>(())
        });
        let connection = connect(options, &node, purpose, Some(on_push)).await?;
        let (options, key) = (options.clone(), key.to_owned());
        Ok(Self { options, key, size_max, connection, node, changed })
    }

    /// Reads the key.
    pub(crate) async fn read(&mut self) -> Result<Content, String> {
        // A master that was replaced may go on to answer.
        if matches!(self.options.topology, Topology::Sentinel { .. }) {
            let master = sentinel::master(&self.options).await?;
            if master != self.node {
                return Err(format!("Redis {} is not the master any more", self.node));
            }
        }
        self.ask().await.map_err(|failed| match failed {
            Failed::Finally(why) => why,
            Failed::Elsewhere(node) => format!("the key has moved to {node}"),
        })
    }

    /// Waits until the key may have changed, or the connection was lost.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    async fn ask(&mut self) -> Result<Content, Failed> {
        let key = self.key.clone();
        let kind: String = self.query(cmd("TYPE").arg(&key)).await?;
        let is_set = match kind.as_str() {
            "none" => return Ok(Content::Set(Vec::new())),
            "set" => true,
            "hash" => false,
            other => {
                let why = format!("the key {key} holds a {other}; expected a set or a hash");
                return Err(Failed::Finally(why));
            }
        };
        let size = if is_set { Cmd::scard(&key) } else { Cmd::hlen(&key) };
        let size: usize = self.query(&size).await?;
        if size > self.size_max {
            let why = format!("the key {key} holds {size} nodes, more than {}", self.size_max);
            return Err(Failed::Finally(why));
        }
        let lossy = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        if is_set {
            let members: Vec<Vec<u8>> = self.query(&Cmd::smembers(&key)).await?;
            return Ok(Content::Set(members.into_iter().map(lossy).collect()));
        }
        let fields: Vec<(Vec<u8>, Vec<u8>)> = self.query(&Cmd::hgetall(&key)).await?;
        let fields = fields.into_iter().map(|(field, value)| (lossy(field), lossy(value)));
        Ok(Content::Hash(fields.collect()))
    }

    async fn query<T: FromRedisValue>(&mut self, command: &Cmd) -> Result<T, Failed> {
        let reply = command.query_async(&mut self.connection).await;
        reply.map_err(|error: RedisError| {
            let elsewhere = error.redirect_node().and_then(|(node, _)| Node::parse(node));
            elsewhere.map_or_else(
                || Failed::Finally(explain(&error, &self.node, self.options.response_timeout)),
                Failed::Elsewhere,
            )
        })
    }
}
