//! A connection of the demonstration: a blocking socket and the HTTP/2 engine.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use narrows_gateway::clock;
use narrows_wire::Head;
use narrows_wire::codec::{End, Event, Role, StreamKey};
use narrows_wire::h2::{Config, Connection};

/// Longest wait for the other end, where somebody waits at all.
const PATIENCE: Duration = Duration::from_secs(10);

/// One thing that happened, with everything it is about.
#[derive(Debug)]
pub(super) enum Happened {
    Head { stream: StreamKey, head: Head, end: End },
    Data { stream: StreamKey, data: Vec<u8>, end: End },
    Trailers { stream: StreamKey, head: Head },
    Reset { stream: StreamKey, why: String },
}

/// A connection.
#[derive(Debug)]
pub(super) struct Pipe {
    socket: TcpStream,
    pub(super) connection: Connection,
    happened: VecDeque<Happened>,
}

// === impl Pipe ===

impl Pipe {
    /// A connection to a node or of a caller. A client waits for an answer only so long; a node waits
    /// for its next caller for ever.
    pub(super) fn new(socket: TcpStream, role: Role) -> io::Result<Self> {
        socket.set_nodelay(true)?;
        socket.set_write_timeout(Some(PATIENCE))?;
        if role == Role::Client {
            socket.set_read_timeout(Some(PATIENCE))?;
        }
        let connection = Connection::new(role, Arc::new(Config::default()), clock::now());
        Ok(Self { socket, connection, happened: VecDeque::new() })
    }

    /// Writes what there is to write, then waits for the next thing to happen. `None`: the other end has
    /// closed the connection.
    pub(super) fn next(&mut self) -> io::Result<Option<Happened>> {
        let mut buffer = [0; 16 * 1024];
        loop {
            self.flush()?;
            if let Some(happened) = self.happened.pop_front() {
                return Ok(Some(happened));
            }
            let len = self.socket.read(&mut buffer)?;
            if len == 0 {
                return Ok(None);
            }
            self.take(&buffer[..len])?;
        }
    }

    fn take(&mut self, mut input: &[u8]) -> io::Result<()> {
        let mut head = Head::new();
        while let Some(event) = self.connection.receive(clock::now(), &mut input, &mut head) {
            let happened = match event {
                Event::Head { stream, end, .. } => {
                    Happened::Head { stream, head: std::mem::take(&mut head), end }
                }
                Event::Data { stream, data, end, .. } => {
                    Happened::Data { stream, data: data.to_vec(), end }
                }
                Event::Trailers { stream, .. } => {
                    Happened::Trailers { stream, head: std::mem::take(&mut head) }
                }
                Event::Reset { stream, reason, .. } => {
                    Happened::Reset { stream, why: format!("{reason:?}") }
                }
                Event::Closed { error } => {
                    self.flush()?;
                    return Err(io::Error::other(format!("{error:?}")));
                }
                Event::Informational { .. }
                | Event::Refused { .. }
                | Event::Sent { .. }
                | Event::Pong
                | Event::PeerSettings
                | Event::GoAway { .. }
                | Event::Drained => continue,
            };
            self.happened.push_back(happened);
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        loop {
            while !self.connection.output().is_empty() {
                let written = self.socket.write(self.connection.output().front())?;
                if written == 0 {
                    return Err(io::ErrorKind::WriteZero.into());
                }
                self.connection.output().consume(written);
            }
            // What waited for room in the output goes there now, as far as windows allow.
            self.connection.pump();
            if self.connection.output().is_empty() {
                return Ok(());
            }
        }
    }
}
