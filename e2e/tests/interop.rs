//! Three clients against three servers, directly and through the gateway, in plaintext and over TLS.
//!
//! The direct runs prove the peers; a case that fails only through the gateway is the gateway's.

use std::net::SocketAddr;

use narrows_e2e::cases;
use narrows_e2e::client::EchoClient;
use narrows_e2e::server::EchoServer;
use narrows_testkit::servers::{Certificate, GrpcServer, Stack, run_client};

/// The service on one of the three stacks.
enum Peer {
    Script(GrpcServer),
    Tonic(EchoServer),
}

#[test]
fn peers_understand_each_other_in_plaintext() {
    for server in servers(None) {
        check_clients(&server, server.address(), None);
    }
}

#[test]
fn peers_understand_each_other_over_tls() {
    let certificate = Certificate::for_localhost();
    for server in servers(Some(&certificate)) {
        check_clients(&server, server.address(), Some(&certificate));
    }
}

fn servers(certificate: Option<&Certificate>) -> [Peer; 3] {
    let tonic = match certificate {
        Some(certificate) => EchoServer::start_tls("tonic", certificate),
        None => EchoServer::start("tonic"),
    };
    [
        Peer::Script(GrpcServer::start(Stack::Grpcio, "grpcio", certificate)),
        Peer::Script(GrpcServer::start(Stack::GrpcJs, "grpc-js", certificate)),
        Peer::Tonic(tonic),
    ]
}

impl Peer {
    fn address(&self) -> SocketAddr {
        match self {
            Self::Script(server) => server.address,
            Self::Tonic(server) => server.address,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Script(server) => server.name(),
            Self::Tonic(_) => "tonic",
        }
    }
}

/// Runs every case with every client against `target`, behind which is `server`.
fn check_clients(server: &Peer, target: SocketAddr, certificate: Option<&Certificate>) {
    let mut failures = Vec::new();
    for stack in [Stack::Grpcio, Stack::GrpcJs] {
        let lines = run_client(stack, target, &[("jobid", server.name())], certificate, &[]);
        assert_eq!(lines.len(), cases::NAMES.len(), "{stack:?}: a line for each case\n{lines:?}");
        for line in lines {
            let outcome: serde_json::Value = serde_json::from_str(&line).expect("a JSON object");
            if outcome["ok"] != true {
                failures.push(format!(
                    "{stack:?} -> {}: {} {}",
                    server.name(),
                    outcome["case"],
                    outcome["detail"]
                ));
            }
        }
    }
    failures.extend(check_tonic(server.name(), target, certificate));
    assert!(failures.is_empty(), "{} cases failed:\n{}", failures.len(), failures.join("\n"));
}

#[tokio::main(flavor = "current_thread")]
async fn check_tonic(
    node: &str,
    target: SocketAddr,
    certificate: Option<&Certificate>,
) -> Vec<String> {
    let client = EchoClient::connect(target, certificate).await.with("jobid", node);
    let mut failures = Vec::new();
    for case in cases::NAMES {
        if let Err(failure) = cases::run(case, &client).await {
            failures.push(format!("tonic -> {node}: {case} {}", failure.0));
        }
    }
    failures
}
