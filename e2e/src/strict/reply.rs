//! Replies by the letter, as a client reads them from the gateway.

use std::io::{BufRead, Read};

use super::{Framing, Read1, Stop, chunks, fault, fields, line};

/// A reply that is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Its status.
    pub status: u16,
    /// Its fields, with names in lower case.
    pub fields: Vec<(String, Vec<u8>)>,
    /// Its body, without what frames it.
    pub body: Vec<u8>,
}

/// What a client gets in place of a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoReply {
    /// The connection ended before it began.
    End,
    /// It ended in the middle.
    Truncated,
    /// Something that is not a reply.
    Fault(String),
}

/// Where the body of a reply ends.
enum Ends {
    Here,
    Framed(Framing),
    WithConnection,
}

/// Reads the reply to a request of this method; interim ones go before it and are left out.
///
/// # Errors
///
/// When there is none.
pub fn read_reply(input: &mut impl BufRead, method: &str) -> Result<Reply, NoReply> {
    if input.fill_buf().map_or(true, <[u8]>::is_empty) {
        return Err(NoReply::End);
    }
    loop {
        let reply = read(input, method).map_err(|stop| match stop {
            Stop::End => NoReply::Truncated,
            Stop::Fault(fault) => NoReply::Fault(fault),
        })?;
        if reply.status >= 200 {
            return Ok(reply);
        }
    }
}

fn read(input: &mut impl BufRead, method: &str) -> Read1<Reply> {
    let first = line(input)?;
    let status = status(&first).map_or_else(|| fault("status line", &first), Ok)?;
    let fields = fields(input)?;
    let all = |name: &str| -> Vec<&[u8]> {
        let same = fields.iter().filter(|(other, _)| other == name);
        same.map(|(_, value)| value.as_slice()).collect()
    };
    let ends = match (all("content-length").as_slice(), all("transfer-encoding").as_slice()) {
        _ if status < 200 || matches!(status, 204 | 304) || method == "HEAD" => Ends::Here,
        ([], []) => Ends::WithConnection,
        ([], [b"chunked"]) => Ends::Framed(Framing::Chunked),
        ([length], []) if length.iter().all(u8::is_ascii_digit) => {
            let length = std::str::from_utf8(length).ok().and_then(|text| text.parse().ok());
            Ends::Framed(Framing::Length(length.map_or_else(|| fault("length", b""), Ok)?))
        }
        _ => return fault("framing", &first),
    };
    let mut body = Vec::new();
    match ends {
        Ends::Here => {}
        Ends::WithConnection => drop(input.read_to_end(&mut body).map_err(|_| Stop::End)?),
        Ends::Framed(Framing::Chunked) => drop(chunks(input, &mut body)?),
        Ends::Framed(Framing::Length(length)) => {
            let read = input.take(length).read_to_end(&mut body).map_err(|_| Stop::End)?;
            if read as u64 != length {
                return Err(Stop::End);
            }
        }
    }
    Ok(Reply { status, fields, body })
}

/// RFC 9112 §4.
fn status(line: &[u8]) -> Option<u16> {
    let (status, reason) = line.strip_prefix(b"HTTP/1.1 ")?.split_at_checked(3)?;
    let is_text = |byte: &u8| matches!(byte, b'\t' | b' '..=b'~' | 0x80..);
    let is_whole = reason.first() == Some(&b' ') && reason.iter().all(is_text);
    let is_number = status.iter().all(u8::is_ascii_digit) && status[0] != b'0';
    let number = || std::str::from_utf8(status).ok()?.parse().ok();
    (is_whole && is_number).then(number)?
}

// === impl Reply ===

impl Reply {
    /// The value of a field.
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        let field = self.fields.iter().find(|(other, _)| other == name);
        field.map(|(_, value)| value.as_slice())
    }
}
