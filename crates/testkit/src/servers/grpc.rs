//! The gRPC peers that are not ours: grpcio for Python and @grpc/grpc-js.
//!
//! The scripts are in `e2e/peers`; `e2e/README.md` describes the service and the cases.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;

use super::{Certificate, installed, repository};
use crate::process::Process;

/// An implementation of gRPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "their own names")]
pub enum Stack {
    Grpcio,
    GrpcJs,
}

/// A running server of `narrows.test.Echo`.
#[derive(Debug)]
pub struct GrpcServer {
    /// Where it serves.
    pub address: SocketAddr,
    stack: Stack,
    process: Process,
}

/// Runs the client of a stack against `target` and returns its output, one JSON object a line, one line a case.
///
/// `metadata` goes with every call; a certificate makes the connection TLS; `cases` empty means all.
///
/// # Panics
///
/// When the client is not installed or fails as a whole.
pub fn run_client(
    stack: Stack,
    target: SocketAddr,
    metadata: &[(&str, &str)],
    certificate: Option<&Certificate>,
    cases: &[&str],
) -> Vec<String> {
    let mut command = stack.command("client");
    if let Some(certificate) = certificate {
        command.arg("--ca").arg(certificate.certificate());
    }
    if !cases.is_empty() {
        command.args(["--cases", &cases.join(",")]);
    }
    outcomes(&format!("{} client", stack.name()), command, target, metadata)
}

/// Runs the HTTP/2 client of another make against `target`, with output as [`run_client`].
///
/// # Panics
///
/// As [`run_client`].
pub fn run_oracle(target: SocketAddr, metadata: &[(&str, &str)]) -> Vec<String> {
    outcomes("oracle", Stack::Grpcio.command("oracle"), target, metadata)
}

/// A script of `e2e/peers/python` in the environment that `cargo xtask test` installed.
pub fn python(script: &str) -> Command {
    Stack::Grpcio.command(script)
}

/// A script of `e2e/peers/node`, with the packages that `cargo xtask test` installed.
pub fn node(script: &str) -> Command {
    Stack::GrpcJs.command(script)
}

fn outcomes(
    name: &str,
    mut command: Command,
    target: SocketAddr,
    metadata: &[(&str, &str)],
) -> Vec<String> {
    command.args(["--target", &target.to_string()]);
    for (name, value) in metadata {
        command.args(["--metadata", &format!("{name}={value}")]);
    }
    let mut client = Process::start(name, &mut command);
    let status = client.wait();
    let lines = client.log().to_vec();
    assert!(status.success(), "{name}: {status}\n{}", lines.join("\n"));
    lines.into_iter().filter(|line| line.starts_with('{')).collect()
}

// === impl Stack ===

impl Stack {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Grpcio => "grpcio",
            Self::GrpcJs => "grpc-js",
        }
    }

    fn command(self, role: &str) -> Command {
        let peers = repository().join("e2e/peers");
        let mut command;
        match self {
            Self::Grpcio => {
                command =
                    Command::new(installed("NARROWS_E2E_PYTHON", "target/e2e/venv/bin/python"));
                command.env("PYTHONDONTWRITEBYTECODE", "1");
                command.arg(peers.join(format!("python/{role}.py")));
            }
            Self::GrpcJs => {
                command = Command::new("node");
                command.env(
                    "NODE_PATH",
                    installed("NARROWS_E2E_NODE", "target/e2e/node/node_modules"),
                );
                command.arg(peers.join(format!("node/{role}.js")));
            }
        }
        command
    }
}

// === impl GrpcServer ===

impl GrpcServer {
    /// Starts a server that calls itself `node`; with a certificate it serves TLS.
    pub fn start(stack: Stack, node: &str, certificate: Option<&Certificate>) -> Self {
        let mut command = stack.command("server");
        command.args(["--node", node]);
        if let Some(certificate) = certificate {
            command.arg("--certificate").arg(certificate.certificate());
            command.arg("--private-key").arg(certificate.private_key());
        }
        let mut process = Process::start(&format!("{stack:?} server"), &mut command);
        let port = process.wait_for("port", |line| line.strip_prefix("listening ")?.parse().ok());
        Self { address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)), stack, process }
    }

    /// The name of its stack.
    pub fn name(&self) -> &'static str {
        self.stack.name()
    }

    /// The process, to stop or to kill it.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}
