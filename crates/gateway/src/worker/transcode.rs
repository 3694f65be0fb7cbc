//! Requests in JSON to nodes that speak gRPC.
//!
//! A request is bound to a method when its route is known and before a node is looked for. From then on it is a
//! call in gRPC whose caller is told everything in JSON, failures of the gateway included.

use narrows_transcode::Failure as Unbindable;
use narrows_wire::grpc::Status;
use narrows_wire::{Head, Indexing, Name};

use super::Worker;
use super::failure::Failure;
use crate::io::Io;
use crate::reply::Cause;
use crate::slab::Key;
use crate::stage::{Emitted, Refusal, Transcode, Unbound};
use crate::transcoding::Methods;

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binding {
    /// It goes on to a node.
    GoesOn,
    /// The gateway itself has answered it.
    Answered,
}

impl<I: Io> Worker<I> {
    /// Binds a request that is no call in gRPC yet, if its upstream takes JSON.
    pub(super) fn transcode(&mut self, key: Key) -> Result<Binding, Failure> {
        let Some(exchange) = self.exchanges.get_mut(key) else { return Ok(Binding::GoesOn) };
        let active = exchange.active.clone();
        let upstream = active.snapshot.upstreams.get(exchange.upstream);
        let Some(transcoding) = upstream.and_then(|upstream| upstream.transcoding.as_deref())
        else {
            return Ok(Binding::GoesOn);
        };
        if exchange.is_grpc || speaks_grpc(&exchange.head) {
            return Ok(Binding::GoesOn);
        }
        let Some(methods) = transcoding.methods() else {
            let message = Cause::NoDescriptors.row().message;
            return Err(self.refuse(key, Unbindable::new(Status::Unavailable, message)));
        };
        let is_read = matches!(exchange.head.get(Name::Method), Some(b"GET" | b"HEAD"));
        let target = exchange.head.get(Name::Path).unwrap_or_default();
        if is_read && transcoding.describes_at(target) {
            self.send_description(key, &methods);
            return Ok(Binding::Answered);
        }
        // No method takes a tunnel.
        let bound = match exchange.is_tunnel_asked {
            true => Ok(None),
            false => methods.transcoder.bind(&exchange.head),
        };
        match bound {
            Ok(Some(call)) => {
                exchange.is_grpc = true;
                self.ask_for_body(key);
                self.add_stage(key, Box::new(Transcode::new(call)));
                self.pass_end_of_head(key)?;
                Ok(Binding::GoesOn)
            }
            Ok(None) => {
                let message = Cause::NotBound.row().message;
                let mut unbound = Unbindable::new(Status::Unimplemented, message);
                unbound.http_status = Cause::NotBound.row().http;
                Err(self.refuse(key, unbound))
            }
            Err(unbindable) => Err(self.refuse(key, unbindable)),
        }
    }

    /// Why a request ends here; its caller is told in JSON.
    fn refuse(&mut self, key: Key, unbindable: Unbindable) -> Failure {
        let cause = match unbindable.status {
            Status::Unavailable => Cause::NoDescriptors,
            Status::InvalidArgument if unbindable.http_status == 415 => Cause::BadBody,
            Status::InvalidArgument => Cause::BadParameters,
            _ => Cause::NotBound,
        };
        // The row says it already where the reason has no words of its own.
        let is_said = unbindable.message == cause.row().message;
        let detail = if is_said { String::new() } else { unbindable.message.clone() };
        self.add_stage(key, Box::new(Unbound::new(unbindable)));
        if let Some(exchange) = self.exchanges.get_mut(key) {
            exchange.is_grpc = true;
        }
        Failure { cause, detail: detail.into() }
    }

    /// Answers with the description of all methods.
    fn send_description(&mut self, key: Key, methods: &Methods) {
        let mut head = self.spare_head();
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        let length = methods.description.len().to_string();
        head.clear();
        head.push(Name::Status, b"200", Indexing::MayRepeat);
        head.push(Name::ContentType, b"application/json", Indexing::MayRepeat);
        head.push(Name::ContentLength, length.as_bytes(), Indexing::MayRepeat);
        let mut emitted = Emitted { head: Some(head), ended: true, ..Emitted::default() };
        // RFC 9110 §9.3.2: no content in a reply to HEAD.
        if exchange.head.get(Name::Method) != Some(b"HEAD") {
            emitted.data.extend_from_slice(&methods.description);
            exchange.reply.bytes = methods.description.len() as u64;
        }
        exchange.times.reply_begun = self.now;
        match self.emit(key, emitted) {
            Ok(_) => self.on_reply_end(key),
            Err(Refusal { cause, detail }) => self.fail(key, cause, detail),
        }
    }
}

/// Whether a request needs no translation, or another one than this (gRPC-Web).
fn speaks_grpc(head: &Head) -> bool {
    const TYPE: &[u8] = b"application/grpc";
    let kind = head.get(Name::ContentType).and_then(|kind| kind.get(..TYPE.len()));
    kind.is_some_and(|kind| kind.eq_ignore_ascii_case(TYPE))
}
