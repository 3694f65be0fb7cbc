//! SIGTERM under open streams.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use narrows_e2e::client::EchoClient;
use narrows_e2e::config;
use narrows_e2e::frames::{DATA, FrameClient, GOAWAY};
use narrows_e2e::server::EchoServer;
use narrows_testkit::process::{Signal, eventually};
use narrows_testkit::servers::Narrows;
use tonic::Code;

const STREAMS: usize = 100;

/// RFC 9113 §6.8: the last stream of a GOAWAY that ends nothing yet.
const ANY_STREAM: u32 = 0x7fff_ffff;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_finish_within_the_grace_and_are_ended_after_it() {
    let node = EchoServer::start("node");
    let drain = format!("{}drain: {{ grace: 3s }}\n", config::fixed(&[node.address]));
    let mut gateway = Narrows::start(&drain);
    let client = EchoClient::connect(gateway.address(), None).await;
    let mut streams = Vec::new();
    for _ in 0..STREAMS {
        let mut stream = client.converse().await.unwrap();
        stream.exchange(Bytes::from_static(b"open")).await.unwrap();
        streams.push(stream);
    }
    let mut frames = FrameClient::connect(gateway.address());
    let open = frames.open("/narrows.test.Echo/Bidi", &[]);
    frames.message(open, b"one", false);
    frames.wait_for("the echo", |frame| frame.kind == DATA && frame.stream == open);

    gateway.signal(Signal::Term);

    let goaway = frames.wait_for("GOAWAY", |frame| frame.kind == GOAWAY);
    assert_eq!(goaway.goaway(), Some((ANY_STREAM, 0)), "GOAWAY comes at once and ends nothing");
    eventually("a draining gateway is not ready", || gateway.get("/readyz").status == 503);
    assert_eq!(gateway.get("/healthz").status, 200);
    frames.message(open, b"two", false);
    frames.wait_for("an echo behind GOAWAY", |frame| frame.kind == DATA && frame.stream == open);

    let late = streams.split_off(STREAMS / 2);
    for mut stream in streams {
        assert_eq!(stream.exchange(Bytes::from_static(b"within")).await.unwrap(), "within");
        stream.finish().await.expect("a stream ends well within the grace");
    }
    for mut stream in late {
        let status = stream.hear().await.expect_err("the grace is over");
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    }
    frames.wait_for("the end of the stream", |frame| frame.stream == open && frame.ends_stream());
    assert!(gateway.process().wait().success(), "a drained gateway exits with 0");
}

#[tokio::test]
async fn a_gateway_without_streams_is_gone_at_once() {
    let node = EchoServer::start("node");
    let drain = format!("{}drain: {{ grace: 1h }}\n", config::fixed(&[node.address]));
    let mut gateway = Narrows::start(&drain);
    let client = EchoClient::connect(gateway.address(), None).await;
    client.unary(Bytes::new()).await.unwrap();

    gateway.control(&["drain"]);

    assert!(gateway.process().wait().success());
    assert!(std::net::TcpStream::connect(gateway.address()).is_err(), "nothing listens any more");
}

#[tokio::test]
async fn an_interrupt_does_not_wait_for_streams() {
    let node = EchoServer::start("node");
    let drain = format!("{}drain: {{ grace: 1h }}\n", config::fixed(&[node.address]));
    let mut gateway = Narrows::start(&drain);
    let client = EchoClient::connect(gateway.address(), None).await;
    let mut stream = client.converse().await.unwrap();
    stream.exchange(Bytes::from_static(b"open")).await.unwrap();

    gateway.signal(Signal::Int);

    gateway.process().wait();
    stream.hear().await.expect_err("the stream ends with the gateway");
}
