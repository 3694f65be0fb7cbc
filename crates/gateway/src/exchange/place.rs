//! The place of an exchange in the memory of a worker.
//!
//! An exchange is large, and most of it is touched by few calls. So it is neither made anew for each call nor moved:
//! its place is used again by the next one. A place that waits holds nothing of the exchange that was there, but
//! for the memory of its head and its body.

use std::net::IpAddr;
use std::rc::Rc;

use narrows_wire::{Head, Time};

use super::{Body, Clocks, Exchange, Leg, Stage, Times};
use crate::filter::Filtered;
use crate::stage::Stages;
use crate::worker::Active;

// === impl Exchange ===

impl Exchange {
    /// A place for an exchange, which has not begun.
    pub fn new((client, source): (Leg, IpAddr), active: Rc<Active>) -> Self {
        Self {
            client,
            source,
            stage: Stage::Local,
            active,
            route: None,
            upstream: 0,
            node: None,
            peer: None,
            session: None,
            asked: None,
            resolving: None,
            fallbacks: 0,
            head: Head::new(),
            kept: Vec::new(),
            trailers: None,
            replayable: true,
            sent_mark: 0,
            attempts: 0,
            is_watched: false,
            retries_left: 0,
            retried: None,
            hedge: None,
            is_tunnel_asked: false,
            is_tunnel: false,
            websocket: None,
            is_grpc: false,
            reply_is_grpc: false,
            filtered: Filtered::default(),
            stages: Stages::default(),
            original_path: None,
            original_method: None,
            request: Body::new(),
            reply: Body::new(),
            status: 0,
            grpc_status: None,
            cause: None,
            detail: String::new(),
            clocks: Clocks::none(),
            times: Times::default(),
        }
    }

    /// Begins with a request whose head has just arrived and is exchanged with the one that was left here;
    /// `source` is the other end of the client's link.
    pub fn begin(&mut self, (client, source): (Leg, IpAddr), head: &mut Head, now: Time) {
        std::mem::swap(&mut self.head, head);
        self.client = client;
        self.source = source;
        self.times.begun = now;
        self.times.moved = now;
    }

    /// Makes it a place for another exchange, which keeps the memory of head and body and releases all else.
    /// Done field by field: it is too large to be written anew for each call.
    pub fn renew(&mut self, with: &Rc<Active>) {
        let Self {
            client: _,
            source: _,
            stage,
            active,
            route,
            upstream,
            node,
            peer,
            session,
            asked,
            resolving,
            fallbacks,
            head,
            kept,
            trailers,
            replayable,
            sent_mark,
            attempts,
            is_watched,
            retries_left,
            retried,
            hedge,
            is_tunnel_asked,
            is_tunnel,
            websocket,
            is_grpc,
            reply_is_grpc,
            filtered,
            stages,
            original_path,
            original_method,
            request,
            reply,
            status,
            grpc_status,
            cause,
            detail,
            clocks,
            times,
        } = self;
        if !Rc::ptr_eq(active, with) {
            *active = with.clone();
        }
        (*stage, *route, *upstream, *node, *peer) = (Stage::Local, None, 0, None, None);
        *session = None;
        (*asked, *resolving, *fallbacks, *trailers) = (None, None, 0, None);
        head.clear();
        kept.clear();
        (*replayable, *sent_mark, *attempts, *retries_left, *retried) = (true, 0, 0, 0, None);
        (*is_watched, *hedge) = (false, None);
        (*is_tunnel_asked, *is_tunnel, *websocket) = (false, false, None);
        (*is_grpc, *reply_is_grpc, *filtered) = (false, false, Filtered::default());
        (*stages, *original_path, *original_method) = (Stages::default(), None, None);
        (*request, *reply) = (Body::new(), Body::new());
        (*status, *grpc_status, *cause) = (0, None, None);
        *detail = String::new();
        (*clocks, *times) = (Clocks::none(), Times::default());
    }
}
