//! Three clients against three servers, directly and through the gateway, in plaintext and over TLS.
//!
//! The direct runs prove the peers; a case that fails only through the gateway is the gateway's.

use std::net::SocketAddr;

use narrows_e2e::client::EchoClient;
use narrows_e2e::server::EchoServer;
use narrows_e2e::{cases, config};
use narrows_testkit::servers::{Certificate, GrpcServer, Narrows, Stack, run_client};

/// The last case moves 100 MiB and says nothing about peers that talk directly.
const CLASSIC: &[&str] = cases::NAMES.split_last().expect("there are cases").1;

/// What the gateway may have resident while messages of 100 MiB pass through it both ways.
const MEMORY_BYTES_MAX: u64 = 64 << 20;

/// The service on one of the three stacks.
enum Peer {
    Script(GrpcServer),
    Tonic(EchoServer),
}

#[test]
fn peers_understand_each_other_directly() {
    let certificate = Certificate::for_localhost();
    for server in servers(None) {
        check_clients(&server, server.address(), None, CLASSIC);
    }
    for server in servers(Some(&certificate)) {
        check_clients(&server, server.address(), Some(&certificate), CLASSIC);
    }
}

#[test]
fn peers_understand_each_other_through_the_gateway() {
    let certificate = Certificate::for_localhost();
    let mut gateway = Narrows::start(&config::embedded_tls(&certificate));
    let [plain, tls] = gateway.listeners[..] else { panic!("two listeners") };
    for server in servers(None) {
        gateway.control(&["route", "set", server.name(), &server.address().to_string()]);
        check_clients(&server, plain, None, cases::NAMES);
    }
    for server in servers(Some(&certificate)) {
        gateway.control(&["route", "set", server.name(), &format!("grpcs://{}", server.address())]);
        check_clients(&server, tls, Some(&certificate), cases::NAMES);
    }
    let peak = gateway.process().memory_peak_bytes();
    println!("memory of the gateway at its peak: {} MiB", peak >> 20);
    assert!(peak <= MEMORY_BYTES_MAX, "{peak} bytes: messages of 100 MiB are held, not passed on");
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

/// Runs the cases with every client against `target`, behind which is `server`.
fn check_clients(
    server: &Peer,
    target: SocketAddr,
    certificate: Option<&Certificate>,
    cases: &[&str],
) {
    let mut failures = Vec::new();
    for stack in [Stack::Grpcio, Stack::GrpcJs] {
        let lines = run_client(stack, target, &[("jobid", server.name())], certificate, cases);
        assert_eq!(lines.len(), cases.len(), "{stack:?}: a line for each case\n{lines:?}");
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
    failures.extend(check_tonic(server.name(), target, certificate, cases));
    assert!(failures.is_empty(), "{} cases failed:\n{}", failures.len(), failures.join("\n"));
}

#[tokio::main(flavor = "current_thread")]
async fn check_tonic(
    node: &str,
    target: SocketAddr,
    certificate: Option<&Certificate>,
    cases: &[&str],
) -> Vec<String> {
    let client = EchoClient::connect(target, certificate).await.with("jobid", node);
    let mut failures = Vec::new();
    for case in cases {
        if let Err(failure) = narrows_e2e::cases::run(case, &client).await {
            failures.push(format!("tonic -> {node}: {case} {}", failure.0));
        }
    }
    failures
}
