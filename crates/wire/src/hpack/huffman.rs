//! Huffman decoding (RFC 7541 §5.2 and Appendix B).
//!
//! The code is canonical: codes of one length follow each other in the order of their symbols, so the
//! lengths alone define it. The compiler builds two tables from them: a wide one, indexed by the next
//! twelve bits, that gives up to two symbols per step, and the first codes per length for the rare symbols
//! that are longer. We never encode with it: the bytes saved cost more than they are worth between
//! machines of one data centre.

/// Bits that index the wide table.
const WIDTH: u32 = 12;
/// The longest code.
const LENGTH_MAX: usize = 30;

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

/// Steps between two loads: together they take no more than the 57 bits that a load gives at least.
const STEPS_PER_LOAD: usize = 4;
/// Bytes that are written at once.
const CHUNK: usize = 16;

/// One step of the wide table. A code that is longer than the table is wide makes no progress.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(4))]
struct Step {
    symbols: [u8; 2],
    /// Bits taken.
    length: u8,
    count: Count,
}

/// How many symbols a step gives: an enum, so that the compiler knows how far a few steps can reach.
#[derive(Debug, Clone, Copy)]
enum Count {
    Zero,
    One,
    Two,
}

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

/// A decoded string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decoded {
    pub(super) len: u32,
    pub(super) bytes: Bytes,
}

/// What is known about the bytes of a decoded string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bytes {
    /// All have short codes: printable ASCII, and so legal in a value.
    Printable,
    Any,
}

/// Room that [`decode`] needs for `len` encoded bytes: the shortest code has five bits of eight, and the
/// last chunk may reach beyond the end.
pub(super) const fn room_bytes(len: usize) -> usize {
    len * 2 + CHUNK
}

/// Decodes the string from `start` to the end of `text` into the front of `out`, which has
/// [`room_bytes`]. None if a code is illegal. What stands before `start` is only used to load whole words.
///
/// Each step waits for the one before it, so what counts is how long the way from step to step is, not how
/// many instructions there are. The bits behind the word are therefore loaded while the steps are taken,
/// not after them: its share of a call whose headers differ fell from 26 % to 23 % of the time.
#[inline(never)]
pub(super) fn decode(text: &[u8], start: usize, out: &mut [u8]) -> Option<Decoded> {
    let (mut bit, mut len, mut bytes) = (start * 8, 0_usize, Bytes::Printable);
    let mut word = load(text, start);
    loop {
        let next = load(text, bit / 8 + 8) << (bit % 8);
        let chunk = out.get_mut(len..len + CHUNK)?.first_chunk_mut()?;
        let steps = four_steps(word, chunk);
        len += steps.count;
        bit += steps.length as usize;
        word = steps.word | next >> 1 >> (63 - steps.length);
        if !steps.is_stuck {
            continue;
        }
        // RFC 7541 §5.2: padding is at most seven bits, all ones. Behind the end there are only ones.
        if bit + 8 > text.len() * 8 && word >> 56 == 0 {
            break;
        }
        let (length, symbol) = LONG.symbol((!word >> 32) as u32);
        // RFC 7541 §5.2: the end symbol, 256, is an error inside a string.
        *out.get_mut(len)? = u8::try_from(symbol).ok()?;
        bytes = Bytes::Any;
        len += 1;
        bit += length as usize;
        word = load_at(text, bit);
    }
    // A code must not reach beyond the end.
    (bit <= text.len() * 8).then_some(Decoded { len: len as u32, bytes })
}

/// What four steps came to.
struct Steps {
    /// What is left of the word, shifted to its front.
    word: u64,
    /// Bits taken.
    length: u32,
    /// Symbols written.
    count: usize,
    /// The last step made no progress.
    is_stuck: bool,
}

#[inline(always)]
fn four_steps(mut word: u64, chunk: &mut [u8; CHUNK]) -> Steps {
    let (mut count, mut length, mut last) = (0, 0, 0);
    for _ in 0..STEPS_PER_LOAD {
        let step = STEPS[(word >> (64 - WIDTH)) as usize];
        chunk[count] = step.symbols[0];
        chunk[count + 1] = step.symbols[1];
        count += step.count as usize;
        last = u32::from(step.length);
        length += last;
        word <<= last & 63;
    }
    Steps { word, length, count, is_stuck: last == 0 }
}

/// The eight bytes from `at` on with all bits turned over: so zeros that come in from the right are the
/// ones that stand behind the end (RFC 7541 §5.2).
#[inline(always)]
fn load(text: &[u8], at: usize) -> u64 {
    match text.get(at..at + 8).and_then(<[u8]>::first_chunk) {
        Some(eight) => !u64::from_be_bytes(*eight),
        None => load_last(text, at),
    }
}

/// As [`load`], from any bit on.
#[cold]
fn load_at(text: &[u8], bit: usize) -> u64 {
    let (front, back) = (load(text, bit / 8), load(text, bit / 8 + 8));
    front << (bit % 8) | back >> 1 >> (63 - bit % 8)
}

/// Fewer than eight bytes at the end of the text, or none.
#[inline]
fn load_last(text: &[u8], at: usize) -> u64 {
    match text.last_chunk::<8>() {
        Some(eight) if at < text.len() => {
            !u64::from_be_bytes(*eight) << (8 * (at + 8 - text.len()))
        }
        Some(_) => 0,
        None => load_short(text, at),
    }
}

#[cold]
fn load_short(text: &[u8], at: usize) -> u64 {
    let mut eight = [0xff; 8];
    let rest = text.get(at..).unwrap_or_default();
    eight.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    !u64::from_be_bytes(eight)
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
    let mut table = [Step::NONE; 1 << WIDTH];
    let mut index = 0;
    while index < table.len() {
        // Words are looked at with all bits turned over, see `load`.
        table[index] = step(&code, !(index as u32) << (32 - WIDTH));
        index += 1;
    }
    table
}

const fn step(code: &Canonical, bits: u32) -> Step {
    let (first_length, first) = code.symbol(bits);
    if first_length > WIDTH {
        return Step::NONE;
    }
    let (second_length, second) = code.symbol(bits << first_length);
    let length = first_length + second_length;
    if length > WIDTH {
        return Step { symbols: [first as u8, 0], length: first_length as u8, count: Count::One };
    }
    Step { symbols: [first as u8, second as u8], length: length as u8, count: Count::Two }
}

impl Step {
    const NONE: Self = Self { symbols: [0; 2], length: 0, count: Count::Zero };
}

#[cfg(test)]
mod tests {
    use super::*;

    const EOS: usize = 256;

    /// The code of a symbol, made from the lengths in another way than the tables: RFC 7541 gives codes
    /// of equal length in the order of the symbols, longer ones behind shorter ones.
    fn code(symbol: usize) -> (u64, u32) {
        let length = LENGTHS[symbol];
        let shorter = (0..257).filter(|other| LENGTHS[*other] < length);
        let equal = (0..symbol).filter(|other| LENGTHS[*other] == length).count() as u64;
        let code = shorter.map(|other| 1u64 << (length - LENGTHS[other])).sum::<u64>() + equal;
        (code, u32::from(length))
    }

    fn encode(symbols: &[usize]) -> Vec<u8> {
        let mut bits = String::new();
        for symbol in symbols {
            let (code, length) = code(*symbol);
            bits.push_str(&format!("{code:0width$b}", width = length as usize));
        }
        while !bits.len().is_multiple_of(8) {
            bits.push('1');
        }
        let byte = |at: usize| u8::from_str_radix(&bits[at..at + 8], 2).unwrap();
        (0..bits.len()).step_by(8).map(byte).collect()
    }

    fn decoded(text: &[u8], start: usize) -> Option<Vec<u8>> {
        let mut out = vec![0; room_bytes(text.len() - start)];
        let decoded = decode(text, start, &mut out)?;
        out.truncate(decoded.len as usize);
        Some(out)
    }

    /// Some codes of RFC 7541 Appendix B, among them the first and the last of several lengths.
    #[test]
    fn the_codes_are_those_of_the_rfc() {
        let table = [
            (b'0', 0x0, 5),
            (b't', 0x9, 5),
            (b' ', 0x14, 6),
            (b'u', 0x2d, 6),
            (b':', 0x5c, 7),
            (b'z', 0x7b, 7),
            (b'&', 0xf8, 8),
            (b'Z', 0xfd, 8),
            (b'!', 0x3f8, 10),
            (b'?', 0x3fc, 10),
            (b'\'', 0x7fa, 11),
            (b'|', 0x7fc, 11),
            (b'#', 0xffa, 12),
            (b'>', 0xffb, 12),
            (0, 0x1ff8, 13),
            (b'~', 0x1ffd, 13),
            (b'^', 0x3ffc, 14),
            (b'{', 0x7ffe, 15),
            (b'\\', 0x7fff0, 19),
            (0xd0, 0x7fff2, 19),
            (128, 0xfffe6, 20),
            (224, 0xfffec, 20),
            (153, 0x1fffdc, 21),
            (129, 0x3fffd2, 22),
            (1, 0x7fffd8, 23),
            (9, 0xffffea, 24),
            (199, 0x1ffffec, 25),
            (255, 0x3ffffee, 26),
            (203, 0x7ffffde, 27),
            (249, 0xffffffe, 28),
            (2, 0xfffffe2, 28),
            (10, 0x3ffffffc, 30),
            (22, 0x3ffffffe, 30),
        ];
        for (symbol, bits, length) in table {
            assert_eq!(code(usize::from(symbol)), (bits, length), "symbol {symbol}");
        }
        assert_eq!(code(EOS), (0x3fff_ffff, 30));
    }

    #[test]
    fn every_symbol_is_decoded_alone_and_before_and_behind_every_other() {
        for first in 0..256 {
            assert_eq!(decoded_symbols(&[first]), [first]);
            for second in 0..256 {
                assert_eq!(decoded_symbols(&[first, second]), [first, second]);
            }
        }
    }

    fn decoded_symbols(symbols: &[usize]) -> Vec<usize> {
        let block = encode(symbols);
        let bytes = decoded(&block, 0).unwrap();
        bytes.into_iter().map(usize::from).collect()
    }

    #[test]
    fn a_string_is_decoded_wherever_it_stands_in_the_block() {
        let text: Vec<usize> =
            b"/a/0123456789-Zz?~\\{}\xff\x01end".iter().map(|b| *b as usize).collect();
        for len in 0..text.len() {
            let coded = encode(&text[..len]);
            for before in 0..10 {
                let block = [vec![0x1f; before], coded.clone()].concat();
                let expected: Vec<u8> = text[..len].iter().map(|symbol| *symbol as u8).collect();
                assert_eq!(decoded(&block, before), Some(expected));
            }
        }
    }

    /// What is not said to be printable is checked byte by byte.
    #[test]
    fn bytes_that_are_illegal_in_a_value_are_never_called_printable() {
        for symbol in (0..=255u8).filter(|byte| !crate::syntax::is_value_byte(*byte)) {
            let block = encode(&[usize::from(b'a'), usize::from(symbol), usize::from(b'b')]);
            let decoded = decode(&block, 0, &mut [0; 64]).unwrap();
            assert_eq!(decoded, Decoded { len: 3, bytes: Bytes::Any });
        }
        for step in STEPS {
            let symbols = &step.symbols[..step.count as usize];
            assert!(symbols.iter().all(|byte| (b' '..=b'~').contains(byte)));
        }
    }

    #[test]
    fn room_is_enough_for_the_longest_text() {
        for len in 0..100 {
            let block = encode(&vec![usize::from(b'0'); len * 8 / 5]);
            assert_eq!(decoded(&block, 0).map(|text| text.len()), Some(len * 8 / 5));
        }
    }
}
