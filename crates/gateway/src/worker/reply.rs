//! A reply's way back: its head, then (see `relay.rs`) its body and trailers.

use narrows_wire::codec::{End, ErrorCode, StreamKey};
use narrows_wire::grpc;
use narrows_wire::{Head, Name, Time};

use super::Worker;
use super::links::note_dirty;
use super::retry::Heard;
use crate::exchange::{Exchange, Leg, Progress};
use crate::io::Io;
use crate::reply::Cause;
use crate::slab::Key;
use crate::stage::Part;

impl<I: Io> Worker<I> {
    /// A node began its reply.
    pub(super) fn on_reply(&mut self, from: (Key, StreamKey), tag: u64, end: End, head: &mut Head) {
        let key = Key::unpack(tag);
        let Some(exchange) = self.exchanges.get_mut(key) else {
            return self.reset_stream(from.0, from.1, ErrorCode::CANCEL);
        };
        if exchange.hedge.is_some() && self.hear(key, from, end, head) == Heard::Ignored {
            return;
        }
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        if exchange.retries_left > 0 && self.retry_answer(key, from, end, head) {
            return;
        }
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        exchange.reply.count_fields(head);
        exchange.on_reply_head(head, self.now);
        if exchange.is_tunnel_asked {
            exchange.answer_tunnel();
            if exchange.is_tunnel {
                let side = self.links.get(exchange.client.link).map(|link| &link.side);
                exchange.clocks.idle = exchange.layers(side).limit(|place| place.tunnel_idle);
            }
        }
        if exchange.clocks.body.is_some() {
            self.arm_exchange(key);
        }
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        exchange.times.connected = self.links.get(from.0).map_or(Time::ZERO, |link| link.open_at);
        if end == End::Stream && exchange.reply_is_grpc && exchange.grpc_status.is_none() {
            exchange.reply.progress = Progress::Nothing;
            return self.fail(key, Cause::UpstreamNotGrpc, String::new());
        }
        self.on_departure(key, from.0, head);
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        if !exchange.stages.is_empty() || Self::is_reply_filtered(exchange) {
            self.note_response_time(key);
            return self.pass_reply(key, Part::Head(head, end));
        }
        let is_tunnel = exchange.is_tunnel;
        let Leg { link: to, stream } = exchange.client;
        if let Some(link) = self.links.get_mut(to) {
            link.codec.send_head(stream, head, end);
            note_dirty(&mut self.dirty, to, link);
        }
        self.note_response_time(key);
        if end == End::Stream {
            self.on_reply_end(key);
        } else if is_tunnel {
            self.on_tunnel(key);
        }
    }

    /// A tunnel is open, with limits in time of its own. One that comes while the gateway drains is late.
    fn on_tunnel(&mut self, key: Key) {
        self.arm_exchange(key);
        if self.draining.is_some() {
            self.close_websocket(key);
        }
    }

    /// A node sent an interim reply (1xx).
    pub(super) fn on_informational(&mut self, tag: u64, head: &Head) {
        let Some(exchange) = self.exchanges.get(Key::unpack(tag)) else { return };
        let client = exchange.client;
        if let Some(link) = self.links.get_mut(client.link) {
            link.codec.send_informational(client.stream, head);
            self.mark_dirty(client.link);
        }
    }

    fn note_response_time(&self, key: Key) {
        let Some(exchange) = self.exchanges.get(key) else { return };
        let began = match exchange.times.request_ended {
            Time::ZERO => exchange.times.begun,
            ended => ended,
        };
        let took = self.now.since(began);
        if let Some(peer) = &exchange.peer {
            let since = exchange.times.chosen.max(exchange.times.request_ended);
            peer.on_reply(self.now.since(since), self.now);
        }
        if let Some(leg) = exchange.node_leg() {
            self.with_upstream_shard(leg.link, |shard| shard.response.record(took));
        }
    }

    /// The whole reply is on its way to the client. A request that still goes on is of no use any more
    /// (RFC 9113 §8.1): both of its ends are told.
    pub(super) fn on_reply_end(&mut self, key: Key) {
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        exchange.reply.progress = Progress::Ended;
        if exchange.request.progress != Progress::Ended {
            if exchange.is_tunnel {
                return;
            }
            let (client, node) = (exchange.client, exchange.node_leg());
            if let Some(link) = self.links.get_mut(client.link) {
                link.codec.reset_after_data(client.stream, ErrorCode::NO_ERROR);
            }
            if let Some(node) = node {
                self.reset_stream(node.link, node.stream, ErrorCode::CANCEL);
            }
        }
        self.finish(key);
    }
}

// === impl Exchange ===

impl Exchange {
    fn on_reply_head(&mut self, head: &Head, now: Time) {
        self.times.moved = now;
        self.times.reply_begun = now;
        self.times.reply_moved = now;
        self.reply.progress = Progress::Begun;
        self.replayable = false;
        self.kept.clear();
        self.note_http_status(head);
        let is_grpc = head.get(Name::ContentType).is_some_and(grpc::is_grpc);
        self.reply_is_grpc = self.is_grpc && self.status == 200 && is_grpc;
        self.note_status(head.get(Name::GrpcStatus));
    }

    /// The node has accepted the tunnel that was asked for, or has not.
    fn answer_tunnel(&mut self) {
        if self.status / 100 != 2 {
            self.websocket = None;
            return;
        }
        self.is_tunnel = true;
        self.clocks.body = None;
    }

    /// Notes the status of a reply head, which has three digits.
    pub(crate) fn note_http_status(&mut self, head: &Head) {
        let digits = head.get(Name::Status).unwrap_or_default();
        self.status =
            digits.iter().fold(0, |n, digit| n * 10 + u16::from(digit.wrapping_sub(b'0') % 10));
    }

    /// Notes the status that ends the call.
    pub(crate) fn note_status(&mut self, value: Option<&[u8]>) {
        if let Some(status) = value.and_then(grpc::Status::parse) {
            self.grpc_status = Some(status.code());
        }
    }
}
