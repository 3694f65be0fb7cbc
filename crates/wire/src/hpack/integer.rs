//! HPACK integers (RFC 7541 §5.1): a prefix in the first byte, then seven bits per byte.

use super::decoder::DecodeError;

/// Continuation bytes that we read at most: 28 bits, far above any length or index that we accept.
const CONTINUATION_BYTES_MAX: usize = 4;

/// The integer whose first byte is `first`, of which the bits of `mask` belong to it, and which goes on
/// at `at` in the block if these are all ones. Also gives where it ends.
#[inline]
pub(super) fn decode(
    first: u8,
    mask: u8,
    block: &[u8],
    at: usize,
) -> Result<(u32, usize), DecodeError> {
    let prefix = first & mask;
    if prefix < mask {
        return Ok((u32::from(prefix), at));
    }
    match block.get(at) {
        // Most indexes and lengths end with the second byte.
        Some(byte) if *byte < 0x80 => Ok((u32::from(mask) + u32::from(*byte), at + 1)),
        _ => continued(mask, block, at),
    }
}

#[cold]
fn continued(mask: u8, block: &[u8], at: usize) -> Result<(u32, usize), DecodeError> {
    let mut value = u32::from(mask);
    for position in 0..CONTINUATION_BYTES_MAX {
        let byte = block.get(at + position).ok_or(DecodeError::Truncated)?;
        // Cannot overflow: 28 bits and a mask of at most seven.
        value += u32::from(byte & 0x7f) << (7 * position);
        if byte & 0x80 == 0 {
            return Ok((value, at + position + 1));
        }
    }
    Err(DecodeError::IntegerTooLarge)
}

/// Appends `value` with the bits of `pattern` in its first byte.
#[inline]
pub(super) fn encode(value: u32, mask: u8, pattern: u8, out: &mut Vec<u8>) {
    let mask_value = u32::from(mask);
    if value < mask_value {
        out.push(pattern | value as u8);
    } else if value < mask_value + 0x80 {
        out.extend_from_slice(&[pattern | mask, (value - mask_value) as u8]);
    } else {
        encode_continued(value, mask, pattern, out);
    }
}

#[cold]
fn encode_continued(value: u32, mask: u8, pattern: u8, out: &mut Vec<u8>) {
    out.push(pattern | mask);
    let mut rest = value - u32::from(mask);
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(bytes: &[u8], mask: u8) -> Result<(u32, usize), DecodeError> {
        let (value, end) = decode(bytes[0], mask, bytes, 1)?;
        Ok((value, bytes.len() - end))
    }

    /// RFC 7541 C.1.
    #[test]
    fn the_examples_of_the_rfc() {
        for (value, mask, bytes) in
            [(10, 31, &[10][..]), (1337, 31, &[31, 154, 10]), (42, 255, &[42])]
        {
            assert_eq!(decoded(bytes, mask), Ok((value, 0)));
            let mut out = Vec::new();
            encode(value, mask, 0, &mut out);
            assert_eq!(out, bytes);
        }
    }

    #[test]
    fn values_around_each_length_come_back() {
        let edges = [0u32, 14, 15, 16, 30, 31, 62, 63, 126, 127, 128, 254, 255, 16_383, 1 << 21];
        for (value, mask) in edges.iter().flat_map(|v| [(*v, 15), (*v, 31), (*v, 63), (*v, 127)]) {
            let mut out = Vec::new();
            encode(value, mask, 0, &mut out);
            assert_eq!(decoded(&out, mask), Ok((value, 0)));
        }
    }

    #[test]
    fn more_than_four_continuation_bytes_are_refused() {
        assert_eq!(decoded(&[31, 0xff, 0xff, 0xff, 0x7f], 31), Ok(((1 << 28) - 1 + 31, 0)));
        assert_eq!(
            decoded(&[31, 0xff, 0xff, 0xff, 0xff, 0x00], 31),
            Err(DecodeError::IntegerTooLarge)
        );
        assert_eq!(
            decoded(&[31, 0x80, 0x80, 0x80, 0x80, 0x00], 31),
            Err(DecodeError::IntegerTooLarge)
        );
    }

    #[test]
    fn an_integer_that_ends_too_early_is_refused() {
        assert_eq!(decoded(&[31], 31), Err(DecodeError::Truncated));
        assert_eq!(decoded(&[31, 0x80], 31), Err(DecodeError::Truncated));
    }
}
