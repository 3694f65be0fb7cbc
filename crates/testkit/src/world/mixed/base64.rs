//! Base64 (RFC 4648 §4), of which the product has its own.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub(super) fn encode(bytes: &[u8]) -> Vec<u8> {
    let mut text = vec![];
    for group in bytes.chunks(3) {
        let mut number = [0; 4];
        number[1..=group.len()].copy_from_slice(group);
        let number = u32::from_be_bytes(number);
        for at in 0..4 {
            let letter = ALPHABET[(number >> (18 - 6 * at)) as usize % 64];
            text.push(if at <= group.len() { letter } else { b'=' });
        }
    }
    text
}

/// The bytes of a text, which may be padded in many places. `None`: it is no base64.
pub(super) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = vec![];
    for group in text.chunks(4) {
        let letters = group.iter().take_while(|letter| **letter != b'=').count();
        if group.len() < 4 || letters < 2 || group[letters..].iter().any(|byte| *byte != b'=') {
            return None;
        }
        let mut number = 0;
        for letter in &group[..letters] {
            let value = ALPHABET.iter().position(|known| known == letter)?;
            number = number << 6 | value as u32;
        }
        number <<= 6 * (4 - letters);
        bytes.extend_from_slice(&number.to_be_bytes()[1..letters]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4648 §10.
    #[test]
    fn what_was_encoded_is_decoded() {
        assert_eq!(encode(b"foob"), b"Zm9vYg==");
        for bytes in [&b""[..], b"f", b"fo", b"foo", b"foob", b"fooba"] {
            assert_eq!(decode(&encode(bytes)).as_deref(), Some(bytes));
        }
        assert_eq!(decode(b"Zg==Zm8="), Some(b"ffo".to_vec()));
        assert_eq!(decode(b"Zg="), None);
    }
}
