//! The connections of the admin listener: how many there may be, and how long they may take.
//!
//! Whoever reaches the listener can open connections and say nothing. So there are only so many at once
//! (others wait in the queue of the kernel), a request has to be there in time and in size, and one that
//! is slow to read its reply is not waited for without end. How long the answer to a request may take is
//! not limited here: a reload reads files of any size.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::connect_info::ConnectInfo;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::reply::Failure;

/// After an error of accept, such as for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the admin listener takes from whoever connects.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Connections at once; others are not accepted until one ends.
    pub(super) connections_max: usize,
    /// From the opening of a connection, or the last reply on it, to the end of a request's head.
    pub(super) head_timeout: Duration,
    /// From the end of the head to the end of the body.
    pub(super) body_timeout: Duration,
    /// Bytes of a request's body.
    pub(super) body_bytes_max: usize,
    /// Bytes of a request's head.
    pub(super) head_bytes_max: usize,
    /// A connection takes no further request after this long.
    pub(super) connection_age_max: Duration,
    /// What is under way then ends within this time.
    pub(super) connection_grace: Duration,
}

// === impl Limits ===

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 64,
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(10),
            body_bytes_max: 64 << 10,
            head_bytes_max: 16 << 10,
            connection_age_max: Duration::from_secs(300),
            connection_grace: Duration::from_secs(300),
        }
    }
}

/// Serves until the task is aborted.
pub(super) async fn serve(listener: TcpListener, router: Router, limits: Limits) {
    let router = router.layer(middleware::from_fn_with_state(limits, take_body));
    let seats = Arc::new(Semaphore::new(limits.connections_max));
    loop {
        let seat = seats.clone().acquire_owned().await.expect("the semaphore is never closed");
        match listener.accept().await {
            Ok((socket, peer)) => {
                let router = router.clone().layer(Extension(ConnectInfo(peer)));
                tokio::spawn(async move {
                    connection(socket, peer, router, limits).await;
                    drop(seat);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the admin listener can not accept");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(socket: TcpStream, peer: SocketAddr, router: Router, limits: Limits) {
    // Small replies are not to wait for more.
    let _ = socket.set_nodelay(true);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .max_buf_size(limits.head_bytes_max);
    let connection = http.serve_connection(TokioIo::new(socket), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    let outcome = tokio::select! {
        outcome = connection.as_mut() => Some(outcome),
        () = sleep(limits.connection_age_max) => {
            connection.as_mut().graceful_shutdown();
            timeout(limits.connection_grace, connection).await.ok()
        }
    };
    match outcome {
        Some(Ok(())) => {}
        Some(Err(error)) => tracing::debug!(%peer, %error, "a connection to the admin listener"),
        None => tracing::debug!(%peer, "a connection to the admin listener did not end in time"),
    }
}

/// Takes the whole body before the request goes on, so that no page has to wait for it.
async fn take_body(State(limits): State<Limits>, request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    let failure = match timeout(limits.body_timeout, to_bytes(body, limits.body_bytes_max)).await {
        Ok(Ok(body)) => return next.run(Request::from_parts(head, Body::from(body))).await,
        Ok(Err(_)) => {
            let error = format!("the body is broken, or larger than {}", limits.body_bytes_max);
            Failure::new(StatusCode::PAYLOAD_TOO_LARGE, error)
        }
        Err(_) => Failure::new(StatusCode::REQUEST_TIMEOUT, "the body did not come in time"),
    };
    failure.into_response()
}

#[cfg(test)]
mod tests;
