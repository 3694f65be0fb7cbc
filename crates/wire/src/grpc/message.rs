//! `grpc-message`: the text of a status, percent-encoded.

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Appends `message` as it may stand in the field: everything but printable ASCII, the percent sign, and
/// white space at either end is percent-encoded.
pub fn encode_message(message: &[u8], out: &mut Vec<u8>) {
    for (at, byte) in message.iter().enumerate() {
        let at_end = at == 0 || at + 1 == message.len();
        match byte {
            b'%' => out.extend_from_slice(b"%25"),
            // RFC 9113 §8.2.1: a value neither begins nor ends with a space.
            b' ' if at_end => out.extend_from_slice(b"%20"),
            b' '..=b'~' => out.push(*byte),
            other => {
                out.extend([b'%', HEX[usize::from(other >> 4)], HEX[usize::from(other & 15)]]);
            }
        }
    }
}

/// Appends the text of a field. What is not a legal encoding is taken as it stands: a wrong message must
/// not hide a status.
pub fn decode_message(field: &[u8], out: &mut Vec<u8>) {
    let mut rest = field;
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        match (first, escaped(behind)) {
            (b'%', Some(byte)) => {
                out.push(byte);
                rest = &behind[2..];
            }
            _ => out.push(*first),
        }
    }
}

/// The byte that two hexadecimal digits at the front stand for.
fn escaped(text: &[u8]) -> Option<u8> {
    let [high, low, ..] = text else { return None };
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    Some((digit(high)? * 16 + digit(low)?) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(message: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        encode_message(message, &mut out);
        out
    }

    fn decoded(field: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        decode_message(field, &mut out);
        out
    }

    #[test]
    fn only_printable_ascii_stands_for_itself() {
        assert_eq!(encoded(b"job 7 is gone"), b"job 7 is gone");
        assert_eq!(encoded("100% süß\r\n".as_bytes()), b"100%25 s%C3%BC%C3%9F%0D%0A");
        assert_eq!(encoded(b" a b "), b"%20a b%20");
        assert_eq!(encoded(b""), b"");
    }

    #[test]
    fn each_byte_comes_back_and_may_stand_in_a_value() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(decoded(&encoded(&all)), all);
        assert_eq!(crate::syntax::check_value(&encoded(&all)), Ok(()));
    }

    #[test]
    fn a_wrong_encoding_is_taken_as_it_stands() {
        for text in [&b"%"[..], b"%4", b"%zz", b"a%4", b"%%41"] {
            let expected = if text == b"%%41" { b"%A" } else { text };
            assert_eq!(decoded(text), expected);
        }
        assert_eq!(decoded(b"%e4%C3"), b"\xe4\xc3");
    }
}
