//! A real etcd in a directory of its own, and a minimal client for it. It keeps its content when it is killed.
//!
//! The client speaks to the JSON gateway, which has nothing in common with what the gateway under test speaks, and waits
//! for each reply, so a returned write is an acknowledged write.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::free_address;
use crate::process::{PATIENCE, Process, Scratch, Signal, eventually};

/// A running server.
#[derive(Debug)]
pub struct Etcd {
    address: SocketAddr,
    peer: SocketAddr,
    directory: Scratch,
    process: Option<Process>,
}

/// A lease that is kept alive until it goes out of scope; then it ends by itself, with its keys.
#[derive(Debug)]
pub struct EtcdLease {
    address: SocketAddr,
    id: String,
    /// Closed when the lease goes out of scope, which ends the thread that keeps it alive.
    _alive: mpsc::Sender<()>,
}

// === impl Etcd ===

impl Etcd {
    /// Starts a server on a free port.
    ///
    /// # Panics
    ///
    /// When it is not installed.
    pub fn start() -> Self {
        let directory = Scratch::new("etcd");
        let (address, peer) = (free_address(), free_address());
        let mut server = Self { address, peer, directory, process: None };
        server.revive();
        server
    }

    /// Where it serves.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Kills it.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Starts it again on the same port, with the same content.
    ///
    /// # Panics
    ///
    /// When it does not serve.
    pub fn revive(&mut self) {
        let (client, peer) = (format!("http://{}", self.address), format!("http://{}", self.peer));
        let mut command = Command::new("etcd");
        command.arg("--data-dir").arg(self.directory.path().join("data"));
        command.args(["--listen-client-urls", &client, "--advertise-client-urls", &client]);
        command.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
        command.args(["--initial-cluster", &format!("default={peer}")]);
        command.args(["--heartbeat-interval", "50", "--election-timeout", "500"]);
        let mut process = Process::start("etcd", &mut command);
        let address = self.address;
        eventually("etcd serves", || {
            assert!(process.is_running(), "{}", process.log().join("\n"));
            request(address, "GET", "/health", "").is_some_and(|reply| reply.contains("true"))
        });
        self.process = Some(process);
    }

    /// Stops the process without closing anything: connections stay up and nothing answers.
    pub fn pause(&self) {
        self.process.as_ref().expect("etcd runs").signal(Signal::Stop);
    }

    /// Lets it run again.
    pub fn resume(&self) {
        self.process.as_ref().expect("etcd runs").signal(Signal::Continue);
    }

    /// Writes a key.
    pub fn put(&self, key: &str, value: &str) {
        self.call("kv/put", &json!({ "key": encoded(key), "value": encoded(value) }));
    }

    /// Removes a key.
    pub fn delete(&self, key: &str) {
        self.call("kv/deleterange", &json!({ "key": encoded(key) }));
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<String> {
        let found = self.call("kv/range", &json!({ "key": encoded(key) }));
        let value = found["kvs"][0]["value"].as_str()?;
        let bytes = STANDARD.decode(value).ok()?;
        String::from_utf8(bytes).ok()
    }

    /// Forgets what happened before now.
    pub fn compact(&self) {
        let status = self.call("maintenance/status", &json!({}));
        let revision = status["header"]["revision"].clone();
        self.call("kv/compaction", &json!({ "revision": revision, "physical": true }));
    }

    /// A lease of so many seconds that is kept alive.
    pub fn lease(&self, seconds: u64) -> EtcdLease {
        let address = self.address;
        let granted = self.call("lease/grant", &json!({ "TTL": seconds }));
        let id = granted["ID"].as_str().expect("a lease has a number").to_owned();
        let (alive, ended) = mpsc::channel();
        let kept = json!({ "ID": id });
        thread::spawn(move || {
            let between = Duration::from_secs(seconds) / 4;
            while ended.recv_timeout(between) == Err(mpsc::RecvTimeoutError::Timeout) {
                // Whoever needs the lease sees that it has ended.
                let _ = request(address, "POST", "/v3/lease/keepalive", &kept.to_string());
            }
        });
        EtcdLease { address, id, _alive: alive }
    }

    fn call(&self, method: &str, message: &Value) -> Value {
        call(self.address, method, message)
    }
}

// === impl EtcdLease ===

impl EtcdLease {
    /// Writes a key that lives as long as the lease.
    pub fn put(&self, key: &str, value: &str) {
        let message = json!({ "key": encoded(key), "value": encoded(value), "lease": self.id });
        call(self.address, "kv/put", &message);
    }
}

fn call(address: SocketAddr, method: &str, message: &Value) -> Value {
    let reply = request(address, "POST", &format!("/v3/{method}"), &message.to_string());
    let body =
        reply.as_deref().and_then(|reply| reply.split_once("\r\n\r\n")).map(|(_, body)| body);
    let value: Option<Value> = body.and_then(|body| serde_json::from_str(body).ok());
    let value = value.unwrap_or_else(|| panic!("etcd does not answer {method}: {reply:?}"));
    assert!(value.get("error").is_none(), "{method}: {value}");
    value
}

/// The reply; none if nobody answers. As HTTP/1.0, whose replies come in one piece.
fn request(address: SocketAddr, method: &str, path: &str, body: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let length = body.len();
    let head =
        format!("{method} {path} HTTP/1.0\r\nhost: {address}\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(format!("{head}{body}").as_bytes()).ok()?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply).ok()?;
    Some(reply)
}

fn encoded(text: &str) -> String {
    STANDARD.encode(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_go_with_their_lease_and_others_survive_the_process() {
        let mut server = Etcd::start();
        server.put("/a", "1");
        let lease = server.lease(1);
        lease.put("/b", "2");
        assert_eq!(server.get("/b").as_deref(), Some("2"));
        drop(lease);
        eventually("the lease has ended", || server.get("/b").is_none());
        server.delete("/c");
        server.compact();
        server.kill();
        server.revive();
        assert_eq!(server.get("/a").as_deref(), Some("1"));
    }
}
