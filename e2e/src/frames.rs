//! An HTTP/2 client that sees single frames: when GOAWAY comes and what follows it.
//!
//! It blocks, writes heads without compression and does not decode those that come: a test that needs fields
//! uses `wire`.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use narrows_testkit::process::PATIENCE;

/// DATA.
pub const DATA: u8 = 0;
/// HEADERS.
pub const HEADERS: u8 = 1;
/// RST_STREAM.
pub const RST_STREAM: u8 = 3;
/// SETTINGS.
pub const SETTINGS: u8 = 4;
/// PING.
pub const PING: u8 = 6;
/// GOAWAY.
pub const GOAWAY: u8 = 7;
/// WINDOW_UPDATE.
pub const WINDOW_UPDATE: u8 = 8;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

/// A frame as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Its type.
    pub kind: u8,
    /// Its flags.
    pub flags: u8,
    /// Its stream; 0 is the connection.
    pub stream: u32,
    /// Its payload.
    pub payload: Vec<u8>,
}

/// A connection whose frames the test sees.
#[derive(Debug)]
pub struct FrameClient {
    stream: TcpStream,
    next: u32,
}

// === impl FrameClient ===

impl FrameClient {
    /// Connects in plaintext and sends preface and SETTINGS.
    ///
    /// # Panics
    ///
    /// When nothing accepts there.
    pub fn connect(target: SocketAddr) -> Self {
        let stream = TcpStream::connect(target).expect("the target accepts");
        stream.set_read_timeout(Some(PATIENCE)).expect("loopback takes options");
        let mut client = Self { stream, next: 1 };
        client.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        client.send(SETTINGS, 0, 0, &[]);
        client
    }

    /// Opens a gRPC call and leaves it open; returns its stream.
    pub fn open(&mut self, path: &str, fields: &[(&str, &str)]) -> u32 {
        let stream = self.next;
        self.next += 2;
        let usual = [
            (":method", "POST"),
            (":scheme", "http"),
            (":authority", "localhost"),
            (":path", path),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
        ];
        let fields: Vec<_> = (usual.iter().chain(fields))
            .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
            .collect();
        self.head(stream, &fields, END_HEADERS);
        stream
    }

    /// Sends a whole request with these fields, legal or not, and with this body; returns its stream.
    pub fn request(&mut self, fields: &[(&[u8], &[u8])], body: &[u8]) -> u32 {
        let stream = self.next;
        self.next += 2;
        if body.is_empty() {
            self.head(stream, fields, END_HEADERS | END_STREAM);
        } else {
            self.head(stream, fields, END_HEADERS);
            self.send(DATA, END_STREAM, stream, body);
        }
        stream
    }

    /// As [`FrameClient::request`], with trailers.
    pub fn request_with_trailers(
        &mut self,
        fields: &[(&[u8], &[u8])],
        body: &[u8],
        trailers: &[(&[u8], &[u8])],
    ) -> u32 {
        let stream = self.next;
        self.next += 2;
        self.head(stream, fields, END_HEADERS);
        self.send(DATA, 0, stream, body);
        self.head(stream, trailers, END_HEADERS | END_STREAM);
        stream
    }

    fn head(&mut self, stream: u32, fields: &[(&[u8], &[u8])], flags: u8) {
        let mut block = Vec::new();
        for (name, value) in fields {
            // RFC 7541 §6.2.2: a literal that is not indexed, its name spelled out.
            block.push(0);
            for text in [name, value] {
                put_length(&mut block, text.len());
                block.extend_from_slice(text);
            }
        }
        self.send(HEADERS, flags, stream, &block);
    }

    /// Sends a gRPC message; `last` closes our half of the stream.
    pub fn message(&mut self, stream: u32, message: &[u8], last: bool) {
        let mut payload = vec![0];
        payload.extend_from_slice(&(message.len() as u32).to_be_bytes());
        payload.extend_from_slice(message);
        self.send(DATA, if last { END_STREAM } else { 0 }, stream, &payload);
    }

    /// Reads frames up to one that `wanted` accepts. PING and SETTINGS are answered on the way.
    ///
    /// # Panics
    ///
    /// When the connection ends first.
    pub fn wait_for(&mut self, what: &str, mut wanted: impl FnMut(&Frame) -> bool) -> Frame {
        loop {
            let frame = self.read().unwrap_or_else(|| panic!("the connection ended before {what}"));
            if matches!(frame.kind, PING | SETTINGS) && frame.flags & ACK == 0 {
                let payload = if frame.kind == PING { &frame.payload[..] } else { &[] };
                self.send(frame.kind, ACK, 0, payload);
            }
            if wanted(&frame) {
                return frame;
            }
        }
    }

    /// Reads a frame; `None` when the connection has ended.
    ///
    /// # Panics
    ///
    /// When nothing comes.
    pub fn read(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).ok()?;
        let [a, b, c, kind, flags, stream @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.stream.read_exact(&mut payload).ok()?;
        Some(Frame { kind, flags, stream: u32::from_be_bytes(stream) & 0x7fff_ffff, payload })
    }

    fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let [_, length @ ..] = (payload.len() as u32).to_be_bytes();
        let mut frame = length.to_vec();
        frame.extend_from_slice(&[kind, flags]);
        frame.extend_from_slice(&stream.to_be_bytes());
        frame.extend_from_slice(payload);
        self.write(&frame);
    }

    fn write(&mut self, bytes: &[u8]) {
        // Whether the target still reads, its frames tell.
        let _ = self.stream.write_all(bytes);
    }
}

/// RFC 7541 §5.1, with a prefix of seven bits.
fn put_length(block: &mut Vec<u8>, length: usize) {
    let Some(mut rest) = length.checked_sub(127) else { return block.push(length as u8) };
    block.push(127);
    while rest >= 128 {
        block.push(rest as u8 | 128);
        rest >>= 7;
    }
    block.push(rest as u8);
}

// === impl Frame ===

impl Frame {
    /// Whether it ends its stream.
    pub fn ends_stream(&self) -> bool {
        self.kind == RST_STREAM
            || (matches!(self.kind, DATA | HEADERS) && self.flags & END_STREAM != 0)
    }

    /// Of a GOAWAY: the last stream that will be served, and the code.
    pub fn goaway(&self) -> Option<(u32, u32)> {
        let word =
            |at: usize| Some(u32::from_be_bytes(self.payload.get(at..at + 4)?.try_into().ok()?));
        if self.kind == GOAWAY { Some((word(0)? & 0x7fff_ffff, word(4)?)) } else { None }
    }
}
