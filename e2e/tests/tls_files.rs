//! Certificates that change under open connections, OCSP responses, and requests on the wrong connection.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use narrows_e2e::client::EchoClient;
use narrows_e2e::config;
use narrows_e2e::openssl::s_client;
use narrows_e2e::server::EchoServer;
use narrows_testkit::process::{Scratch, eventually};
use narrows_testkit::servers::{Certificate, Narrows};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_is_followed_and_connections_stay() {
    let (node, directory) = (EchoServer::start("node"), Scratch::new("certificates"));
    let certificates = [(); 3].map(|()| Certificate::for_localhost());
    let [first, second, third] = &certificates;
    put(&directory, first);
    let mut gateway = Narrows::start(&with_tls(&node, &in_directory(&directory)));
    let client = EchoClient::connect(gateway.address(), Some(first)).await;
    let mut stream = client.converse().await.unwrap();
    stream.exchange(Bytes::from_static(b"before")).await.unwrap();
    assert!(shows(gateway.address(), first));

    put(&directory, second);
    eventually("the new certificate is shown", || shows(gateway.address(), second));
    stream.exchange(Bytes::from_static(b"taken")).await.unwrap();

    put_mixed(&directory, third, second);
    eventually("the wrong pair is noticed", || changes(&gateway, "refused") == 1.0);
    assert!(shows(gateway.address(), second), "the pair before it stays in force");
    stream.exchange(Bytes::from_static(b"refused")).await.unwrap();

    put(&directory, third);
    eventually("the whole pair is shown", || shows(gateway.address(), third));
    assert_eq!(stream.exchange("after".into()).await.unwrap(), "after");
    stream.finish().await.unwrap();
    eventually("every change is counted", || changes(&gateway, "taken") == 2.0);
    let log = gateway.process().log();
    let errors: Vec<_> = log.iter().filter(|line| line.contains("can not be used")).collect();
    assert_eq!(errors.len(), 1, "one clear error: {errors:?}");
    assert!(errors[0].contains("web.key is not the private key of the certificate in"));
}

#[test]
fn a_bad_pair_fails_a_reload_and_changes_nothing() {
    let (node, directory) = (EchoServer::start("node"), Scratch::new("certificates"));
    let (first, second) = (Certificate::for_localhost(), Certificate::for_localhost());
    put(&directory, &first);
    let tls = format!("{}, watch: false", in_directory(&directory));
    let gateway = Narrows::start(&with_tls(&node, &tls));

    put_mixed(&directory, &first, &second);
    let admin = gateway.admin.to_string();
    let output = gateway.command(&["reload", "--admin", &admin]);

    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && error.contains("web.key is not the private key"),
        "{error}"
    );
    assert!(shows(gateway.address(), &first));
}

#[test]
fn clients_that_ask_are_shown_the_ocsp_response() {
    let (node, directory) = (EchoServer::start("node"), Scratch::new("certificates"));
    let certificate = Certificate::for_localhost();
    put(&directory, &certificate);
    let gateway = Narrows::start(&with_tls(&node, &in_directory(&directory)));
    let without = s_client(gateway.address(), &["-status"]);
    assert!(without.contains("OCSP response: no response sent"), "{without}");

    write_response(&directory);
    let status = || s_client(gateway.address(), &["-status"]);
    eventually("the response is shown", || status().contains("Cert Status: good"));
    let with = status();
    assert!(with.contains("OCSP Response Status: successful (0x0)"), "{with}");

    fs::write(directory.path().join("web.ocsp"), "garbage").unwrap();
    let output = gateway.command(&["check", "-c", "narrows.yaml"]);
    let printed = [output.stdout, output.stderr].concat();
    let printed = String::from_utf8_lossy(&printed);
    assert!(printed.contains("web.ocsp is no OCSP response in DER"), "{printed}");
}

#[test]
fn a_request_for_another_authority_is_misdirected_if_that_is_wanted() {
    let (node, directory) = (EchoServer::start("node"), Scratch::new("certificates"));
    put(&directory, &Certificate::for_localhost());
    let tls = in_directory(&directory);
    let strict = Narrows::start(&with_tls(&node, &format!("{tls}, strict_sni: true")));
    let lax = Narrows::start(&with_tls(&node, &tls));

    assert_eq!(status(strict.address(), "other.test"), "421");
    let own = status(strict.address(), "localhost");
    assert_ne!(own, "421");
    assert_eq!(status(lax.address(), "other.test"), own);
    assert_eq!(strict.metric("narrows_local_replies_total", "misdirected"), 1.0);
}

fn with_tls(node: &EchoServer, tls: &str) -> String {
    let plain = "  - address: 127.0.0.1:0\n";
    config::fixed(&[node.address]).replace(plain, &format!("{plain}    tls: {{ {tls} }}\n"))
}

fn in_directory(directory: &Scratch) -> String {
    format!("certificates: '{}'", directory.path().display())
}

/// Puts a pair into the directory.
fn put(directory: &Scratch, certificate: &Certificate) {
    put_mixed(directory, certificate, certificate);
}

/// Puts a certificate and perhaps another one's key there as a mounted secret comes: `web.crt` and `web.key` are
/// links through one that changes at once.
fn put_mixed(directory: &Scratch, certificate: &Certificate, key: &Certificate) {
    static VERSION: AtomicU32 = AtomicU32::new(0);
    let version = format!("version-{}", VERSION.fetch_add(1, Ordering::Relaxed));
    let path = |name: &str| directory.path().join(name);
    fs::create_dir(path(&version)).unwrap();
    fs::write(path(&version).join("web.crt"), certificate.pem()).unwrap();
    fs::write(path(&version).join("web.key"), key.private_key_pem()).unwrap();
    symlink(&version, path("..next")).unwrap();
    fs::rename(path("..next"), path("..data")).unwrap();
    for name in ["web.crt", "web.key"] {
        if !path(name).exists() {
            symlink(format!("..data/{name}"), path(name)).unwrap();
        }
    }
}

/// Whether new connections get this certificate.
fn shows(target: SocketAddr, certificate: &Certificate) -> bool {
    let wanted = certificate.pem().replace('\r', "");
    s_client(target, &[]).contains(wanted.trim())
}

fn changes(gateway: &Narrows, result: &str) -> f64 {
    gateway.metric("narrows_certificate_changes_total", result)
}

/// What the certificate's authority, which is itself, says of it: it is good.
fn write_response(directory: &Scratch) {
    let file = |ending: &str| directory.path().join(format!("web.{ending}"));
    let mut command = Command::new("openssl");
    let serial = command.args(["x509", "-noout", "-serial", "-in"]).arg(file("crt")).output();
    let serial = String::from_utf8(serial.expect("openssl is installed").stdout).unwrap();
    let serial = serial.trim().strip_prefix("serial=").unwrap();
    let index =
        directory.write("index", &format!("V\t491231235959Z\t\t{serial}\tunknown\t/CN=x\n"));
    let made = directory.path().join("made");
    let mut command = Command::new("openssl");
    command.args(["ocsp", "-ndays", "1", "-index"]).arg(index);
    for (option, file) in [
        ("-CA", file("crt")),
        ("-rsigner", file("crt")),
        ("-rkey", file("key")),
        ("-issuer", file("crt")),
        ("-cert", file("crt")),
        ("-respout", made.clone()),
    ] {
        command.arg(option).arg(file);
    }
    let output = command.output().expect("openssl is installed");
    assert!(made.exists(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::rename(made, file("ocsp")).unwrap();
}

/// The HTTP status of a request for this authority on a connection for `localhost`.
fn status(target: SocketAddr, authority: &str) -> String {
    let url = format!("https://localhost:{}/", target.port());
    let mut command = Command::new("curl");
    command.args(["-sk", "--http2", "-o", "/dev/null", "-w", "%{http_code}"]);
    let output = command.args(["-H", &format!("host: {authority}"), &url]).output();
    String::from_utf8(output.expect("curl is installed").stdout).unwrap()
}
