//! The proof of a WebSocket server: SHA-1 of the key and a fixed text, in base64 (RFC 6455 §4.2.2).
//!
//! SHA-1 is no secret here and protects nothing; it shows that the other end speaks WebSocket.

use super::upgrade::{ACCEPT_BYTES, KEY_BYTES};

/// Bytes of a block of SHA-1.
const BLOCK: usize = 64;
/// RFC 6455 §1.3.
const GUID: &[u8; 36] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// Bytes that are hashed.
const MESSAGE: usize = KEY_BYTES + GUID.len();

/// The accept value of a key.
pub(super) fn accept(key: &[u8; KEY_BYTES]) -> [u8; ACCEPT_BYTES] {
    let mut padded = [0; 2 * BLOCK];
    padded[..KEY_BYTES].copy_from_slice(key);
    padded[KEY_BYTES..MESSAGE].copy_from_slice(GUID);
    padded[MESSAGE] = 0x80;
    padded[2 * BLOCK - 8..].copy_from_slice(&(MESSAGE as u64 * 8).to_be_bytes());
    let mut state = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    for block in padded.as_chunks::<BLOCK>().0 {
        compress(&mut state, block);
    }
    let mut hash = [0; 20];
    for (place, word) in hash.as_chunks_mut::<4>().0.iter_mut().zip(state) {
        *place = word.to_be_bytes();
    }
    let mut text = [b'='; ACCEPT_BYTES];
    base64(&hash, &mut text);
    text
}

/// FIPS 180-4 §6.1.2.
fn compress(state: &mut [u32; 5], block: &[u8; BLOCK]) {
    let mut words = [0; 80];
    for (word, bytes) in words.iter_mut().zip(block.as_chunks::<4>().0) {
        *word = u32::from_be_bytes(*bytes);
    }
    for at in 16..80 {
        words[at] =
            (words[at - 3] ^ words[at - 8] ^ words[at - 14] ^ words[at - 16]).rotate_left(1);
    }
    let [mut a, mut b, mut c, mut d, mut e] = *state;
    for (at, word) in words.into_iter().enumerate() {
        let (mixed, constant) = match at / 20 {
            0 => ((b & c) | (!b & d), 0x5a82_7999),
            1 => (b ^ c ^ d, 0x6ed9_eba1),
            2 => ((b & c) | (b & d) | (c & d), 0x8f1b_bcdc),
            _ => (b ^ c ^ d, 0xca62_c1d6_u32),
        };
        let sum = a.rotate_left(5).wrapping_add(mixed).wrapping_add(e);
        let sum = sum.wrapping_add(constant).wrapping_add(word);
        (e, d, c, b, a) = (d, c, b.rotate_left(30), a, sum);
    }
    for (word, add) in state.iter_mut().zip([a, b, c, d, e]) {
        *word = word.wrapping_add(add);
    }
}

/// RFC 4648 §4. `into` is filled with `=` and long enough.
pub(super) fn base64(bytes: &[u8], into: &mut [u8]) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (three, four) in bytes.chunks(3).zip(into.chunks_mut(4)) {
        let byte = |at: usize| u32::from(three.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for (at, place) in four.iter_mut().enumerate().take(three.len() + 1) {
            *place = DIGITS[(bits >> (18 - 6 * at)) as usize & 63];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 6455 §1.3.
    #[test]
    fn the_example_of_the_rfc() {
        assert_eq!(&accept(b"dGhlIHNhbXBsZSBub25jZQ=="), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
