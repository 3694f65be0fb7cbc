//! Replies that contain another one for those who read them in another way.

use super::{chunks, codings, lengths};

/// What hides in a reply.
const HIDDEN: &str = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nSMUGGLED";

/// Replies as a whole.
const WHOLE: &[&str] = &[
    // Two at once, and what nobody asked for.
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok{h}",
    "HTTP/1.1 204 No Content\r\n\r\n{h}",
    "HTTP/1.1 304 Not Modified\r\n\r\n{h}",
    "HTTP/1.1 204 No Content\r\nContent-Length: 51\r\n\r\n{h}",
    "HTTP/1.1 304 Not Modified\r\nContent-Length: 51\r\n\r\n{h}",
    "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{h}",
    "HTTP/1.1 205 Reset\r\nContent-Length: 51\r\n\r\n{h}",
    "HTTP/1.1 100 Continue\r\nContent-Length: 51\r\n\r\n{h}",
    "HTTP/1.1 100 Continue\r\n\r\n{h}{h}",
    "HTTP/1.1 103 Hints\r\nTransfer-Encoding: chunked\r\n\r\n{h}",
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n{h}",
    "HTTP/1.1 101 Switching Protocols\r\n\r\n{h}",
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n{h}",
    "HTTP/1.1 199 X\r\n\r\n{h}",
    // First lines.
    "{h}",
    "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok{h}",
    "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok{h}",
    "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n{h}",
    "HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.2 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/0.9 200 OK\r\n\r\n",
    "http/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1  200 OK\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 -20 OK\r\n\r\n",
    "HTTP/1.1 000 OK\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 099 OK\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 600 OK\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 999 OK\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 OK\r\n\r\n",
    "200 OK\r\n\r\n",
    "\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    " HTTP/1.1 200 OK\r\n\r\n",
    "ok",
    "",
    "\0",
    "ICY 200 OK\r\n\r\n",
    "HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    "HTTP/1.1 200 OK\rContent-Length: 2\r\rok",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\n\r\nok",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\nok",
    // Fields.
    "HTTP/1.1 200 OK\r\nX: y\r\n z\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 200 OK\r\n X: y\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nX : y\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nX\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 200 OK\r\n: y\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nX: y\n\r\n{h}",
    "HTTP/1.1 200 OK\r\nX: y\r\r\n\r\n{h}",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 51\r\n\r\n{h}",
    "HTTP/1.1 200 OK\r\nContent-Length: 51\r\nContent-Length: 2\r\n\r\n{h}",
    "HTTP/1.1 200 OK\r\nContent-Length: 51\r\nContent-Length: 51\r\n\r\n{h}",
    "HTTP/1.1 200 OK\r\nConnection: Content-Length\r\nContent-Length: 51\r\n\r\n{h}",
    "HTTP/1.1 200 OK\r\nConnection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n{h}",
    "HTTP/1.1 200 OK\r\nConnection: a b\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok{h}",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\nok\r\n0\r\n\r\n{h}",
    "HTTP/1.1 200 OK\r\n:status: 500\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 200 OK\r\n\r\n{h}",
    "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{h}",
    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n{h}",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{h}",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 51\r\n\r\n{h}",
];

/// Replies with one byte, `@`, to be each of the 256.
const PLACES: &[&str] = &[
    "HTTP/1.1@200 OK\r\nContent-Length: 2\r\n\r\nok{h}",
    "HTTP/1.1 20@ OK\r\nContent-Length: 2\r\n\r\nok{h}",
    "HTTP/1.1 200@OK\r\nContent-Length: 2\r\n\r\nok{h}",
    "HTTP/1.1 200 O@K\r\nContent-Length: 2\r\n\r\nok{h}",
    "HTTP/1.1 200 OK\r\nX@: y\r\nContent-Length: 2\r\n\r\nok{h}",
    "HTTP/1.1 200 OK\r\nX: y@z\r\nContent-Length: 2\r\n\r\nok{h}",
    "HTTP/1.1 200 OK\r\nX: y@\r\nContent-Length: 2\r\n\r\nok{h}",
    "HTTP/1.1 200 OK\r\nContent-Length: 2@\r\n\r\nok{h}",
    "HTTP/1.1 200 OK\r\nContent-Length@: 51\r\n\r\n{h}",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding:@chunked\r\n\r\n33\r\n{h}\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2@\r\nok\r\n0\r\n\r\n{h}",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok@\n0\r\n\r\n{h}",
    "@HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok{h}",
    "HTTP/1.1 200 OK\r\n@Content-Length: 51\r\n\r\n{h}",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok@",
];

/// All replies.
pub fn replies() -> Vec<Vec<u8>> {
    let mut all: Vec<String> = WHOLE.iter().map(|text| (*text).to_owned()).collect();
    for way in lengths::WAYS {
        let way = way.replace('L', &HIDDEN.len().to_string());
        all.push(format!("HTTP/1.1 200 OK\r\nContent-Length: {way}\r\n\r\n{{h}}"));
        all.push(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: {way}\r\n\r\nok{{h}}"
        ));
    }
    for length in ["", "Content-Length: 51\r\n", "Content-Length: 0\r\n"] {
        for value in codings::VALUES {
            all.push(format!(
                "HTTP/1.1 200 OK\r\n{length}Transfer-Encoding: {value}\r\n\r\n0\r\n\r\n{{h}}"
            ));
        }
        for name in codings::NAMES {
            all.push(format!("HTTP/1.1 200 OK\r\n{length}{name}: chunked\r\n\r\n0\r\n\r\n{{h}}"));
        }
    }
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    all.extend(chunks::LINES.iter().map(|line| format!("{chunked}{line}hello\r\n0\r\n\r\n{{h}}")));
    all.extend(chunks::ENDS.iter().map(|end| format!("{chunked}5\r\nhello{end}0\r\n\r\n{{h}}")));
    all.extend(chunks::LASTS.iter().map(|last| format!("{chunked}{last}{{h}}")));
    all.extend(chunks::TRAILERS.iter().map(|text| format!("{chunked}0\r\n{text}\r\n{{h}}")));
    for many in [1, 32, 33, 2_000] {
        all.push(format!("{}{{h}}", "HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n".repeat(many)));
        all.push(format!("{}{{h}}", "HTTP/1.1 100 Continue\r\n\r\n".repeat(many)));
        all.push(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n{}\r\nok",
            "X: y\r\n".repeat(many)
        ));
        let long = "x".repeat(many * 50);
        all.push(format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: {long}\r\n\r\nok"));
        all.push(format!("HTTP/1.1 200 {long}\r\nContent-Length: 2\r\n\r\nok"));
        all.push(format!("{chunked}2;{long}\r\nok\r\n0\r\n\r\n"));
        all.push(format!("{chunked}2\r\nok\r\n0\r\nX: {long}\r\n\r\n"));
    }
    let whole = all.iter().map(|text| text.replace("{h}", HIDDEN).into_bytes());
    whole.chain(PLACES.iter().flat_map(|place| each_byte(place))).collect()
}

fn each_byte(place: &str) -> impl Iterator<Item = Vec<u8>> {
    let text = place.replace("{h}", HIDDEN);
    (0..=255)
        .map(move |byte| text.bytes().map(|one| if one == b'@' { byte } else { one }).collect())
}
