//! Reloads under open streams, good ones and bad ones.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use narrows_e2e::client::{Conversation, EchoClient};
use narrows_e2e::config;
use narrows_e2e::server::EchoServer;
use narrows_testkit::process::{Signal, eventually};
use narrows_testkit::servers::Narrows;

const RELOADS: usize = 100;
const CONNECTIONS: usize = 20;
const STREAMS_EACH: usize = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_open_streams_live_through_a_hundred_reloads() {
    let node = EchoServer::start("node");
    let gateway = Narrows::start(&config::fixed(&[node.address]));
    let mut streams = open(&gateway).await;

    for reload in 0..RELOADS {
        let renamed =
            config::fixed(&[node.address]).replace("name: all", &format!("name: all-{reload}"));
        gateway.rewrite(&renamed);
        gateway.control(&["reload"]);
        // Ten others after each reload, so that each has spoken when all are done.
        for stream in streams.iter_mut().skip(reload % RELOADS).step_by(RELOADS) {
            exchange(stream, reload).await;
        }
    }
    for stream in &mut streams {
        exchange(stream, RELOADS).await;
    }
    for stream in streams {
        stream.finish().await.expect("a stream ends well");
    }
    assert_eq!(node.calls(), (CONNECTIONS * STREAMS_EACH) as u64, "no stream was opened anew");
    assert_eq!(
        gateway.metric("narrows_requests_total", "all-99"),
        0.0,
        "the old streams keep their route"
    );
}

#[tokio::test]
async fn a_bad_file_changes_nothing() {
    let node = EchoServer::start("node");
    let gateway = Narrows::start(&config::fixed(&[node.address]));
    let client = EchoClient::connect(gateway.address(), None).await;
    gateway
        .rewrite(&config::fixed(&[node.address]).replace("upstream: nodes", "upstream: nowhere"));

    let admin = gateway.admin.to_string();
    let output = gateway.command(&["reload", "--admin", &admin]);

    assert!(!output.status.success(), "a reload of a bad file must fail");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("nowhere"), "the error says what is wrong: {error}");
    assert_eq!(client.unary(Bytes::new()).await.unwrap().node(), "node");
    assert_eq!(gateway.metric("narrows_config_last_reload_successful", ""), 0.0);
}

#[tokio::test]
async fn new_calls_follow_the_new_routes() {
    let (first, second) = (EchoServer::start("first"), EchoServer::start("second"));
    let gateway = Narrows::start(&config::fixed(&[first.address]));
    let client = EchoClient::connect(gateway.address(), None).await;
    assert_eq!(client.unary(Bytes::new()).await.unwrap().node(), "first");

    gateway.rewrite(&config::fixed(&[second.address]));
    gateway.control(&["reload"]);
    assert_eq!(client.unary(Bytes::new()).await.unwrap().node(), "second");

    gateway.rewrite(&config::fixed(&[first.address]));
    gateway.signal(Signal::Hangup);
    eventually("SIGHUP reloads", || {
        gateway.get("/config").body.contains(&first.address.to_string())
    });
    assert_eq!(client.unary(Bytes::new()).await.unwrap().node(), "first");
}

async fn open(gateway: &Narrows) -> Vec<Conversation> {
    let mut streams = Vec::new();
    for _ in 0..CONNECTIONS {
        let client = EchoClient::connect(gateway.address(), None).await;
        for _ in 0..STREAMS_EACH {
            let mut stream = client.converse().await.expect("a stream opens");
            exchange(&mut stream, 0).await;
            streams.push(stream);
        }
    }
    streams
}

async fn exchange(stream: &mut Conversation, turn: usize) {
    let message = Bytes::from(format!("turn {turn}"));
    assert_eq!(stream.exchange(message.clone()).await.expect("a stream lives on"), message);
}
