//! The hash of a field and of a name, the same in decoder and encoder.
//!
//! Fast rather than keyed: everything that looks up by it probes a bounded number of places and compares
//! the bytes, so that collisions made on purpose cost compression and nothing else.

use crate::Name;

const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// The hash of a name; `text` counts for [`Name::Other`] only.
#[inline]
pub(super) fn of_name(name: Name, text: &[u8]) -> u32 {
    match name {
        Name::Other => fold(FACTOR, text),
        known => (known as u32 + 1).wrapping_mul(FACTOR as u32),
    }
}

/// The hash of a field from that of its name. Never zero.
#[inline]
pub(super) fn of_field(name_hash: u32, value: &[u8]) -> u32 {
    fold(u64::from(name_hash), value) | 1
}

#[inline]
fn fold(seed: u64, text: &[u8]) -> u32 {
    let (words, rest) = text.as_chunks::<8>();
    let mut hash = seed ^ (text.len() as u64).wrapping_mul(FACTOR);
    for word in words {
        hash = mix(hash, u64::from_le_bytes(*word));
    }
    if !rest.is_empty() {
        let tail = match text.last_chunk::<8>() {
            Some(tail) => u64::from_le_bytes(*tail),
            None => rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)),
        };
        hash = mix(hash, tail);
    }
    (hash >> 32) as u32 ^ hash as u32
}

const fn mix(hash: u64, word: u64) -> u64 {
    (hash ^ word).wrapping_mul(FACTOR).rotate_right(29)
}
