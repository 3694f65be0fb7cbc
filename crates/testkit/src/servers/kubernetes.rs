//! A stand-in for the API server of Kubernetes: EndpointSlices of one service, listed and watched over TLS.
//!
//! It answers as the real one does: versions, chunks of a watch as things happen, `410 Gone` within the watch for
//! versions that were forgotten, `401` without the token. A real one is no program that a test can start.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use super::{Certificate, free_address};
use crate::process::PATIENCE;

/// What a request has to show.
pub const TOKEN: &str = "the token of a pod";

/// Between two looks of a watch at the end of the server.
const PACE: Duration = Duration::from_millis(20);

/// A running server. It keeps its content when it is killed.
#[derive(Debug)]
pub struct Kubernetes {
    address: SocketAddr,
    certificate: Certificate,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    version: u64,
    slices: BTreeMap<String, Value>,
    /// What happened, and at which version.
    events: Vec<(u64, Value)>,
    /// Versions up to this one are forgotten.
    forgotten: u64,
    /// Counts its lives: odd while it runs.
    life: u64,
    lists: u64,
}

type Stream = StreamOwned<ServerConnection, TcpStream>;

// === impl Kubernetes ===

impl Kubernetes {
    /// Starts it on a free port.
    pub fn start() -> Self {
        let (address, certificate) = (free_address(), Certificate::for_localhost());
        let server = Self { address, certificate, shared: Arc::default() };
        server.revive();
        server
    }

    /// Where it serves.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it shows.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// How often it has been asked for the whole list.
    pub fn lists(&self) -> u64 {
        self.shared.lock().lists
    }

    /// Writes a slice: addresses with their conditions, at one port with the name `grpc`.
    pub fn put(&self, name: &str, port: u16, endpoints: &[(&str, Value)]) {
        let endpoints: Vec<_> = endpoints
            .iter()
            .map(|(address, conditions)| {
                json!({ "addresses": [address], "conditions": conditions, "nodeName": "machine",
                        "targetRef": { "kind": "Pod", "name": "pod" }, "zone": "a" })
            })
            .collect();
        self.shared.change(|state| {
            let kind = if state.slices.contains_key(name) { "MODIFIED" } else { "ADDED" };
            let slice = json!({
                "kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1",
                "metadata": { "name": name, "namespace": "default",
                    "resourceVersion": state.version.to_string(),
                    "labels": { "kubernetes.io/service-name": "echo" } },
                "addressType": "IPv4", "endpoints": endpoints,
                "ports": [{ "name": "grpc", "protocol": "TCP", "port": port }],
            });
            state.slices.insert(name.to_owned(), slice.clone());
            json!({ "type": kind, "object": slice })
        });
    }

    /// Removes a slice.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub fn delete(&self, name: &str) {
        self.shared.change(|state| {
            let mut slice = state.slices.remove(name).expect("there is such a slice");
            slice["metadata"]["resourceVersion"] = state.version.to_string().into();
            json!({ "type": "DELETED", "object": slice })
        });
    }

    /// Forgets what happened before now.
    pub fn compact(&self) {
        let mut state = self.shared.lock();
        state.forgotten = state.version;
        state.events.clear();
    }

    /// Closes all that is open, and takes no connections.
    pub fn kill(&self) {
        self.shared.lock().life += 1;
        self.shared.changed.notify_all();
        // The listener takes one more connection to see it.
        drop(TcpStream::connect(self.address));
    }

    /// Serves again on the same port.
    ///
    /// # Panics
    ///
    /// When the port has been taken.
    pub fn revive(&self) {
        let listener = TcpListener::bind(self.address).expect("the port is free");
        let chain = CertificateDer::from_pem_slice(self.certificate.pem().as_bytes());
        let key = PrivateKeyDer::from_pem_slice(self.certificate.private_key_pem().as_bytes());
        let (chain, key) = (vec![chain.expect("a certificate")], key.expect("a key"));
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key);
        let config = Arc::new(config.expect("the certificate is valid"));
        let life = {
            let mut state = self.shared.lock();
            state.life += 1;
            state.life
        };
        let shared = self.shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if shared.lock().life != life {
                    return;
                }
                let (config, shared) = (config.clone(), shared.clone());
                thread::spawn(move || serve(stream, config, &shared, life));
            }
        });
    }
}

impl Drop for Kubernetes {
    fn drop(&mut self) {
        self.kill();
    }
}

// === impl Shared ===

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State) -> Value) {
        let mut state = self.lock();
        state.version += 1;
        let event = change(&mut state);
        let version = state.version;
        state.events.push((version, event));
        self.changed.notify_all();
    }
}

fn serve(stream: TcpStream, config: Arc<ServerConfig>, shared: &Shared, life: u64) {
    // A client that goes away ends its connection, which is all that is to be done.
    let _ = answer(stream, config, shared, life);
}

fn answer(
    stream: TcpStream,
    config: Arc<ServerConfig>,
    shared: &Shared,
    life: u64,
) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let connection = ServerConnection::new(config).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(connection, stream);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let target = head.split(' ').nth(1).unwrap_or_default();
    let expected = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices\
                    ?labelSelector=kubernetes.io%2Fservice-name%3Decho";
    if !head.to_lowercase().contains(&format!("authorization: bearer {TOKEN}\r\n")) {
        return reply(&mut stream, "401 Unauthorized", &failure(401, "Unauthorized"));
    }
    let Some(query) = target.strip_prefix(expected) else {
        return reply(&mut stream, "404 Not Found", &failure(404, "NotFound"));
    };
    let version = query.split('&').find_map(|part| part.strip_prefix("resourceVersion="));
    match version.and_then(|version| version.parse().ok()) {
        Some(version) if query.contains("watch=1") => watch(&mut stream, shared, life, version),
        _ => {
            let list = {
                let mut state = shared.lock();
                state.lists += 1;
                json!({
                    "kind": "EndpointSliceList", "apiVersion": "discovery.k8s.io/v1",
                    "metadata": { "resourceVersion": state.version.to_string() },
                    "items": state.slices.values().collect::<Vec<_>>(),
                })
            };
            reply(&mut stream, "200 OK", &list)
        }
    }
}

fn watch(stream: &mut Stream, shared: &Shared, life: u64, mut version: u64) -> io::Result<()> {
    let head =
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes())?;
    stream.flush()?;
    loop {
        let news: Vec<_> = {
            let mut state = shared.lock();
            loop {
                if state.life != life {
                    return Ok(());
                }
                if version < state.forgotten {
                    break vec![json!({ "type": "ERROR", "object": failure(410, "Expired") })];
                }
                let new = state.events.iter().filter(|(at, _)| *at > version);
                let new: Vec<_> = new.map(|(_, event)| event.clone()).collect();
                if !new.is_empty() {
                    version = state.version;
                    break new;
                }
                let waited = shared.changed.wait_timeout(state, PACE);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
        };
        for event in &news {
            let line = format!("{event}\n");
            stream.write_all(format!("{:x}\r\n{line}\r\n", line.len()).as_bytes())?;
        }
        stream.flush()?;
        if news.iter().any(|event| event["type"] == "ERROR") {
            stream.write_all(b"0\r\n\r\n")?;
            return stream.flush();
        }
    }
}

fn reply(stream: &mut Stream, status: &str, body: &Value) -> io::Result<()> {
    let body = body.to_string();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())?;
    stream.flush()
}

fn failure(code: u16, reason: &str) -> Value {
    json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "code": code, "reason": reason, "message": reason })
}
