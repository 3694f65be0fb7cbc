//! A caller of the demonstration: makes a call and waits for its end.

use std::io;
use std::net::{SocketAddr, TcpStream};

use narrows_gateway::clock;
use narrows_wire::codec::{End, Role, StreamKey};
use narrows_wire::{Head, Indexing, Name, grpc};

use super::message::{Answer, CHAT, Messages, SAY, encode};
use super::pipe::{Happened, Pipe};

/// A connection to the gateway.
pub(super) struct Caller {
    pipe: Pipe,
    authority: String,
}

/// What came back.
#[derive(Debug, Default)]
pub(super) struct Reply {
    pub(super) answers: Vec<Answer>,
    pub(super) status: String,
    pub(super) message: String,
}

/// Whether the call goes on.
enum Step {
    Answered,
    Ended,
}

// === impl Caller ===

impl Caller {
    pub(super) fn connect(gateway: SocketAddr) -> io::Result<Self> {
        let pipe = Pipe::new(TcpStream::connect(gateway)?, Role::Client)?;
        Ok(Self { pipe, authority: gateway.to_string() })
    }

    /// Says the words to a job: one in a unary call, several in a stream, each once the one before has
    /// been answered.
    pub(super) fn say(&mut self, job: &str, words: &[&str]) -> io::Result<Reply> {
        let path = if words.len() == 1 { SAY } else { CHAT };
        let head = self.head(path, job);
        let opened = self.pipe.connection.open(clock::now(), 0, &head, End::Open);
        let stream = opened.map_err(|error| io::Error::other(error.to_string()))?;
        let mut reply = Reply::default();
        let mut messages = Messages::default();
        for (at, word) in words.iter().enumerate() {
            let end = if at + 1 == words.len() { End::Stream } else { End::Open };
            self.pipe.connection.send_data(stream, &encode(&[(1, word)]), end);
            if let Step::Ended = self.wait(stream, &mut messages, &mut reply)? {
                return Ok(reply);
            }
        }
        while let Step::Answered = self.wait(stream, &mut messages, &mut reply)? {}
        Ok(reply)
    }

    fn head(&self, path: &str, job: &str) -> Head {
        let mut head = Head::new();
        for (name, value) in [
            (Name::Method, "POST"),
            (Name::Scheme, "http"),
            (Name::Authority, self.authority.as_str()),
            (Name::Path, path),
            (Name::Te, "trailers"),
            (Name::ContentType, "application/grpc"),
            (Name::UserAgent, "narrows-demo"),
            (Name::GrpcTimeout, "10S"),
        ] {
            head.push(name, value.as_bytes(), Indexing::MayRepeat);
        }
        head.push_text(b"jobid", job.as_bytes(), Indexing::MayRepeat);
        head
    }

    /// Waits for the next answer or for the end.
    fn wait(
        &mut self,
        stream: StreamKey,
        messages: &mut Messages,
        reply: &mut Reply,
    ) -> io::Result<Step> {
        loop {
            if let Some(answer) = next_answer(messages)? {
                reply.answers.push(answer);
                return Ok(Step::Answered);
            }
            let closed = || io::Error::new(io::ErrorKind::UnexpectedEof, "the gateway hung up");
            match self.pipe.next()?.ok_or_else(closed)? {
                Happened::Head { head, end: End::Stream, .. } => {
                    reply.end(&head);
                    return Ok(Step::Ended);
                }
                Happened::Head { .. } => {}
                Happened::Data { data, .. } => {
                    self.pipe.connection.grant(stream, data.len());
                    messages.push(&data);
                }
                Happened::Trailers { head, .. } => {
                    reply.end(&head);
                    return Ok(Step::Ended);
                }
                Happened::Reset { why, .. } => {
                    reply.status = "none".to_owned();
                    reply.message = why;
                    return Ok(Step::Ended);
                }
            }
        }
    }
}

fn next_answer(messages: &mut Messages) -> io::Result<Option<Answer>> {
    let bad = || io::Error::new(io::ErrorKind::InvalidData, "the answer is no message");
    match messages.next().map_err(|()| bad())? {
        Some(message) => Answer::decode(&message).map(Some).ok_or_else(bad),
        None => Ok(None),
    }
}

// === impl Reply ===

impl Reply {
    fn end(&mut self, head: &Head) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        self.status = text(head.get(Name::GrpcStatus).unwrap_or(b"none"));
        let mut message = Vec::new();
        grpc::decode_message(head.get(Name::GrpcMessage).unwrap_or_default(), &mut message);
        self.message = text(&message);
    }
}
