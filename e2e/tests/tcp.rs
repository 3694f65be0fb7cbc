//! Listeners for any bytes: what passes, how connections end, and what passes for nobody.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use narrows_testkit::servers::Narrows;
use socket2::SockRef;

/// Reads that wait longer than this have failed.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn bytes_pass_both_ways_and_each_direction_ends_by_itself() {
    let (node, served) = node(|mut client| {
        let mut all = Vec::new();
        client.read_to_end(&mut all).unwrap();
        // The client has ended its direction; ours is still open.
        client.write_all(&all).unwrap();
    });
    let gateway = gateway(node, "");
    let mut client = connect(&gateway);
    client.write_all(b"ask").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).unwrap();
    assert_eq!(answer, b"ask");
    served.join().unwrap();
}

#[test]
fn a_node_may_speak_first() {
    let (node, served) = node(|mut client| client.write_all(b"220 ready\r\n").unwrap());
    let gateway = gateway(node, "");
    let mut greeting = String::new();
    connect(&gateway).read_to_string(&mut greeting).unwrap();
    assert_eq!(greeting, "220 ready\r\n");
    served.join().unwrap();
}

/// 64 MiB each way at once, of bytes that tell their place.
#[test]
fn much_passes_and_none_of_it_is_lost_or_moved() {
    const MIB: usize = 64;
    let (node, served) = node(|client| exchange_mebibytes(client, MIB));
    let gateway = gateway(node, "");
    exchange_mebibytes(connect(&gateway), MIB);
    served.join().unwrap();
    let metrics = gateway.get("/metrics").body;
    let bytes = (MIB << 20).to_string();
    let counted = |line: &&str| line.contains("route=\"tcp ") && line.ends_with(&bytes);
    assert_eq!(metrics.lines().filter(counted).count(), 2, "both directions are counted");
}

/// Who cuts the connection off says that not all was sent; that is not made a clean end of.
#[test]
fn a_connection_that_is_cut_off_is_cut_off_on_the_other_side() {
    let (node, served) = node(|mut client| {
        client.read_exact(&mut [0; 3]).unwrap();
        SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
    });
    let gateway = gateway(node, "");
    let mut client = connect(&gateway);
    client.write_all(b"ask").unwrap();
    let error = client.read(&mut [0; 1]).expect_err("no clean end");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    served.join().unwrap();
}

#[test]
fn a_node_that_can_not_be_reached_closes_the_connection() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gateway = gateway(closed, "");
    let mut client = connect(&gateway);
    let end = client.read(&mut [0; 1]);
    assert!(matches!(&end, Ok(0)) || end.is_err_and(|e| e.kind() == ErrorKind::ConnectionReset));
    let metrics = gateway.get("/metrics").body;
    assert!(metrics.contains("reason=\"connect_failed\""), "{metrics}");
}

#[test]
fn a_connection_on_which_nothing_moves_is_closed() {
    let (node, served) = node(|mut client| drop(client.read(&mut [0; 1])));
    let gateway = gateway(node, "    timeouts: { tunnel_idle: 200ms }\n");
    let end = connect(&gateway).read(&mut [0; 1]);
    assert!(matches!(&end, Ok(0)) || end.is_err_and(|e| e.kind() == ErrorKind::ConnectionReset));
    served.join().unwrap();
}

/// The ClientHello chooses the node, and every byte of it reaches the node.
#[test]
fn tls_passes_through_to_the_node_that_the_client_asks_for() {
    let named = |name: &'static [u8]| {
        node(move |mut client| {
            let mut hello = vec![0; client_hello("b.example.com").len()];
            client.read_exact(&mut hello).unwrap();
            assert!(hello == client_hello("b.example.com") || name == b"rest");
            client.write_all(name).unwrap();
        })
    };
    let (first, _) = named(b"first");
    let ((second, second_served), (rest, rest_served)) = (named(b"second"), named(b"rest"));
    let gateway = Narrows::start(&format!(
        "\
listeners:
  - address: 127.0.0.1:0
    protocol: tcp
    passthrough:
      - {{ server_names: [a.example.com], upstream: first }}
      - {{ server_names: ['*.example.com'], upstream: second }}
    upstream: rest
upstreams:
  first: {{ protocol: tcp, endpoints: ['{first}'] }}
  second: {{ protocol: tcp, endpoints: ['{second}'] }}
  rest: {{ protocol: tcp, endpoints: ['{rest}'] }}
"
    ));
    let mut client = connect(&gateway);
    let hello = client_hello("b.example.com");
    // In two pieces, as a slow network brings it.
    client.write_all(&hello[..20]).unwrap();
    client.write_all(&hello[20..]).unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "second");
    second_served.join().unwrap();

    let mut client = connect(&gateway);
    client.write_all(&vec![b'x'; hello.len()]).unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "rest");
    rest_served.join().unwrap();
}

/// Whose connection it is, the balancer in front says; the networks of a lookup and the log go by that.
#[test]
fn the_header_of_the_proxy_protocol_is_read_and_required() {
    let (node, served) = node(|mut client| {
        let mut all = String::new();
        client.read_to_string(&mut all).unwrap();
        client.write_all(all.as_bytes()).unwrap();
    });
    let config = "    proxy_protocol: true\n";
    let gateway = gateway(node, config);
    let mut client = connect(&gateway);
    client.write_all(b"PROXY TCP4 192.0.2.7 198.51.100.1 4000 443\r\nhello").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).expect("loopback works");
    assert_eq!(answer, "hello", "the header is ours");
    served.join().expect("loopback works");

    let mut client = connect(&gateway);
    client.write_all(b"hello").expect("loopback works");
    let end = client.read(&mut [0; 1]);
    assert!(matches!(&end, Ok(0)) || end.is_err_and(|e| e.kind() == ErrorKind::ConnectionReset));
}

/// What a source may not have is closed at once; what it may have only slowly passes whole.
#[test]
fn a_source_has_no_more_than_it_may() {
    let (node, served) = node(|client| exchange_mebibytes(client, 1));
    let limits = "    sources: { max_connections: 1, bandwidth: 4MiB }\n";
    let limited = gateway(node, limits);
    let first = connect(&limited);
    let second = connect(&limited).read(&mut [0; 1]);
    assert!(
        matches!(second, Ok(0)) || second.is_err_and(|e| e.kind() == ErrorKind::ConnectionReset)
    );
    exchange_mebibytes(first, 1);
    served.join().unwrap();

    let denied = gateway(node, "    sources: { deny: [127.0.0.0/8] }\n");
    let refused = connect(&denied).read(&mut [0; 1]);
    assert!(
        matches!(refused, Ok(0)) || refused.is_err_and(|e| e.kind() == ErrorKind::ConnectionReset)
    );
    let metrics = denied.get("/metrics").body;
    assert!(metrics.contains("narrows_source_refused_total 1"), "{metrics}");
}

/// The first bytes of a TLS connection to this host, with nothing but what is looked at.
fn client_hello(host: &str) -> Vec<u8> {
    let u16 = |number: usize| u16::try_from(number).expect("a small number").to_be_bytes();
    let name = [&[0][..], &u16(host.len()), host.as_bytes()].concat();
    let list = [&u16(name.len())[..], &name].concat();
    let extension = [&[0, 0][..], &u16(list.len()), &list].concat();
    let mut body = [&[3, 3][..], &[7; 32], &[0], &[0, 2, 0x13, 1], &[1, 0]].concat();
    body.extend([&u16(extension.len())[..], &extension].concat());
    let message = [&[1, 0][..], &u16(body.len()), &body].concat();
    [&[22, 3, 1][..], &u16(message.len()), &message].concat()
}

/// A node that takes one connection.
fn node(serve: impl FnOnce(TcpStream) + Send + 'static) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback works");
    let address = listener.local_addr().expect("loopback works");
    let served = thread::spawn(move || serve(listener.accept().expect("loopback works").0));
    (address, served)
}

fn gateway(node: SocketAddr, listener: &str) -> Narrows {
    Narrows::start(&format!(
        "\
workers: 2
listeners:
  - address: 127.0.0.1:0
    protocol: tcp
    upstream: nodes
{listener}upstreams:
  nodes: {{ protocol: tcp, endpoints: ['{node}'] }}
"
    ))
}

fn connect(gateway: &Narrows) -> TcpStream {
    let client = TcpStream::connect(gateway.address()).expect("loopback works");
    client.set_read_timeout(Some(PATIENCE)).expect("loopback works");
    client
}

/// Writes and reads at the same time, and checks every byte.
fn exchange_mebibytes(stream: TcpStream, mebibytes: usize) {
    let mut writer = stream.try_clone().expect("loopback works");
    let wrote = thread::spawn(move || {
        for at in 0..mebibytes {
            writer.write_all(&mebibyte(at)).expect("loopback works");
        }
        writer.shutdown(Shutdown::Write).expect("loopback works");
    });
    let mut reader = stream;
    let mut read = vec![0; 1 << 20];
    for at in 0..mebibytes {
        reader.read_exact(&mut read).expect("loopback works");
        assert!(read == mebibyte(at), "mebibyte {at}");
    }
    assert_eq!(reader.read(&mut read).expect("loopback works"), 0, "the end");
    wrote.join().expect("the writer succeeds");
}

fn mebibyte(at: usize) -> Vec<u8> {
    (0..1 << 20).map(|n: usize| ((n * 31 + at * 17) % 251) as u8).collect()
}
