//! Requests to the API server: HTTP/1.1, one connection for each, since a watch takes a whole one.
//!
//! The token is read for each request: the kubelet exchanges it once an hour.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use axum::body::Body;
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{ACCEPT, AUTHORIZATION, HOST};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;

use super::slice::{Event, List, Status};
use super::{KubernetesService, WATCH_TIME};

/// The largest list, and the largest event.
const BYTES_MAX: usize = 64 << 20;

/// The largest part of an answer that is shown when it is an error.
const SHOWN_BYTES_MAX: usize = 200;

/// Why the API server did not tell.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApiError {
    /// It can not be reached, or the connection was lost.
    #[error("{0}")]
    Lost(String),
    /// It does not answer in time.
    #[error("no answer within {0:?}")]
    Silent(Duration),
    /// It answers with an error.
    #[error("it answers {0}")]
    Refused(String),
    /// It does not know any more what happened since.
    #[error("the changes since then are forgotten")]
    Gone,
    /// It says something else than it should.
    #[error("it answers what can not be understood: {0}")]
    Malformed(String),
    /// The token can not be read.
    #[error("{0}")]
    Token(String),
}

/// A connection to the API server.
pub(super) struct Api<'a> {
    at: &'a KubernetesService,
    requests: SendRequest<Body>,
    connection: JoinSet<()>,
}

/// A watch. It ends when the server ends it.
pub(super) struct Watch {
    body: Incoming,
    received: Vec<u8>,
    patience: Duration,
    _connection: JoinSet<()>,
}

// === impl Api ===

impl<'a> Api<'a> {
    pub(super) async fn connect(at: &'a KubernetesService) -> Result<Self, ApiError> {
        let connecting = async {
            let stream = at.server.clone().connect().await?;
            http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)
        };
        let connected = tokio::time::timeout(at.timeout, connecting).await;
        let (requests, driver) = connected
            .map_err(|_| ApiError::Silent(at.timeout))?
            .map_err(|error| ApiError::Lost(error.to_string()))?;
        let mut connection = JoinSet::new();
        connection.spawn(async move {
            // Whoever reads the answer sees how it ended.
            let _ = driver.await;
        });
        Ok(Self { at, requests, connection })
    }

    /// All slices of the service.
    pub(super) async fn list(mut self) -> Result<List, ApiError> {
        let body = self.get("").await?;
        let read = whole(body, BYTES_MAX);
        let bytes = tokio::time::timeout(self.at.timeout, read).await;
        parse(&bytes.map_err(|_| ApiError::Silent(self.at.timeout))??)
    }

    /// What happens to them after this version.
    pub(super) async fn watch(mut self, version: &str) -> Result<Watch, ApiError> {
        let seconds = WATCH_TIME.as_secs();
        let query = format!(
            "&watch=1&allowWatchBookmarks=true&timeoutSeconds={seconds}&resourceVersion={version}"
        );
        let body = self.get(&query).await?;
        let patience = WATCH_TIME + self.at.timeout;
        let Self { connection, .. } = self;
        Ok(Watch { body, received: Vec::new(), patience, _connection: connection })
    }

    async fn get(&mut self, query: &str) -> Result<Incoming, ApiError> {
        let KubernetesService { namespace, service, timeout, .. } = self.at;
        let uri = format!(
            "/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices\
             ?labelSelector=kubernetes.io%2Fservice-name%3D{service}{query}"
        );
        let mut request = Request::get(uri)
            .header(HOST, self.at.server.authority())
            .header(ACCEPT, "application/json");
        if let Some(file) = &self.at.token_file {
            request = request.header(AUTHORIZATION, format!("Bearer {}", token(file).await?));
        }
        let request =
            request.body(Body::empty()).map_err(|error| ApiError::Token(error.to_string()))?;
        let answer = tokio::time::timeout(*timeout, self.requests.send_request(request)).await;
        let answer = answer
            .map_err(|_| ApiError::Silent(*timeout))?
            .map_err(|error| ApiError::Lost(error.to_string()))?;
        let status = answer.status();
        match status {
            StatusCode::OK => Ok(answer.into_body()),
            StatusCode::GONE => Err(ApiError::Gone),
            _ => {
                let why =
                    tokio::time::timeout(*timeout, whole(answer.into_body(), BYTES_MAX)).await;
                let why = why.ok().and_then(Result::ok).unwrap_or_default();
                Err(ApiError::Refused(format!("{status}: {}", said(&why))))
            }
        }
    }
}

// === impl Watch ===

impl Watch {
    /// The next event; `None`: the watch has ended, and another one goes on where it was.
    pub(super) async fn next(&mut self) -> Result<Option<Event>, ApiError> {
        loop {
            if let Some(end) = self.received.iter().position(|byte| *byte == b'\n') {
                let rest = self.received.split_off(end + 1);
                let line = std::mem::replace(&mut self.received, rest);
                return parse(&line).map(Some);
            }
            if self.received.len() > BYTES_MAX {
                return Err(ApiError::Malformed(format!(
                    "an event of more than {BYTES_MAX} bytes"
                )));
            }
            match tokio::time::timeout(self.patience, part(&mut self.body)).await {
                Ok(Some(part)) => self.received.extend_from_slice(&part?),
                Ok(None) => return Ok(None),
                Err(_) => return Err(ApiError::Silent(self.patience)),
            }
        }
    }
}

// === impl ApiError ===

impl From<Status> for ApiError {
    fn from(status: Status) -> Self {
        if status.is_gone() { Self::Gone } else { Self::Refused(status.to_string()) }
    }
}

async fn whole(mut body: Incoming, bytes_max: usize) -> Result<Vec<u8>, ApiError> {
    let mut all = Vec::new();
    while let Some(part) = part(&mut body).await {
        all.extend_from_slice(&part?);
        if all.len() > bytes_max {
            return Err(ApiError::Malformed(format!("more than {bytes_max} bytes")));
        }
    }
    Ok(all)
}

/// The next bytes of a body; trailers are none.
async fn part(body: &mut Incoming) -> Option<Result<Bytes, ApiError>> {
    let frame = std::future::poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await?;
    let data = frame.map(|frame| frame.into_data().unwrap_or_default());
    Some(data.map_err(|error| ApiError::Lost(error.to_string())))
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(bytes).map_err(|error| ApiError::Malformed(error.to_string()))
}

/// What an error says, in a line.
fn said(bytes: &[u8]) -> String {
    match serde_json::from_slice::<Status>(bytes) {
        Ok(status) => status.to_string(),
        Err(_) => {
            let shown = bytes.get(..SHOWN_BYTES_MAX).unwrap_or(bytes);
            String::from_utf8_lossy(shown).trim().to_owned()
        }
    }
}

async fn token(file: &Path) -> Result<String, ApiError> {
    let path = file.to_owned();
    let read = tokio::task::spawn_blocking(move || std::fs::read_to_string(path)).await;
    let text = read.unwrap_or_else(|error| Err(io::Error::other(error)));
    let text = text.map_err(|error| ApiError::Token(format!("{}: {error}", file.display())))?;
    Ok(text.trim().to_owned())
}
