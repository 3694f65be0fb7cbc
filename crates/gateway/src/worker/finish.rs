//! The end of an exchange: its place is freed, it is counted, and the log is told.

use std::sync::Arc;
use std::time::Duration;

use narrows_wire::codec::ErrorCode;
use narrows_wire::{Name, Time};

use super::Worker;
use super::judge::{detach, outcome};
use super::links::note_dirty;
use crate::clock;
use crate::exchange::{Exchange, Stage};
use crate::io::Io;
use crate::link::{Codec, Side};
use crate::record::{Kind, Record, Stages, Text};
use crate::route::Request;
use crate::slab::Key;
use crate::snapshot::Targets;
use crate::stats::MethodStats;

/// Methods counted under their own name, per worker; those beyond it are counted as `other`.
const METHODS_MAX: usize = 512;
/// The status "unimplemented": the method may be one that someone made up.
const UNIMPLEMENTED: u8 = 12;
/// The place of calls without a gRPC status.
const NO_STATUS: usize = 17;

impl<I: Io> Worker<I> {
    /// The exchange has ended on both sides.
    pub(super) fn finish(&mut self, key: Key) {
        if self.exchanges.get(key).is_some_and(|exchange| exchange.hedge.is_some()) {
            self.drop_second(key, Some(ErrorCode::CANCEL));
        }
        let Some(mut exchange) = self.exchanges.remove(key) else { return };
        if let Some((timer, _)) = exchange.clocks.timer.take() {
            self.timers.cancel(timer);
        }
        if let Some(link) = self.links.get_mut(exchange.client.link) {
            link.codec.release(exchange.client.stream);
            link.last_used = self.now;
            note_dirty(&mut self.dirty, exchange.client.link, link);
        }
        match exchange.stage {
            Stage::Relaying(leg) => self.free_link(leg.link),
            Stage::Queued { node, .. } => self.leave_queue_early(key, node),
            Stage::Parked { .. } | Stage::Local => {}
        }
        let outcome = outcome(&exchange);
        detach(&mut exchange, outcome, self.now);
        self.leave_retries(&exchange);
        self.filter_end(&exchange);
        self.count(&exchange);
        if self.records().is_some() {
            self.record(&exchange, Kind::End);
        }
        self.keep_exchange(exchange);
    }

    fn count(&mut self, exchange: &Exchange) {
        let Some(route) = exchange.route() else {
            if let Some(cause) = exchange.cause {
                self.stats.unrouted.of(cause).add(1);
            }
            return;
        };
        let took = self.now.since(exchange.times.begun);
        let shard = route.stats.shard(self.index);
        let grpc = exchange.grpc_status.map_or(NO_STATUS, |code| usize::from(code).min(NO_STATUS));
        shard.active.add(-1);
        shard.grpc[grpc].add(1);
        shard.http[usize::from(exchange.status / 100).min(5)].add(1);
        shard.duration.record(took);
        shard.bytes_in.add(exchange.request.heads, exchange.request.bytes);
        shard.bytes_out.add(exchange.reply.heads, exchange.reply.bytes);
        if let Some(cause) = exchange.cause {
            shard.local.of(cause).add(1);
        }
        if exchange.is_grpc {
            let count = |method: &MethodStats| {
                method.handled[grpc].add(1);
                method.duration.record(took);
            };
            let path = exchange.head.get(Name::Path).unwrap_or_default();
            match self.methods.get(path) {
                Some(method) => count(method),
                None => count(&self.new_method(path, exchange)),
            }
        }
    }

    /// The counters of a method that is called for the first time.
    #[cold]
    fn new_method(&mut self, path: &[u8], exchange: &Exchange) -> Arc<MethodStats> {
        let made_up = exchange.cause.is_some() || exchange.grpc_status == Some(UNIMPLEMENTED);
        let full = self.methods.len() >= METHODS_MAX;
        match std::str::from_utf8(path) {
            Ok(text) if !made_up && !full && text.matches('/').count() == 2 => {
                let stats = self.stats.add_method(text);
                self.methods.insert(path.into(), stats.clone());
                stats
            }
            _ => self.other_methods.clone(),
        }
    }

    /// A stream of hours is not invisible until it ends.
    pub(super) fn record_periodically(&mut self, key: Key) {
        let interval = self.records();
        // Out of its place while the rest of the worker is looked at.
        let Some(mut exchange) = self.exchanges.take(key) else { return };
        self.record(&exchange, Kind::Periodic);
        exchange.clocks.record = interval.map_or(Time::NEVER, |interval| self.now + interval);
        let placed = self.exchanges.put_back(key, exchange);
        debug_assert!(placed.is_ok(), "its place was kept");
    }

    fn record(&mut self, exchange: &Exchange, kind: Kind) {
        if self.recorder.is_full() {
            return self.stats.log_dropped.add(1);
        }
        let mut record = self.recorder.blank();
        record.unix_time = clock::unix(self.now);
        record.kind = kind;
        self.record_client(exchange, &mut record);
        self.record_route(exchange, &mut record);
        record.status = exchange.status;
        record.grpc_status = exchange.grpc_status;
        record.cause = exchange.cause;
        record.stages = exchange.stages(self.now);
        record.bytes_in = exchange.request.bytes;
        record.bytes_out = exchange.reply.bytes;
        if exchange.is_grpc {
            record.messages_in = Some(exchange.request.messages.messages());
            record.messages_out = Some(exchange.reply.messages.messages());
        }
        record.attempts = u32::from(exchange.attempts);
        for (field, name) in [
            (Text::Method, Name::Method),
            (Text::Authority, Name::Authority),
            (Text::Path, Name::Path),
            (Text::UserAgent, Name::UserAgent),
            (Text::RequestId, Name::XRequestId),
            (Text::Traceparent, Name::Traceparent),
        ] {
            let original = match field {
                Text::Method => {
                    exchange.original_method.as_deref().or(self.method_of_upgrade(exchange))
                }
                Text::Path => exchange.original_path.as_deref(),
                _ => None,
            };
            if let Some(text) = original.or_else(|| exchange.head.get(name)) {
                record.set_text(field, text);
            }
        }
        record.set_text(Text::GrpcMessage, exchange.detail.as_bytes());
        if self.recorder.push(record).is_err() {
            self.stats.log_dropped.add(1);
        }
    }

    /// Over HTTP/1.1 a client that opens a WebSocket says GET (RFC 8441 §5), and is logged with that.
    fn method_of_upgrade(&self, exchange: &Exchange) -> Option<&'static [u8]> {
        exchange.head.get(Name::Protocol)?;
        let link = self.links.get(exchange.client.link)?;
        matches!(link.codec, Codec::H1(_)).then_some(b"GET")
    }

    fn record_client(&self, exchange: &Exchange, record: &mut Record) {
        let Some(link) = self.links.get(exchange.client.link) else { return };
        record.client = Some(exchange.source);
        record.peer = Some(link.peer);
        record.protocol = link.codec.protocol();
        if let Side::Downstream(listener) = &link.side {
            record.listener = Some(listener.name.clone());
        }
        if let Some(handshake) = link.tls.as_ref().and_then(|tls| tls.handshake.as_ref()) {
            record.tls_version = handshake.version;
            record.set_text(Text::Sni, handshake.sni.as_bytes());
        }
    }

    fn record_route(&mut self, exchange: &Exchange, record: &mut Record) {
        let Some(route) = exchange.route() else { return };
        record.route = Some(route.name.clone());
        let Some(upstream) = exchange.upstream() else { return };
        record.upstream = Some(upstream.name.clone());
        record.node = self.node_address(exchange.node);
        if let Targets::Lookup(lookup) = &upstream.targets {
            let request = Request { head: &exchange.head, source: exchange.source };
            self.lookup_key.clear();
            if lookup.key.render(&request, &mut self.lookup_key).is_ok() {
                record.set_text(Text::Job, &self.lookup_key);
            }
        }
    }
}

// === impl Exchange ===

impl Exchange {
    fn stages(&self, now: Time) -> Stages {
        let times = &self.times;
        let between = |from: Time, to: Time| -> Option<Duration> {
            (from != Time::ZERO && to > from).then(|| to.since(from))
        };
        Stages {
            total: now.since(times.begun),
            first_byte: between(times.begun, times.reply_begun),
            resolve: between(times.parked, times.located),
            queue: between(times.located, times.dispatched),
            connect: between(times.dispatched, times.connected),
        }
    }
}
