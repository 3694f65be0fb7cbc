//! Requests of ours (client role).

use super::send::content_length;
use super::{Connection, Going, Inbound, Outbound, Sending, Tunnel};
use crate::codec::{End, OpenError, Role, StreamKey};
use crate::h1::head::Method;
use crate::h1::target::Version;
use crate::h1::upgrade;
use crate::h1::write::{self, Closing, Length};
use crate::websocket::{KEY, VERSION, VERSION_13, WEBSOCKET};
use crate::{Head, Name, Time, fields, syntax};

/// How a request is said.
struct Form<'a> {
    method: &'a [u8],
    target: &'a [u8],
    host: &'a [u8],
    tunnel: Option<Tunnel>,
}

// === impl Connection ===

impl Connection {
    /// Begins an exchange with a request (client role).
    pub fn open(
        &mut self,
        now: Time,
        tag: u64,
        head: &Head,
        end: End,
    ) -> Result<StreamKey, OpenError> {
        self.now = now;
        match (self.role, self.going) {
            (Role::Server, _) | (_, Going::Closed) => return Err(OpenError::Closed),
            (Role::Client, Going::Leaves | Going::Drained) => return Err(OpenError::Draining),
            (Role::Client, Going::Stays) => {}
        }
        if self.exchange.is_some() {
            return Err(OpenError::Full);
        }
        let form = self.form(head).ok_or(OpenError::Inexpressible)?;
        let (sending, length) = request_framing(&form, content_length(head), end)?;
        let mut exchange = self.new_exchange(Version::V11, method_of(&form));
        exchange.tag = tag;
        exchange.tunnel = form.tunnel;
        let stream = self.begin(exchange);
        self.put_request(&form, head, length);
        self.inbound = Inbound::Head;
        self.outbound = match form.tunnel {
            Some(_) => Outbound::Held { ended: end == End::Stream },
            None => Outbound::Body(sending),
        };
        if end == End::Stream && form.tunnel.is_none() {
            self.end_body();
        }
        Ok(stream)
    }

    /// How many exchanges may be begun now (client role): one, or none.
    pub fn capacity(&self) -> usize {
        let is_able = self.role == Role::Client && self.going == Going::Stays;
        usize::from(is_able && self.exchange.is_none())
    }

    /// RFC 9112 §3.2: the form of the target.
    fn form<'a>(&self, head: &'a Head) -> Option<Form<'a>> {
        let method = head.get(Name::Method).filter(|method| fields::is_token(method))?;
        let authority = head.get(Name::Authority).or_else(|| head.get(Name::Host));
        let host = authority.filter(|host| !host.is_empty() && fields::is_authority(host))?;
        let path = head.get(Name::Path);
        match (method, head.get(Name::Protocol)) {
            (b"CONNECT", None) => {
                let tunnel = Some(Tunnel::Connect);
                Some(Form { method, target: host, host, tunnel })
            }
            (b"CONNECT", Some(WEBSOCKET)) => {
                let key = upgrade::key(self.seed, self.requests);
                let tunnel = Some(Tunnel::WebSocket(key));
                Some(Form {
                    method: b"GET",
                    target: path.filter(|path| is_path(path))?,
                    host,
                    tunnel,
                })
            }
            // RFC 8441 §4: other protocols have no handshake in HTTP/1 that we know.
            (_, Some(_)) => None,
            (b"OPTIONS", None) if path == Some(b"*") => {
                Some(Form { method, target: b"*", host, tunnel: None })
            }
            (_, None) => Some(Form {
                method,
                target: path.filter(|path| is_path(path))?,
                host,
                tunnel: None,
            }),
        }
    }

    fn put_request(&mut self, form: &Form<'_>, head: &Head, length: Length) {
        let closes = self.is_draining();
        let out = self.output.buffer();
        write::put_request_line(out, form.method, form.target);
        write::put_field(out, b"host", form.host);
        // RFC 9110 §10.1.4: Connection names TE, so that nobody passes it on by mistake.
        let has_te = head.get(Name::Te).is_some() && form.tunnel.is_none();
        if has_te {
            write::put_field(out, b"te", b"trailers");
        }
        let mut connection: &[u8] = match (has_te, closes) {
            (true, true) => b"te, close",
            (true, false) => b"te",
            (false, true) => b"close",
            (false, false) => b"",
        };
        if let Some(Tunnel::WebSocket(key)) = form.tunnel {
            write::put_field(out, b"upgrade", WEBSOCKET);
            write::put_field(out, KEY, key.text());
            if head.find(VERSION).is_none() {
                write::put_field(out, VERSION, VERSION_13);
            }
            connection = b"upgrade";
        }
        write::put_fields(out, head, Closing { length, connection });
    }
}

/// How the body of a request is framed, and what the head says of it.
fn request_framing(
    form: &Form<'_>,
    length: Option<u64>,
    end: End,
) -> Result<(Sending, Length), OpenError> {
    Ok(match (form.tunnel, length, end) {
        (Some(_), ..) => (Sending::Tunnel, Length::Nothing),
        (None, Some(1..), End::Stream) => return Err(OpenError::Inexpressible),
        (None, Some(length), _) => (Sending::Length(length), Length::AsGiven),
        // RFC 9110 §8.6: who expects a body is told that there is none.
        (None, None, End::Stream) if matches!(form.method, b"POST" | b"PUT" | b"PATCH") => {
            (Sending::Length(0), Length::Zero)
        }
        (None, None, End::Stream) => (Sending::Length(0), Length::Nothing),
        (None, None, End::Open) => (Sending::Chunked, Length::Chunked),
    })
}

fn method_of(form: &Form<'_>) -> Method {
    match (form.method, form.tunnel) {
        (b"HEAD", _) => Method::Head,
        (_, Some(Tunnel::Connect)) => Method::Connect,
        _ => Method::Other,
    }
}

/// RFC 9112 §3.2.1, and nothing that would end the target early.
fn is_path(path: &[u8]) -> bool {
    path.first() == Some(&b'/')
        && fields::is_visible(path, b'#')
        && syntax::check_value(path).is_ok()
}
