//! The admin listener of a gateway that runs in this process.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;

use narrows_control::config;
use narrows_control::daemon::{Daemon, Order, Shared, control_runtime};
use narrows_control::scratch::Scratch;
use serde_json::{Value, json};

const CONFIG: &str = "\
workers: 1
listeners:
  - address: 127.0.0.1:0
stores:
  jobs: { embedded: { path: jobs.redb } }
upstreams:
  nodes: { lookup: { store: jobs, key: '{header.jobid}', allow: [127.0.0.0/8] } }
  set: { endpoints: ['127.0.0.1:9', '10.0.0.2:9'] }
routes:
  - { name: all, upstream: nodes }
  - { name: set, match: { path: { prefix: /set } }, upstream: set }
admin: { address: 127.0.0.1:0 }
access_log: { path: access.log }
";

#[test]
fn mappings_are_set_read_listed_and_removed() {
    let gateway = Gateway::start();
    let set = gateway.send("PUT", "/stores/jobs/routes/job-1?ttl=10m", r#"{"target":"a:1"}"#);
    assert_eq!(set, (200, json!({ "key": "job-1", "target": "a:1" })));
    gateway.send("PUT", "/stores/jobs/routes/a%2Fb%20c", r#"{"target":"b:2"}"#);
    let (status, entry) = gateway.send("GET", "/stores/jobs/routes/job-1", "");
    assert_eq!((status, &entry["target"]), (200, &json!("a:1")));
    assert!(entry["expires"].is_u64());
    let (_, list) = gateway.send("GET", "/stores/jobs/routes?prefix=a&limit=5", "");
    assert_eq!(list, json!([{ "key": "a/b c", "target": "b:2", "expires": null }]));
    let removed = gateway.send("DELETE", "/stores/jobs/routes/job-1", "");
    assert_eq!(removed.1["removed"], true);
    assert_eq!(gateway.send("GET", "/stores/jobs/routes/job-1", "").0, 404);
    assert_eq!(gateway.send("GET", "/stores/other/routes/job-1", "").0, 404);
}

#[test]
fn what_is_wrong_with_a_request_is_said_as_json() {
    let gateway = Gateway::start();
    let wrong = [
        ("PUT", "/stores/jobs/routes/job-1", r#"{"target":"nowhere"}"#, 400),
        ("PUT", "/stores/jobs/routes/job-1", r#"{"target":"a:1","tll":"1s"}"#, 400),
        ("PUT", "/stores/jobs/routes/job-1?ttl=soon", r#"{"target":"a:1"}"#, 400),
        ("PUT", "/stores/jobs/routes/job-1", "{", 400),
        ("PUT", "/logging?level=loud", "", 400),
        ("POST", "/drain?timeout=soon", "", 400),
        ("POST", "/explain", r#"{"pth":"/"}"#, 400),
        ("GET", "/nowhere", "", 404),
        ("GET", "/reload", "", 405),
    ];
    for (method, path, body, expected) in wrong {
        let (status, reply) = gateway.send(method, path, body);
        assert_eq!(status, expected, "{method} {path}: {reply}");
        assert!(reply["error"].is_string(), "{method} {path}: {reply}");
    }
}

#[test]
fn a_web_page_can_not_change_anything() {
    let gateway = Gateway::start();
    for path in ["/reload", "/drain"] {
        let head = format!("POST {path} HTTP/1.0\r\norigin: http://evil.example\r\n\r\n");
        assert_eq!(gateway.raw(&head).0, 403, "{path}");
    }
    assert_eq!(gateway.send("GET", "/readyz", "").0, 200);
}

#[test]
fn a_configuration_that_can_not_be_used_changes_nothing() {
    let gateway = Gateway::start();
    let before = gateway.send("GET", "/version", "").1["config_hash"].clone();
    gateway.rewrite(&CONFIG.replace("upstream: nodes", "upstream: nods"));
    let (status, reply) = gateway.send("POST", "/reload", "");
    assert_eq!(status, 422);
    assert!(reply["faults"].to_string().contains("nods"), "{reply}");
    assert_eq!(gateway.send("GET", "/version", "").1["config_hash"], before);
    assert_eq!(gateway.send("GET", "/readyz", "").0, 200);
    assert!(gateway.metrics().contains("narrows_config_last_reload_successful 0\n"));
    gateway.rewrite(&CONFIG.replace("name: all", "name: every"));
    let (status, reply) = gateway.send("POST", "/reload", "");
    assert_eq!((status, &reply["changed"]), (200, &json!(true)));
    assert!(gateway.metrics().contains("narrows_config_last_reload_successful 1\n"));
    assert!(gateway.metrics().contains("narrows_requests_total{route=\"every\"} 0\n"));
}

#[test]
fn a_call_is_explained_from_what_the_store_says() {
    let gateway = Gateway::start();
    gateway.send("PUT", "/stores/jobs/routes/job-1", r#"{"target":"127.0.0.1:9"}"#);
    let call = r#"{"path":"/a.B/C","headers":[["jobid","job-1"]]}"#;
    let (status, explanation) = gateway.send("POST", "/explain", call);
    assert_eq!(status, 200);
    assert_eq!(explanation["route"], "all");
    assert_eq!(explanation["target"]["target"], "127.0.0.1:9");
}

#[test]
fn an_operator_drains_a_node_and_takes_it_back() {
    let gateway = Gateway::start();
    let post = |path: &str| gateway.send("POST", path, "");
    let (status, reply) = post("/nodes/127.0.0.1%3A9:drain");
    assert_eq!((status, &reply["upstreams"]), (200, &json!(["nodes", "set"])));
    let upstreams = gateway.send("GET", "/upstreams", "").1;
    assert_eq!(upstreams[0]["targets"]["lookup"]["drained"], json!(["127.0.0.1:9"]));
    let node = &upstreams[1]["targets"]["endpoints"][0];
    assert_eq!((&node["draining"], &node["in_service"]), (&json!(true), &json!(false)));
    let series = "narrows_endpoint_in_service{upstream=\"set\",endpoint=\"127.0.0.1:9\"}";
    assert!(gateway.metrics().contains(&format!("{series} 0\n")));

    // A reload keeps what was said.
    assert_eq!(post("/reload").0, 200);
    assert!(gateway.metrics().contains(&format!("{series} 0\n")));
    let (status, reply) = post("/upstreams/set/nodes/127.0.0.1:9:undrain");
    assert_eq!((status, &reply["upstreams"]), (200, &json!(["set"])));
    assert!(gateway.metrics().contains(&format!("{series} 1\n")));
    let upstreams = gateway.send("GET", "/upstreams", "").1;
    assert_eq!(upstreams[0]["targets"]["lookup"]["drained"], json!(["127.0.0.1:9"]));
}

#[test]
fn an_operator_gives_a_node_another_weight_and_takes_it_back() {
    let gateway = Gateway::start();
    for (weight, now) in [(7, 7), (0, 1)] {
        let path = format!("/nodes/10.0.0.2:9:weight?weight={weight}");
        assert_eq!(gateway.send("POST", &path, "").1["upstreams"], json!(["set"]));
        let upstreams = gateway.send("GET", "/upstreams", "").1;
        assert_eq!(upstreams[1]["targets"]["endpoints"][1]["weight"], now);
    }
}

#[test]
fn what_can_not_be_done_to_a_node_is_said() {
    let gateway = Gateway::start();
    for (path, expected) in [
        ("/nodes/10.0.0.3:9:drain", 404),
        ("/upstreams/set/nodes/10.0.0.3:9:drain", 404),
        ("/upstreams/no/nodes/10.0.0.2:9:drain", 404),
        ("/nodes/10.0.0.2:9", 400),
        ("/nodes/10.0.0.2:9:rest", 400),
        ("/nodes/drain", 400),
        ("/nodes/nowhere:drain", 400),
        ("/nodes/10.0.0.2:9:weight", 400),
        ("/nodes/10.0.0.2:9:weight?weight=1001", 400),
        ("/nodes/10.0.0.2:9:weight?weight=heavy", 400),
    ] {
        let reply = gateway.raw(&format!("POST {path} HTTP/1.0\r\ncontent-length: 0\r\n\r\n"));
        assert_eq!(reply.0, expected, "{path}: {}", reply.1);
    }
}

#[test]
fn a_draining_gateway_is_alive_but_not_ready_and_then_ends() {
    let gateway = Gateway::start();
    // A caller that stays keeps the drain from ending at once.
    let mut caller = TcpStream::connect(gateway.listener).expect("listens");
    caller.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").expect("written");
    // Once it has been answered it is known for a caller of HTTP/2.
    caller.read_exact(&mut [0; 9]).expect("SETTINGS");
    assert_eq!(gateway.send("POST", "/drain?timeout=1m", "").0, 202);
    while gateway.send("GET", "/readyz", "").0 == 200 {
        std::thread::yield_now();
    }
    assert_eq!(gateway.send("GET", "/healthz", "").0, 200);
}

#[test]
fn each_sample_stands_once_below_the_type_of_its_family() {
    let gateway = Gateway::start();
    let page = gateway.metrics();
    let (mut family, mut seen) = (String::new(), std::collections::HashSet::new());
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            family = rest.split(' ').next().expect("a name").to_owned();
            assert!(seen.insert(family.clone()), "{family} comes twice");
        }
        if line.starts_with('#') {
            continue;
        }
        let (series, value) = line.rsplit_once(' ').expect("a value");
        let name = series.split('{').next().expect("a name");
        let suffix = name.strip_prefix(&family).expect(line);
        assert!(["", "_bucket", "_sum", "_count"].contains(&suffix), "{line}");
        assert!(value.parse::<f64>().is_ok(), "{line}");
        assert!(seen.insert(series.to_owned()) || suffix.is_empty() && series == family, "{line}");
    }
    for name in ["narrows_config_hash", "process_open_fds", "narrows_store_up"] {
        assert!(seen.contains(name), "no {name}");
    }
}

/// A running gateway; stopped when it goes out of scope.
struct Gateway {
    admin: SocketAddr,
    listener: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    scratch: Scratch,
}

// === impl Gateway ===

impl Gateway {
    fn start() -> Self {
        let scratch = Scratch::create("admin-test").expect("directory");
        let file = scratch.path().join("narrows.yaml");
        std::fs::write(&file, CONFIG).expect("file");
        let runtime = control_runtime().expect("runtime");
        let loaded = config::load(&file).expect("valid");
        let mut daemon = runtime.block_on(Daemon::start(&file, loaded)).expect("started");
        let admin = daemon.admin_address().expect("listens");
        let listener = daemon.addresses()[0].1;
        let shared = daemon.shared().clone();
        let thread = std::thread::spawn(move || {
            runtime.block_on(daemon.serve(None)).expect("no worker fails");
        });
        Self { admin, listener, shared, thread: Some(thread), scratch }
    }

    fn send(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let kind = if body.is_empty() { "" } else { "content-type: application/json\r\n" };
        let len = body.len();
        let (status, body) = self
            .raw(&format!("{method} {path} HTTP/1.0\r\n{kind}content-length: {len}\r\n\r\n{body}"));
        (status, serde_json::from_str(&body).unwrap_or_else(|_| panic!("{path}: {body}")))
    }

    fn metrics(&self) -> String {
        self.raw("GET /metrics HTTP/1.0\r\n\r\n").1
    }

    fn raw(&self, request: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.admin).expect("listens");
        stream.write_all(request.as_bytes()).expect("written");
        let mut reply = String::new();
        stream.read_to_string(&mut reply).expect("read");
        let (head, body) = reply.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).and_then(|text| text.parse().ok()).expect("a status");
        (status, body.to_owned())
    }

    fn rewrite(&self, config: &str) {
        std::fs::write(self.scratch.path().join("narrows.yaml"), config).expect("file");
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
        // One that has ended takes no orders.
        let _ = runtime.block_on(self.shared.order(Order::Stop));
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the gateway does not panic");
        }
    }
}
