//! A peer of the gateway that does little: it opens streams or takes them, and may fall silent.

use std::net::SocketAddr;
use std::sync::Arc;

use narrows_wire::codec::{End, Event, Role, StreamKey};
use narrows_wire::h2::{Config, Connection};
use narrows_wire::{Head, Indexing, Name, Time};

use super::net::Net;
use super::setup::{GATEWAY, client_address};

/// What the engine of the gateway writes into its PINGs.
const PING: &[u8] = b"narrows?";

/// One connection.
#[derive(Debug)]
pub(super) struct Peer {
    socket: usize,
    h2: Connection,
    /// Whether it reads nothing and says nothing.
    pub(super) is_deaf: bool,
    /// PINGs that the gateway sent.
    pub(super) pings: usize,
    /// Streams that are open: their heads have come.
    pub(super) streams: Vec<StreamKey>,
    /// Those whose replies have not begun.
    fresh: Vec<StreamKey>,
    /// Streams that ended early.
    pub(super) resets: usize,
    /// What the calls of a client ended with.
    pub(super) statuses: Vec<String>,
    /// Bytes that go out behind all others.
    pub(super) last: Option<&'static [u8]>,
    pub(super) is_over: bool,
}

// === impl Peer ===

impl Peer {
    fn new(socket: usize, role: Role, config: Config, now: Time) -> Self {
        Self {
            socket,
            h2: Connection::new(role, Arc::new(config), now),
            is_deaf: false,
            pings: 0,
            streams: vec![],
            fresh: vec![],
            resets: 0,
            statuses: vec![],
            last: None,
            is_over: false,
        }
    }

    /// A client with a connection of its own.
    pub(super) fn client(net: &Net, at: usize, now: Time) -> Self {
        let socket = net.connect_actor(GATEWAY, client_address(at));
        Self::new(socket, Role::Client, Config::default(), now)
    }

    /// A node's end of a connection, if one was made to it.
    pub(super) fn node(net: &Net, address: SocketAddr, config: Config, now: Time) -> Option<Self> {
        let socket = net.accept_actor(address)?;
        Some(Self::new(socket, Role::Server, config, now))
    }

    /// Streams that a client may open now.
    pub(super) fn capacity(&self) -> usize {
        self.h2.capacity()
    }

    /// Begins a call that does not end by itself.
    pub(super) fn call(&mut self, now: Time) -> StreamKey {
        let mut head = Head::new();
        for (name, value) in [
            (Name::Method, &b"POST"[..]),
            (Name::Scheme, b"http"),
            (Name::Path, b"/sim.World/Watch"),
            (Name::Authority, b"gateway"),
            (Name::ContentType, b"application/grpc"),
            (Name::Te, b"trailers"),
        ] {
            head.push(name, value, Indexing::MayRepeat);
        }
        self.h2.open(now, 1, &head, End::Stream).expect("room for a stream")
    }

    pub(super) fn cancel(&mut self, stream: StreamKey) {
        self.h2.reset(stream, narrows_wire::codec::ErrorCode::CANCEL);
        self.h2.release(stream);
    }

    pub(super) fn step(&mut self, net: &Net, now: Time) {
        if self.is_deaf || self.is_over {
            return;
        }
        let mut buffer = [0; 4096];
        while let Ok(n) = net.read(self.socket, &mut buffer) {
            self.pings += buffer[..n].windows(PING.len()).filter(|at| *at == PING).count();
            self.take(now, &buffer[..n]);
            self.is_over |= n == 0;
            if n == 0 {
                net.close(self.socket);
                return;
            }
        }
        self.write(net);
        if self.h2.output().is_empty()
            && let Some(last) = self.last.take()
        {
            net.write(self.socket, last).expect("room for a few bytes");
        }
    }

    fn take(&mut self, now: Time, mut input: &[u8]) {
        let mut head = Head::new();
        while let Some(event) = self.h2.receive(now, &mut input, &mut head) {
            match event {
                Event::Head { stream, end, .. } => {
                    self.streams.push(stream);
                    self.fresh.push(stream);
                    self.end(&head, end);
                }
                Event::Trailers { .. } => self.end(&head, End::Stream),
                Event::Reset { stream, .. } => {
                    self.resets += 1;
                    self.streams.retain(|open| *open != stream);
                    self.fresh.retain(|open| *open != stream);
                    self.h2.release(stream);
                }
                _ => {}
            }
        }
    }

    fn end(&mut self, head: &Head, end: End) {
        if let Some(status) = head.get(Name::GrpcStatus).filter(|_| end == End::Stream) {
            self.statuses.push(String::from_utf8_lossy(status).into_owned());
        }
    }

    /// A node begins the replies to what has come since the last time. They do not end.
    pub(super) fn begin_replies(&mut self) {
        let mut head = Head::new();
        head.push(Name::Status, b"200", Indexing::MayRepeat);
        head.push(Name::ContentType, b"application/grpc", Indexing::MayRepeat);
        for stream in self.fresh.drain(..) {
            self.h2.send_head(stream, &head, End::Open);
        }
    }

    fn write(&mut self, net: &Net) {
        loop {
            if self.h2.output().is_empty() {
                self.h2.pump();
                if self.h2.output().is_empty() {
                    return;
                }
            }
            match net.write(self.socket, self.h2.output().front()) {
                Ok(n) => self.h2.output().consume(n),
                Err(_) => return,
            }
        }
    }
}
