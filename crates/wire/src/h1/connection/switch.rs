//! From HTTP/1.1 to HTTP/2 on the same connection, at the client's offer (RFC 7540 §3.2).
//!
//! RFC 9113 has given this up, but clients that were made before it still offer it. The request that came
//! with the offer is the first stream of the new connection, which
//! [`h2::Connection::upgraded`](crate::h2::Connection::upgraded) makes.

use super::receive::Progress;
use super::{Connection, Going, Inbound, Scheme};
use crate::Head;
use crate::codec::Output;
use crate::h1::write;

/// What is left of a connection that goes on in HTTP/2.
#[derive(Debug)]
pub struct Switch {
    /// The payload of the client's SETTINGS.
    pub settings: Vec<u8>,
    /// The request, which has no body.
    pub head: Head,
    /// What waits to be written, our assent at its end.
    pub output: Output,
}

// === impl Connection ===

impl Connection {
    /// The connection goes on in HTTP/2: to be asked when [`Connection::receive`] gives no event, if
    /// [`Config::upgrade_h2c`](crate::h1::Config::upgrade_h2c) is set. What is left of the input belongs to
    /// the new connection, and this one is to be dropped.
    pub fn take_h2c(&mut self) -> Option<Switch> {
        let mut switch = self.switch.take()?;
        switch.output = std::mem::take(&mut self.output);
        Some(*switch)
    }

    /// Whether an offer is taken. RFC 7540 §3.2: over TLS there is none, ALPN does that.
    pub(super) fn switches_to_h2c(&self) -> bool {
        self.config.upgrade_h2c && self.scheme == Scheme::Http && self.going == Going::Stays
    }

    pub(super) fn switch_to_h2c(&mut self, settings: Vec<u8>, head: &Head) -> Progress<'static> {
        let out = self.output.buffer();
        write::put_status_line(out, 101);
        write::put_field(out, b"connection", b"upgrade");
        write::put_field(out, b"upgrade", b"h2c");
        out.extend_from_slice(b"\r\n");
        self.leave_later();
        self.inbound = Inbound::Nothing;
        let head = head.clone();
        self.switch = Some(Box::new(Switch { settings, head, output: Output::default() }));
        Progress::Dry
    }
}
