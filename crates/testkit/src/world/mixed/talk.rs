//! What is said in a call: the bytes of each message, on both sides of the gateway.
//!
//! They follow from the call alone, so that whoever gets them knows what they must be. Where the gateway
//! translates (gRPC-Web, JSON), what the client says and what the node hears are written down apart.

use super::super::call::Way;
use super::super::rng::mix;
use super::base64;

/// The kind of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Talk {
    /// Bytes, which pass as they are.
    Plain,
    /// Frames in a tunnel.
    WebSocket,
    GrpcWeb,
    GrpcWebText,
    Json,
}

/// In the order of `x-talk`.
pub(super) const TALKS: [Talk; 5] =
    [Talk::Plain, Talk::WebSocket, Talk::GrpcWeb, Talk::GrpcWebText, Talk::Json];

/// What a call says in both directions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Script {
    pub(super) id: u64,
    pub(super) talk: Talk,
    /// Bytes of the request, without what is around them.
    pub(super) up: usize,
    /// Bytes of the reply.
    pub(super) down: usize,
}

// === impl Talk ===

impl Talk {
    /// Whether nodes hear gRPC.
    pub(super) fn becomes_grpc(self) -> bool {
        matches!(self, Self::GrpcWeb | Self::GrpcWebText | Self::Json)
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Plain | Self::WebSocket => "application/octet-stream",
            Self::GrpcWeb => "application/grpc-web+proto",
            Self::GrpcWebText => "application/grpc-web-text",
            Self::Json => "application/json",
        }
    }
}

// === impl Script ===

impl Script {
    /// The body of the request as the client sends it.
    pub(super) fn said(&self) -> Vec<u8> {
        match self.talk {
            Talk::GrpcWebText => base64::encode(&self.heard()),
            Talk::Json => json(&self.letters(Way::Up, self.up)),
            Talk::Plain | Talk::WebSocket | Talk::GrpcWeb => self.heard(),
        }
    }

    /// The body of the request as the node gets it.
    pub(super) fn heard(&self) -> Vec<u8> {
        self.inner(Way::Up, self.up)
    }

    /// The body of the reply as the node sends it.
    pub(super) fn answer(&self) -> Vec<u8> {
        self.inner(Way::Down, self.down)
    }

    /// The body of the reply as the client gets it, without trailers within.
    pub(super) fn answered(&self) -> Vec<u8> {
        match self.talk {
            Talk::Json => json(&self.letters(Way::Down, self.down)),
            _ => self.answer(),
        }
    }

    fn inner(&self, way: Way, len: usize) -> Vec<u8> {
        match self.talk {
            Talk::Plain => self.bytes(way, len),
            Talk::WebSocket => self.frames(way, len),
            Talk::GrpcWeb | Talk::GrpcWebText | Talk::Json => message(&self.letters(way, len)),
        }
    }

    fn bytes(&self, way: Way, len: usize) -> Vec<u8> {
        let byte = |at: u64| mix(self.id ^ (at << 20) ^ ((way as u64) << 63)) as u8;
        (0..len as u64).map(byte).collect()
    }

    fn letters(&self, way: Way, len: usize) -> Vec<u8> {
        self.bytes(way, len + 1).into_iter().map(|byte| b'a' + byte % 26).collect()
    }

    /// Frames of RFC 6455 §5.2 with so many bytes in all, and Close.
    fn frames(&self, way: Way, len: usize) -> Vec<u8> {
        let mut frames = vec![];
        let payload = self.bytes(way, len);
        let size = 1 + mix(self.id) as usize % 3000;
        for part in payload.chunks(size) {
            frame(0x82, way, part, &mut frames);
        }
        frame(0x88, way, &[0x03, 0xe8], &mut frames);
        frames
    }
}

/// RFC 6455 §5.3: clients mask, with this key or any other; what is below the mask concerns nobody here.
fn frame(first: u8, way: Way, payload: &[u8], out: &mut Vec<u8>) {
    let masked = if way == Way::Up { 0x80 } else { 0 };
    out.push(first);
    match payload.len() {
        len @ 0..126 => out.push(masked | len as u8),
        len => {
            out.push(masked | 126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
    }
    if way == Way::Up {
        out.extend_from_slice(b"mask");
    }
    out.extend_from_slice(payload);
}

fn json(letters: &[u8]) -> Vec<u8> {
    [b"{\"text\":\"", letters, b"\"}"].concat()
}

/// A message of gRPC with one field, which is number 1 and has this text.
fn message(letters: &[u8]) -> Vec<u8> {
    let mut field = vec![0x0a];
    let mut len = letters.len();
    while len >= 0x80 {
        field.push(len as u8 | 0x80);
        len >>= 7;
    }
    field.push(len as u8);
    field.extend_from_slice(letters);
    [&[0][..], &(field.len() as u32).to_be_bytes(), &field].concat()
}
