//! What a worker needs of the world: sockets, readiness, and the time.
//!
//! In production this is `mio` ([`mio::Mio`]); in tests it is a simulated world that runs in one thread
//! and is deterministic from a seed. Readiness is edge-triggered: after `readable` the worker reads until
//! a read is short or would block.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use narrows_wire::Time;

use crate::snapshot::Listener;

pub mod mio;

/// A TCP connection that never blocks.
pub trait Socket: Read + Write {
    /// Whether a connection attempt is over: `None` while it goes on.
    fn connected(&mut self) -> Option<io::Result<()>>;

    /// Our address, where there are addresses.
    fn local(&self) -> Option<SocketAddr> {
        None
    }

    /// Ends our direction: the peer sees the end after what was written.
    fn end(&mut self) -> io::Result<()>;

    /// Has the connection cut off when it is dropped: the peer sees an error instead of an end.
    fn abort(&mut self);
}

/// What has become ready.
#[derive(Debug, Clone, Copy)]
pub struct Ready {
    /// The number it was registered with.
    pub token: usize,
    /// Bytes, a connection, or the end can be read.
    pub readable: bool,
    /// Bytes can be written, or a connection attempt is over.
    pub writable: bool,
    /// The peer has ended its direction, or there is an error: a short read is not the last word.
    pub hangup: bool,
}

/// The world of one worker.
pub trait Io {
    /// Its connections.
    type Socket: Socket;
    /// Its listening sockets.
    type Acceptor;

    /// The present time.
    fn now(&mut self) -> Time;

    /// A number that no other worker anywhere has. In worlds that are made up it may be the same each time.
    fn seed(&mut self) -> u64 {
        0
    }

    /// Waits until something is ready or the time is over, and adds it to `ready`.
    fn wait(&mut self, ready: &mut Vec<Ready>, timeout: Option<Duration>) -> io::Result<()>;

    /// Opens a listening socket. Gives the address it really has, for port 0.
    fn listen(
        &mut self,
        listener: &Listener,
        address: SocketAddr,
        token: usize,
    ) -> io::Result<(Self::Acceptor, SocketAddr)>;

    /// Takes the next connection from the queue of a listening socket; not yet registered.
    fn accept(&mut self, acceptor: &mut Self::Acceptor) -> io::Result<(Self::Socket, SocketAddr)>;

    /// Begins to connect; not yet registered.
    fn connect(&mut self, address: SocketAddr) -> io::Result<Self::Socket>;

    /// From now on readiness of this socket is reported with `token`.
    fn register(&mut self, socket: &mut Self::Socket, token: usize) -> io::Result<()>;

    /// Ends the reports on a socket that is about to be dropped.
    fn deregister(&mut self, socket: &mut Self::Socket);
}
