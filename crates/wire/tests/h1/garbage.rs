//! Bytes at random, most of them wrong, with an owner that commands at random: whatever comes, nothing
//! panics, nothing is left that could be taken, a stream that is over gives no more events, and memory stays
//! within bounds.

use std::time::Duration;

use narrows_wire::codec::{End, ErrorCode, Role, StreamKey};
use narrows_wire::h1::Config;

use crate::message::{Script, Seen, head};
use crate::random::Random;

/// Pieces that messages are made of, and some that none is made of.
const PIECES: &[&str] = &[
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
    "CONNECT b:1 HTTP/1.1\r\nHost: b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    "HTTP/1.1 200 OK\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    "HTTP/1.1 103 x\r\n\r\n",
    "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
    "hello",
    "5\r\nhello\r\n",
    "0\r\n\r\n",
    "0\r\na: b\r\n\r\n",
    "\r\n",
    "\n",
    "x",
];

/// A command, of which many have no place.
fn command(random: &mut Random, script: &mut Script, key: StreamKey) {
    let end = if random.below(2) == 0 { End::Open } else { End::Stream };
    let connection = &mut script.connection;
    match random.below(14) {
        0 | 1 => {
            let status = *random.one_of(&["200", "204", "101", "404"]);
            let length = *random.one_of(&["0", "5", "5000"]);
            let fields = [(":status", status), ("content-length", length)];
            let count = 1 + random.below(2);
            connection.send_head(key, &head(&fields[..count]), end);
        }
        2 | 3 => drop_usize(connection.send_data(key, &vec![b'x'; random.below(6000)], end)),
        4 => connection.send_trailers(key, &head(&[("a", "b")])),
        5 => connection.send_informational(key, &head(&[(":status", "100")])),
        6 => connection.grant(key, random.below(100_000)),
        7 if random.below(4) == 0 => connection.reset(key, ErrorCode::CANCEL),
        8 if random.below(4) == 0 => connection.reset_after_data(key, ErrorCode::NO_ERROR),
        9 | 10 => connection.release(key),
        11 if random.below(10) == 0 => connection.drain(script.now),
        12 if random.below(10) == 0 => connection.end_input(script.now),
        13 if random.below(20) == 0 => connection.close(ErrorCode::NO_ERROR, "enough"),
        _ => {}
    }
}

fn drop_usize(_: usize) {}

fn input(random: &mut Random) -> Vec<u8> {
    let mut bytes = random.one_of(PIECES).as_bytes().to_vec();
    if random.below(10) == 0 {
        let at = random.below(bytes.len());
        bytes[at] = random.below(256) as u8;
    }
    if random.below(4) == 0 {
        bytes.truncate(random.below(bytes.len()) + 1);
    }
    bytes
}

fn run(seed: u64, role: Role) {
    let mut random = Random(seed);
    let config = Config {
        window_bytes: 1 + random.below(10_000),
        output_bytes_max: 1 + random.below(10_000),
        ..Config::default()
    };
    let mut script = Script::with(role, config);
    script.grants = random.below(2) == 0;
    let (mut is_over, mut last) = (false, None);
    for _ in 0..60 {
        if role == Role::Client && random.below(3) == 0 {
            let method = *random.one_of(&["GET", "HEAD", "POST", "CONNECT"]);
            let end = if random.below(2) == 0 { End::Open } else { End::Stream };
            script.ask(&[(":method", method)], end).ok();
        }
        let bytes = if script.left.len() < 1000 { input(&mut random) } else { Vec::new() };
        for seen in script.send(bytes) {
            assert!(!is_over, "seed {seed}: {seen:?} behind the end");
            is_over = matches!(seen, Seen::Closed { .. });
            last = script.key;
        }
        if let Some(key) = last {
            command(&mut random, &mut script, key);
        }
        if random.below(2) == 0 {
            script.written();
        }
        if random.below(20) == 0 {
            script.now = script.now + Duration::from_secs(random.below(60) as u64);
            let now = script.now;
            if script.connection.deadline() <= now {
                script.connection.on_deadline(now);
                assert!(script.connection.deadline() > now, "seed {seed}: a deadline that stays");
            }
        }
        assert!(script.connection.memory_bytes() < 1 << 20);
    }
}

#[test]
fn a_server_survives_anything() {
    for seed in 0..20_000 {
        run(seed, Role::Server);
    }
}

#[test]
fn a_client_survives_anything() {
    for seed in 0..20_000 {
        run(seed, Role::Client);
    }
}
