//! What the access log is told of a call: one plain struct, filled by a worker, written by the control plane.
//!
//! Records travel in a bounded ring of one producer and one consumer; their text buffers travel back in a
//! second ring, so that a worker allocates nothing in steady state. A full ring means the log can not keep
//! up: the record is dropped and counted, the call is not held up. Nothing is escaped or formatted here.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::reply::Cause;

/// The longest text kept of one field, in bytes; what is behind it is cut off.
pub const TEXT_BYTES_MAX: usize = 2048;

/// A text buffer larger than this is freed, not reused, so that a few long paths do not hold memory.
const REUSED_BYTES_MAX: usize = 4096;

/// When in the life of a call a record was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Kind {
    /// The call is over.
    #[default]
    End,
    /// The call has been routed and goes on.
    Start,
    /// The call still lives; a stream of hours is seen in between.
    Periodic,
}

/// A field of a [`Record`] that holds bytes from the wire. They may be anything; absent is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "named after the fields of the request")]
pub enum Text {
    Method,
    Authority,
    Path,
    UserAgent,
    RequestId,
    /// The whole header; the log takes trace and span from it.
    Traceparent,
    /// As sent to the caller, percent-encoded.
    GrpcMessage,
    /// The server name of the TLS handshake.
    Sni,
    /// The key that was looked up.
    Job,
}

const TEXTS: usize = Text::Job as usize + 1;

/// How long the stages of a call took. `None`: the call never was in that stage.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stages {
    /// From the first HEADERS until now or the end.
    pub total: Duration,
    /// From the first HEADERS to the head of the reply.
    pub first_byte: Option<Duration>,
    /// Waiting for a store.
    pub resolve: Option<Duration>,
    /// Waiting for a stream on a connection, without the connecting itself.
    pub queue: Option<Duration>,
    /// TCP connect and TLS handshake, for the call that had to wait for them.
    pub connect: Option<Duration>,
}

/// A line of the access log.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// When it was made, since 1970-01-01 UTC.
    pub unix_time: Duration,
    /// At which point of the call.
    pub kind: Kind,
    /// Whose call it is: the other end of the connection, or whom a trusted proxy there names.
    pub client: Option<IpAddr>,
    /// The other end of the client's connection; `None` only before it is filled in.
    pub peer: Option<SocketAddr>,
    /// The name of the listener.
    pub listener: Option<Arc<str>>,
    /// `HTTP/2` or `HTTP/1.1`.
    pub protocol: &'static str,
    /// `TLSv1.2` or `TLSv1.3`; empty: in the clear.
    pub tls_version: &'static str,
    /// The name of the route, once matched.
    pub route: Option<Arc<str>>,
    /// The name of the upstream, once matched.
    pub upstream: Option<Arc<str>>,
    /// The node the call went to.
    pub node: Option<SocketAddr>,
    /// The HTTP status sent to the caller; 0: none.
    pub status: u16,
    /// The gRPC status sent to the caller, from the node or made here.
    pub grpc_status: Option<u8>,
    /// Why the gateway ended the call; `None`: the node's own answer went through.
    pub cause: Option<Cause>,
    /// Stage timings.
    pub stages: Stages,
    /// Body bytes from the caller.
    pub bytes_in: u64,
    /// Body bytes to the caller.
    pub bytes_out: u64,
    /// gRPC messages from the caller; `None` where they are not counted.
    pub messages_in: Option<u64>,
    /// gRPC messages to the caller; `None` where they are not counted.
    pub messages_out: Option<u64>,
    /// How often the call was sent to a node.
    pub attempts: u32,
    texts: [(u32, u32); TEXTS],
    bytes: Vec<u8>,
}

/// The end of the ring that a worker has.
#[derive(Debug)]
pub struct Recorder {
    records: rtrb::Producer<Record>,
    spent: rtrb::Consumer<Vec<u8>>,
}

/// The end of the ring that the log has.
#[derive(Debug)]
pub struct Records {
    records: rtrb::Consumer<Record>,
    spent: rtrb::Producer<Vec<u8>>,
}

/// The ring was full: the record is lost and must be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dropped;

/// A ring for so many records that are not yet written.
pub fn ring(capacity: usize) -> (Recorder, Records) {
    let (records, reader) = rtrb::RingBuffer::new(capacity);
    let (returned, spent) = rtrb::RingBuffer::new(capacity);
    (Recorder { records, spent }, Records { records: reader, spent: returned })
}

// === impl Record ===

impl Record {
    /// Copies a text of the request in, once for each field.
    pub fn set_text(&mut self, field: Text, text: &[u8]) {
        let text = text.get(..TEXT_BYTES_MAX).unwrap_or(text);
        // Nine texts of at most 2 KiB each: the offsets fit.
        self.texts[field as usize] = (self.bytes.len() as u32, text.len() as u32);
        self.bytes.extend_from_slice(text);
    }

    /// The bytes of a field; empty: absent.
    pub fn text(&self, field: Text) -> &[u8] {
        let (start, len) = self.texts[field as usize];
        &self.bytes[start as usize..][..len as usize]
    }
}

// === impl Recorder ===

impl Recorder {
    /// An empty record, with a buffer that has been used before if there is one.
    pub fn blank(&mut self) -> Record {
        Record { bytes: self.spent.pop().unwrap_or_default(), ..Record::default() }
    }

    /// Whether [`push`](Self::push) would drop; a worker may then spare itself the filling.
    pub fn is_full(&self) -> bool {
        self.records.is_full()
    }

    /// Hands the record to the log.
    pub fn push(&mut self, record: Record) -> Result<(), Dropped> {
        self.records.push(record).map_err(|_| Dropped)
    }
}

// === impl Records ===

impl Records {
    /// The oldest record.
    pub fn pop(&mut self) -> Option<Record> {
        self.records.pop().ok()
    }

    /// Gives the buffer of a written record back to the worker.
    pub fn recycle(&mut self, record: Record) {
        let mut bytes = record.bytes;
        if bytes.capacity() <= REUSED_BYTES_MAX {
            bytes.clear();
            // A full ring of spent buffers means that this one is not needed.
            let _ = self.spent.push(bytes);
        }
    }

    /// Whether the worker is gone, so that nothing comes any more once this end is empty.
    pub fn is_abandoned(&self) -> bool {
        self.records.is_abandoned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_back_as_they_were_set() {
        let (mut recorder, _records) = ring(1);
        let mut record = recorder.blank();
        record.set_text(Text::Path, b"/a.B/C");
        record.set_text(Text::Job, b"");
        record.set_text(Text::Sni, &[b'x'; TEXT_BYTES_MAX + 1]);
        assert_eq!(record.text(Text::Path), b"/a.B/C");
        assert_eq!(record.text(Text::Job), b"");
        assert_eq!(record.text(Text::UserAgent), b"");
        assert_eq!(record.text(Text::Sni).len(), TEXT_BYTES_MAX);
    }

    #[test]
    fn a_full_ring_drops_what_does_not_fit_and_says_so() {
        let (mut recorder, mut records) = ring(1);
        let first = recorder.blank();
        recorder.push(first).expect("room for one");
        assert!(recorder.is_full());
        assert_eq!(recorder.push(Record::default()), Err(Dropped));
        assert!(records.pop().is_some());
        assert!(records.pop().is_none());
    }

    #[test]
    fn a_written_record_gives_its_buffer_back() {
        let (mut recorder, mut records) = ring(2);
        let mut record = recorder.blank();
        record.set_text(Text::Path, b"/a.B/C");
        let buffer = record.bytes.as_ptr();
        recorder.push(record).expect("room");
        let record = records.pop().expect("pushed");
        records.recycle(record);
        let record = recorder.blank();
        assert_eq!(record.bytes.as_ptr(), buffer);
        assert_eq!(record.text(Text::Path), b"");
        drop(recorder);
        assert!(records.is_abandoned());
    }
}
