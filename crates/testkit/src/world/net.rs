//! The simulated network: pairs of sockets with latency, bounded buffers, and cuts.
//!
//! It keeps epoll's contract for edge-triggered readiness: one report when bytes, the end, or an error
//! arrive, one when room appears after a write found none. Nothing is reported twice, so a worker that
//! forgets to look loses a wake-up here as it would in production.

use std::cell::{RefCell, RefMut};
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use narrows_gateway::io::{Io, Ready, Socket};
use narrows_gateway::snapshot::Listener;
use narrows_wire::Time;

use super::rng::Rng;

/// What happens to those who connect to an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Welcome {
    Accepts,
    Refuses,
    /// No answer at all.
    Silent,
}

/// The network. Cheap to clone: all clones are the same.
#[derive(Clone)]
pub(super) struct Net(Rc<RefCell<State>>);

#[derive(Debug)]
struct State {
    now: Time,
    rng: Rng,
    ends: Vec<End>,
    hosts: BTreeMap<SocketAddr, Host>,
    ready: Vec<Ready>,
    /// Bytes that each end of a new connection has room for; `None`: chosen by chance.
    room: Option<usize>,
    /// An actor, which gets no reports, may write again.
    stirred: bool,
    /// Set by mailboxes, which do not know that there is but one thread.
    woken: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Host {
    welcome: Welcome,
    backlog: VecDeque<usize>,
    token: Option<usize>,
}

/// One end of a connection.
#[derive(Debug)]
struct End {
    peer: usize,
    inbox: VecDeque<Segment>,
    inbox_bytes: usize,
    inbox_bytes_max: usize,
    /// The peer will write no more; seen after the inbox is empty.
    ended: Option<Time>,
    end_reported: bool,
    broken: bool,
    closed: bool,
    connecting: Option<Welcome>,
    connect_at: Time,
    starved_writer: bool,
    token: Option<usize>,
    address: SocketAddr,
    last_delivery: Time,
}

#[derive(Debug)]
struct Segment {
    at: Time,
    bytes: VecDeque<u8>,
    reported: bool,
}

/// A socket of the gateway.
#[derive(Debug)]
pub(super) struct SimSocket {
    net: Net,
    id: usize,
}

// === impl Net ===

impl Net {
    pub(super) fn new(rng: Rng) -> Self {
        let now = Time::ZERO + Duration::from_secs(1);
        let state = State {
            now,
            rng,
            ends: vec![],
            hosts: BTreeMap::new(),
            ready: vec![],
            room: None,
            stirred: false,
            woken: Arc::default(),
        };
        Self(Rc::new(RefCell::new(state)))
    }

    fn state(&self) -> RefMut<'_, State> {
        self.0.borrow_mut()
    }

    pub(super) fn now(&self) -> Time {
        self.state().now
    }

    pub(super) fn add_host(&self, address: SocketAddr, welcome: Welcome) {
        let host = Host { welcome, backlog: VecDeque::new(), token: None };
        self.state().hosts.insert(address, host);
    }

    /// Has all new connections hold so many bytes at each end.
    #[cfg(test)]
    pub(super) fn set_room(&self, bytes: usize) {
        self.state().room = Some(bytes);
    }

    /// Ends the worker's wait when set.
    pub(super) fn waker(&self) -> Arc<AtomicBool> {
        self.state().woken.clone()
    }

    /// Whether the worker has something to look at.
    pub(super) fn has_ready(&self) -> bool {
        let state = self.state();
        state.woken.load(Ordering::Relaxed) || !state.ready.is_empty()
    }

    /// When something arrives next.
    pub(super) fn next_delivery(&self) -> Time {
        let mut state = self.state();
        if std::mem::take(&mut state.stirred) {
            return state.now;
        }
        let mut next = Time::NEVER;
        for end in &state.ends {
            let segments = end.inbox.iter().filter(|segment| !segment.reported);
            let waits =
                segments.map(|segment| segment.at).chain(end.ended.filter(|_| !end.end_reported));
            let connect = end.connecting.filter(|welcome| *welcome != Welcome::Silent);
            let waits = waits.chain(connect.map(|_| end.connect_at));
            next = waits.filter(|at| *at > state.now).fold(next, Time::min);
        }
        next
    }

    pub(super) fn advance_to(&self, time: Time) {
        let mut state = self.state();
        state.now = state.now.max(time);
        state.deliver();
    }

    /// A connection of an actor to the gateway's listener or of the gateway to a node.
    fn open(&self, to: SocketAddr, from: SocketAddr) -> usize {
        let mut state = self.state();
        let id = state.ends.len();
        let latency = state.rng.millis(0, 3);
        let connect_at = state.now + latency;
        let welcome = state.hosts.get(&to).map_or(Welcome::Refuses, |host| host.welcome);
        for (peer, address) in [(id + 1, to), (id, from)] {
            let chance = 1 << (10 + state.rng.below(8));
            let room = state.room.unwrap_or(chance);
            state.ends.push(End {
                peer,
                inbox: VecDeque::new(),
                inbox_bytes: 0,
                inbox_bytes_max: room,
                ended: None,
                end_reported: false,
                broken: false,
                closed: false,
                connecting: None,
                connect_at,
                starved_writer: false,
                token: None,
                address,
                last_delivery: connect_at,
            });
        }
        state.ends[id].connecting = Some(welcome);
        id
    }

    pub(super) fn connect_actor(&self, to: SocketAddr, from: SocketAddr) -> usize {
        self.open(to, from)
    }

    /// Takes a connection that was made to an actor.
    pub(super) fn accept_actor(&self, address: SocketAddr) -> Option<usize> {
        self.state().hosts.get_mut(&address)?.backlog.pop_front()
    }

    pub(super) fn read(&self, id: usize, buffer: &mut [u8]) -> io::Result<usize> {
        self.state().read(id, buffer)
    }

    pub(super) fn write(&self, id: usize, bytes: &[u8]) -> io::Result<usize> {
        self.state().write(id, bytes)
    }

    /// Closes an end; the other one sees the end after what is on the way.
    pub(super) fn close(&self, id: usize) {
        self.state().close(id);
    }

    /// Ends the direction of an actor; the peer's goes on.
    pub(super) fn end_actor(&self, id: usize) {
        self.state().end(id);
    }

    /// Breaks the connection of an end: both ends see an error at once.
    pub(super) fn cut(&self, id: usize) {
        self.state().cut(id);
    }

    /// Breaks any connection.
    pub(super) fn cut_any(&self, rng: &mut Rng) {
        let mut state = self.state();
        if state.ends.is_empty() {
            return;
        }
        let id = rng.below(state.ends.len());
        if !state.ends[id].closed && state.ends[id].connecting.is_none() {
            state.cut(id);
        }
    }
}

// === impl State ===

impl State {
    /// Reports what has arrived by now.
    fn deliver(&mut self) {
        for id in 0..self.ends.len() {
            self.finish_connect(id);
            let now = self.now;
            let end = &mut self.ends[id];
            let mut news = false;
            for segment in end.inbox.iter_mut().filter(|segment| segment.at <= now) {
                news |= !std::mem::replace(&mut segment.reported, true);
            }
            let hangup = end.ended.is_some_and(|at| at <= now);
            let fresh_end = hangup && !std::mem::replace(&mut end.end_reported, true);
            if news || fresh_end {
                self.report(id, true, false, hangup);
            }
        }
    }

    fn finish_connect(&mut self, id: usize) {
        let now = self.now;
        let end = &mut self.ends[id];
        if end.connect_at > now || matches!(end.connecting, None | Some(Welcome::Silent)) {
            return;
        }
        let Some(welcome) = end.connecting.take() else { return };
        let (to, peer) = (end.address, end.peer);
        if welcome == Welcome::Refuses {
            self.ends[id].broken = true;
        } else if let Some(host) = self.hosts.get_mut(&to) {
            host.backlog.push_back(peer);
            if let Some(token) = host.token {
                self.ready.push(Ready { token, readable: true, writable: false, hangup: false });
            }
        }
        self.report(id, welcome == Welcome::Refuses, true, welcome == Welcome::Refuses);
    }

    fn report(&mut self, id: usize, readable: bool, writable: bool, hangup: bool) {
        if let Some(token) = self.ends[id].token {
            self.ready.push(Ready { token, readable, writable, hangup });
        }
    }

    fn read(&mut self, id: usize, buffer: &mut [u8]) -> io::Result<usize> {
        let now = self.now;
        let end = &mut self.ends[id];
        if end.broken {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let mut n = 0;
        while n < buffer.len()
            && let Some(segment) = end.inbox.front_mut().filter(|segment| segment.at <= now)
        {
            let take = segment.bytes.len().min(buffer.len() - n);
            for (to, byte) in buffer[n..].iter_mut().zip(segment.bytes.drain(..take)) {
                *to = byte;
            }
            n += take;
            segment.reported = true;
            if segment.bytes.is_empty() {
                end.inbox.pop_front();
            }
        }
        end.inbox_bytes -= n;
        let peer = end.peer;
        if n > 0 && std::mem::take(&mut self.ends[peer].starved_writer) {
            self.report(peer, false, true, false);
            self.stirred |= self.ends[peer].token.is_none();
        }
        let end = &self.ends[id];
        match n {
            0 if end.inbox.is_empty() && end.ended.is_some_and(|at| at <= now) => Ok(0),
            0 => Err(io::ErrorKind::WouldBlock.into()),
            n => Ok(n),
        }
    }

    fn write(&mut self, id: usize, bytes: &[u8]) -> io::Result<usize> {
        if self.ends[id].broken {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if self.ends[id].connecting.is_some() {
            return Err(io::ErrorKind::NotConnected.into());
        }
        let latency = self.rng.millis(0, 2);
        let now = self.now;
        let peer = self.ends[id].peer;
        let to = &mut self.ends[peer];
        let room = to.inbox_bytes_max.saturating_sub(to.inbox_bytes);
        let n = room.min(bytes.len());
        if n < bytes.len() {
            self.ends[id].starved_writer = true;
        }
        if n == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let to = &mut self.ends[peer];
        let at = (now + latency).max(to.last_delivery);
        to.last_delivery = at;
        to.inbox_bytes += n;
        to.inbox.push_back(Segment {
            at,
            bytes: bytes[..n].iter().copied().collect(),
            reported: false,
        });
        Ok(n)
    }

    /// No more is written at this end.
    fn end(&mut self, id: usize) {
        let peer = self.ends[id].peer;
        let at = self.ends[peer].last_delivery.max(self.now);
        self.ends[peer].ended.get_or_insert(at);
    }

    /// Breaks a connection: both ends see an error at once.
    fn cut(&mut self, id: usize) {
        let peer = self.ends[id].peer;
        for id in [id, peer] {
            self.ends[id].broken = true;
            self.report(id, true, true, true);
        }
    }

    fn close(&mut self, id: usize) {
        if std::mem::replace(&mut self.ends[id].closed, true) {
            return;
        }
        self.ends[id].token = None;
        self.end(id);
        let peer = self.ends[id].peer;
        // Nobody reads what is on the way here any more, so its writer is not held up by it.
        self.ends[id].inbox_bytes_max = usize::MAX;
        if std::mem::take(&mut self.ends[peer].starved_writer) {
            self.report(peer, false, true, false);
        }
    }
}

impl std::fmt::Debug for Net {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Net")
    }
}

impl Io for Net {
    type Socket = SimSocket;
    type Acceptor = SocketAddr;

    fn now(&mut self) -> Time {
        Self::now(self)
    }

    fn wait(&mut self, ready: &mut Vec<Ready>, _: Option<Duration>) -> io::Result<()> {
        let mut state = self.state();
        state.woken.store(false, Ordering::Relaxed);
        ready.append(&mut state.ready);
        Ok(())
    }

    fn listen(
        &mut self,
        _: &Listener,
        address: SocketAddr,
        token: usize,
    ) -> io::Result<(SocketAddr, SocketAddr)> {
        let host = Host { welcome: Welcome::Accepts, backlog: VecDeque::new(), token: Some(token) };
        self.state().hosts.insert(address, host);
        Ok((address, address))
    }

    fn accept(&mut self, acceptor: &mut SocketAddr) -> io::Result<(SimSocket, SocketAddr)> {
        let mut state = self.state();
        let host = state.hosts.get_mut(acceptor).ok_or(io::ErrorKind::NotFound)?;
        let id = host.backlog.pop_front().ok_or(io::ErrorKind::WouldBlock)?;
        let peer = state.ends[id].address;
        Ok((SimSocket { net: self.clone(), id }, peer))
    }

    fn connect(&mut self, address: SocketAddr) -> io::Result<SimSocket> {
        let from = "192.0.2.1:9".parse().map_err(io::Error::other)?;
        let id = self.open(address, from);
        Ok(SimSocket { net: self.clone(), id })
    }

    fn register(&mut self, socket: &mut SimSocket, token: usize) -> io::Result<()> {
        let mut state = self.state();
        state.ends[socket.id].token = Some(token);
        // What has arrived before is reported at once, as epoll does, and an end too.
        let end = &state.ends[socket.id];
        let is_over = end.broken || end.end_reported;
        let arrived = !end.inbox.is_empty() || is_over;
        if end.connecting.is_none() {
            state.report(socket.id, arrived, true, is_over);
        }
        Ok(())
    }

    fn deregister(&mut self, socket: &mut SimSocket) {
        self.state().ends[socket.id].token = None;
    }
}

// === impl SimSocket ===

impl Socket for SimSocket {
    fn end(&mut self) -> io::Result<()> {
        self.net.state().end(self.id);
        Ok(())
    }

    fn abort(&mut self) {
        self.net.state().cut(self.id);
    }

    fn connected(&mut self) -> Option<io::Result<()>> {
        let state = self.net.state();
        let end = &state.ends[self.id];
        match (end.broken, end.connecting) {
            (true, _) => Some(Err(io::ErrorKind::ConnectionRefused.into())),
            (false, Some(_)) => None,
            (false, None) => Some(Ok(())),
        }
    }
}

impl Read for SimSocket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.net.state().read(self.id, buffer)
    }
}

impl Write for SimSocket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.net.state().write(self.id, bytes)
    }

    fn write_vectored(&mut self, pieces: &[io::IoSlice<'_>]) -> io::Result<usize> {
        let all: Vec<u8> = pieces.iter().flat_map(|piece| piece.iter().copied()).collect();
        self.net.state().write(self.id, &all)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for SimSocket {
    fn drop(&mut self) {
        self.net.close(self.id);
    }
}
