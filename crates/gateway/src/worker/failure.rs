//! How a call ends that does not end by itself: refused, timed out, cancelled, or lost with a link.

use std::fmt::Display;

use narrows_wire::codec::{End, ErrorCode, Party, Processed, Reason, Refusal, StreamKey};
use narrows_wire::grpc::Status;
use narrows_wire::{Head, Name};

use super::ending::Loss;
use super::judge::Outcome;
use super::{Worker, hop};
use crate::closes::Close;
use crate::exchange::{Leg, Progress, Stage};
use crate::io::Io;
use crate::link::Side;
use crate::reply::{self, Cause, Detail};
use crate::slab::Key;
use crate::snapshot::{OnMissing, Targets};
use crate::stage::Emitted;

/// How often a call is sent at most when nodes provably do not process it.
const ATTEMPTS_MAX: u8 = 2;

/// Why a call ends, with words for the caller and the log.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) cause: Cause,
    pub(super) detail: Detail,
}

// === impl Failure ===

impl Failure {
    pub(super) fn new(cause: Cause) -> Self {
        Self { cause, detail: Detail::default() }
    }

    /// With words of our own, or of the caller's.
    pub(super) fn with(cause: Cause, told: impl Display) -> Self {
        Self { cause, detail: told.to_string().into() }
    }

    /// With words from the inner network, which are for the log.
    pub(super) fn inner(cause: Cause, text: impl Display) -> Self {
        Self { cause, detail: Detail::inner(text.to_string()) }
    }

    /// With what the inner network says of it.
    pub(super) fn and_inner(self, text: impl Display) -> Self {
        Self { detail: self.detail.and_inner(text.to_string()), ..self }
    }
}

// === impl Worker ===

impl<I: Io> Worker<I> {
    /// A client's request breaks a rule or a limit, and is answered. It is counted for the route that it would
    /// have taken, as far as what is known of it tells.
    pub(super) fn on_refused(
        &mut self,
        from: (Key, StreamKey),
        tag: u64,
        refusal: Refusal,
        head: &mut Head,
    ) {
        let failure = Failure::with(Cause::of_refusal(refusal), refusal);
        let known = Key::unpack(tag);
        if tag != 0 && self.exchanges.get(known).is_some() {
            return self.fail(known, failure.cause, failure.detail);
        }
        // Over HTTP/2 the rest of the request may still come, and is told to stop behind the answer.
        let is_h2 = self.links.get(from.0).is_some_and(|link| link.codec.is_h2());
        let end = if is_h2 { End::Open } else { End::Stream };
        let key = self.begin(from, end, head);
        self.on_arrival(key);
        let active = self.active.clone();
        if let Some(route) = self.find_route(key, &active) {
            self.take_route(key, route);
        }
        self.fail(key, failure.cause, failure.detail);
    }

    /// Ends an exchange for a cause of ours, unless it can be tried again: the node's stream is reset, the client is
    /// told.
    pub(super) fn fail(&mut self, key: Key, cause: Cause, detail: impl Into<Detail>) {
        let detail = detail.into();
        let Some(exchange) = self.exchanges.get(key) else { return };
        let (node, retries_left) = (exchange.node_leg(), exchange.retries_left);
        if exchange.is_tunnel && cause == Cause::IdleTimeout {
            let links = [Some(exchange.client), node].into_iter().flatten().map(|leg| leg.link);
            links.for_each(|link| self.note_broken(link, Close::Idle));
        }
        if let Some(node) = node {
            self.reset_stream(node.link, node.stream, ErrorCode::CANCEL);
        }
        if self.fail_over(key, cause) || retries_left > 0 && self.retry_failure(key, cause) {
            return;
        }
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        exchange.cause = Some(cause);
        self.tell_client(key, cause, &detail);
        if let Some(exchange) = self.exchanges.get_mut(key) {
            exchange.detail = detail.logged();
        }
        self.finish(key);
    }

    /// Says why, as the protocol of the caller and the state of its stream allow.
    fn tell_client(&mut self, key: Key, cause: Cause, detail: &Detail) {
        let mut head = self.spare_head();
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        let Leg { link, stream } = exchange.client;
        let ended = exchange.request.progress == Progress::Ended;
        if exchange.is_grpc && exchange.stages.tell_failures() {
            return self.tell_client_through_stages(key, cause, detail, head);
        }
        let Some(link_ref) = self.links.get_mut(link) else { return };
        match exchange.reply.progress {
            _ if !link_ref.codec.speaks_http() => link_ref.codec.reset(stream, reset_code(cause)),
            Progress::Nothing => self.tell_in_full(key, cause, detail),
            // A whole number of messages was sent, so a status can follow as if the node had sent it.
            Progress::Begun
                if exchange.reply_is_grpc && !exchange.reply.messages.is_mid_message() =>
            {
                reply::status_trailers(&mut head, cause, detail);
                link_ref.codec.send_trailers(stream, &head);
                exchange.grpc_status = Some(cause.row().grpc.code());
            }
            Progress::Begun => {
                exchange.grpc_status = exchange.is_grpc.then_some(cause.row().grpc.code());
                link_ref.codec.reset(stream, reset_code(cause));
            }
            Progress::Ended => {}
        }
        if let Some(link) = self.links.get_mut(link).filter(|_| !ended) {
            link.codec.reset_after_data(stream, ErrorCode::NO_ERROR);
        }
        self.mark_dirty(link);
        self.keep_head(head);
    }

    /// Nothing of a reply has been sent, so the client gets one of ours.
    fn tell_in_full(&mut self, key: Key, cause: Cause, detail: &Detail) {
        let mut head = self.spare_head();
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        let mut emitted = Emitted { ended: true, ..Emitted::default() };
        if exchange.is_grpc {
            let content_type = exchange.head.get(Name::ContentType).unwrap_or(b"application/grpc");
            reply::trailers_only(&mut head, cause, detail, content_type);
            exchange.grpc_status = Some(cause.row().grpc.code());
        } else {
            let body = reply::plain(&mut head, cause, detail);
            // RFC 9110 §9.3.2: no content in a reply to HEAD.
            if exchange.head.get(Name::Method) != Some(b"HEAD") {
                exchange.reply.bytes = body.len() as u64;
                emitted.data = body.into_bytes();
            }
        }
        let client = exchange.client;
        if let Some(link) = self.links.get_mut(client.link) {
            hop::sign(exchange, link, &mut head, &mut self.scratch);
        }
        emitted.head = Some(head);
        if self.emit(key, emitted).is_err() {
            self.reset_stream(client.link, client.stream, reset_code(cause));
        }
    }

    fn tell_client_through_stages(
        &mut self,
        key: Key,
        cause: Cause,
        detail: &Detail,
        mut head: narrows_wire::Head,
    ) {
        reply::trailers_only(&mut head, cause, detail, b"application/grpc");
        let told = self.pass_failure(key, &head);
        self.keep_head(head);
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        exchange.grpc_status = Some(cause.row().grpc.code());
        let (client, ended) = (exchange.client, exchange.request.progress == Progress::Ended);
        let Some(link) = self.links.get_mut(client.link) else { return };
        match told {
            false => link.codec.reset(client.stream, reset_code(cause)),
            true if !ended => link.codec.reset_after_data(client.stream, ErrorCode::NO_ERROR),
            true => {}
        }
        self.mark_dirty(client.link);
    }

    /// The client reset its stream: the node is told in the same turn.
    pub(super) fn on_client_reset(&mut self, from: (Key, StreamKey), tag: u64, reason: Reason) {
        let key = Key::unpack(tag);
        match self.exchanges.get(key) {
            Some(_) if reason == Reason::StreamStalled => self.abandon(key, Cause::WriteTimeout),
            Some(_) => self.abandon(key, Cause::ClientCancelled),
            // Reset before the exchange began, or after it ended: only the slot is to be freed.
            None => {
                if let Some(link) = self.links.get_mut(from.0) {
                    link.codec.release(from.1);
                }
            }
        }
    }

    /// Nobody waits for the reply any more.
    fn abandon(&mut self, key: Key, cause: Cause) {
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        exchange.cause = Some(cause);
        exchange.grpc_status = exchange.is_grpc.then_some(cause.row().grpc.code());
        if let Some(node) = exchange.node_leg() {
            self.reset_stream(node.link, node.stream, ErrorCode::CANCEL);
        }
        self.finish(key);
    }

    /// A node reset its stream, or our engine did because the node broke a rule.
    pub(super) fn on_node_reset(
        &mut self,
        link: Key,
        tag: u64,
        code: ErrorCode,
        (processed, by, reason): (Processed, Party, Reason),
    ) {
        let key = Key::unpack(tag);
        if self.lose_hedged(key, link, None) {
            return;
        }
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        let Stage::Relaying(leg) = exchange.stage else { return };
        self.leave_node(key, leg.link);
        if processed == Processed::No && self.replay(key) {
            return;
        }
        let cause = match (processed, by) {
            (Processed::No, _) => Cause::Unprocessed,
            (Processed::Maybe, Party::Us) if reason == Reason::StreamStalled => Cause::WriteTimeout,
            (Processed::Maybe, Party::Us) => Cause::UpstreamProtocol,
            (Processed::Maybe, Party::Peer) => match Status::from_reset(code.0) {
                Status::ResourceExhausted => Cause::UpstreamCalm,
                Status::Cancelled => Cause::UpstreamCancelled,
                Status::PermissionDenied => Cause::UpstreamInsecure,
                Status::Unavailable => Cause::Unprocessed,
                _ => Cause::UpstreamReset,
            },
        };
        self.fail(key, cause, format!("{code}"));
    }

    /// The exchange has no stream to a node any more.
    pub(super) fn leave_node(&mut self, key: Key, link: Key) {
        if let Some(exchange) = self.exchanges.get_mut(key) {
            exchange.stage = Stage::Local;
        }
        self.free_link(link);
    }

    /// A link to a node has one stream less.
    pub(super) fn free_link(&mut self, link: Key) {
        self.with_upstream_shard(link, |shard| shard.streams.add(-1));
        self.end_if_unused(link);
        self.rest_link(link);
        self.serve_waiting_of(link);
    }

    /// Sends a call once more that no node has processed. `false`: it can not be.
    fn replay(&mut self, key: Key) -> bool {
        let Some(exchange) = self.exchanges.get(key) else { return true };
        if !exchange.is_repeatable() || exchange.attempts >= ATTEMPTS_MAX || self.is_ending() {
            return false;
        }
        let Some(node) = exchange.node else { return false };
        if let Some(upstream) = exchange.upstream() {
            upstream.stats.shard(self.index).replays.add(1);
        }
        let is_chosen = exchange.peer.is_some();
        if let Some(exchange) = self.exchanges.get_mut(key) {
            // It says that it did nothing, which is no failure; but others may do more.
            exchange.give_up_peer(Outcome::Unknown, self.now);
        }
        let again = match self.pool.get(node) {
            Some(_) if !is_chosen => self.dispatch(key, node),
            Some(_) | None => self.locate(key),
        };
        if let Err(failure) = again {
            self.fail(key, failure.cause, failure.detail);
        }
        true
    }

    /// A link is lost: every exchange on it ends, or goes elsewhere if the node has not seen it.
    pub(super) fn on_loss(&mut self, key: Key, loss: Loss) {
        let Some(link) = self.links.get_mut(key) else { return };
        let (written, side) = (link.written, link.side.clone());
        link.state = crate::link::State::Closing;
        let tags = link.codec.tags();
        let unsettled = std::mem::take(&mut link.unsettled);
        match side {
            Side::Downstream(_) => {
                let is_stalled = loss == Loss::Stalled;
                let cause = if is_stalled { Cause::WriteTimeout } else { Cause::ClientClosed };
                for tag in tags {
                    self.abandon(Key::unpack(tag), cause);
                }
            }
            Side::Upstream(node) => {
                for waiting in unsettled {
                    self.replay(waiting);
                }
                for tag in tags {
                    self.on_node_loss(Key::unpack(tag), key, written, loss);
                }
                self.fail_waiting_after(node, loss);
            }
        }
    }

    /// A node that speaks HTTP/1 closed its connection before it began a reply.
    pub(super) fn on_node_gone(&mut self, tag: u64, link: Key) {
        let written = self.links.get(link).map_or(u64::MAX, |link| link.written);
        self.on_node_loss(Key::unpack(tag), link, written, Loss::Closed);
    }

    /// Whether a call may be sent again that was lost with its connection before any reply. A node may close
    /// a connection that it believes idle at any time; a request that does no more when it is made twice is
    /// then made once more (RFC 9112 §9.3.1).
    fn may_repeat(&self, key: Key, link: Key) -> bool {
        let was_used =
            self.links.get(link).is_some_and(|link| link.calls > 1 && !link.codec.is_h2());
        let Some(exchange) = self.exchanges.get(key) else { return false };
        let method = exchange.head.get(narrows_wire::Name::Method).unwrap_or_default();
        // RFC 9110 §9.2.2.
        was_used && matches!(method, b"GET" | b"HEAD" | b"OPTIONS" | b"PUT" | b"DELETE" | b"TRACE")
    }

    fn on_node_loss(&mut self, key: Key, link: Key, written: u64, loss: Loss) {
        if self.lose_hedged(key, link, None) {
            return;
        }
        let Some(exchange) = self.exchanges.get(key) else { return };
        let Some(leg) = exchange.node_leg().filter(|leg| leg.link == link) else { return };
        let unsent = written <= exchange.sent_mark || self.may_repeat(key, link);
        self.leave_node(key, leg.link);
        let cause = match loss {
            Loss::ConnectFailed => Cause::ConnectFailed,
            Loss::ConnectTimeout => Cause::ConnectTimeout,
            Loss::TlsTimeout => Cause::TlsTimeout,
            Loss::Stalled => Cause::WriteTimeout,
            Loss::Protocol => Cause::UpstreamProtocol,
            Loss::Closed => Cause::UpstreamClosed,
        };
        match loss {
            Loss::ConnectFailed | Loss::ConnectTimeout | Loss::TlsTimeout => {
                self.on_unreachable(key, cause);
            }
            Loss::Closed | Loss::Stalled | Loss::Protocol if unsent && self.replay(key) => {}
            Loss::Closed | Loss::Stalled | Loss::Protocol => self.fail(key, cause, String::new()),
        }
    }

    /// The node of a call can not be reached: where a store named it, its policy says what to do.
    fn on_unreachable(&mut self, key: Key, cause: Cause) {
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        let active = exchange.active.clone();
        let policy = match active.snapshot.upstreams.get(exchange.upstream).map(|u| &u.targets) {
            Some(Targets::Lookup(lookup)) if exchange.replayable => lookup.on_missing,
            _ => OnMissing::Fail,
        };
        let result = match policy {
            OnMissing::Fail => return self.fail(key, cause, String::new()),
            OnMissing::Fallback(upstream) => self.fall_back(key, upstream),
            OnMissing::Wait(patience) => self.wait_for_mapping(key, patience),
        };
        if let Err(failure) = result {
            self.fail(key, failure.cause, failure.detail);
        }
    }
}

/// What a client is told by RST_STREAM when a reply breaks off in the middle of a message.
fn reset_code(cause: Cause) -> ErrorCode {
    match cause.row().grpc {
        Status::DeadlineExceeded | Status::Cancelled => ErrorCode::CANCEL,
        Status::ResourceExhausted => ErrorCode::ENHANCE_YOUR_CALM,
        Status::PermissionDenied => ErrorCode::INADEQUATE_SECURITY,
        _ => ErrorCode::INTERNAL_ERROR,
    }
}
