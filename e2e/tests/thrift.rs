//! Apache Thrift through a listener for any bytes: its own client and server, which hold their connections open.

use std::net::{Ipv4Addr, SocketAddr};

use narrows_testkit::process::Process;
use narrows_testkit::servers::{Narrows, python};

/// The cases of the client, each of which says one line.
const CASES: usize = 6;

/// Many calls on a connection, two clients at once, exceptions, a call without an answer, and 5 MiB both ways.
#[test]
fn calls_pass_with_either_transport() {
    for transport in ["buffered", "framed"] {
        let mut server =
            Process::start("server", python("thrift_server").args(["--transport", transport]));
        let port = server.wait_for("port", |line| line.strip_prefix("listening ")?.parse().ok());
        let gateway = gateway(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        run_client(&gateway, transport);
        server.wait_for("the call that has no answer", |line| {
            (line == "noted no answer to this").then_some(())
        });
        let accepted = gateway.metric("narrows_downstream_accepted_total", "");
        assert_eq!(accepted, 2.0, "the client has two connections for all its calls");
    }
}

fn run_client(gateway: &Narrows, transport: &str) {
    let mut command = python("thrift_client");
    command.args(["--target", &gateway.address().to_string(), "--transport", transport]);
    let mut client = Process::start("client", &mut command);
    assert!(client.wait().success(), "{transport}: {:#?}", client.log());
    let lines = client.log();
    assert_eq!(lines.len(), CASES, "{transport}: {lines:#?}");
    for line in lines {
        let outcome: serde_json::Value = serde_json::from_str(line).expect("a JSON object");
        assert_eq!(outcome["ok"], true, "{transport}: {line}");
    }
}

fn gateway(node: SocketAddr) -> Narrows {
    Narrows::start(&format!(
        "\
workers: 2
listeners:
  - address: 127.0.0.1:0
    protocol: tcp
    upstream: nodes
upstreams:
  nodes: {{ protocol: tcp, endpoints: ['{node}'] }}
"
    ))
}
