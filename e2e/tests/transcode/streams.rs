//! Streams, message by message.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use narrows_e2e::shop::Shop;
use narrows_testkit::process::Process;
use narrows_testkit::servers::Narrows;
use serde_json::{Value, json};

use super::support::{curl, curl_with_input, from_descriptors, url};

/// A reply that takes longer than this does not come.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn lines_come_while_the_next_message_is_not_there_yet() {
    let shop = Shop::start();
    let gateway = from_descriptors(&shop, "");
    let mut curl = watch(&gateway, &["-i"]);
    curl.wait_for("head", |line| {
        line.to_lowercase().starts_with("content-type: application/x-ndjson").then_some(())
    });
    for id in 1..=3 {
        let line = curl.wait_for("message", |line| line.starts_with('{').then(|| line.to_owned()));
        let message: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(message, json!({ "id": id.to_string(), "name": "watched" }));
        shop.release();
    }
    assert!(curl.wait().success());
}

#[test]
fn events_come_while_the_next_message_is_not_there_yet() {
    let shop = Shop::start();
    let gateway = from_descriptors(&shop, "");
    let mut curl = watch(&gateway, &["-i", "-H", "accept: text/event-stream"]);
    curl.wait_for("head", |line| {
        line.to_lowercase().starts_with("content-type: text/event-stream").then_some(())
    });
    for id in 1..=3 {
        let data = curl.wait_for("event", |line| line.strip_prefix("data:").map(str::to_owned));
        let message: Value = serde_json::from_str(&data).unwrap();
        assert_eq!(message["id"], id.to_string());
        shop.release();
    }
    assert!(curl.wait().success());
}

#[test]
fn a_stream_of_requests_is_lines() {
    let shop = Shop::start();
    let gateway = from_descriptors(&shop, "");
    let arguments = ["-H", "content-type: application/x-ndjson", "--data-binary", "@-"];
    let lines = b"{\"name\":\"a\"}\n{\"name\":\"b\"}\n{\"name\":\"c\"}";
    let reply = curl_with_input(&gateway, "/v1/items:import", &arguments, lines);
    assert_eq!(reply.json(), json!({ "items": "3", "names": ["a", "b", "c"] }));
    let broken = curl_with_input(&gateway, "/v1/items:import", &arguments, b"{}\n[]\n");
    assert_eq!((broken.status, broken.json()["code"].as_u64()), (400, Some(3)));
}

/// A body in JSON is understood only at its end, which trailers tell as well.
#[test]
fn a_body_that_ends_with_trailers_comes_before_them() {
    let shop = Shop::start();
    let gateway = from_descriptors(&shop, "");
    let mut socket = TcpStream::connect(gateway.address()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let item = r#"{"name":"late"}"#;
    let request = format!(
        "POST /v1/items HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-type: application/json\r\n\
         transfer-encoding: chunked\r\n\r\n{:x}\r\n{item}\r\n0\r\nx-checksum: 1\r\n\r\n",
        item.len()
    );
    socket.write_all(request.as_bytes()).unwrap();
    let mut reply = String::new();
    socket.read_to_string(&mut reply).unwrap();
    assert!(reply.starts_with("HTTP/1.1 200 "), "{reply}");
    assert!(reply.contains(item), "{reply}");
}

#[test]
fn a_large_body_goes_both_ways() {
    let shop = Shop::start();
    let gateway = from_descriptors(&shop, "");
    let item = json!({ "name": "x".repeat(1 << 20) });
    let arguments = ["-H", "content-type: application/json", "--data-binary", "@-"];
    let reply = curl_with_input(&gateway, "/v1/items", &arguments, item.to_string().as_bytes());
    assert_eq!(reply.json(), item);
    let small = curl(&gateway, "/v1/items", &["--json", "{}"]);
    assert_eq!(small.body, "{}");
}

fn watch(gateway: &Narrows, arguments: &[&str]) -> Process {
    let mut command = Command::new("curl");
    command.args(["-sSN", "--max-time", "60"]).args(arguments);
    Process::start("curl", command.arg(url(gateway, "/v1/items:watch")))
}
