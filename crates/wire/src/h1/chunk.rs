//! The chunked coding (RFC 9112 §7.1): the line of a chunk, and how a body of chunks goes on.

use super::Fault;
use crate::fields;

/// What is due next in a chunked body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chunks {
    /// The line of a chunk.
    Line,
    /// So many bytes of a chunk.
    Data(u64),
    /// The CR behind a chunk.
    End,
    /// The LF behind that.
    EndLf,
    /// Trailers, or the empty line instead of them.
    Trailers,
}

/// Larger chunks than this are refused, so that no reader takes the size for a negative one.
const CHUNK_BYTES_MAX: u64 = i64::MAX as u64;

/// Reads the line of a chunk, without its CR LF: the size. Extensions are read so that nobody hides
/// anything in them, and dropped (RFC 9112 §7.1.1).
pub(super) fn chunk_size(line: &[u8]) -> Result<u64, Fault> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (digits, extensions) = line.split_at_checked(digits).ok_or(Fault::ChunkSize)?;
    if digits.is_empty() {
        return Err(Fault::ChunkSize);
    }
    let mut size = 0u64;
    for digit in digits {
        let digit = (*digit as char).to_digit(16).ok_or(Fault::ChunkSize)?;
        size = size.checked_mul(16).ok_or(Fault::ChunkSize)? | u64::from(digit);
    }
    match (size <= CHUNK_BYTES_MAX, extensions.first()) {
        (false, _) => Err(Fault::ChunkSize),
        (true, None) => Ok(size),
        (true, Some(b';')) if are_extensions(extensions) => Ok(size),
        (true, Some(b';')) => Err(Fault::ChunkExtension),
        (true, Some(_)) => Err(Fault::ChunkSize),
    }
}

/// `;name`, `;name=token`, `;name="text"`, any number of them. White space is not taken, although RFC 9112
/// would have it tolerated: nobody sends it who means well.
fn are_extensions(text: &[u8]) -> bool {
    let mut rest = text;
    while let Some((b';', after)) = rest.split_first() {
        let Some(behind) = token(after) else { return false };
        rest = behind;
        let Some((b'=', value)) = rest.split_first() else { continue };
        let behind = match value.first() {
            Some(b'"') => quoted(value),
            _ => token(value),
        };
        let Some(behind) = behind else { return false };
        rest = behind;
    }
    rest.is_empty()
}

/// What stands behind a token.
fn token(text: &[u8]) -> Option<&[u8]> {
    let len = text.iter().take_while(|byte| fields::is_token_byte(**byte)).count();
    text.get(len..).filter(|_| len > 0)
}

/// What stands behind a quoted string (RFC 9110 §5.6.4).
fn quoted(text: &[u8]) -> Option<&[u8]> {
    let mut bytes = text.iter().enumerate().skip(1);
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return text.get(at + 1..),
            b'\\' => {
                let (_, escaped) = bytes.next()?;
                crate::syntax::is_value_byte(*escaped).then_some(())?;
            }
            byte if crate::syntax::is_value_byte(*byte) => {}
            _ => return None,
        }
    }
    None
}

/// The line of a chunk of so many bytes, CR LF included; no allocation.
pub(super) fn put_chunk_line(out: &mut Vec<u8>, bytes: usize) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = (usize::BITS - bytes.leading_zeros()).div_ceil(4).max(1);
    for place in (0..digits).rev() {
        out.push(DIGITS[(bytes >> (place * 4)) & 15]);
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_hexadecimal_digits_and_nothing_else() {
        assert_eq!(chunk_size(b"0"), Ok(0));
        assert_eq!(chunk_size(b"00aF"), Ok(0xaf));
        assert_eq!(chunk_size(b"7fffffffffffffff"), Ok(i64::MAX as u64));
        for bad in [
            &b""[..],
            b"8000000000000000",
            b"10000000000000000",
            b"ffffffffffffffffffff",
            b"+5",
            b"-5",
            b"0x5",
            b" 5",
            b"5 ",
            b"1_0",
            b"5\t",
            b"g",
            b"5,",
        ] {
            assert_eq!(chunk_size(bad), Err(Fault::ChunkSize), "{bad:?}");
        }
    }

    #[test]
    fn extensions_are_read_strictly_and_dropped() {
        for good in
            [&b"5;a"[..], b"5;a=b", b"5;a=\"x y\\\"z\"", b"5;a;b=c;d=\"\"", b"5;a=\"\xff\t\""]
        {
            assert_eq!(chunk_size(good), Ok(5), "{good:?}");
        }
        for bad in [
            &b"5;"[..],
            b"5;=a",
            b"5;a=",
            b"5;a b",
            b"5; a",
            b"5;a=\"b",
            b"5;a=\"b\\",
            b"5;a=\"b\"c",
            b"5;a\r",
            b"5;a=\"\r\"",
            b"5;a=\0",
        ] {
            assert_eq!(chunk_size(bad), Err(Fault::ChunkExtension), "{bad:?}");
        }
    }

    #[test]
    fn a_written_size_is_read_again() {
        for size in [0, 1, 9, 10, 15, 16, 255, 256, 65_535, 1 << 20, usize::MAX >> 1] {
            let mut line = Vec::new();
            put_chunk_line(&mut line, size);
            let text = line.strip_suffix(b"\r\n").expect("a line");
            assert_eq!(chunk_size(text), Ok(size as u64));
        }
    }
}
