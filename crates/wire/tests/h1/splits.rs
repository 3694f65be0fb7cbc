//! A model: however the input is cut, the events are the same. Each place where it can be cut in two is
//! tried, and many ways to cut it into more.

use narrows_wire::codec::{End, Role};
use narrows_wire::h1::Config;

use crate::message::{Script, Seen, note};
use crate::random::Random;

/// Everything that a server can be sent, right and wrong.
const REQUESTS: &[&str] = &[
    "GET /a HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n",
    "\r\nPOST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n3\r\nyou\r\n0\r\n\r\n",
    "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\na: b\r\nc: d\r\n\r\n",
    "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: b\r\n\r\n",
    "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\n0\r\n\r\n",
    "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX : y\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "GET /a HTTP/1.1\r\nHost: a\r\nX: y\nZ: y\r\n\r\n",
    "GET /a HTTP/1.1\r\nHost: a\r\n folded: y\r\n\r\n",
    "GET /a HTTP/1.1\r\nHost: a\r\nX y: z\r\n\r\n",
    "GET http://b HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "CONNECT b:1 HTTP/1.1\r\nHost: b\r\n\r\nbytes of another protocol\r\n\r\n",
    "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\x01\x02",
];

/// Everything that a client can be sent.
const REPLIES: &[&str] = &[
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 x\r\na: b\r\n\r\nHTTP/1.1 204 x\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\na: b\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "HTTP/1.0 200 OK\r\n\r\nuntil the end",
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200 OK\r\n\r\n",
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
];

/// The owner answers each request when it is complete, and takes a tunnel at once.
fn run<'a>(role: Role, window: usize, pieces: impl Iterator<Item = &'a [u8]>) -> Vec<Seen> {
    let config = Config { window_bytes: window, ..Config::default() };
    let mut script = Script::with(role, config);
    if role == Role::Client {
        script.ask(&[], End::Stream).expect("free");
    }
    let mut all = Vec::new();
    for piece in pieces {
        let mut seen = script.send(piece);
        while !seen.is_empty() {
            let is_over = seen.iter().any(ends_request);
            seen.into_iter().for_each(|event| note(&mut all, event));
            if role == Role::Server && is_over {
                script.answer(&[(":status", "200"), ("content-length", "0")], "");
            }
            seen = script.events();
        }
    }
    script.end().into_iter().for_each(|event| note(&mut all, event));
    all
}

fn ends_request(event: &Seen) -> bool {
    match event {
        Seen::Head { fields, end } => *end == End::Stream || fields[0].1 == "CONNECT",
        Seen::Data { end, .. } => *end == End::Stream,
        Seen::Trailers { .. } | Seen::Refused { .. } => true,
        _ => false,
    }
}

fn cases() -> impl Iterator<Item = (Role, &'static [u8])> {
    let requests = REQUESTS.iter().map(|text| (Role::Server, text.as_bytes()));
    requests.chain(REPLIES.iter().map(|text| (Role::Client, text.as_bytes())))
}

#[test]
fn cut_in_two_at_every_place() {
    for (role, bytes) in cases() {
        let whole = run(role, 64 << 10, [bytes].into_iter());
        for at in 0..=bytes.len() {
            let (first, second) = bytes.split_at(at);
            let cut = run(role, 64 << 10, [first, second].into_iter());
            assert_eq!(cut, whole, "{:?} cut at {at}", String::from_utf8_lossy(bytes));
        }
    }
}

#[test]
fn cut_into_bytes() {
    for (role, bytes) in cases() {
        let whole = run(role, 64 << 10, [bytes].into_iter());
        assert_eq!(run(role, 64 << 10, bytes.chunks(1)), whole);
        assert_eq!(run(role, 2, bytes.chunks(3)), whole, "and with a small window");
    }
}

#[test]
fn cut_at_random() {
    let mut random = Random(1);
    for (role, bytes) in cases() {
        let whole = run(role, 64 << 10, [bytes].into_iter());
        for _ in 0..200 {
            let mut places: Vec<_> =
                (0..random.below(6)).map(|_| random.below(bytes.len())).collect();
            places.extend([0, bytes.len()]);
            places.sort_unstable();
            let pieces = places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]);
            let window = 1 + random.below(20);
            assert_eq!(run(role, window, pieces), whole, "{:?}", String::from_utf8_lossy(bytes));
        }
    }
}

/// Pipelined requests one behind the other, all right ones: each comes out as if it had come alone.
#[test]
fn pipelined_at_random() {
    let mut random = Random(2);
    for _ in 0..200 {
        let chosen: Vec<_> = (0..1 + random.below(5)).map(|_| REQUESTS[random.below(5)]).collect();
        let bytes = chosen.concat();
        let mut alone = Vec::new();
        for request in &chosen {
            alone.extend(run(Role::Server, 64 << 10, [request.as_bytes()].into_iter()));
            assert_eq!(alone.pop(), Some(Seen::Drained));
        }
        alone.push(Seen::Drained);
        let size = 1 + random.below(bytes.len());
        assert_eq!(run(Role::Server, 64 << 10, bytes.as_bytes().chunks(size)), alone);
    }
}
