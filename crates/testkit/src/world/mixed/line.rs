//! A connection of an actor, whichever version of HTTP it speaks.
//!
//! Messages have one form for both: fields with the pseudo fields of HTTP/2, bytes, an end. [`h2`] speaks through
//! the product's engine, as the other actors do. [`h1`] has a reader and a writer of its own, so that a mistake
//! in where messages end is not made on both sides of the gateway. A [`Pipe`] is the socket below.

mod h1;
mod h2;
mod reader;

use std::fmt::Debug;

use narrows_wire::Time;
use narrows_wire::codec::Role;

use super::super::net::Net;
use super::super::rng::Rng;

/// The fields of a message, names in lower case.
pub(super) type Fields = Vec<(String, String)>;

/// What is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    Http1,
    Http2,
}

/// How the end of a body is told. HTTP/2 has its own way for all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// There is none.
    Nothing,
    Length(usize),
    Chunked,
    /// By the end of the connection.
    UntilEnd,
}

/// What comes of a peer.
#[derive(Debug)]
pub(super) enum Heard {
    Head {
        stream: u64,
        head: Fields,
    },
    /// The peer wants the body that it was told of.
    Continue {
        stream: u64,
    },
    Data {
        stream: u64,
        bytes: Vec<u8>,
    },
    End {
        stream: u64,
        trailers: Fields,
    },
    /// The peer's message ends before its time.
    Broken {
        stream: u64,
    },
    /// The connection ended before anything of the reply came.
    Unanswered {
        stream: u64,
    },
    /// What must not be.
    Wrong(String),
}

/// One connection.
pub(super) trait Line: Debug {
    /// Begins a request, if there is room for one now.
    fn open(&mut self, head: &Fields, body: Framing, now: Time) -> Option<u64>;
    /// Begins a reply.
    fn reply(&mut self, stream: u64, head: &Fields, body: Framing);
    /// Asks for a body.
    fn ask(&mut self, stream: u64);
    fn data(&mut self, stream: u64, bytes: &[u8]);
    fn end(&mut self, stream: u64, trailers: &Fields);
    /// Breaks a message off; in HTTP/1.1 the connection with it.
    fn reset(&mut self, stream: u64, how: Break);
    /// Lets what runs end, and takes no more.
    fn go_away(&mut self, now: Time);
    /// Bytes that wait to be written.
    fn waiting_bytes(&self) -> usize;
    /// Whether it takes no more requests.
    fn is_closing(&self) -> bool;
    fn is_over(&self) -> bool;
    fn next_due(&self) -> Time;
    /// Takes what has come.
    fn read(&mut self, now: Time) -> Vec<Heard>;
    /// Writes what finds room.
    fn write(&mut self);
    /// Closes the socket.
    fn close(&mut self);
}

/// How a message is broken off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Break {
    /// Without having looked at it.
    Refuse,
    /// In the middle.
    Cut,
}

/// A socket, read at the pace of its owner.
#[derive(Debug)]
pub(super) struct Pipe {
    net: Net,
    rng: Rng,
    socket: usize,
    /// Whether the owner takes its time to read.
    slow: bool,
    resume_at: Time,
    /// Whether it is left unread until then.
    is_held: bool,
}

/// What a socket gives.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Took {
    Bytes(Vec<u8>),
    Nothing,
    End,
    Broken,
}

/// A connection of this version over a socket.
pub(super) fn line(version: Version, role: Role, mut pipe: Pipe, now: Time) -> Box<dyn Line> {
    match version {
        Version::Http1 => Box::new(h1::Line::new(role, pipe)),
        Version::Http2 => {
            let streams_max = 2 + pipe.rng.below(20) as u32;
            Box::new(h2::Line::new(role, pipe, streams_max, now))
        }
    }
}

/// The value of a field.
pub(super) fn find<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

// === impl Pipe ===

impl Pipe {
    pub(super) fn new(net: Net, mut rng: Rng, socket: usize) -> Self {
        let slow = rng.one_in(4);
        Self { net, rng, socket, slow, resume_at: Time::ZERO, is_held: false }
    }

    pub(super) fn read(&mut self, now: Time) -> Took {
        self.is_held = now < self.resume_at;
        if self.is_held {
            return Took::Nothing;
        }
        let mut buffer = [0; 4096];
        match self.net.read(self.socket, &mut buffer) {
            Ok(0) => Took::End,
            Ok(n) => {
                if self.slow {
                    self.resume_at = now + self.rng.millis(0, 5);
                }
                Took::Bytes(buffer[..n].to_vec())
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Took::Nothing,
            Err(_) => Took::Broken,
        }
    }

    /// Writes what finds room. `None`: the connection is broken.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Option<usize> {
        match self.net.write(self.socket, bytes) {
            Ok(n) => Some(n),
            Err(error) if is_only_early(error.kind()) => Some(0),
            Err(_) => None,
        }
    }

    /// No more is written.
    pub(super) fn end(&self) {
        self.net.end_actor(self.socket);
    }

    pub(super) fn close(&self) {
        self.net.close(self.socket);
    }

    /// Breaks the connection: the peer sees an error.
    pub(super) fn cut(&self) {
        self.net.cut(self.socket);
        self.net.close(self.socket);
    }

    /// When it is read again; [`Time::NEVER`]: when something comes.
    pub(super) fn next_due(&self) -> Time {
        if self.is_held { self.resume_at } else { Time::NEVER }
    }

    pub(super) fn rng(&mut self) -> &mut Rng {
        &mut self.rng
    }
}

fn is_only_early(kind: std::io::ErrorKind) -> bool {
    matches!(kind, std::io::ErrorKind::WouldBlock | std::io::ErrorKind::NotConnected)
}
