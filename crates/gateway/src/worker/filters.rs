//! Filters at work: a request before its node is looked for, a reply before it is sent, the end of a call.
//!
//! See `filter.rs` for the order and the rules.

use std::net::IpAddr;

use narrows_wire::Name;

use super::Worker;
use super::failure::Failure;
use crate::exchange::Exchange;
use crate::filter::{Broken, Ended, Origin, ReplyView, RequestView};
use crate::io::Io;
use crate::link::{Link, Side};
use crate::reply::{Cause, LocalReply};
use crate::slab::Key;
use crate::snapshot::{Route, Translate};
use crate::stage::{Emitted, Refusal};

/// What the filters made of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passage {
    /// It goes on to a node.
    Free,
    /// It has been answered.
    Answered,
}

impl<I: Io> Worker<I> {
    /// Shows a request to the filters of its route.
    pub(super) fn filter_request(&mut self, key: Key, route: &Route) -> Result<Passage, Failure> {
        let Some(exchange) = self.exchanges.get_mut(key) else { return Ok(Passage::Answered) };
        let Some(link) = self.links.get(exchange.client.link) else { return Ok(Passage::Answered) };
        let origin = origin(link, exchange.source, route);
        let mut view = RequestView::new(origin, &mut exchange.head, &mut exchange.original_path);
        let passed = route.filters.on_request(&mut view, self.index, &mut exchange.filtered);
        if let Ok(None) = passed {
            return Ok(Passage::Free);
        }
        if route.grpc_web == Translate::Yes {
            // A browser can read the answer only in its own format.
            self.translate_grpc_web(key)?;
        }
        if let Some(reply) = passed? {
            self.answer(key, &reply);
        }
        Ok(Passage::Answered)
    }

    /// Sends the reply of a filter, which ends the call.
    fn answer(&mut self, key: Key, reply: &LocalReply) {
        let mut emitted =
            Emitted { head: Some(self.spare_head()), ended: true, ..Emitted::default() };
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        exchange.times.reply_begun = self.now;
        let Some(head) = &mut emitted.head else { return };
        let sent = if exchange.is_grpc {
            let content_type = exchange.head.get(Name::ContentType);
            reply.trailers_only(head, content_type.unwrap_or(b"application/grpc"));
            exchange.grpc_status = Some(reply.grpc_status().code());
            self.emit_whole(key, emitted)
        } else {
            let body = reply.plain(head);
            if exchange.head.get(Name::Method) != Some(b"HEAD") {
                exchange.reply.bytes = body.len() as u64;
                emitted.data.extend_from_slice(body);
            }
            self.emit(key, emitted).map(drop)
        };
        match sent {
            Ok(()) => self.on_reply_end(key),
            Err(Refusal { cause, detail }) => self.fail(key, cause, detail),
        }
    }

    /// A whole reply for a gRPC caller, through the stages that translate for it.
    fn emit_whole(&mut self, key: Key, emitted: Emitted) -> Result<(), Refusal> {
        let exchange = self.exchanges.get(key);
        let through = exchange.is_some_and(|exchange| exchange.stages.tell_failures());
        let Some(head) = emitted.head.as_ref().filter(|_| through) else {
            return self.emit(key, emitted).map(drop);
        };
        match self.pass_failure(key, head) {
            true => Ok(()),
            false => Err(Refusal { cause: Cause::Internal, detail: String::new() }),
        }
    }

    /// Whether a filter looks at the reply of a call.
    pub(super) fn is_reply_filtered(exchange: &Exchange) -> bool {
        !exchange.filtered.is_empty()
            && exchange.route().is_some_and(|route| route.filters.sees_reply(exchange.filtered))
    }

    /// Shows a reply whose head goes out to the filters that saw its request; stages that they add get the
    /// rest of what goes out with it.
    pub(super) fn filter_reply(&mut self, key: Key, emitted: Emitted) -> Result<Emitted, Refusal> {
        let Some(exchange) = self.exchanges.get_mut(key) else { return Ok(emitted) };
        if !Self::is_reply_filtered(exchange) {
            return Ok(emitted);
        }
        let active = exchange.active.clone();
        let route = exchange.route.map(|index| active.snapshot.router.route(index));
        let (Some(route), Some(link)) = (route, self.links.get(exchange.client.link)) else {
            return Ok(emitted);
        };
        let mut emitted = emitted;
        let end = emitted.end_of_head();
        let Some(head) = &mut emitted.head else { return Ok(emitted) };
        let mut stages = Vec::new();
        let origin = origin(link, exchange.source, route);
        let mut view = ReplyView::new(origin, &exchange.head, (head, end), &mut stages);
        let shown = route.filters.on_reply(&mut view, self.index, exchange.filtered);
        // A failure is told in any case.
        if exchange.cause.is_none() {
            shown?;
        }
        for mut stage in stages {
            emitted = emitted.through(&mut *stage)?;
            exchange.stages.push_outermost(stage);
            exchange.reply.is_staged = true;
        }
        Ok(emitted)
    }

    /// Tells the filters that saw a request that its call is over.
    pub(super) fn filter_end(&self, exchange: &Exchange) {
        if exchange.filtered.is_empty() {
            return;
        }
        let link = self.links.get(exchange.client.link);
        let (Some(route), Some(link)) = (exchange.route(), link) else { return };
        let ended = Ended {
            origin: origin(link, exchange.source, route),
            request: &exchange.head,
            status: exchange.status,
            grpc_status: exchange.grpc_status,
        };
        route.filters.on_end(&ended, self.index, exchange.filtered);
    }
}

fn origin<'a, S>(link: &'a Link<S>, source: IpAddr, route: &'a Route) -> Origin<'a> {
    let listener = match &link.side {
        Side::Downstream(listener) => &*listener.name,
        Side::Upstream(_) => "",
    };
    let tls = link.tls.as_ref().and_then(|tls| tls.handshake.as_ref());
    Origin { source, listener, tls, route: &route.name }
}

impl From<Broken> for Failure {
    fn from(broken: Broken) -> Self {
        Self::with(Cause::FilterFailed, broken.0)
    }
}

impl From<Broken> for Refusal {
    fn from(broken: Broken) -> Self {
        Self { cause: Cause::FilterFailed, detail: broken.0.into() }
    }
}
