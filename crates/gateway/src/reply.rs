//! The one table from the cause of a failure to what the caller is told.
//!
//! Nobody else picks a status. A gRPC caller gets a trailers-only reply (HTTP 200, `grpc-status`, a
//! percent-encoded `grpc-message`); any other caller gets the HTTP status and the message as text. The same
//! row names the flag and the reason of the access log and the label of the counter.

mod detail;
mod local;

use narrows_wire::codec::Refusal;
use narrows_wire::grpc::{self, Status};
use narrows_wire::{Head, Indexing, Name};

pub use detail::Detail;
pub use local::LocalReply;

/// Why the gateway ended a call by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(missing_docs, reason = "the table below says what each one is")]
pub enum Cause {
    NoRoute,
    NoTunnels,
    Misdirected,
    MissingKey,
    UnknownJob,
    MalformedTarget,
    TargetNotAllowed,
    StoreDown,
    LookupTimeout,
    ResolveFailed,
    ConnectFailed,
    ConnectTimeout,
    TlsTimeout,
    NoEndpoint,
    NodeDrained,
    SessionLost,
    Overflow,
    AcquireTimeout,
    Draining,
    ConnectionAge,
    Deadline,
    LateBeforeWrite,
    TotalTimeout,
    WriteTimeout,
    ResponseTimeout,
    PerTryTimeout,
    ReplyBodyTimeout,
    IdleTimeout,
    MessageTooLarge,
    UpstreamReset,
    UpstreamClosed,
    UpstreamProtocol,
    UpstreamCalm,
    UpstreamCancelled,
    UpstreamInsecure,
    UpstreamNotGrpc,
    Unprocessed,
    ClientCancelled,
    ClientClosed,
    BadTimeout,
    ProxyAuthRequired,
    ForwardDenied,
    BadBody,
    BadParameters,
    NotBound,
    NoDescriptors,
    BadRequest,
    RequestLineTooLong,
    HeadTooLarge,
    UnsupportedCoding,
    UnsupportedVersion,
    HeadTimeout,
    BodyTimeout,
    FilterFailed,
    Internal,
}

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The cause.
    pub cause: Cause,
    /// For gRPC callers.
    pub grpc: Status,
    /// For all others. 499 is never sent: the caller is gone.
    pub http: u16,
    /// Envoy's letters, which people grep for.
    pub flag: &'static str,
    /// One word for counters and logs.
    pub reason: &'static str,
    /// What happened, in words; details of the call are put behind it.
    pub message: &'static str,
}

macro_rules! table {
    ($($cause:ident $grpc:ident $http:literal $flag:literal $reason:literal $message:literal)*) => {
        /// One row for each cause, in the order of the enum.
        pub const TABLE: &[Row] = &[$(Row {
            cause: Cause::$cause, grpc: Status::$grpc, http: $http, flag: $flag, reason: $reason, message: $message,
        }),*];
    };
}

table! {
    NoRoute           Unimplemented     404 "NR"   "no_route"           "no route matches the request"
    NoTunnels         Unimplemented     501 "NR"   "no_tunnels"         "CONNECT is not supported"
    Misdirected       FailedPrecondition 421 "LR"  "misdirected"        "the certificate of the connection is not for this authority"
    MissingKey        InvalidArgument   400 "NR"   "missing_key"        "the request lacks what names its target"
    UnknownJob        NotFound          404 "NR"   "unknown_job"        "no node is known for"
    MalformedTarget   Unavailable       503 "UH"   "malformed_target"   "the store holds no usable address"
    TargetNotAllowed  PermissionDenied  403 "UAEX" "target_not_allowed" "the target is outside the allowed networks"
    StoreDown         Unavailable       503 "UH"   "store_down"         "the store can not be reached and holds nothing in cache"
    LookupTimeout     Unavailable       503 "UH"   "lookup_timeout"     "the store did not answer in time"
    ResolveFailed     Unavailable       503 "UF"   "resolve_failed"     "the name of the node can not be resolved"
    ConnectFailed     Unavailable       502 "UF"   "connect_failed"     "the node can not be reached"
    ConnectTimeout    Unavailable       502 "UF"   "connect_timeout"    "the node did not accept a connection in time"
    TlsTimeout        Unavailable       502 "UF"   "tls_timeout"        "the node did not shake hands for TLS in time"
    NoEndpoint        Unavailable       503 "UH"   "no_endpoint"        "the upstream has no endpoint"
    NodeDrained       Unavailable       503 "UH"   "node_drained"       "the node is taken out of service"
    SessionLost       Unavailable       503 "UH"   "session_lost"       "the node of the session is gone"
    Overflow          ResourceExhausted 429 "UO"   "overflow"           "too many calls wait for a stream to the node"
    AcquireTimeout    Unavailable       503 "UO"   "acquire_timeout"    "no stream to the node became free in time"
    Draining          Unavailable       503 "LR"   "draining"           "the gateway is shutting down"
    ConnectionAge     Unavailable       503 "LR"   "connection_age"     "the connection has been open for as long as is allowed"
    Deadline          DeadlineExceeded  504 "DT"   "deadline"           "the deadline of the call has passed"
    LateBeforeWrite   DeadlineExceeded  504 "DT"   "late_before_write"  "the time of the call was over before it was sent"
    TotalTimeout      DeadlineExceeded  504 "DT"   "total_timeout"      "the call took longer than its route allows"
    WriteTimeout      DeadlineExceeded  504 "UT"   "write_timeout"      "what was to be written made no progress"
    ResponseTimeout   DeadlineExceeded  504 "UT"   "response_timeout"   "the node did not begin its reply in time"
    PerTryTimeout     DeadlineExceeded  504 "UT"   "per_try_timeout"    "no node began its reply in time"
    ReplyBodyTimeout  DeadlineExceeded  504 "UT"   "reply_body_timeout" "the node did not go on with its reply in time"
    IdleTimeout       DeadlineExceeded  504 "SI"   "idle_timeout"       "nothing moved on the stream for too long"
    MessageTooLarge   ResourceExhausted 413 "LR"   "message_too_large"  "a message is larger than its route allows"
    UpstreamReset     Internal          502 "UR"   "upstream_reset"     "the node reset the stream"
    UpstreamClosed    Unavailable       502 "UC"   "upstream_closed"    "the connection to the node was lost"
    UpstreamProtocol  Internal          502 "UR"   "upstream_protocol"  "the node broke the protocol"
    UpstreamCalm      ResourceExhausted 503 "UR"   "upstream_calm"      "the node asked to be called less"
    UpstreamCancelled Cancelled         502 "UR"   "upstream_cancelled" "the node cancelled the call"
    UpstreamInsecure  PermissionDenied  502 "UR"   "upstream_insecure"  "the node asked for better transport security"
    UpstreamNotGrpc   Internal          502 "UR"   "upstream_no_status" "the node ended the call without a status"
    Unprocessed       Unavailable       503 "UR"   "unprocessed"        "the node refused the call without processing it"
    ClientCancelled   Cancelled         499 "DC"   "client_cancelled"   "the client cancelled the call"
    ClientClosed      Cancelled         499 "DC"   "client_closed"      "the client closed its connection"
    BadTimeout        InvalidArgument   400 "LR"   "bad_grpc_timeout"   "grpc-timeout is malformed"
    ProxyAuthRequired Unauthenticated   407 "UAEX" "proxy_auth_required" "the proxy wants to know who asks"
    ForwardDenied     PermissionDenied  403 "UAEX" "forward_denied"     "the proxy does not go to this host"
    BadBody           InvalidArgument   400 "LR"   "bad_body"           "the body of the request is malformed"
    BadParameters     InvalidArgument   400 "LR"   "bad_parameters"     "the parameters of the request can not be read"
    NotBound          Unimplemented     404 "NR"   "not_bound"          "no method is bound to the request"
    NoDescriptors     Unavailable       503 "UH"   "no_descriptors"     "the methods of the upstream are not known yet"
    BadRequest        InvalidArgument   400 "LR"   "bad_request"        "the request breaks the protocol"
    RequestLineTooLong InvalidArgument  414 "LR"   "request_line_too_long" "the request line is over its limit"
    HeadTooLarge      ResourceExhausted 431 "LR"   "head_too_large"     "the header fields are over their limit"
    UnsupportedCoding Unimplemented     501 "LR"   "unsupported_coding" "the transfer coding is not supported"
    UnsupportedVersion Unimplemented    505 "LR"   "unsupported_version" "the version of HTTP is not supported"
    HeadTimeout       DeadlineExceeded  408 "LR"   "head_timeout"       "the head of the request did not come in time"
    BodyTimeout       DeadlineExceeded  408 "LR"   "body_timeout"       "the body of the request made no progress"
    FilterFailed      Unavailable       503 "LR"   "filter_failed"      "a filter that has to hold failed"
    Internal          Internal          500 "LR"   "internal"           "the gateway failed"
}

// === impl Cause ===

impl Cause {
    /// That of a request which an engine refused.
    pub fn of_refusal(refusal: Refusal) -> Self {
        match refusal {
            Refusal::BadRequest(_) => Self::BadRequest,
            Refusal::RequestLineTooLong => Self::RequestLineTooLong,
            Refusal::HeadTooLarge => Self::HeadTooLarge,
            Refusal::UnsupportedTransferCoding => Self::UnsupportedCoding,
            Refusal::VersionNotSupported => Self::UnsupportedVersion,
            Refusal::HeadTimeout => Self::HeadTimeout,
            Refusal::BodyTimeout => Self::BodyTimeout,
        }
    }

    /// Its row.
    pub fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }
}

/// Fills `head` with the whole reply for a gRPC caller, to be sent with END_STREAM. `content_type` is the
/// caller's own, so that the subtype matches.
pub fn trailers_only(head: &mut Head, cause: Cause, detail: &Detail, content_type: &[u8]) {
    head.clear();
    head.push(Name::Status, b"200", Indexing::MayRepeat);
    head.push(Name::ContentType, content_type, Indexing::MayRepeat);
    status_trailers(head, cause, detail);
}

/// Appends `grpc-status` and `grpc-message`: trailers for a call whose reply head has been sent.
pub fn status_trailers(head: &mut Head, cause: Cause, detail: &Detail) {
    let row = cause.row();
    head.push(Name::GrpcStatus, row.grpc.digits().as_bytes(), Indexing::MayRepeat);
    let mut text = Vec::new();
    grpc::encode_message(message(cause, detail).as_bytes(), &mut text);
    head.push(Name::GrpcMessage, &text, Indexing::Unique);
    if row.grpc == Status::ResourceExhausted && cause == Cause::Overflow {
        head.push(Name::GrpcRetryPushback, b"1000", Indexing::MayRepeat);
    }
}

/// Fills `head` for a caller that does not speak gRPC and returns the body that goes with it.
pub fn plain(head: &mut Head, cause: Cause, detail: &Detail) -> String {
    let row = cause.row();
    let body = format!("{}\n", message(cause, detail));
    head.clear();
    head.push(Name::Status, row.http.to_string().as_bytes(), Indexing::MayRepeat);
    head.push(Name::ContentType, b"text/plain; charset=utf-8", Indexing::MayRepeat);
    head.push(Name::ContentLength, body.len().to_string().as_bytes(), Indexing::Unique);
    if row.http == 407 {
        // RFC 9110 §15.5.8.
        let challenge = b"Basic realm=\"narrows\", charset=\"UTF-8\"";
        head.push(Name::ProxyAuthenticate, challenge, Indexing::MayRepeat);
    }
    if row.http == 429 {
        head.push(Name::RetryAfter, b"1", Indexing::MayRepeat);
    }
    body
}

/// The sentence for the caller.
pub fn message(cause: Cause, detail: &Detail) -> String {
    let text = cause.row().message;
    match detail.told() {
        "" => text.to_owned(),
        told => format!("{text}: {told}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_each_cause_at_its_own_place() {
        for (at, row) in TABLE.iter().enumerate() {
            assert_eq!(row.cause as usize, at, "{}", row.reason);
        }
        assert_eq!(TABLE.len(), Cause::Internal as usize + 1);
    }

    #[test]
    fn a_grpc_caller_is_told_status_and_reason_in_one_head() {
        let mut head = Head::new();
        trailers_only(
            &mut head,
            Cause::UnknownJob,
            &"job-9 in store jobs".into(),
            b"application/grpc+proto",
        );
        assert_eq!(head.get(Name::Status), Some(&b"200"[..]));
        assert_eq!(head.get(Name::ContentType), Some(&b"application/grpc+proto"[..]));
        assert_eq!(head.get(Name::GrpcStatus), Some(&b"5"[..]));
        let message = b"no node is known for: job-9 in store jobs";
        assert_eq!(head.get(Name::GrpcMessage), Some(&message[..]));
    }

    #[test]
    fn a_caller_is_not_told_what_comes_from_the_inner_network() {
        for row in TABLE {
            assert_eq!(message(row.cause, &Detail::inner("10.0.0.5:6379")), row.message);
        }
    }

    #[test]
    fn any_other_caller_gets_the_http_status_and_a_text() {
        let mut head = Head::new();
        let body = plain(&mut head, Cause::TargetNotAllowed, &Detail::default());
        assert_eq!(head.get(Name::Status), Some(&b"403"[..]));
        assert_eq!(body, "the target is outside the allowed networks\n");
    }
}
