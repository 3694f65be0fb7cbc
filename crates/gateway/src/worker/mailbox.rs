//! What the control plane tells a worker: a new snapshot, answers, drain, stop, questions.

use std::sync::Arc;
use std::time::Duration;

use narrows_wire::Name;
use narrows_wire::codec::ErrorCode;
use tracing::{error, info};

use super::{Active, Drain, Owner, Worker};
use crate::closes::Close;
use crate::control::{Command, ConnectionInfo, StreamInfo};
use crate::exchange::{Exchange, Stage, Wait};
use crate::io::Io;
use crate::link::{Link, Side, State};
use crate::reply::Cause;
use crate::route::Request;
use crate::slab::Key;
use crate::snapshot::{Snapshot, Targets};

/// After the grace of a drain, links have this long to write their last words.
const LAST_WORDS: Duration = Duration::from_millis(500);

impl<I: Io> Worker<I> {
    pub(super) fn take_commands(&mut self) {
        while let Ok(command) = self.mailbox.try_recv() {
            match command {
                Command::Apply(snapshot) => self.apply(snapshot),
                Command::Answer(ticket, answer) => {
                    self.on_answer(Key::unpack(ticket.exchange), answer);
                }
                Command::Review => self.review(),
                Command::Drain { grace } => self.drain(grace),
                Command::Stop => self.stopped = true,
                // Whoever asked may have given up.
                Command::Streams(to) => drop(to.send(self.list_streams())),
                Command::Connections(to) => drop(to.send(self.list_connections())),
            }
        }
    }

    /// From now on calls begin with this snapshot. What lives keeps its own.
    fn apply(&mut self, snapshot: Arc<Snapshot>) {
        self.active = Active::new(snapshot, &mut self.random);
        self.known_targets.clear();
        self.spare_exchanges.clear();
        let upstreams = &self.active.snapshot.upstreams;
        for node in self.pool.iter_mut() {
            let same_name = |upstream: &Arc<_>| {
                let upstream: &crate::snapshot::Upstream = upstream;
                upstream.name == node.identity.upstream
            };
            node.upstream = upstreams.iter().position(same_name).unwrap_or(usize::MAX);
        }
        self.review();
        if self.draining.is_some() {
            return;
        }
        if let Err(error) = self.open_listeners() {
            error!(%error, "a listener of the new configuration is not open");
        }
        let kept = &self.active.snapshot.listeners;
        let gone: Vec<Key> = self
            .links
            .iter()
            .filter(|(_, link)| match &link.side {
                Side::Downstream(listener) => !kept.iter().any(|new| new.name == listener.name),
                Side::Upstream(_) => false,
            })
            .map(|(key, _)| key)
            .collect();
        for key in gone {
            self.drain_link(key);
        }
    }

    fn drain(&mut self, grace: Duration) {
        let until = self.now + grace;
        if let Some(drain) = &mut self.draining {
            // A drain can be shortened: what waits for its end shall wait no longer.
            if until < drain.until && !drain.ended {
                drain.until = until;
                self.timers.set(until, Owner::Drain);
            }
            return;
        }
        self.draining = Some(Drain { until, ended: false });
        self.timers.set(until, Owner::Drain);
        self.close_listeners();
        self.tell_watchers();
        self.close_websockets();
        for key in self.downstream_keys() {
            self.drain_link(key);
        }
        info!(worker = self.index, exchanges = self.exchanges.len(), ?grace, "draining");
    }

    fn drain_link(&mut self, key: Key) {
        let now = self.now;
        let Some(link) = self.links.get_mut(key) else { return };
        match link.state {
            State::Handshake | State::Connecting => self.lose_link(key, Close::Drained),
            State::Open => {
                link.ending.leave(Close::Drained);
                link.codec.drain(now);
                self.mark_dirty(key);
            }
            State::Closing | State::Lingering => {}
        }
    }

    /// The grace of a drain is over: what still lives ends with a reason; after the last words, all does.
    pub(super) fn end_drain(&mut self) {
        let Some(drain) = &mut self.draining else { return };
        if std::mem::replace(&mut drain.ended, true) {
            self.stopped = true;
            return;
        }
        drain.until = self.now + LAST_WORDS;
        self.timers.set(self.now + LAST_WORDS, Owner::Drain);
        let left: Vec<Key> = self.exchanges.iter().map(|(key, _)| key).collect();
        for key in left {
            self.fail(key, Cause::Draining, String::new());
        }
        for key in self.downstream_keys() {
            if let Some(link) = self.links.get_mut(key) {
                link.codec.close(ErrorCode::NO_ERROR, "shutting down");
                self.close_link(key, Close::Shutdown);
            }
        }
    }

    pub(super) fn is_ending(&self) -> bool {
        self.stopped || self.draining.is_some_and(|drain| drain.ended)
    }

    fn downstream_keys(&self) -> Vec<Key> {
        self.links.iter().filter(|(_, link)| link.is_downstream()).map(|(key, _)| key).collect()
    }

    fn list_streams(&self) -> Vec<StreamInfo> {
        self.exchanges.iter().filter_map(|(key, exchange)| self.describe(key, exchange)).collect()
    }

    fn describe(&self, key: Key, exchange: &Exchange) -> Option<StreamInfo> {
        let client = self.links.get(exchange.client.link)?.peer;
        let path = exchange.head.get(Name::Path).unwrap_or_default();
        Some(StreamInfo {
            worker: self.index,
            exchange: key.pack(),
            client,
            path: String::from_utf8_lossy(path).into_owned(),
            route: exchange.route().map_or_else(|| "".into(), |route| route.name.clone()),
            node: self.node_address(exchange.node),
            job: self.job_of(exchange),
            stage: match exchange.stage {
                Stage::Parked { wait: Wait::Lookup, .. } => "lookup",
                Stage::Parked { wait: Wait::Mapping { .. }, .. } => "waiting for a mapping",
                Stage::Parked { wait: Wait::Resolve, .. } => "resolving",
                Stage::Parked { wait: Wait::Backoff, .. } => "waiting to be tried again",
                Stage::Queued { .. } => "queued",
                Stage::Relaying(_) => "relaying",
                Stage::Local => "local",
            },
            age: self.now.since(exchange.times.begun),
            idle: self.now.since(exchange.times.moved),
            bytes_in: exchange.request.bytes,
            bytes_out: exchange.reply.bytes,
        })
    }

    fn job_of(&self, exchange: &Exchange) -> Option<String> {
        let Targets::Lookup(lookup) = &exchange.upstream()?.targets else { return None };
        let mut key = Vec::new();
        let request = Request { head: &exchange.head, source: exchange.source };
        lookup.key.render(&request, &mut key).ok()?;
        Some(String::from_utf8_lossy(&key).into_owned())
    }

    fn list_connections(&self) -> Vec<ConnectionInfo> {
        self.links.iter().map(|(_, link)| self.describe_link(link)).collect()
    }

    fn describe_link(&self, link: &Link<I::Socket>) -> ConnectionInfo {
        let (side, owner) = match &link.side {
            Side::Downstream(listener) => ("downstream", listener.name.clone()),
            Side::Upstream(node) => {
                let node = self.pool.get(*node);
                ("upstream", node.map_or_else(|| "".into(), |node| node.identity.upstream.clone()))
            }
        };
        ConnectionInfo {
            worker: self.index,
            peer: link.peer,
            side,
            owner,
            state: match link.state {
                State::Connecting => "connecting",
                State::Handshake => "handshake",
                State::Open if link.retired || link.codec.is_draining() => "draining",
                State::Open => "open",
                State::Closing | State::Lingering => "closing",
            },
            protocol: link.spoken(),
            streams: link.codec.active_streams(),
            pending_bytes: link.codec.waiting_bytes(),
            age: self.now.since(link.opened),
        }
    }
}
