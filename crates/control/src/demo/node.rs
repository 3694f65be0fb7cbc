//! A node of the demonstration: answers each message with its own name.
//!
//! One thread accepts, one thread serves each connection; they end with the process.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::Builder;

use narrows_wire::codec::{End, ErrorCode, Role, StreamKey};
use narrows_wire::{Head, Indexing, Name};

use super::message::{Answer, CHAT, Messages, SAY, field};
use super::pipe::{Happened, Pipe};

/// A call that is being answered.
#[derive(Default)]
struct Call {
    job: String,
    messages: Messages,
}

struct Node {
    name: &'static str,
    pipe: Pipe,
    calls: HashMap<StreamKey, Call>,
}

/// Starts a node on a port that the system chooses.
pub(super) fn start(name: &'static str) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    Builder::new().name(name.to_owned()).spawn(move || {
        for socket in listener.incoming().flatten() {
            let serve = move || {
                if let Err(error) = serve(name, socket) {
                    tracing::debug!(%error, node = name, "a connection of a node has ended");
                }
            };
            // Without a thread the connection closes, and its caller is told so.
            let _ = Builder::new().name(name.to_owned()).spawn(serve);
        }
    })?;
    Ok(address)
}

fn serve(name: &'static str, socket: TcpStream) -> io::Result<()> {
    let pipe = Pipe::new(socket, Role::Server)?;
    let mut node = Node { name, pipe, calls: HashMap::new() };
    while let Some(happened) = node.pipe.next()? {
        node.react(happened);
    }
    Ok(())
}

// === impl Node ===

impl Node {
    fn react(&mut self, happened: Happened) {
        match happened {
            Happened::Head { stream, head, end } => self.begin(stream, &head, end),
            Happened::Data { stream, data, end } => {
                self.pipe.connection.grant(stream, data.len());
                self.answer(stream, &data);
                if end == End::Stream {
                    self.end(stream);
                }
            }
            Happened::Trailers { stream, .. } => self.end(stream),
            Happened::Reset { stream, .. } => self.forget(stream),
        }
    }

    fn begin(&mut self, stream: StreamKey, head: &Head, end: End) {
        let path = head.get(Name::Path).unwrap_or_default();
        let mut reply = Head::new();
        reply.push(Name::Status, b"200", Indexing::MayRepeat);
        reply.push(Name::ContentType, b"application/grpc", Indexing::MayRepeat);
        if path != SAY.as_bytes() && path != CHAT.as_bytes() {
            reply.push(Name::GrpcStatus, b"12", Indexing::MayRepeat);
            self.pipe.connection.send_head(stream, &reply, End::Stream);
            return self.pipe.connection.release(stream);
        }
        self.pipe.connection.send_head(stream, &reply, End::Open);
        let job = head.find(b"jobid").unwrap_or_default();
        let job = String::from_utf8_lossy(job).into_owned();
        self.calls.insert(stream, Call { job, messages: Messages::default() });
        if end == End::Stream {
            self.end(stream);
        }
    }

    fn answer(&mut self, stream: StreamKey, data: &[u8]) {
        let Some(call) = self.calls.get_mut(&stream) else { return };
        call.messages.push(data);
        loop {
            let message = match call.messages.next() {
                Ok(Some(message)) => message,
                Ok(None) => return,
                Err(()) => break,
            };
            let Some(words) = field(&message, 1) else { break };
            let text = format!("{} heard {words:?}", self.name);
            let answer = Answer { text, node: self.name.to_owned(), job: call.job.clone() };
            self.pipe.connection.send_data(stream, &answer.encode(), End::Open);
        }
        self.pipe.connection.reset(stream, ErrorCode::INTERNAL_ERROR);
        self.forget(stream);
    }

    fn end(&mut self, stream: StreamKey) {
        if self.calls.contains_key(&stream) {
            let mut trailers = Head::new();
            trailers.push(Name::GrpcStatus, b"0", Indexing::MayRepeat);
            self.pipe.connection.send_trailers(stream, &trailers);
        }
        self.forget(stream);
    }

    fn forget(&mut self, stream: StreamKey) {
        self.calls.remove(&stream);
        self.pipe.connection.release(stream);
    }
}
