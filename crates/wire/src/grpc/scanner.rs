//! Counting messages in a stream of DATA.
//!
//! A message is a byte of flags, four bytes of length, and that many bytes. The scanner looks at the
//! prefixes alone and holds none of the payload, so a length of 4 GiB costs it nothing.

/// Bytes before each message: flags and length.
const PREFIX_BYTES: u8 = 5;

/// Watches the messages of one direction of a call go by, in chunks of any size.
#[derive(Debug, Clone, Copy, Default)]
pub struct MessageScanner {
    state: State,
    messages: u64,
    largest: u32,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// So many bytes of a prefix have come; the length as far as they say it.
    Prefix { have: u8, len: u32 },
    /// So many bytes of the message are still to come, at least one.
    Payload { left: u32 },
}

// === impl MessageScanner ===

impl MessageScanner {
    /// A scanner at the beginning of a stream.
    pub const fn new() -> Self {
        Self { state: State::START, messages: 0, largest: 0 }
    }

    /// Takes the next bytes of the stream.
    pub fn feed(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            data = match self.state {
                State::Prefix { have: 0, .. } if data.len() >= PREFIX_BYTES as usize => {
                    self.whole_prefix(data)
                }
                State::Prefix { have, len } => self.prefix_byte(have, len, data),
                State::Payload { left } => self.payload(left, data),
            };
        }
    }

    /// Messages that have come to their end.
    pub const fn messages(&self) -> u64 {
        self.messages
    }

    /// The largest length that a prefix announced, without the prefix itself. Known before the message
    /// has come.
    pub const fn largest_bytes(&self) -> u32 {
        self.largest
    }

    /// Whether the stream stands inside a message or its prefix: it must not end here.
    pub const fn is_mid_message(&self) -> bool {
        !matches!(self.state, State::Prefix { have: 0, .. })
    }

    fn whole_prefix<'a>(&mut self, data: &'a [u8]) -> &'a [u8] {
        let [_, a, b, c, d, rest @ ..] = data else { return &[] };
        self.begin(u32::from_be_bytes([*a, *b, *c, *d]));
        rest
    }

    fn prefix_byte<'a>(&mut self, have: u8, len: u32, data: &'a [u8]) -> &'a [u8] {
        let Some((byte, rest)) = data.split_first() else { return data };
        // The first byte is the flags.
        let len = if have == 0 { 0 } else { len << 8 | u32::from(*byte) };
        self.state = State::Prefix { have: have + 1, len };
        if have + 1 == PREFIX_BYTES {
            self.begin(len);
        }
        rest
    }

    fn payload<'a>(&mut self, left: u32, data: &'a [u8]) -> &'a [u8] {
        let taken = data.len().min(left as usize);
        if taken as u32 == left {
            self.end();
        } else {
            self.state = State::Payload { left: left - taken as u32 };
        }
        &data[taken..]
    }

    fn begin(&mut self, len: u32) {
        self.largest = self.largest.max(len);
        match len {
            0 => self.end(),
            left => self.state = State::Payload { left },
        }
    }

    fn end(&mut self) {
        self.messages += 1;
        self.state = State::START;
    }
}

// === impl State ===

impl State {
    const START: Self = Self::Prefix { have: 0, len: 0 };
}

impl Default for State {
    fn default() -> Self {
        Self::START
    }
}

#[cfg(test)]
mod tests {
    use super::MessageScanner;

    fn message(len: usize) -> Vec<u8> {
        let mut bytes = vec![0];
        bytes.extend((len as u32).to_be_bytes());
        bytes.extend(vec![0xff; len]);
        bytes
    }

    #[test]
    fn messages_are_counted_however_the_stream_is_cut() {
        let stream = [message(3), message(0), message(300), message(1)].concat();
        for chunk_bytes in 1..=stream.len() {
            let mut scanner = MessageScanner::new();
            for chunk in stream.chunks(chunk_bytes) {
                scanner.feed(chunk);
            }
            assert_eq!((scanner.messages(), scanner.largest_bytes()), (4, 300));
            assert!(!scanner.is_mid_message());
        }
    }

    #[test]
    fn a_cut_is_inside_a_message_except_between_two() {
        let stream = [message(2), message(0), message(1)].concat();
        let between = [0, 7, 12, 18];
        for cut in 0..=stream.len() {
            let mut scanner = MessageScanner::new();
            scanner.feed(&stream[..cut]);
            assert_eq!(scanner.is_mid_message(), !between.contains(&cut), "cut at {cut}");
        }
    }

    #[test]
    fn a_length_is_known_before_its_bytes() {
        let mut scanner = MessageScanner::new();
        scanner.feed(&[1, 0xff, 0xff, 0xff, 0xff]);
        assert_eq!((scanner.messages(), scanner.largest_bytes()), (0, u32::MAX));
        assert!(scanner.is_mid_message());
    }
}
