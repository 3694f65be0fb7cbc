//! gRPC-Web through the gateway: the package grpc-web for JavaScript against every server, and curl and a bare
//! socket for what that client does not show.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use narrows_e2e::config;
use narrows_e2e::server::EchoServer;
use narrows_testkit::process::{PATIENCE, Process, Scratch};
use narrows_testkit::servers::{GrpcServer, Narrows, Stack, free_address, node};

/// The cases of the client, each of which says one line.
const CASES: usize = 12;

/// `hello` as a message of gRPC, and the same in base64.
const HELLO: &[u8] = b"\0\0\0\0\x05hello";
const HELLO_TEXT: &str = "AAAAAAVoZWxsbw==";

/// Both formats over HTTP/1.1: messages, metadata, failures of the server, and those of the gateway itself.
#[test]
fn the_client_understands_every_server() {
    let gateway = Narrows::start(&config::embedded());
    gateway.control(&["route", "set", "down", &free_address().to_string()]);
    let scripts = [Stack::Grpcio, Stack::GrpcJs].map(|stack| GrpcServer::start(stack, "n", None));
    let tonic = EchoServer::start("tonic");
    let mut servers: Vec<_> =
        scripts.iter().map(|server| (server.name(), server.address)).collect();
    servers.push(("tonic", tonic.address));
    for (name, address) in servers {
        gateway.control(&["route", "set", name, &address.to_string()]);
        for format in ["text", "binary"] {
            check_client(&gateway, name, format);
        }
    }
}

#[test]
fn both_formats_pass_over_http2_as_well() {
    let server = GrpcServer::start(Stack::Grpcio, "grpcio", None);
    let gateway = Narrows::start(&config::fixed(&[server.address]));
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        let reply = curl(&gateway, version, "application/grpc-web+proto", HELLO, &[]);
        assert_eq!(reply.field("content-type"), Some("application/grpc-web+proto"), "{version}");
        let rest = reply.body.strip_prefix(HELLO).expect("the message comes back");
        assert_ends(rest, "grpc-status: 0");

        let text = "application/grpc-web-text+proto";
        let reply = curl(&gateway, version, text, HELLO_TEXT.as_bytes(), &[]);
        assert_eq!(reply.field("content-type"), Some(text), "{version}");
        let body = decode(&reply.body);
        let rest = body.strip_prefix(HELLO).expect("the message comes back");
        assert_ends(rest, "grpc-status: 0");
    }
}

/// The status of a server that fails, and that of a caller whose text is none.
#[test]
fn failures_are_told_in_the_format_of_the_call() {
    let server = GrpcServer::start(Stack::GrpcJs, "grpc-js", None);
    let gateway = Narrows::start(&config::fixed(&[server.address]));
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        let fields = ["x-status: 9", "x-message-bin: bm8="];
        let reply = curl(&gateway, version, "application/grpc-web", HELLO, &fields);
        assert_eq!(reply.field("x-node"), Some("grpc-js"));
        assert_ends(&reply.body, "grpc-status: 9");
        assert_ends(&reply.body, "grpc-message: no");
        let reply = curl(&gateway, version, "application/grpc-web-text", b"!!!!", &[]);
        assert_eq!((reply.status, reply.field("grpc-status")), (200, Some("3")), "{version}");
    }
    assert_eq!(gateway.metric("narrows_local_replies_total", "reason=\"bad_body\""), 2.0);
}

/// Each message comes when it has been sent, not with the end of the call.
#[test]
fn messages_are_not_held_back() {
    let server = GrpcServer::start(Stack::Grpcio, "grpcio", None);
    let gateway = Narrows::start(&config::fixed(&[server.address]));
    let mut client = TcpStream::connect(gateway.address()).expect("the gateway accepts");
    client.set_read_timeout(Some(PATIENCE)).expect("loopback takes options");
    let head = "POST /narrows.test.Echo/Bidi HTTP/1.1\r\nhost: a.test\r\n\
                content-type: application/grpc-web-text\r\ntransfer-encoding: chunked\r\n\r\n";
    client.write_all(head.as_bytes()).expect("loopback works");
    let mut read = String::new();
    for turn in 1..=3 {
        write!(client, "{:x}\r\n{HELLO_TEXT}\r\n", HELLO_TEXT.len()).expect("loopback works");
        read_until(&mut client, &mut read, |read| read.matches(HELLO_TEXT).count() == turn);
    }
    client.write_all(b"0\r\n\r\n").expect("loopback works");
    read_until(&mut client, &mut read, |read| read.ends_with("\r\n0\r\n\r\n"));
}

/// A browser asks first. Pages that may call can read failures of the gateway, too.
#[test]
fn pages_of_the_right_origin_may_call() {
    let server = GrpcServer::start(Stack::GrpcJs, "grpc-js", None);
    let filtered = "upstream: nodes\n    filters: [{ cors: { origins: ['http://page.test'] } }]";
    let all = config::fixed(&[server.address]).replace("upstream: nodes", filtered);
    let down = config::fixed(&[free_address()]).replace("upstream: nodes", filtered);
    let [all, down] = [all, down].map(|config| Narrows::start(&config));
    let allowed = Some("http://page.test");
    let fields = [
        "origin: http://page.test",
        "access-control-request-method: POST",
        "access-control-request-headers: content-type,x-grpc-web,x-user-agent",
    ];
    let preflight = curl_with(&all, &["-X", "OPTIONS"], &fields);
    assert_eq!(preflight.status, 204);
    assert_eq!(preflight.field("access-control-allow-origin"), allowed);
    let headers = preflight.field("access-control-allow-headers").expect("fields are allowed");
    assert!(headers.contains("x-grpc-web") && headers.contains("content-type"), "{headers}");
    let strange = curl_with(&all, &["-X", "OPTIONS"], &["origin: http://other.test", fields[1]]);
    assert_eq!(strange.status, 403);

    for (gateway, status) in [(&all, None), (&down, Some("14"))] {
        let reply = curl(gateway, "--http1.1", "application/grpc-web", HELLO, &fields[..1]);
        assert_eq!(reply.field("access-control-allow-origin"), allowed);
        let exposed = reply.field("access-control-expose-headers").expect("fields are exposed");
        assert!(exposed.contains("grpc-status") && exposed.contains("grpc-message"), "{exposed}");
        assert_eq!(reply.field("grpc-status"), status, "a reply without a body has it in its head");
    }
}

/// What curl was answered.
struct Reply {
    status: u16,
    head: String,
    body: Vec<u8>,
}

// === impl Reply ===

impl Reply {
    fn field(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut found = fields.filter(|(known, _)| known.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value)
    }
}

fn check_client(gateway: &Narrows, job: &str, format: &str) {
    let mut command = node("grpc_web_client");
    command.args(["--target", &gateway.address().to_string(), "--format", format]);
    command.args(["--metadata", &format!("jobid={job}")]);
    let mut client = Process::start("grpc-web client", &mut command);
    assert!(client.wait().success(), "{job} {format}: {:#?}", client.log());
    let lines = client.log();
    assert_eq!(lines.len(), CASES, "{job} {format}: {lines:#?}");
    let fails = |line: &&String| {
        let outcome: serde_json::Value = serde_json::from_str(line).expect("a JSON object");
        outcome["ok"] != true
    };
    let failures: Vec<_> = lines.iter().filter(fails).collect();
    assert!(failures.is_empty(), "{job} {format}: {failures:#?}");
}

/// Calls `Unary` with this body.
fn curl(gateway: &Narrows, version: &str, kind: &str, body: &[u8], fields: &[&str]) -> Reply {
    let scratch = Scratch::new("grpc-web");
    let file = scratch.path().join("body");
    std::fs::write(&file, body).expect("temporary files can be written");
    let data = format!("@{}", file.display());
    let kind = format!("content-type: {kind}");
    curl_with(
        gateway,
        &[version, "-H", &kind, "-H", "x-grpc-web: 1", "--data-binary", &data],
        fields,
    )
}

fn curl_with(gateway: &Narrows, options: &[&str], fields: &[&str]) -> Reply {
    let address: SocketAddr = gateway.address();
    let output = Command::new("curl")
        .args(["-s", "-i", "--max-time", "20"])
        .args(options)
        .args(fields.iter().flat_map(|field| ["-H", field]))
        .arg(format!("http://{address}/narrows.test.Echo/Unary"))
        .output()
        .expect("curl");
    assert!(output.status.success(), "{options:?}: {output:?}");
    let end = output.stdout.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8(output.stdout[..end].to_vec()).expect("text");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    Reply { status, head, body: output.stdout[end + 4..].to_vec() }
}

/// That this is one frame of trailers, with this line among them.
fn assert_ends(frame: &[u8], line: &str) {
    assert_eq!(frame.first(), Some(&0x80), "trailers: {}", frame.escape_ascii());
    let length = u32::from_be_bytes(frame[1..5].try_into().expect("four bytes"));
    assert_eq!(frame.len(), 5 + length as usize, "nothing follows the trailers");
    let trailers = String::from_utf8(frame[5..].to_vec()).expect("text");
    assert!(trailers.lines().any(|found| found == line), "{trailers}");
}

/// Base64 whose parts may each be padded.
fn decode(text: &[u8]) -> Vec<u8> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => u32::from(byte - b'A'),
        b'a'..=b'z' => u32::from(byte - b'a') + 26,
        b'0'..=b'9' => u32::from(byte - b'0') + 52,
        b'+' => 62,
        b'/' => 63,
        _ => 0,
    };
    let mut bytes = Vec::new();
    for four in text.chunks(4) {
        let bits = four.iter().fold(0, |bits, byte| bits << 6 | value(*byte));
        let padding = four.iter().filter(|byte| **byte == b'=').count();
        bytes.extend_from_slice(&bits.to_be_bytes()[1..4 - padding]);
    }
    bytes
}

fn read_until(stream: &mut TcpStream, read: &mut String, holds: impl Fn(&str) -> bool) {
    while !holds(read) {
        let mut piece = [0; 4096];
        let length = stream.read(&mut piece).expect("more comes in time");
        assert_ne!(length, 0, "an early end: {read}");
        read.push_str(std::str::from_utf8(&piece[..length]).expect("text"));
    }
}
