//! Frames as they go by (RFC 6455 §5).
//!
//! The scanner reads headers and counts; of a frame in the middle of its payload it knows only how much
//! is left. When it meets what no frame can be, it says so for ever: then nothing is put into the stream.

/// RFC 6455 §5.2: the first bits of a header.
const FIN: u8 = 0x80;
const MASKED: u8 = 0x80;
const LENGTH: u8 = 0x7f;
const LENGTH_16: u8 = 126;
const LENGTH_64: u8 = 127;
const OPCODE: u8 = 0x0f;
const CONTROL: u8 = 0x08;
const CLOSE: u8 = 0x08;
const OPCODE_LAST: u8 = 0x0a;
/// RFC 6455 §5.5: the longest payload of a control frame.
const CONTROL_BYTES_MAX: u64 = 125;
const MASK_BYTES: u8 = 4;

/// Where a stream of frames stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// Between two frames: a control frame may be put here (RFC 6455 §5.4, also between the fragments of
    /// a message).
    Between,
    /// Inside a frame.
    Inside,
    /// Behind a Close, after which no frame may be sent (RFC 6455 §5.5.1).
    Closed,
    /// Lost: these are no frames.
    Lost,
}

/// Why a tunnel closes (RFC 6455 §7.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CloseCode(pub u16);

/// How the payload of a frame is sent (RFC 6455 §5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Masking {
    /// As servers do.
    Clear,
    /// As clients do, with four random bytes.
    Key([u8; 4]),
}

/// Watches one direction of a tunnel, in chunks of any size.
#[derive(Debug, Clone, Copy, Default)]
pub struct FrameScanner {
    state: State,
    frames: u64,
    payload_bytes: u64,
}

#[derive(Debug, Clone, Copy, Default)]
enum State {
    #[default]
    Between,
    /// The first byte has come.
    Begun {
        opcode: u8,
    },
    /// So many bytes of the length are still to come.
    Length {
        opcode: u8,
        masked: u8,
        left: u8,
        length: u64,
    },
    /// So many bytes of the masking key are still to come, at least one, and then the payload.
    Mask {
        opcode: u8,
        left: u8,
        length: u64,
    },
    /// So many bytes of the payload are still to come, at least one.
    Payload {
        opcode: u8,
        left: u64,
    },
    Closed,
    Lost,
}

// === impl FrameScanner ===

impl FrameScanner {
    /// A scanner at the beginning of a direction.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes.
    pub fn feed(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            let taken = self.feed_frame(data);
            data = data.get(taken..).unwrap_or_default();
        }
    }

    /// Takes bytes up to the end of a frame, and all of them if it does not end here or if no frame can
    /// follow. Tells how many.
    pub fn feed_frame(&mut self, all: &[u8]) -> usize {
        let mut data = all;
        while let Some((&byte, rest)) = data.split_first() {
            data = rest;
            self.state = match self.state {
                State::Between => begin(byte),
                State::Begun { opcode } => self.short_length(opcode, byte),
                State::Length { opcode, masked, left, length } => {
                    self.long_length(opcode, masked, left, length << 8 | u64::from(byte))
                }
                State::Mask { opcode, left, length } => self.mask(opcode, left - 1, length),
                State::Payload { opcode, left } => {
                    // The byte that was taken, and as many as there are.
                    let more = (left - 1).min(rest.len() as u64);
                    data = rest.get(more as usize..).unwrap_or_default();
                    self.payload_bytes += 1 + more;
                    self.payload(opcode, left - 1 - more)
                }
                State::Closed | State::Lost => return all.len(),
            };
            if matches!(self.state, State::Between | State::Closed) {
                break;
            }
        }
        all.len() - data.len()
    }

    /// Where the stream stands.
    pub const fn position(&self) -> Position {
        match self.state {
            State::Between => Position::Between,
            State::Closed => Position::Closed,
            State::Lost => Position::Lost,
            State::Begun { .. }
            | State::Length { .. }
            | State::Mask { .. }
            | State::Payload { .. } => Position::Inside,
        }
    }

    /// Frames that have come to their end.
    pub const fn frames(&self) -> u64 {
        self.frames
    }

    /// Bytes of payload that have gone by.
    pub const fn payload_bytes(&self) -> u64 {
        self.payload_bytes
    }

    fn short_length(&mut self, opcode: u8, byte: u8) -> State {
        let masked = byte & MASKED;
        match byte & LENGTH {
            LENGTH_16 => self.length_of(opcode, masked, 2),
            LENGTH_64 => self.length_of(opcode, masked, 8),
            length => self.sized(opcode, masked, u64::from(length)),
        }
    }

    fn length_of(&self, opcode: u8, masked: u8, left: u8) -> State {
        State::Length { opcode, masked, left, length: 0 }
    }

    fn long_length(&mut self, opcode: u8, masked: u8, left: u8, length: u64) -> State {
        match left - 1 {
            0 => self.sized(opcode, masked, length),
            left => State::Length { opcode, masked, left, length },
        }
    }

    /// The length is known.
    fn sized(&mut self, opcode: u8, masked: u8, length: u64) -> State {
        // RFC 6455 §5.2: the highest bit of a length is 0. §5.5: control frames are short.
        let is_control = opcode & CONTROL != 0;
        if length >> 63 != 0 || (is_control && length > CONTROL_BYTES_MAX) {
            return State::Lost;
        }
        match masked {
            0 => self.payload(opcode, length),
            _ => State::Mask { opcode, left: MASK_BYTES, length },
        }
    }

    fn mask(&mut self, opcode: u8, left: u8, length: u64) -> State {
        match left {
            0 => self.payload(opcode, length),
            left => State::Mask { opcode, left, length },
        }
    }

    fn payload(&mut self, opcode: u8, left: u64) -> State {
        if left > 0 {
            return State::Payload { opcode, left };
        }
        self.frames += 1;
        if opcode == CLOSE { State::Closed } else { State::Between }
    }
}

/// The first byte of a frame. Its three reserved bits are those of extensions (RFC 6455 §5.2).
fn begin(byte: u8) -> State {
    let opcode = byte & OPCODE;
    match opcode {
        // RFC 6455 §5.5: control frames are not fragmented.
        CLOSE..=OPCODE_LAST if byte & FIN == 0 => State::Lost,
        0..=2 | CLOSE..=OPCODE_LAST => State::Begun { opcode },
        _ => State::Lost,
    }
}

// === impl CloseCode ===

impl CloseCode {
    /// All is done.
    pub const NORMAL: Self = Self(1000);
    /// The server is going down.
    pub const GOING_AWAY: Self = Self(1001);
}

/// Appends a Close frame (RFC 6455 §5.5.1).
pub fn write_close(code: CloseCode, masking: Masking, out: &mut Vec<u8>) {
    let payload = code.0.to_be_bytes();
    let length = payload.len() as u8;
    match masking {
        Masking::Clear => {
            out.extend_from_slice(&[FIN | CLOSE, length]);
            out.extend_from_slice(&payload);
        }
        Masking::Key(key) => {
            out.extend_from_slice(&[FIN | CLOSE, MASKED | length]);
            out.extend_from_slice(&key);
            // RFC 6455 §5.3.
            out.extend(payload.iter().zip(key).map(|(byte, mask)| byte ^ mask));
        }
    }
}
