//! Messages that stages change on their way (`stage.rs`), between the relay and the links.
//!
//! What is sent is not what has come, so a sender gets credit for all of it once everything that came out of
//! the stages has gone (see `Body::credit`).

use std::panic::{AssertUnwindSafe, catch_unwind};

use narrows_wire::codec::End;
use narrows_wire::{Head, HeadBytes, Indexing, Name};

use super::Worker;
use crate::exchange::{Exchange, MessageSize, Progress};
use crate::io::Io;
use crate::reply::Cause;
use crate::slab::Key;
use crate::stage::{BodyStage, Emitted, Part, Refusal};

impl<I: Io> Worker<I> {
    /// Gives an exchange one more stage.
    pub(super) fn add_stage(&mut self, key: Key, stage: Box<dyn BodyStage>) {
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        let before = [Name::Path, Name::Method].map(|name| exchange.head.get(name).map(Box::from));
        exchange.stages.push(stage, &mut exchange.head);
        let Exchange { head, original_path, original_method, .. } = &mut **exchange;
        for (name, before, original) in
            [(Name::Path, &before[0], original_path), (Name::Method, &before[1], original_method)]
        {
            if original.is_none() && head.get(name) != before.as_deref() {
                original.clone_from(before);
            }
        }
        exchange.request.is_staged = true;
        exchange.reply.is_staged = true;
    }

    /// Asks for a body that waits to be asked for. The node gets another one, so it is not its to say whether it
    /// wants this one (RFC 9110 §10.1.1).
    pub(super) fn ask_for_body(&mut self, key: Key) {
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        if exchange.head.get(Name::Expect).is_none() {
            return;
        }
        exchange.head.remove(Name::Expect);
        let (client, is_awaited) = (exchange.client, exchange.request.progress != Progress::Ended);
        let mut head = self.spare_head();
        head.push(Name::Status, b"100", Indexing::MayRepeat);
        if let Some(link) = self.links.get_mut(client.link).filter(|_| is_awaited) {
            link.codec.send_informational(client.stream, &head);
            self.mark_dirty(client.link);
        }
        self.keep_head(head);
    }

    /// Passes bytes of a request through the stages, and on.
    pub(super) fn pass_request(&mut self, key: Key, data: &[u8], end: End) {
        self.pass_request_on(key, (data, end), end);
    }

    /// A request ends with trailers: what the stages still hold of its body goes before them.
    pub(super) fn pass_request_rest(&mut self, key: Key) {
        self.pass_request_on(key, (&[], End::Stream), End::Open);
    }

    /// `end` is that of what comes out.
    fn pass_request_on(&mut self, key: Key, (data, end_of_data): (&[u8], End), end: End) {
        let mut out = self.spare_bodies.pop().unwrap_or_default();
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        match guarded(|| exchange.stages.request(data, end_of_data, &mut out)) {
            Ok(()) => {
                exchange.request.unsent += out.len() as u64;
                let limit = exchange.message_bytes_max();
                let size = match exchange.is_grpc {
                    true => exchange.request.count_messages(&out, limit),
                    false => MessageSize::Within,
                };
                match size {
                    MessageSize::Within => self.take_request(key, &out, end, &[]),
                    MessageSize::TooLarge => {
                        self.fail(key, Cause::MessageTooLarge, String::new());
                    }
                }
            }
            Err(Refusal { cause, detail }) => self.fail(key, cause, detail),
        }
        self.keep_body(out);
    }

    /// Passes a part of a reply through the stages, and on.
    pub(super) fn pass_reply(&mut self, key: Key, part: Part<'_>) {
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        match guarded(|| exchange.stages.reply(part)) {
            Ok(emitted) => self.send_emitted(key, emitted),
            Err(Refusal { cause, detail }) => self.fail(key, cause, detail),
        }
    }

    fn send_emitted(&mut self, key: Key, emitted: Emitted) {
        let ended = emitted.ended;
        match self.emit(key, emitted) {
            Ok(_) if ended => self.on_reply_end(key),
            Ok(credit) => {
                if let Some(node) = self.exchanges.get(key).and_then(|exchange| exchange.node_leg())
                {
                    self.grant(node, credit);
                }
            }
            Err(Refusal { cause, detail }) => self.fail(key, cause, detail),
        }
    }

    /// Tells the client of a failure through the stages; `whole` is what a gRPC caller would be told. `false`:
    /// they can not say it.
    pub(super) fn pass_failure(&mut self, key: Key, whole: &Head) -> bool {
        let Some(exchange) = self.exchanges.get_mut(key) else { return true };
        let Ok(emitted) = guarded(|| exchange.stages.reply(Part::Failure(whole))) else {
            return false;
        };
        self.emit(key, emitted).is_ok()
    }

    /// Writes what came out of the stages to the client; gives the credit that the node gets for it.
    pub(super) fn emit(&mut self, key: Key, mut emitted: Emitted) -> Result<usize, Refusal> {
        if emitted.head.is_some() {
            emitted = self.filter_reply(key, emitted)?;
        }
        let Some(exchange) = self.exchanges.get_mut(key) else { return Ok(0) };
        let client = exchange.client;
        let Some(link) = self.links.get_mut(client.link) else { return Ok(0) };
        let mut ended = false;
        if let Some(head) = &emitted.head {
            exchange.note_http_status(head);
            if exchange.reply.heads == HeadBytes::default() {
                // It is ours.
                exchange.reply.count_fields(head);
            }
            ended = emitted.end_of_head() == End::Stream;
            link.codec.send_head(client.stream, head, emitted.end_of_head());
        }
        let mut sent = 0;
        if !ended && (!emitted.data.is_empty() || emitted.end_of_data() == End::Stream) {
            exchange.reply.unsent += emitted.data.len() as u64;
            sent = link.codec.send_data(client.stream, &emitted.data, emitted.end_of_data());
        }
        if let Some(trailers) = &emitted.trailers {
            link.codec.send_trailers(client.stream, trailers);
        }
        self.mark_dirty(client.link);
        let credit = self.exchanges.get_mut(key).map_or(0, |exchange| exchange.reply.credit(sent));
        if let Some(head) = emitted.head {
            self.keep_head(head);
        }
        Ok(credit)
    }
}

/// A stage that panics ends its own call and no other.
fn guarded<T>(pass: impl FnOnce() -> Result<T, Refusal>) -> Result<T, Refusal> {
    // The stages of a call that ends are not asked again but for how to tell it.
    catch_unwind(AssertUnwindSafe(pass)).unwrap_or_else(|_| {
        Err(Refusal { cause: Cause::Internal, detail: "a stage panicked".to_owned() })
    })
}
