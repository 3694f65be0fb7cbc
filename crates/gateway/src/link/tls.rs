//! TLS of a link, by rustls: bytes of the wire on one side, bytes of the protocol on the other.
//!
//! Holds no socket. A record is decrypted from what [`Tls::receive`] was given, and encrypted into a queue
//! that [`Tls::send`] empties; the queue is bounded by [`Tls::has_room`].

use std::io::{self, Read, Write};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::{ClientConnection, Connection, ServerConnection};

use crate::certificates::{Candidates, Certificates, Coverage};
use crate::snapshot::{Authorities, ServerTls};

/// Encrypted bytes that may wait for the socket.
const QUEUE_BYTES_MAX: usize = 512 << 10;

/// What the handshake said, once it is over.
#[derive(Debug, Clone)]
pub struct Handshake {
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: &'static str,
    /// The server name that the client asked for; empty if none.
    pub sni: Box<str>,
    /// What is to be spoken.
    pub alpn: Alpn,
    /// What a client proved to own, its own certificate without the chain; `None`: nothing was asked of it.
    pub client_certificate: Option<CertificateDer<'static>>,
    /// What the client was shown, if requests are held to it.
    held_to: Option<Candidates>,
}

/// The protocol that both ends agreed on (RFC 7301).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alpn {
    /// `h2`.
    H2,
    /// `http/1.1`.
    Http1,
    /// The peer does not know ALPN; its first bytes tell what it speaks.
    None,
}

/// The TLS of one link.
#[derive(Debug)]
pub struct Tls {
    session: Connection,
    /// Encrypted bytes that wait, as far as we know of them.
    queued: usize,
    /// What clients are shown, if requests are held to it.
    certificates: Option<Arc<Certificates>>,
    /// Set once the handshake is over.
    pub handshake: Option<Handshake>,
    /// Whether the peer has announced that no more bytes come from it.
    peer_done: bool,
    /// Whether we have.
    closed: bool,
}

// === impl Tls ===

impl Tls {
    /// The server's end.
    pub fn accept(config: &ServerTls) -> Result<Self, rustls::Error> {
        let mut tls = Self::new(ServerConnection::new(config.config.clone())?.into());
        if config.authorities == Authorities::OfCertificate {
            tls.certificates = Some(config.certificates.clone());
        }
        Ok(tls)
    }

    /// The client's end.
    pub fn connect(
        config: Arc<rustls::ClientConfig>,
        name: rustls::pki_types::ServerName<'static>,
    ) -> Result<Self, rustls::Error> {
        Ok(Self::new(ClientConnection::new(config, name)?.into()))
    }

    fn new(mut session: Connection) -> Self {
        session.set_buffer_limit(None);
        Self {
            session,
            queued: 0,
            certificates: None,
            handshake: None,
            peer_done: false,
            closed: false,
        }
    }

    /// Takes bytes of the wire from the front of `wire` and puts decrypted ones into `plain`; gives their
    /// number. Call until `wire` is used up and nothing comes. After an error an alert waits to be sent.
    pub fn receive(&mut self, wire: &mut &[u8], plain: &mut [u8]) -> Result<usize, rustls::Error> {
        loop {
            // Reading from a slice does not fail; a full buffer inside takes nothing until it is processed.
            if !wire.is_empty() {
                let _ = self.session.read_tls(wire);
            }
            self.peer_done = self.session.process_new_packets()?.peer_has_closed();
            if self.handshake.is_none() && !self.session.is_handshaking() {
                self.handshake = Some(self.describe());
            }
            let n = self.session.reader().read(plain).unwrap_or(0);
            if n > 0 || wire.is_empty() {
                return Ok(n);
            }
        }
    }

    /// Whether the handshake is over.
    pub fn is_open(&self) -> bool {
        self.handshake.is_some()
    }

    /// Whether more may be encrypted before the socket takes some.
    pub fn has_room(&self) -> bool {
        self.queued < QUEUE_BYTES_MAX
    }

    /// Whether nothing waits for the socket.
    pub fn is_flushed(&self) -> bool {
        !self.session.wants_write()
    }

    /// Encrypts bytes of the protocol; takes all of them.
    pub fn write(&mut self, plain: &[u8]) -> io::Result<usize> {
        let n = self.session.writer().write(plain)?;
        self.queued += n;
        Ok(n)
    }

    /// Tells the peer, once, that no more bytes come.
    pub fn close(&mut self) {
        if !std::mem::replace(&mut self.closed, true) {
            self.session.send_close_notify();
        }
    }

    /// Whether the peer has announced its end (RFC 8446 §6.1): without that it may be somebody else's doing.
    pub fn is_peer_done(&self) -> bool {
        self.peer_done
    }

    /// Writes encrypted bytes; `false`: the socket takes no more now.
    pub fn send(&mut self, socket: &mut dyn Write) -> io::Result<bool> {
        while self.session.wants_write() {
            match self.session.write_tls(socket) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.queued = 0;
        Ok(true)
    }

    fn describe(&self) -> Handshake {
        let version = match self.session.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_2) => "TLSv1.2",
            _ => "TLSv1.3",
        };
        let alpn = match self.session.alpn_protocol() {
            None => Alpn::None,
            Some(b"h2") => Alpn::H2,
            // Nothing else is ever offered.
            Some(_) => Alpn::Http1,
        };
        let (sni, client_certificate) = match &self.session {
            Connection::Server(server) => {
                let chain = server.peer_certificates().unwrap_or_default();
                (server.server_name().unwrap_or_default(), chain.first().cloned())
            }
            Connection::Client(_) => ("", None),
        };
        let held_to = self.certificates.as_ref().map(|all| all.serving(sni));
        Handshake { version, sni: sni.into(), alpn, client_certificate, held_to }
    }
}

// === impl Handshake ===

impl Handshake {
    /// Whether a request for this authority may come on this connection. A client may send requests for
    /// other names than the one it asked for, if the certificate is good for them (RFC 9113 §9.1.1).
    pub fn coverage(&self, authority: &[u8]) -> Coverage {
        match &self.held_to {
            None => Coverage::Covered,
            Some(candidates) => Coverage::of(candidates, authority),
        }
    }
}
