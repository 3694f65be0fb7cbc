//! Chance: good requests and bad ones with a few bytes changed, the same on every run.

use super::{Corpus, joined};

const SEED: u64 = 0x6e61_7272_6f77_7321;
const CASES: usize = 1_500;

/// What mutations put in.
const PIECES: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b"\t",
    b":",
    b";",
    b",",
    b"0",
    b"0\r\n\r\n",
    b"\r\n\r\n",
    b"Content-Length: 0\r\n",
    b"Content-Length: 4\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"transfer-encoding:",
    b"\x0b",
    b"\x7f",
    b"\xff",
    b"HTTP/1.1",
    b"\"",
    b"-",
    b"+",
    b"Connection: close\r\n",
    b"\r\n ",
];

/// Splitmix64.
struct Rng(u64);

/// Adds the class.
pub(super) fn add(corpus: &mut Corpus) {
    let mut rng = Rng(SEED);
    for _ in 0..CASES {
        corpus.put(|maker| {
            let (hidden, chunked) = (maker.hidden(), maker.chunked());
            let length = format!("Content-Length: {}\r\n\r\n", hidden.len());
            let mut bytes = match rng.below(4) {
                0 => joined(&[&maker.post(), length.as_bytes(), &hidden]),
                1 => joined(&[&maker.post(), b"Transfer-Encoding: chunked\r\n\r\n", &chunked]),
                2 => joined(&[&maker.begin("GET", "HTTP/1.1"), b"\r\n"]),
                _ => joined(&[
                    &maker.post(),
                    b"Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n",
                ]),
            };
            for _ in 0..=rng.below(3) {
                rng.mutate(&mut bytes);
            }
            bytes
        });
    }
}

// === impl Rng ===

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        let at = self.below(bytes.len().max(1));
        match self.below(5) {
            0 => {
                let piece = PIECES[self.below(PIECES.len())];
                bytes.splice(at..at, piece.iter().copied());
            }
            1 => drop(bytes.remove(at)),
            2 => bytes[at] = self.next() as u8,
            3 => bytes[at] ^= 1 << self.below(8),
            _ => {
                let end = (at + self.below(20)).min(bytes.len());
                let copy = bytes[at..end].to_vec();
                bytes.splice(at..at, copy);
            }
        }
    }
}
