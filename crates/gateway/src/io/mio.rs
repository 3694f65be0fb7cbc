//! The real world: epoll through `mio`.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};
use narrows_wire::Time;
use socket2::{Domain, Protocol, SockRef, Socket as RawSocket, TcpKeepalive, Type};

use super::{Io, Ready, Socket};
use crate::clock;
use crate::snapshot::Listener;

/// Events taken from the kernel at a time.
const EVENTS_MAX: usize = 1024;
/// The token of the waker; it only ends the wait.
const WAKER: Token = Token(usize::MAX);
/// TCP keepalive towards nodes: finds a dead peer while nothing is sent.
const UPSTREAM_KEEPALIVE: Duration = Duration::from_secs(60);

/// The real world of one worker.
#[derive(Debug)]
pub struct Mio {
    poll: Poll,
    events: Events,
    waker: Arc<Waker>,
}

/// A listening socket.
#[derive(Debug)]
pub struct Acceptor {
    socket: TcpListener,
    keepalive: TcpKeepalive,
}

// === impl Mio ===

impl Mio {
    /// A world with nothing in it.
    pub fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        Ok(Self { poll, events: Events::with_capacity(EVENTS_MAX), waker })
    }

    /// Ends a wait from another thread.
    pub fn waker(&self) -> Arc<Waker> {
        self.waker.clone()
    }
}

impl Io for Mio {
    type Socket = TcpStream;
    type Acceptor = Acceptor;

    fn now(&mut self) -> Time {
        clock::now()
    }

    fn seed(&mut self) -> u64 {
        // The keys of a new hasher are the system's random numbers.
        RandomState::new().build_hasher().finish()
    }

    fn wait(&mut self, ready: &mut Vec<Ready>, timeout: Option<Duration>) -> io::Result<()> {
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            other => other?,
        }
        let events = self.events.iter().filter(|event| event.token() != WAKER);
        ready.extend(events.map(|event| Ready {
            token: event.token().0,
            readable: event.is_readable() || event.is_read_closed() || event.is_error(),
            writable: event.is_writable() || event.is_error(),
            hangup: event.is_read_closed() || event.is_error(),
        }));
        Ok(())
    }

    fn listen(
        &mut self,
        listener: &Listener,
        address: SocketAddr,
        token: usize,
    ) -> io::Result<(Acceptor, SocketAddr)> {
        let domain = Domain::for_address(address);
        let socket = RawSocket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        // Each worker has its own queue; the kernel spreads connections over them.
        socket.set_reuse_port(true)?;
        if let IpAddr::V6(ip) = address.ip()
            && !ip.is_unspecified()
        {
            socket.set_only_v6(true)?;
        }
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(i32::try_from(listener.backlog).unwrap_or(i32::MAX))?;
        let mut socket = TcpListener::from_std(socket.into());
        let address = socket.local_addr()?;
        self.poll.registry().register(&mut socket, Token(token), Interest::READABLE)?;
        let keepalive = TcpKeepalive::new().with_time(listener.tcp_keepalive);
        Ok((Acceptor { socket, keepalive }, address))
    }

    fn accept(&mut self, acceptor: &mut Acceptor) -> io::Result<(TcpStream, SocketAddr)> {
        let (socket, peer) = acceptor.socket.accept()?;
        prepare(&socket, &acceptor.keepalive)?;
        Ok((socket, peer))
    }

    fn connect(&mut self, address: SocketAddr) -> io::Result<TcpStream> {
        let socket = TcpStream::connect(address)?;
        prepare(&socket, &TcpKeepalive::new().with_time(UPSTREAM_KEEPALIVE))?;
        Ok(socket)
    }

    fn register(&mut self, socket: &mut TcpStream, token: usize) -> io::Result<()> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(socket, Token(token), interest)
    }

    fn deregister(&mut self, socket: &mut TcpStream) {
        // Fails only for a socket that was never registered; then there is nothing to end.
        let _ = self.poll.registry().deregister(socket);
    }
}

fn prepare(socket: &TcpStream, keepalive: &TcpKeepalive) -> io::Result<()> {
    socket.set_nodelay(true)?;
    SockRef::from(socket).set_tcp_keepalive(keepalive)
}

// === impl TcpStream ===

impl Socket for TcpStream {
    fn local(&self) -> Option<SocketAddr> {
        self.local_addr().ok()
    }

    fn end(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }

    fn abort(&mut self) {
        // Where the option can not be set, the peer sees an end; nothing better is left to do.
        let _ = SockRef::from(&*self).set_linger(Some(Duration::ZERO));
    }

    fn connected(&mut self) -> Option<io::Result<()>> {
        match self.take_error() {
            Ok(None) => {}
            Ok(Some(error)) | Err(error) => return Some(Err(error)),
        }
        match self.peer_addr() {
            Ok(_) => Some(Ok(())),
            Err(error) if error.kind() == io::ErrorKind::NotConnected => None,
            Err(error) => Some(Err(error)),
        }
    }
}
