//! The forward proxy: who may reach what, by CONNECT and by requests that name their host.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Output};
use std::thread;

use narrows_testkit::servers::Narrows;

#[test]
fn who_is_known_reaches_what_is_named() {
    let node = node();
    let gateway = gateway(node);
    let url = format!("http://{node}/hello");
    let by_request = curl(&gateway, &["-U", "alice:secret", &url]);
    assert_eq!(text(&by_request), "GET /hello HTTP/1.1");
    let by_tunnel = curl(&gateway, &["-U", "alice:secret", "-p", &url]);
    assert_eq!(text(&by_tunnel), "GET /hello HTTP/1.1");
    let by_name = format!("http://localhost:{}/named", node.port());
    assert_eq!(text(&curl(&gateway, &["-U", "alice:secret", &by_name])), "GET /named HTTP/1.1");
}

#[test]
fn who_is_not_known_is_asked_who_he_is() {
    let node = node();
    let gateway = gateway(node);
    let url = format!("http://{node}/");
    for arguments in [&[][..], &["-U", "alice:wrong"], &["-p"]] {
        let wanted = ["-o", "/dev/null", "-w", "%{http_code} %{http_connect}", &url];
        let output = curl(&gateway, &[arguments, &wanted].concat());
        assert!(text(&output).contains("407"), "{arguments:?}: {}", text(&output));
    }
}

/// Ports, hosts, and networks that are not named can not be reached, whoever asks.
#[test]
fn what_is_not_named_stays_closed() {
    let (node, other) = (node(), node());
    let gateway = gateway(node);
    let port = other.port();
    for url in [
        format!("http://127.0.0.1:{port}/"),
        format!("http://other.example:{}/", node.port()),
        format!("http://192.0.2.1:{}/", node.port()),
    ] {
        let wanted = ["-U", "alice:secret", "-o", "/dev/null", "-w", "%{http_code}", &url];
        assert_eq!(text(&curl(&gateway, &wanted)), "403", "{url}");
    }
}

fn gateway(node: SocketAddr) -> Narrows {
    Narrows::start(&format!(
        "\
listeners:
  - address: 127.0.0.1:0
    protocol: forward
    forward:
      users: {{ alice: secret }}
      hosts: [localhost]
      networks: [127.0.0.0/8]
      ports: [{}]
",
        node.port()
    ))
}

/// Answers each connection's first request with its first line.
fn node() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback works");
    let address = listener.local_addr().expect("loopback works");
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let mut request = [0; 4096];
            let n = client.read(&mut request).unwrap_or(0);
            let request = String::from_utf8_lossy(&request[..n]).into_owned();
            let line = request.lines().next().unwrap_or_default();
            let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length";
            // Whoever asked may have gone.
            let _ = client.write_all(format!("{head}: {}\r\n\r\n{line}", line.len()).as_bytes());
        }
    });
    address
}

fn curl(gateway: &Narrows, arguments: &[&str]) -> Output {
    let proxy = format!("http://{}", gateway.address());
    let mut command = Command::new("curl");
    command.args(["-s", "-m", "20", "--noproxy", "", "-x", &proxy]).args(arguments);
    command.output().expect("curl is installed")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}
