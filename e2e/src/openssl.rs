//! OpenSSL as a client: what a listener shows, and whether a session resumes.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use narrows_testkit::process::{Process, eventually};

/// Makes one connection with further arguments of `openssl s_client` and returns all that it printed.
///
/// # Panics
///
/// When OpenSSL is not there.
pub fn s_client(target: SocketAddr, arguments: &[&str]) -> String {
    let mut command = command(target, arguments);
    let output = command.stdin(Stdio::null()).output().expect("openssl is installed");
    let (out, error) = (output.stdout, output.stderr);
    format!("{}{}", String::from_utf8_lossy(&out), String::from_utf8_lossy(&error))
}

/// Makes one connection and keeps its session in `file`.
///
/// # Panics
///
/// When none comes.
pub fn keep_session(target: SocketAddr, arguments: &[&str], file: &Path) {
    let path = file.to_str().expect("the name is plain");
    // With TLS 1.3 the session comes behind the handshake, so the connection stays until it is there.
    let mut command = command(target, &[arguments, &["-ign_eof", "-sess_out", path]].concat());
    let _client = Process::start("openssl", &mut command);
    eventually("the session is there", || fs::metadata(file).is_ok_and(|file| file.len() > 0));
}

/// Whether a connection resumes the session in `file`.
///
/// # Panics
///
/// When there is no connection at all.
pub fn resumes(target: SocketAddr, arguments: &[&str], file: &Path) -> bool {
    let path = file.to_str().expect("the name is plain");
    let printed = s_client(target, &[arguments, &["-sess_in", path]].concat());
    let (reused, new) = (printed.contains("Reused, TLS"), printed.contains("New, TLS"));
    assert!(reused != new, "no handshake:\n{printed}");
    reused
}

fn command(target: SocketAddr, arguments: &[&str]) -> Command {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &target.to_string(), "-alpn", "h2"]);
    command.args(["-servername", "localhost"]).args(arguments);
    command
}
