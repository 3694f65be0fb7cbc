//! Reads HTTP/1.1 by the letter of RFC 9112, with no code of the product: heads, lengths, chunks, trailers.
//!
//! It forgives nothing. What has to be known beyond a message to tell its body (the method that a reply answers,
//! whether a tunnel was agreed on) its owner says with [`Reader::begin_body`].

use super::Fields;

/// A piece of a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// The first line and the fields. [`Reader::begin_body`] has to follow.
    Head(String, Fields),
    Data(Vec<u8>),
    End(Fields),
}

/// How a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    Length(u64),
    Chunked,
    UntilEnd,
    /// There is no message: another head follows.
    Interim,
}

#[derive(Debug)]
enum State {
    Head,
    Undecided,
    Length(u64),
    ChunkLine,
    Chunk(u64),
    ChunkEnd,
    Trailers,
    UntilEnd,
}

/// Reads one direction of a connection.
#[derive(Debug)]
pub(super) struct Reader {
    buffer: Vec<u8>,
    state: State,
    ended: bool,
}

// === impl Reader ===

impl Reader {
    pub(super) fn new() -> Self {
        Self { buffer: vec![], state: State::Head, ended: false }
    }

    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Nothing follows.
    pub(super) fn finish(&mut self) {
        self.ended = true;
    }

    pub(super) fn begin_body(&mut self, body: Body) {
        self.state = match body {
            Body::Length(bytes) => State::Length(bytes),
            Body::Chunked => State::ChunkLine,
            Body::UntilEnd => State::UntilEnd,
            Body::Interim => State::Head,
        };
    }

    /// Whether no part of a message has come.
    pub(super) fn is_between_messages(&self) -> bool {
        matches!(self.state, State::Head) && self.buffer.is_empty()
    }

    /// The next piece that has come.
    pub(super) fn next(&mut self) -> Result<Option<Piece>, String> {
        loop {
            match self.state {
                State::Head => return self.head(),
                State::Undecided => return Ok(None),
                State::Length(0) => {
                    self.state = State::Head;
                    return Ok(Some(Piece::End(vec![])));
                }
                State::Length(left) | State::Chunk(left) if left > 0 => return Ok(self.data(left)),
                State::Length(_) => unreachable!("nothing is left"),
                State::Chunk(_) => self.state = State::ChunkEnd,
                State::ChunkEnd => match self.line()? {
                    Some(line) if line.is_empty() => self.state = State::ChunkLine,
                    Some(line) => return Err(format!("{line:?} behind a chunk")),
                    None => return Ok(None),
                },
                State::ChunkLine => match self.line()? {
                    Some(line) => self.begin_chunk(&line)?,
                    None => return Ok(None),
                },
                State::Trailers => return self.trailers(),
                State::UntilEnd if self.buffer.is_empty() && self.ended => {
                    self.state = State::Head;
                    return Ok(Some(Piece::End(vec![])));
                }
                State::UntilEnd => return Ok(self.data(u64::MAX)),
            }
        }
    }

    fn data(&mut self, left: u64) -> Option<Piece> {
        let take = self.buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        match &mut self.state {
            State::Length(left) | State::Chunk(left) => *left -= take as u64,
            _ => {}
        }
        let bytes: Vec<u8> = self.buffer.drain(..take).collect();
        (!bytes.is_empty()).then_some(Piece::Data(bytes))
    }

    /// A line without its end, which has to be CRLF.
    fn line(&mut self) -> Result<Option<String>, String> {
        let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') else {
            return Ok(None);
        };
        let line: Vec<u8> = self.buffer.drain(..=end).collect();
        let line = line.strip_suffix(b"\r\n").ok_or("a line ends with LF alone")?;
        let text = String::from_utf8(line.to_vec()).map_err(|error| error.to_string())?;
        if text.contains('\r') { Err(format!("CR within {text:?}")) } else { Ok(Some(text)) }
    }

    fn head(&mut self) -> Result<Option<Piece>, String> {
        if !contains(&self.buffer, b"\r\n\r\n") {
            return Ok(None);
        }
        let first = self.line()?.unwrap_or_default();
        let fields = self.fields()?;
        self.state = State::Undecided;
        Ok(Some(Piece::Head(first, fields)))
    }

    /// Fields up to the empty line, which has come.
    fn fields(&mut self) -> Result<Fields, String> {
        let mut fields = vec![];
        while let Some(line) = self.line()?.filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':').ok_or(format!("{line:?} is no field"))?;
            let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            if name.is_empty() || !name.bytes().all(is_token) {
                return Err(format!("{name:?} is no name of a field"));
            }
            fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        Ok(fields)
    }

    fn begin_chunk(&mut self, line: &str) -> Result<(), String> {
        let size = line.split(';').next().unwrap_or_default();
        let is_hex = !size.is_empty() && size.bytes().all(|byte| byte.is_ascii_hexdigit());
        let size = u64::from_str_radix(size, 16).ok().filter(|_| is_hex);
        self.state = match size.ok_or(format!("{line:?} is no size of a chunk"))? {
            0 => State::Trailers,
            size => State::Chunk(size),
        };
        Ok(())
    }

    fn trailers(&mut self) -> Result<Option<Piece>, String> {
        if !self.buffer.starts_with(b"\r\n") && !contains(&self.buffer, b"\r\n\r\n") {
            return Ok(None);
        }
        let fields = self.fields()?;
        self.state = State::Head;
        Ok(Some(Piece::End(fields)))
    }
}

fn contains(text: &[u8], wanted: &[u8]) -> bool {
    text.windows(wanted.len()).any(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where messages end does not depend on how they are cut.
    #[test]
    fn messages_end_where_they_should_byte_by_byte() {
        let wire = b"POST / HTTP/1.1\r\nHost: a\r\n\r\n5;x=1\r\nhello\r\n0\r\nX-Sum: 5\r\n\r\nGET";
        let mut reader = Reader::new();
        let mut pieces = vec![];
        for byte in wire {
            reader.feed(&[*byte]);
            while let Some(piece) = reader.next().expect("all of it is right") {
                if matches!(piece, Piece::Head(..)) {
                    reader.begin_body(Body::Chunked);
                }
                pieces.push(piece);
            }
        }
        let data = pieces.iter().filter(|piece| matches!(piece, Piece::Data(_))).count();
        assert_eq!((pieces.len(), data), (7, 5));
        assert_eq!(pieces[6], Piece::End(vec![("x-sum".into(), "5".into())]));
        assert!(!reader.is_between_messages());
    }

    #[test]
    fn nothing_is_forgiven() {
        let wrong: [(&[u8], Body); 4] = [
            (b"A\r\nno field\r\n\r\n", Body::Interim),
            (b"A\r\nHost : a\r\n\r\n", Body::Interim),
            (b"A\r\n\r\n+5\r\n", Body::Chunked),
            (b"A\r\n\r\n1\r\nab\r\n", Body::Chunked),
        ];
        for (wire, body) in wrong {
            let mut reader = Reader::new();
            reader.feed(wire);
            let fault = loop {
                match reader.next() {
                    Ok(Some(Piece::Head(..))) => reader.begin_body(body),
                    Ok(Some(_)) => {}
                    Ok(None) => break false,
                    Err(_) => break true,
                }
            };
            assert!(fault, "{}", String::from_utf8_lossy(wire));
        }
    }
}
