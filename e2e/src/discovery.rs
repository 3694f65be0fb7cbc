//! What the tests of discovery have in common: who answers, and how soon that changes.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::client::EchoClient;

/// A node that has joined gets calls within this time.
pub const JOINED_WITHIN: Duration = Duration::from_secs(1);

/// Calls that reach each of a few nodes.
const CALLS: usize = 12;

/// The names of the nodes that answer.
///
/// # Panics
///
/// When a call fails.
pub async fn answering(client: &EchoClient) -> Vec<String> {
    let mut nodes = BTreeSet::new();
    for _ in 0..CALLS {
        let reply = client.unary(Bytes::new()).await.expect("a node answers");
        nodes.insert(reply.node().to_owned());
    }
    nodes.into_iter().collect()
}

/// Calls until these nodes answer and no others; gives how long that took.
///
/// # Panics
///
/// When a call fails, or when it takes longer than a minute.
pub async fn becomes(client: &EchoClient, nodes: &[&str]) -> Duration {
    let began = Instant::now();
    loop {
        let now = answering(client).await;
        if now == nodes {
            return began.elapsed();
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{now:?} never became {nodes:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// As [`becomes`], within [`JOINED_WITHIN`].
///
/// # Panics
///
/// As [`becomes`], and when it takes longer than that.
pub async fn soon_becomes(client: &EchoClient, nodes: &[&str]) {
    let took = becomes(client, nodes).await;
    assert!(took <= JOINED_WITHIN, "{nodes:?} took {took:?}");
}

/// Calls for some time, during which these nodes answer and no others.
///
/// # Panics
///
/// When a call fails, or another node answers.
pub async fn stays(client: &EchoClient, nodes: &[&str], time: Duration) {
    let began = Instant::now();
    while began.elapsed() < time {
        assert_eq!(answering(client).await, nodes);
    }
}
