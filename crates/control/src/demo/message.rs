//! What callers and nodes of the demonstration say to each other: two small protobuf messages, and the
//! frame that gRPC puts around a message.

/// The service, for grpcurl and for generating clients.
pub(super) const PROTO: &str = r#"syntax = "proto3";
package narrows.demo;

// Both methods answer each message with one that names the node.
service Echo {
  rpc Say(Words) returns (Answer);
  rpc Chat(stream Words) returns (stream Answer);
}

message Words { string text = 1; }
message Answer {
  string text = 1;
  string node = 2;
  string job = 3;
}
"#;

/// The path of the unary method.
pub(super) const SAY: &str = "/narrows.demo.Echo/Say";
/// The path of the streaming method.
pub(super) const CHAT: &str = "/narrows.demo.Echo/Chat";

/// The largest message that is accepted.
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;

/// What a node answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) text: String,
    pub(super) node: String,
    pub(super) job: String,
}

/// Puts gRPC messages together from bytes that arrive in any pieces.
#[derive(Debug, Default)]
pub(super) struct Messages(Vec<u8>);

/// A message with texts in these fields, framed for gRPC. Empty texts are left out, as proto3 does.
pub(super) fn encode(fields: &[(u8, &str)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (number, text) in fields.iter().filter(|(_, text)| !text.is_empty()) {
        body.push(number << 3 | 2);
        let mut len = text.len();
        while len >= 0x80 {
            body.push(len as u8 | 0x80);
            len >>= 7;
        }
        body.push(len as u8);
        body.extend_from_slice(text.as_bytes());
    }
    let mut framed = vec![0];
    framed.extend_from_slice(&(body.len() as u32).to_be_bytes());
    framed.append(&mut body);
    framed
}

/// The text in a field of a message; `None` if the message is not one of ours.
pub(super) fn field(message: &[u8], wanted: u8) -> Option<String> {
    let mut rest = message;
    let mut found = String::new();
    while let Some((tag, after)) = rest.split_first() {
        // Only texts: wire type 2.
        if tag & 7 != 2 {
            return None;
        }
        let (len, after) = varint(after)?;
        let (text, after) = after.split_at_checked(len)?;
        if tag >> 3 == wanted {
            found = String::from_utf8(text.to_vec()).ok()?;
        }
        rest = after;
    }
    Some(found)
}

fn varint(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0;
    for (at, byte) in bytes.iter().take(4).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[at + 1..]));
        }
    }
    None
}

// === impl Answer ===

impl Answer {
    pub(super) fn encode(&self) -> Vec<u8> {
        encode(&[(1, &self.text), (2, &self.node), (3, &self.job)])
    }

    pub(super) fn decode(message: &[u8]) -> Option<Self> {
        Some(Self { text: field(message, 1)?, node: field(message, 2)?, job: field(message, 3)? })
    }
}

// === impl Messages ===

impl Messages {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// The next whole message. An error: what came is compressed, too large, or no message.
    pub(super) fn next(&mut self) -> Result<Option<Vec<u8>>, ()> {
        let Some((head, rest)) = self.0.split_first_chunk::<5>() else { return Ok(None) };
        let len = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        if head[0] != 0 || len > MESSAGE_BYTES_MAX {
            return Err(());
        }
        let Some(message) = rest.get(..len).map(<[u8]>::to_vec) else { return Ok(None) };
        self.0.drain(..5 + len);
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_as_it_was_written() {
        let answer = Answer { text: "x".repeat(300), node: "node-1".into(), job: String::new() };
        let mut messages = Messages::default();
        for byte in answer.encode() {
            assert_eq!(messages.next(), Ok(None));
            messages.push(&[byte]);
        }
        let message = messages.next().expect("valid").expect("whole");
        assert_eq!(Answer::decode(&message), Some(answer));
        assert_eq!(messages.next(), Ok(None));
    }

    #[test]
    fn what_is_no_message_is_refused() {
        let mut compressed = Messages::default();
        compressed.push(&[1, 0, 0, 0, 0]);
        assert_eq!(compressed.next(), Err(()));
        let mut huge = Messages::default();
        huge.push(&[0, 0, 0x10, 0, 1]);
        assert_eq!(huge.next(), Err(()));
        for message in
            [&b"\x08\x01"[..], b"\x0a\x05ab", b"\x0a\xff\xff\xff\xff\xff", b"\x0a\x01\xff"]
        {
            assert_eq!(field(message, 1), None, "{message:?}");
        }
    }
}
