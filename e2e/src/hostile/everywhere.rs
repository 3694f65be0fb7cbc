//! Each of the 256 bytes in each place of a request.

use super::Corpus;

/// Requests; `{n}` is the number and `@` the byte.
const PLACES: &[&str] = &[
    "@GET /c/{n} HTTP/1.1\r\nHost: a\r\n\r\n",
    "G@T /c/{n} HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET@/c/{n} HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /c/{n}/@x HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET @/c/{n} HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /c/{n}@HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /c/{n} HTTP/1@1\r\nHost: a\r\n\r\n",
    "GET /c/{n} HTTP/1.@\r\nHost: a\r\n\r\n",
    "GET /c/{n} HTTP/1.1@\r\nHost: a\r\n\r\n",
    "GET /c/{n} HTTP/1.1\r\nHost: a@b\r\n\r\n",
    "GET /c/{n} HTTP/1.1\r\nHost: a\r\n@X: y\r\n\r\n",
    "GET /c/{n} HTTP/1.1\r\nHost: a\r\nX@: y\r\n\r\n",
    "GET /c/{n} HTTP/1.1\r\nHost: a\r\nX@Y: y\r\n\r\n",
    "GET /c/{n} HTTP/1.1\r\nHost: a\r\nX:@y\r\n\r\n",
    "GET /c/{n} HTTP/1.1\r\nHost: a\r\nX: y@z\r\n\r\n",
    "GET /c/{n} HTTP/1.1\r\nHost: a\r\nX: y@\r\n\r\n",
    "POST /c/{n} HTTP/1.1\r\nHost: a\r\nContent-Length: 3@\r\n\r\nabc",
    "POST /c/{n} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:@chunked\r\n\r\n0\r\n\r\n",
    "POST /c/{n} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding@: chunked\r\n\r\n0\r\n\r\n",
    "GET /c/{n} HTTP/1.1\r\nHost: a\r\n\r\n@",
];

/// Adds the class.
pub(super) fn add(corpus: &mut Corpus) {
    for place in PLACES {
        for byte in 0..=255 {
            corpus.put(|maker| {
                let text = place.replace("{n}", &maker.number.to_string());
                text.bytes().map(|one| if one == b'@' { byte } else { one }).collect()
            });
        }
    }
}
