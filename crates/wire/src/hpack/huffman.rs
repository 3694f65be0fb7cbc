//! Huffman decoding (RFC 7541 §5.2 and Appendix B).
//!
//! The code is canonical: codes of one length follow each other in the order of their symbols, so the
//! lengths alone define it. The compiler builds two tables from them: a wide one, indexed by the next
//! twelve bits, that gives up to two symbols per step, and the first codes per length for the rare symbols
//! that are longer. We never encode with it: the bytes saved cost more than they are worth between
//! machines of one data centre.

use super::decoder::DecodeError;

/// Bits that index the wide table.
const WIDTH: u32 = 12;
/// The longest code.
const LENGTH_MAX: usize = 30;
/// The symbol that ends a string, which must never occur in one.
const EOS: usize = 256;

/// Length in bits of the code of each symbol, the last being EOS.
#[rustfmt::skip]
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];

/// One step of the wide table.
///
/// Bits 0-15: the symbols, the first lowest; 16-21: bits that they take; 24-25: how many they are. No
/// symbol: the code is longer than the table is wide.
type Step = u32;

static STEPS: [Step; 1 << WIDTH] = steps();
static LONG: Canonical = Canonical::new();

/// The code by lengths: what is needed to decode bit by bit.
struct Canonical {
    /// For each length, the first code, aligned to the left of 32 bits.
    first_code: [u32; LENGTH_MAX + 1],
    /// For each length, where its symbols begin in `symbols`.
    first_symbol: [u16; LENGTH_MAX + 1],
    /// All symbols in the order of their codes.
    symbols: [u16; 257],
}

/// Most bytes that `len` encoded bytes decode to: the shortest code has five bits. Includes the slack
/// that [`decode`] writes beyond the end.
pub(super) const fn room_bytes(len: usize) -> usize {
    len * 8 / 5 + 16
}

/// Decodes a string into the front of `out`, which has [`room_bytes`], and says how long it is.
pub(super) fn decode(input: &[u8], out: &mut [u8]) -> Result<usize, DecodeError> {
    let mut bits = Bits { input, word: 0, count: 0 };
    let mut written = 0;
    loop {
        bits.refill();
        let step = STEPS[(bits.word >> (64 - WIDTH)) as usize];
        let length = (step >> 16) & 0x3f;
        if length == 0 || length > bits.count {
            match bits.long_symbol()? {
                Some(symbol) => {
                    *out.get_mut(written).ok_or(DecodeError::Huffman)? = symbol;
                    written += 1;
                    continue;
                }
                None => return Ok(written),
            }
        }
        let pair = out.get_mut(written..written + 2).ok_or(DecodeError::Huffman)?;
        pair.copy_from_slice(&(step as u16).to_le_bytes());
        written += (step >> 24) as usize;
        bits.take(length);
    }
}

/// The bits still to decode: `count` of them at the left of `word`, further ones in `input`.
struct Bits<'a> {
    input: &'a [u8],
    word: u64,
    count: u32,
}

// === impl Bits ===

impl Bits<'_> {
    #[inline]
    fn refill(&mut self) {
        if self.count >= 32 {
            return;
        }
        if let Some((four, rest)) = self.input.split_first_chunk::<4>() {
            self.word |= u64::from(u32::from_be_bytes(*four)) << (32 - self.count);
            self.count += 32;
            self.input = rest;
            return;
        }
        while let Some((byte, rest)) = self.input.split_first() {
            self.word |= u64::from(*byte) << (56 - self.count);
            self.count += 8;
            self.input = rest;
        }
    }

    #[inline]
    fn take(&mut self, length: u32) {
        self.word <<= length;
        self.count -= length;
    }

    /// The next symbol by its length, which is long or stands at the end; none if only padding is left.
    #[cold]
    fn long_symbol(&mut self) -> Result<Option<u8>, DecodeError> {
        let code = (self.word >> 32) as u32;
        // RFC 7541 §5.2: padding is the most significant bits of EOS, which are ones, at most seven.
        if self.count < 8 && self.input.is_empty() && self.word == !(u64::MAX >> self.count) {
            return Ok(None);
        }
        let (length, symbol) = LONG.symbol(code);
        if symbol as usize == EOS || length > self.count {
            return Err(DecodeError::Huffman);
        }
        self.take(length);
        Ok(Some(symbol as u8))
    }
}

// === impl Canonical ===

impl Canonical {
    const fn new() -> Self {
        let mut table = Self {
            first_code: [u32::MAX; LENGTH_MAX + 1],
            first_symbol: [0; LENGTH_MAX + 1],
            symbols: [0; 257],
        };
        let mut code: u64 = 0;
        let mut next = 0;
        let mut length = 1;
        while length <= LENGTH_MAX {
            table.first_code[length] = (code << (32 - length)) as u32;
            table.first_symbol[length] = next as u16;
            let mut symbol = 0;
            while symbol < LENGTHS.len() {
                if LENGTHS[symbol] as usize == length {
                    table.symbols[next] = symbol as u16;
                    next += 1;
                    code += 1;
                }
                symbol += 1;
            }
            code <<= 1;
            length += 1;
        }
        table
    }

    /// The symbol at the left of `code`, and its length. Every sequence of bits has one.
    const fn symbol(&self, code: u32) -> (u32, u16) {
        let mut length = LENGTH_MAX;
        // The first codes grow with the length: the longest whose first code is not above is the right
        // one, unless that length has no symbols.
        while length > 5 && (self.first_code[length] > code || self.is_unused(length)) {
            length -= 1;
        }
        let offset = (code - self.first_code[length]) >> (32 - length);
        let at = self.first_symbol[length] as usize + offset as usize;
        (length as u32, self.symbols[at])
    }

    const fn is_unused(&self, length: usize) -> bool {
        length < LENGTH_MAX && self.first_symbol[length] == self.first_symbol[length + 1]
    }
}

const fn steps() -> [Step; 1 << WIDTH] {
    let code = Canonical::new();
    let mut table = [0; 1 << WIDTH];
    let mut index = 0;
    while index < table.len() {
        table[index] = step(&code, (index as u32) << (32 - WIDTH));
        index += 1;
    }
    table
}

const fn step(code: &Canonical, bits: u32) -> Step {
    let (first_length, first) = code.symbol(bits);
    if first_length > WIDTH {
        return 0;
    }
    let (second_length, second) = code.symbol(bits << first_length);
    if first_length + second_length > WIDTH {
        return first as u32 | first_length << 16 | 1 << 24;
    }
    first as u32 | (second as u32) << 8 | (first_length + second_length) << 16 | 2 << 24
}
