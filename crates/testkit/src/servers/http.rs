//! Web servers of several makes that tell which requests they believe to have received.
//!
//! nginx and Apache write a log; node, hypercorn, and gunicorn run a few lines of `e2e/peers` that do.
//! Where a server can be told to be lenient it is, since a lenient one is the easier to mislead.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::{free_address, installed, repository};
use crate::process::{Process, Scratch};

/// A make of server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "their own names")]
pub enum WebServer {
    Nginx,
    Apache,
    Node,
    NodeHttp2,
    Hypercorn,
    Gunicorn,
}

/// A request as a server has read it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    /// Its method.
    pub method: String,
    /// Its target, as it came.
    pub target: String,
    /// The length of its body, if the server tells.
    pub body: Option<u64>,
    /// What it was answered with.
    pub status: Option<u16>,
}

/// A running server.
#[derive(Debug)]
pub struct HttpServer {
    /// Where it serves.
    pub address: SocketAddr,
    _process: Process,
    directory: Scratch,
}

// === impl HttpServer ===

impl HttpServer {
    /// Starts one.
    ///
    /// # Panics
    ///
    /// When it is not installed, or does not start.
    pub fn start(make: WebServer) -> Self {
        let directory = Scratch::new("web");
        let (process, address) = match make {
            WebServer::Nginx => nginx(&directory),
            WebServer::Apache => apache(&directory),
            WebServer::Node => node(&directory, "h1"),
            WebServer::NodeHttp2 => node(&directory, "h2"),
            WebServer::Hypercorn => hypercorn(&directory),
            WebServer::Gunicorn => gunicorn(&directory),
        };
        Self { address, _process: process, directory }
    }

    /// What it has received until now.
    ///
    /// # Panics
    ///
    /// When its log is not what it was told to write.
    pub fn seen(&self) -> Vec<Seen> {
        let bytes = fs::read(log_of(&self.directory)).unwrap_or_default();
        let written = String::from_utf8_lossy(&bytes);
        // The last line may not be complete yet.
        let complete = written.rfind('\n').map_or("", |end| &written[..end]);
        complete.lines().map(seen).collect()
    }
}

fn seen(line: &str) -> Seen {
    let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let length = |body: &Value| match body {
        Value::String(text) => Some(text.chars().count() as u64),
        other => other.as_u64(),
    };
    let line = text("line");
    let mut words = line.split(' ').map(str::to_owned);
    let method = words.next().filter(|_| !line.is_empty()).unwrap_or_else(|| text("method"));
    // Apache reflects the body of a POST and no other.
    let is_told = line.is_empty() || method == "POST";
    Seen {
        method,
        target: words.next().unwrap_or_else(|| text("target")),
        body: length(&value["body"]).filter(|_| is_told),
        status: value["status"].as_u64().and_then(|status| u16::try_from(status).ok()),
    }
}

/// It passes each request on to itself, because it knows the body only of those.
fn nginx(directory: &Scratch) -> (Process, SocketAddr) {
    let address = free_address();
    let path = directory.path().display().to_string();
    let config = format!(
        "\
daemon off; master_process off; pid {path}/pid; error_log stderr notice;
events {{ worker_connections 512; }}
http {{
  log_format seen escape=json '{{\"method\":\"$request_method\",\"target\":\"$request_uri\",\
\"body\":\"$request_body\",\"status\":$status}}';
  access_log off; client_body_temp_path {path}/body; proxy_temp_path {path}/proxy;
  fastcgi_temp_path {path}/fastcgi; uwsgi_temp_path {path}/uwsgi; scgi_temp_path {path}/scgi;
  client_body_buffer_size 1m; client_max_body_size 0; large_client_header_buffers 8 256k;
  ignore_invalid_headers off; keepalive_requests 1000000; underscores_in_headers on;
  server {{
    listen {address}; access_log {path}/seen.log seen;
    location / {{ proxy_pass http://unix:{path}/inner.sock; }}
  }}
  server {{
    listen unix:{path}/inner.sock; default_type text/plain; ignore_invalid_headers off;
    return 200 $request_uri;
  }}
}}
"
    );
    let file = directory.write("nginx.conf", &config);
    let mut process = Process::start_family(
        "nginx",
        Command::new("/usr/sbin/nginx")
            .args(["-e", "stderr", "-p"])
            .arg(directory.path())
            .arg("-c")
            .arg(file),
    );
    process.wait_for("start", |line| line.contains("OS: ").then_some(()));
    (process, address)
}

/// Its reflector sends the body back, whose length the log tells.
fn apache(directory: &Scratch) -> (Process, SocketAddr) {
    let address = free_address();
    let path = directory.path().display().to_string();
    let modules = ["mpm_event", "authz_core", "reflector"]
        .map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"));
    let config = format!(
        "\
{}ServerRoot {path}
ServerName localhost
Listen {address}
PidFile {path}/pid
DefaultRuntimeDir {path}
User www-data
Group www-data
ErrorLog /dev/stderr
LogLevel notice
DocumentRoot {path}
HttpProtocolOptions Unsafe LenientMethods
TraceEnable off
LimitRequestLine 200000
LimitRequestFieldSize 200000
KeepAliveTimeout 60
MaxKeepAliveRequests 0
StartServers 1
ServerLimit 1
ThreadsPerChild 32
MaxRequestWorkers 32
<Location \"/\">
  Require all granted
  SetHandler reflector
</Location>
LogFormat '{{\"line\":\"%r\",\"body\":%B,\"status\":%>s}}' seen
CustomLog {path}/seen.log seen
",
        modules.concat()
    );
    let file = directory.write("apache.conf", &config);
    let mut process = Process::start_family(
        "apache2",
        Command::new("/usr/sbin/apache2").arg("-DFOREGROUND").arg("-f").arg(file),
    );
    process.wait_for("start", |line| line.contains("resuming normal operations").then_some(()));
    (process, address)
}

fn node(directory: &Scratch, protocol: &str) -> (Process, SocketAddr) {
    let script = repository().join("e2e/peers/node/seen.js");
    let mut command = Command::new("node");
    command.arg(script).arg(log_of(directory)).arg(protocol);
    let mut process = Process::start("node", &mut command);
    let port = process.wait_for("port", |line| line.strip_prefix("listening ")?.parse().ok());
    (process, SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}

fn hypercorn(directory: &Scratch) -> (Process, SocketAddr) {
    let mut command = python_module("hypercorn", directory);
    command.args(["--bind", "127.0.0.1:0", "--keep-alive", "60", "seen:asgi"]);
    let mut process = Process::start_family("hypercorn", &mut command);
    let address = process.wait_for("address", |line| address_behind(line, "Running on http://"));
    (process, address)
}

fn gunicorn(directory: &Scratch) -> (Process, SocketAddr) {
    let mut command = python_module("gunicorn", directory);
    command.args(["--bind", "127.0.0.1:0", "--keep-alive", "60", "--worker-class", "gthread"]);
    command.args(["--threads", "32", "--no-control-socket", "--worker-tmp-dir"]);
    command.arg(directory.path()).arg("seen:wsgi");
    let mut process = Process::start_family("gunicorn", &mut command);
    let address = process.wait_for("address", |line| address_behind(line, "Listening at: http://"));
    process.wait_for("worker", |line| line.contains("Booting worker").then_some(()));
    (process, address)
}

fn python_module(module: &str, directory: &Scratch) -> Command {
    let peers: &Path = &repository().join("e2e/peers/python");
    let mut command = Command::new(installed("NARROWS_E2E_PYTHON", "target/e2e/venv/bin/python"));
    command.env("PYTHONDONTWRITEBYTECODE", "1").env("SEEN", log_of(directory));
    command.env("PYTHONPATH", peers).args(["-m", module]);
    command
}

fn log_of(directory: &Scratch) -> PathBuf {
    directory.path().join("seen.log")
}

fn address_behind(line: &str, key: &str) -> Option<SocketAddr> {
    line.split_once(key)?.1.split(' ').next()?.parse().ok()
}
