//! What a head begins: a request and its exchange, or a reply; and what is refused instead.

use super::receive::Progress;
use super::{Connection, Exchange, Expectation, Inbound, Life, Outbound, Sending, Tunnel};
use crate::codec::{
    ConnectionError, End, ErrorCode, Event, Party, Processed, Reason, Refusal, Role,
};
use crate::h1::Fault;
use crate::h1::framing::{self, Body};
use crate::h1::head::{self, Method, Persistence, Reply, Request};
use crate::h1::scan::Kind;
use crate::h1::target::Version;
use crate::h1::upgrade::Offer;
use crate::{Head, Name};

// === impl Connection ===

impl Connection {
    /// A head is whole (RFC 9112 §2.1).
    pub(super) fn on_head(&mut self, text: &[u8], head: &mut Head) -> Progress<'static> {
        let kind = if self.role == Role::Server { Kind::Request } else { Kind::Reply };
        let lines = self.input.lines(text, kind);
        self.input.clear();
        if self.role == Role::Server {
            return match head::request(lines, &self.config, self.scheme, head) {
                Ok(request) => self.on_request(request, head),
                Err(refusal) => self.refuse(refusal, head),
            };
        }
        match head::reply(lines, &self.config, head) {
            Ok(reply) => match self.on_reply(reply) {
                Ok(event) => {
                    if self.inbound == Inbound::Body(Body::Tunnel) {
                        // RFC 9110 §9.3.6: to be ignored.
                        head.remove(Name::ContentLength);
                    }
                    Progress::Event(event)
                }
                Err(reason) => self.fail_protocol(reason),
            },
            Err(refusal) => self.fail_protocol(refusal.reason()),
        }
    }

    /// Lines can not be those of a head. `text`: the input, if nothing is kept.
    #[cold]
    pub(super) fn on_head_fault<'a>(
        &mut self,
        fault: Fault,
        text: &[u8],
        head: &mut Head,
    ) -> Progress<'a> {
        if self.role == Role::Client {
            return self.fail_protocol(Reason::Http1(fault));
        }
        let refusal = match fault {
            Fault::RequestLineTooLong => Refusal::RequestLineTooLong,
            Fault::HeadTooLarge => Refusal::HeadTooLarge,
            other => Refusal::BadRequest(Reason::Http1(other)),
        };
        self.refuse_head(refusal, text, head)
    }

    /// Refuses a request whose head is not complete, with what there is of it.
    #[cold]
    pub(super) fn refuse_head<'a>(
        &mut self,
        refusal: Refusal,
        text: &[u8],
        head: &mut Head,
    ) -> Progress<'a> {
        let kept = std::mem::take(&mut self.input.partial);
        let text = if kept.is_empty() { text } else { &kept };
        let lines = self.input.lines(text, Kind::Request);
        let begin = self.input.scanner.begin;
        self.input.clear();
        if lines.first.is_empty() {
            let end = text.len().min(begin + self.config.request_line_bytes_max);
            head::beginning(text.get(begin..end).unwrap_or_default(), self.scheme, head);
        } else {
            // It is refused whatever this says.
            let _ = head::request(lines, &self.config, self.scheme, head);
        }
        self.refuse(refusal, head)
    }

    /// Begins the exchange of a request that is only to be answered.
    #[cold]
    fn refuse<'a>(&mut self, refusal: Refusal, head: &Head) -> Progress<'a> {
        self.watch.stop_head();
        let method = match head.get(Name::Method) {
            Some(b"HEAD") => Method::Head,
            _ => Method::Other,
        };
        // The version may be unknown; the answer of an old one is understood by all, as the connection ends.
        let exchange = self.new_exchange(Version::V10, method);
        let stream = self.begin(exchange);
        self.leave_later();
        self.inbound = Inbound::Lost;
        self.outbound = Outbound::Head;
        Progress::Event(Event::Refused { stream, tag: 0, refusal })
    }

    fn on_request(&mut self, request: Request, head: &Head) -> Progress<'static> {
        let Request { version, method, body, persistence, expects_continue, upgrade } = request;
        let upgrade = match upgrade {
            Some(Offer::H2c(settings)) => {
                if self.switches_to_h2c() {
                    return self.switch_to_h2c(settings, head);
                }
                None
            }
            other => other,
        };
        let mut exchange = self.new_exchange(version, method);
        exchange.persistence = persistence;
        exchange.tunnel = match (upgrade, method) {
            (Some(Offer::WebSocket(key)), _) => Some(Tunnel::WebSocket(key)),
            (Some(Offer::H2c(_)), _) => None,
            (None, Method::Connect) => Some(Tunnel::Connect),
            (None, Method::Head | Method::Other) => None,
        };
        if expects_continue && body.is_some() {
            exchange.expectation = Expectation::Due;
        }
        let ends = body.is_none() && exchange.tunnel.is_none();
        let stream = self.begin(exchange);
        self.outbound = Outbound::Head;
        self.begin_body(body);
        let end = if ends { End::Stream } else { End::Open };
        Progress::Event(Event::Head { stream, tag: 0, end })
    }

    pub(super) fn new_exchange(&self, version: Version, method: Method) -> Exchange {
        Exchange {
            key: self.next_key(),
            tag: 0,
            life: Life::Open,
            version,
            method,
            tunnel: None,
            persistence: Persistence::Closes,
            expectation: Expectation::None,
            informational: 0,
            stall_timeout: None,
            released: self.role == Role::Client,
        }
    }

    fn begin_body(&mut self, body: Option<Body>) {
        self.inbound = body.map_or(Inbound::Nothing, Inbound::Body);
        if body.is_some() {
            self.watch_body();
        }
    }

    /// The head of a reply (client role).
    fn on_reply(&mut self, reply: Reply) -> Result<Event<'static>, Reason> {
        let Some(exchange) = &mut self.exchange else {
            return Err(Reason::Http1(Fault::Unsolicited));
        };
        let (stream, tag) = (exchange.key, exchange.tag);
        if reply.status == 101 {
            return self.on_switch(&reply);
        }
        if reply.status < 200 {
            exchange.informational += 1;
            if exchange.informational > self.config.informational_max {
                return Err(Reason::InformationalFlood);
            }
            return Ok(Event::Informational { stream, tag });
        }
        let is_success = matches!(reply.status, 200..=299);
        if is_success && matches!(exchange.tunnel, Some(Tunnel::WebSocket(_))) {
            // In our form this would say that the tunnel is open.
            return Err(Reason::Http1(Fault::NotSwitched));
        }
        let method = exchange.method;
        let body =
            framing::of_reply(reply.version, method, reply.status, reply.coding, reply.length);
        let body = body.map_err(Reason::Http1)?;
        if reply.persistence == Persistence::Closes || body == Some(Body::UntilClose) {
            self.leave_later();
        }
        if body == Some(Body::Tunnel) {
            self.open_tunnel();
        } else {
            self.begin_body(body);
            self.drop_held();
        }
        let end = if body.is_none() { End::Stream } else { End::Open };
        self.settle();
        Ok(Event::Head { stream, tag, end })
    }

    /// RFC 9110 §15.2.2, RFC 6455 §4.1.
    fn on_switch(&mut self, reply: &Reply) -> Result<Event<'static>, Reason> {
        let Some(exchange) = &self.exchange else {
            return Err(Reason::Http1(Fault::Unsolicited));
        };
        let (stream, tag) = (exchange.key, exchange.tag);
        let Some(Tunnel::WebSocket(key)) = exchange.tunnel else {
            return Err(Reason::Http1(Fault::SwitchedProtocol));
        };
        if !reply.websocket || reply.version != Version::V11 {
            return Err(Reason::Http1(Fault::SwitchedProtocol));
        }
        if reply.accept != Some(key.accept()) {
            return Err(Reason::Http1(Fault::WebSocketAccept));
        }
        self.open_tunnel();
        Ok(Event::Head { stream, tag, end: End::Open })
    }

    /// What follows in both directions is not HTTP/1 any more.
    pub(super) fn open_tunnel(&mut self) {
        self.leave_later();
        self.inbound = Inbound::Body(Body::Tunnel);
        let held = std::mem::take(&mut self.held);
        let ended = self.outbound == Outbound::Held { ended: true };
        self.outbound = Outbound::Body(Sending::Tunnel);
        if let Some(exchange) = self.exchange.as_ref().filter(|_| !held.is_empty()) {
            self.output.buffer().extend_from_slice(&held);
            let (stream, tag, bytes) = (exchange.key, exchange.tag, held.len());
            self.events.push_back(Event::Sent { stream, tag, bytes });
        }
        if ended {
            self.finish_output();
        }
        if self.input_ended {
            self.end_tunnel_input();
        }
    }

    /// The tunnel is not opened: nothing goes into it.
    fn drop_held(&mut self) {
        if matches!(self.outbound, Outbound::Held { .. }) {
            self.held.clear();
            self.outbound = Outbound::Ended;
        }
    }

    /// The body of a message breaks a rule.
    #[cold]
    pub(super) fn on_body_fault<'a>(&mut self, refusal: Refusal) -> Progress<'a> {
        if self.role == Role::Client {
            return self.fail_protocol(refusal.reason());
        }
        self.input.clear();
        self.inbound = Inbound::Lost;
        self.watch.stop_head();
        self.leave_later();
        let Some(exchange) = &self.exchange else { return Progress::More };
        let (stream, tag) = (exchange.key, exchange.tag);
        match (exchange.life, self.outbound) {
            (Life::Open, Outbound::Head) => {
                Progress::Event(Event::Refused { stream, tag, refusal })
            }
            (Life::Open, Outbound::Held { .. } | Outbound::Body(_) | Outbound::Ended) => {
                let (code, reason) = (ErrorCode::PROTOCOL_ERROR, refusal.reason());
                self.break_off(code, Party::Us, reason, Processed::Maybe);
                Progress::More
            }
            (Life::Discards { .. } | Life::Over, _) => {
                self.settle();
                Progress::More
            }
        }
    }

    #[cold]
    fn fail_protocol<'a>(&mut self, reason: Reason) -> Progress<'a> {
        self.fail(ConnectionError::protocol(reason));
        Progress::More
    }
}
