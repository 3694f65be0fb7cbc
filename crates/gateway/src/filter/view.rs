//! What a filter sees of a call, and what it may change.
//!
//! Edits are whole: a field is set or it is not, so a filter that panics between two of them leaves a head
//! that can still be sent. Values are checked here, whoever made them: a CR or LF from a query would become a
//! field, or a request, of its own at the next hop.

use std::net::IpAddr;

use narrows_wire::codec::End;
use narrows_wire::syntax::check_value;
use narrows_wire::{Head, Indexing, Name};

use super::FilterError;
use crate::link::Handshake;
use crate::route::{HeaderName, Request};
use crate::stage::BodyStage;

/// Where a call came from and where it goes.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// The address of the caller.
    pub source: IpAddr,
    /// The name of the listener.
    pub listener: &'a str,
    /// What the TLS handshake said; `None`: the connection is in the clear.
    pub tls: Option<&'a Handshake>,
    /// The name of the route.
    pub route: &'a str,
}

/// A request on its way to a node.
#[derive(Debug)]
pub struct RequestView<'a> {
    origin: Origin<'a>,
    head: &'a mut Head,
    original_path: &'a mut Option<Box<[u8]>>,
}

/// A reply on its way to the client.
#[derive(Debug)]
pub struct ReplyView<'a> {
    origin: Origin<'a>,
    request: &'a Head,
    head: &'a mut Head,
    end: End,
    stages: &'a mut Vec<Box<dyn BodyStage>>,
}

/// A call that is over.
#[derive(Debug, Clone, Copy)]
pub struct Ended<'a> {
    /// Where it came from.
    pub origin: Origin<'a>,
    /// The request as it was sent on.
    pub request: &'a Head,
    /// The HTTP status that was sent; 0: none.
    pub status: u16,
    /// The gRPC status that was sent.
    pub grpc_status: Option<u8>,
}

// === impl RequestView ===

impl<'a> RequestView<'a> {
    /// A view of this head; the path that came goes to `original_path` if it is changed.
    pub fn new(
        origin: Origin<'a>,
        head: &'a mut Head,
        original_path: &'a mut Option<Box<[u8]>>,
    ) -> Self {
        Self { origin, head, original_path }
    }

    /// Where it came from.
    pub fn origin(&self) -> Origin<'a> {
        self.origin
    }

    /// Its fields.
    pub fn head(&self) -> &Head {
        self.head
    }

    /// What matches and templates see of it.
    pub fn request(&self) -> Request<'_> {
        Request { head: self.head, source: self.origin.source }
    }

    /// Gives a field this value, in place of any that it had.
    pub fn set(&mut self, name: &HeaderName, value: &[u8]) -> Result<(), FilterError> {
        set(self.head, name, value)
    }

    /// Appends a field.
    pub fn add(&mut self, name: &HeaderName, value: &[u8]) -> Result<(), FilterError> {
        add(self.head, name, value)
    }

    /// Removes all fields with this name.
    pub fn remove(&mut self, name: &HeaderName) {
        name.remove_from(self.head);
    }

    /// Asks the node for another path; with its query.
    pub fn set_path(&mut self, path: &[u8]) -> Result<(), FilterError> {
        let visible = |byte: &u8| (0x21..0x7f).contains(byte) && *byte != b'#';
        if path.first() != Some(&b'/') || !path.iter().all(visible) {
            return Err(FilterError::Path(path.escape_ascii().to_string()));
        }
        if self.original_path.is_none() {
            *self.original_path = self.head.get(Name::Path).map(Box::from);
        }
        self.head.set(Name::Path, path, Indexing::Unique);
        Ok(())
    }
}

// === impl ReplyView ===

impl<'a> ReplyView<'a> {
    /// A view of this head; stages that are added go to `stages`.
    pub fn new(
        origin: Origin<'a>,
        request: &'a Head,
        (head, end): (&'a mut Head, End),
        stages: &'a mut Vec<Box<dyn BodyStage>>,
    ) -> Self {
        Self { origin, request, head, end, stages }
    }

    /// Where the request came from.
    pub fn origin(&self) -> Origin<'a> {
        self.origin
    }

    /// What matches and templates see of the request, as it was sent on.
    pub fn request(&self) -> Request<'_> {
        Request { head: self.request, source: self.origin.source }
    }

    /// The fields of the reply.
    pub fn head(&self) -> &Head {
        self.head
    }

    /// Whether the head is all of the reply.
    pub fn end(&self) -> End {
        self.end
    }

    /// Gives a field this value, in place of any that it had.
    pub fn set(&mut self, name: &HeaderName, value: &[u8]) -> Result<(), FilterError> {
        set(self.head, name, value)
    }

    /// Appends a field.
    pub fn add(&mut self, name: &HeaderName, value: &[u8]) -> Result<(), FilterError> {
        add(self.head, name, value)
    }

    /// Removes all fields with this name.
    pub fn remove(&mut self, name: &HeaderName) {
        name.remove_from(self.head);
    }

    /// Notes that the reply depends on this field of the request (RFC 9110 §12.5.5).
    pub fn vary_by(&mut self, name: &HeaderName) {
        let names = |value: &[u8]| {
            let mut names = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
            names.any(|one| one == b"*" || one.eq_ignore_ascii_case(name.as_str().as_bytes()))
        };
        let mut fields = self.head.fields().iter().filter(|field| field.name == Name::Vary);
        if !fields.any(|field| names(self.head.value(field))) {
            self.head.push(Name::Vary, name.as_str().as_bytes(), Indexing::MayRepeat);
        }
    }

    /// Has the body of the reply changed by a stage, behind all others on its way.
    pub fn add_stage(&mut self, stage: Box<dyn BodyStage>) {
        self.stages.push(stage);
    }
}

fn set(head: &mut Head, name: &HeaderName, value: &[u8]) -> Result<(), FilterError> {
    check(name, value)?;
    name.set_in(head, value);
    Ok(())
}

fn add(head: &mut Head, name: &HeaderName, value: &[u8]) -> Result<(), FilterError> {
    check(name, value)?;
    name.push_to(head, value);
    Ok(())
}

fn check(name: &HeaderName, value: &[u8]) -> Result<(), FilterError> {
    check_value(value).map_err(|fault| FilterError::Value { field: name.clone(), fault })
}
