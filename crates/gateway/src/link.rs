//! A link: one connection of either side, with its socket, TLS if any, and the protocol engine.
//!
//! Both sides use the same type; which side it is, is data. A link knows nothing of exchanges: the worker
//! feeds it, takes events from its engine, and flushes it once per loop turn.
//! Invariant: bytes leave a link only in [`Link::flush`].

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use narrows_wire::Time;

use crate::closes::Ending;
use crate::forwarding::Peer;
use crate::io::Socket;
use crate::keepalive::Watch;
use crate::slab::Key;
use crate::snapshot::Listener;
use crate::sources::SourceSeat;
use crate::timeout::NEVER;
use crate::timer::TimerKey;
use crate::worker::Seat;

mod codec;
mod ends;
mod tls;

pub use codec::Codec;
pub use tls::{Alpn, Handshake, Tls};

/// Pieces of a vectored write.
const SLICES: usize = 64;
/// Bytes that are read ahead for an engine that takes none now. A read more may be kept beyond it.
const KEPT_BYTES_MAX: usize = 64 << 10;

/// Which side of the gateway a link is on.
#[derive(Debug, Clone)]
pub enum Side {
    /// A client connected to this listener.
    Downstream(Arc<Listener>),
    /// We connected to the node with this key in the pool.
    Upstream(Key),
}

/// How far a link has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// TCP is connecting.
    Connecting,
    /// TLS is shaking hands.
    Handshake,
    /// Bytes of the protocol flow.
    Open,
    /// Nothing more is read; what is in the output is written, then the link ends.
    Closing,
    /// All is written and our direction has ended. What a client still sends is thrown away until it ends
    /// too: closing at once would make the kernel answer with a reset, which may overtake our last words.
    Lingering,
}

/// What a read brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// So many bytes of the wire.
    Bytes(usize),
    /// Nothing now.
    Blocked,
    /// The peer has ended its direction.
    End,
}

/// One connection.
#[derive(Debug)]
pub struct Link<S> {
    /// The socket.
    pub socket: S,
    /// TLS, if it is spoken.
    pub tls: Option<Box<Tls>>,
    /// The protocol.
    pub codec: Codec,
    /// Whether a header of the PROXY protocol comes before anything else.
    pub awaits_proxy_header: bool,
    /// The route of its bytes, an index into the snapshot of this turn, until its exchange begins.
    pub route: Option<usize>,
    /// Bytes of the protocol that the engine has not taken yet.
    pub kept: Vec<u8>,
    /// Whether the peer has ended its direction, and ours goes on.
    pub input_ended: bool,
    /// Whether the engine knows of that: it learns of it behind all bytes.
    pub end_told: bool,
    /// Whether our direction of the transport has ended.
    pub output_ended: bool,
    /// Which side it is on.
    pub side: Side,
    /// Its place among the connections of its listener, on the side of the clients.
    pub seat: Option<Seat>,
    /// Its place among the connections of its source, if that is limited.
    pub source_seat: Option<SourceSeat>,
    /// Until when nothing is read or written, because its source has had its share.
    pub throttled_until: Time,
    /// The other end.
    pub peer: SocketAddr,
    /// Where a client connected to, if a header of the PROXY protocol told it.
    pub proxied_to: Option<SocketAddr>,
    /// What goes out before anything else, TLS included.
    pub preamble: Vec<u8>,
    /// The other end in the words of fields, once they were needed.
    named: Option<Box<Peer>>,
    /// How far it has come.
    pub state: State,
    /// Why it ends, as far as that is known.
    pub ending: Ending,
    /// Whether it waits to be flushed at the end of the turn.
    pub dirty: bool,
    /// Whether it waits to be read again in the next turn.
    pub reread: bool,
    /// Whether reading stopped because the output was above its mark.
    pub starved: bool,
    /// Whether the kernel takes no more bytes; ends with a writable event.
    pub blocked: bool,
    /// Since when it is there.
    pub opened: Time,
    /// When the protocol began to flow; [`Time::ZERO`]: not yet.
    pub open_at: Time,
    /// When it must be open (connecting, handshake), or stop taking calls (age).
    pub due: Time,
    /// How long TLS may take once TCP is connected, towards a node.
    pub tls_timeout: Duration,
    /// Ends of requests in the output: where they stand (as [`Link::written`] counts), and whose they are.
    pub unflushed: VecDeque<(u64, Key)>,
    /// Whether the peer's SETTINGS have come, so that its limits are known.
    pub settled: bool,
    /// Calls that were put on it.
    pub calls: u64,
    /// Exchanges that wait for the peer's SETTINGS: tunnels, which it may not take.
    pub unsettled: Vec<Key>,
    /// Whether it is as old as is allowed, and takes no more calls.
    pub retired: bool,
    /// Whether the memory that only a busy link needs was given back.
    pub shrunk: bool,
    /// When it last had a stream or was opened.
    pub last_used: Time,
    /// Whether its peer is still there.
    pub watch: Watch,
    /// Its timer and when that fires.
    pub timer: Option<(TimerKey, Time)>,
    /// Bytes of the protocol given to the socket or TLS so far.
    pub written: u64,
    /// `written` when it was last looked whether a link that closes moves.
    pub closing_mark: u64,
}

// === impl Link ===

impl<S: Socket> Link<S> {
    /// A link that was just accepted or begun. It has to be open by `due`.
    pub fn new(
        socket: S,
        side: Side,
        peer: SocketAddr,
        codec: Codec,
        now: Time,
        due: Time,
    ) -> Self {
        let state = match side {
            Side::Downstream(_) => State::Open,
            Side::Upstream(_) => State::Connecting,
        };
        Self {
            socket,
            tls: None,
            codec,
            awaits_proxy_header: false,
            route: None,
            kept: Vec::new(),
            input_ended: false,
            end_told: false,
            output_ended: false,
            side,
            seat: None,
            source_seat: None,
            throttled_until: Time::ZERO,
            peer,
            proxied_to: None,
            preamble: Vec::new(),
            named: None,
            state,
            ending: Ending::default(),
            dirty: false,
            reread: false,
            starved: false,
            blocked: false,
            opened: now,
            open_at: Time::ZERO,
            due,
            tls_timeout: NEVER,
            unflushed: VecDeque::new(),
            settled: false,
            calls: 0,
            unsettled: Vec::new(),
            retired: false,
            shrunk: false,
            last_used: now,
            watch: Watch::NONE,
            timer: None,
            written: 0,
            closing_mark: 0,
        }
    }

    /// Reads bytes of the wire into `buffer`.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<Input> {
        match self.socket.read(buffer) {
            Ok(0) => Ok(Input::End),
            Ok(n) => Ok(Input::Bytes(n)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Input::Blocked),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Input::Bytes(0)),
            Err(error) => Err(error),
        }
    }

    /// Writes what the output holds until it is empty or the kernel takes no more. `source` is the read
    /// buffer whose ranges may stand in the output.
    pub fn flush(&mut self, source: &[u8]) -> io::Result<()> {
        if !self.preamble.is_empty() && !self.send_preamble()? {
            return Ok(());
        }
        match self.tls {
            Some(_) => self.flush_tls(source)?,
            None => self.flush_plain(source)?,
        }
        if self.codec.is_output_ended() && !self.output_ended {
            return self.end_output();
        }
        Ok(())
    }

    /// Writes what goes before everything. `false`: not all of it has gone.
    fn send_preamble(&mut self) -> io::Result<bool> {
        match self.socket.write(&self.preamble) {
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => {
                self.preamble.drain(..n);
                // A short write: the kernel's buffer is full.
                self.blocked = !self.preamble.is_empty();
                Ok(!self.blocked)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.blocked = true;
                Ok(false)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => self.send_preamble(),
            Err(error) => Err(error),
        }
    }

    /// Ends our direction behind what is written, as the engine wishes.
    fn end_output(&mut self) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            tls.close();
            self.blocked = !tls.send(&mut self.socket)?;
        }
        if self.is_flushed() {
            self.output_ended = true;
            self.socket.end()?;
        }
        Ok(())
    }

    /// Whether more may be read from the socket. An engine that is paused has a little read ahead for it,
    /// so that the end of the peer is noticed; while its output is above the mark HTTP/2 reads nothing, lest
    /// answers to control frames pile up.
    pub fn accepts_input(&self) -> bool {
        self.codec.accepts_input()
            || (self.kept.len() < KEPT_BYTES_MAX && !matches!(self.codec, Codec::H2(_)))
    }

    /// Counts bytes that have passed against the share of the source.
    pub fn pass(&mut self, bytes: u64, now: Time) {
        if let (Some(seat), Side::Downstream(listener)) = (&self.source_seat, &self.side) {
            self.throttled_until = seat.pass(&listener.sources, bytes, now);
        }
    }

    /// Whether bytes are kept that the engine would take now.
    pub fn has_kept_input(&self) -> bool {
        !self.kept.is_empty() && self.codec.is_known() && self.codec.accepts_input()
    }

    fn flush_plain(&mut self, source: &[u8]) -> io::Result<()> {
        loop {
            let output = self.codec.output();
            if output.is_empty() {
                self.codec.pump();
                if self.codec.output().is_empty() {
                    return Ok(());
                }
                continue;
            }
            // Not always all that there is: there may be more ranges than slices.
            let (wrote, offered) = if output.has_borrowed() {
                let mut slices = [IoSlice::new(&[]); SLICES];
                let count = output.slices(source, &mut slices);
                let slices = &slices[..count];
                (self.socket.write_vectored(slices), slices.iter().map(|slice| slice.len()).sum())
            } else {
                (self.socket.write(output.front()), output.len())
            };
            match wrote {
                Ok(n) => {
                    self.codec.output().consume(n);
                    self.written += n as u64;
                    if n == 0 {
                        return Err(io::ErrorKind::WriteZero.into());
                    }
                    if n < offered && !self.codec.output().has_borrowed() {
                        // A short write: the kernel's buffer is full.
                        self.blocked = true;
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.blocked = true;
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn flush_tls(&mut self, source: &[u8]) -> io::Result<()> {
        let Some(tls) = &mut self.tls else { return Ok(()) };
        loop {
            let output = self.codec.output();
            if tls.is_open() && tls.has_room() && !output.is_empty() {
                output.settle(source);
                let n = tls.write(output.front())?;
                output.consume(n);
                self.written += n as u64;
                self.codec.pump();
                continue;
            }
            match tls.send(&mut self.socket) {
                Ok(true) if tls.is_open() && !self.codec.output().is_empty() => {}
                Ok(true) => return Ok(()),
                Ok(false) => {
                    self.blocked = true;
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether everything has left for the kernel.
    pub fn is_flushed(&mut self) -> bool {
        self.preamble.is_empty()
            && self.codec.output().is_empty()
            && self.tls.as_ref().is_none_or(|tls| tls.is_flushed())
    }

    /// Whether its calls have ended and it is on its way out.
    pub fn is_ending(&self) -> bool {
        matches!(self.state, State::Closing | State::Lingering)
    }

    /// Whether it is on the side of the clients.
    pub fn is_downstream(&self) -> bool {
        matches!(self.side, Side::Downstream(_))
    }

    /// Whether a call may be put on it now. `streams_max`: what is believed of a peer that has not told its
    /// limit yet.
    pub fn takes_calls(&self, now: Time, streams_max: u32) -> bool {
        if !self.settled && self.codec.active_streams() >= streams_max as usize {
            return false;
        }
        match self.state {
            State::Closing | State::Lingering => false,
            State::Open => !self.retired && now < self.due && self.codec.capacity() > 0,
            State::Connecting | State::Handshake => self.codec.capacity() > 0,
        }
    }
}

#[cfg(test)]
mod tests;
