//! Percent-encoding of paths and queries.

/// What stays as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decoding {
    /// One segment of a path: everything is decoded.
    Segment,
    /// Several segments: `%2F` stays, so that it is no separator (google/api/http.proto, "HttpRule").
    Segments,
    /// A name or value of a query: a plus is a space, as browsers write it.
    Query,
}

/// Why a text can not be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Undecodable {
    /// A percent sign without two hexadecimal digits.
    Percent,
    /// The bytes are no UTF-8.
    Utf8,
}

/// The text that the bytes stand for.
pub(crate) fn decode(text: &[u8], decoding: Decoding) -> Result<String, Undecodable> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        match first {
            b'%' => {
                let [high, low, behind @ ..] = behind else { return Err(Undecodable::Percent) };
                let (Some(high), Some(low)) = (digit(*high), digit(*low)) else {
                    return Err(Undecodable::Percent);
                };
                rest = behind;
                match (high * 16 + low, decoding) {
                    (b'/', Decoding::Segments) => bytes.extend_from_slice(b"%2F"),
                    (byte, _) => bytes.push(byte),
                }
            }
            b'+' if decoding == Decoding::Query => bytes.push(b' '),
            byte => bytes.push(*byte),
        }
    }
    String::from_utf8(bytes).map_err(|_| Undecodable::Utf8)
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

// === impl Undecodable ===

impl Undecodable {
    /// In words.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Percent => "a percent sign needs two hexadecimal digits behind it",
            Self::Utf8 => "it is not UTF-8",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_several_segments_keep_their_encoded_slashes() {
        for (text, decoding, expected) in [
            ("a%2Fb%3ac", Decoding::Segment, "a/b:c"),
            ("a/b%2fc%2F%20", Decoding::Segments, "a/b%2Fc%2F "),
            ("a+b%2B%2f", Decoding::Query, "a b+/"),
            ("a+b", Decoding::Segment, "a+b"),
            ("s%C3%BC%C3%9f", Decoding::Segment, "süß"),
            ("", Decoding::Query, ""),
        ] {
            assert_eq!(decode(text.as_bytes(), decoding).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_encoding_is_an_error() {
        for text in ["%", "a%2", "%zz", "%+1", "%%41"] {
            let decoded = decode(text.as_bytes(), Decoding::Segment);
            assert_eq!(decoded, Err(Undecodable::Percent), "{text}");
        }
        assert_eq!(decode(b"%ff", Decoding::Query), Err(Undecodable::Utf8));
        assert_eq!(decode(b"\xff", Decoding::Query), Err(Undecodable::Utf8));
    }
}
