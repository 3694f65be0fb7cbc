//! The encoding of ZooKeeper (Jute): big-endian numbers, and bytes behind their length.

/// Why bytes can not be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    /// A record ends before it is complete.
    #[error("a record is cut off")]
    Short,
    /// A length is negative, or larger than what is there.
    #[error("a length of {0}")]
    Length(i32),
    /// A text is not UTF-8.
    #[error("a text that is not UTF-8")]
    Text,
    /// A reply to something that was not asked.
    #[error("a reply to request {0}, which was not sent, or not in turn")]
    Reply(i32),
    /// A frame is larger than is read.
    #[error("a frame of {0} bytes")]
    Frame(i32),
}

/// A frame in the making.
#[derive(Debug)]
pub(super) struct Writer(Vec<u8>);

/// What is left of a frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a>(&'a [u8]);

// === impl Writer ===

impl Writer {
    pub(super) fn new() -> Self {
        // The length, which is known at the end.
        Self(vec![0; 4])
    }

    pub(super) fn int(mut self, value: i32) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub(super) fn long(mut self, value: i64) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub(super) fn byte(mut self, value: u8) -> Self {
        self.0.push(value);
        self
    }

    pub(super) fn bytes(self, value: &[u8]) -> Self {
        let length = i32::try_from(value.len()).unwrap_or(i32::MAX);
        let mut this = self.int(length);
        this.0.extend(value);
        this
    }

    pub(super) fn text(self, value: &str) -> Self {
        self.bytes(value.as_bytes())
    }

    /// The whole frame.
    pub(super) fn frame(mut self) -> Vec<u8> {
        let length = u32::try_from(self.0.len() - 4).unwrap_or(u32::MAX);
        self.0[..4].copy_from_slice(&length.to_be_bytes());
        self.0
    }
}

// === impl Reader ===

impl<'a> Reader<'a> {
    pub(super) fn new(frame: &'a [u8]) -> Self {
        Self(frame)
    }

    pub(super) fn int(&mut self) -> Result<i32, Malformed> {
        self.array().map(i32::from_be_bytes)
    }

    pub(super) fn long(&mut self) -> Result<i64, Malformed> {
        self.array().map(i64::from_be_bytes)
    }

    /// Bytes; none where the length is -1, as for null.
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.int()?;
        if length == -1 {
            return Ok(&[]);
        }
        let size = usize::try_from(length).map_err(|_| Malformed::Length(length))?;
        let (bytes, rest) = self.0.split_at_checked(size).ok_or(Malformed::Length(length))?;
        self.0 = rest;
        Ok(bytes)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Malformed::Text)
    }

    /// A list of texts.
    pub(super) fn texts(&mut self) -> Result<Vec<String>, Malformed> {
        let count = self.int()?;
        // Each takes four bytes at least, so what is there bounds the list.
        (0..count.max(0)).map(|_| self.text().map(str::to_owned)).collect()
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (array, rest) = self.0.split_first_chunk().ok_or(Malformed::Short)?;
        self.0 = rest;
        Ok(*array)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let frame = Writer::new().int(-7).long(1 << 40).byte(1).text("a/b").bytes(&[]).frame();
        assert_eq!(frame[..4], [0, 0, 0, 24]);
        let mut reader = Reader::new(&frame[4..]);
        assert_eq!((reader.int(), reader.long()), (Ok(-7), Ok(1 << 40)));
        reader = Reader(&reader.0[1..]);
        assert_eq!((reader.text(), reader.bytes()), (Ok("a/b"), Ok(&[][..])));
        assert_eq!(reader.int(), Err(Malformed::Short));
    }

    #[test]
    fn lengths_are_not_believed() {
        let frame = |words: &[i32]| {
            words.iter().fold(Writer::new(), |writer, word| writer.int(*word)).frame()
        };
        let read = |words: &[i32]| Reader::new(&frame(words)[4..]).bytes().map(<[u8]>::len);
        assert_eq!(read(&[-1]), Ok(0));
        assert_eq!(read(&[-2]), Err(Malformed::Length(-2)));
        assert_eq!(read(&[i32::MAX]), Err(Malformed::Length(i32::MAX)));
        assert_eq!(Reader::new(&frame(&[i32::MAX])[4..]).texts(), Err(Malformed::Short));
        assert_eq!(Reader::new(&frame(&[-1])[4..]).texts(), Ok(Vec::new()));
        let text = Writer::new().bytes(&[0xff]).frame();
        assert_eq!(Reader::new(&text[4..]).text(), Err(Malformed::Text));
    }
}
