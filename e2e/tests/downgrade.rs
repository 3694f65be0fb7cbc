//! What HTTP/2 can carry and HTTP/1 can not: no field, target, or length of a request over HTTP/2 becomes anything else in HTTP/1.

use std::net::SocketAddr;
use std::thread;

use narrows_e2e::differential::{self, Replies};
use narrows_e2e::frames::{FrameClient, GOAWAY};
use narrows_e2e::strict::Recorder;

/// Connections at once.
const CLIENTS: usize = 8;

type Field = (Vec<u8>, Vec<u8>);

/// A request over HTTP/2, legal or not.
#[derive(Debug, Clone)]
struct Case {
    fields: Vec<Field>,
    body: &'static [u8],
    trailers: Vec<Field>,
}

#[test]
fn nothing_illegal_becomes_of_what_http2_carries() {
    let recorder = Recorder::start();
    let gateway = differential::gateway(recorder.address, "http1");
    let cases = cases();
    assert!(cases.len() >= 3_000, "{}", cases.len());
    let address = gateway.address();
    let mut found: Vec<String> = thread::scope(|scope| {
        let cases = &cases;
        let clients = (0..CLIENTS).map(|client| {
            scope.spawn(move || {
                let mine = (client..cases.len()).step_by(CLIENTS);
                let faults = mine.filter_map(|number| {
                    send(address, &cases[number]);
                    let fault = differential::probe(address, number, Replies::Name)?;
                    Some(format!("{fault} behind {:?}", cases[number]))
                });
                faults.collect::<Vec<_>>()
            })
        });
        let clients: Vec<_> = clients.collect();
        clients.into_iter().flat_map(|client| client.join().expect("it asks")).collect()
    });
    found.extend(differential::disagreements_about(&gateway, cases.len(), || recorder.seen()));
    found.extend(recorder.faults());
    let some: Vec<_> = found.iter().take(40).map(String::as_str).collect();
    assert!(found.is_empty(), "{} of {}\n{}", found.len(), cases.len(), some.join("\n"));
}

/// Sends it and reads until it is answered, reset, or the connection ends.
fn send(gateway: SocketAddr, case: &Case) {
    let mut client = FrameClient::connect(gateway);
    let fields = borrowed(&case.fields);
    let stream = match borrowed(&case.trailers) {
        none if none.is_empty() => client.request(&fields, case.body),
        trailers => client.request_with_trailers(&fields, case.body, &trailers),
    };
    while let Some(frame) = client.read() {
        if frame.kind == GOAWAY || (frame.stream == stream && frame.ends_stream()) {
            return;
        }
    }
}

fn borrowed(fields: &[Field]) -> Vec<(&[u8], &[u8])> {
    fields.iter().map(|(name, value)| (name.as_slice(), value.as_slice())).collect()
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    bytes(&mut cases);
    fields(&mut cases);
    control_data(&mut cases);
    lengths(&mut cases);
    trailers(&mut cases);
    cases
}

/// Each of the 256 bytes, `@`, in each place.
fn bytes(cases: &mut Vec<Case>) {
    const PLACES: &[(&str, &str)] = &[
        ("@x", "y"),
        ("x@", "y"),
        ("x@y", "z"),
        ("x", "@y"),
        ("x", "y@"),
        ("x", "y@z"),
        ("cookie", "a=b@c"),
        (":method", "G@T"),
        (":path", "/c/{n}@x"),
        (":path", "@/c/{n}"),
        (":path", "/c/{n}@"),
        (":authority", "a@b"),
        (":scheme", "http@"),
        ("content-length", "0@"),
        ("te", "trailers@"),
        ("host", "a@b"),
    ];
    for (name, value) in PLACES {
        for byte in 0..=255 {
            let put = |text: &str| -> Vec<u8> {
                text.bytes().map(|one| if one == b'@' { byte } else { one }).collect()
            };
            cases.push(request(&[(&put(name), &put(value))], b"", cases.len()));
        }
    }
}

/// Fields that mean something else to HTTP/1.
fn fields(cases: &mut Vec<Case>) {
    const FIELDS: &[(&str, &str)] = &[
        ("transfer-encoding", "chunked"),
        ("transfer-encoding", "identity"),
        ("Transfer-Encoding", "chunked"),
        ("connection", "close"),
        ("connection", "x"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "close"),
        ("upgrade", "h2c"),
        ("http2-settings", "AAMAAABkAAQAAP__"),
        ("te", "chunked"),
        ("te", "trailers, chunked"),
        ("te", "trailers"),
        ("host", "b"),
        ("host", "b\r\nx: y"),
        ("expect", "100-continue"),
        ("expect", "x"),
        ("x", "y\r\nGET /s/{n} HTTP/1.1\r\nhost: s\r\n\r\n"),
        ("x", "y\nGET /s/{n} HTTP/1.1"),
        ("x\r\ntransfer-encoding", "chunked"),
        ("x: y\r\nz", "y"),
        ("transfer-encoding: chunked\r\nx", "y"),
        ("", "y"),
        (" transfer-encoding", "chunked"),
        ("transfer-encoding ", "chunked"),
        ("transfer_encoding", "chunked"),
        ("content-length", "0\r\ntransfer-encoding: chunked"),
        (":x", "y"),
        (":status", "200"),
        (":protocol", "websocket"),
        ("trailer", "content-length"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("forwarded", "for=1"),
        ("x-forwarded-for", "1\r\nx: y"),
        ("cookie", "a=b\r\nx: y"),
        ("cookie", ""),
    ];
    for (name, value) in FIELDS {
        for body in [&b""[..], b"GET /s/0 HTTP/1.1\r\nhost: s\r\n\r\n", b"0\r\n\r\n"] {
            let value = value.replace("{n}", &cases.len().to_string());
            cases.push(request(&[(name.as_bytes(), value.as_bytes())], body, cases.len()));
        }
    }
}

/// Methods, targets, and authorities.
fn control_data(cases: &mut Vec<Case>) {
    const DATA: &[(&str, &str)] = &[
        (":path", ""),
        (":path", "c"),
        (":path", "*"),
        (":path", "/c/{n} HTTP/1.1\r\nhost: s\r\n\r\nGET /s/{n}"),
        (":path", "/c/{n} /s"),
        (":path", "/c/{n}#s"),
        (":path", "http://s/c/{n}"),
        (":path", "//s/c/{n}"),
        (":path", "/c/{n}\\s"),
        (":path", "/c/{n}%0d%0a"),
        (":path", "/c/{n}?a b"),
        (":path", "?c"),
        (":method", "GET /s/{n} HTTP/1.1\r\nhost: s\r\n\r\nGET"),
        (":method", ""),
        (":method", " "),
        (":method", "get"),
        (":method", "CONNECT"),
        (":method", "OPTIONS"),
        (":method", "HEAD"),
        (":method", "TRACE"),
        (":method", "PRI"),
        (":method", "G T"),
        (":method", "POST"),
        (":authority", ""),
        (":authority", "a b"),
        (":authority", "a, b"),
        (":authority", "a\r\nx: y"),
        (":authority", "a@b"),
        (":authority", "a/b"),
        (":authority", "a:b"),
        (":authority", "a:99999"),
        (":authority", "[::1"),
        (":scheme", ""),
        (":scheme", "https"),
        (":scheme", "http://s/?"),
        (":scheme", "ftp"),
        (":scheme", "x y"),
    ];
    for (name, value) in DATA {
        for body in [&b""[..], b"hello"] {
            let value = value.replace("{n}", &cases.len().to_string());
            cases.push(request(&[(name.as_bytes(), value.as_bytes())], body, cases.len()));
            // Twice: the first is legal.
            let mut twice = request(&[], body, cases.len());
            twice.fields.push((name.as_bytes().to_vec(), value.into_bytes()));
            cases.push(twice);
        }
    }
}

/// Content-Length that is not that of the body.
fn lengths(cases: &mut Vec<Case>) {
    for body in [&b""[..], b"hello"] {
        for length in [
            "0",
            "4",
            "5",
            "6",
            "+5",
            "05",
            "5,5",
            "5, 5",
            "-5",
            "",
            "x",
            "18446744073709551616",
            "5 ",
            "0x5",
        ] {
            cases.push(request(&[(b"content-length", length.as_bytes())], body, cases.len()));
            let twice: &[(&[u8], &[u8])] =
                &[(b"content-length", b"5"), (b"content-length", length.as_bytes())];
            cases.push(request(twice, body, cases.len()));
        }
    }
}

fn trailers(cases: &mut Vec<Case>) {
    const TRAILERS: &[(&[u8], &[u8])] = &[
        (b"x", b"y"),
        (b"content-length", b"0"),
        (b"transfer-encoding", b"chunked"),
        (b"host", b"s"),
        (b":path", b"/s"),
        (b"x", b"y\r\nz: a"),
        (b"x\r\ny", b"z"),
        (b"connection", b"close"),
        (b"te", b"trailers"),
        (b"X", b"y"),
        (b"", b"y"),
        (b"x", b""),
        (b"x", b"\r\n\r\nGET /s HTTP/1.1\r\nhost: s\r\n\r\n"),
        (b"authorization", b"x"),
    ];
    for (name, value) in TRAILERS {
        let mut case = request(&[], b"hello", cases.len());
        case.trailers = vec![(name.to_vec(), value.to_vec())];
        cases.push(case);
    }
}

/// A good request with these fields; those of a good one that have the same name are left out.
fn request(fields: &[(&[u8], &[u8])], body: &'static [u8], number: usize) -> Case {
    let path = format!("/c/{number}");
    let method: &[u8] = if body.is_empty() { b"GET" } else { b"POST" };
    let usual: [(&[u8], &[u8]); 4] = [
        (b":method", method),
        (b":scheme", b"http"),
        (b":authority", b"a"),
        (b":path", path.as_bytes()),
    ];
    let number = number.to_string();
    let numbered =
        |value: &[u8]| String::from_utf8_lossy(value).replace("{n}", &number).into_bytes();
    let own = |value: &[u8]| if value.is_ascii() { numbered(value) } else { value.to_vec() };
    let mut all = Vec::new();
    for (name, value) in usual {
        let given = fields.iter().find(|(other, _)| *other == name);
        all.push((name.to_vec(), given.map_or_else(|| value.to_vec(), |(_, value)| own(value))));
    }
    let is_usual = |name: &[u8]| usual.iter().any(|(other, _)| *other == name);
    let others = fields.iter().filter(|(name, _)| !is_usual(name));
    all.extend(others.map(|(name, value)| (name.to_vec(), own(value))));
    Case { fields: all, body, trailers: Vec::new() }
}
