//! An HTTP/2 implementation of another make in front of the gateway, watching every frame.

use narrows_e2e::config;
use narrows_e2e::server::EchoServer;
use narrows_testkit::servers::{Narrows, run_oracle};

#[test]
fn what_the_gateway_sends_is_what_rfc_9113_allows() {
    let node = EchoServer::start("node");
    let gateway = Narrows::start(&config::fixed(&[node.address]));
    let lines = run_oracle(gateway.address(), &[]);
    let failures: Vec<_> = lines.iter().filter(|line| !line.contains("\"ok\": true")).collect();
    assert!(lines.len() >= 10, "{lines:?}");
    assert!(failures.is_empty(), "{failures:?}");
}
