//! The framing of gRPC messages: a byte of flags, four of length, the message (PROTOCOL-HTTP2.md,
//! "Length-Prefixed-Message").

/// Flags and length.
const PREFIX_BYTES: usize = 5;

/// A buffer that has grown above this is given back after its message.
const KEPT_BYTES: usize = 64 << 10;

/// Gives the messages of a reply one by one, however it is cut.
#[derive(Debug)]
pub(crate) struct FrameReader {
    message_bytes_max: usize,
    buffer: Vec<u8>,
    given: Given,
}

/// Whether the buffer still holds a message that was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Given {
    No,
    Yes,
}

/// Why the messages can not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FrameFault {
    /// Compressed, which was not asked for.
    Compressed,
    /// A byte of flags that nobody defined.
    Flags,
    /// Longer than allowed; the length that was announced.
    TooLong(u32),
}

/// Appends a message behind its prefix. An error is the length of one that no prefix can say.
pub(crate) fn write(message: &[u8], out: &mut Vec<u8>) -> Result<(), usize> {
    let length = u32::try_from(message.len()).map_err(|_| message.len())?;
    out.push(0);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(message);
    Ok(())
}

// === impl FrameReader ===

impl FrameReader {
    pub(crate) fn new(message_bytes_max: usize) -> Self {
        Self { message_bytes_max, buffer: Vec::new(), given: Given::No }
    }

    /// The next message, none if more bytes are needed. What is taken is cut off the input.
    pub(crate) fn next<'a, 'i: 'a>(
        &'a mut self,
        input: &mut &'i [u8],
    ) -> Result<Option<&'a [u8]>, FrameFault> {
        if self.given == Given::Yes {
            self.forget();
        }
        if self.buffer.is_empty() && input.len() >= PREFIX_BYTES {
            let length = self.length(input)?;
            if let Some((frame, behind)) = input.split_at_checked(PREFIX_BYTES + length) {
                *input = behind;
                return Ok(frame.get(PREFIX_BYTES..));
            }
        }
        self.fill(input, PREFIX_BYTES);
        if self.buffer.len() < PREFIX_BYTES {
            return Ok(None);
        }
        let frame_bytes = PREFIX_BYTES + self.length(&self.buffer)?;
        self.fill(input, frame_bytes);
        if self.buffer.len() < frame_bytes {
            return Ok(None);
        }
        self.given = Given::Yes;
        Ok(self.buffer.get(PREFIX_BYTES..))
    }

    /// Whether the reply stands inside of a message: it must not end here.
    pub(crate) fn is_mid_frame(&self) -> bool {
        self.given == Given::No && !self.buffer.is_empty()
    }

    fn forget(&mut self) {
        self.buffer.clear();
        if self.buffer.capacity() > KEPT_BYTES {
            self.buffer = Vec::new();
        }
        self.given = Given::No;
    }

    fn fill(&mut self, input: &mut &[u8], bytes: usize) {
        let lacking = bytes.saturating_sub(self.buffer.len()).min(input.len());
        let (taken, behind) = input.split_at(lacking);
        self.buffer.extend_from_slice(taken);
        *input = behind;
    }

    /// The length that a prefix says.
    fn length(&self, prefix: &[u8]) -> Result<usize, FrameFault> {
        let [flags, a, b, c, d, ..] = prefix else { return Ok(0) };
        match flags {
            0 => {}
            1 => return Err(FrameFault::Compressed),
            _ => return Err(FrameFault::Flags),
        }
        let length = u32::from_be_bytes([*a, *b, *c, *d]);
        match usize::try_from(length) {
            Ok(bytes) if bytes <= self.message_bytes_max => Ok(bytes),
            Ok(_) | Err(_) => Err(FrameFault::TooLong(length)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(reader: &mut FrameReader, mut input: &[u8]) -> Result<Vec<Vec<u8>>, FrameFault> {
        let mut messages = Vec::new();
        while let Some(message) = reader.next(&mut input)? {
            messages.push(message.to_vec());
        }
        assert!(input.is_empty(), "bytes are left");
        Ok(messages)
    }

    #[test]
    fn messages_come_out_however_the_stream_is_cut() {
        let messages = [vec![7; 3], vec![], vec![9; 100], vec![1]];
        let mut stream = Vec::new();
        for message in &messages {
            write(message, &mut stream).expect("short messages");
        }
        for chunk_bytes in 1..=stream.len() {
            let mut reader = FrameReader::new(100);
            let mut given = Vec::new();
            for chunk in stream.chunks(chunk_bytes) {
                given.extend(read(&mut reader, chunk).expect("a good stream"));
            }
            assert_eq!(given, messages);
            assert!(!reader.is_mid_frame());
        }
    }

    #[test]
    fn a_stream_must_not_end_inside_of_a_message() {
        let stream = [0, 0, 0, 0, 2, 1, 1];
        for cut in 0..=stream.len() {
            let mut reader = FrameReader::new(2);
            read(&mut reader, &stream[..cut]).expect("a good stream");
            assert_eq!(reader.is_mid_frame(), cut != 0 && cut != stream.len());
        }
    }

    #[test]
    fn a_length_one_past_the_limit_is_refused_at_its_prefix() {
        assert_eq!(read(&mut FrameReader::new(2), &[0, 0, 0, 0, 2]), Ok(vec![]));
        let fault = Err(FrameFault::TooLong(3));
        assert_eq!(read(&mut FrameReader::new(2), &[0, 0, 0, 0, 3]), fault);
        let mut reader = FrameReader::new(2);
        assert_eq!(read(&mut reader, &[0, 0, 0, 0]), Ok(vec![]));
        assert_eq!(read(&mut reader, &[3]), fault);
    }

    #[test]
    fn flags_other_than_none_are_refused() {
        let fault = |flags| read(&mut FrameReader::new(9), &[flags, 0, 0, 0, 0]);
        assert_eq!(fault(1), Err(FrameFault::Compressed));
        assert_eq!(fault(2), Err(FrameFault::Flags));
        assert_eq!(fault(0x80), Err(FrameFault::Flags));
    }
}
