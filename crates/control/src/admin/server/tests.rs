//! Connections that say nothing, too much, or are too many. Each test waits for what the server does.

use axum::routing::post;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// Short where a test runs into it, long where it must not.
const SHORT: Duration = Duration::from_millis(50);
const LONG: Duration = Duration::from_secs(60);

const PATIENT: Limits = Limits {
    connections_max: 64,
    head_timeout: LONG,
    body_timeout: LONG,
    body_bytes_max: 10,
    head_bytes_max: 16 << 10,
    connection_age_max: LONG,
    connection_grace: LONG,
};

#[tokio::test]
async fn a_client_that_says_nothing_is_closed() {
    let address = start(Limits { head_timeout: SHORT, ..PATIENT }).await;
    let mut silent = connect(address).await;
    assert_eq!(rest(&mut silent).await, "");
}

#[tokio::test]
async fn a_head_that_does_not_end_is_not_waited_for() {
    let address = start(Limits { head_timeout: SHORT, ..PATIENT }).await;
    let mut slow = connect(address).await;
    // A byte now and then is no progress: the time counts for the head as a whole.
    let head = b"POST / HTTP/1.1\r\nx: 1\r\n".repeat(50);
    let mut pace = tokio::time::interval(SHORT / 5);
    for byte in &head {
        pace.tick().await;
        if slow.write_all(&[*byte]).await.is_err() {
            return;
        }
    }
    panic!("{} bytes in small pieces, and it still waits", head.len());
}

#[tokio::test]
async fn a_connection_that_is_kept_does_not_stay_for_ever() {
    let address = start(Limits { head_timeout: 20 * SHORT, ..PATIENT }).await;
    let mut kept = connect(address).await;
    kept.write_all(&request("12345")).await.expect("written");
    assert!(rest(&mut kept).await.ends_with("\r\n\r\n5"), "a reply, then the end");
}

#[tokio::test]
async fn an_old_connection_ends() {
    let old = Limits { connection_age_max: SHORT, ..PATIENT };
    let mut kept = connect(start(old).await).await;
    // With a reply or without one, whichever was first.
    kept.write_all(&request("12345")).await.expect("written");
    rest(&mut kept).await;

    let stuck = Limits { connection_grace: SHORT, ..old };
    let mut stuck = connect(start(stuck).await).await;
    stuck
        .write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\n")
        .await
        .expect("written");
    assert_eq!(rest(&mut stuck).await, "");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let address = start(Limits { body_timeout: SHORT, ..PATIENT }).await;
    let mut slow = connect(address).await;
    slow.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\n123")
        .await
        .expect("written");
    assert!(rest(&mut slow).await.starts_with("HTTP/1.1 408 "));
}

#[tokio::test]
async fn a_body_may_be_as_large_as_the_limit_and_no_larger() {
    let address = start(PATIENT).await;
    for (body, status) in [("1234567890", "200"), ("12345678901", "413")] {
        let mut client = connect(address).await;
        client.write_all(&request(body)).await.expect("written");
        client.shutdown().await.expect("nothing more is sent");
        let reply = rest(&mut client).await;
        assert!(reply.starts_with(&format!("HTTP/1.1 {status} ")), "{reply}");
    }
}

#[tokio::test]
async fn a_head_may_not_be_larger_than_the_limit() {
    let mut client = connect(start(PATIENT).await).await;
    let field = format!("x: {}\r\n\r\n", "x".repeat(PATIENT.head_bytes_max));
    let head = format!("POST / HTTP/1.1\r\nhost: a\r\n{field}");
    client.write_all(head.as_bytes()).await.expect("written");
    let reply = rest(&mut client).await;
    assert!(reply.starts_with("HTTP/1.1 431 "), "{reply}");
}

#[tokio::test]
async fn a_connection_over_the_limit_waits_until_another_one_ends() {
    let address = start(Limits { connections_max: 2, ..PATIENT }).await;
    let (first, _second) = (connect(address).await, connect(address).await);
    let mut third = connect(address).await;
    third.write_all(&request("12345")).await.expect("written");
    // Nothing comes, however long one waits; so long is enough to see a server that does not count.
    let mut byte = [0];
    assert!(timeout(2 * SHORT, third.read_exact(&mut byte)).await.is_err());

    drop(first);
    third.read_exact(&mut byte).await.expect("its turn has come");
}

/// A listener that answers with the length of the body.
async fn start(limits: Limits) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a port");
    let address = listener.local_addr().expect("bound");
    let router = Router::new().route("/", post(async |body: String| body.len().to_string()));
    tokio::spawn(serve(listener, router, limits));
    address
}

async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.expect("listens")
}

fn request(body: &str) -> Vec<u8> {
    format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into()
}

/// What the server says until it closes.
async fn rest(client: &mut TcpStream) -> String {
    let mut said = Vec::new();
    // A reset is an end too.
    let _ = client.read_to_end(&mut said).await;
    String::from_utf8(said).expect("text")
}
