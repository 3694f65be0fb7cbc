//! RFC 9112 §7: chunks and trailers.

use narrows_wire::codec::{End, Refusal};
use narrows_wire::h1::Fault;

use crate::message::{Script, Seen, bad, data, head, owned};

const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
const REPLY: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

/// Both roles, with a body of chunks to come.
fn both() -> [Script; 2] {
    let (mut server, mut client) = (Script::server(), Script::asking("GET"));
    server.send(POST);
    client.send(REPLY);
    [server, client]
}

/// What is wrong with these bytes of a body, in both roles, whole and byte by byte.
fn expect_fault(body: &str, fault: Fault) {
    for whole in [true, false] {
        for mut script in both() {
            let seen = if whole { script.send(body) } else { script.trickle(body) };
            let reason = match &seen[..] {
                [.., Seen::Refused { refusal, .. }] => refusal.reason(),
                [.., Seen::Reset { reason, .. }, Seen::Closed { .. }] => *reason,
                _ => panic!("{body:?}: {seen:?}"),
            };
            assert_eq!(Refusal::BadRequest(reason), bad(fault), "{body:?}");
        }
    }
}

/// §7.1: chunks of any size, the last of size 0.
#[test]
fn chunks_are_put_together() {
    for body in [
        "5\r\nhello\r\n0\r\n\r\n",
        "1\r\nh\r\n4\r\nello\r\n0\r\n\r\n",
        "005\r\nhello\r\n00\r\n\r\n",
        "5;a=b;c=\"d\"\r\nhello\r\n0;e\r\n\r\n",
    ] {
        for script in &mut both() {
            assert_eq!(script.send(body), [data("hello", End::Stream)], "{body:?}");
        }
        for script in &mut both() {
            assert_eq!(script.trickle(body), [data("hello", End::Stream)], "{body:?}");
        }
    }
    for script in &mut both() {
        assert_eq!(script.send("0\r\n\r\n"), [data("", End::Stream)]);
    }
    for script in &mut both() {
        assert_eq!(
            script.send("F\r\n0123456789abcde\r\nf\r\n0123456789abcde\r\n0\r\n\r\n").len(),
            1
        );
    }
}

/// §7.1: a size is hexadecimal digits; sizes that a reader could take for negative ones are refused.
#[test]
fn sizes_that_are_none() {
    for size in
        ["", "-1", "+1", "0x1", " 1", "1 ", "1\t", "g", "1_0", "8000000000000000", "1,", "\0"]
    {
        expect_fault(&format!("{size}\r\n"), Fault::ChunkSize);
    }
}

/// §2.2, §7.1: lines of chunks end with CR LF too.
#[test]
fn bare_line_ends_in_chunks() {
    expect_fault("1\nx\r\n0\r\n\r\n", Fault::BareLineFeed);
    expect_fault("1\r\nx\r\n0\n\r\n", Fault::BareLineFeed);
    expect_fault("0\r\n\n", Fault::BareLineFeed);
    expect_fault("1\r\nx\n0\r\n\r\n", Fault::ChunkEnd);
    expect_fault("1\r\nx\rx", Fault::ChunkEnd);
    expect_fault("1\r\r\n", Fault::ChunkSize);
}

/// §7.1: a chunk is as long as it says.
#[test]
fn a_chunk_ends_where_it_should() {
    expect_fault("1\r\nxy\r\n0\r\n\r\n", Fault::ChunkEnd);
    expect_fault("3\r\nxy\r\n0\r\n\r\n", Fault::ChunkEnd);
}

/// §7.1.1: extensions are dropped if they are valid, and refused if not.
#[test]
fn extensions_are_dropped() {
    for line in ["1;", "1; a", "1;a =b", "1;a= b", "1;\"a\"", "1;a=\"b", "1;a\x01"] {
        expect_fault(&format!("{line}\r\n"), Fault::ChunkExtension);
    }
    expect_fault("1;a=\"\r\nx\r\n0\r\n\r\n", Fault::ChunkExtension);
}

/// §7.1.2: trailers come out behind the body, and end it. RFC 9110 §6.5.1: without what is for a head to say.
#[test]
fn trailers_end_the_body() {
    for trickles in [false, true] {
        for script in &mut both() {
            let body = "2\r\nhi\r\n0\r\nGrpc-Status: 0\r\nAuthorization: me\r\nX: y\r\n\r\n";
            let seen = if trickles { script.trickle(body) } else { script.send(body) };
            let fields = owned(&[("grpc-status", "0"), ("x", "y")]);
            assert_eq!(seen, [data("hi", End::Open), Seen::Trailers { fields }]);
        }
    }
}

/// RFC 9110 §6.5.1: fields that frame, route or direct a message do not come behind it.
#[test]
fn trailers_that_are_too_late_are_refused() {
    for field in [
        "Content-Length: 5",
        "Transfer-Encoding: chunked",
        "Host: a",
        "Connection: close",
        "Te: trailers",
        "Upgrade: x",
    ] {
        for mut script in both() {
            let seen = script.send(format!("0\r\n{field}\r\n\r\n"));
            assert!(
                matches!(
                    seen[..],
                    [Seen::Refused { .. }] | [Seen::Reset { .. }, Seen::Closed { .. }]
                ),
                "{field}: {seen:?}"
            );
        }
    }
}

/// §5: what holds for lines of a head holds for those of trailers.
#[test]
fn trailers_are_fields() {
    expect_fault("0\r\nX : y\r\n\r\n", Fault::FieldLine);
    expect_fault("0\r\nX: y\r\n z\r\n\r\n", Fault::LineFolded);
    expect_fault("0\r\nX: y\n\r\n", Fault::BareLineFeed);
    expect_fault("0\r\nX: a\rb\r\n\r\n", Fault::BareCarriageReturn);
    expect_fault("0\r\nX: a\0b\r\n\r\n", Fault::FieldLine);
}

/// §7.1: we send chunks, and trailers behind them, in both roles.
#[test]
fn our_chunks_and_trailers() {
    let mut server = Script::server();
    server.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let stream = server.stream();
    server.connection.send_head(stream, &head(&[(":status", "200")]), End::Open);
    let mut client = Script::client();
    let ours = client.ask(&[(":method", "POST")], End::Open).expect("free");
    for (script, stream) in [(&mut server, stream), (&mut client, ours)] {
        script.written();
        script.connection.send_data(stream, &[b'x'; 17], End::Open);
        script.connection.send_data(stream, b"", End::Open);
        script.connection.send_data(stream, b"y", End::Open);
        script.connection.send_trailers(
            stream,
            &head(&[
                ("a", "b"),
                ("bad", "c\r\nd: e"),
                ("content-length", "5"),
                ("cookie", "a=b"),
                ("transfer-encoding", "chunked"),
                (":status", "200"),
            ]),
        );
        let chunks = format!("11\r\n{}\r\n1\r\ny\r\n0\r\na: b\r\n\r\n", "x".repeat(17));
        assert_eq!(script.written(), chunks);
    }
}

/// RFC 9110 §6.5.1: where a body has no place for trailers they are left out, and the body ends.
#[test]
fn trailers_without_chunks_are_left_out() {
    let mut script = Script::server();
    script.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let stream = script.stream();
    let fields = [(":status", "200"), ("content-length", "1")];
    script.connection.send_head(stream, &head(&fields), End::Open);
    script.connection.send_data(stream, b"x", End::Open);
    script.connection.send_trailers(stream, &head(&[("a", "b")]));
    script.connection.release(stream);
    assert!(script.written().ends_with("\r\n\r\nx"));
    assert!(matches!(script.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")[..], [Seen::Head { .. }]));
}
