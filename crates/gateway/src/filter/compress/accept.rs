//! Which coding a caller wants: `accept-encoding` (RFC 9110 §12.5.3).

use narrows_wire::{Head, Name};

/// A content coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// RFC 1952.
    Gzip,
    /// RFC 7932.
    Brotli,
    /// RFC 8878.
    Zstd,
}

/// The weight of a coding, in thousandths.
type Weight = u16;

// === impl Coding ===

impl Coding {
    /// Its name in fields.
    pub fn token(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }

    fn is(self, token: &[u8]) -> bool {
        token.eq_ignore_ascii_case(self.token().as_bytes())
            // RFC 9110 §8.4.1.3.
            || (self == Self::Gzip && token.eq_ignore_ascii_case(b"x-gzip"))
    }
}

/// The coding with the greatest weight, the first of several in our order; `None`: none is accepted, or
/// the caller would rather have the content as it is.
pub(super) fn choose(request: &Head, ours: &[Coding]) -> Option<Coding> {
    let mut best: Option<(Coding, Weight)> = None;
    for coding in ours {
        let weight = weight(request, |token| coding.is(token));
        if weight > best.map_or(0, |(_, weight)| weight) {
            best = Some((*coding, weight));
        }
    }
    // As it is, content is always acceptable; preferred it is only by a weight of its own.
    let identity = named_weight(request, |token| token.eq_ignore_ascii_case(b"identity"));
    let (coding, weight) = best?;
    (weight >= identity.unwrap_or(0)).then_some(coding)
}

/// The weight of a token, or that of `*` where it is not named.
fn weight(request: &Head, is_it: impl Fn(&[u8]) -> bool) -> Weight {
    let named = named_weight(request, is_it);
    named.or_else(|| named_weight(request, |token| token == b"*")).unwrap_or(0)
}

fn named_weight(request: &Head, is_it: impl Fn(&[u8]) -> bool) -> Option<Weight> {
    let fields = request.fields().iter().filter(|field| field.name == Name::AcceptEncoding);
    let items = fields.flat_map(|field| request.value(field).split(|byte| *byte == b','));
    items.map(parts).find(|(token, _)| is_it(token)).map(|(_, weight)| weight)
}

/// A token and its weight. RFC 9110 §12.4.2: 1 unless given; what is malformed is not wanted.
fn parts(item: &[u8]) -> (&[u8], Weight) {
    let mut parts = item.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let token = parts.next().unwrap_or_default();
    let weight = match parts.next() {
        None => Some(1000),
        Some([b'q' | b'Q', b'=', value @ ..]) => thousandths(value),
        Some(_) => None,
    };
    (token, weight.unwrap_or(0))
}

fn thousandths(value: &[u8]) -> Option<Weight> {
    let (whole, rest) = value.split_first()?;
    let digits = match rest {
        [] => rest,
        [b'.', digits @ ..] if digits.len() <= 3 => digits,
        _ => return None,
    };
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let places = digits.iter().chain(b"000").take(3);
    let below = places.fold(0, |sum, digit| sum * 10 + Weight::from(digit - b'0'));
    match whole {
        b'0' => Some(below),
        b'1' if below == 0 => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use narrows_wire::Indexing;

    use super::*;

    #[test]
    fn the_greatest_weight_wins_then_our_order() {
        const OURS: [Coding; 3] = [Coding::Zstd, Coding::Brotli, Coding::Gzip];
        for (accepted, expected) in [
            ("gzip, deflate, br, zstd", Some(Coding::Zstd)),
            ("gzip;q=1.0, br;q=0.5", Some(Coding::Gzip)),
            ("GZip", Some(Coding::Gzip)),
            ("x-gzip", Some(Coding::Gzip)),
            ("*", Some(Coding::Zstd)),
            ("zstd;q=0, *;q=0.001", Some(Coding::Brotli)),
            ("gzip ; q=0.1 , identity;q=0.1", Some(Coding::Gzip)),
            ("identity, gzip;q=0.5", None),
            ("identity;q=0, gzip;q=0.5", Some(Coding::Gzip)),
            ("gzip;q=0", None),
            ("gzip;q=0.000", None),
            ("gzip;q=2", None),
            ("gzip;q=0.1234", None),
            ("gzip;q=", None),
            ("gzip;level=1", None),
            ("gzipped", None),
            ("deflate", None),
            ("", None),
        ] {
            let mut head = Head::new();
            head.push(Name::AcceptEncoding, accepted.as_bytes(), Indexing::Unique);
            assert_eq!(choose(&head, &OURS), expected, "{accepted}");
        }
        assert_eq!(choose(&Head::new(), &OURS), None);
    }

    #[test]
    fn several_fields_are_one_list() {
        let mut head = Head::new();
        head.push(Name::AcceptEncoding, b"gzip;q=0.5", Indexing::Unique);
        head.push(Name::AcceptEncoding, b"br", Indexing::Unique);
        assert_eq!(choose(&head, &[Coding::Gzip, Coding::Brotli]), Some(Coding::Brotli));
    }
}
