//! The key of an opening handshake and the answer to it (RFC 6455 §4).
//!
//! They protect nothing: they show that the other end speaks WebSocket and did not just repeat what it
//! was sent.

use crate::base64;

/// RFC 6455 §1.3: what is appended to the key.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

const KEY_BYTES: usize = 16;
const KEY_TEXT_BYTES: usize = 24;
const ACCEPT_TEXT_BYTES: usize = 28;

/// A client's key, as it is written: 16 bytes in base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key([u8; KEY_TEXT_BYTES]);

// === impl Key ===

impl Key {
    /// A key of these random bytes.
    pub fn new(random: [u8; KEY_BYTES]) -> Self {
        let mut text = Vec::with_capacity(KEY_TEXT_BYTES);
        base64::encode(&random, &mut text);
        Self(text.try_into().expect("16 bytes are 24 characters"))
    }

    /// A key as a client wrote it. `None`: it is not 16 bytes in base64.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = <[u8; KEY_TEXT_BYTES]>::try_from(text).ok()?;
        let mut bytes = Vec::with_capacity(KEY_BYTES);
        base64::decode(&text, &mut bytes)?;
        (bytes.len() == KEY_BYTES).then_some(Self(text))
    }

    /// Its text.
    pub fn text(&self) -> &[u8] {
        &self.0
    }

    /// What the server answers to it (RFC 6455 §4.2.2).
    pub fn accept(&self) -> [u8; ACCEPT_TEXT_BYTES] {
        let mut sha1 = sha1_smol::Sha1::new();
        sha1.update(&self.0);
        sha1.update(GUID);
        let mut text = Vec::with_capacity(ACCEPT_TEXT_BYTES);
        base64::encode(&sha1.digest().bytes(), &mut text);
        text.try_into().expect("20 bytes are 28 characters")
    }
}

#[cfg(test)]
mod tests {
    use super::Key;

    /// RFC 6455 §1.3.
    #[test]
    fn the_key_of_the_rfc_has_the_answer_of_the_rfc() {
        let key = Key::parse(b"dGhlIHNhbXBsZSBub25jZQ==").expect("a key");
        assert_eq!(&key.accept(), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(Key::new(*b"the sample nonce"), key);
        assert_eq!(key.text(), b"dGhlIHNhbXBsZSBub25jZQ==");
    }

    #[test]
    fn a_key_has_16_bytes() {
        for wrong in [
            "",
            "dGhlIHNhbXBsZSBub25j",
            "dGhlIHNhbXBsZSBub25jZWE=",
            "dGhlIHNhbXBsZSBub25jZWFi",
            "dGhlIHNhbXBsZSBub25jZR==",
            "dGhlIHNhbXBsZSBub25j-Q==",
            "dGhlIHNhbXBsZSBub25j Q==",
            "dGhlIHNhbXBsZSBub25====",
        ] {
            assert_eq!(Key::parse(wrong.as_bytes()), None, "{wrong:?}");
        }
    }
}
