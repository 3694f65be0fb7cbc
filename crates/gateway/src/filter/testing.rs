//! A call for tests of filters.

use std::net::IpAddr;

use narrows_wire::codec::End;
use narrows_wire::{Head, Indexing};

use super::{Filter, FilterError, Origin, ReplyView, RequestView, Verdict};
use crate::reply::LocalReply;
use crate::stage::BodyStage;

/// A request in the hands of one filter.
pub(super) struct Call {
    pub(super) head: Head,
    pub(super) original_path: Option<Box<[u8]>>,
}

// === impl Call ===

impl Call {
    pub(super) fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    pub(super) fn new(method: &str, path: &str) -> Self {
        let head = reply(&[
            (":method", method),
            (":scheme", "http"),
            (":authority", "api.example.com:8080"),
            (":path", path),
        ]);
        Self { head, original_path: None }
    }

    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.head.push_text(name.as_bytes(), value.as_bytes(), Indexing::Unique);
        self
    }

    /// What the filter answers, if it does.
    pub(super) fn request(&mut self, filter: &dyn Filter) -> Option<LocalReply> {
        match self.try_request(filter).expect("no error") {
            Verdict::Continue => None,
            Verdict::Reply(reply) => Some(reply),
        }
    }

    pub(super) fn try_request(&mut self, filter: &dyn Filter) -> Result<Verdict, FilterError> {
        filter.on_request(&mut RequestView::new(origin(), &mut self.head, &mut self.original_path))
    }

    /// A reply with a body, behind the filter.
    pub(super) fn reply(
        &self,
        filter: &dyn Filter,
        mut head: Head,
    ) -> (Head, Option<Box<dyn BodyStage>>) {
        let mut stages = Vec::new();
        let mut view = ReplyView::new(origin(), &self.head, (&mut head, End::Open), &mut stages);
        filter.on_reply(&mut view).expect("no error");
        (head, stages.pop())
    }
}

/// The head of a reply, or of anything else.
pub(super) fn reply(fields: &[(&str, &str)]) -> Head {
    let mut head = Head::new();
    for (name, value) in fields {
        head.push_text(name.as_bytes(), value.as_bytes(), Indexing::MayRepeat);
    }
    head
}

fn origin() -> Origin<'static> {
    let source = IpAddr::from([192, 0, 2, 7]);
    Origin { source, listener: "0.0.0.0:80", tls: None, route: "route" }
}
