//! Content-Length that is signed, listed, repeated, too large, or hidden from some readers.

use super::{Corpus, joined};

/// Ways to write the length L, which stands for the true one.
pub(super) const WAYS: &[&str] = &[
    "L",
    "+L",
    "-L",
    "0L",
    "00000000000000000000000L",
    "L ",
    " L",
    "\tL",
    "L\t",
    "L,L",
    "L, L",
    "L ,L",
    "L,",
    ",L",
    "L,0",
    "0,L",
    "0, L",
    "0",
    "-0",
    "+0",
    "",
    " ",
    "0xL",
    "0L0",
    "L.0",
    "L.",
    ".L",
    "Le0",
    "1e1",
    "L_0",
    "L;0",
    "L;x=y",
    "\"L\"",
    "'L'",
    "L L",
    "L 0",
    "0 L",
    "\x0bL",
    "L\x0b",
    "\x0cL",
    "L\x0c",
    "L\0",
    "\0L",
    "L\r",
    "\rL",
    "L\n",
    "L\u{a0}",
    "\u{660}",
    "\u{ff11}",
    "L\r\n ",
    "\r\n L",
    "\r\n\tL",
    "Lx",
    "xL",
    "#L",
    "L%20",
    "4294967296",
    "18446744073709551616",
    "18446744073709551615",
    "9223372036854775808",
    "9223372036854775807",
    "340282366920938463463374607431768211456",
    "-1",
    "-9223372036854775808",
    "None",
    "NaN",
    "Infinity",
    "L/1",
];

/// Ways to write its name.
const NAMES: &[&str] = &[
    "Content-Length",
    "content-length",
    "CONTENT-LENGTH",
    "Content_Length",
    "Content-Length ",
    "Content-Length\t",
    " Content-Length",
    "\tContent-Length",
    "Content-Length\r",
    "Content-Length\0",
    "Content\0-Length",
    "Content-Length\x0b",
    "\x0bContent-Length",
    "Content -Length",
    "\u{feff}Content-Length",
    "Content-Length\u{a0}",
    "\"Content-Length\"",
    "Content-Length:",
    ":Content-Length",
    "X\r\nContent-Length",
    "X: y\nContent-Length",
    "X: y\rContent-Length",
    "X:y\r\n Content-Length",
    "Content-Length\r\n ",
    "Content-Length\n",
    "\nContent-Length",
    "\rContent-Length",
    "Content\u{2010}Length",
    "Content-Lengt\u{127}",
    "Content-Length,Content-Length",
];

/// Adds the class.
pub(super) fn add(corpus: &mut Corpus) {
    for way in WAYS {
        for method in ["POST", "GET"] {
            corpus.put(|maker| {
                let hidden = maker.hidden();
                let field = written("Content-Length", way, hidden.len());
                joined(&[&maker.begin(method, "HTTP/1.1"), &field, b"\r\n", &hidden])
            });
        }
    }
    for name in NAMES {
        for way in ["L", "0", "5"] {
            corpus.put(|maker| {
                let hidden = maker.hidden();
                joined(&[&maker.post(), &written(name, way, hidden.len()), b"\r\n", &hidden])
            });
        }
    }
    twice(corpus);
}

/// Two fields that agree, or do not.
fn twice(corpus: &mut Corpus) {
    const VALUES: &[&str] = &["L", "0", "", "+L", "0L", "5", "L,L", "x"];
    for first in VALUES {
        for second in VALUES {
            corpus.put(|maker| {
                let hidden = maker.hidden();
                let one = written("Content-Length", first, hidden.len());
                let other = written("content-length", second, hidden.len());
                joined(&[&maker.post(), &one, b"X-Between: y\r\n", &other, b"\r\n", &hidden])
            });
        }
    }
    for name in NAMES.iter().skip(3) {
        corpus.put(|maker| {
            let hidden = maker.hidden();
            let (one, other) =
                (written("Content-Length", "0", 0), written(name, "L", hidden.len()));
            joined(&[&maker.post(), &one, &other, b"\r\n", &hidden])
        });
    }
}

fn written(name: &str, way: &str, length: usize) -> Vec<u8> {
    format!("{name}: {}\r\n", way.replace('L', &length.to_string())).into_bytes()
}
