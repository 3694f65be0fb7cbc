//! The admin listener and the verbs that talk to it.

use bytes::Bytes;
use narrows_e2e::client::EchoClient;
use narrows_e2e::config;
use narrows_e2e::server::EchoServer;
use narrows_testkit::servers::{Narrows, free_address};

#[tokio::test]
async fn the_admin_listener_tells_how_the_gateway_is() {
    let node = EchoServer::start("node");
    let gateway = Narrows::start(&config::fixed(&[node.address]));
    let client = EchoClient::connect(gateway.address(), None).await;
    for _ in 0..10 {
        client.unary(Bytes::new()).await.unwrap();
    }
    for path in [
        "/healthz",
        "/livez",
        "/readyz",
        "/version",
        "/routes",
        "/upstreams",
        "/config",
        "/streams",
    ] {
        let reply = gateway.get(path);
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
    }
    assert!(gateway.get("/routes").body.contains("all"));
    assert!(gateway.get("/upstreams").body.contains("nodes"));
    assert!(gateway.get("/config").body.contains(&node.address.to_string()));
    assert_eq!(gateway.get("/nowhere").status, 404);
    assert_eq!(gateway.metric("narrows_requests_total", "route=\"all\""), 10.0);
    assert_eq!(gateway.metric("narrows_upstream_connections_open", "upstream=\"nodes\""), 1.0);
}

#[tokio::test]
async fn an_open_stream_is_listed_while_it_lives() {
    let node = EchoServer::start("node");
    let gateway = Narrows::start(&config::fixed(&[node.address]));
    let client = EchoClient::connect(gateway.address(), None).await;
    let mut stream = client.converse().await.unwrap();
    stream.exchange(Bytes::from_static(b"open")).await.unwrap();
    assert!(gateway.get("/streams").body.contains("/narrows.test.Echo/Bidi"));
    stream.finish().await.unwrap();
    assert!(!gateway.get("/streams").body.contains("/narrows.test.Echo/Bidi"));
}

#[test]
fn check_names_every_error_of_a_file_and_its_place() {
    let gateway = Narrows::start(&config::embedded());
    assert_eq!(gateway.command(&["check", "-c", "narrows.yaml"]).status.code(), Some(0));
    let good = config::embedded().replace("{directory}", ".");
    let unknown_keys = good.replace("workers: 2", "worker: 2").replace("lookup:", "look_up:");
    let unknown_names =
        good.replace("store: jobs", "store: jops").replace("upstream: job", "upstream: jop");
    for (bad, words) in [
        (unknown_keys, ["bad.yaml:1:1", "\"workers\"", "\"lookup\""]),
        (unknown_names, ["bad.yaml:", "jops", "jop-nodes"]),
    ] {
        std::fs::write(gateway.directory().join("bad.yaml"), bad).unwrap();
        let output = gateway.command(&["check", "-c", "bad.yaml"]);
        let told = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_eq!(output.status.code(), Some(1), "{told}");
        for word in words {
            assert!(told.contains(word), "{word} is not in:\n{told}");
        }
    }
}

#[test]
fn exit_codes_tell_usage_from_absence() {
    let gateway = Narrows::start(&config::embedded());
    assert_eq!(gateway.command(&["nonsense"]).status.code(), Some(2));
    let absent = free_address().to_string();
    assert_eq!(gateway.command(&["reload", "--admin", &absent]).status.code(), Some(3));
    assert_eq!(gateway.command(&["version"]).status.code(), Some(0));
}
