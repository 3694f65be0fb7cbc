//! A web server of node whose replies the path of a request asks for (`peers/node/web.js`), and clients for it.

use std::io::{BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Command, Output, Stdio};

use narrows_testkit::process::{PATIENCE, Process};
use narrows_testkit::servers::{Narrows, repository};

/// What a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1 in the clear.
    Http1,
    /// HTTP/2 in the clear.
    Http2,
}

/// A running server.
#[derive(Debug)]
pub struct Web {
    /// Where it serves.
    pub address: SocketAddr,
    /// What it speaks.
    pub protocol: Protocol,
    process: Process,
}

// === impl Protocol ===

impl Protocol {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Http1, Self::Http2];

    /// As the peers call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http1 => "h1",
            Self::Http2 => "h2",
        }
    }

    /// As an upstream calls it.
    fn of_upstream(self) -> &'static str {
        match self {
            Self::Http1 => "http1",
            Self::Http2 => "h2c",
        }
    }

    /// The option that makes curl speak it.
    pub fn of_curl(self) -> &'static str {
        match self {
            Self::Http1 => "--http1.1",
            Self::Http2 => "--http2-prior-knowledge",
        }
    }
}

// === impl Web ===

impl Web {
    /// Starts one.
    pub fn start(protocol: Protocol) -> Self {
        let script = repository().join("e2e/peers/node/web.js");
        let mut process =
            Process::start("web", Command::new("node").arg(script).arg(protocol.name()));
        let port = process.wait_for("port", |line| line.strip_prefix("listening ")?.parse().ok());
        Self { address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)), protocol, process }
    }

    /// A gateway in front of it; `listener` and `route` are more lines of their parts of the configuration.
    pub fn gateway(&self, listener: &str, route: &str) -> Narrows {
        gateway(self.address, self.protocol, listener, route)
    }

    /// Waits until it prints this line.
    pub fn wait_for(&mut self, wanted: &str) {
        self.process.wait_for(wanted, |line| (line == wanted).then_some(()));
    }
}

/// A gateway in front of any server.
pub fn gateway(server: SocketAddr, protocol: Protocol, listener: &str, route: &str) -> Narrows {
    let protocol = protocol.of_upstream();
    Narrows::start(&format!(
        "\
workers: 1
listeners:
  - address: 127.0.0.1:0
{listener}upstreams:
  web: {{ protocol: {protocol}, endpoints: ['{server}'] }}
routes:
  - name: all
    upstream: web
{route}"
    ))
}

/// Runs curl on a path.
///
/// # Panics
///
/// When it is not installed.
pub fn curl(gateway: SocketAddr, protocol: Protocol, arguments: &[&str], path: &str) -> Output {
    curl_with(gateway, protocol, arguments, path, Stdio::null())
}

/// As [`curl`], with something to read.
///
/// # Panics
///
/// When it is not installed.
pub fn curl_with(
    gateway: SocketAddr,
    protocol: Protocol,
    arguments: &[&str],
    path: &str,
    input: Stdio,
) -> Output {
    let mut command = Command::new("curl");
    command.args(["-sS", "--max-time", "120", protocol.of_curl()]).args(arguments);
    command.arg(format!("http://{gateway}{path}")).stdin(input);
    command.output().expect("curl is installed: `cargo xtask test` installs it")
}

/// A connection on which the test writes what it likes.
///
/// # Panics
///
/// When nothing accepts there.
pub fn connect(gateway: SocketAddr) -> BufReader<TcpStream> {
    let stream = TcpStream::connect(gateway).expect("the gateway accepts");
    stream.set_read_timeout(Some(PATIENCE)).expect("loopback takes options");
    BufReader::new(stream)
}

/// Writes text.
///
/// # Panics
///
/// When the gateway does not read.
pub fn say(connection: &mut BufReader<TcpStream>, text: &str) {
    connection.get_mut().write_all(text.as_bytes()).expect("the gateway reads");
}
