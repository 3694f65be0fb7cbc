//! First lines, Hosts, targets, and fields of the connection that two readers take for different things.

use super::{Corpus, joined};

const VERSIONS: &[&str] = &[
    "HTTP/1.1",
    "HTTP/1.0",
    "HTTP/0.9",
    "HTTP/1.2",
    "HTTP/1.9",
    "HTTP/1.10",
    "HTTP/1.01",
    "HTTP/01.1",
    "HTTP/2.0",
    "HTTP/2",
    "HTTP/3.0",
    "http/1.1",
    "Http/1.1",
    "HTTP/1,1",
    "HTTP /1.1",
    "HTTP/ 1.1",
    "HTTP/1.1 ",
    "HTTP/1.1\t",
    "HTTP/1.1x",
    "HTTP/1.",
    "HTTP/.1",
    "HTTP/",
    "HTTP",
    "HTP/1.1",
    "",
    " ",
    "HTTP/1.1 HTTP/1.1",
    "HTTP/-1.1",
    "HTTP/+1.1",
    "HTTP/1.\u{ff11}",
    "ICAP/1.0",
    "HTTP/9.9",
    "HTTP/1.1\r",
    "HTTP/1.1\0",
    "HTTP/11",
    "HTTP\\1.1",
];

/// Requests with `{n}` for the number, whole heads but for the last empty line and what follows.
const HEADS: &[&str] = &[
    // Spaces where one belongs.
    "GET  /c/{n} HTTP/1.1\r\nHost: x",
    "GET /c/{n}  HTTP/1.1\r\nHost: x",
    " GET /c/{n} HTTP/1.1\r\nHost: x",
    "GET\t/c/{n} HTTP/1.1\r\nHost: x",
    "GET /c/{n}\tHTTP/1.1\r\nHost: x",
    "GET /c/{n} HTTP/1.1 \r\nHost: x",
    "GET /c/{n} /s/{n} HTTP/1.1\r\nHost: x",
    "GET\x0b/c/{n} HTTP/1.1\r\nHost: x",
    "GET\x0c/c/{n}\x0cHTTP/1.1\r\nHost: x",
    "\r\nGET /c/{n} HTTP/1.1\r\nHost: x",
    "\r\n\r\n\r\nGET /c/{n} HTTP/1.1\r\nHost: x",
    "\nGET /c/{n} HTTP/1.1\r\nHost: x",
    "\rGET /c/{n} HTTP/1.1\r\nHost: x",
    "GET /c/{n} HTTP/1.1\nHost: x",
    "GET /c/{n} HTTP/1.1\rHost: x",
    "GET /c/{n} HTTP/1.1\r\n\rHost: x",
    "GET /c/{n} HTTP/1.1\r\n Host: x",
    "GET /c/{n} HTTP/1.1\r\n\tX: y\r\nHost: x",
    "GET /c/{n} HTTP/1.1\r\nX: y\r\n z\r\nHost: x",
    "GET /c/{n} HTTP/1.1\r\nX:\r\n y\r\nHost: x",
    "GET /c/{n} HTTP/1.1\r\nHost: x\r\n \r\nX: y",
    "GET /c/{n} HTTP/1.1\r\nHost: x\r\n\t\r\n",
    "GET /c/{n} HTTP/1.1\r\nHost: x\r\nX",
    "GET /c/{n} HTTP/1.1\r\nHost: x\r\n: y",
    "GET /c/{n} HTTP/1.1\r\nHost: x\r\nX y: z",
    "GET /c/{n} HTTP/1.1\r\nHost: x\nX: y",
    "GET /c/{n} HTTP/1.1\r\nHost: x\n\nGET /s/{n} HTTP/1.1\r\nHost: x",
    "GET /c/{n} HTTP/1.1\r\nHost: x\r\rGET /s/{n} HTTP/1.1\r\nHost: x",
    "GET /c/{n} HTTP/1.1\r\nHost: x\n\rGET /s/{n} HTTP/1.1",
    "GET /c/{n} HTTP/1.1\r\nHost: x\r\nX: \rGET /s/{n} HTTP/1.1",
    "GET /c/{n} HTTP/1.1\r\nHost: x\r\nX: \nGET /s/{n} HTTP/1.1",
    "GET /c/{n}\r\nHost: x",
    "GET /c/{n}",
    "/c/{n} HTTP/1.1\r\nHost: x",
    "GET HTTP/1.1\r\nHost: x",
    "GET  HTTP/1.1\r\nHost: x",
    // Hosts.
    "GET /c/{n} HTTP/1.1",
    "GET /c/{n} HTTP/1.0",
    "GET /c/{n} HTTP/1.1\r\nHost:",
    "GET /c/{n} HTTP/1.1\r\nHost: ",
    "GET /c/{n} HTTP/1.1\r\nHost: a\r\nHost: b",
    "GET /c/{n} HTTP/1.1\r\nHost: a\r\nHost: a",
    "GET /c/{n} HTTP/1.1\r\nHost: a, b",
    "GET /c/{n} HTTP/1.1\r\nHost: a b",
    "GET /c/{n} HTTP/1.1\r\nHost: a@b",
    "GET /c/{n} HTTP/1.1\r\nHost: a/b",
    "GET /c/{n} HTTP/1.1\r\nHost: a?b",
    "GET /c/{n} HTTP/1.1\r\nHost: a#b",
    "GET /c/{n} HTTP/1.1\r\nHost: a:99999",
    "GET /c/{n} HTTP/1.1\r\nHost: a:b",
    "GET /c/{n} HTTP/1.1\r\nHost: a:80:80",
    "GET /c/{n} HTTP/1.1\r\nHost: [::1",
    "GET /c/{n} HTTP/1.1\r\nHost: [::1]",
    "GET /c/{n} HTTP/1.1\r\nHost: a\\b",
    "GET /c/{n} HTTP/1.1\r\nHost: a\0b",
    "GET /c/{n} HTTP/1.1\r\nHost : a",
    "GET /c/{n} HTTP/1.1\r\n Host: a",
    "GET /c/{n} HTTP/1.1\r\nHost\t: a",
    "GET /c/{n} HTTP/1.1\r\nHost: http://a",
    "GET /c/{n} HTTP/1.0\r\nHost: a\r\nHost: b",
    "GET /c/{n} HTTP/1.1\r\nhOsT: a",
    "GET /c/{n} HTTP/1.1\r\nHost: a\r\nX-Forwarded-Host: b",
    "GET /c/{n} HTTP/1.1\r\nHost: a\r\n:authority: b",
    "GET /c/{n} HTTP/1.1\r\nHost: a\r\n:path: /s/{n}",
    "GET /c/{n} HTTP/1.1\r\nHost: %61",
    // Targets.
    "GET http://a/c/{n} HTTP/1.1\r\nHost: b",
    "GET http://a/c/{n} HTTP/1.1\r\nHost: a",
    "GET http://a/c/{n} HTTP/1.1",
    "GET https://a/c/{n} HTTP/1.1\r\nHost: b",
    "GET http:///c/{n} HTTP/1.1\r\nHost: b",
    "GET http:/c/{n} HTTP/1.1\r\nHost: b",
    "GET http://a@b/c/{n} HTTP/1.1\r\nHost: b",
    "GET http://a?/c/{n} HTTP/1.1\r\nHost: b",
    "GET http://a#/c/{n} HTTP/1.1\r\nHost: b",
    "GET HTTP://a/c/{n} HTTP/1.1\r\nHost: b",
    "GET ftp://a/c/{n} HTTP/1.1\r\nHost: b",
    "GET //a/c/{n} HTTP/1.1\r\nHost: b",
    "GET http://a:80:80/c/{n} HTTP/1.1\r\nHost: b",
    "GET a/c/{n} HTTP/1.1\r\nHost: b",
    "GET c/{n} HTTP/1.1\r\nHost: b",
    "GET @a/c/{n} HTTP/1.1\r\nHost: b",
    "GET /c/{n}#s HTTP/1.1\r\nHost: b",
    "GET \\c\\{n} HTTP/1.1\r\nHost: b",
    "GET /c/{n}\\..\\s HTTP/1.1\r\nHost: b",
    "GET /x/../c/{n} HTTP/1.1\r\nHost: b",
    "GET /./c/{n} HTTP/1.1\r\nHost: b",
    "GET /c/{n}%0d%0aX:%20y HTTP/1.1\r\nHost: b",
    "GET /c/{n}%00 HTTP/1.1\r\nHost: b",
    "GET /c/{n}? HTTP/1.1\r\nHost: b",
    "GET /c/{n}?a=b?c HTTP/1.1\r\nHost: b",
    "GET /c/{n};a=b HTTP/1.1\r\nHost: b",
    "GET ?/c/{n} HTTP/1.1\r\nHost: b",
    "OPTIONS * HTTP/1.1\r\nHost: c{n}",
    "GET * HTTP/1.1\r\nHost: b",
    "OPTIONS http://a HTTP/1.1\r\nHost: a",
    "OPTIONS *x HTTP/1.1\r\nHost: a",
    "CONNECT a:80 HTTP/1.1\r\nHost: a:80",
    "CONNECT /c/{n} HTTP/1.1\r\nHost: a",
    "CONNECT a HTTP/1.1\r\nHost: a",
    "CONNECT a:80/c/{n} HTTP/1.1\r\nHost: a",
    "CONNECT a:80 HTTP/1.1\r\nHost: a\r\nContent-Length: 5",
    "PRI * HTTP/2.0",
    "PRI * HTTP/2.0\r\n\r\nSM",
    "TRACE /c/{n} HTTP/1.1\r\nHost: a",
    "TRACK /c/{n} HTTP/1.1\r\nHost: a",
    "get /c/{n} HTTP/1.1\r\nHost: a",
    "GeT /c/{n} HTTP/1.1\r\nHost: a",
    "G@T /c/{n} HTTP/1.1\r\nHost: a",
    "GET: /c/{n} HTTP/1.1\r\nHost: a",
    "G\u{cb}T /c/{n} HTTP/1.1\r\nHost: a",
    "HEAD /c/{n} HTTP/1.1\r\nHost: a",
    "HEAD /c/{n} HTTP/1.0\r\nHost: a\r\nConnection: keep-alive",
    "DELETE /c/{n} HTTP/1.1\r\nHost: a",
    // Fields of the connection.
    "GET /c/{n} HTTP/1.1\r\nHost: a\r\nConnection: Host",
    "GET /c/{n} HTTP/1.1\r\nHost: a\r\nConnection: Content-Length\r\nContent-Length: 5",
    "GET /c/{n} HTTP/1.1\r\nHost: a\r\nConnection: Transfer-Encoding\r\nTransfer-Encoding: chunked",
    "GET /c/{n} HTTP/1.1\r\nHost: a\r\nConnection: close, Cookie\r\nCookie: a=b",
    "GET /c/{n} HTTP/1.1\r\nHost: a\r\nConnection: a b",
    "GET /c/{n} HTTP/1.1\r\nHost: a\r\nConnection: \"close\"",
    "GET /c/{n} HTTP/1.1\r\nHost: a\r\nConnection: , ,close,",
    "GET /c/{n} HTTP/1.1\r\nHost: a\r\nConnection: Connection",
    "GET /c/{n} HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, close",
    "GET /c/{n} HTTP/1.1\r\nHost: a\r\nConnection: X-Real-IP\r\nX-Real-IP: 1",
    "GET /c/{n} HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
    "GET /c/{n} HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
    "GET /c/{n} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket",
    "POST /c/{n} HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk\r\nContent-Length: 5",
    "GET /c/{n} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 777",
    "GET /c/{n} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x",
    "POST /c/{n} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nContent-Length: 5",
    "GET /c/{n} HTTP/1.1\r\nHost: a\r\nUpgrade: TLS/1.0\r\nConnection: Upgrade",
    "GET /c/{n} HTTP/1.1\r\nHost: a\r\nUpgrade: foo\r\nConnection: Upgrade\r\nContent-Length: 5",
    "GET /c/{n} HTTP/1.1\r\nHost: a\r\nKeep-Alive: timeout=0",
    "GET /c/{n} HTTP/1.1\r\nHost: a\r\nProxy-Connection: close",
    "GET /c/{n} HTTP/1.1\r\nHost: a\r\nTE: chunked, trailers;q=0.5",
    "POST /c/{n} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5",
    "POST /c/{n} HTTP/1.1\r\nHost: a\r\nExpect: x\r\nContent-Length: 5",
    "GET /c/{n} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue",
    "POST /c/{n} HTTP/1.1\r\nHost: a\r\nExpect:  100-Continue , x\r\nContent-Length: 5",
    "POST /c/{n} HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5",
    "POST /c/{n} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked",
    "GET /c/{n} HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0",
    "TRACE /c/{n} HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0",
    "GET /c/{n} HTTP/1.1\r\nHost: a\r\nRange: bytes=0-,0-,0-",
    "GET /c/{n} HTTP/1.1\r\nHost: a\r\nTrailer: Content-Length",
    "POST /c/{n} HTTP/1.1\r\nHost: a\r\nX-HTTP-Method-Override: GET\r\nContent-Length: 5",
    "GET /c/{n} HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=x",
    "POST /c/{n} HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: 5",
];

/// What follows a head, with what separates the two.
const TAILS: &[&str] = &[
    "\r\n\r\n",
    "\r\n\r\nhello",
    "\r\n\r\nGET /s/{n} HTTP/1.1\r\nHost: s\r\n\r\n",
    "\r\n\r\n0\r\n\r\n",
];

/// Adds the class.
pub(super) fn add(corpus: &mut Corpus) {
    for version in VERSIONS {
        corpus.put(|maker| joined(&[&maker.begin("GET", version), b"\r\n", &maker.hidden()]));
        corpus.put(|maker| {
            let length = format!("Content-Length: {}\r\n\r\n", maker.hidden().len());
            joined(&[&maker.begin("POST", version), length.as_bytes(), &maker.hidden()])
        });
        corpus.put(|maker| {
            let coding = b"Transfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n";
            joined(&[&maker.begin("POST", version), coding, &maker.chunked()])
        });
    }
    for head in HEADS {
        for tail in TAILS {
            corpus.put(|maker| {
                format!("{head}{tail}").replace("{n}", &maker.number.to_string()).into_bytes()
            });
        }
    }
    for many in [2_000, 9_000, 20_000, 70_000, 140_000] {
        let long = "x".repeat(many);
        corpus.put(|maker| {
            format!("GET /c/{}?{long} HTTP/1.1\r\nHost: a\r\n\r\n", maker.number).into_bytes()
        });
        corpus.put(|maker| joined(&[&maker.post(), format!("X: {long}\r\n\r\n").as_bytes()]));
        corpus.put(|maker| joined(&[&maker.post(), format!("{long}: y\r\n\r\n").as_bytes()]));
        corpus.put(|maker| {
            joined(&[&maker.post(), "X: y\r\n".repeat(many / 20).as_bytes(), b"\r\n"])
        });
    }
}
