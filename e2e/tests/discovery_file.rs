//! Nodes in a file: they come, go, and stay while the file makes no sense.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::PathBuf;

use bytes::Bytes;
use narrows_e2e::client::EchoClient;
use narrows_e2e::config;
use narrows_e2e::discovery::{answering, becomes};
use narrows_e2e::server::EchoServer;
use narrows_testkit::process::eventually;
use narrows_testkit::servers::Narrows;

#[tokio::test]
async fn nodes_follow_the_file() {
    let nodes = ["0", "1", "2"].map(EchoServer::start);
    let (gateway, file) = start(&nodes[..1]);
    let client = EchoClient::connect(gateway.address(), None).await;
    assert_eq!(answering(&client).await, ["0"]);

    write(&file, &nodes[..2]);
    becomes(&client, &["0", "1"]).await;
    // Exchanged by renaming, as most programs write.
    let beside = file.with_extension("new");
    write(&beside, &nodes[1..]);
    fs::rename(&beside, &file).unwrap();
    becomes(&client, &["1", "2"]).await;
    fs::write(&file, format!("- {{ address: '{}', weight: 3 }}\n", nodes[2].address)).unwrap();
    becomes(&client, &["2"]).await;
}

#[tokio::test]
async fn a_file_that_makes_no_sense_changes_nothing() {
    let nodes = ["0", "1"].map(EchoServer::start);
    let (gateway, file) = start(&nodes);
    let client = EchoClient::connect(gateway.address(), None).await;
    becomes(&client, &["0", "1"]).await;
    for (errors, content) in [(1.0, "- ["), (2.0, "nothing of use"), (3.0, "")] {
        fs::write(&file, content).unwrap();
        eventually("the file is looked at", || {
            gateway.metric("narrows_discovery_errors_total", "file") == errors
        });
        assert_eq!(gateway.metric("narrows_discovery_up", "file"), 0.0);
    }
    fs::remove_file(&file).unwrap();
    eventually("it is gone", || gateway.get("/upstreams").body.contains("No such file"));
    assert_eq!(answering(&client).await, ["0", "1"]);
    // One entry that is none does not take the others with it.
    fs::write(&file, format!("- '{}'\n- nowhere\n", nodes[1].address)).unwrap();
    becomes(&client, &["1"]).await;
    assert_eq!(gateway.metric("narrows_discovery_refused_total", "file"), 1.0);
    assert_eq!(gateway.metric("narrows_discovery_up", "file"), 1.0);
}

#[tokio::test]
async fn the_last_nodes_serve_a_start_without_their_source() {
    let nodes = ["0", "1"].map(EchoServer::start);
    let (gateway, file) = start(&nodes);
    let client = EchoClient::connect(gateway.address(), None).await;
    becomes(&client, &["0", "1"]).await;
    fs::remove_file(&file).unwrap();
    let gateway = gateway.restart(&discovered());
    let client = EchoClient::connect(gateway.address(), None).await;
    becomes(&client, &["0", "1"]).await;
    assert_eq!(gateway.metric("narrows_discovery_up", "file"), 0.0);
    write(&file, &nodes[1..]);
    becomes(&client, &["1"]).await;
}

#[tokio::test]
async fn an_empty_set_is_held_and_then_believed() {
    let nodes = [EchoServer::start("0")];
    let (gateway, file) = start(&nodes);
    let client = EchoClient::connect(gateway.address(), None).await;
    fs::write(&file, "[]").unwrap();
    eventually("it is held", || gateway.metric("narrows_discovery_held_nodes", "file") == 1.0);
    client.unary(Bytes::new()).await.expect("the node is still there");
    eventually("it is believed", || gateway.metric("narrows_discovery_nodes", "file") == 0.0);
    assert_eq!(gateway.metric("narrows_discovery_holds_total", "file"), 1.0);
    client.unary(Bytes::new()).await.expect_err("no node is left");
}

#[tokio::test]
async fn a_reload_leaves_sources_alone_that_stay_the_same() {
    let nodes = ["0", "1"].map(EchoServer::start);
    let (gateway, file) = start(&nodes);
    let client = EchoClient::connect(gateway.address(), None).await;
    becomes(&client, &["0", "1"]).await;
    gateway.rewrite(&discovered().replace("name: all", "name: every"));
    gateway.control(&["reload"]);
    assert_eq!(answering(&client).await, ["0", "1"]);
    assert_eq!(gateway.metric("narrows_discovery_updates_total", "file"), 1.0, "the same source");
    write(&file, &nodes[1..]);
    becomes(&client, &["1"]).await;
    // Another source: its nodes take the place of those before.
    let fixed = config::fixed(&[nodes[0].address]);
    gateway.rewrite(&fixed);
    gateway.control(&["reload"]);
    becomes(&client, &["0"]).await;
    assert!(!gateway.get("/metrics").body.contains("source=\"file\""), "nobody looks any more");
}

fn discovered() -> String {
    config::discovered("file: { path: nodes.yaml }, hold: 2s")
}

fn start(nodes: &[EchoServer]) -> (Narrows, PathBuf) {
    let gateway = Narrows::start_with(&discovered(), &[("nodes.yaml", &list(nodes))]);
    let file = gateway.directory().join("nodes.yaml");
    (gateway, file)
}

fn write(file: &PathBuf, nodes: &[EchoServer]) {
    fs::write(file, list(nodes)).unwrap();
}

fn list(nodes: &[EchoServer]) -> String {
    nodes.iter().map(|node| format!("- {}\n", node.address)).collect()
}
