//! Certificates that are replaced under load, certificates that can not be used, and both ends showing one.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use narrows_e2e::client::{Conversation, EchoClient};
use narrows_e2e::config;
use narrows_e2e::handshake::Handshakes;
use narrows_e2e::server::EchoServer;
use narrows_testkit::process::{Scratch, Signal, eventually};
use narrows_testkit::servers::{Authority, Narrows, Signed};
use tokio::task::JoinHandle;
use tonic::Code;

const REPLACEMENTS: usize = 40;
const CONNECTIONS: usize = 4;
const STREAMS_EACH: usize = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_replaced_under_load_and_nothing_is_lost() {
    let node = EchoServer::start("node");
    let files = Files::new();
    let mut newest = files.replace();
    let gateway = Narrows::start(&config_of(&files, &node, ""));
    let mut streams = open(gateway.address(), &files.authority).await;
    let over = Arc::new(AtomicBool::new(false));
    let callers = [0; 2].map(|_| connect_and_call(gateway.address(), &files.authority, &over));
    let handshakes = Handshakes::new(&files.authority);

    for replacement in 0..REPLACEMENTS {
        newest = files.replace();
        match replacement % 2 {
            0 => gateway.signal(Signal::Hangup),
            _ => drop(gateway.control(&["reload"])),
        }
        eventually("new handshakes show the new certificate", || {
            handshakes.shows(gateway.address(), &newest).expect("no handshake fails")
        });
        for stream in &mut streams {
            exchange(stream).await;
        }
    }

    over.store(true, Ordering::Relaxed);
    let mut calls = (CONNECTIONS * STREAMS_EACH) as u64;
    for caller in callers {
        let made = caller.await.expect("no handshake and no call fails");
        assert!(made > REPLACEMENTS as u64 / 4, "{made} calls are no load");
        calls += made;
    }
    for stream in streams {
        stream.finish().await.expect("a stream ends well");
    }
    assert!(handshakes.shows(gateway.address(), &newest).unwrap());
    assert_eq!(node.calls(), calls, "no call was made twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_can_not_be_used_leaves_the_old_one_in_force() {
    let node = EchoServer::start("node");
    let files = Files::new();
    let old = files.replace();
    let mut gateway = Narrows::start(&config_of(&files, &node, ""));
    let mut streams = open(gateway.address(), &files.authority).await;
    let handshakes = Handshakes::new(&files.authority);

    let other = files.authority.sign("other.test");
    files.write(&Signed { private_key: other.private_key, ..old.clone() });
    let mismatch = refused_reload(&gateway);
    assert!(mismatch.contains("is not the private key of the certificate"), "{mismatch}");
    assert!(handshakes.shows(gateway.address(), &old).unwrap());

    std::fs::remove_file(files.directory.path().join("server.pem")).unwrap();
    let missing = refused_reload(&gateway);
    assert!(missing.contains("listeners[0].tls.certificate: can not read"), "{missing}");
    gateway.signal(Signal::Hangup);
    gateway.process().wait_for("a line of the log that names the file", |line| {
        (line.contains("ERROR") && line.contains("server.pem")).then_some(())
    });
    assert!(handshakes.shows(gateway.address(), &old).unwrap());
    assert_eq!(gateway.metric("narrows_config_last_reload_successful", ""), 0.0);

    let new = files.replace();
    gateway.control(&["reload"]);
    eventually("the next good one is used", || handshakes.shows(gateway.address(), &new).unwrap());
    for mut stream in streams.drain(..) {
        exchange(&mut stream).await;
        stream.finish().await.expect("a stream ends well");
    }
}

#[tokio::test]
async fn a_listener_lets_in_those_only_whom_its_authority_has_signed() {
    let node = EchoServer::start("node");
    let (files, clients) = (Files::new(), Authority::new());
    files.replace();
    files.directory.write("clients.pem", clients.pem());
    let client_ca =
        format!(", client_ca: {}", files.directory.path().join("clients.pem").display());
    let gateway = Narrows::start(&config_of(&files, &node, &client_ca));

    let known = clients.sign("client.test");
    let client = EchoClient::connect_tls(gateway.address(), &files.authority, Some(&known)).await;
    assert_eq!(client.unwrap().unary(Bytes::new()).await.unwrap().node(), "node");

    let stranger = Authority::new().sign("client.test");
    for own in [None, Some(&stranger)] {
        // TLS 1.3 tells a client that it is refused only after it has connected.
        match EchoClient::connect_tls(gateway.address(), &files.authority, own).await {
            Err(_) => {}
            Ok(client) => drop(client.unary(Bytes::new()).await.expect_err("a stranger")),
        }
    }
    assert_eq!(node.calls(), 1);
}

#[tokio::test]
async fn a_node_is_shown_the_certificate_of_the_gateway() {
    let (nodes, gateways) = (Authority::new(), Authority::new());
    let node = EchoServer::start_mutual_tls("node", &nodes.sign("node.test"), &gateways);
    let own = gateways.sign("gateway.test");
    let directory = Scratch::new("mutual");
    directory.write("nodes.pem", nodes.pem());
    directory.write("own.pem", &own.certificate);
    directory.write("own.key", &own.private_key);
    let file = |name: &str| directory.path().join(name).display().to_string();
    let ca = format!("ca: {}, server_name: node.test", file("nodes.pem"));
    let shown = format!("certificate: {}, private_key: {}", file("own.pem"), file("own.key"));
    let config = |tls: String| {
        let tls = format!("protocol: h2, tls: {{ {tls} }}");
        config::fixed(&[node.address]).replace("protocol: h2c", &tls)
    };

    let gateway = Narrows::start(&config(format!("{ca}, {shown}")));
    let client = EchoClient::connect(gateway.address(), None).await;
    assert_eq!(client.unary(Bytes::new()).await.unwrap().node(), "node");

    let gateway = Narrows::start(&config(ca));
    let client = EchoClient::connect(gateway.address(), None).await;
    let status = client.unary(Bytes::new()).await.expect_err("the node wants a certificate");
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
}

/// The certificate of a listener, in files that are written anew.
struct Files {
    directory: Scratch,
    authority: Authority,
}

impl Files {
    fn new() -> Self {
        Self { directory: Scratch::new("certificates"), authority: Authority::new() }
    }

    /// Puts a new certificate in the place of the one before.
    fn replace(&self) -> Signed {
        let signed = self.authority.sign("narrows.test");
        self.write(&signed);
        signed
    }

    fn write(&self, signed: &Signed) {
        self.directory.write("server.pem", &signed.certificate);
        self.directory.write("server.key", &signed.private_key);
    }
}

/// A TLS listener in front of the node.
fn config_of(files: &Files, node: &EchoServer, more: &str) -> String {
    let file = |name: &str| files.directory.path().join(name).display().to_string();
    let tls = format!(
        "    tls: {{ certificate: {}, private_key: {}{more} }}\n",
        file("server.pem"),
        file("server.key")
    );
    let address = "  - address: 127.0.0.1:0\n";
    config::fixed(&[node.address]).replace(address, &format!("{address}{tls}"))
}

/// A reload that must fail; gives what it says.
fn refused_reload(gateway: &Narrows) -> String {
    let admin = gateway.admin.to_string();
    let output = gateway.command(&["reload", "--admin", &admin]);
    assert!(!output.status.success(), "a reload with such a certificate must fail");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Connects anew for every call until it is over; gives the number of calls.
fn connect_and_call(
    gateway: SocketAddr,
    authority: &Authority,
    over: &Arc<AtomicBool>,
) -> JoinHandle<u64> {
    let (over, authority) = (Arc::clone(over), authority.clone());
    tokio::spawn(async move {
        let mut calls = 0;
        while !over.load(Ordering::Relaxed) {
            let client = EchoClient::connect_tls(gateway, &authority, None).await;
            let client = client.expect("no handshake fails");
            client.unary(Bytes::from_static(b"x")).await.expect("no call fails");
            calls += 1;
        }
        calls
    })
}

async fn open(gateway: SocketAddr, authority: &Authority) -> Vec<Conversation> {
    let mut streams = Vec::new();
    for _ in 0..CONNECTIONS {
        let client = EchoClient::connect_tls(gateway, authority, None).await.unwrap();
        for _ in 0..STREAMS_EACH {
            let mut stream = client.converse().await.expect("a stream opens");
            exchange(&mut stream).await;
            streams.push(stream);
        }
    }
    streams
}

async fn exchange(stream: &mut Conversation) {
    let message = Bytes::from_static(b"still here");
    assert_eq!(stream.exchange(message.clone()).await.expect("a stream lives on"), message);
}
