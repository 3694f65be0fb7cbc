//! What a node is told of the way of a request, and what a client is not told of the node: curl in front of an
//! HTTP/1.1 server of Python that answers with the head that it got.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Command;

use narrows_testkit::process::{Process, eventually};
use narrows_testkit::servers::{Narrows, free_address, python};

/// The gateway in front of the server.
struct Hop {
    gateway: Narrows,
    node: SocketAddr,
    _server: Process,
}

/// What came back: fields of the reply, and the lines of the request as the server saw them.
struct Seen {
    reply: String,
    request: String,
}

#[test]
fn what_a_stranger_says_of_the_way_is_replaced() {
    let hop = Hop::start("");
    let seen = hop.curl(&[
        "x-forwarded-for: 6.6.6.6",
        "X-Forwarded-Proto: https",
        "x-forwarded-host: evil.test",
        "x-forwarded-port: 1",
        "x-real-ip: 6.6.6.6",
        "forwarded: for=6.6.6.6",
        "proxy-authorization: Basic c2VjcmV0",
        "x-request-id: mine",
        "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    ]);
    assert_eq!(seen.values("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(seen.values("x-forwarded-proto"), ["http"]);
    for gone in
        ["x-forwarded-host", "x-forwarded-port", "x-real-ip", "forwarded", "proxy-authorization"]
    {
        assert_eq!(seen.values(gone), [""; 0], "{gone}");
    }
    assert_eq!(seen.values("x-request-id"), ["mine"]);
    assert_eq!(
        seen.values("traceparent"),
        ["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"]
    );
}

#[test]
fn what_a_trusted_proxy_says_is_continued() {
    let hop = Hop::start(
        "    forwarding: { trusted_proxies: [127.0.0.0/8], via: narrows, request_id: fill,
      echo_request_id: true, traceparent: begin, server: remove,
      add: [x_forwarded_for, x_forwarded_proto, x_forwarded_port, x_real_ip, forwarded] }\n",
    );
    let seen = hop.curl(&["x-forwarded-for: 6.6.6.6, 192.0.2.7", "x-forwarded-proto: https"]);
    assert_eq!(seen.values("x-forwarded-for"), ["6.6.6.6, 192.0.2.7, 127.0.0.1"]);
    assert_eq!(seen.values("x-forwarded-proto"), ["https"]);
    assert_eq!(seen.values("x-real-ip"), ["192.0.2.7"], "6.6.6.6 anybody may have written");
    assert_eq!(seen.values("via"), ["1.1 narrows"]);
    assert_eq!(seen.values("traceparent").len(), 1);
    let id = seen.values("x-request-id")[0];
    assert_eq!(id.len(), 36, "{id}");
    assert!(seen.reply.contains(&format!("x-request-id: {id}")), "{}", seen.reply);
    assert!(seen.reply.contains("via: 1.1 narrows"), "{}", seen.reply);
    assert!(!seen.reply.contains("inner-server"), "{}", seen.reply);
}

/// RFC 9110 §7.6.1.
#[test]
fn fields_of_one_connection_end_with_it() {
    let hop = Hop::start("");
    let seen = hop.curl(&[
        "connection: keep-alive, x-mine",
        "keep-alive: timeout=5",
        "te: gzip",
        "proxy-connection: keep-alive",
        "upgrade: h2c",
        "x-mine: for the gateway",
        "x-theirs: for the node",
        "x-answer-connection: close, x-inner",
        "x-answer-x-inner: for the gateway",
        "x-answer-keep-alive: timeout=5",
        "x-answer-x-outer: for the client",
    ]);
    for gone in ["keep-alive", "proxy-connection", "upgrade", "x-mine", "te"] {
        assert_eq!(seen.values(gone), [""; 0], "{gone}");
    }
    assert_eq!(seen.values("x-theirs"), ["for the node"]);
    for gone in ["x-inner", "keep-alive", "connection: close"] {
        assert!(!seen.reply.contains(gone), "{gone} in {}", seen.reply);
    }
    assert!(seen.reply.contains("x-outer: for the client"), "{}", seen.reply);
}

/// The client whom a trusted proxy names is the one that routes and the log go by.
#[test]
fn routes_and_the_log_go_by_the_client_that_a_trusted_proxy_names() {
    let hop =
        Hop::start("    proxy_protocol: true\n    forwarding: { trusted_proxies: [10.0.0.0/8] }\n");
    let ask = |proxy: &str, forwarded: &str| {
        let mut client = TcpStream::connect(hop.gateway.address()).expect("loopback works");
        let request = format!(
            "PROXY TCP4 {proxy} 10.0.0.1 4000 80\r\nGET /office HTTP/1.1\r\nhost: a.test\r\n\
             x-forwarded-for: {forwarded}\r\nconnection: close\r\n\r\n"
        );
        client.write_all(request.as_bytes()).expect("loopback works");
        let mut reply = String::new();
        client.read_to_string(&mut reply).expect("the reply is text");
        reply
    };
    // The route takes requests from 192.0.2.0/24 only.
    let reply = ask("10.0.0.9", "192.0.2.7");
    assert!(reply.starts_with("HTTP/1.1 200"), "{reply}");
    assert!(reply.contains("x-forwarded-for: 192.0.2.7, 10.0.0.9"), "{reply}");
    assert!(ask("192.0.2.8", "6.6.6.6").starts_with("HTTP/1.1 200"), "it is there itself");
    assert!(ask("11.0.0.9", "192.0.2.7").starts_with("HTTP/1.1 404"), "a stranger says so");
    let path = hop.gateway.directory().join("access.log");
    let log = || std::fs::read_to_string(&path).unwrap_or_default();
    eventually("the log has the first call", || log().contains('\n'));
    let log = log();
    let line = log.lines().next().expect("there is one");
    let record: serde_json::Value = serde_json::from_str(line).expect("a JSON object");
    assert_eq!(record["client_ip"], "192.0.2.7");
    assert_eq!(record["peer"], "10.0.0.9:4000");
}

#[test]
fn replies_do_not_tell_where_the_node_is() {
    let hop = Hop::start("");
    let node = hop.node.to_string();
    let moved = |location: &str| {
        let location = format!("x-answer-location: {location}");
        hop.curl(&["x-answer-status: 302", &location]).reply
    };
    let ours = format!("location: http://{}/next?a=1", hop.gateway.address());
    let reply = moved("http://{self}/next?a=1");
    assert!(reply.contains(&ours), "{reply}");
    assert!(!reply.contains(&node), "{reply}");
    assert!(moved("https://elsewhere.test/x").contains("location: https://elsewhere.test/x"));
    assert!(moved("/relative").contains("location: /relative"));
}

#[test]
fn replies_of_the_gateway_itself_do_not_tell_where_nodes_are() {
    let gone = free_address();
    let gateway = Narrows::start(&config("", gone));
    let reply = curl(&gateway, &[]);
    assert!(reply.contains("502 "), "{reply}");
    assert!(!reply.contains(&gone.to_string()), "{reply}");
    assert!(!reply.contains(&gone.port().to_string()), "{reply}");
}

#[test]
fn replies_of_the_health_service_are_those_of_a_hop() {
    let gateway = Narrows::start(&config("    forwarding: { via: edge }\n", free_address()));
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--include", "--max-time", "20"]);
    command.args(["--http2-prior-knowledge", "--request", "POST"]);
    command.args(["--header", "content-type: application/grpc", "--output", "-"]);
    let url = format!("http://{}/grpc.health.v1.Health/Check", gateway.address());
    let output = command.arg(url).output().expect("curl is installed");
    let reply = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(reply.contains("via: 2 edge") || reply.contains("via: 2.0 edge"), "{reply}");
}

// === impl Hop ===

impl Hop {
    fn start(listener: &str) -> Self {
        let mut server = Process::start("mirror", &mut python("mirror"));
        let port = server.wait_for("port", |line| line.strip_prefix("listening ")?.parse().ok());
        let node = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Self { gateway: Narrows::start(&config(listener, node)), node, _server: server }
    }

    fn curl(&self, fields: &[&str]) -> Seen {
        let all = curl(&self.gateway, fields);
        let (reply, request) = all.split_once("\r\n\r\n").expect("a reply has a head");
        Seen { reply: reply.to_owned(), request: request.to_owned() }
    }
}

// === impl Seen ===

impl Seen {
    /// The values of a field that the server saw.
    fn values(&self, name: &str) -> Vec<&str> {
        let fields = self.request.lines().filter_map(|line| line.split_once(": "));
        fields.filter(|(field, _)| *field == name).map(|(_, value)| value).collect()
    }
}

fn curl(gateway: &Narrows, fields: &[&str]) -> String {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--include", "--max-time", "20"]);
    for field in fields {
        command.args(["--header", field]);
    }
    command.arg(format!("http://{}/", gateway.address()));
    let output = command.output().expect("curl is installed");
    String::from_utf8(output.stdout).expect("the reply is text")
}

fn config(listener: &str, node: SocketAddr) -> String {
    format!(
        "\
workers: 1
listeners:
  - address: 127.0.0.1:0
{listener}upstreams:
  nodes: {{ protocol: http1, endpoints: ['{node}'] }}
routes:
  - {{ name: all, match: {{ path: {{ exact: / }} }}, upstream: nodes }}
  - name: office
    match: {{ path: {{ exact: /office }}, sources: [192.0.2.0/24] }}
    upstream: nodes
access_log: {{ path: access.log }}
"
    )
}
