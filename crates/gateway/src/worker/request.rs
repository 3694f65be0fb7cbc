//! A request's way in: head, deadline, route, then its target.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use narrows_wire::codec::{End, StreamKey};
use narrows_wire::grpc::{self, Timeout};
use narrows_wire::{Head, Name};

use super::failure::Failure;
use super::filters::Passage;
use super::transcode::Binding;
use super::{Active, Worker};
use crate::certificates::Coverage;
use crate::exchange::{Clocks, Exchange, Leg, MessageSize, Progress};
use crate::forward::Forward;
use crate::io::Io;
use crate::link::Side;
use crate::reply::Cause;
use crate::route::Request;
use crate::slab::Key;
use crate::snapshot::{Accepts, Translate};
use crate::stage::GrpcWeb;

/// The source of a request whose link is gone.
const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

impl<I: Io> Worker<I> {
    /// A client began a request; `head` is taken and another one left in its place.
    pub(super) fn on_request(&mut self, link: Key, stream: StreamKey, end: End, head: &mut Head) {
        let key = self.begin((link, stream), end, head);
        if let Err(failure) = self.admit(key) {
            self.fail(key, failure.cause, failure.detail);
        }
    }

    /// Makes an exchange of a request whose head has come.
    pub(super) fn begin(
        &mut self,
        (link, stream): (Key, StreamKey),
        end: End,
        head: &mut Head,
    ) -> Key {
        let client = Leg { link, stream };
        let peer = self.links.get(link).map_or(NOBODY, |link| link.peer.ip().to_canonical());
        let mut exchange = self.spare_exchange((client, peer));
        exchange.begin((client, peer), head, self.now);
        exchange.request.count_fields(&exchange.head);
        exchange.is_grpc = exchange.head.get(Name::ContentType).is_some_and(grpc::is_grpc);
        if end == End::Stream {
            exchange.request.progress = Progress::Ended;
            exchange.times.request_ended = self.now;
        } else {
            exchange.request.progress = Progress::Begun;
        }
        let key = self.exchanges.insert(exchange);
        if let Some(link) = self.links.get_mut(link) {
            link.codec.set_tag(stream, key.pack());
            link.shrunk = false;
        }
        key
    }

    /// A listener may hold requests to the certificate of their connection (RFC 9110 §15.5.20).
    fn check_coverage(&self, key: Key) -> Result<(), Failure> {
        let Some(exchange) = self.exchanges.get(key) else { return Ok(()) };
        let tls = self.links.get(exchange.client.link).and_then(|link| link.tls.as_ref());
        let Some(handshake) = tls.and_then(|tls| tls.handshake.as_ref()) else { return Ok(()) };
        let authority =
            exchange.head.get(Name::Authority).or_else(|| exchange.head.get(Name::Host));
        match handshake.coverage(authority.unwrap_or_default()) {
            Coverage::Covered => Ok(()),
            Coverage::Misdirected => Err(Failure::new(Cause::Misdirected)),
        }
    }

    /// Reads what the head says of deadline and kind, and finds the route.
    fn admit(&mut self, key: Key) -> Result<(), Failure> {
        let now = self.now;
        self.on_arrival(key);
        let Some(exchange) = self.exchanges.get_mut(key) else { return Ok(()) };
        let is_connect = exchange.head.get(Name::Method) == Some(b"CONNECT");
        if is_connect {
            exchange.ask_for_tunnel();
        }
        let is_websocket = exchange.websocket.is_some();
        let forward = self.forward_proxy(key);
        if is_connect && !is_websocket && forward.is_none() {
            return Err(Failure::new(Cause::NoTunnels));
        }
        self.check_coverage(key)?;
        if forward.is_none() && self.is_health_check(key) {
            return self.begin_health(key);
        }
        let active = self.active.clone();
        let index = match forward {
            Some(forward) => Some(self.ask_forward(key, &forward)?),
            None => self.find_route(key, &active),
        };
        let Some(index) = index else {
            // A browser can read the answer only in its own format.
            self.translate_grpc_web(key)?;
            return Err(Failure::new(Cause::NoRoute));
        };
        self.take_route(key, index);
        let Some(exchange) = self.exchanges.get_mut(key) else { return Ok(()) };
        let route = active.snapshot.router.route(index);
        let asked = match exchange.head.get(Name::GrpcTimeout).map(Timeout::parse) {
            None => None,
            Some(Ok(timeout)) => Some(timeout.0),
            Some(Err(_)) => return Err(Failure::new(Cause::BadTimeout)),
        };
        let link = self.links.get_mut(exchange.client.link);
        let layers = exchange.layers(link.as_deref().map(|link| &link.side));
        exchange.clocks = Clocks::start(&layers, asked, now);
        if let (Some(link), Some(write)) = (link, exchange.clocks.write) {
            link.codec.set_stall_timeout(exchange.client.stream, write);
        }
        if !route.filters.is_empty() && self.filter_request(key, route)? == Passage::Answered {
            return Ok(());
        }
        if route.grpc_web == Translate::Yes {
            self.translate_grpc_web(key)?;
        }
        if self.transcode(key)? == Binding::Answered {
            return Ok(());
        }
        if let Some(interval) = self.records().filter(|interval| !interval.is_zero()) {
            let Some(exchange) = self.exchanges.get_mut(key) else { return Ok(()) };
            exchange.clocks.record = now + interval;
        }
        self.locate(key)?;
        self.arm_exchange(key);
        Ok(())
    }

    /// A call in gRPC-Web becomes one in gRPC.
    pub(super) fn translate_grpc_web(&mut self, key: Key) -> Result<(), Failure> {
        let Some(exchange) = self.exchanges.get_mut(key) else { return Ok(()) };
        let Some(stage) = GrpcWeb::of(&exchange.head) else { return Ok(()) };
        exchange.is_grpc = true;
        self.ask_for_body(key);
        self.add_stage(key, Box::new(stage));
        self.pass_end_of_head(key)
    }

    /// Where the head is all of a request, the stages learn of its end with it.
    pub(super) fn pass_end_of_head(&mut self, key: Key) -> Result<(), Failure> {
        let Some(exchange) = self.exchanges.get_mut(key) else { return Ok(()) };
        if exchange.request.progress != Progress::Ended {
            return Ok(());
        }
        let limit = exchange.message_bytes_max();
        let Exchange { stages, kept, request, .. } = &mut **exchange;
        let passed = stages.request(&[], End::Stream, kept);
        passed
            .map_err(|refusal| Failure { cause: refusal.cause, detail: refusal.detail.into() })?;
        match request.count_messages(kept, limit) {
            MessageSize::Within => Ok(()),
            MessageSize::TooLarge => Err(Failure::new(Cause::MessageTooLarge)),
        }
    }

    /// Who may reach what, on the listener of a forward proxy.
    fn forward_proxy(&self, key: Key) -> Option<Arc<Forward>> {
        let link = self.links.get(self.exchanges.get(key)?.client.link)?;
        match &link.side {
            Side::Downstream(listener) if matches!(listener.accepts, Accepts::Forward(_)) => {
                self.active.snapshot.forward(&listener.name).cloned()
            }
            Side::Downstream(_) | Side::Upstream(_) => None,
        }
    }

    /// The route of a request to a forward proxy, which names its own target.
    fn ask_forward(&mut self, key: Key, forward: &Forward) -> Result<usize, Failure> {
        let Some(exchange) = self.exchanges.get_mut(key) else {
            return Err(Failure::new(Cause::Internal));
        };
        let (route, target) = forward.admit(&mut exchange.head).map_err(Failure::new)?;
        exchange.asked = Some(target);
        Ok(route)
    }

    pub(super) fn take_route(&mut self, key: Key, index: usize) {
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        let route = exchange.active.snapshot.router.route(index);
        exchange.route = Some(index);
        exchange.upstream = route.upstream.unwrap_or(usize::MAX);
        exchange.is_watched = route.retry.is_some() || route.hedge.is_some();
        exchange.retries_left = route.retry.as_ref().map_or(0, |retry| retry.num_retries);
        let shard = route.stats.shard(self.index);
        shard.started.add(1);
        shard.active.add(1);
    }

    pub(super) fn find_route(&mut self, key: Key, active: &Active) -> Option<usize> {
        let exchange = self.exchanges.get_mut(key)?;
        let link = self.links.get(exchange.client.link)?;
        if let Side::Downstream(listener) = &link.side
            && let Accepts::Bytes(_) = listener.accepts
        {
            exchange.is_tunnel = true;
            return link.route;
        }
        let request = Request { head: &exchange.head, source: exchange.source };
        active.snapshot.router.find(&request)
    }

    /// Trailers of a request end it.
    pub(super) fn on_request_trailers(&mut self, tag: u64, trailers: &Head) {
        let key = Key::unpack(tag);
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        exchange.request.progress = Progress::Ended;
        exchange.times.request_ended = self.now;
        exchange.replayable = false;
        exchange.request.count_fields(trailers);
        if exchange.request.is_staged {
            self.pass_request_rest(key);
        }
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        let Some(leg) = exchange.node_leg() else {
            exchange.trailers = Some(trailers.clone());
            return self.on_local_request_end(key);
        };
        if let Some(link) = self.links.get_mut(leg.link) {
            link.codec.send_trailers(leg.stream, trailers);
            self.mark_dirty(leg.link);
        }
        self.await_flush(key);
    }
}
