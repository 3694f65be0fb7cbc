//! Accepting connections, and following the list of listeners over reloads.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use narrows_wire::Time;
use tracing::{debug, warn};

use super::{Owner, Worker};
use crate::closes::Close;
use crate::io::Io;
use crate::link::{Codec, Link, Side, State, Tls};
use crate::slab::Key;
use crate::snapshot::{Listener, ProxyProtocol};
use crate::sources::Sources;

/// Connections taken from one queue before the links have their turn.
const ACCEPTS_PER_TURN: usize = 64;
/// How long accepting rests when descriptors or memory are used up.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A listening socket and what it is for.
#[derive(Debug)]
pub(super) struct Accepting<A> {
    pub(super) listener: Arc<Listener>,
    pub(super) address: SocketAddr,
    acceptor: A,
    token: usize,
    /// Connections open over all workers.
    seats: Arc<AtomicUsize>,
    /// Their sources.
    sources: Arc<Sources>,
}

/// A connection's place among those that its listener may have. Free again when dropped.
#[derive(Debug)]
pub struct Seat(Arc<AtomicUsize>);

/// The addresses that are really bound, by the name of the listener: all workers share a port that the
/// kernel chose for the first of them.
#[derive(Debug, Default)]
pub struct Bound {
    addresses: HashMap<Arc<str>, SocketAddr>,
    seats: HashMap<Arc<str>, Arc<AtomicUsize>>,
    sources: HashMap<Arc<str>, Arc<Sources>>,
}

// === impl Seat ===

impl Seat {
    /// A place, if one of `max` is free.
    fn take(seats: &Arc<AtomicUsize>, max: usize) -> Option<Self> {
        let taken = |open: usize| (open < max).then_some(open + 1);
        seats.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken).ok()?;
        Some(Self(seats.clone()))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

// === impl Bound ===

impl Bound {
    /// Names and addresses, sorted by name.
    pub fn addresses(&self) -> Vec<(Arc<str>, SocketAddr)> {
        #[allow(clippy::iter_over_hash_type, reason = "sorted afterwards")]
        let mut all: Vec<_> = self.addresses.iter().map(|(name, at)| (name.clone(), *at)).collect();
        all.sort();
        all
    }
}

// === impl Worker ===

impl<I: Io> Worker<I> {
    /// Opens what the snapshot has and is not open, closes what it has no more, and takes over changes of
    /// what stays. Links of a listener that is gone are drained.
    pub(super) fn open_listeners(&mut self) -> io::Result<()> {
        let wanted = self.active.snapshot.listeners.clone();
        self.accepting.retain(|old| wanted.iter().any(|new| new.name == old.listener.name));
        for listener in wanted {
            match self.accepting.iter_mut().find(|old| old.listener.name == listener.name) {
                Some(open) => open.listener = listener,
                None => self.open_listener(listener)?,
            }
        }
        Ok(())
    }

    fn open_listener(&mut self, listener: Arc<Listener>) -> io::Result<()> {
        let token = self.accepting.iter().map(|open| open.token + 1).max().unwrap_or(0);
        // Held over the bind, so that a port is chosen once.
        let mut bound = self.bound.lock().unwrap_or_else(PoisonError::into_inner);
        let address = *bound.addresses.get(&listener.name).unwrap_or(&listener.address);
        let (acceptor, address) = self.io.listen(&listener, address, token).map_err(|error| {
            io::Error::new(error.kind(), format!("can not listen on {address}: {error}"))
        })?;
        bound.addresses.insert(listener.name.clone(), address);
        let seats = bound.seats.entry(listener.name.clone()).or_default().clone();
        let sources = bound.sources.entry(listener.name.clone()).or_default().clone();
        self.accepting.push(Accepting { listener, address, acceptor, token, seats, sources });
        Ok(())
    }

    /// Stops accepting: closes all listening sockets.
    pub(super) fn close_listeners(&mut self) {
        self.accepting.clear();
    }

    pub(super) fn accept(&mut self, token: usize) {
        let Some(at) = self.accepting.iter().position(|open| open.token == token) else { return };
        for _ in 0..ACCEPTS_PER_TURN {
            let accepting = &mut self.accepting[at];
            let max = accepting.listener.max_connections;
            let Some(seat) = Seat::take(&accepting.seats, max) else {
                return self.pause_accepting();
            };
            match self.io.accept(&mut accepting.acceptor) {
                Ok((socket, peer)) => {
                    let listener = accepting.listener.clone();
                    self.add_client(listener, seat, socket, peer);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // The connection was gone before it was taken.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    warn!(listener = %self.accepting[at].listener.name, %error, "can not accept; raise the file limit if it is used up");
                    return self.pause_accepting();
                }
            }
        }
        // Readiness is edge-triggered: what is left in the queue is looked at in the next turn.
        self.resume_accepting_at(self.now);
    }

    pub(super) fn accept_everywhere(&mut self) {
        self.accept_paused = false;
        for token in self.accepting.iter().map(|open| open.token).collect::<Vec<_>>() {
            self.accept(token);
        }
    }

    fn pause_accepting(&mut self) {
        self.resume_accepting_at(self.now + ACCEPT_PAUSE);
    }

    fn resume_accepting_at(&mut self, time: Time) {
        if !std::mem::replace(&mut self.accept_paused, true) {
            self.timers.set(time, Owner::Accept);
        }
    }

    fn add_client(
        &mut self,
        listener: Arc<Listener>,
        seat: Seat,
        socket: I::Socket,
        peer: SocketAddr,
    ) {
        let tls = match listener.tls.as_deref().map(Tls::accept).transpose() {
            Ok(tls) => tls.map(Box::new),
            Err(error) => return debug!(%peer, %error, "no TLS session"),
        };
        let due = self.now + listener.preface_timeout;
        let awaits_proxy_header = listener.proxy_protocol == ProxyProtocol::Required;
        let side = Side::Downstream(listener);
        let mut link = Link::new(socket, side, peer, Codec::unknown(), self.now, due);
        if tls.is_some() {
            link.state = State::Handshake;
        }
        link.tls = tls;
        link.awaits_proxy_header = awaits_proxy_header;
        link.seat = Some(seat);
        let key = self.links.insert(Box::new(link));
        self.downstream_links += 1;
        self.stats.accepted.add(1);
        self.stats.downstream.add(1);
        if !awaits_proxy_header && !self.let_in(key) {
            return;
        }
        self.settle_without_input(key);
        self.register(key);
    }

    /// Asks whether the source of a connection may have it; if not, the connection is closed.
    pub(super) fn let_in(&mut self, key: Key) -> bool {
        let Some(link) = self.links.get_mut(key) else { return false };
        let Side::Downstream(listener) = &link.side else { return true };
        let found = self.accepting.iter().find(|open| open.listener.name == listener.name);
        let Some(accepting) = found.filter(|_| !listener.sources.is_empty()) else { return true };
        match accepting.sources.take(&listener.sources, link.peer.ip(), self.now) {
            Ok(seat) => {
                link.source_seat = Some(seat);
                true
            }
            Err(refused) => {
                debug!(peer = %link.peer, ?refused, "a connection is not let in");
                self.stats.refused_sources.add(1);
                self.lose_link(key, Close::Refused);
                false
            }
        }
    }

    /// When a connection opened now is old, with 10 % jitter so that many opened together do not end
    /// together.
    pub(super) fn age_limit(&mut self, age: Option<Duration>) -> Time {
        let Some(age) = age else { return Time::NEVER };
        // Spread by the low bits of the time and the number of links: good enough to tell them apart.
        let seed =
            self.now.as_nanos() ^ (self.links.len() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let part = (seed.wrapping_mul(0xD134_2543_DE82_EF95) >> 40) as f64 / (1u64 << 24) as f64;
        self.now + age.mul_f64(0.9 + 0.2 * part)
    }
}
