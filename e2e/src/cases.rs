//! The interoperability cases as the tonic client runs them.
//!
//! `e2e/peers` has the same cases for the other stacks, under the same names.

use std::time::Duration;

use bytes::Bytes;
use tonic::{Code, Status};

use crate::client::EchoClient;
use crate::codec::message;

/// Every case.
pub const NAMES: &[&str] = &[
    "empty_unary",
    "large_unary",
    "client_streaming",
    "server_streaming",
    "ping_pong",
    "empty_stream",
    "timeout_on_sleeping_server",
    "cancel_after_begin",
    "cancel_after_first_response",
    "status_code_and_message",
    "special_status_message",
    "custom_metadata",
    "unimplemented_method",
    "unimplemented_service",
    "client_compressed_unary",
    "server_compressed_unary",
    "client_compressed_streaming",
    "server_compressed_streaming",
    "huge_unary",
];

const SPECIAL: &str =
    "\t\ntest with whitespace\r\nand Unicode BMP \u{263a} and non-BMP \u{1f608}\t\n";
const HUGE: usize = 100 << 20;
const SIZES: [usize; 4] = [27182, 8, 1828, 45904];

type Outcome = Result<(), Failure>;

/// What differs from what should be.
#[derive(Debug)]
pub struct Failure(pub String);

/// Runs one case.
///
/// # Errors
///
/// What differs from what should be.
pub async fn run(case: &str, client: &EchoClient) -> Outcome {
    match case {
        "empty_unary" => same(
            &client.call("/narrows.test.Echo/Empty", Bytes::new()).await.map(|r| r.message)?,
            &"",
        ),
        "large_unary" => {
            let reply = client.with("x-reply-size", "314159").unary(message(271828)).await?;
            same(&reply.message, &message(314159))
        }
        "client_streaming" => {
            let reply = client.client_stream(SIZES.map(message).to_vec()).await?;
            same(&reply.message, &"4 74922")
        }
        "server_streaming" => server_streaming(client, &[31415, 9, 2653, 58979]).await,
        "ping_pong" => ping_pong(client).await,
        "empty_stream" => {
            client.converse().await?.finish().await.map(|_| ()).map_err(Failure::from)
        }
        "timeout_on_sleeping_server" => timeout(client).await,
        "cancel_after_begin" => cancel_after_begin(client).await,
        "cancel_after_first_response" => {
            let mut call = client.converse().await?;
            same(&call.exchange(message(27182)).await?, &message(27182))
        }
        "status_code_and_message" => status(client, "test status message").await,
        "special_status_message" => status(client, SPECIAL).await,
        "custom_metadata" => custom_metadata(client).await,
        "unimplemented_method" => unimplemented(client, "/narrows.test.Echo/Absent").await,
        "unimplemented_service" => unimplemented(client, "/narrows.test.Absent/Unary").await,
        "client_compressed_unary" => {
            let reply = client.compressing().unary(message(271828)).await?;
            same(&reply.message, &message(271828))?;
            let encoding = reply.metadata.get("x-request-encoding");
            same(&encoding.map_or("gzip", |name| name.to_str().unwrap_or("")), &"gzip")
        }
        "server_compressed_unary" => {
            let reply = client.with("x-compress", "gzip").unary(message(314159)).await?;
            same(&reply.message, &message(314159))
        }
        "client_compressed_streaming" => {
            let reply =
                client.compressing().client_stream([27182, 45904].map(message).to_vec()).await?;
            same(&reply.message, &"2 73086")
        }
        "server_compressed_streaming" => {
            server_streaming(&client.with("x-compress", "gzip"), &[31415, 92653]).await
        }
        "huge_unary" => {
            let reply = client.within(Duration::from_secs(120)).unary(message(HUGE)).await?;
            same(&(reply.message == message(HUGE)), &true)
        }
        _ => Err(Failure("no such case".to_owned())),
    }
}

// === impl Failure ===

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self(format!("{:?}: {}", status.code(), status.message()))
    }
}

async fn server_streaming(client: &EchoClient, sizes: &[usize]) -> Outcome {
    let request = sizes.iter().map(usize::to_string).collect::<Vec<_>>().join(" ");
    let requests = tonic::codegen::tokio_stream::once(Bytes::from(request));
    let mut replies =
        client.stream("/narrows.test.Echo/ServerStream", requests).await?.into_inner();
    for &size in sizes {
        same(&replies.message().await?.unwrap_or_default(), &message(size))?;
    }
    same(&replies.message().await?, &None)
}

async fn ping_pong(client: &EchoClient) -> Outcome {
    let mut call = client.converse().await?;
    for size in SIZES {
        same(&call.exchange(message(size)).await?, &message(size))?;
    }
    call.finish().await.map(|_| ()).map_err(Failure::from)
}

/// tonic itself says CANCELLED when its own limit has passed.
async fn timeout(client: &EchoClient) -> Outcome {
    let client = client.with("x-delay-ms", "2000").within(Duration::from_millis(200));
    let outcome = async {
        let mut call = client.converse().await?;
        call.exchange(message(27182)).await
    };
    let limit = tokio::time::timeout(Duration::from_millis(200), outcome).await;
    match limit {
        Err(_) => Ok(()),
        Ok(Err(status)) if matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled) => {
            Ok(())
        }
        Ok(other) => Err(Failure(format!("got {other:?}, wanted DEADLINE_EXCEEDED"))),
    }
}

/// A call is cancelled by dropping it; the connection must serve the next.
async fn cancel_after_begin(client: &EchoClient) -> Outcome {
    let (_keep, requests) = tokio::sync::mpsc::channel(1);
    let requests = crate::client::Outgoing::new(requests);
    let call = client.stream("/narrows.test.Echo/ClientStream", requests);
    let begun = tokio::time::timeout(Duration::from_millis(50), call).await;
    same(&matches!(begun, Ok(Err(_))), &false)?;
    same(&client.unary(message(8)).await?.message, &message(8))
}

async fn status(client: &EchoClient, text: &str) -> Outcome {
    let client = client.with("x-status", "2").with("x-message-bin", text);
    let unary = client.unary(Bytes::new()).await.map(|reply| reply.message);
    let bidi = async { client.converse().await?.exchange(Bytes::new()).await };
    for outcome in [unary, bidi.await] {
        let status = failure(outcome)?;
        same(&(status.code(), status.message()), &(Code::Unknown, text))?;
    }
    Ok(())
}

async fn custom_metadata(client: &EchoClient) -> Outcome {
    let bytes = [0xab, 0xab, 0xab, 0];
    let client = client
        .with("x-echo-initial", "test_initial_metadata_value")
        .with("x-echo-trailing-bin", bytes);
    let reply = client.unary(message(314)).await?;
    same(&reply.message, &message(314))?;
    let initial = reply.metadata.get("x-echo-initial").and_then(|value| value.to_str().ok());
    same(&initial, &Some("test_initial_metadata_value"))?;
    let trailing =
        reply.metadata.get_bin("x-echo-trailing-bin").and_then(|value| value.to_bytes().ok());
    same(&trailing.as_deref(), &Some(&bytes[..]))?;
    let mut call = client.converse().await?;
    same(&call.exchange(message(314)).await?, &message(314))?;
    let trailers = call.finish().await?;
    let trailing = trailers.get_bin("x-echo-trailing-bin").and_then(|value| value.to_bytes().ok());
    same(&trailing.as_deref(), &Some(&bytes[..]))
}

async fn unimplemented(client: &EchoClient, path: &'static str) -> Outcome {
    same(&failure(client.call(path, Bytes::new()).await)?.code(), &Code::Unimplemented)
}

fn failure<T>(outcome: Result<T, Status>) -> Result<Status, Failure> {
    outcome.err().ok_or_else(|| Failure("no error".to_owned()))
}

fn same<A, B>(got: &A, wanted: &B) -> Outcome
where
    A: PartialEq<B> + std::fmt::Debug,
    B: std::fmt::Debug,
{
    if got == wanted {
        return Ok(());
    }
    let short = |text: String| text.chars().take(120).collect::<String>();
    let (got, wanted) = (short(format!("{got:?}")), short(format!("{wanted:?}")));
    Err(Failure(format!("got {got}, wanted {wanted}")))
}
