//! Each limit, kept and passed by one.

use narrows_wire::codec::{End, Reason, Refusal, Role};
use narrows_wire::h1::{Config, Fault};
use narrows_wire::hpack::SectionLimits;

use crate::message::{Script, Seen, asked, head};

fn section(bytes_max: u32, fields_max: u32) -> SectionLimits {
    SectionLimits { bytes_max, fields_max, ..SectionLimits::default() }
}

fn is_head(seen: &[Seen]) -> bool {
    matches!(seen[..], [Seen::Head { .. }])
}

/// In pieces and at once: the refusal, and the fields that came with it.
fn refusals(config: &Config, bytes: &str) -> Vec<(Refusal, usize)> {
    let sends: [fn(&mut Script, &str) -> Vec<Seen>; 2] =
        [|script, bytes| script.send(bytes), |script, bytes| script.trickle(bytes)];
    let mut refusals = Vec::new();
    for send in sends {
        match &send(&mut Script::with(Role::Server, config.clone()), bytes)[..] {
            [Seen::Refused { refusal, fields }] => refusals.push((*refusal, fields.len())),
            other => panic!("{other:?}"),
        }
    }
    refusals
}

#[test]
fn the_first_line() {
    let config = Config { request_line_bytes_max: 40, ..Config::default() };
    let line = |len: usize| format!("GET /{} HTTP/1.1", "x".repeat(len - 14));
    assert_eq!((line(40).len(), line(41).len()), (40, 41));
    let request = |len| format!("{}\r\nHost: a\r\n\r\n", line(len));
    assert!(is_head(&Script::with(Role::Server, config.clone()).send(request(40))));
    assert!(is_head(&Script::with(Role::Server, config.clone()).trickle(request(40))));
    for (refusal, fields) in refusals(&config, &request(41)) {
        assert_eq!((refusal, fields), (Refusal::RequestLineTooLong, 3), "method, scheme and path");
    }
    let endless = "G".repeat(42);
    assert_eq!(refusals(&config, &endless)[0].0, Refusal::RequestLineTooLong, "without its end");
    for (len, reason) in [(40, None), (41, Some(Reason::Http1(Fault::RequestLineTooLong)))] {
        let mut script = Script::with(Role::Client, config.clone());
        script.ask(&[], End::Stream).expect("free");
        let seen = script.send(format!("HTTP/1.1 204 {}\r\n\r\n", "x".repeat(len - 13)));
        let closed = seen.iter().find_map(|one| match one {
            Seen::Closed { reason } => Some(*reason),
            _ => None,
        });
        assert_eq!(closed, reason);
    }
}

/// The route of a request that is too large can still be found.
#[test]
fn the_number_of_fields() {
    let config = Config { section: section(64 << 10, 3), ..Config::default() };
    let request =
        |fields: usize| format!("GET /p HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(fields));
    assert!(is_head(&Script::with(Role::Server, config.clone()).send(request(2))));
    for (refusal, fields) in refusals(&config, &request(3)) {
        assert_eq!((refusal, fields), (Refusal::HeadTooLarge, 6), "all that fitted");
    }
    let config = Config { section: section(1 << 20, 10_000), ..Config::default() };
    assert!(is_head(&Script::with(Role::Server, config.clone()).send(request(255))));
    assert_eq!(
        refusals(&config, &request(256))[0].0,
        Refusal::HeadTooLarge,
        "whatever is configured"
    );
    let reply = |fields: usize| format!("HTTP/1.1 204 x\r\n{}\r\n", "X: y\r\n".repeat(fields));
    for (fields, is_taken) in [(3, true), (4, false)] {
        let config = Config { section: section(64 << 10, 3), ..Config::default() };
        let mut script = Script::with(Role::Client, config);
        script.ask(&[], End::Stream).expect("free");
        assert_eq!(is_head(&script.send(reply(fields))), is_taken);
    }
}

/// On the wire, and as other protocols count it: 32 bytes more for each field.
#[test]
fn the_size_of_the_fields() {
    let config = |bytes_max| Config { section: section(bytes_max, 100), ..Config::default() };
    // Two fields: host with a, x with 100 bytes.
    let request = format!("GET /p HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "y".repeat(100));
    let size = 4 + 1 + 1 + 100 + 2 * 32;
    assert!(is_head(&Script::with(Role::Server, config(size)).send(&request)));
    for (refusal, fields) in refusals(&config(size - 1), &request) {
        assert_eq!((refusal, fields), (Refusal::HeadTooLarge, 4));
    }
    let spaces = format!("GET /p HTTP/1.1\r\nHost: a\r\nX:{}y\r\n\r\n", " ".repeat(200));
    for (refusal, fields) in refusals(&config(size), &spaces) {
        assert_eq!((refusal, fields), (Refusal::HeadTooLarge, 4), "white space counts too");
    }
    // Its lines are as long as they may be: host, name, colon and value, and their ends.
    let spaces = |n| format!("GET /p HTTP/1.1\r\nHost: a\r\nX:{}y\r\n\r\n", " ".repeat(n));
    let fitting = size as usize - "Host: a\r\nX:y\r\n".len();
    assert!(is_head(&Script::with(Role::Server, config(size)).send(spaces(fitting))));
    assert_eq!(refusals(&config(size), &spaces(fitting + 1))[0].0, Refusal::HeadTooLarge);
    let endless = format!("GET /p HTTP/1.1\r\nHost: a\r\nX: {}", "y".repeat(200));
    assert_eq!(refusals(&config(size), &endless)[0].0, Refusal::HeadTooLarge, "without its end");
}

/// The limits of a head are those of trailers.
#[test]
fn trailers() {
    let config = Config { section: section(200, 3), ..Config::default() };
    for (trailers, is_taken) in [
        ("X: y\r\n".repeat(3), true),
        ("X: y\r\n".repeat(4), false),
        (format!("X: {}\r\n", "y".repeat(200 - 33)), true),
        (format!("X: {}\r\n", "y".repeat(200 - 32)), false),
    ] {
        let mut script = Script::with(Role::Server, config.clone());
        script.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n");
        let seen = script.send(format!("{trailers}\r\n"));
        match (&seen[..], is_taken) {
            ([Seen::Trailers { .. }], true) => {}
            ([Seen::Refused { refusal: Refusal::HeadTooLarge, .. }], false) => {}
            _ => panic!("{trailers:?}: {seen:?}"),
        }
    }
}

#[test]
fn the_line_of_a_chunk() {
    let config = Config { chunk_line_bytes_max: 10, ..Config::default() };
    for whole in [true, false] {
        for (line, fault) in [("1;34567890", None), ("1;345678901", Some(Fault::ChunkLineTooLong))]
        {
            let mut script = Script::with(Role::Server, config.clone());
            script.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
            let line = format!("{line}\r\nx");
            let seen = if whole { script.send(line) } else { script.trickle(line) };
            match (&seen[..], fault) {
                ([Seen::Data { .. }], None) => {}
                ([Seen::Refused { refusal, .. }], Some(fault)) => {
                    assert_eq!(*refusal, crate::message::bad(fault));
                }
                _ => panic!("{seen:?}"),
            }
        }
    }
}

#[test]
fn informational_replies() {
    let config = Config { informational_max: 2, ..Config::default() };
    let mut script = Script::with(Role::Client, config);
    script.ask(&[], End::Stream).expect("free");
    let reply = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    assert_eq!(script.send(reply.repeat(2)).len(), 2);
    let seen = script.send(reply);
    let reason = Reason::InformationalFlood;
    assert_eq!(seen.last(), Some(&Seen::Closed { reason }));
}

/// The rest of a request that was answered early is read if it is short, and the connection goes on.
#[test]
fn the_rest_of_a_request_that_was_answered() {
    for (length, goes_on) in [(100, true), (101, false)] {
        let config = Config { drain_bytes_max: 100, ..Config::default() };
        let mut script = Script::with(Role::Server, config);
        script.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"));
        let sent = script.answer(&[(":status", "413")], "no");
        assert_eq!(sent.contains("connection: close\r\n"), !goes_on);
        script.reset();
        let seen = script.send(format!("{}GET / HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(length)));
        let fields = asked("GET", "/", &[]);
        let expected =
            if goes_on { Seen::Head { fields, end: End::Stream } } else { Seen::Drained };
        assert_eq!(seen, [expected], "{length}");
    }
}

/// The same for chunks, whose number nobody knows before.
#[test]
fn the_chunks_of_a_request_that_was_answered() {
    for (chunks, goes_on) in [(10, true), (11, false)] {
        let config = Config { drain_bytes_max: 100, ..Config::default() };
        let mut script = Script::with(Role::Server, config);
        script.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        script.answer(&[(":status", "413")], "no");
        script.reset();
        let body = "a\r\n0123456789\r\n".repeat(chunks);
        let seen = script.send(format!("{body}0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(is_head(&seen), goes_on, "{chunks}: {seen:?}");
    }
}

/// What Connection names is bounded.
#[test]
fn named_fields() {
    let request = |names: usize| {
        let list: Vec<_> = (0..names).map(|n| format!("x{n}")).collect();
        format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: {}\r\n\r\n", list.join(","))
    };
    assert!(is_head(&Script::server().send(request(16))));
    Script::server().expect_refused(request(17), crate::message::bad(Fault::ConnectionOption));
}

/// A connection holds little, whatever a peer sends.
#[test]
fn memory_is_bounded() {
    let mut script = Script::server();
    script.trickle(format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "y".repeat(60_000)));
    assert!(script.connection.memory_bytes() < 200 << 10);
    script.send("\r\n\r\n");
    let stream = script.stream();
    script.connection.send_head(stream, &head(&[(":status", "200")]), End::Stream);
    script.connection.release(stream);
    script.written();
    script.connection.shrink();
    assert!(script.connection.memory_bytes() < 2 << 10, "{}", script.connection.memory_bytes());
}
