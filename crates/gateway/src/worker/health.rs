//! `grpc.health.v1.Health`, answered by the gateway about itself.
//!
//! `Check` and `Watch` tell SERVING until a drain begins, then NOT_SERVING. The empty service name means
//! the gateway; any other name is known if a route would take calls of that service.
//! Source: grpc/doc/health-checking.md.

use narrows_wire::codec::End;
use narrows_wire::grpc::Status;
use narrows_wire::{Head, Indexing, Name};

use super::failure::Failure;
use super::{Worker, hop};
use crate::exchange::{Progress, Stage};
use crate::io::Io;
use crate::reply::Cause;
use crate::route::Request;
use crate::slab::Key;

const SERVICE: &[u8] = b"/grpc.health.v1.Health/";
const CHECK: &[u8] = b"/grpc.health.v1.Health/Check";
const WATCH: &[u8] = b"/grpc.health.v1.Health/Watch";

/// `HealthCheckResponse.ServingStatus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Serving {
    Yes = 1,
    No = 2,
    Unknown = 3,
}

impl<I: Io> Worker<I> {
    pub(super) fn is_health_check(&self, key: Key) -> bool {
        let path = self.exchanges.get(key).and_then(|exchange| exchange.head.get(Name::Path));
        path.is_some_and(|path| path.starts_with(SERVICE))
    }

    /// Waits for the request, which is one small message.
    pub(super) fn begin_health(&mut self, key: Key) -> Result<(), Failure> {
        let Some(exchange) = self.exchanges.get_mut(key) else { return Ok(()) };
        exchange.stage = Stage::Local;
        let path = exchange.head.get(Name::Path).unwrap_or_default();
        if path != CHECK && path != WATCH {
            return Err(Failure::with(Cause::NoRoute, "the health service has Check and Watch"));
        }
        if exchange.request.progress == Progress::Ended {
            self.answer_health(key);
        }
        Ok(())
    }

    /// The request has come.
    pub(super) fn answer_health(&mut self, key: Key) {
        let Some(exchange) = self.exchanges.get(key) else { return };
        let serving = self.serving(&exchange.kept, key);
        let watches = exchange.head.get(Name::Path) == Some(WATCH);
        match serving {
            None => self.fail(key, Cause::Internal, "not a HealthCheckRequest"),
            Some(Serving::Unknown) if !watches => self.reply_health(key, None, Status::NotFound),
            Some(serving) => {
                self.reply_health(key, Some(serving), Status::Ok);
                if watches && serving == Serving::Yes {
                    return; // stays open until the drain
                }
                self.end_health(key, Status::Ok);
            }
        }
    }

    /// A drain began: watchers are told, and their streams end.
    pub(super) fn tell_watchers(&mut self) {
        let watchers: Vec<Key> = self
            .exchanges
            .iter()
            .filter(|(_, exchange)| {
                exchange.stage == Stage::Local && exchange.reply.progress == Progress::Begun
            })
            .map(|(key, _)| key)
            .collect();
        for key in watchers {
            self.send_health(key, Serving::No);
            self.end_health(key, Status::Ok);
        }
    }

    fn serving(&self, body: &[u8], key: Key) -> Option<Serving> {
        let service = parse_request(body)?;
        let known = service.is_empty() || self.routes_service(service, key);
        Some(match known {
            false => Serving::Unknown,
            true if self.draining.is_some() => Serving::No,
            true => Serving::Yes,
        })
    }

    /// Whether a route would take a call of this service that looks like this one otherwise.
    fn routes_service(&self, service: &[u8], key: Key) -> bool {
        let Some(exchange) = self.exchanges.get(key) else { return false };
        let mut head = exchange.head.clone();
        let path = [b"/", service, b"/"].concat();
        head.set(Name::Path, &path, Indexing::Unique);
        let request = Request { head: &head, source: exchange.source };
        exchange.active.snapshot.router.find(&request).is_some()
    }

    /// Sends the head with a message, or the whole reply without one.
    fn reply_health(&mut self, key: Key, serving: Option<Serving>, status: Status) {
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        let client = exchange.client;
        exchange.status = 200;
        exchange.reply.progress = Progress::Begun;
        let mut head = Head::new();
        head.push(Name::Status, b"200", Indexing::MayRepeat);
        head.push(Name::ContentType, b"application/grpc", Indexing::MayRepeat);
        let Some(link) = self.links.get_mut(client.link) else { return };
        hop::sign(exchange, link, &mut head, &mut self.scratch);
        match serving {
            Some(serving) => {
                link.codec.send_head(client.stream, &head, End::Open);
                self.send_health(key, serving);
            }
            None => {
                exchange.grpc_status = Some(status.code());
                head.push(Name::GrpcStatus, status.digits().as_bytes(), Indexing::MayRepeat);
                link.codec.send_head(client.stream, &head, End::Stream);
                self.mark_dirty(client.link);
                self.finish(key);
            }
        }
    }

    fn send_health(&mut self, key: Key, serving: Serving) {
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        let client = exchange.client;
        // An uncompressed message of two bytes: field 1, a varint.
        let message = [0, 0, 0, 0, 2, 0x08, serving as u8];
        exchange.reply.bytes += message.len() as u64;
        if let Some(link) = self.links.get_mut(client.link) {
            link.codec.send_data(client.stream, &message, End::Open);
            self.mark_dirty(client.link);
        }
    }

    fn end_health(&mut self, key: Key, status: Status) {
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        let client = exchange.client;
        exchange.grpc_status = Some(status.code());
        exchange.reply.progress = Progress::Ended;
        let mut trailers = Head::new();
        trailers.push(Name::GrpcStatus, status.digits().as_bytes(), Indexing::MayRepeat);
        if let Some(link) = self.links.get_mut(client.link) {
            link.codec.send_trailers(client.stream, &trailers);
            self.mark_dirty(client.link);
        }
        self.finish(key);
    }
}

/// The service name of a `HealthCheckRequest`: field 1, a string; absent is empty.
fn parse_request(body: &[u8]) -> Option<&[u8]> {
    let message = match body {
        [] => return Some(&[]),
        [0, a, b, c, d, message @ ..] => {
            let len = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
            message.get(..len)?
        }
        _ => return None,
    };
    match message {
        [] => Some(&[]),
        [0x0a, len, name @ ..] if *len < 128 => name.get(..usize::from(*len)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::parse_request;

    #[test]
    fn the_service_name_is_read_and_what_is_none_is_refused() {
        assert_eq!(parse_request(b""), Some(&b""[..]));
        assert_eq!(parse_request(b"\0\0\0\0\0"), Some(&b""[..]));
        assert_eq!(parse_request(b"\0\0\0\0\x05\x0a\x03a.B"), Some(&b"a.B"[..]));
        assert_eq!(parse_request(b"\0\0\0\0\x05\x0a\x09a.B"), None);
        assert_eq!(parse_request(b"\x01\0\0\0\0"), None);
        assert_eq!(parse_request(b"\0\0\0"), None);
    }
}
