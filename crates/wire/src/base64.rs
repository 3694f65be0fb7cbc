//! Base64 with padding (RFC 4648 §4), four characters at a time, so that streams need no buffer.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// What a character that is not in the alphabet is worth.
const NONE: u8 = 0xff;

static VALUES: [u8; 256] = values();

const fn values() -> [u8; 256] {
    let mut values = [NONE; 256];
    let mut at = 0;
    while at < ALPHABET.len() {
        values[ALPHABET[at] as usize] = at as u8;
        at += 1;
    }
    values
}

/// Appends the text of these bytes.
pub(crate) fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    let (groups, rest) = bytes.as_chunks::<3>();
    for group in groups {
        out.extend_from_slice(&encode_group(*group));
    }
    let mut last = match rest {
        [a] => encode_group([*a, 0, 0]),
        [a, b] => encode_group([*a, *b, 0]),
        _ => return,
    };
    // A byte makes two characters, two make three; padding fills up to four.
    last[rest.len() + 1..].fill(b'=');
    out.extend_from_slice(&last);
}

fn encode_group([a, b, c]: [u8; 3]) -> [u8; 4] {
    let bits = u32::from_be_bytes([0, a, b, c]);
    [18, 12, 6, 0].map(|shift| ALPHABET[(bits >> shift) as usize % 64])
}

/// Appends the bytes of four characters. `None`: they are no base64. Padding may end them, and then
/// bits that stand for nothing have to be zero (RFC 4648 §3.5): one text for the same bytes.
pub(crate) fn decode_group(group: [u8; 4], out: &mut Vec<u8>) -> Option<()> {
    let characters = match group {
        [_, _, b'=', b'='] => 2,
        [_, _, _, b'='] => 3,
        _ => 4,
    };
    let mut bits = 0;
    for (at, character) in group.into_iter().enumerate() {
        let value = if at < characters { VALUES[usize::from(character)] } else { 0 };
        if value == NONE {
            return None;
        }
        bits = bits << 6 | u32::from(value);
    }
    let [_, bytes @ ..] = bits.to_be_bytes();
    let (meant, spare) = bytes.split_at(characters - 1);
    if spare.iter().any(|byte| *byte != 0) {
        return None;
    }
    out.extend_from_slice(meant);
    Some(())
}

/// Appends the bytes of a text. `None`: it is no base64.
pub(crate) fn decode(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let (groups, rest) = text.as_chunks::<4>();
    let (last, others) = match groups.split_last() {
        None => return rest.is_empty().then_some(()),
        Some(split) => split,
    };
    // Padding only at the end.
    if !rest.is_empty() || others.iter().any(|group| group[3] == b'=') {
        return None;
    }
    others.iter().try_for_each(|group| decode_group(*group, out))?;
    decode_group(*last, out)
}

/// Appends the bytes of a text in the alphabet for URLs, without padding (RFC 4648 §5). `None`: it is none.
pub(crate) fn decode_url(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let padding = (4 - text.len() % 4) % 4;
    let plain = text.iter().map(|byte| match byte {
        b'-' => Some(b'+'),
        b'_' => Some(b'/'),
        b'+' | b'/' | b'=' => None,
        other => Some(*other),
    });
    let mut padded: Vec<u8> = plain.collect::<Option<_>>()?;
    padded.extend(std::iter::repeat_n(b'=', padding));
    decode(&padded, out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(text: &str) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        decode(text.as_bytes(), &mut out).map(|()| out)
    }

    /// RFC 4648 §5.
    #[test]
    fn the_alphabet_for_urls() {
        let decoded = |text: &[u8]| {
            let mut out = Vec::new();
            decode_url(text, &mut out).map(|()| out)
        };
        assert_eq!(decoded(b"AAMAAABk"), Some(vec![0, 3, 0, 0, 0, 100]));
        assert_eq!(decoded(b"-_8"), Some(vec![0xfb, 0xff]));
        assert_eq!(decoded(b"-_-_"), decoded(b"-_-_"));
        for bad in [&b"+/8"[..], b"-_8=", b"A", b"A.BC"] {
            assert_eq!(decoded(bad), None, "{bad:?}");
        }
    }

    /// RFC 4648 §10.
    #[test]
    fn both_ways() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            let mut out = Vec::new();
            encode(bytes.as_bytes(), &mut out);
            assert_eq!(out, text.as_bytes());
            assert_eq!(decoded(text), Some(bytes.as_bytes().to_vec()), "{text}");
        }
        let all: Vec<u8> = (0..=255).collect();
        let mut text = Vec::new();
        encode(&all, &mut text);
        assert_eq!(decoded(str::from_utf8(&text).expect("ASCII")), Some(all));
    }

    #[test]
    fn one_text_for_the_same_bytes() {
        for wrong in [
            "Zg", "Zg=", "Zg===", "=", "====", "Z===", "Zh==", "Zm9=", "Zg==Zg==", "Zm9v\n",
            "Zm-_", "Z m8", "Zm=v",
        ] {
            assert_eq!(decoded(wrong), None, "{wrong:?}");
        }
    }
}
