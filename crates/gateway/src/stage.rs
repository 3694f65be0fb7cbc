//! Body stages: what changes a message on its way, as gRPC-Web, JSON, and compression do.
//!
//! An exchange without stages is a straight relay and pays nothing for them. A stage sees both directions,
//! in parts as they come, and says what goes on in their place; it may hold back a head until it knows more.
//! It does no I/O and keeps what it holds bounded. The first stage of an exchange is the one nearest to the
//! client: requests pass from first to last, replies from last to first. The worker drives them in
//! `worker/stages.rs`.

mod grpc_web;
mod transcode;

use std::fmt::Debug;

use narrows_wire::Head;
use narrows_wire::codec::End;

use crate::reply::Cause;

pub use grpc_web::GrpcWeb;
pub use transcode::{Transcode, Unbound};

/// Changes the messages of one exchange.
pub trait BodyStage: Debug {
    /// Changes the head of the request, before a node is looked for.
    fn request_head(&mut self, _: &mut Head) {}

    /// Takes bytes of the request's body and appends what goes on to `out`.
    fn request_data(&mut self, data: &[u8], _: End, out: &mut Vec<u8>) -> Result<(), Refusal> {
        out.extend_from_slice(data);
        Ok(())
    }

    /// Takes a part of the reply and adds what goes on to `out`.
    fn reply(&mut self, part: Part<'_>, out: &mut Emitted) -> Result<(), Refusal>;

    /// Whether the client has to be told of failures in a format of its own: the stage gets [`Part::Failure`].
    fn tells_failures(&self) -> bool {
        true
    }
}

/// A part of a reply.
#[derive(Debug, Clone, Copy)]
pub enum Part<'a> {
    /// The head; with [`End::Stream`] it is all there is.
    Head(&'a Head, End),
    /// Bytes of the body.
    Data(&'a [u8], End),
    /// The trailers, which end it.
    Trailers(&'a Head),
    /// The gateway ends the reply itself: what a gRPC caller would get as a whole reply. Parts may have gone
    /// before it.
    Failure(&'a Head),
}

/// What goes on in place of a part: all that is set, in the order of the fields.
#[derive(Debug, Default)]
pub struct Emitted {
    /// The head.
    pub head: Option<Head>,
    /// Bytes of the body.
    pub data: Vec<u8>,
    /// Trailers, which end the reply.
    pub trailers: Option<Head>,
    /// Whether the reply ends.
    pub ended: bool,
}

/// A message that a stage can not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub cause: Cause,
    /// More about it, for the caller.
    pub detail: String,
}

/// The stages of an exchange.
#[derive(Debug, Default)]
pub struct Stages(Vec<Box<dyn BodyStage>>);

// === impl Stages ===

impl Stages {
    /// Whether there is none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a stage behind the others, nearer to the node, and shows it the request's head.
    pub fn push(&mut self, mut stage: Box<dyn BodyStage>, head: &mut Head) {
        stage.request_head(head);
        self.0.push(stage);
    }

    /// Adds a stage before the others, nearest to the client, which has missed the request.
    pub fn push_outermost(&mut self, stage: Box<dyn BodyStage>) {
        self.0.insert(0, stage);
    }

    /// Passes bytes of the request's body through all stages.
    pub fn request(&mut self, data: &[u8], end: End, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let mut stages = self.0.iter_mut();
        let Some(first) = stages.next() else {
            out.extend_from_slice(data);
            return Ok(());
        };
        first.request_data(data, end, out)?;
        for stage in stages {
            let passed = std::mem::take(out);
            stage.request_data(&passed, end, out)?;
        }
        Ok(())
    }

    /// Whether a failure is told through them.
    pub fn tell_failures(&self) -> bool {
        self.0.iter().any(|stage| stage.tells_failures())
    }

    /// Passes a part of the reply through all stages.
    pub fn reply(&mut self, part: Part<'_>) -> Result<Emitted, Refusal> {
        let mut stages = self.0.iter_mut().rev();
        let Some(last) = stages.next() else { return Ok(Emitted::of(part)) };
        let mut emitted = Emitted::default();
        last.reply(part, &mut emitted)?;
        for stage in stages {
            emitted = emitted.through(stage.as_mut())?;
        }
        Ok(emitted)
    }
}

// === impl Emitted ===

impl Emitted {
    /// A part as it came.
    pub fn of(part: Part<'_>) -> Self {
        let mut emitted = Self::default();
        match part {
            Part::Head(head, end) => {
                emitted.head = Some(head.clone());
                emitted.ended = end == End::Stream;
            }
            Part::Data(data, end) => {
                emitted.data.extend_from_slice(data);
                emitted.ended = end == End::Stream;
            }
            Part::Trailers(trailers) => {
                emitted.trailers = Some(trailers.clone());
                emitted.ended = true;
            }
            Part::Failure(whole) => {
                emitted.head = Some(whole.clone());
                emitted.ended = true;
            }
        }
        emitted
    }

    /// Whether the head is all that there is.
    pub fn end_of_head(&self) -> End {
        end(self.ended && self.data.is_empty() && self.trailers.is_none())
    }

    /// Whether the reply ends with the data.
    pub fn end_of_data(&self) -> End {
        end(self.ended && self.trailers.is_none())
    }

    /// What comes out of one more stage.
    pub fn through(self, stage: &mut dyn BodyStage) -> Result<Self, Refusal> {
        let mut out = Self::default();
        let (end_of_head, end_of_data) = (self.end_of_head(), self.end_of_data());
        if let Some(head) = &self.head {
            stage.reply(Part::Head(head, end_of_head), &mut out)?;
        }
        let only_head = self.head.is_some() && end_of_head == End::Stream;
        if !self.data.is_empty() || (end_of_data == End::Stream && !only_head) {
            stage.reply(Part::Data(&self.data, end_of_data), &mut out)?;
        }
        if let Some(trailers) = &self.trailers {
            stage.reply(Part::Trailers(trailers), &mut out)?;
        }
        Ok(out)
    }
}

fn end(is_last: bool) -> End {
    if is_last { End::Stream } else { End::Open }
}

#[cfg(test)]
mod tests {
    use super::*;
    use narrows_wire::{Indexing, Name};

    /// Puts its letter around everything.
    #[derive(Debug)]
    struct Letter(u8);

    impl BodyStage for Letter {
        fn request_head(&mut self, head: &mut Head) {
            head.push_text(b"passed", &[self.0], Indexing::MayRepeat);
        }

        fn request_data(&mut self, data: &[u8], _: End, out: &mut Vec<u8>) -> Result<(), Refusal> {
            out.push(self.0);
            out.extend_from_slice(data);
            Ok(())
        }

        fn reply(&mut self, part: Part<'_>, out: &mut Emitted) -> Result<(), Refusal> {
            match part {
                Part::Head(head, _) => out.head = Some(head.clone()),
                Part::Data(data, end) => {
                    out.data.push(self.0);
                    out.data.extend_from_slice(data);
                    out.ended = end == End::Stream;
                }
                Part::Trailers(head) | Part::Failure(head) => {
                    out.trailers = Some(head.clone());
                    out.ended = true;
                }
            }
            Ok(())
        }
    }

    fn two() -> (Stages, Head) {
        let (mut stages, mut head) = (Stages::default(), Head::new());
        stages.push(Box::new(Letter(b'a')), &mut head);
        stages.push(Box::new(Letter(b'b')), &mut head);
        (stages, head)
    }

    #[test]
    fn requests_pass_from_the_client_to_the_node_and_replies_back() {
        let (mut stages, head) = two();
        let passed: Vec<_> = head.iter().map(|(_, value)| value).collect();
        assert_eq!(passed, [b"a", b"b"]);
        let mut out = Vec::new();
        stages.request(b"-", End::Open, &mut out).unwrap();
        assert_eq!(out, b"ba-");
        let emitted = stages.reply(Part::Data(b"-", End::Stream)).unwrap();
        assert_eq!((emitted.data, emitted.ended), (b"ab-".to_vec(), true));
    }

    #[test]
    fn a_reply_ends_once() {
        let (mut stages, _) = two();
        let mut trailers = Head::new();
        trailers.push(Name::GrpcStatus, b"0", Indexing::MayRepeat);
        let emitted = stages.reply(Part::Trailers(&trailers)).unwrap();
        assert!(emitted.data.is_empty() && emitted.ended);
        assert_eq!(emitted.trailers.unwrap().get(Name::GrpcStatus), Some(&b"0"[..]));
    }
}
