//! Which bytes may stand in a field name and in a field value: one table for every protocol.
//!
//! A field with another byte must never be relayed. A CR, LF, or NUL that passes here becomes a second
//! field, or a second request, at the next hop that speaks HTTP/1. Names are lower case (RFC 9113 §8.2.1);
//! HTTP/1 lowers the case of its names before it asks.
//! What a field means, where it may stand, and how often, is checked by the protocol engines.

use crate::Name;

/// Why a field is malformed. Offsets count from zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FieldFault {
    /// The name has no byte.
    #[error("field name is empty")]
    NameEmpty,
    /// The name begins with a colon but is no pseudo field that we know.
    #[error("unknown pseudo field")]
    PseudoUnknown,
    /// The name holds a byte that no name may hold.
    #[error("field name has byte {byte:#04x} at offset {at}")]
    NameByte {
        /// Where.
        at: u32,
        /// Which.
        byte: u8,
    },
    /// The value holds a byte that no value may hold.
    #[error("field value has byte {byte:#04x} at offset {at}")]
    ValueByte {
        /// Where.
        at: u32,
        /// Which.
        byte: u8,
    },
    /// The value begins with a space or a tab.
    #[error("field value begins with white space")]
    ValueLeadingSpace,
    /// The value ends with a space or a tab.
    #[error("field value ends with white space")]
    ValueTrailingSpace,
}

const IN_NAME: u8 = 1;
const IN_VALUE: u8 = 2;

/// For each byte, whether it may stand in a name and in a value.
static CLASS: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = name_class(byte as u8) | value_class(byte as u8);
        byte += 1;
    }
    table
}

const fn name_class(byte: u8) -> u8 {
    match byte {
        // RFC 9110 §5.6.2: tchar; RFC 9113 §8.2.1: no upper case.
        b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~' => IN_NAME,
        b'0'..=b'9' | b'a'..=b'z' => IN_NAME,
        _ => 0,
    }
}

const fn value_class(byte: u8) -> u8 {
    match byte {
        // RFC 9110 §5.5: visible characters, obs-text, and inside the value space and tab.
        b'\t' | b' '..=b'~' | 0x80..=0xff => IN_VALUE,
        _ => 0,
    }
}

/// Each byte in lower case if it may stand in a name, in any case; zero otherwise.
static LOWERED: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let lower = (byte as u8).to_ascii_lowercase();
        if name_class(lower) != 0 {
            table[byte] = lower;
        }
        byte += 1;
    }
    table
};

/// Writes a name in lower case, as the protocols that take any case do. Whether it is one.
#[inline]
pub(crate) fn lower_name(name: &[u8], into: &mut [u8]) -> bool {
    let mut legal = true;
    for (place, byte) in into.iter_mut().zip(name) {
        *place = LOWERED[*byte as usize];
        legal &= *place != 0;
    }
    legal && !name.is_empty()
}

/// Whether this byte may stand in a name, in lower case.
pub const fn is_name_byte(byte: u8) -> bool {
    CLASS[byte as usize] & IN_NAME != 0
}

/// Whether this byte may stand in a value. White space may not begin or end it, though.
pub const fn is_value_byte(byte: u8) -> bool {
    CLASS[byte as usize] & IN_VALUE != 0
}

/// Checks a name, in lower case. A pseudo field passes if it is a known one.
pub fn check_name(name: &[u8]) -> Result<(), FieldFault> {
    let Some(first) = name.first() else {
        return Err(FieldFault::NameEmpty);
    };
    if *first == b':' {
        return match Name::of(name) {
            Name::Other => Err(FieldFault::PseudoUnknown),
            _ => Ok(()),
        };
    }
    match name.iter().position(|byte| !is_name_byte(*byte)) {
        Some(at) => Err(FieldFault::NameByte { at: at as u32, byte: name[at] }),
        None => Ok(()),
    }
}

/// Checks a value.
#[inline]
pub fn check_value(value: &[u8]) -> Result<(), FieldFault> {
    let (Some(first), Some(last)) = (value.first(), value.last()) else {
        return Ok(());
    };
    if is_space(*first) || is_space(*last) || !is_plain(value) { scan_value(value) } else { Ok(()) }
}

const fn is_space(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// Whether all bytes are legal and none is a tab. Eight at a time: a value is looked at for every call.
#[inline]
fn is_plain(value: &[u8]) -> bool {
    let (words, rest) = value.as_chunks::<8>();
    let flagged = words.iter().fold(0, |flags, word| flags | suspects(u64::from_le_bytes(*word)));
    if rest.is_empty() {
        return flagged == 0;
    }
    // The last eight bytes overlap what was seen already; a short value is filled up with spaces.
    let tail = match value.last_chunk::<8>() {
        Some(tail) => u64::from_le_bytes(*tail),
        None => rest.iter().fold(SPACES, |word, byte| word << 8 | u64::from(*byte)),
    };
    flagged | suspects(tail) == 0
}

const ONES: u64 = 0x0101_0101_0101_0101;
const SPACES: u64 = ONES * 0x20;

/// Not zero if one of the eight bytes is below 0x20 or is 0x7f.
const fn suspects(word: u64) -> u64 {
    const HIGH: u64 = ONES * 0x80;
    let below_space = word.wrapping_sub(SPACES) & !word;
    let delete = word ^ (ONES * 0x7f);
    (below_space | (delete.wrapping_sub(ONES) & !delete)) & HIGH
}

#[cold]
fn scan_value(value: &[u8]) -> Result<(), FieldFault> {
    if let Some(at) = value.iter().position(|byte| !is_value_byte(*byte)) {
        return Err(FieldFault::ValueByte { at: at as u32, byte: value[at] });
    }
    // RFC 9113 §8.2.1: a value must not begin or end with white space.
    if value.first().is_some_and(|byte| is_space(*byte)) {
        return Err(FieldFault::ValueLeadingSpace);
    }
    if value.last().is_some_and(|byte| is_space(*byte)) {
        return Err(FieldFault::ValueTrailingSpace);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_holds_lower_case_token_characters_only() {
        let legal = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz";
        for byte in 0..=255u8 {
            let expected = match legal.contains(&byte) {
                true => Ok(()),
                false => Err(FieldFault::NameByte { at: 1, byte }),
            };
            assert_eq!(check_name(&[b'x', byte, b'y']), expected, "byte {byte:#x}");
        }
    }

    #[test]
    fn a_lowered_name_is_a_name() {
        for byte in 0..=255u8 {
            let mut lowered = [0; 3];
            let legal = lower_name(&[b'X', byte, b'y'], &mut lowered);
            let lower = byte.to_ascii_lowercase();
            assert_eq!(legal, check_name(&[b'x', lower, b'y']).is_ok(), "byte {byte:#x}");
            assert!(!legal || lowered == [b'x', lower, b'y']);
        }
        assert!(!lower_name(b"", &mut []));
    }

    #[test]
    fn a_value_holds_no_control_byte_except_tab_at_any_offset() {
        for byte in 0..=255u8 {
            let legal = byte == b'\t' || (byte >= 0x20 && byte != 0x7f);
            for (len, at) in (3..40).flat_map(|len| (1..len - 1).map(move |at| (len, at))) {
                let mut value = vec![b'a'; len];
                value[at] = byte;
                let expected = match legal {
                    true => Ok(()),
                    false => Err(FieldFault::ValueByte { at: at as u32, byte }),
                };
                assert_eq!(check_value(&value), expected, "byte {byte:#x} at {at} of {len}");
            }
        }
    }

    #[test]
    fn a_value_neither_begins_nor_ends_with_white_space() {
        assert_eq!(check_value(b" a"), Err(FieldFault::ValueLeadingSpace));
        assert_eq!(check_value(b"\ta"), Err(FieldFault::ValueLeadingSpace));
        assert_eq!(check_value(b"a "), Err(FieldFault::ValueTrailingSpace));
        assert_eq!(check_value(b"a\t"), Err(FieldFault::ValueTrailingSpace));
        assert_eq!(check_value(b" "), Err(FieldFault::ValueLeadingSpace));
        assert_eq!(check_value(b"a b"), Ok(()));
        assert_eq!(check_value(b""), Ok(()));
    }

    #[test]
    fn a_colon_begins_known_pseudo_fields_only() {
        assert_eq!(check_name(b":path"), Ok(()));
        assert_eq!(check_name(b":pathx"), Err(FieldFault::PseudoUnknown));
        assert_eq!(check_name(b":"), Err(FieldFault::PseudoUnknown));
        assert_eq!(check_name(b"a:b"), Err(FieldFault::NameByte { at: 1, byte: b':' }));
        assert_eq!(check_name(b""), Err(FieldFault::NameEmpty));
    }

    #[test]
    fn a_fault_says_which_byte_and_where() {
        assert_eq!(
            FieldFault::ValueByte { at: 3, byte: b'\n' }.to_string(),
            "field value has byte 0x0a at offset 3"
        );
    }
}
