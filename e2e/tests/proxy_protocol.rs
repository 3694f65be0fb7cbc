//! The PROXY protocol towards nodes: the first bytes of a connection say whose it is, and TLS follows them.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use narrows_testkit::servers::{Certificate, Narrows};
use narrows_wire::proxy_protocol::{Endpoints, Origin, Progress, Version, parse};

/// Reads that wait longer than this have failed.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn a_node_is_told_whose_each_connection_is() {
    for (word, version) in [("v1", Version::V1), ("v2", Version::V2)] {
        for _ in 0..2 {
            let (node, served) = node();
            let gateway = gateway(node, "", &format!("protocol: tcp, proxy_protocol: {word}"));
            let mut client = connect(&gateway);
            let own = client.local_addr().expect("loopback works");
            client.write_all(b"hello").expect("loopback works");
            client.shutdown(Shutdown::Write).expect("loopback works");
            let seen = served.join().expect("the node succeeds");
            let (header, rest) = split(&seen);
            let ends = Endpoints { source: own, destination: gateway.address() };
            assert_eq!(header, (version, Origin::Proxied(ends)));
            assert_eq!(rest, b"hello");
        }
    }
}

/// A balancer in front says whose it is, and that is what goes on.
#[test]
fn what_the_proxy_in_front_says_goes_on() {
    let (node, served) = node();
    let gateway = gateway(node, "    proxy_protocol: true\n", "protocol: tcp, proxy_protocol: v2");
    let mut client = connect(&gateway);
    client.write_all(b"PROXY TCP4 192.0.2.7 198.51.100.1 4000 443\r\nhello").expect("loopback");
    client.shutdown(Shutdown::Write).expect("loopback works");
    let seen = served.join().expect("the node succeeds");
    let ends = Endpoints {
        source: ([192, 0, 2, 7], 4000).into(),
        destination: ([198, 51, 100, 1], 443).into(),
    };
    let (header, rest) = split(&seen);
    assert_eq!(header, (Version::V2, Origin::Proxied(ends)));
    assert_eq!(rest, b"hello");
}

#[test]
fn the_header_stands_before_tls() {
    let (node, served) = node();
    let gateway = gateway(node, "", "protocol: tls, proxy_protocol: v2");
    let client = connect(&gateway);
    let seen = served.join().expect("the node succeeds");
    let (header, rest) = split(&seen);
    let own = client.local_addr().expect("loopback works");
    let ends = Endpoints { source: own, destination: gateway.address() };
    assert_eq!(header, (Version::V2, Origin::Proxied(ends)));
    assert_eq!(rest.first(), Some(&22), "a ClientHello");
}

/// Where TLS ends at the gateway, the node learns whom the client asked for.
#[test]
fn a_node_is_told_whom_the_client_asked_for() {
    let (node, served) = node();
    let certificate = Certificate::for_localhost();
    let (chain, key) = (certificate.certificate(), certificate.private_key());
    let tls = format!(
        "    tls: {{ certificate: '{}', private_key: '{}' }}\n",
        chain.display(),
        key.display()
    );
    let gateway = gateway(node, &tls, "protocol: tcp, proxy_protocol: v2");
    let mut openssl = Command::new("openssl");
    openssl.args(["s_client", "-quiet", "-servername", "localhost"]);
    openssl.args(["-connect", &gateway.address().to_string()]).stdin(Stdio::piped());
    let mut client = openssl.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("openssl");
    let mut input = client.stdin.take().expect("it is piped");
    input.write_all(b"hello").expect("openssl reads");
    let seen = served.join().expect("the node succeeds");
    drop(input);
    client.wait().expect("openssl ends");
    let Ok(Progress::Parsed { consumed, header }) = parse(&seen) else { panic!("{seen:?}") };
    assert_eq!((header.authority, header.alpn), (Some("localhost"), None));
    assert_eq!(&seen[consumed..], b"hello");
}

/// A node that takes one connection and gives what came of it, up to a pause or its end.
fn node() -> (SocketAddr, JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback works");
    let address = listener.local_addr().expect("loopback works");
    let served = thread::spawn(move || {
        let mut client = listener.accept().expect("loopback works").0;
        let mut seen = Vec::new();
        while !is_enough(&seen) {
            let mut bytes = [0; 4096];
            match client.read(&mut bytes).expect("loopback works") {
                0 => break,
                n => seen.extend_from_slice(&bytes[..n]),
            }
        }
        seen
    });
    (address, served)
}

/// Whether a header has come, and five bytes behind it.
fn is_enough(seen: &[u8]) -> bool {
    match parse(seen).expect("a header") {
        Progress::Parsed { consumed, .. } => seen.len() >= consumed + 5,
        Progress::NeedMore => false,
    }
}

fn split(seen: &[u8]) -> ((Version, Origin), &[u8]) {
    let Ok(Progress::Parsed { consumed, header }) = parse(seen) else {
        panic!("no header: {seen:?}")
    };
    ((header.version, header.origin), &seen[consumed..])
}

fn connect(gateway: &Narrows) -> TcpStream {
    let client = TcpStream::connect(gateway.address()).expect("loopback works");
    client.set_read_timeout(Some(PATIENCE)).expect("loopback works");
    client
}

fn gateway(node: SocketAddr, listener: &str, upstream: &str) -> Narrows {
    Narrows::start(&format!(
        "\
workers: 1
listeners:
  - address: 127.0.0.1:0
    protocol: tcp
    upstream: nodes
{listener}upstreams:
  nodes: {{ {upstream}, endpoints: ['{node}'] }}
"
    ))
}
