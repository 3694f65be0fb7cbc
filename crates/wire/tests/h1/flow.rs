//! How bytes are paced: windows, the mark of the output, what stays in the caller's buffer.

use std::io::IoSlice;

use narrows_wire::codec::{End, Role};
use narrows_wire::h1::Config;

use crate::message::{Script, Seen, data, head};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// Our server with the head of its reply written.
fn replying(config: Config, fields: &[(&str, &str)]) -> Script {
    let mut script = Script::with(Role::Server, config);
    script.send(GET);
    let stream = script.stream();
    let fields = [&[(":status", "200")], fields].concat();
    script.connection.send_head(stream, &head(&fields), End::Open);
    script.written();
    script
}

/// Bytes that were not granted are not followed by more than a window of others; the rest is left.
#[test]
fn the_window_is_kept() {
    for coding in ["Content-Length: 30", "Transfer-Encoding: chunked"] {
        let mut script =
            Script::with(Role::Server, Config { window_bytes: 10, ..Config::default() });
        script.grants = false;
        script.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{coding}\r\n\r\n"));
        let body = match coding.starts_with('C') {
            true => "0123456789".repeat(3),
            false => "14\r\n01234567890123456789\r\na\r\n0123456789\r\n0\r\n\r\n".to_owned(),
        };
        assert_eq!(script.send(body), [data("0123456789", End::Open)]);
        assert!(!script.connection.accepts_input());
        assert_eq!(script.events(), []);
        let stream = script.stream();
        script.connection.grant(stream, 4);
        assert_eq!(script.events(), [data("0123", End::Open)]);
        script.connection.grant(stream, 10);
        assert_eq!(script.events(), [data("4567890123", End::Open)]);
        script.connection.grant(stream, 10);
        assert_eq!(script.events(), [data("456789", End::Stream)]);
    }
}

/// Bytes above the mark give no credit until they are below it.
#[test]
fn bytes_above_the_mark_give_no_credit() {
    let config = Config { output_bytes_max: 100, ..Config::default() };
    let mut script = replying(config, &[("content-length", "250")]);
    let stream = script.stream();
    let connection = &mut script.connection;
    assert_eq!(connection.send_data(stream, &[0; 60], End::Open), 60);
    assert!(connection.accepts_input() || !connection.output().is_empty());
    assert_eq!(connection.send_data(stream, &[0; 60], End::Open), 40);
    assert_eq!(connection.send_data(stream, &[0; 30], End::Open), 0);
    assert_eq!(connection.waiting_bytes(), 50);
    connection.output().consume(30);
    connection.pump();
    assert_eq!(script.events(), [Seen::Sent { bytes: 30 }]);
    let connection = &mut script.connection;
    connection.output().consume(120);
    connection.pump();
    assert_eq!(script.events(), [Seen::Sent { bytes: 20 }]);
    assert_eq!(script.connection.send_data(stream, &[0; 100], End::Stream), 100);
    assert_eq!(script.connection.waiting_bytes(), 0);
}

/// While the output is above its mark nothing is read.
#[test]
fn nothing_is_read_above_the_mark() {
    let config = Config { output_bytes_max: 100, ..Config::default() };
    let mut script = Script::with(Role::Server, config);
    script.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n");
    let stream = script.stream();
    let fields = [(":status", "200"), ("content-length", "100")];
    script.connection.send_head(stream, &head(&fields), End::Open);
    script.connection.send_data(stream, &[b'x'; 100], End::Stream);
    assert!(!script.connection.accepts_input());
    script.written();
    assert!(script.connection.accepts_input());
}

/// Large payloads stay in the caller's buffer, with the framing of their chunk around them.
#[test]
fn large_payloads_are_borrowed() {
    for (fields, before, after) in [
        (&[][..], &b"1000\r\n"[..], &b"\r\n0\r\n\r\n"[..]),
        (&[("content-length", "4096")], b"", b""),
    ] {
        let mut script = replying(Config::default(), fields);
        let stream = script.stream();
        let source: Vec<u8> = (0..10_000).map(|n| (n % 251) as u8).collect();
        let range = 100..4196;
        let connection = &mut script.connection;
        let sent = connection.send_data_borrowed(
            stream,
            range.clone(),
            &source[range.clone()],
            End::Stream,
        );
        assert_eq!(sent, 4096);
        let output = connection.output();
        assert!(output.has_borrowed());
        let mut slices = [IoSlice::new(&[]); 8];
        let count = output.slices(&source, &mut slices);
        let bytes: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.to_vec()).collect();
        assert_eq!(bytes, [before, &source[range], after].concat());
    }
}

/// Small ones are copied.
#[test]
fn small_payloads_are_copied() {
    let mut script = replying(Config::default(), &[]);
    let stream = script.stream();
    script.connection.send_data_borrowed(stream, 1..4, b"abc", End::Open);
    assert_eq!(script.written(), "3\r\nabc\r\n");
}

/// A chunk that is complete before the body costs no event more: the end comes with its last bytes.
#[test]
fn the_end_comes_with_the_last_bytes() {
    let mut script = Script::server();
    script.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_eq!(script.send("2\r\nhi\r\n0\r\n\r\n"), [data("hi", End::Stream)]);
}
