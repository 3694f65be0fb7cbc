//! Streams to nodes: finding a connection with room, opening one, waiting for one, sending once more.

use std::net::SocketAddr;

use narrows_wire::codec::{End, OpenError};
use narrows_wire::grpc::Timeout;
use narrows_wire::{Indexing, Name, Time};
use tracing::debug;

use super::Worker;
use super::ending::Loss;
use super::failure::Failure;
use crate::closes::Close;
use crate::exchange::{Exchange, Leg, Progress, Stage};
use crate::io::Io;
use crate::link::{Alpn, Codec, Link, Side, State, Tls};
use crate::pool::STREAMS_ASSUMED;
use crate::reply::Cause;
use crate::slab::Key;
use crate::snapshot::{Listener, Upstream};
use crate::stats::UpstreamShard;
use crate::timeout::{Layers, NEVER, Timeouts};

impl<I: Io> Worker<I> {
    /// Sends an exchange to a node: on a connection with room, else on a new one, else it waits.
    pub(super) fn dispatch(&mut self, key: Key, node: Key) -> Result<(), Failure> {
        let now = self.now;
        let Some(exchange) = self.exchanges.get_mut(key) else { return Ok(()) };
        if exchange.clocks.are_over(now) {
            self.pool.forget_if_unused(node);
            return Err(Failure::new(Cause::LateBeforeWrite));
        }
        exchange.node = Some(node);
        if exchange.times.dispatched == Time::ZERO {
            exchange.times.dispatched = now;
        }
        match self.link_with_room(node) {
            Some(link) => self.send(key, link),
            None => match self.connect(key, node, 1)? {
                Some(link) if self.is_undecided(link) => self.queue(key, node),
                Some(link) => {
                    self.announce(key, link);
                    self.send(key, link)
                }
                None => self.queue(key, node),
            },
        }
    }

    pub(super) fn link_with_room(&mut self, node: Key) -> Option<Key> {
        let node = self.pool.get_mut(node)?;
        if node.is_exclusive {
            let idle = std::iter::from_fn(|| node.idle.pop());
            let takes_calls = |key: &Key| {
                let link = self.links.get(*key);
                link.is_some_and(|link| link.takes_calls(self.now, node.streams_max))
            };
            // The one that was used last: those at the other end become idle for long, and close.
            return idle.into_iter().find(takes_calls);
        }
        let room = |key: &&Key| {
            let link = self.links.get(**key);
            link.is_some_and(|link| link.takes_calls(self.now, node.streams_max))
        };
        node.links.iter().find(room).copied()
    }

    /// Whether it is not known yet what the node at the other end speaks.
    pub(super) fn is_undecided(&self, link: Key) -> bool {
        self.links.get(link).is_some_and(|link| !link.codec.is_known())
    }

    /// Begins another connection to a node, within the limits of a call, unless there are as many as allowed,
    /// or enough of those that are under way for the calls that wait and `more`.
    pub(super) fn connect(
        &mut self,
        call: Key,
        node_key: Key,
        more: usize,
    ) -> Result<Option<Key>, Failure> {
        let active = self.active.clone();
        let Some(node) = self.pool.get(node_key) else { return Ok(None) };
        let Some(upstream) = active.snapshot.upstreams.get(node.upstream) else { return Ok(None) };
        let undecided = node.links.iter().filter(|link| self.is_undecided(**link)).count();
        // As long as a node may take many calls on one connection, one shows whether it does.
        let enough = if node.is_exclusive { node.waiting.len() + more } else { 1 };
        if node.links.len() >= upstream.max_connections || undecided >= enough {
            return Ok(None);
        }
        let tls = node.tls.clone();
        let address = node.identity.address;
        let tls = tls.map(|tls| Tls::connect(tls.client.config.clone(), tls.name)).transpose();
        let tls = tls.map_err(|error| Failure::inner(Cause::ConnectFailed, error))?;
        let socket = match self.io.connect(address) {
            Ok(socket) => socket,
            Err(error) => {
                let shard = upstream.stats.shard(self.index);
                shard.connect_failures.add(1);
                shard.closes.of(Close::ConnectFailed).add(1);
                self.pool.forget_if_unused(node_key);
                debug!(%address, %error, "can not begin to connect");
                return Err(Failure::new(Cause::ConnectFailed));
            }
        };
        let exchange = self.exchanges.get(call);
        let layers = exchange.map_or(Layers([&Timeouts::NOTHING; 3]), |e| self.layers_of(e));
        let due = layers.due(self.now, |place| place.connect);
        let tls_timeout = layers.limit(|place| place.tls).unwrap_or(NEVER);
        let codec = upstream.codec(self.seed(), self.now);
        let side = Side::Upstream(node_key);
        let mut link = Link::new(socket, side, address, codec, self.now, due);
        link.tls = tls.map(Box::new);
        link.tls_timeout = tls_timeout;
        let link = self.links.insert(Box::new(link));
        upstream.stats.shard(self.index).connections.add(1);
        if let Some(node) = self.pool.get_mut(node_key) {
            node.links.push(link);
        }
        self.register(link);
        Ok(Some(link))
    }

    fn queue(&mut self, key: Key, node_key: Key) -> Result<(), Failure> {
        let active = self.active.clone();
        let Some(upstream) = self.upstream_in(&active, node_key) else {
            return Err(Failure::new(Cause::NoEndpoint));
        };
        let until = self.acquire_due(key);
        let max = upstream.max_pending;
        let Some(node) = self.pool.get_mut(node_key) else {
            return Err(Failure::new(Cause::NoEndpoint));
        };
        if node.waiting.len() >= max {
            return Err(Failure::new(Cause::Overflow));
        }
        node.waiting.push_back(key);
        upstream.stats.shard(self.index).pending.add(1);
        if let Some(exchange) = self.exchanges.get_mut(key) {
            exchange.stage = Stage::Queued { until, node: node_key };
        }
        self.arm_exchange(key);
        Ok(())
    }

    /// Opens a stream for an exchange on a connection and sends what has come of the request.
    pub(super) fn send(&mut self, key: Key, link_key: Key) -> Result<(), Failure> {
        let now = self.now;
        let (Some(exchange), Some(link)) =
            (self.exchanges.get_mut(key), self.links.get_mut(link_key))
        else {
            return Ok(());
        };
        // A call whose time is over is not written any more.
        if exchange.clocks.are_over(now) {
            return Err(Failure::new(Cause::LateBeforeWrite));
        }
        if exchange.clocks.deadline != Time::NEVER {
            let left = Timeout(exchange.clocks.deadline.since(now)).text();
            exchange.head.set(Name::GrpcTimeout, left.as_bytes(), Indexing::Unique);
        }
        let scheme: &[u8] = if link.tls.is_some() { b"https" } else { b"http" };
        if exchange.head.get(Name::Scheme).is_some_and(|present| present != scheme) {
            exchange.head.set(Name::Scheme, scheme, Indexing::MayRepeat);
        }
        if exchange.is_tunnel_asked && !link.codec.takes_tunnels() {
            if link.settled {
                return Err(Failure::new(Cause::NoTunnels));
            }
            link.unsettled.push(key);
            return self.await_settings(key);
        }
        let ended = exchange.request.progress == Progress::Ended;
        // Trailers, if there are any, carry END_STREAM.
        let last = if ended && exchange.trailers.is_none() { End::Stream } else { End::Open };
        let end = if exchange.kept.is_empty() { last } else { End::Open };
        let mark = link.written + link.codec.output().len() as u64;
        let stream = match link.codec.open(now, key.pack(), &exchange.head, end) {
            Ok(stream) => stream,
            Err(
                OpenError::Full | OpenError::Draining | OpenError::Exhausted | OpenError::Closed,
            ) => {
                let Some(node) = exchange.node else { return Ok(()) };
                return self.queue(key, node);
            }
            Err(OpenError::Inexpressible) => return Err(Failure::new(Cause::NoTunnels)),
        };
        if link.codec.active_streams() == 1 {
            // Before, it had nothing to say.
            link.watch.hear(now);
        }
        link.last_used = now;
        link.shrunk = false;
        link.calls += 1;
        exchange.stage = Stage::Relaying(Leg { link: link_key, stream });
        exchange.sent_mark = mark;
        exchange.times.request_flushed = Time::ZERO;
        if let Some(write) = exchange.clocks.write {
            link.codec.set_stall_timeout(stream, write);
        }
        let awaits_flush = ended && exchange.clocks.response.is_some();
        exchange.attempts += 1;
        let is_watched = exchange.is_watched;
        if is_watched {
            exchange.start_try(now);
        }
        let client = exchange.client;
        let sent = match exchange.kept.is_empty() {
            true => 0,
            false => link.codec.send_data(stream, &exchange.kept, last),
        };
        let waits = sent < exchange.kept.len();
        // Where nothing is kept a stage may hold all that has come, and wait for more.
        let credit = exchange.request.credit(sent);
        if let Some(trailers) = &exchange.trailers {
            link.codec.send_trailers(stream, trailers);
        }
        if credit > 0 {
            self.grant(client, credit);
        }
        self.mark_dirty(link_key);
        self.with_upstream_shard(link_key, |shard| shard.streams.add(1));
        if awaits_flush && !waits {
            self.await_flush(key);
        }
        if is_watched {
            self.arm_exchange(key);
        }
        Ok(())
    }

    /// A tunnel waits until the node has told whether it takes any.
    fn await_settings(&mut self, key: Key) -> Result<(), Failure> {
        let until = self.acquire_due(key);
        let Some(exchange) = self.exchanges.get_mut(key) else { return Ok(()) };
        let Some(node) = exchange.node else { return Ok(()) };
        exchange.stage = Stage::Queued { until, node };
        self.arm_exchange(key);
        Ok(())
    }

    /// TCP is there: TLS next, or the protocol at once.
    pub(super) fn on_connected(&mut self, key: Key) {
        let Some(link) = self.links.get_mut(key) else { return };
        link.state = if link.tls.is_some() { State::Handshake } else { State::Open };
        link.due = self.now + link.tls_timeout;
        if link.state == State::Open {
            self.on_open(key);
        }
    }

    /// Looks whether the handshake is over. `false`: the link is gone.
    pub(super) fn on_handshake(&mut self, key: Key) -> bool {
        let Some(link) = self.links.get_mut(key) else { return false };
        let Some(handshake) = link.tls.as_ref().and_then(|tls| tls.handshake.as_ref()) else {
            return true;
        };
        let alpn = handshake.alpn;
        link.state = State::Open;
        match link.side.clone() {
            Side::Downstream(listener) => self.on_client_alpn(key, &listener, alpn),
            Side::Upstream(node) => self.on_node_alpn(key, node, alpn),
        }
    }

    fn on_client_alpn(&mut self, key: Key, listener: &Listener, alpn: Alpn) -> bool {
        let Some(link) = self.links.get_mut(key) else { return false };
        link.due = self.now + listener.preface_timeout;
        match listener.codec_by_alpn(alpn, self.now) {
            Some(codec) => {
                link.codec = codec;
                self.on_open(key);
            }
            None => self.settle_without_input(key),
        }
        true
    }

    fn on_node_alpn(&mut self, key: Key, node: Key, alpn: Alpn) -> bool {
        let active = self.active.clone();
        let seed = self.seed();
        let picked = self.upstream_in(&active, node).map(|upstream| {
            upstream.is_spoken(alpn).then(|| upstream.picked(alpn, seed, self.now))
        });
        let Some(link) = self.links.get_mut(key) else { return false };
        let Some(Some(picked)) = picked else {
            debug!(peer = %link.peer, ?alpn, "the node agreed on a protocol that is not spoken to it");
            self.lose_link(key, Close::HandshakeFailed);
            return false;
        };
        if let Some(codec) = picked {
            let is_exclusive = matches!(codec, Codec::H1(_));
            link.codec = codec;
            if let Some(node) = self.pool.get_mut(node) {
                node.is_exclusive = is_exclusive;
            }
            self.on_open(key);
            self.rest_link(key);
            self.serve_waiting(node);
        } else {
            self.on_open(key);
        }
        true
    }

    /// A number that differs from connection to connection.
    fn seed(&self) -> u64 {
        let count = (self.index as u64) << 48 | self.links.len() as u64;
        self.now.as_nanos().wrapping_mul(0xD134_2543_DE82_EF95) ^ count.rotate_left(32)
    }

    /// A connection that serves one call at a time has served one: the next may have it.
    pub(super) fn rest_link(&mut self, key: Key) {
        let Some(link) = self.links.get(key) else { return };
        let Side::Upstream(node) = &link.side else { return };
        if let Some(node) = self.pool.get_mut(*node).filter(|node| node.is_exclusive)
            && link.state == State::Open
            && link.takes_calls(self.now, node.streams_max)
        {
            node.idle.push(key);
        }
    }

    /// The protocol of a link begins to flow.
    pub(super) fn on_open(&mut self, key: Key) {
        let active = self.active.clone();
        let Some(link) = self.links.get(key) else { return };
        let age = match &link.side {
            Side::Downstream(listener) => listener.max_connection_age,
            Side::Upstream(node) => {
                let upstream = self.upstream_in(&active, *node);
                if let Some(upstream) = upstream {
                    upstream.stats.shard(self.index).connects.add(1);
                }
                upstream.and_then(|upstream| upstream.max_connection_age)
            }
        };
        let due = self.age_limit(age);
        if let Some(link) = self.links.get_mut(key) {
            link.due = due;
            link.open_at = self.now;
            // HTTP/2 tells its limits in its first frame, the others have none to tell.
            link.settled = !matches!(link.codec, Codec::H2(_));
        }
        self.watch_peer(key);
        self.arm_link(key);
    }

    /// A node has told its limits. They are believed of its next connections until those tell theirs.
    pub(super) fn on_settings(&mut self, key: Key) {
        let Some(link) = self.links.get_mut(key) else { return };
        link.settled = true;
        let streams_max = link.codec.streams_max();
        if let Side::Upstream(node) = link.side
            && let Some(node) = self.pool.get_mut(node)
        {
            node.streams_max = streams_max.clamp(1, STREAMS_ASSUMED);
        }
        let unsettled = self.links.get_mut(key).map(|link| std::mem::take(&mut link.unsettled));
        for waiting in unsettled.into_iter().flatten() {
            let waits = |exchange: &Exchange| matches!(exchange.stage, Stage::Queued { .. });
            if self.exchanges.get(waiting).is_some_and(|exchange| waits(exchange))
                && let Err(failure) = self.send(waiting, key)
            {
                self.fail(waiting, failure.cause, failure.detail);
            }
        }
        self.serve_waiting_of(key);
    }

    /// A connection has room again, or a new one is there: the calls that wait longest go first.
    pub(super) fn serve_waiting_of(&mut self, link: Key) {
        if let Some(Side::Upstream(node)) = self.links.get(link).map(|link| &link.side) {
            self.serve_waiting(*node);
        }
    }

    pub(super) fn serve_waiting(&mut self, node_key: Key) {
        loop {
            let Some(node) = self.pool.get_mut(node_key) else { return };
            let Some(key) = node.waiting.front().copied() else { return };
            let waits = matches!(
                self.exchanges.get(key).map(|exchange| exchange.stage),
                Some(Stage::Queued { node, .. }) if node == node_key
            );
            let link = match waits.then(|| self.link_with_room(node_key)) {
                None => None,
                Some(Some(link)) => Some(link),
                // A connection may be allowed again because another one has ended.
                Some(None) => match self.connect(key, node_key, 0) {
                    Ok(Some(link)) if self.is_undecided(link) => continue,
                    Ok(Some(link)) => {
                        self.announce(key, link);
                        Some(link)
                    }
                    Ok(None) => return,
                    Err(failure) => return self.fail_waiting(node_key, &failure),
                },
            };
            self.leave_queue(node_key);
            if let Some(link) = link
                && let Err(failure) = self.send(key, link)
            {
                self.fail(key, failure.cause, failure.detail);
            }
        }
    }

    /// Takes the first waiting call out of the queue.
    fn leave_queue(&mut self, node: Key) -> Option<Key> {
        let key = self.pool.get_mut(node)?.waiting.pop_front()?;
        let active = self.active.clone();
        if let Some(upstream) = self.upstream_in(&active, node) {
            upstream.stats.shard(self.index).pending.add(-1);
        }
        Some(key)
    }

    /// A call that waits has ended otherwise: its place is another's.
    pub(super) fn leave_queue_early(&mut self, key: Key, node_key: Key) {
        let Some(node) = self.pool.get_mut(node_key) else { return };
        // Those that have waited longest leave first as a rule, and stand in front.
        let Some(at) = node.waiting.iter().position(|waiting| *waiting == key) else { return };
        node.waiting.remove(at);
        self.with_upstream_shard_of(node_key, |shard| shard.pending.add(-1));
        self.pool.forget_if_unused(node_key);
    }

    fn fail_waiting(&mut self, node: Key, failure: &Failure) {
        while let Some(key) = self.leave_queue(node) {
            if matches!(self.exchanges.get(key).map(|e| e.stage), Some(Stage::Queued { .. })) {
                self.fail(key, failure.cause, failure.detail.clone());
            }
        }
        self.pool.forget_if_unused(node);
    }

    /// A connection to a node is gone. If it never came about, what waits for the node fails too.
    pub(super) fn fail_waiting_after(&mut self, node: Key, loss: Loss) {
        let cause = match loss {
            Loss::ConnectFailed => Cause::ConnectFailed,
            Loss::ConnectTimeout => Cause::ConnectTimeout,
            Loss::TlsTimeout => Cause::TlsTimeout,
            Loss::Closed | Loss::Stalled | Loss::Protocol => return,
        };
        self.with_upstream_shard_of(node, |shard| shard.connect_failures.add(1));
        // As long as another connection lives, the calls may yet find room there.
        let last = self.pool.get(node).is_some_and(|node| node.links.len() <= 1);
        if last {
            self.fail_waiting(node, &Failure::new(cause));
        }
    }

    pub(super) fn remove_from_node(&mut self, node: Key, link: Key) {
        self.with_upstream_shard_of(node, |shard| shard.connections.add(-1));
        if let Some(entry) = self.pool.get_mut(node) {
            entry.links.retain(|other| *other != link);
            entry.idle.retain(|other| *other != link);
        }
        self.serve_waiting(node);
        self.pool.forget_if_unused(node);
    }

    pub(super) fn node_address(&self, node: Option<Key>) -> Option<SocketAddr> {
        Some(self.pool.get(node?)?.identity.address)
    }

    pub(super) fn upstream_of(&self, node: Key) -> Option<&Upstream> {
        self.upstream_in(&self.active, node)
    }

    fn upstream_in<'a>(&self, active: &'a super::Active, node: Key) -> Option<&'a Upstream> {
        let node = self.pool.get(node)?;
        active.snapshot.upstreams.get(node.upstream).map(|upstream| &**upstream)
    }

    pub(super) fn with_upstream_shard(&self, link: Key, count: impl FnOnce(&UpstreamShard)) {
        if let Some(Side::Upstream(node)) = self.links.get(link).map(|link| &link.side) {
            self.with_upstream_shard_of(*node, count);
        }
    }

    pub(super) fn with_upstream_shard_of(&self, node: Key, count: impl FnOnce(&UpstreamShard)) {
        if let Some(upstream) = self.upstream_of(node) {
            count(upstream.stats.shard(self.index));
        }
    }
}
