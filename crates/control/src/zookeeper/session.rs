//! A session on one connection.
//!
//! Requests are answered in turn; what happens at watched paths comes in between. A server that says nothing for two
//! thirds of the time of the session is given up, so that another one can be found before the ensemble forgets the
//! session. Every wait may be dropped at any time: bytes that have come stay in the buffer.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::wire::{Malformed, Reader, Writer};
use super::{Event, ZookeeperError, ZookeeperOptions};
use crate::connect::{Node as Server, Stream};

/// The largest frame that is read.
const FRAME_BYTES_MAX: i32 = 64 << 20;

/// Requests that are sent before their replies are read.
const PIPELINED_MAX: usize = 256;

/// Numbers of what is not a reply to a request.
const XID_EVENT: i32 = -1;
const XID_PING: i32 = -2;
const XID_AUTH: i32 = -4;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
enum Operation {
    Create = 1,
    Exists = 3,
    Data = 4,
    Children = 8,
    Ping = 11,
    Close = -11,
    Auth = 100,
}

/// By what the ensemble knows a session, so that it goes on with another connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    id: i64,
    password: Vec<u8>,
    /// The last change that was seen; a server that is behind it does not take the session.
    zxid: i64,
}

/// How long a node that is created lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lifetime {
    /// Until it is deleted.
    Persistent,
    /// As long as the session.
    Ephemeral,
}

/// A session.
pub(crate) struct Session {
    server: String,
    stream: Box<dyn Stream>,
    received: Vec<u8>,
    events: VecDeque<Event>,
    identity: Identity,
    timeout: Duration,
    xid: i32,
}

/// What a frame is.
enum Frame {
    Event(Event),
    Reply { xid: i32, code: i32, body: Vec<u8> },
    Nothing,
}

// === impl Identity ===

impl Identity {
    /// The number of the session, by which it owns nodes.
    pub(crate) fn id(&self) -> i64 {
        self.id
    }
}

// === impl Session ===

impl Session {
    /// Opens a session with the first server that takes it; or the one with this identity again.
    pub(crate) async fn open(
        options: &ZookeeperOptions,
        identity: &Identity,
    ) -> Result<Self, ZookeeperError> {
        let mut problems = Vec::new();
        // Not always the same one first: the others would idle.
        let first = usize::try_from(identity.zxid).unwrap_or(0) + std::process::id() as usize;
        let count = options.servers.len().max(1);
        let patience = options.session_timeout / 3;
        for at in 0..options.servers.len() {
            let Some(server) = options.servers.get((first + at) % count) else { continue };
            match timeout(patience, Self::begin(options, identity, server)).await {
                Ok(Ok(session)) => return Ok(session),
                Ok(Err(error @ (ZookeeperError::Expired | ZookeeperError::Refused))) => {
                    return Err(error);
                }
                Ok(Err(ZookeeperError::Lost { server, error })) => {
                    problems.push(format!("{server}: {error}"));
                }
                Ok(Err(error)) => problems.push(format!("{server}: {error}")),
                Err(_) => problems.push(format!("{server}: no session within {patience:?}")),
            }
        }
        Err(ZookeeperError::NoServer(problems))
    }

    async fn begin(
        options: &ZookeeperOptions,
        identity: &Identity,
        server: &Server,
    ) -> Result<Self, ZookeeperError> {
        let name = server.to_string();
        let lost = |error| ZookeeperError::Lost { server: name.clone(), error };
        let stream = server.clone().connect().await.map_err(lost)?;
        let mut session = Self {
            server: name,
            stream,
            received: Vec::new(),
            events: VecDeque::new(),
            identity: identity.clone(),
            timeout: options.session_timeout,
            xid: 0,
        };
        let millis = i32::try_from(options.session_timeout.as_millis()).unwrap_or(i32::MAX);
        let Identity { id, password, zxid } = identity;
        let request = Writer::new().int(0).long(*zxid).int(millis).long(*id);
        // Not a read-only server: it may know nothing of the others.
        session.write(&request.bytes(password).byte(0).frame()).await?;
        session.welcome().await?;
        if let Some((user, password)) = &options.user {
            let secret = format!("{user}:{}", password.reveal());
            let auth = Writer::new().int(XID_AUTH).int(Operation::Auth as i32).int(0);
            session.write(&auth.text("digest").text(&secret).frame()).await?;
            session.reply(XID_AUTH, "").await?;
        }
        Ok(session)
    }

    /// The children of a path, by name; watches them.
    pub(crate) async fn children(&mut self, path: &str) -> Result<Vec<String>, ZookeeperError> {
        let body = self.call(Operation::Children, path, |writer| writer.text(path).byte(1)).await?;
        Ok(Reader::new(&body).texts()?)
    }

    /// Whether there is something at a path; watches it, also if there is nothing.
    pub(crate) async fn exists(&mut self, path: &str) -> Result<bool, ZookeeperError> {
        Ok(self.stat(path).await?.is_some())
    }

    /// Whose it is, if there is something at a path and it is ephemeral; watches it, also if there is nothing.
    pub(crate) async fn owner(&mut self, path: &str) -> Result<Option<i64>, ZookeeperError> {
        let Some(stat) = self.stat(path).await? else { return Ok(None) };
        let mut stat = Reader::new(&stat);
        // Two changes, two times, three versions; then the owner.
        for _ in 0..4 {
            stat.long()?;
        }
        for _ in 0..3 {
            stat.int()?;
        }
        Ok(Some(stat.long()?))
    }

    /// Creates a node that everybody may read and change.
    pub(crate) async fn create(
        &mut self,
        path: &str,
        data: &[u8],
        lifetime: Lifetime,
    ) -> Result<(), ZookeeperError> {
        const ALL: i32 = 31;
        let flags = i32::from(lifetime == Lifetime::Ephemeral);
        let request = |writer: Writer| {
            let writer = writer.text(path).bytes(data).int(1).int(ALL);
            writer.text("world").text("anyone").int(flags)
        };
        self.call(Operation::Create, path, request).await.map(drop)
    }

    /// Ends the session, and its ephemeral nodes with it.
    pub(crate) async fn close(mut self) -> Result<(), ZookeeperError> {
        self.call(Operation::Close, "", |writer| writer).await.map(drop)
    }

    /// By what the session can be taken up again.
    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The data at each of the paths, as far as they are there; watches them.
    pub(crate) async fn data(
        &mut self,
        paths: &[String],
    ) -> Result<Vec<Option<Vec<u8>>>, ZookeeperError> {
        let mut all = Vec::with_capacity(paths.len());
        for some in paths.chunks(PIPELINED_MAX) {
            let mut frames = Vec::new();
            let first = self.xid + 1;
            for path in some {
                frames.extend(self.request(Operation::Data, |writer| writer.text(path).byte(1)));
            }
            self.write(&frames).await?;
            for (xid, path) in (first..).zip(some) {
                all.push(match self.reply(xid, path).await {
                    Ok(body) => Some(Reader::new(&body).bytes()?.to_vec()),
                    Err(ZookeeperError::Missing(_)) => None,
                    Err(error) => return Err(error),
                });
            }
        }
        Ok(all)
    }

    /// Waits for something to happen at what is watched, and keeps the session alive meanwhile.
    pub(crate) async fn event(&mut self) -> Result<Event, ZookeeperError> {
        let third = self.timeout / 3;
        let mut unanswered = 0;
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(event);
            }
            match timeout(third, self.read()).await {
                Ok(frame) => match self.frame(&frame?)? {
                    Frame::Event(event) => return Ok(event),
                    Frame::Nothing => unanswered = 0,
                    Frame::Reply { xid, .. } => return Err(Malformed::Reply(xid).into()),
                },
                Err(_) if unanswered == 1 => return Err(self.silent()),
                Err(_) => {
                    unanswered += 1;
                    let ping = Writer::new().int(XID_PING).int(Operation::Ping as i32).frame();
                    self.write(&ping).await?;
                }
            }
        }
    }

    /// What is known of a path but its data; watches it.
    async fn stat(&mut self, path: &str) -> Result<Option<Vec<u8>>, ZookeeperError> {
        match self.call(Operation::Exists, path, |writer| writer.text(path).byte(1)).await {
            Ok(body) => Ok(Some(body)),
            Err(ZookeeperError::Missing(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn call(
        &mut self,
        operation: Operation,
        path: &str,
        body: impl FnOnce(Writer) -> Writer,
    ) -> Result<Vec<u8>, ZookeeperError> {
        let request = self.request(operation, body);
        let xid = self.xid;
        self.write(&request).await?;
        self.reply(xid, path).await
    }

    fn request(&mut self, operation: Operation, body: impl FnOnce(Writer) -> Writer) -> Vec<u8> {
        self.xid = self.xid.wrapping_add(1).max(1);
        body(Writer::new().int(self.xid).int(operation as i32)).frame()
    }

    /// The reply to a request. Events before it are kept.
    async fn reply(&mut self, wanted: i32, path: &str) -> Result<Vec<u8>, ZookeeperError> {
        let patience = self.timeout * 2 / 3;
        loop {
            let Ok(frame) = timeout(patience, self.read()).await else { return Err(self.silent()) };
            match self.frame(&frame?)? {
                Frame::Event(event) => self.events.push_back(event),
                Frame::Nothing => {}
                Frame::Reply { xid, code: 0, body } if xid == wanted => return Ok(body),
                Frame::Reply { xid, code, .. } if xid == wanted => {
                    return Err(ZookeeperError::of_code(code, path));
                }
                Frame::Reply { xid, .. } => return Err(Malformed::Reply(xid).into()),
            }
        }
    }

    /// The first frame of a connection.
    async fn welcome(&mut self) -> Result<(), ZookeeperError> {
        let frame = self.read().await?;
        let mut reader = Reader::new(&frame);
        let _version = reader.int()?;
        let millis = reader.int()?;
        let (id, password) = (reader.long()?, reader.bytes()?.to_vec());
        // A session that is not known any more has no time.
        let Some(millis @ 1..) = u64::try_from(millis).ok() else {
            return Err(ZookeeperError::Expired);
        };
        self.timeout = Duration::from_millis(millis);
        self.identity = Identity { id, password, zxid: self.identity.zxid };
        Ok(())
    }

    fn frame(&mut self, frame: &[u8]) -> Result<Frame, Malformed> {
        let mut reader = Reader::new(frame);
        let (xid, zxid, code) = (reader.int()?, reader.long()?, reader.int()?);
        if zxid > 0 {
            self.identity.zxid = self.identity.zxid.max(zxid);
        }
        match xid {
            XID_EVENT => {
                let (kind, _state) = (reader.int()?.into(), reader.int()?);
                Ok(Frame::Event(Event { kind, path: reader.text()?.to_owned() }))
            }
            XID_PING => Ok(Frame::Nothing),
            xid => {
                Ok(Frame::Reply { xid, code, body: frame.get(16..).unwrap_or_default().to_vec() })
            }
        }
    }

    async fn write(&mut self, frame: &[u8]) -> Result<(), ZookeeperError> {
        let write = async {
            self.stream.write_all(frame).await?;
            self.stream.flush().await
        };
        match timeout(self.timeout * 2 / 3, write).await {
            Ok(written) => written.map_err(|error| self.lost(error)),
            Err(_) => Err(self.silent()),
        }
    }

    /// The next frame, without its length.
    async fn read(&mut self) -> Result<Vec<u8>, ZookeeperError> {
        loop {
            if let Some(length) = self.received.first_chunk() {
                let length = i32::from_be_bytes(*length);
                let valid = usize::try_from(length).ok().filter(|_| length <= FRAME_BYTES_MAX);
                let end = valid.ok_or(Malformed::Frame(length))? + 4;
                if self.received.len() >= end {
                    let rest = self.received.split_off(end);
                    let frame = std::mem::replace(&mut self.received, rest);
                    return Ok(frame.get(4..).unwrap_or_default().to_vec());
                }
            }
            match self.stream.read_buf(&mut self.received).await {
                Ok(0) => return Err(self.lost(io::ErrorKind::UnexpectedEof.into())),
                Ok(_) => {}
                Err(error) => return Err(self.lost(error)),
            }
        }
    }

    fn lost(&self, error: io::Error) -> ZookeeperError {
        ZookeeperError::Lost { server: self.server.clone(), error }
    }

    fn silent(&self) -> ZookeeperError {
        let after = self.timeout * 2 / 3;
        ZookeeperError::Silent { server: self.server.clone(), after }
    }
}
