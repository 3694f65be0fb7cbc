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
        hash = mix(
            hash,
            text.last_chunk::<8>().map_or_else(|| short(rest), |tail| u64::from_le_bytes(*tail)),
        );
    }
    (hash >> 32) as u32 ^ hash as u32
}

const fn mix(hash: u64, word: u64) -> u64 {
    (hash ^ word).wrapping_mul(FACTOR).rotate_right(29)
}

/// One to seven bytes as a word, with the length told apart elsewhere.
#[inline]
fn short(text: &[u8]) -> u64 {
    match (text.first_chunk::<4>(), text.last_chunk::<4>(), text) {
        (Some(first), Some(last), _) => {
            u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << 32
        }
        (_, _, [first, .., last]) => {
            let middle = text.get(text.len() / 2).copied().unwrap_or_default();
            u64::from(*first) | u64::from(middle) << 8 | u64::from(*last) << 16
        }
        (_, _, [only]) => u64::from(*only),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_never_zero_and_depends_on_every_byte() {
        let text = b"0123456789abcdefghij";
        for len in 0..text.len() {
            let hash = of_field(7, &text[..len]);
            assert_ne!(hash, 0);
            for at in 0..len {
                let mut other = text[..len].to_vec();
                other[at] ^= 1;
                assert_ne!(of_field(7, &other) >> 1, hash >> 1, "byte {at} of {len}");
            }
            assert_ne!(of_field(8, &text[..len]) >> 1, hash >> 1);
            assert_ne!(of_field(7, &text[..len + 1]) >> 1, hash >> 1);
        }
    }

    #[test]
    fn names_differ() {
        let mut hashes: Vec<_> = Name::KNOWN.iter().map(|name| of_name(*name, b"")).collect();
        hashes
            .extend([&b"jobid"[..], b"job", b"x", b"x-a", b"x-b"].map(|t| of_name(Name::Other, t)));
        let count = hashes.len();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), count);
    }
}
