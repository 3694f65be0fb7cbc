//! The gateway before a shop, and curl.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use narrows_e2e::shop::{self, Shop};
use narrows_testkit::process::{Scratch, eventually};
use narrows_testkit::servers::Narrows;
use serde_json::Value;

/// What curl got.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// The content type.
    pub(crate) kind: String,
    pub(crate) body: String,
    pub(crate) bytes: Vec<u8>,
}

/// A route to the shop that takes JSON by methods from `source`, and more lines at the end.
pub(crate) fn config(shop: &Shop, source: &str, more: &str) -> String {
    format!(
        "\
workers: 2
listeners:
  - address: 127.0.0.1:0
upstreams:
  shop:
    endpoints: ['{}']
    transcode: {{ {source} }}
routes:
  - name: all
    upstream: shop
{more}",
        shop.address
    )
}

/// Starts a gateway that finds the descriptors of the shop in `{directory}/shop.pb`.
pub(crate) fn start(config: &str) -> Narrows {
    let place = Scratch::new("descriptors");
    let file = place.path().join("shop.pb");
    std::fs::write(&file, shop::descriptors("")).expect("a scratch file");
    let config = config.replace("{directory}/shop.pb", &file.display().to_string());
    // Read at the start; a reload of these tests names other sources.
    Narrows::start(&config)
}

pub(crate) fn from_descriptors(shop: &Shop, more: &str) -> Narrows {
    start(&config(shop, "descriptors: '{directory}/shop.pb'", more))
}

pub(crate) fn curl(gateway: &Narrows, path: &str, arguments: &[&str]) -> Reply {
    curl_with_input(gateway, path, arguments, b"")
}

pub(crate) fn curl_with_input(
    gateway: &Narrows,
    path: &str,
    arguments: &[&str],
    input: &[u8],
) -> Reply {
    let mut command = Command::new("curl");
    command.args(["-sS", "--max-time", "60", "-w", "\n%{http_code} %{content_type}"]);
    command.args(arguments).arg(url(gateway, path));
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("curl is installed");
    child.stdin.take().expect("it is piped").write_all(input).expect("curl reads");
    let output = child.wait_with_output().expect("curl ends").stdout;
    let end = output.iter().rposition(|byte| *byte == b'\n').expect("the line of -w");
    let (bytes, line) = (output[..end].to_vec(), String::from_utf8_lossy(&output[end + 1..]));
    let (status, kind) = line.split_once(' ').expect("the format of -w");
    let body = String::from_utf8_lossy(&bytes).into_owned();
    Reply { status: status.parse().expect("a number"), kind: kind.to_owned(), body, bytes }
}

pub(crate) fn url(gateway: &Narrows, path: &str) -> String {
    format!("http://{}{path}", gateway.address())
}

/// The lines of the access log, once there are so many.
pub(crate) fn log_lines(gateway: &Narrows, count: usize) -> Vec<Value> {
    let file = gateway.directory().join("access.log");
    let read = |file: &Path| std::fs::read_to_string(file).unwrap_or_default();
    eventually("the log is written", || read(&file).lines().count() >= count);
    let parse = |line: &str| serde_json::from_str(line).expect("a line is JSON");
    read(&file).lines().map(parse).collect()
}

// === impl Reply ===

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}
