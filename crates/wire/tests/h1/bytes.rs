//! Every byte from 0 to 255 in every place of a message, in both roles: what passes is what RFC 9110 lets
//! pass, and nothing else. A byte that passes here reaches the next hop.

use narrows_wire::codec::Role;

use crate::message::{Script, Seen};

/// Whether a message with this byte in the place of `@` is taken.
fn is_taken(role: Role, template: &str, byte: u8) -> bool {
    let mut bytes = template.as_bytes().to_vec();
    let at = bytes.iter().position(|byte| *byte == b'@').expect("there is a place");
    bytes[at] = byte;
    let whole = taken(role, &bytes, Script::send);
    assert_eq!(whole, taken(role, &bytes, Script::trickle), "{byte:#x} in {template:?}, in pieces");
    whole
}

fn taken(role: Role, bytes: &[u8], send: fn(&mut Script, Vec<u8>) -> Vec<Seen>) -> bool {
    let mut script = match role {
        Role::Server => Script::server(),
        Role::Client => Script::asking("GET"),
    };
    let seen = send(&mut script, bytes.to_vec());
    let is_bad =
        |one: &Seen| matches!(one, Seen::Refused { .. } | Seen::Reset { .. } | Seen::Closed { .. });
    let is_complete = |one: &Seen| match one {
        Seen::Head { end, .. } | Seen::Data { end, .. } => *end == narrows_wire::codec::End::Stream,
        Seen::Trailers { .. } => true,
        _ => false,
    };
    !seen.iter().any(is_bad) && seen.iter().any(is_complete)
}

fn check(templates: &[(Role, &str)], legal: impl Fn(u8) -> bool) {
    for (role, template) in templates {
        for byte in 0..=255 {
            assert_eq!(is_taken(*role, template, byte), legal(byte), "{byte:#x} in {template:?}");
        }
    }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn is_text(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~' | 0x80..)
}

/// RFC 9110 §5.1.
#[test]
fn in_a_name() {
    let templates = [
        (Role::Server, "GET / HTTP/1.1\r\nHost: a\r\nx@y: z\r\n\r\n"),
        (Role::Client, "HTTP/1.1 204 x\r\nx@y: z\r\n\r\n"),
        (
            Role::Server,
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nx@y: z\r\n\r\n",
        ),
        (Role::Client, "HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nx@y: z\r\n\r\n"),
    ];
    // A colon ends the name: then the rest is the value.
    check(&templates, |byte| is_token(byte) || byte == b':');
}

/// RFC 9110 §5.5.
#[test]
fn in_a_value() {
    let templates = [
        (Role::Server, "GET / HTTP/1.1\r\nHost: a\r\nx: y@z\r\n\r\n"),
        (Role::Server, "GET / HTTP/1.1\r\nHost: a\r\nx: @\r\n\r\n"),
        (Role::Client, "HTTP/1.1 204 x\r\nx: y@z\r\n\r\n"),
        (Role::Client, "HTTP/1.1 204 @\r\n\r\n"),
        (Role::Client, "HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nx: @z\r\n\r\n"),
    ];
    check(&templates, is_text);
}

/// RFC 9112 §3.1.
#[test]
fn in_a_method() {
    let templates = [(Role::Server, "G@T / HTTP/1.1\r\nHost: a\r\n\r\n")];
    check(&templates, is_token);
}

/// RFC 9112 §3.2: visible, and no fragment.
#[test]
fn in_a_target() {
    let templates = [
        (Role::Server, "GET /a@b HTTP/1.1\r\nHost: a\r\n\r\n"),
        (Role::Server, "GET http://a/b@c HTTP/1.1\r\nHost: a\r\n\r\n"),
    ];
    check(&templates, |byte| matches!(byte, 0x21..=0x7e) && byte != b'#');
}

/// RFC 3986 §3.2, without user information and without what would make a list of it.
#[test]
fn in_a_host() {
    let templates = [(Role::Server, "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n")];
    check(&templates, |byte| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+;=:[]".contains(&byte));
}

/// RFC 9110 §8.6.
#[test]
fn in_a_length() {
    let templates = [
        (Role::Server, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0@\r\n\r\n12345678"),
        (Role::Client, "HTTP/1.1 200 x\r\nContent-Length: 0@\r\n\r\n12345678"),
    ];
    for (role, template) in templates {
        for byte in 0..=255 {
            // White space around a value is no part of it. A reply that is shorter than what follows it is
            // followed by bytes that nobody asked for.
            let fits = match role {
                Role::Server => matches!(byte, b'0'..=b'8' | b' ' | b'\t'),
                Role::Client => byte == b'8',
            };
            assert_eq!(is_taken(role, template, byte), fits, "{byte:#x} in {template:?}");
        }
    }
}

/// RFC 9112 §7.1.
#[test]
fn in_a_chunk_size() {
    for (role, start) in [
        (Role::Server, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"),
        (Role::Client, "HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ] {
        for byte in 0..=255u8 {
            let size = (byte as char).to_digit(16);
            let body = "x".repeat(size.unwrap_or(0) as usize);
            let chunk = if size == Some(0) { String::new() } else { format!("{body}\r\n0\r\n") };
            let template = format!("{start}0@\r\n{chunk}\r\n");
            assert_eq!(
                is_taken(role, &template, byte),
                size.is_some(),
                "{byte:#x} in {template:?}"
            );
        }
    }
}

/// RFC 9112 §7.1.1.
#[test]
fn in_a_chunk_extension() {
    let start = "HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n";
    let token = format!("{start}1;a@b\r\nx\r\n0\r\n\r\n");
    // These begin another extension, and a value.
    check(&[(Role::Client, &token)], |byte| is_token(byte) || matches!(byte, b';' | b'='));
    let quoted = format!("{start}1;a=\"@b\"\r\nx\r\n0\r\n\r\n");
    check(&[(Role::Client, &quoted)], |byte| is_text(byte) && byte != b'"');
}

/// RFC 9112 §2.2: in the place of each byte that ends a line.
#[test]
fn in_the_end_of_a_line() {
    for (role, message) in [
        (Role::Server, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        (Role::Client, "HTTP/1.1 204 x\r\na: b\r\n\r\n"),
        (Role::Client, "HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"),
    ] {
        let ends = message.bytes().enumerate().filter(|(_, byte)| matches!(byte, b'\r' | b'\n'));
        for (at, right) in ends {
            for byte in (0..=255u8).filter(|byte| *byte != right) {
                let mut bytes = message.as_bytes().to_vec();
                bytes[at] = byte;
                let as_it_was = taken(role, message.as_bytes(), Script::send);
                assert!(as_it_was && !taken(role, &bytes, Script::send), "{byte:#x} at {at}");
            }
        }
    }
}
