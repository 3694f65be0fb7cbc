//! Transfer-Encoding that only some readers see or understand, with and without a length beside it.

use super::{Corpus, Maker, joined};

pub(super) const VALUES: &[&str] = &[
    "chunked",
    "Chunked",
    "CHUNKED",
    "cHuNkEd",
    " chunked",
    "chunked ",
    "\tchunked",
    "chunked\t",
    "  \t chunked",
    "\x0bchunked",
    "chunked\x0b",
    "\x0cchunked",
    "chunked\x0c",
    "chunked\0",
    "\0chunked",
    "xchunked",
    "chunkedx",
    "chunked,",
    ",chunked",
    "chunked, chunked",
    "chunked,chunked",
    "identity",
    "identity, chunked",
    "chunked, identity",
    "gzip, chunked",
    "chunked, gzip",
    "gzip",
    "deflate",
    "chunked;q=1",
    "chunked; x=y",
    "\"chunked\"",
    "'chunked'",
    "chunked\r\n\tx",
    "chunked\r\n ",
    "\r\n chunked",
    "\r\n\tchunked",
    "",
    " ",
    "chunke",
    "chunked\r",
    "\rchunked",
    "chunked\n",
    "\nchunked",
    "ch\u{fc}nked",
    "chun\u{212a}ed",
    "chunked\u{a0}",
    "\u{a0}chunked",
    "x chunked",
    "chunked x",
    "chunked:",
    ":chunked",
    "[chunked]",
    "%63hunked",
    "chunked\r\nTransfer-Encoding: identity",
    "identity\r\nTransfer-Encoding: chunked",
    "chunked\r\nTransfer-Encoding: chunked",
    "\r\nTransfer-Encoding: chunked",
    "x\r\nTransfer-Encoding: chunked",
    "chunked\r\nTransfer-Encoding: cow",
    "chunked, , ",
    "compress, chunked",
    "trailers",
];

pub(super) const NAMES: &[&str] = &[
    "Transfer-Encoding ",
    "Transfer-Encoding\t",
    " Transfer-Encoding",
    "\tTransfer-Encoding",
    "Transfer_Encoding",
    "Transfer Encoding",
    "TransferEncoding",
    "Transfer-Encoding\0",
    "Transfer\0-Encoding",
    "Transfer-Encoding\x0b",
    "\x0bTransfer-Encoding",
    "Transfer-Encoding\r",
    "\rTransfer-Encoding",
    "Transfer-Encoding\n",
    "\nTransfer-Encoding",
    "X: y\nTransfer-Encoding",
    "X: y\rTransfer-Encoding",
    "X\r\nTransfer-Encoding",
    "X: y\r\n Transfer-Encoding",
    "Transfer-Encoding\r\n ",
    "TRANSFER-ENCODING",
    "tRANSFER-eNCODING",
    "Transfer-Encoding:",
    ":Transfer-Encoding",
    "\"Transfer-Encoding\"",
    "\u{feff}Transfer-Encoding",
    "Tran\u{17f}fer-Encoding",
    "Transfer-Encoding\u{a0}",
    "Content-Encoding",
    "X-Transfer-Encoding",
    "Foo: bar\r\n\rTransfer-Encoding",
    "Transfer-Encoding\x08",
    "TE",
];

/// What is said of the length beside it.
#[derive(Clone, Copy)]
enum Length {
    None,
    Before(Claim),
    Behind(Claim),
}

#[derive(Clone, Copy)]
enum Claim {
    /// All that follows.
    All,
    /// A few bytes, so that what is in the chunk is the next request.
    Few,
    Zero,
}

const LENGTHS: &[Length] = &[
    Length::None,
    Length::Before(Claim::All),
    Length::Before(Claim::Few),
    Length::Before(Claim::Zero),
    Length::Behind(Claim::All),
    Length::Behind(Claim::Few),
];

/// Adds the class.
pub(super) fn add(corpus: &mut Corpus) {
    for version in ["HTTP/1.1", "HTTP/1.0"] {
        for value in VALUES {
            for length in LENGTHS {
                corpus.put(|maker| request(maker, version, "Transfer-Encoding", value, *length));
            }
        }
    }
    for name in NAMES {
        for length in LENGTHS {
            corpus.put(|maker| request(maker, "HTTP/1.1", name, "chunked", *length));
        }
    }
    for (method, value) in ["GET", "HEAD", "OPTIONS", "DELETE", "TRACE", "CONNECT", "PRI"]
        .into_iter()
        .flat_map(|method| ["chunked", "identity", "chunked, chunked"].map(|value| (method, value)))
    {
        corpus.put(|maker| {
            let field = format!("Transfer-Encoding: {value}\r\n\r\n");
            joined(&[&maker.begin(method, "HTTP/1.1"), field.as_bytes(), &maker.chunked()])
        });
    }
}

fn request(maker: Maker, version: &str, name: &str, value: &str, length: Length) -> Vec<u8> {
    // Empty chunked body first, so that what hides is a request to readers of chunks.
    let hidden = joined(&[b"0\r\n\r\n", &maker.hidden()]);
    let field = format!("{name}: {value}\r\n");
    let claimed = |claim| {
        let claimed = match claim {
            Claim::All => hidden.len(),
            Claim::Few => 5,
            Claim::Zero => 0,
        };
        format!("Content-Length: {claimed}\r\n")
    };
    let (before, behind) = match length {
        Length::None => (String::new(), String::new()),
        Length::Before(claim) => (claimed(claim), String::new()),
        Length::Behind(claim) => (String::new(), claimed(claim)),
    };
    let begin = maker.begin("POST", version);
    joined(&[&begin, before.as_bytes(), field.as_bytes(), behind.as_bytes(), b"\r\n", &hidden])
}
