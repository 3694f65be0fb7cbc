//! A browser: a page that Chromium loads through the gateway calls a service of another origin in gRPC-Web and opens
//! a WebSocket there.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;

use narrows_testkit::process::{Process, Scratch, Signal, eventually};
use narrows_testkit::servers::{Certificate, GrpcServer, Narrows, Stack, free_address, node};

/// The cases of the page, each of which reports one line.
const CASES: usize = 9;

/// What keeps a browser to the page that it is given. It runs without a sandbox where it may not have one, as in
/// containers, and stays away from /dev/shm, which is small there.
const FLAGS: &[&str] = &[
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

#[test]
fn a_page_calls_over_http1() {
    let mut servers = Servers::start();
    let gateway = Narrows::start(&servers.config(""));
    check_page(&mut servers, &gateway, "http", &[]);
    assert_came_over(&gateway, "HTTP/1.1");
}

/// Over TLS a browser speaks HTTP/2, and opens the WebSocket of its page as RFC 8441 has it.
#[test]
fn a_page_calls_over_http2() {
    let certificate = Certificate::for_localhost();
    let (chain, key) = (certificate.certificate(), certificate.private_key());
    let tls = format!(
        "\n    tls: {{ certificate: {}, private_key: {} }}",
        chain.display(),
        key.display()
    );
    let mut servers = Servers::start();
    let gateway = Narrows::start(&servers.config(&tls));
    check_page(&mut servers, &gateway, "https", &["--ignore-certificate-errors"]);
    assert_came_over(&gateway, "HTTP/2");
}

/// What is behind the gateway.
struct Servers {
    page: (SocketAddr, Process),
    sockets: (SocketAddr, Process),
    echo: GrpcServer,
}

// === impl Servers ===

impl Servers {
    fn start() -> Self {
        let [page, sockets] = ["page_server", "ws_server"].map(|script| {
            let mut process = Process::start(script, &mut node(script));
            let port =
                process.wait_for("port", |line| line.strip_prefix("listening ")?.parse().ok());
            (SocketAddr::from((Ipv4Addr::LOCALHOST, port)), process)
        });
        Self { page, sockets, echo: GrpcServer::start(Stack::GrpcJs, "node", None) }
    }

    /// Two listeners, which are two origins; `tls` is a key of each.
    fn config(&self, tls: &str) -> String {
        let (page, sockets, echo) = (self.page.0, self.sockets.0, self.echo.address);
        let down = free_address();
        format!(
            "\
workers: 2
access_log: {{ path: access.log, format: json }}
listeners:
  - address: 127.0.0.1:0{tls}
  - address: 127.0.0.1:0{tls}
upstreams:
  page: {{ protocol: http1, endpoints: ['{page}'] }}
  sockets: {{ protocol: http1, endpoints: ['{sockets}'] }}
  echo: {{ protocol: h2c, endpoints: ['{echo}'] }}
  down: {{ protocol: h2c, endpoints: ['{down}'] }}
routes:
  - {{ name: page, match: {{ path: {{ prefix: / }} }}, upstream: page }}
  - {{ name: socket, match: {{ path: {{ exact: /socket }} }}, upstream: sockets }}
  - name: echo
    match: {{ path: {{ prefix: /narrows.test.Echo/ }} }}
    upstream: echo
    filters:
      - cors:
          origins: [{{ regex: 'https?://127\\.0\\.0\\.1:[0-9]+' }}]
          headers: [content-type, x-grpc-web, x-user-agent, x-status, x-message-bin]
  - name: down
    match: {{ path: {{ prefix: /down/ }} }}
    upstream: down
    filters: [{{ cors: {{ origins: [{{ regex: 'https?://127\\.0\\.0\\.1:[0-9]+' }}] }} }}]
  - name: closed
    match: {{ path: {{ prefix: /closed/ }} }}
    upstream: echo
    filters: [{{ cors: {{ origins: ['https://other.test'] }} }}]
"
        )
    }
}

/// Loads the page from the first listener; the second is the other origin.
fn check_page(servers: &mut Servers, gateway: &Narrows, scheme: &str, flags: &[&str]) {
    let [here, api] = gateway.listeners[..] else { panic!("two listeners") };
    let home = Scratch::new("browser");
    let mut browser = browser(&home, flags, &format!("{scheme}://{here}/?api={api}"));
    let mut reports = Vec::new();
    servers.page.1.wait_for("the last report of the page", |line| {
        let report: serde_json::Value = serde_json::from_str(line).ok()?;
        let done = report["done"] == true;
        reports.push(report);
        done.then_some(())
    });
    browser.signal(Signal::Term);
    browser.wait();
    let failures: Vec<_> = reports.iter().filter(|report| report["ok"] == false).collect();
    assert!(failures.is_empty(), "{failures:#?}");
    assert_eq!(reports.iter().filter(|report| report["ok"] == true).count(), CASES);
}

/// That all came over this version, but for the WebSocket to the other origin: that needs a connection with
/// credentials, the calls there had none, and a browser opens one for it over HTTP/1.1 (RFC 8441 §3).
fn assert_came_over(gateway: &Narrows, version: &str) {
    let log = || fs::read_to_string(gateway.directory().join("access.log")).unwrap_or_default();
    let sockets = || log().matches("\"path\":\"/socket\"").count();
    eventually("both sockets are in the access log", || sockets() == 2);
    for line in log().lines() {
        let call: serde_json::Value = serde_json::from_str(line).expect("a JSON object");
        let is_elsewhere = call["path"] == "/socket" && call["listener"] == "127.0.0.1:0#2";
        assert_eq!(call["protocol"], if is_elsewhere { "HTTP/1.1" } else { version }, "{line}");
    }
}

fn browser(home: &Scratch, flags: &[&str], url: &str) -> Process {
    let is_there = Command::new("chromium").arg("--version").output().is_ok();
    assert!(is_there, "no chromium: `apt-get install chromium`, or have `cargo xtask test` do it");
    let mut command = Command::new("chromium");
    command.env("HOME", home.path()).env("TMPDIR", home.path()).args(FLAGS).args(flags);
    command.arg(format!("--user-data-dir={}", home.path().join("profile").display())).arg(url);
    Process::start("chromium", &mut command)
}
