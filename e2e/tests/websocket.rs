//! WebSockets through the gateway: clients and servers of the packages websockets (Python) and ws (Node.js), over
//! HTTP/1.1 and HTTP/2 on either side, and how they end.

use std::io::{Error, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::thread;
use std::time::Duration;

use narrows_testkit::process::{Process, Signal, eventually};
use narrows_testkit::servers::{Narrows, node, python};

/// The cases of a client, each of which says one line.
const CASES: usize = 6;
/// Reads that wait longer than this have failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// What speaks WebSocket on one side.
#[derive(Debug, Clone, Copy)]
enum Peer {
    /// The package websockets, over HTTP/1.1.
    Websockets,
    /// The package ws, over HTTP/1.1.
    Ws,
    /// The package ws, over HTTP/2 (RFC 8441).
    WsOverHttp2,
}

const PEERS: [Peer; 3] = [Peer::Websockets, Peer::Ws, Peer::WsOverHttp2];

/// Messages of all kinds up to 16 MiB, subprotocols, pings, refusals, and codes of Close.
#[test]
fn every_client_understands_every_server() {
    for server in PEERS {
        let served = Server::start(server);
        let gateway = Narrows::start(&config(&served, ""));
        for client in PEERS {
            let mut run = client.client(gateway.address(), &[]);
            assert!(run.wait().success(), "{client:?} -> {server:?}: {:#?}", run.log());
            let lines = run.log();
            assert_eq!(lines.len(), CASES, "{client:?} -> {server:?}: {lines:#?}");
            for line in lines {
                let outcome: serde_json::Value = serde_json::from_str(line).expect("JSON");
                assert_eq!(outcome["ok"], true, "{client:?} -> {server:?}: {line}");
            }
        }
    }
}

/// RFC 6455 §7.4.1: both sides are told that the gateway goes away, and it waits for their answers only.
#[test]
fn a_drain_tells_both_sides() {
    for server in PEERS {
        let mut served = Server::start(server);
        let mut gateway = Narrows::start(&config(&served, "drain: { grace: 1h }\n"));
        let mut clients = PEERS.map(|client| client.client(gateway.address(), &["--hold"]));
        for client in &mut clients {
            client.wait_for("an open socket", |line| (line == "open").then_some(()));
        }
        gateway.signal(Signal::Term);
        for client in &mut clients {
            let code = client.wait_for("a Close", closed);
            assert_eq!(code, 1001, "towards the client of {server:?}");
        }
        for _ in &clients {
            let code = served.process.wait_for("a Close", closed);
            assert_eq!(code, 1001, "towards {server:?}");
        }
        assert!(gateway.process().wait().success(), "a drained gateway exits with 0");
    }
}

#[test]
fn a_reload_cuts_nothing() {
    let served = Server::start(Peer::Websockets);
    let gateway = Narrows::start(&config(&served, ""));
    let mut client = Upgraded::open(&gateway);
    gateway.rewrite(&config(&served, "log: { level: debug }\n"));
    gateway.control(&["reload"]);
    client.echo(b"abc");
    client.echo(b"def");
}

/// Whatever it becomes inside, a WebSocket is logged as it was asked for.
#[test]
fn the_log_says_what_the_client_sent() {
    let served = Server::start(Peer::Ws);
    let gateway = Narrows::start(&config(&served, "access_log: { path: access.log }\n"));
    let mut client = Upgraded::open(&gateway);
    client.echo(b"abc");
    drop(client);
    let path = gateway.directory().join("access.log");
    let log = || std::fs::read_to_string(&path).unwrap_or_default();
    eventually("the log has the call", || log().contains('\n'));
    let record: serde_json::Value = serde_json::from_str(&log()).expect("a JSON object");
    assert_eq!(record["method"], "GET");
    assert_eq!(record["protocol"], "HTTP/1.1");
}

/// In the middle of a frame nothing is said: the frame passes whole, then comes the Close.
#[test]
fn a_frame_that_is_under_way_passes_before_the_close() {
    let mut served = Server::start(Peer::Ws);
    let mut gateway = Narrows::start(&config(&served, "drain: { grace: 1h }\n"));
    let mut client = Upgraded::open(&gateway);
    client.echo(b"abc");
    let frame = masked(b"defg");
    client.0.write_all(&frame[..4]).expect("loopback works");
    let has_come = format!("\"bytes_in\":{}", masked(b"abc").len() + 4);
    eventually("a part has come", || gateway.get("/streams").body.contains(&has_come));
    gateway.signal(Signal::Term);
    assert_eq!(client.read(4), [0x88, 2, 3, 0xe9], "going away");
    client.0.write_all(&frame[4..]).expect("loopback works");
    served.process.wait_for("the frame", |line| (line == "message 4").then_some(()));
    client.0.write_all(&[0x88, 0x82, 0, 0, 0, 0, 3, 0xe9]).expect("loopback works");
    let mut rest = Vec::new();
    client.0.read_to_end(&mut rest).expect("a clean end");
    assert_eq!(rest, [0; 0], "nothing follows a Close");
    assert!(gateway.process().wait().success());
}

/// Who does not answer the Close is not waited for.
#[test]
fn a_drain_does_not_wait_for_a_side_that_says_nothing() {
    let served = Server::start(Peer::Websockets);
    let mut gateway = Narrows::start(&config(&served, "drain: { grace: 1h }\n"));
    let mut client = Upgraded::open(&gateway);
    client.echo(b"abc");
    gateway.signal(Signal::Term);
    assert!(gateway.process().wait().success(), "within moments, not an hour");
}

#[test]
fn a_socket_on_which_nothing_moves_is_closed() {
    let mut served = Server::start(Peer::Ws);
    let gateway = Narrows::start(
        &config(&served, "")
            .replace("upstream: nodes", "upstream: nodes, timeouts: { tunnel_idle: 300ms }"),
    );
    let mut client = Upgraded::open(&gateway);
    let end = client.0.read(&mut [0; 1]);
    let is_cut = |error: &Error| error.kind() == ErrorKind::ConnectionReset;
    assert!(matches!(end, Ok(0)) || end.as_ref().is_err_and(is_cut), "{end:?}");
    // RFC 6455 §7.1.5: the server saw the end of the connection, and no Close.
    assert_eq!(served.process.wait_for("the end", closed), 1006);
}

/// A client that has ended its direction without a Close still hears the rest.
#[test]
fn a_client_that_ends_its_direction_is_gone_for_the_node_and_the_end_comes_back() {
    let mut served = Server::start(Peer::Ws);
    let gateway = Narrows::start(&config(&served, ""));
    let mut client = Upgraded::open(&gateway);
    client.echo(b"abc");
    client.0.shutdown(std::net::Shutdown::Write).expect("loopback works");
    assert_eq!(served.process.wait_for("the end", closed), 1006);
    let mut rest = Vec::new();
    client.0.read_to_end(&mut rest).expect("a clean end");
}

/// A node of HTTP/2 that does not announce it (RFC 8441 §3) is not asked.
#[test]
fn a_node_that_takes_no_tunnels_is_not_asked_for_one() {
    let mut plain = Process::start("server", python("server").args(["--node", "plain"]));
    let port = plain.wait_for("port", |line| line.strip_prefix("listening ")?.parse().ok());
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let gateway = Narrows::start(&config_of("h2c", address, ""));
    let (mut client, reply) = upgrade(&gateway);
    assert!(reply.starts_with("HTTP/1.1 501 "), "{reply}");
    let mut body = [0; 25];
    client.read_exact(&mut body).expect("a body of 25 bytes");
    assert_eq!(&body, b"CONNECT is not supported\n");
}

/// A server of HTTP/1.1 that knows no Upgrade answers as if there were none (RFC 9110 §7.8).
#[test]
fn what_a_server_without_websocket_answers_is_an_ordinary_reply() {
    let address = answers(b"HTTP/1.1 404 Not Found\r\ncontent-length: 5\r\n\r\nnope\n");
    let gateway = Narrows::start(&config_of("http1", address, ""));
    let (mut client, reply) = upgrade(&gateway);
    assert!(reply.starts_with("HTTP/1.1 404 "), "{reply}");
    let mut body = [0; 5];
    client.read_exact(&mut body).expect("a body of five bytes");
    assert_eq!(&body, b"nope\n");
}

/// RFC 6455 §4.1: who does not prove that it has understood has not.
#[test]
fn a_server_that_proves_nothing_has_not_agreed() {
    let address = answers(
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
          sec-websocket-accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",
    );
    let gateway = Narrows::start(&config_of("http1", address, ""));
    let reply = upgrade(&gateway).1;
    assert!(reply.starts_with("HTTP/1.1 502 "), "{reply}");
}

/// A running server.
struct Server {
    address: SocketAddr,
    protocol: &'static str,
    process: Process,
}

/// A client that writes its frames by hand.
struct Upgraded(TcpStream);

// === impl Peer ===

impl Peer {
    fn command(self, role: &str) -> Command {
        match self {
            Self::Websockets => python(&format!("ws_{role}")),
            Self::Ws => node(&format!("ws_{role}")),
            Self::WsOverHttp2 => {
                let mut command = node(&format!("ws_{role}"));
                command.arg("--h2");
                command
            }
        }
    }

    fn client(self, target: SocketAddr, arguments: &[&str]) -> Process {
        let mut command = self.command("client");
        command.args(["--target", &target.to_string()]).args(arguments);
        Process::start(&format!("{self:?} client"), &mut command)
    }
}

// === impl Server ===

impl Server {
    fn start(peer: Peer) -> Self {
        let mut process = Process::start(&format!("{peer:?} server"), &mut peer.command("server"));
        let port = process.wait_for("port", |line| line.strip_prefix("listening ")?.parse().ok());
        let protocol = match peer {
            Peer::Websockets | Peer::Ws => "http1",
            Peer::WsOverHttp2 => "h2c",
        };
        Self { address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)), protocol, process }
    }
}

// === impl Upgraded ===

impl Upgraded {
    fn open(gateway: &Narrows) -> Self {
        let (stream, reply) = upgrade(gateway);
        assert!(reply.starts_with("HTTP/1.1 101 "), "{reply}");
        // RFC 6455 §1.3.
        assert!(reply.to_lowercase().contains("s3pplmbitxaq9kygzzhzrbk+xoo="), "{reply}");
        Self(stream)
    }

    /// Sends a text and reads it again.
    fn echo(&mut self, text: &[u8]) {
        self.0.write_all(&masked(text)).expect("loopback works");
        let expected = [&[0x81, text.len() as u8][..], text].concat();
        assert_eq!(self.read(expected.len()), expected);
    }

    fn read(&mut self, bytes: usize) -> Vec<u8> {
        let mut read = vec![0; bytes];
        self.0.read_exact(&mut read).expect("a frame");
        read
    }
}

/// A server that reads a head and answers with these bytes, once.
fn answers(reply: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback works");
    let address = listener.local_addr().expect("loopback works");
    thread::spawn(move || {
        let mut client = listener.accept().expect("loopback works").0;
        read_head(&mut client);
        client.write_all(reply).expect("loopback works");
        // The other end decides when it is over.
        drop(client.read(&mut [0; 1]));
    });
    address
}

/// A text frame of a client.
fn masked(text: &[u8]) -> Vec<u8> {
    const KEY: [u8; 4] = [1, 2, 3, 4];
    let payload = text.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key);
    [0x81, 0x80 | text.len() as u8].into_iter().chain(KEY).chain(payload).collect()
}

fn closed(line: &str) -> Option<u16> {
    line.strip_prefix("closed ")?.parse().ok()
}

/// Asks for a WebSocket; gives the connection and the head of the reply.
fn upgrade(gateway: &Narrows) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(gateway.address()).expect("the gateway accepts");
    stream.set_read_timeout(Some(PATIENCE)).expect("loopback works");
    let request =
        b"GET / HTTP/1.1\r\nhost: a.test\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
        sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(request).expect("loopback works");
    let reply = read_head(&mut stream);
    (stream, reply)
}

fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a head");
        head.extend(byte);
    }
    String::from_utf8(head).expect("text")
}

fn config(server: &Server, more: &str) -> String {
    config_of(server.protocol, server.address, more)
}

fn config_of(protocol: &str, address: SocketAddr, more: &str) -> String {
    format!(
        "\
workers: 1
listeners:
  - address: 127.0.0.1:0
upstreams:
  nodes: {{ protocol: {protocol}, endpoints: ['{address}'] }}
routes:
  - {{ name: all, match: {{ path: {{ prefix: / }} }}, upstream: nodes }}
{more}"
    )
}
