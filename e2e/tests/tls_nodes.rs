//! TLS sessions towards nodes: all workers share them, so that only the first connection shakes hands in full.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use narrows_testkit::servers::{Certificate, Narrows};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{HandshakeKind, ServerConfig, ServerConnection, StreamOwned};

/// So many connections come to both workers, but for once in 32,768 runs.
const CONNECTIONS: usize = 16;
const PATIENCE: Duration = Duration::from_secs(20);

/// Handshakes that a node has seen.
#[derive(Debug, Default)]
struct Handshakes {
    full: AtomicUsize,
    resumed: AtomicUsize,
}

#[test]
fn sessions_towards_nodes_resume_on_every_worker() {
    let certificate = Certificate::for_localhost();
    let handshakes = Arc::new(Handshakes::default());
    let node = node(&certificate, handshakes.clone());
    let gateway = Narrows::start(&format!(
        "\
workers: 2
listeners:
  - address: 127.0.0.1:0
    protocol: tcp
    upstream: nodes
upstreams:
  nodes:
    protocol: tls
    endpoints: ['localhost:{}']
    tls: {{ ca: '{}' }}
",
        node.port(),
        certificate.certificate().display()
    ));
    for _ in 0..CONNECTIONS {
        ask(&gateway);
    }
    let (full, resumed) = (&handshakes.full, &handshakes.resumed);
    assert_eq!(full.load(Ordering::SeqCst), 1);
    assert_eq!(resumed.load(Ordering::SeqCst), CONNECTIONS - 1);
}

/// One connection, whose answer comes behind the tickets of its session.
fn ask(gateway: &Narrows) {
    let mut client = TcpStream::connect(gateway.address()).expect("loopback works");
    client.set_read_timeout(Some(PATIENCE)).expect("loopback works");
    client.write_all(b"hello").expect("loopback works");
    let mut answer = [0; 5];
    client.read_exact(&mut answer).expect("the node answers");
    assert_eq!(&answer, b"hello");
    client.shutdown(Shutdown::Write).expect("loopback works");
    client.read_to_end(&mut vec![]).expect("the node ends");
}

/// A node that echoes five bytes, and counts how each connection began.
fn node(certificate: &Certificate, handshakes: Arc<Handshakes>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback works");
    let address = listener.local_addr().expect("loopback works");
    let config = config(certificate);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let connection = ServerConnection::new(config.clone()).expect("a valid configuration");
            serve(StreamOwned::new(connection, stream), &handshakes);
        }
    });
    address
}

fn serve(mut stream: StreamOwned<ServerConnection, TcpStream>, handshakes: &Handshakes) {
    let mut bytes = [0; 5];
    // A connection that only looks whether somebody listens says nothing.
    if stream.read_exact(&mut bytes).is_err() {
        return;
    }
    let count = match stream.conn.handshake_kind() {
        Some(HandshakeKind::Resumed) => &handshakes.resumed,
        _ => &handshakes.full,
    };
    count.fetch_add(1, Ordering::SeqCst);
    stream.write_all(&bytes).expect("loopback works");
    stream.conn.send_close_notify();
    stream.flush().expect("loopback works");
}

fn config(certificate: &Certificate) -> Arc<ServerConfig> {
    let chain = CertificateDer::from_pem_slice(certificate.pem().as_bytes()).expect("a chain");
    let key = PrivateKeyDer::from_pem_slice(certificate.private_key_pem().as_bytes());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has them")
        .with_no_client_auth()
        .with_single_cert(vec![chain], key.expect("a key"))
        .expect("they belong together");
    config.ticketer = rustls::crypto::ring::Ticketer::new().expect("randomness");
    Arc::new(config)
}
