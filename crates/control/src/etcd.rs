//! A client of etcd: its gRPC interface, spoken over the channel that also asks nodes for their descriptors.
//!
//! gRPC and not its JSON gateway: a watch there is a stream that can be told from a server that has gone silent, and
//! other servers than etcd itself speak it too. The messages are written by hand (`messages.rs`), since few are
//! needed. A `Client` is bound to one server; whoever uses it goes on to the next after an error.

mod messages;

use std::fmt;
use std::time::Duration;

use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::codegen::tokio_stream::{self, StreamExt as _};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Code, Request, Status, Streaming};

use self::messages::{
    AuthenticateRequest, AuthenticateResponse, Ignored, LeaseGrantRequest, LeaseGrantResponse,
    LeaseKeepAliveRequest, LeaseKeepAliveResponse, LeaseRevokeRequest, PutRequest, RangeRequest,
    RangeResponse, WatchCreateRequest, WatchRequest, WatchResponse,
};
use crate::config::Secret;
use crate::connect::Node as Server;
use crate::reflection::codec::Prost;

pub(crate) use self::messages::KeyValue;

/// The largest message that is read.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// Where etcd is and who we are there. Equal options are the same etcd.
#[derive(Debug, Clone, PartialEq)]
pub struct EtcdOptions {
    /// The servers, at least one.
    pub servers: Vec<Server>,
    /// User and password.
    pub user: Option<(String, Secret)>,
    /// How long a reply may take.
    pub timeout: Duration,
}

/// A connection to one server.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    server: String,
    channel: Channel,
    token: Option<MetadataValue<Ascii>>,
    timeout: Duration,
}

/// What happens to keys below a prefix.
#[derive(Debug)]
pub(crate) struct Watch {
    server: String,
    replies: Streaming<WatchResponse>,
}

/// A change of a key.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Change {
    /// It has this value now.
    Put(KeyValue),
    /// It is gone.
    Gone(Vec<u8>),
}

/// Why etcd did not do what was asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EtcdError {
    /// It answered with an error, or not at all.
    #[error("{server}: {}", Said(.status))]
    Status {
        /// Which server.
        server: String,
        /// What came.
        status: Box<Status>,
    },
    /// It did not answer in time.
    #[error("{server}: no answer within {after:?}")]
    Silent {
        /// Which server.
        server: String,
        /// The time.
        after: Duration,
    },
    /// The changes that were asked for are not kept any more.
    #[error("{server}: the changes since then have been compacted away")]
    Compacted {
        /// Which server.
        server: String,
    },
    /// A watch or a lease has ended.
    #[error("{server}: {what}")]
    Ended {
        /// Which server.
        server: String,
        /// Of what, and why.
        what: String,
    },
}

/// A status in words.
struct Said<'a>(&'a Status);

// === impl Client ===

impl Client {
    /// A client of this server, which has let us in.
    pub(crate) async fn connect(options: &EtcdOptions, server: &Server) -> Result<Self, EtcdError> {
        let name = server.to_string();
        let failed =
            |status: Status| EtcdError::Status { server: name.clone(), status: status.into() };
        let channel = server
            .channel_with(|endpoint| endpoint.connect_timeout(options.timeout).tcp_nodelay(true));
        let channel = channel.map_err(|error| failed(Status::unavailable(error.to_string())))?;
        let mut client =
            Self { server: name.clone(), channel, token: None, timeout: options.timeout };
        if let Some((name, password)) = &options.user {
            let password = password.reveal().to_owned();
            let request = AuthenticateRequest { name: name.clone(), password };
            let reply: AuthenticateResponse = client.call("Auth/Authenticate", request).await?;
            let token = reply.token.parse().map_err(|_| failed(Status::internal("a bad token")))?;
            client.token = Some(token);
        }
        Ok(client)
    }

    /// All keys below a prefix, and the revision at which they were so.
    pub(crate) async fn range(&self, prefix: &str) -> Result<(i64, Vec<KeyValue>), EtcdError> {
        let (key, range_end) = (prefix.into(), end_of(prefix));
        let request = RangeRequest { key, range_end, ..RangeRequest::default() };
        let reply: RangeResponse = self.call("KV/Range", request).await?;
        Ok((reply.header.unwrap_or_default().revision, reply.kvs))
    }

    /// Whether the server is there and has a majority with it: one that has not tells nothing new.
    pub(crate) async fn check(&self, key: &str) -> Result<(), EtcdError> {
        let request = RangeRequest { key: key.into(), count_only: true, ..RangeRequest::default() };
        self.call::<_, RangeResponse>("KV/Range", request).await.map(drop)
    }

    /// Changes below a prefix from this revision on.
    pub(crate) async fn watch(&self, prefix: &str, revision: i64) -> Result<Watch, EtcdError> {
        let create_request = Some(WatchCreateRequest {
            key: prefix.into(),
            range_end: end_of(prefix),
            start_revision: revision,
        });
        // The watch lives as long as its requests do not end.
        let requests = tokio_stream::once(WatchRequest { create_request });
        let requests = requests.chain(tokio_stream::pending());
        let replies = self.stream("Watch/Watch", requests).await?;
        Ok(Watch { server: self.server.clone(), replies })
    }

    /// A lease that ends after this time unless it is kept alive.
    pub(crate) async fn grant(&self, time: Duration) -> Result<i64, EtcdError> {
        let ttl = i64::try_from(time.as_secs()).unwrap_or(i64::MAX).max(1);
        let reply: LeaseGrantResponse =
            self.call("Lease/LeaseGrant", LeaseGrantRequest { ttl }).await?;
        if reply.error.is_empty() { Ok(reply.id) } else { Err(self.ended(reply.error)) }
    }

    /// Has a lease live for its whole time again; `None`: it has ended.
    pub(crate) async fn keep_alive(&self, lease: i64) -> Result<Option<Duration>, EtcdError> {
        let requests = tokio_stream::once(LeaseKeepAliveRequest { id: lease });
        let mut replies: Streaming<LeaseKeepAliveResponse> =
            self.stream("Lease/LeaseKeepAlive", requests).await?;
        let reply = self.within(replies.message()).await?;
        let seconds = reply.and_then(|reply| u64::try_from(reply.ttl).ok());
        Ok(seconds.filter(|left| *left > 0).map(Duration::from_secs))
    }

    /// Ends a lease, and its keys with it.
    pub(crate) async fn revoke(&self, lease: i64) -> Result<(), EtcdError> {
        let request = LeaseRevokeRequest { id: lease };
        self.call::<_, Ignored>("Lease/LeaseRevoke", request).await.map(drop)
    }

    /// Writes a key that lives as long as a lease.
    pub(crate) async fn put(&self, key: &str, value: &str, lease: i64) -> Result<(), EtcdError> {
        let request = PutRequest { key: key.into(), value: value.into(), lease };
        self.call::<_, Ignored>("KV/Put", request).await.map(drop)
    }

    async fn call<E, D>(&self, method: &str, message: E) -> Result<D, EtcdError>
    where
        E: prost::Message + 'static,
        D: prost::Message + Default + 'static,
    {
        let path = self.path(method)?;
        let request = self.request(message);
        self.within(async {
            let mut grpc = self.grpc().await?;
            let reply = grpc.unary(request, path, Prost::<E, D>::default()).await?;
            Ok(reply.into_inner())
        })
        .await
    }

    async fn stream<E, D>(
        &self,
        method: &str,
        messages: impl tokio_stream::Stream<Item = E> + Send + 'static,
    ) -> Result<Streaming<D>, EtcdError>
    where
        E: prost::Message + 'static,
        D: prost::Message + Default + 'static,
    {
        let path = self.path(method)?;
        let request = self.request(messages);
        self.within(async {
            let mut grpc = self.grpc().await?;
            let reply = grpc.streaming(request, path, Prost::<E, D>::default()).await?;
            Ok(reply.into_inner())
        })
        .await
    }

    async fn grpc(&self) -> Result<Grpc<Channel>, Status> {
        let mut grpc = Grpc::new(self.channel.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX);
        grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        Ok(grpc)
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(token) = &self.token {
            request.metadata_mut().insert("token", token.clone());
        }
        request
    }

    fn path(&self, method: &str) -> Result<PathAndQuery, EtcdError> {
        let path = format!("/etcdserverpb.{method}").parse();
        path.map_err(|_| self.ended(format!("{method} is no method")))
    }

    async fn within<T>(
        &self,
        work: impl Future<Output = Result<T, Status>>,
    ) -> Result<T, EtcdError> {
        let (server, after) = (&self.server, self.timeout);
        match tokio::time::timeout(after, work).await {
            Ok(done) => done.map_err(|status| EtcdError::Status {
                server: server.clone(),
                status: status.into(),
            }),
            Err(_) => Err(EtcdError::Silent { server: server.clone(), after }),
        }
    }

    fn ended(&self, what: impl Into<String>) -> EtcdError {
        EtcdError::Ended { server: self.server.clone(), what: what.into() }
    }
}

// === impl Watch ===

impl Watch {
    /// The next changes; none if the server only says that it watches. May be dropped at any time.
    pub(crate) async fn next(&mut self) -> Result<Vec<Change>, EtcdError> {
        let server = || self.server.clone();
        let failed = |status: Status| EtcdError::Status { server: server(), status: status.into() };
        let Some(reply) = self.replies.message().await.map_err(failed)? else {
            return Err(EtcdError::Ended {
                server: server(),
                what: "the watch has ended".to_owned(),
            });
        };
        if reply.compact_revision > 0 {
            return Err(EtcdError::Compacted { server: server() });
        }
        if reply.canceled {
            let what = format!("the watch was ended: {}", reply.cancel_reason);
            return Err(EtcdError::Ended { server: server(), what });
        }
        let change = |event: messages::Event| {
            let kv = event.kv?;
            Some(if event.kind == messages::DELETE {
                Change::Gone(kv.key)
            } else {
                Change::Put(kv)
            })
        };
        Ok(reply.events.into_iter().filter_map(change).collect())
    }
}

/// The end of the range of keys that begin so: the next prefix of the same length.
fn end_of(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    while let Some(last) = end.last_mut() {
        if let Some(next) = last.checked_add(1) {
            *last = next;
            return end;
        }
        end.pop();
    }
    // All keys there are.
    vec![0]
}

// === impl Said ===

impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.code() {
            Code::Unavailable => write!(f, "away: {}", self.0.message()),
            code => write!(f, "{} ({code:?})", self.0.message()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_where_the_next_one_begins() {
        assert_eq!(end_of("/a/"), b"/a0");
        assert_eq!(end_of(""), [0]);
        assert_eq!(end_of("a\u{7f}"), [b'a', 0x80]);
    }
}
