//! An exchange: one request and its reply, between a stream of a client and a stream of a node.
//!
//! It holds the request head for as long as it lives (the log, the list of streams, and a replay need it)
//! and what has arrived of the body while there is no node to send it to. It knows no protocol and no
//! socket; the worker moves it from stage to stage. See `worker/request.rs` for the way in,
//! `worker/reply.rs` for the way back.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use narrows_wire::codec::StreamKey;
use narrows_wire::grpc::MessageScanner;
use narrows_wire::{Head, HeadBytes, Time};

use crate::balance::{Peer, Session};
use crate::filter::Filtered;
use crate::reply::Cause;
use crate::slab::Key;
use crate::snapshot::{Route, Upstream};
use crate::stage::Stages;
use crate::target::Target;
use crate::timeout::Layers;
use crate::timer::TimerKey;
use crate::websocket::WebSocket;
use crate::worker::{Active, Hedge, Retried};

mod place;

/// A stream of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leg {
    /// The link.
    pub link: Key,
    /// The stream on it.
    pub stream: StreamKey,
}

/// What an exchange is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Waits for the control plane: a lookup or a name.
    Parked {
        /// When waiting ends without an answer.
        until: Time,
        /// What it waits for.
        wait: Wait,
    },
    /// Waits for a stream on a connection to the node with this key.
    Queued {
        /// When waiting ends without one.
        until: Time,
        /// The node.
        node: Key,
    },
    /// Has a stream to a node.
    Relaying(Leg),
    /// The health service of the gateway itself answers; `Watch` stays open.
    Local,
}

/// What a parked exchange waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// The answer of a store.
    Lookup,
    /// The store to learn of the key (`on_missing: wait`); asked again now and then.
    Mapping {
        /// When waiting is given up.
        give_up: Time,
    },
    /// The addresses of a name.
    Resolve,
    /// The time at which it is tried again.
    Backoff,
}

/// How far one direction of the body has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Nothing has come.
    Nothing,
    /// The head, and perhaps some of the body.
    Begun,
    /// Everything.
    Ended,
}

/// One direction's body.
#[derive(Debug)]
pub struct Body {
    /// How far it has come.
    pub progress: Progress,
    /// Bytes so far.
    pub bytes: u64,
    /// What its head and its trailers amounted to as they came.
    pub heads: HeadBytes,
    /// Bytes for which the sender has been given credit again.
    pub granted: u64,
    /// Whether stages change it, so that what is sent is not what has come.
    pub is_staged: bool,
    /// Bytes that came out of stages and wait in the stream to the other side.
    pub unsent: u64,
    /// Finds the messages in it, if it is gRPC.
    pub messages: MessageScanner,
}

/// Whether messages keep to a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageSize {
    /// All of them do.
    Within,
    /// One is larger.
    TooLarge,
}

/// One request and its reply.
#[derive(Debug)]
pub struct Exchange {
    /// The client's stream.
    pub client: Leg,
    /// Whose it is: the other end of the client's link, or whom a trusted proxy there names.
    pub source: IpAddr,
    /// What it is doing.
    pub stage: Stage,
    /// The configuration it began with.
    pub active: Rc<Active>,
    /// Its route, an index, once matched.
    pub route: Option<usize>,
    /// The upstream it goes to, an index, once known; differs from the route's after a fallback.
    pub upstream: usize,
    /// The node it goes to.
    pub node: Option<Key>,
    /// The endpoint that was chosen for it, where one was chosen.
    pub peer: Option<Rc<Peer>>,
    /// What is known of its session, if it needs more than its pin.
    pub session: Option<Box<Session>>,
    /// The target that the caller of a forward proxy names.
    pub asked: Option<Arc<Target>>,
    /// The target whose name is being resolved.
    pub resolving: Option<Arc<Target>>,
    /// How often another upstream was tried instead.
    pub fallbacks: u8,
    /// The request's fields.
    pub head: Head,
    /// Request body that has not been sent, or may have to be sent again.
    pub kept: Vec<u8>,
    /// Trailers of a request that has not been sent.
    pub trailers: Option<Head>,
    /// Whether `kept` is all of the body so far, so that the call can be sent again.
    pub replayable: bool,
    /// Output bytes of the link to the node when the request was put into it.
    pub sent_mark: u64,
    /// How often it was sent.
    pub attempts: u8,
    /// Whether its route has rules for trying it again, or elsewhere.
    pub is_watched: bool,
    /// How often it may still be tried again by the rules of its route.
    pub retries_left: u8,
    /// Its earlier times, if it is being tried again.
    pub retried: Option<Box<Retried>>,
    /// A second node that has it too, until one of them answers.
    pub hedge: Option<Box<Hedge>>,
    /// Whether a tunnel is asked for, which the node may accept or not.
    pub is_tunnel_asked: bool,
    /// Whether it carries opaque bytes, so that each direction ends by itself.
    pub is_tunnel: bool,
    /// Its frames, if the tunnel is a WebSocket.
    pub websocket: Option<Box<WebSocket>>,
    /// Whether the caller speaks gRPC.
    pub is_grpc: bool,
    /// Whether the node answers with gRPC, so that trailers have to come.
    pub reply_is_grpc: bool,
    /// Which filters of its route saw it.
    pub filtered: Filtered,
    /// What changes its messages.
    pub stages: Stages,
    /// The path that was asked for, where a stage asks the node for another.
    pub original_path: Option<Box<[u8]>>,
    /// The method that was asked for, likewise.
    pub original_method: Option<Box<[u8]>>,
    /// The request's body.
    pub request: Body,
    /// The reply's body.
    pub reply: Body,
    /// The HTTP status sent; 0: none.
    pub status: u16,
    /// The gRPC status sent.
    pub grpc_status: Option<u8>,
    /// Why the gateway ended it.
    pub cause: Option<Cause>,
    /// What the record says beside the cause.
    pub detail: String,
    /// Limits in time.
    pub clocks: Clocks,
    /// When it came to its stages.
    pub times: Times,
}

/// When an exchange ends by itself.
#[derive(Debug, Clone, Copy)]
pub struct Clocks {
    /// From `grpc-timeout`, capped by the route.
    pub deadline: Time,
    /// From the route.
    pub total: Time,
    /// No byte for so long.
    pub idle: Option<Duration>,
    /// From when the whole request has left to the reply's head.
    pub response: Option<Duration>,
    /// When the grace of a node that leaves is over.
    pub drain: Time,
    /// No byte of the reply's body for so long.
    pub body: Option<Duration>,
    /// Waiting bytes make no progress for so long, if it is not what the engines have by default.
    pub write: Option<Duration>,
    /// When its present time at a node is over, if it may be tried again.
    pub per_try: Time,
    /// When another node is asked as well.
    pub hedge: Time,
    /// When the next periodic record is due.
    pub record: Time,
    /// The timer and when it fires.
    pub timer: Option<(TimerKey, Time)>,
}

/// When what happened. [`Time::ZERO`]: not yet.
#[derive(Debug, Clone, Copy, Default)]
#[allow(missing_docs, reason = "named after what happened")]
pub struct Times {
    pub begun: Time,
    pub parked: Time,
    pub located: Time,
    pub chosen: Time,
    pub dispatched: Time,
    pub connected: Time,
    pub request_ended: Time,
    /// The end of the request has left for the node; known only where there is a limit from then on.
    pub request_flushed: Time,
    pub reply_begun: Time,
    pub moved: Time,
    pub reply_moved: Time,
}

// === impl Body ===

impl Body {
    /// How much credit to give for `taken` bytes: a replay takes bytes that were credited before.
    pub fn credit(&mut self, taken: usize) -> usize {
        let mut due = (taken as u64).min(self.bytes - self.granted);
        if self.is_staged {
            // Which bytes came of which is not known; once all have gone, all that came have been taken.
            self.unsent = self.unsent.saturating_sub(taken as u64);
            due = if self.unsent == 0 { self.bytes - self.granted } else { 0 };
        }
        self.granted += due;
        due as usize
    }

    /// Whether all that came has been taken by the other side.
    pub fn is_taken(&self) -> bool {
        self.granted == self.bytes
    }

    /// Counts a head, or trailers, before anything is changed in it.
    pub fn count_fields(&mut self, head: &Head) {
        let HeadBytes { line, fields } = head.sizes();
        self.heads.line = self.heads.line.saturating_add(line);
        self.heads.fields = self.heads.fields.saturating_add(fields);
    }

    /// Counts the messages of gRPC in the next bytes; `None`: there is no limit.
    pub fn count_messages(&mut self, data: &[u8], bytes_max: Option<u32>) -> MessageSize {
        self.messages.feed(data);
        match bytes_max {
            Some(max) if self.messages.largest_bytes() > max => MessageSize::TooLarge,
            _ => MessageSize::Within,
        }
    }

    fn new() -> Self {
        Self {
            progress: Progress::Nothing,
            bytes: 0,
            heads: HeadBytes::default(),
            granted: 0,
            is_staged: false,
            unsent: 0,
            messages: MessageScanner::new(),
        }
    }
}

// === impl Exchange ===

impl Exchange {
    /// The route, once matched.
    pub fn route(&self) -> Option<&Route> {
        self.route.map(|index| &**self.active.snapshot.router.route(index))
    }

    /// The largest message that its route allows.
    pub fn message_bytes_max(&self) -> Option<u32> {
        self.route().and_then(|route| route.message_bytes_max)
    }

    /// The upstream it goes to.
    pub fn upstream(&self) -> Option<&Upstream> {
        self.route?;
        self.active.snapshot.upstreams.get(self.upstream).map(|upstream| &**upstream)
    }

    /// The stream to the node.
    pub fn node_leg(&self) -> Option<Leg> {
        match self.stage {
            Stage::Relaying(leg) => Some(leg),
            Stage::Parked { .. } | Stage::Queued { .. } | Stage::Local => None,
        }
    }

    /// The next time at which something is due, and what: `None` is a wait that a stage began.
    pub fn next_due(&self) -> (Time, Option<Cause>) {
        let clocks = &self.clocks;
        let mut due = (clocks.deadline, Some(Cause::Deadline));
        let mut take = |time: Time, cause| {
            if time < due.0 {
                due = (time, cause);
            }
        };
        take(clocks.total, Some(Cause::TotalTimeout));
        take(clocks.drain, Some(Cause::NodeDrained));
        if let Some(idle) = clocks.idle {
            take(self.times.moved + idle, Some(Cause::IdleTimeout));
        }
        if let Some(response) = clocks.response
            && self.times.request_flushed != Time::ZERO
            && self.reply.progress == Progress::Nothing
        {
            take(self.times.request_flushed + response, Some(Cause::ResponseTimeout));
        }
        // While bytes wait for the client it is not the node that is slow.
        if let Some(body) = clocks.body
            && self.reply.progress == Progress::Begun
            && self.reply.is_taken()
        {
            take(self.times.reply_moved + body, Some(Cause::ReplyBodyTimeout));
        }
        if self.reply.progress == Progress::Nothing {
            take(clocks.per_try, Some(Cause::PerTryTimeout));
            take(clocks.hedge, None);
        }
        match self.stage {
            Stage::Parked { until, .. } | Stage::Queued { until, .. } => take(until, None),
            Stage::Relaying(_) | Stage::Local => {}
        }
        if let Some(websocket) = &self.websocket {
            take(websocket.until, Some(Cause::Draining));
        }
        take(clocks.record, None);
        due
    }
}

// === impl Clocks ===

impl Clocks {
    /// No limit.
    pub fn none() -> Self {
        Self {
            deadline: Time::NEVER,
            total: Time::NEVER,
            idle: None,
            response: None,
            drain: Time::NEVER,
            body: None,
            write: None,
            per_try: Time::NEVER,
            hedge: Time::NEVER,
            record: Time::NEVER,
            timer: None,
        }
    }

    /// Starts the clocks of a call at `now`; `asked` is the caller's `grpc-timeout`.
    pub fn start(layers: &Layers<'_>, asked: Option<Duration>, now: Time) -> Self {
        let max = || layers.limit(|place| place.grpc_timeout_max);
        let deadline = asked.map(|asked| now + max().map_or(asked, |max| asked.min(max)));
        Self {
            deadline: deadline.unwrap_or(Time::NEVER),
            total: layers.due(now, |place| place.total),
            idle: layers.limit(|place| place.idle),
            response: layers.limit(|place| place.response),
            body: layers.limit(|place| place.body),
            // Listener and upstream have theirs in the engines of their connections.
            write: layers.0[0].write,
            ..Self::none()
        }
    }

    /// Whether there is no time left.
    pub fn are_over(&self, now: Time) -> bool {
        now >= self.deadline.min(self.total)
    }
}
