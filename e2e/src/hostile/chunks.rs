//! Chunked bodies whose sizes, ends, extensions, or trailers can be read in more than one way.

use super::{Corpus, Maker, joined};

/// Lines of a chunk of five bytes, with what ends them.
pub(super) const LINES: &[&str] = &[
    "5\r\n",
    "05\r\n",
    "0000000000000000000000005\r\n",
    "+5\r\n",
    "-5\r\n",
    "0x5\r\n",
    "0X5\r\n",
    " 5\r\n",
    "\t5\r\n",
    "5 \r\n",
    "5\t\r\n",
    "5  \r\n",
    "5;\r\n",
    "5;a\r\n",
    "5;a=b\r\n",
    "5;a=\"b\"\r\n",
    "5;a=\"b\r\n",
    "5; a\r\n",
    "5 ;a\r\n",
    "5;a b\r\n",
    "5;\ta\r\n",
    "5;a\n\r\n",
    "5;a\r\r\n",
    "5\n",
    "5\r",
    "5\r\r\n",
    "5\n\r\n",
    "5\r\n\r\n",
    "5;\0\r\n",
    "5;a=\"\r\n\"\r\n",
    "5;a=\"\n\"\r\n",
    "g\r\n",
    "\r\n",
    "\n",
    "ffffffffffffffff\r\n",
    "fffffffffffffffff\r\n",
    "10000000000000005\r\n",
    "100000005\r\n",
    "8000000000000005\r\n",
    "7fffffffffffffff\r\n",
    "5_0\r\n",
    "5,5\r\n",
    "5.0\r\n",
    "5\x0b\r\n",
    "\x0b5\r\n",
    "5\0\r\n",
    "\x005\r\n",
    "5\x0c\r\n",
    "5\u{a0}\r\n",
    "\u{ff15}\r\n",
    "5;\u{e9}\r\n",
    "5#\r\n",
    "5/\r\n",
    "5:\r\n",
    "5 5\r\n",
    "\"5\"\r\n",
    "5h\r\n",
    "0b101\r\n",
    "0o5\r\n",
    "5e0\r\n",
    "5;=\r\n",
    "5;a=\r\n",
    "5;;\r\n",
    "5;a;b\r\n",
    "5\\\r\n",
    "5;a=\"\\\r\n",
    "5;\r\r\n",
    "5\n;a\r\n",
];

/// What stands behind the five bytes.
pub(super) const ENDS: &[&str] = &[
    "\r\n", "\n", "\r", "", "\r\r\n", "\n\n", "x\r\n", "\r\n\r\n", " \r\n", "\n\r", "\0\r\n",
    "\r\n ",
];

/// Last chunks and what follows them.
pub(super) const LASTS: &[&str] = &[
    "0\r\n\r\n",
    "0\n\n",
    "0\r\n\n",
    "0\n\r\n",
    "00\r\n\r\n",
    "000000000000000000000\r\n\r\n",
    "0;x\r\n\r\n",
    "0 \r\n\r\n",
    " 0\r\n\r\n",
    "-0\r\n\r\n",
    "+0\r\n\r\n",
    "0x0\r\n\r\n",
    "0\r\n",
    "0\r\r\n\r\n",
    "0\r\n\r",
    "\r\n\r\n",
    "0\r\n\r\r\n",
    "0;\r\n\r\n",
    "0; x\r\n\r\n",
];

/// Trailers.
pub(super) const TRAILERS: &[&str] = &[
    "X: y\r\n",
    "Content-Length: 50\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Host: evil\r\n",
    "X : y\r\n",
    " X: y\r\n",
    "X: y\n",
    "X: y\r",
    "\0: y\r\n",
    "X: \0\r\n",
    "X\r\n",
    ": y\r\n",
    "X: y\r\n z\r\n",
    "X: y\r\n\tz\r\n",
    "Authorization: Basic eA==\r\n",
    "Content-Type: text/html\r\n",
    "Connection: close\r\n",
    "Trailer: X\r\n",
    "Cookie: a=b\r\n",
    "Expect: 100-continue\r\n",
    "GET /s/0 HTTP/1.1\r\n",
    "X:\r\n",
    "X: \u{e9}\r\n",
    "Upgrade: h2c\r\n",
    "TE: trailers\r\n",
    ":path: /s/0\r\n",
    "X: y\r\n\n",
];

/// Adds the class.
pub(super) fn add(corpus: &mut Corpus) {
    for line in LINES {
        corpus.put(|maker| request(maker, &[line.as_bytes(), b"hello\r\n0\r\n\r\n"]));
        // Here the size that some take it for hides a request.
        corpus.put(|maker| request(maker, &[line.as_bytes(), b"hello\r\n", &maker.chunked()]));
    }
    for end in ENDS {
        corpus.put(|maker| request(maker, &[b"5\r\nhello", end.as_bytes(), b"0\r\n\r\n"]));
        corpus.put(|maker| request(maker, &[b"5\r\nhello", end.as_bytes(), &maker.chunked()]));
    }
    for last in LASTS {
        corpus.put(|maker| request(maker, &[b"5\r\nhello\r\n", last.as_bytes(), &maker.hidden()]));
        corpus.put(|maker| request(maker, &[last.as_bytes(), &maker.hidden()]));
    }
    for trailer in TRAILERS {
        corpus.put(|maker| request(maker, &[b"5\r\nhello\r\n0\r\n", trailer.as_bytes(), b"\r\n"]));
    }
    // Each byte behind a size, and in place of the CR.
    for byte in 0..=255 {
        corpus.put(|maker| request(maker, &[b"5", &[byte], b"\r\nhello\r\n0\r\n\r\n"]));
        corpus.put(|maker| request(maker, &[b"5\r\nhello", &[byte], b"\n0\r\n\r\n"]));
    }
    for (many, last) in [(300, "5"), (5_000, "5"), (70_000, "5")] {
        let long = "x".repeat(many);
        let line = format!("{last};{long}\r\nhello\r\n0\r\n\r\n");
        corpus.put(|maker| request(maker, &[line.as_bytes()]));
        let zeros = format!("{}{last}\r\nhello\r\n0\r\n\r\n", "0".repeat(many));
        corpus.put(|maker| request(maker, &[zeros.as_bytes()]));
    }
}

fn request(maker: Maker, body: &[&[u8]]) -> Vec<u8> {
    joined(&[&maker.post(), b"Transfer-Encoding: chunked\r\n\r\n", &body.concat()])
}
