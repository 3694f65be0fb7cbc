//! Hostile replies of a server: no client gets two of one, and no other exchange gets any of it.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use narrows_e2e::hostile;
use narrows_e2e::strict::{NoReply, read_reply};
use narrows_testkit::process::PATIENCE;
use narrows_testkit::servers::Narrows;

/// Connections at once.
const CLIENTS: usize = 16;
/// A reply that is waited for in vain for so long is ended by the server.
const SILENCE: Duration = Duration::from_millis(150);

#[test]
fn a_hostile_reply_reaches_nobody_but_who_asked_and_only_once() {
    let replies: Arc<[Vec<u8>]> = hostile::replies().into();
    assert!(replies.len() >= 2_000, "{}", replies.len());
    let server = serve(Arc::clone(&replies));
    let gateway = Narrows::start(&format!(
        "\
workers: 1
listeners:
  - address: 127.0.0.1:0
upstreams:
  server: {{ protocol: http1, endpoints: ['{server}'] }}
routes:
  - name: all
    match: {{ path: {{ prefix: / }} }}
    upstream: server
"
    ));
    let address = gateway.address();
    let found: Vec<String> = thread::scope(|scope| {
        let replies = &replies;
        let clients = (0..CLIENTS).map(|client| {
            scope.spawn(move || {
                let mine = (client..replies.len()).step_by(CLIENTS);
                mine.filter_map(|number| {
                    let fault = ask(address, number).err()?;
                    let reply = &replies[number][..replies[number].len().min(300)];
                    Some(format!("{number} {}: {fault}", reply.escape_ascii()))
                })
                .collect::<Vec<_>>()
            })
        });
        let clients: Vec<_> = clients.collect();
        clients.into_iter().flat_map(|client| client.join().expect("it asks")).collect()
    });
    let some: Vec<_> = found.iter().take(40).map(String::as_str).collect();
    assert!(found.is_empty(), "{} of {}\n{}", found.len(), replies.len(), some.join("\n"));
}

/// Asks for a hostile reply, for a probe behind it on the same connection, and for one on another.
fn ask(gateway: SocketAddr, number: usize) -> Result<(), String> {
    let method = if number % 4 == 3 { "HEAD" } else { "GET" };
    let mut input =
        request(gateway, &[(method, format!("/r/{number}")), ("GET", format!("/p/{number}"))]);
    match read_reply(&mut input, method) {
        Ok(_) => {}
        Err(NoReply::Truncated) => return probe(gateway, number),
        Err(other) => return Err(format!("answered {other:?}")),
    }
    match read_reply(&mut input, "GET") {
        Ok(reply) if reply.body == format!("probe {number}").as_bytes() => {}
        Ok(reply) => return Err(format!("the probe is answered {reply:?}")),
        Err(NoReply::End) => {}
        Err(other) => return Err(format!("the probe is answered {other:?}")),
    }
    match read_reply(&mut input, "GET") {
        Err(NoReply::End) => probe(gateway, number),
        other => Err(format!("behind the probe: {other:?}")),
    }
}

fn probe(gateway: SocketAddr, number: usize) -> Result<(), String> {
    let mut input = request(gateway, &[("GET", format!("/p/{number}"))]);
    match read_reply(&mut input, "GET") {
        Ok(reply) if reply.body == format!("probe {number}").as_bytes() => Ok(()),
        other => Err(format!("another client is answered {other:?}")),
    }
}

fn request(gateway: SocketAddr, requests: &[(&str, String)]) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(gateway).expect("the gateway accepts");
    stream.set_read_timeout(Some(PATIENCE)).expect("loopback takes options");
    let last = requests.len() - 1;
    let text: String = (requests.iter().enumerate())
        .map(|(at, (method, target))| {
            let close = if at == last { "Connection: close\r\n" } else { "" };
            format!("{method} {target} HTTP/1.1\r\nHost: a\r\n{close}\r\n")
        })
        .collect();
    stream.write_all(text.as_bytes()).expect("the gateway reads");
    BufReader::new(stream)
}

/// A server that answers `/r/N` with reply N, whatever it is, and `/p/N` as it should.
fn serve(replies: Arc<[Vec<u8>]>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = listener.local_addr().expect("a bound listener has an address");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let replies = Arc::clone(&replies);
            thread::spawn(move || answer(stream, &replies));
        }
    });
    address
}

fn answer(stream: TcpStream, replies: &[Vec<u8>]) {
    stream.set_read_timeout(Some(SILENCE)).expect("loopback takes options");
    let Ok(mut out) = stream.try_clone() else { return };
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    while let Some(first) = lines.next() {
        if !lines.by_ref().any(|line| line.is_empty()) {
            return;
        }
        let target = first.split(' ').nth(1).unwrap_or_default();
        let number = target.get(3..).and_then(|digits| digits.parse::<usize>().ok());
        let Some(number) = number else { return };
        let written = if target.starts_with("/r/") {
            out.write_all(&replies[number])
        } else {
            let body = format!("probe {number}");
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            out.write_all(format!("{head}{body}").as_bytes())
        };
        if written.is_err() {
            return;
        }
    }
}
