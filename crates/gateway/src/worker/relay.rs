//! The body of an exchange, both ways, under flow control.
//!
//! Bytes go from the read buffer to the other link's output; what finds no room waits in the other stream.
//! The sender gets credit only for what has left its stream there, so a slow reader slows its own sender and
//! nobody else.

use std::ops::Range;

use narrows_wire::Name;
use narrows_wire::codec::{End, StreamKey};

use super::Worker;
use super::links::note_dirty;
use crate::exchange::{Leg, MessageSize, Progress, Stage};
use crate::io::Io;
use crate::reply::Cause;
use crate::slab::Key;
use crate::stage::Part;
use crate::websocket::Direction;

/// Request body kept for a call that the gateway answers itself.
const LOCAL_BODY_BYTES_MAX: usize = 4096;

impl<I: Io> Worker<I> {
    /// Bytes of a body, from either side. `data` lies in `source`.
    pub(super) fn on_data(
        &mut self,
        from: (Key, StreamKey),
        tag: u64,
        data: &[u8],
        end: End,
        source: &[u8],
    ) {
        let key = Key::unpack(tag);
        let from = Leg { link: from.0, stream: from.1 };
        let Some(exchange) = self.exchanges.get_mut(key) else {
            // The exchange has ended; its stream is about to.
            return self.grant(from, data.len());
        };
        exchange.times.moved = self.now;
        if exchange.client == from {
            self.on_request_data(key, data, end, source);
        } else {
            self.on_reply_data(key, data, end, source);
        }
    }

    fn on_request_data(&mut self, key: Key, data: &[u8], end: End, source: &[u8]) {
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        let limit = exchange.message_bytes_max();
        exchange.request.bytes += data.len() as u64;
        // What stages make of it is counted behind them.
        if exchange.is_grpc
            && !exchange.request.is_staged
            && exchange.request.count_messages(data, limit) == MessageSize::TooLarge
        {
            return self.fail(key, Cause::MessageTooLarge, String::new());
        }
        if end == End::Stream {
            exchange.request.progress = Progress::Ended;
            exchange.times.request_ended = self.now;
        }
        if let Some(websocket) = &mut exchange.websocket {
            if websocket.is_closing() {
                return self.pass_last_frames(key, Direction::ToNode, (data, end), source);
            }
            websocket.watch(Direction::ToNode, data);
        }
        if exchange.request.is_staged {
            self.pass_request(key, data, end);
        } else {
            self.take_request(key, data, end, source);
        }
    }

    /// Sends bytes of a request on, or keeps them until there is a node.
    pub(super) fn take_request(&mut self, key: Key, data: &[u8], end: End, source: &[u8]) {
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        match exchange.stage {
            Stage::Relaying(leg) => {
                self.keep_for_replay(key, data);
                self.forward_request(key, leg, data, end, source);
            }
            // No credit is given, so what is kept stays below a window.
            Stage::Parked { .. } | Stage::Queued { .. } => exchange.kept.extend_from_slice(data),
            Stage::Local => {
                if exchange.kept.len() + data.len() > LOCAL_BODY_BYTES_MAX {
                    return self.fail(key, Cause::MessageTooLarge, String::new());
                }
                exchange.kept.extend_from_slice(data);
                if end == End::Stream {
                    self.on_local_request_end(key);
                }
            }
        }
    }

    fn forward_request(&mut self, key: Key, leg: Leg, data: &[u8], end: End, source: &[u8]) {
        let sent = self.forward(leg, data, end, source);
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        let credit = exchange.request.credit(sent);
        let client = exchange.client;
        if end == End::Open {
            self.grant(client, credit);
        } else if exchange.is_tunnel && exchange.reply.progress == Progress::Ended {
            self.finish(key);
        } else {
            self.await_flush(key);
        }
    }

    /// Keeps the body as long as the call may have to be sent again.
    fn keep_for_replay(&mut self, key: Key, data: &[u8]) {
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        if !exchange.replayable {
            return;
        }
        let max = exchange.route().map_or(0, |route| route.replay_bytes_max);
        if exchange.kept.len() + data.len() <= max {
            exchange.kept.extend_from_slice(data);
        } else {
            exchange.replayable = false;
            exchange.kept.clear();
        }
    }

    fn on_reply_data(&mut self, key: Key, data: &[u8], end: End, source: &[u8]) {
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        let limit = exchange.message_bytes_max();
        exchange.reply.bytes += data.len() as u64;
        exchange.times.reply_moved = self.now;
        if exchange.reply_is_grpc
            && exchange.reply.count_messages(data, limit) == MessageSize::TooLarge
        {
            return self.fail(key, Cause::MessageTooLarge, String::new());
        }
        if let Some(websocket) = &mut exchange.websocket {
            if websocket.is_closing() {
                return self.pass_last_frames(key, Direction::ToClient, (data, end), source);
            }
            websocket.watch(Direction::ToClient, data);
        }
        let client = exchange.client;
        let Some(node) = exchange.node_leg() else { return };
        let is_staged = !exchange.stages.is_empty();
        if end == End::Stream && exchange.reply_is_grpc {
            // A gRPC reply ends with trailers; this one ended without, so it gets some from us.
            if is_staged {
                self.pass_reply(key, Part::Data(data, End::Open));
            } else {
                self.forward(client, data, End::Open, source);
            }
            return self.fail(key, Cause::UpstreamNotGrpc, String::new());
        }
        if is_staged {
            return self.pass_reply(key, Part::Data(data, end));
        }
        let sent = self.forward(client, data, end, source);
        if end == End::Stream {
            return self.on_reply_end(key);
        }
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        let credit = exchange.reply.credit(sent);
        self.grant(node, credit);
    }

    /// Puts bytes into the stream of a leg; gives how many found room in the output.
    pub(super) fn forward(&mut self, to: Leg, data: &[u8], end: End, source: &[u8]) -> usize {
        let Some(link) = self.links.get_mut(to.link) else { return data.len() };
        let sent = match range_in(source, data) {
            Some(range) => link.codec.send_data_borrowed(to.stream, range, data, end),
            None => link.codec.send_data(to.stream, data, end),
        };
        if link.codec.output().has_borrowed() && self.lent.last() != Some(&to.link) {
            self.lent.push(to.link);
        }
        note_dirty(&mut self.dirty, to.link, link);
        sent
    }

    /// Waiting bytes have left a stream: the other side gets credit for them.
    pub(super) fn on_sent(&mut self, link: Key, tag: u64, bytes: usize) {
        let Some(exchange) = self.exchanges.get_mut(Key::unpack(tag)) else { return };
        exchange.times.moved = self.now;
        let is_reply = exchange.client.link == link;
        let (body, to) = if is_reply {
            let Some(node) = exchange.node_leg() else { return };
            exchange.times.reply_moved = self.now;
            (&mut exchange.reply, node)
        } else {
            (&mut exchange.request, exchange.client)
        };
        let credit = body.credit(bytes);
        let is_taken = body.is_taken();
        self.grant(to, credit);
        if is_taken {
            self.on_taken(Key::unpack(tag), is_reply);
        }
    }

    pub(super) fn grant(&mut self, to: Leg, bytes: usize) {
        if let Some(link) = self.links.get_mut(to.link) {
            link.codec.grant(to.stream, bytes);
            note_dirty(&mut self.dirty, to.link, link);
        }
    }

    /// Trailers of a reply end it.
    pub(super) fn on_reply_trailers(&mut self, tag: u64, trailers: &narrows_wire::Head) {
        let key = Key::unpack(tag);
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        exchange.times.moved = self.now;
        let status = trailers.get(Name::GrpcStatus);
        if exchange.reply_is_grpc && status.is_none() {
            return self.fail(key, Cause::UpstreamNotGrpc, String::new());
        }
        exchange.note_status(status);
        exchange.reply.count_fields(trailers);
        if !exchange.stages.is_empty() {
            return self.pass_reply(key, Part::Trailers(trailers));
        }
        let client = exchange.client;
        if let Some(link) = self.links.get_mut(client.link) {
            link.codec.send_trailers(client.stream, trailers);
            note_dirty(&mut self.dirty, client.link, link);
        }
        self.on_reply_end(key);
    }

    /// What is kept of a request that ended with trailers before it was sent.
    pub(super) fn on_local_request_end(&mut self, key: Key) {
        if matches!(self.exchanges.get(key).map(|exchange| exchange.stage), Some(Stage::Local)) {
            self.answer_health(key);
        }
    }
}

/// Where `part` lies in `whole`, if it does.
fn range_in(whole: &[u8], part: &[u8]) -> Option<Range<usize>> {
    let start = (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize)?;
    let range = start..start + part.len();
    (range.end <= whole.len()).then_some(range)
}
