//! Large messages, long uploads and slow readers under a limit of memory.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use bytes::Bytes;
use narrows_e2e::client::{EchoClient, Outgoing};
use narrows_e2e::codec::message;
use narrows_e2e::config;
use narrows_e2e::server::EchoServer;
use narrows_testkit::servers::Narrows;
use tokio::sync::mpsc;

/// What the gateway may have resident, whatever passes through it.
const MEMORY_BYTES_MAX: u64 = 64 << 20;

const MIB: usize = 1 << 20;

/// Messages of a slow reader: more than all windows on the way take.
const PIECES: usize = 16;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_of_100_mib_pass_both_ways_at_once() {
    let node = EchoServer::start("node");
    let mut gateway = Narrows::start(&config::fixed(&[node.address]));
    let calls = (0..4).map(|_| {
        let address = gateway.address();
        tokio::spawn(async move {
            let client = EchoClient::connect(address, None).await.within(Duration::from_secs(300));
            client.unary(message(100 * MIB)).await.expect("the message comes back").message
        })
    });
    for call in calls.collect::<Vec<_>>() {
        assert!(call.await.unwrap() == message(100 * MIB), "the message has changed");
    }
    check_memory(&mut gateway);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_of_3_gib_passes() {
    const MESSAGES: usize = 3 << 10;
    let node = EchoServer::start("node");
    let mut gateway = Narrows::start(&config::fixed(&[node.address]));
    let client =
        EchoClient::connect(gateway.address(), None).await.within(Duration::from_secs(300));
    let (sender, messages) = mpsc::channel(2);
    let upload = tokio::spawn(async move {
        let path = "/narrows.test.Echo/ClientStream";
        let mut replies = client.stream(path, Outgoing::new(messages)).await?.into_inner();
        replies.message().await
    });
    let piece = message(MIB);
    for _ in 0..MESSAGES {
        sender.send(piece.clone()).await.expect("the upload goes on");
    }
    drop(sender);
    let reply = upload.await.unwrap().expect("the upload succeeds").expect("with a reply");
    assert_eq!(reply, format!("{MESSAGES} {}", MESSAGES * MIB));
    check_memory(&mut gateway);
}

/// A reader that does not read slows its own sender and nobody else, on the same connections.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_readers_hold_no_memory_and_hinder_nobody() {
    let node = EchoServer::start("node");
    let mut gateway = Narrows::start(&config::fixed(&[node.address]));
    let client = EchoClient::connect(gateway.address(), None).await;
    let mut slow = Vec::new();
    for _ in 0..20 {
        let request = Bytes::from(vec![format!("{MIB}"); PIECES].join(" "));
        let requests = tonic::codegen::tokio_stream::once(request);
        let reader = EchoClient::connect(gateway.address(), None).await;
        slow.push(
            reader.stream("/narrows.test.Echo/ServerStream", requests).await.unwrap().into_inner(),
        );
    }
    for size in (0..200).map(|turn| turn * 10) {
        assert_eq!(client.unary(message(size)).await.unwrap().message, message(size));
    }
    check_memory(&mut gateway);
    for mut reader in slow {
        for _ in 0..PIECES {
            assert_eq!(reader.message().await.unwrap().unwrap(), message(MIB));
        }
        assert_eq!(reader.message().await.unwrap(), None);
    }
}

fn check_memory(gateway: &mut Narrows) {
    let peak = gateway.process().memory_peak_bytes();
    println!("memory of the gateway at its peak: {} MiB", peak >> 20);
    assert!(peak <= MEMORY_BYTES_MAX, "{peak} bytes resident");
}
