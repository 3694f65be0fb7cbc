//! One call: a request on its way to the node, and a reply on its way back.
//!
//! The owner drives it: [`Call::push_request`] with the body of the caller, [`Call::push_reply`] with the body of
//! the node, and at the end [`Call::finish`] with what the node said, or [`Call::fail`] with what went wrong
//! instead. What is to be sent is appended to the owner's buffer; the head of the reply is given as soon as it
//! is known, which for a reply of one message is at the end. After a failure a call is only good for `fail`.

use std::sync::Arc;

use narrows_wire::codec::End;
use narrows_wire::grpc::{Status, decode_message};
use narrows_wire::{Head, Name};

use crate::accept::ReplyForm;
use crate::failure::Failure;
use crate::reply::Reply;
use crate::request::Request;
use crate::transcoder::Shared;
use crate::{details, heads};

/// A request that was bound to a method, and its reply.
#[derive(Debug)]
pub struct Call {
    pub(crate) shared: Arc<Shared>,
    pub(crate) grpc_path: String,
    pub(crate) request: Request,
    pub(crate) reply: Reply,
    pub(crate) head: HeadState,
}

/// Whether the head of the reply was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeadState {
    /// Not yet.
    Due,
    /// It was.
    Given,
}

/// The head of a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyHead {
    /// The status of HTTP.
    pub http_status: u16,
    /// The field `content-type`.
    pub content_type: String,
    /// The methods for the field `allow`; none if there is to be no such field.
    pub allow: Vec<String>,
}

/// What the node said at the end of a call.
#[derive(Debug, Clone, Copy)]
pub struct Ended<'a> {
    /// `grpc-status`.
    pub status: Status,
    /// `grpc-message` as it came, percent-encoded.
    pub message: &'a [u8],
    /// `grpc-status-details-bin` as it came.
    pub details: Option<&'a [u8]>,
}

/// The end of a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finish {
    /// The head, unless it was given before.
    pub head: Option<ReplyHead>,
    /// How the body ends.
    pub ending: Ending,
    /// The status of the call, for the log.
    pub status: Status,
}

/// How a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// As it should, behind what was appended.
    Complete,
    /// It has to be cut off, so that nobody takes it for whole: it has no place for the failure.
    Cut,
}

// === impl Call ===

impl Call {
    /// The path of the method in gRPC: `/package.Service/Method`.
    pub fn grpc_path(&self) -> &str {
        &self.grpc_path
    }

    /// The form of the reply.
    pub fn reply_form(&self) -> ReplyForm {
        self.reply.form()
    }

    /// Replaces what `out` holds by the head of the gRPC request.
    pub fn request_head(&self, caller: &Head, out: &mut Head) {
        heads::request(&self.grpc_path, caller, out);
    }

    /// Takes the next bytes of the caller's body and appends the gRPC messages that they complete.
    pub fn push_request(
        &mut self,
        data: &[u8],
        end: End,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        self.request.push(data, end, &self.shared.options, out)
    }

    /// The head of a reply of events, due when the node's head has come and does not end the call: browsers wait
    /// for it, however long the first message takes.
    pub fn begin_reply(&mut self) -> Option<ReplyHead> {
        if self.reply.form() == ReplyForm::Events && !self.reply.is_content() {
            return self.give_head();
        }
        None
    }

    /// Takes the next bytes of the node's body and appends those of the reply. Gives the head of the reply, if it
    /// is due before what was appended.
    pub fn push_reply(
        &mut self,
        data: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<ReplyHead>, Failure> {
        self.reply.push(data, &self.shared.options, out)?;
        Ok(if self.has_begun() { self.give_head() } else { None })
    }

    /// Ends the reply with what the node said.
    pub fn finish(&mut self, ended: &Ended<'_>, out: &mut Vec<u8>) -> Finish {
        if ended.status != Status::Ok {
            return self.fail(&self.failure(ended), out);
        }
        let end = match self.reply.form() {
            ReplyForm::Whole => self.reply.check_end().and_then(|()| self.reply.take_whole(out)),
            ReplyForm::Lines | ReplyForm::Events => self.reply.check_end(),
        };
        match end {
            Ok(()) => {
                let (head, ending) = (self.give_head(), Ending::Complete);
                Finish { head, ending, status: Status::Ok }
            }
            Err(failure) => self.fail(&failure, out),
        }
    }

    /// Ends the reply with a failure: of this call, or of whoever brings it to the node.
    pub fn fail(&mut self, failure: &Failure, out: &mut Vec<u8>) -> Finish {
        let status = failure.status;
        if self.head == HeadState::Due && !self.has_begun() {
            self.head = HeadState::Given;
            let head = Some(failure.write(out));
            return Finish { head, ending: Ending::Complete, status };
        }
        let head = self.give_head();
        let ending = if self.reply.is_content() { Ending::Cut } else { Ending::Complete };
        if ending == Ending::Complete {
            self.reply.write_failure(failure, out);
        }
        Finish { head, ending, status }
    }

    /// Whether messages of a stream are on their way to the caller.
    fn has_begun(&self) -> bool {
        self.reply.form() != ReplyForm::Whole && self.reply.messages() > 0
    }

    fn give_head(&mut self) -> Option<ReplyHead> {
        match std::mem::replace(&mut self.head, HeadState::Given) {
            HeadState::Due => Some(ReplyHead::new(200, self.reply.content_type())),
            HeadState::Given => None,
        }
    }

    /// What the node said, as JSON says it.
    fn failure(&self, ended: &Ended<'_>) -> Failure {
        let mut message = Vec::new();
        decode_message(ended.message, &mut message);
        let mut failure = Failure::new(ended.status, String::from_utf8_lossy(&message));
        if let Some(field) = ended.details {
            let (text, details) =
                details::read(field, &self.shared.pool, self.shared.options.print);
            if failure.message.is_empty() {
                failure.message = text;
            }
            failure.details = details;
        }
        failure
    }
}

// === impl ReplyHead ===

impl ReplyHead {
    pub(crate) fn new(http_status: u16, content_type: &str) -> Self {
        Self { http_status, content_type: content_type.to_owned(), allow: Vec::new() }
    }

    /// Replaces what `out` holds by the head of the reply. `node` is the head that the node sent, an empty one if
    /// it sent none.
    pub fn write(&self, node: &Head, out: &mut Head) {
        heads::reply(self, node, out);
    }
}

// === impl Ended ===

impl<'a> Ended<'a> {
    /// Reads the trailers of the node, or its head if that ends the call. None if it lacks a status.
    pub fn of(trailers: &'a Head) -> Option<Self> {
        Some(Self {
            status: Status::parse(trailers.get(Name::GrpcStatus)?)?,
            message: trailers.get(Name::GrpcMessage).unwrap_or_default(),
            details: trailers.get(Name::GrpcStatusDetails),
        })
    }
}
