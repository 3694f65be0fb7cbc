//! TLS sessions of a client that is not ours: they resume on every worker and after a reload.

use std::process::Command;

use narrows_e2e::config;
use narrows_e2e::openssl::{keep_session, resumes};
use narrows_e2e::server::EchoServer;
use narrows_testkit::process::Scratch;
use narrows_testkit::servers::{Certificate, Narrows};

/// So many connections reach both workers, but for once in 32,768 runs.
const CONNECTIONS: usize = 16;

#[test]
fn sessions_resume_on_every_worker_and_after_a_reload() {
    let (certificate, node) = (Certificate::for_localhost(), EchoServer::start("node"));
    let gateway = Narrows::start(&with_tls(&node, &certificate));
    let files = Scratch::new("sessions");
    let kinds: [&[&str]; 3] = [&["-tls1_3"], &["-tls1_2"], &["-tls1_2", "-no_ticket"]];

    for (at, kind) in kinds.iter().enumerate() {
        let session = files.path().join(format!("{at}.pem"));
        keep_session(gateway.address(), kind, &session);
        for _ in 0..CONNECTIONS {
            assert!(resumes(gateway.address(), kind, &session), "{kind:?}");
        }
        gateway.control(&["reload"]);
        for _ in 0..CONNECTIONS {
            assert!(resumes(gateway.address(), kind, &session), "{kind:?} after a reload");
        }
    }
}

/// Early data can be replayed by whoever sees it (RFC 8446 §8), so no ticket allows any.
#[test]
fn no_session_allows_early_data() {
    let (certificate, node) = (Certificate::for_localhost(), EchoServer::start("node"));
    let gateway = Narrows::start(&with_tls(&node, &certificate));
    let files = Scratch::new("sessions");
    let session = files.path().join("session.pem");

    keep_session(gateway.address(), &["-tls1_3"], &session);

    let mut command = Command::new("openssl");
    let output = command.args(["sess_id", "-noout", "-text", "-in"]).arg(&session).output();
    let output =
        String::from_utf8_lossy(&output.expect("openssl is installed").stdout).into_owned();
    assert!(output.contains("Max Early Data: 0"), "{output}");
}

/// A session stands for a check of the client's certificate, which a restart makes anew.
#[test]
fn a_restart_forgets_sessions() {
    let (certificate, node) = (Certificate::for_localhost(), EchoServer::start("node"));
    let gateway = Narrows::start(&with_tls(&node, &certificate));
    let files = Scratch::new("sessions");
    let session = files.path().join("session.pem");

    keep_session(gateway.address(), &["-tls1_3"], &session);
    let gateway = gateway.restart(&with_tls(&node, &certificate));

    assert!(!resumes(gateway.address(), &["-tls1_3"], &session));
}

fn with_tls(node: &EchoServer, certificate: &Certificate) -> String {
    let (chain, key) = (certificate.certificate(), certificate.private_key());
    let (chain, key) = (chain.display(), key.display());
    let plain = "  - address: 127.0.0.1:0\n";
    let tls = format!("{plain}    tls: {{ certificate: {chain}, private_key: {key} }}\n");
    config::fixed(&[node.address]).replace(plain, &tls)
}
