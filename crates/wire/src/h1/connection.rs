//! One HTTP/1 connection: bytes and commands in, events and output out.
//!
//! One exchange is there at a time, and the connection is its until both of its directions have ended.
//! `receive.rs` finds heads in the input and hands bodies on, `message.rs` says what a head begins,
//! `send.rs` and `open.rs` hold the commands, `ending.rs` how exchanges end, `lifecycle.rs` how the
//! connection does, and its deadlines.
//! Invariants: the bytes of a message are never taken for those of another; whenever that is in doubt, the
//! connection ends. A key of an exchange that is over reaches nothing.

mod body;
mod ending;
mod lifecycle;
mod message;
mod open;
mod receive;
mod send;
mod switch;

pub use switch::Switch;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::Config;
use super::framing::Body;
use super::head::{Method, Persistence};
use super::target::Version;
use crate::Time;
use crate::codec::{Event, Output, Refusal, Rejected, Role, StreamKey};
use crate::websocket::Key;

/// What `:scheme` is in requests whose target does not say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// The connection is plain.
    Http,
    /// TLS is spoken.
    Https,
}

/// An HTTP/1 connection of either role.
#[derive(Debug)]
pub struct Connection {
    role: Role,
    scheme: Scheme,
    config: Arc<Config>,
    /// For the keys of WebSockets.
    seed: u64,
    /// The time of the last call that was given one.
    now: Time,
    going: Going,
    input: receive::Input,
    inbound: Inbound,
    outbound: Outbound,
    exchange: Option<Exchange>,
    /// That of the present exchange, or of the next.
    generation: u32,
    /// Exchanges that were begun.
    requests: u64,
    output: Output,
    events: VecDeque<Event<'static>>,
    /// A request whose head did not come in time.
    late: Option<Refusal>,
    /// Bytes handed to the owner and not granted.
    ungranted: usize,
    /// Bytes of the owner in the output that it has no credit for, because they are above the mark.
    owed: usize,
    /// What is to go into a tunnel that the peer has not accepted yet.
    held: Vec<u8>,
    /// The owner's word of the exchange that the end of the connection took with it.
    orphan: Option<u64>,
    watch: lifecycle::Watch,
    /// Whether our direction of the transport ends behind the output.
    output_ended: bool,
    /// Whether a clean end of the transport would say that all was sent, which is not so.
    aborted: bool,
    /// Whether the peer has ended its direction.
    input_ended: bool,
    /// What goes on in HTTP/2.
    switch: Option<Box<Switch>>,
}

/// How far the connection is on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Going {
    Stays,
    /// No exchange begins behind the present one.
    Leaves,
    /// As before, and the owner knows that no exchange is there.
    Drained,
    /// The owner knows that it is over.
    Closed,
}

/// What the next bytes of the peer are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inbound {
    /// The head of a message.
    Head,
    /// The body of a message.
    Body(Body),
    /// None are due. Server: the next request, once this one is answered. Client: nobody's.
    Nothing,
    /// Nobody knows: they are dropped.
    Lost,
}

/// What we are to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outbound {
    /// The head of a reply (server).
    Head,
    /// What goes into a tunnel once the peer has accepted it (client). `ended`: that is all there is.
    Held { ended: bool },
    /// The body of a message.
    Body(Sending),
    /// Nothing more.
    Ended,
}

/// How the body of a message that we send is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sending {
    /// So many more bytes.
    Length(u64),
    Chunked,
    UntilClose,
    Tunnel,
    /// The message has none, whatever is given.
    Swallowed,
}

/// A request and its reply.
#[derive(Debug)]
struct Exchange {
    key: StreamKey,
    tag: u64,
    life: Life,
    /// That of the request.
    version: Version,
    method: Method,
    /// What the tunnel is that it would become.
    tunnel: Option<Tunnel>,
    /// What the peer says of the connection.
    persistence: Persistence,
    expectation: Expectation,
    informational: u32,
    /// How long output may not move meanwhile, if not as long as at other times.
    stall_timeout: Option<Duration>,
    /// Whether the owner is done with it.
    released: bool,
}

/// What the owner still hears of an exchange, and may do to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Open,
    /// The owner does not want the rest of the request, of which so many bytes are read at most.
    Discards {
        bytes_left: u64,
    },
    Over,
}

/// A tunnel that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tunnel {
    Connect,
    WebSocket(Key),
}

/// RFC 9110 §10.1.1: whether a client waits for 100 before it sends its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expectation {
    None,
    Due,
    Met,
}

// === impl Scheme ===

impl Scheme {
    pub(super) const fn as_bytes(self) -> &'static [u8] {
        match self {
            Self::Http => b"http",
            Self::Https => b"https",
        }
    }
}

// === impl Connection ===

impl Connection {
    /// A connection whose transport has just been connected (client) or accepted (server). `seed`: for the
    /// keys of WebSockets, another one for each connection.
    pub fn new(role: Role, scheme: Scheme, config: Arc<Config>, seed: u64, now: Time) -> Self {
        let inbound = if role == Role::Server { Inbound::Head } else { Inbound::Nothing };
        Self {
            role,
            scheme,
            config,
            seed,
            now,
            going: Going::Stays,
            input: receive::Input::default(),
            inbound,
            outbound: Outbound::Ended,
            exchange: None,
            generation: 0,
            requests: 0,
            output: Output::default(),
            events: VecDeque::new(),
            late: None,
            ungranted: 0,
            owed: 0,
            held: Vec::new(),
            orphan: None,
            watch: lifecycle::Watch::new(),
            output_ended: false,
            aborted: false,
            input_ended: false,
            switch: None,
        }
    }

    /// Gives a stream the owner's word, which comes back in every event of it.
    pub fn set_tag(&mut self, stream: StreamKey, tag: u64) {
        if let Some(exchange) = self.exchange.as_mut().filter(|exchange| exchange.key == stream) {
            exchange.tag = tag;
        }
    }

    /// How long output may not move while this stream is here, in place of
    /// [`Config::stall_timeout`].
    pub fn set_stall_timeout(&mut self, stream: StreamKey, timeout: Duration) {
        if let Some(exchange) = self.exchange.as_mut().filter(|exchange| exchange.key == stream) {
            exchange.stall_timeout = Some(timeout);
        }
    }

    /// The owner's word of a stream that is still here.
    pub fn tag(&self, stream: StreamKey) -> Option<u64> {
        self.exchange
            .as_ref()
            .filter(|exchange| exchange.key == stream)
            .map(|exchange| exchange.tag)
    }

    /// The owner's word of the stream that is here, or was when the connection ended.
    pub fn tags(&self) -> impl Iterator<Item = u64> {
        self.exchange.iter().map(|exchange| exchange.tag).chain(self.orphan)
    }

    /// What waits to be written.
    pub fn output(&mut self) -> &mut Output {
        self.watch_output();
        &mut self.output
    }

    /// Whether the caller may go on reading. False while the output is above its mark, while the owner has a
    /// window full of bytes that it did not grant, and while a request is answered behind which others may
    /// stand: they are left where they are. What [`Connection::receive`] leaves of its input then is to be
    /// offered again. Every command may change it.
    #[inline]
    pub fn accepts_input(&self) -> bool {
        self.output.len() < self.config.output_bytes_max && !self.is_paused()
    }

    /// Whether input is left where it is.
    #[inline]
    fn is_paused(&self) -> bool {
        match self.inbound {
            Inbound::Head | Inbound::Lost => false,
            Inbound::Nothing => self.role == Role::Server && !self.input_ended,
            Inbound::Body(_) => self.ungranted >= self.config.window_bytes,
        }
    }

    /// 1 while an exchange is there, or over and not released.
    pub fn active_streams(&self) -> usize {
        usize::from(self.exchange.is_some())
    }

    /// Whether the connection is over.
    pub fn is_closed(&self) -> bool {
        self.going == Going::Closed
    }

    /// Whether no exchange begins behind the present one.
    pub fn is_draining(&self) -> bool {
        self.going != Going::Stays
    }

    /// Whether our direction has ended although the peer's may go on, as in a tunnel: the transport's
    /// direction is to be ended behind the output.
    pub fn is_output_ended(&self) -> bool {
        self.output_ended
    }

    /// Whether a message was cut off: a clean end of the transport could be taken for its end, so it is to
    /// be cut off too.
    pub fn is_aborted(&self) -> bool {
        self.aborted
    }

    /// Whether the present request came as HTTP/1.0.
    pub fn is_old_request(&self) -> bool {
        let is_old = |exchange: &Exchange| exchange.version == Version::V10;
        self.role == Role::Server && self.exchange.as_ref().is_some_and(is_old)
    }

    /// Bytes that wait: above the output's mark, or for a tunnel to be accepted.
    pub fn waiting_bytes(&self) -> usize {
        self.owed + self.held.len()
    }

    /// No request is rejected without its owner: [`Event::Refused`] tells of each.
    pub fn rejected(&self) -> Rejected {
        Rejected::default()
    }

    /// Bytes of memory held, in all.
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>()
            + self.input.memory_bytes()
            + self.output.capacity_bytes()
            + self.held.capacity()
            + self.events.capacity() * size_of::<Event<'static>>()
    }

    /// Gives back memory that only a busy connection needs.
    pub fn shrink(&mut self) {
        self.input.shrink();
        self.output.shrink();
        self.held.shrink_to_fit();
        if self.events.is_empty() {
            self.events = VecDeque::new();
        }
    }

    /// The exchange with this key, if its owner may still act on it.
    #[inline]
    fn live(&mut self, stream: StreamKey) -> Option<&mut Exchange> {
        let exchange = self.exchange.as_mut()?;
        (exchange.key == stream && exchange.life == Life::Open).then_some(exchange)
    }

    /// Makes an exchange the present one.
    fn begin(&mut self, exchange: Exchange) -> StreamKey {
        self.requests += 1;
        if self.config.requests_max.is_some_and(|max| self.requests >= max) {
            self.leave_later();
        }
        let key = exchange.key;
        self.exchange = Some(exchange);
        key
    }

    fn next_key(&self) -> StreamKey {
        StreamKey::new(0, self.generation)
    }
}
