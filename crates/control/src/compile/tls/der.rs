//! Reads DER, as far as OCSP responses need it.
//!
//! Nothing is copied and nothing is kept; whatever does not fit is `None`.

/// Values one behind another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Der<'a>(&'a [u8]);

/// What stands in front of a value. Context-specific ones are made with [`context`].
pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTETS: u8 = 0x04;
pub(super) const OBJECT_ID: u8 = 0x06;
pub(super) const ENUMERATED: u8 = 0x0a;
pub(super) const TIME: u8 = 0x18;
pub(super) const SEQUENCE: u8 = 0x30;

/// The tag of a value in square brackets.
pub(super) const fn context(number: u8) -> u8 {
    0xa0 | number
}

// === impl Der ===

impl<'a> Der<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The next value, if it has this tag.
    pub(super) fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (&found, rest) = self.0.split_first()?;
        if found != tag {
            return None;
        }
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            // Four bytes of length are more than any file that is read.
            0x81..=0x84 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
            }
            _ => return None,
        };
        let (value, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(value)
    }

    /// The values inside the next one, if it has this tag.
    pub(super) fn enter(&mut self, tag: u8) -> Option<Self> {
        self.take(tag).map(Self)
    }

    /// Passes over the next value, whatever it is.
    pub(super) fn skip(&mut self) -> Option<()> {
        self.take(*self.0.first()?).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_one_by_one() {
        let mut der = Der::new(&[0x30, 0x03, 0x02, 0x01, 0x07, 0x0a, 0x01, 0x00]);
        let mut inside = der.enter(SEQUENCE).expect("a sequence");
        assert_eq!(inside.take(INTEGER), Some(&[7][..]));
        assert!(inside.is_empty());
        assert_eq!(der.take(INTEGER), None);
        assert_eq!(der.skip(), Some(()));
        assert!(der.is_empty() && der.skip().is_none());
    }

    #[test]
    fn long_lengths_and_lengths_past_the_end() {
        let mut long = vec![0x04, 0x82, 0x01, 0x00];
        long.resize(4 + 256, 9);
        assert_eq!(Der::new(&long).take(OCTETS).map(<[u8]>::len), Some(256));
        for wrong in [
            &long[..259],
            &[0x04],
            &[0x04, 0x80],
            &[0x04, 0x85, 0, 0, 0, 0, 0],
            &[0x04, 0x82, 0x01],
            &[0x04, 0x84, 0xff, 0xff, 0xff, 0xff, 0],
        ] {
            assert_eq!(Der::new(wrong).take(OCTETS), None, "{wrong:?}");
        }
    }
}
