//! Filters on real traffic: curl before the gateway, a server of Node.js behind it.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};

use narrows_testkit::servers::Narrows;

/// Answers by path; `/events` sends one event and waits for the next request before it sends another.
const NODE: &str = r#"
const http = require('http');
let waiting = null;
const text = 'a line that comes again and again\n'.repeat(2000);
const server = http.createServer((request, response) => {
  const [path] = request.url.split('?');
  if (path === '/text') {
    response.setHeader('content-type', 'text/plain');
    response.setHeader('etag', '"t"');
    if (request.method === 'HEAD') { response.setHeader('content-length', text.length); }
    response.end(request.method === 'HEAD' ? undefined : text);
  } else if (path === '/chunks') {
    response.setHeader('content-type', 'text/plain');
    for (let at = 0; at < text.length; at += 1000) { response.write(text.slice(at, at + 1000)); }
    response.end();
  } else if (path === '/encoded') {
    response.setHeader('content-type', 'text/plain');
    response.setHeader('content-encoding', 'gzip');
    response.end(require('zlib').gzipSync(text));
  } else if (path === '/events') {
    response.setHeader('content-type', 'text/event-stream');
    response.write('data: first\n\n');
    waiting = response;
  } else if (path === '/next') {
    waiting.write('data: second\n\n');
    waiting.end();
    response.end();
  } else {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ url: request.url, headers: request.headers }));
  }
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
"#;

#[test]
fn each_coding_is_read_again_by_curl() {
    let (_node, gateway) = start(COMPRESS);
    let plain = curl(&gateway, &["/text"]);
    assert_eq!(plain.body.len(), 34 * 2000);
    for coding in ["gzip", "br", "zstd"] {
        for path in ["/text", "/chunks"] {
            let accepts = format!("accept-encoding: {coding}");
            let raw = curl(&gateway, &["-H", &accepts, path]);
            assert_eq!(raw.field("content-encoding"), Some(coding), "{path}");
            assert!(raw.body.len() < plain.body.len() / 20, "{path} {coding}: {}", raw.body.len());
            let read = curl(&gateway, &["--compressed", "-H", &accepts, path]);
            assert_eq!(read.body, plain.body, "{path} {coding}");
            for version in ["--http1.1", "--http2-prior-knowledge"] {
                let read = curl(&gateway, &[version, "--compressed", "-H", &accepts, path]);
                assert_eq!(read.body, plain.body, "{path} {coding} {version}");
            }
        }
    }
}

#[test]
fn what_is_said_of_a_compressed_reply_is_right() {
    let (_node, gateway) = start(COMPRESS);
    let reply = curl(&gateway, &["-H", "accept-encoding: gzip", "/text"]);
    assert_eq!(reply.field("etag"), Some("W/\"t\""));
    assert_eq!(reply.field("vary"), Some("accept-encoding"));
    assert_eq!(reply.field("content-length"), None);
    let head = curl(&gateway, &["--head", "-H", "accept-encoding: gzip", "/text"]);
    assert_eq!(head.field("content-encoding"), Some("gzip"));
    assert_eq!(head.field("content-length"), None);
    assert_eq!(head.body, b"");
    let encoded = curl(&gateway, &["--compressed", "-H", "accept-encoding: gzip, br", "/encoded"]);
    assert_eq!(encoded.field("content-encoding"), Some("gzip"), "as the node made it");
    assert_eq!(encoded.body.len(), 34 * 2000);
    let unwanted = curl(&gateway, &["-H", "accept-encoding: gzip;q=0", "/text"]);
    assert_eq!(unwanted.field("content-encoding"), None);
    assert_eq!(unwanted.body.len(), 34 * 2000);
}

/// The second event is made only once the first has been read, compressed or not.
#[test]
fn an_event_is_not_held_back() {
    let (_node, gateway) = start(COMPRESS);
    for accepts in ["identity", "gzip", "br", "zstd"] {
        let url = format!("http://{}/events", gateway.listeners[0]);
        let mut curl = Command::new("curl")
            .args(["-sN", "--compressed", "-H", &format!("accept-encoding: {accepts}"), &url])
            .stdout(Stdio::piped())
            .spawn()
            .expect("curl");
        let mut events = BufReader::new(curl.stdout.take().expect("piped"));
        let mut line = String::new();
        events.read_line(&mut line).expect("an event");
        assert_eq!(line, "data: first\n", "{accepts}");
        assert_eq!(self::curl(&gateway, &["/next"]).status, 200);
        let mut rest = String::new();
        events.read_to_string(&mut rest).expect("the rest");
        assert_eq!(rest, "\ndata: second\n\n", "{accepts}");
        assert!(curl.wait().expect("curl ends").success(), "{accepts}");
    }
}

#[test]
fn a_route_answers_by_itself() {
    let (_node, gateway) = start(RULES);
    let up = curl(&gateway, &["/up"]);
    assert_eq!((up.status, &up.body[..]), (200, &b"ok\n"[..]));
    assert_eq!(up.field("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(up.field("x-by"), Some("gateway"), "filters see it too");
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        let head = curl(&gateway, &[version, "--head", "/up"]);
        assert_eq!((head.status, head.field("content-length")), (200, Some("3")));
    }
    // Two on one connection, with bodies that nobody reads.
    let url = format!("http://{}/up", gateway.listeners[0]);
    let twice = curl(&gateway, &["-d", "a body", &url, "-d", "a body", "/up"]);
    assert!(twice.body.ends_with(b"ok\n"));
    let grpc = ["-H", "content-type: application/grpc", "-X", "POST", "/up"];
    let grpc = curl(&gateway, &grpc);
    assert_eq!((grpc.status, grpc.field("grpc-status")), (200, Some("0")));
    assert_eq!(grpc.field("content-type"), Some("application/grpc"));
}

/// curl goes on sending what nobody reads, and forgets a reply that is followed by a reset.
#[test]
fn an_answer_reaches_a_caller_that_still_sends() {
    let (_node, gateway) = start(RULES);
    let file = gateway.directory().join("upload");
    std::fs::write(&file, vec![b'x'; 1 << 20]).expect("a scratch file");
    let body = format!("@{}", file.display());
    for _ in 0..5 {
        let reply = curl(&gateway, &["--http2-prior-knowledge", "--data-binary", &body, "/up"]);
        assert_eq!((reply.status, &reply.body[..]), (200, &b"ok\n"[..]));
    }
}

#[test]
fn callers_are_sent_to_another_url() {
    let (_node, gateway) = start(RULES);
    let moved = curl(&gateway, &["-H", "host: a.example:8080", "/old/page?x=1"]);
    assert_eq!(moved.status, 301);
    assert_eq!(moved.field("location"), Some("https://a.example/new/page?x=1"));
    let followed = curl(&gateway, &["/old"]);
    assert_eq!(followed.status, 301);
}

#[test]
fn fields_and_paths_are_edited() {
    let (_node, gateway) = start(RULES);
    let reply = curl(&gateway, &["-H", "x-secret: 1", "/api/users/7?x=1"]);
    let seen: serde_json::Value = serde_json::from_slice(&reply.body).expect("JSON");
    assert_eq!(seen["url"], "/v2/users/7?x=1");
    assert_eq!(seen["headers"]["x-client"], "127.0.0.1");
    assert_eq!(seen["headers"]["x-secret"], serde_json::Value::Null);
    assert_eq!(reply.field("x-by"), Some("gateway"));
    assert_eq!(reply.field("date"), None);
}

#[test]
fn pages_of_other_origins_may_call_or_not() {
    let (_node, gateway) = start(RULES);
    let asks = |origin: &str| {
        let origin = format!("origin: {origin}");
        let asks = "access-control-request-method: POST";
        curl(&gateway, &["-X", "OPTIONS", "-H", &origin, "-H", asks, "/api/x"])
    };
    let good = asks("https://app.example.com");
    assert_eq!(good.status, 204);
    let allowed = Some("https://app.example.com");
    assert_eq!(good.field("access-control-allow-origin"), allowed);
    assert_eq!(asks("https://evil.example").status, 403);
    let call = curl(&gateway, &["-H", "origin: https://app.example.com", "/api/x"]);
    assert_eq!(call.field("access-control-allow-origin"), allowed);
    assert_eq!(call.field("vary"), Some("origin"));
    let call = curl(&gateway, &["-H", "origin: https://evil.example", "/api/x"]);
    assert_eq!((call.status, call.field("access-control-allow-origin")), (200, None));
    // A page can read the gateway's own failures as well.
    let lost = curl(&gateway, &["-H", "origin: https://app.example.com", "/lost"]);
    assert_eq!((lost.status, lost.field("access-control-allow-origin")), (502, allowed));
}

/// The query would become a field of its own; the filter is skipped, and that is counted.
#[test]
fn a_filter_that_can_not_do_its_work_is_skipped_or_refuses() {
    let (_node, gateway) = start(RULES);
    let open = curl(&gateway, &["/open?q=a%0d%0ax-admin:1"]);
    let seen: serde_json::Value = serde_json::from_slice(&open.body).expect("JSON");
    assert_eq!(seen["headers"]["x-admin"], serde_json::Value::Null);
    assert_eq!(seen["headers"]["x-q"], serde_json::Value::Null);
    let closed = curl(&gateway, &["/closed?q=a%0d%0ax-admin:1"]);
    assert_eq!(closed.status, 503);
    let metrics = gateway.get("/metrics").body;
    for route in ["open", "closed"] {
        let line =
            format!("narrows_filter_errors_total{{filter=\"headers\",route=\"{route}\"}} 1\n");
        assert!(metrics.contains(&line), "no {line} in\n{metrics}");
    }
}

const COMPRESS: &str = "\
filters:
  - compress: { types: [text/*] }
routes: [{ name: all, upstream: node }]
";

const RULES: &str = "\
filters:
  - headers: { reply: { set: { x-by: gateway } } }
routes:
  - name: up
    match: { path: { exact: /up } }
    filters: [{ respond: { body: \"ok\\n\", grpc_status: 0 } }]
  - name: old
    match: { path: { prefix: /old } }
    upstream: node
    filters:
      - redirect: { scheme: https, path: { prefix: { from: /old, to: /new } }, status: 301 }
  - name: api
    match: { path: { prefix: /api/ } }
    upstream: node
    filters:
      - cors: { origins: [https://app.example.com] }
      - rewrite: { path: { regex: { from: '/api/(.*)', to: /v2/$1 } } }
      - headers:
          request: { remove: [x-secret], set: { x-client: '{source.ip}' } }
          reply: { remove: [date] }
  - name: lost
    match: { path: { exact: /lost } }
    upstream: lost
    filters: [{ cors: { origins: [https://app.example.com] } }]
  - name: open
    match: { path: { exact: /open } }
    upstream: node
    filters: [{ headers: { request: { set: { x-q: '{query.q}' } } } }]
  - name: closed
    match: { path: { exact: /closed } }
    upstream: node
    filters: [{ headers: { request: { set: { x-q: '{query.q}' } } }, on_error: closed }]
";

/// A server that ends with this value.
struct Node {
    process: Child,
    address: SocketAddr,
    _output: BufReader<ChildStdout>,
}

/// What curl was answered.
struct Reply {
    status: u16,
    head: String,
    body: Vec<u8>,
}

fn start(rules: &str) -> (Node, Narrows) {
    let node = Node::start();
    let address = node.address;
    let closed = closed_port();
    let gateway = Narrows::start(&format!(
        "\
workers: 1
listeners:
  - address: 127.0.0.1:0
upstreams:
  node: {{ protocol: http1, endpoints: ['{address}'] }}
  lost: {{ protocol: http1, endpoints: ['{closed}'] }}
{rules}"
    ));
    (node, gateway)
}

/// An address at which nobody listens.
fn closed_port() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address")
}

/// Runs curl; the last argument is a path.
fn curl(gateway: &Narrows, arguments: &[&str]) -> Reply {
    let (path, options) = arguments.split_last().expect("a path");
    let url = format!("http://{}{path}", gateway.listeners[0]);
    let output = Command::new("curl")
        .args(["-s", "-i", "--max-time", "20"])
        .args(options)
        .arg(&url)
        .output()
        .expect("curl");
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    let end = output.stdout.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8(output.stdout[..end].to_vec()).expect("text");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    Reply { status, head, body: output.stdout[end + 4..].to_vec() }
}

// === impl Reply ===

impl Reply {
    fn field(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut found = fields.filter(|(known, _)| known.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value)
    }
}

// === impl Node ===

impl Node {
    fn start() -> Self {
        let mut process = Command::new("node")
            .args(["-e", NODE])
            .stdout(Stdio::piped())
            .spawn()
            .expect("Node.js is there");
        let mut output = BufReader::new(process.stdout.take().expect("piped"));
        let mut port = String::new();
        output.read_line(&mut port).expect("it says its port");
        let port: u16 = port.trim().parse().expect("a port");
        Self { process, address: ([127, 0, 0, 1], port).into(), _output: output }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
