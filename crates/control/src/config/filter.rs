//! What filters are written as: a list of entries, each one filter and, beside it, when it applies.
//!
//! The order of the lists is that of their work: those at the top level, those of the upstream, those of
//! the route. See `compile/filters.rs` for what becomes of them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::path::FilePath;
use super::route::MatchConfig;
use super::units::{Period, Size};

/// One filter. Exactly one of the keys that name a filter is there; `match`, `enabled`, and `on_error` may
/// stand beside it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FilterConfig {
    /// Which requests of its routes it sees. Default: all. A filter that is not for a request is not for
    /// its reply either.
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    pub matches: Option<MatchConfig>,
    /// Whether it works. Switched off, it is checked but not used.
    pub enabled: bool,
    /// What follows if it fails: `open`, the call goes on without it; `closed`, the call is refused.
    /// Failures are counted in `narrows_filter_errors_total`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_error: Option<OnErrorWord>,
    /// Compresses replies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compress: Option<CompressConfig>,
    /// Cross-origin resource sharing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cors: Option<CorsConfig>,
    /// Sends callers to another URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirect: Option<RedirectConfig>,
    /// Answers by itself. A route whose every request is answered needs no upstream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub respond: Option<RespondConfig>,
    /// Sets, adds, and removes fields.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<HeadersConfig>,
    /// Asks nodes for another path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rewrite: Option<RewriteConfig>,
}

/// What follows if a filter fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnErrorWord {
    /// The call goes on without it.
    Open,
    /// The call is refused.
    Closed,
}

/// Compresses replies in a coding that the caller accepts. What a node sends at once, such as an event, goes
/// out at once. Never compressed are replies that have a `content-encoding`, parts (206), those with
/// `cache-control: no-transform`, and gRPC, whose messages have their own compression. Do not compress
/// pages that hold a secret beside what a caller wrote: the size of a reply can then tell the secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CompressConfig {
    /// The codings; of several that a caller likes as well, the first.
    pub codings: Vec<CodingWord>,
    /// The media types that are compressed: `type/subtype`, or `type/*`. Add `text/event-stream` for
    /// events.
    pub types: Vec<String>,
    /// Replies that are known to be shorter are not compressed.
    pub body_bytes_min: Size,
}

/// A content coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CodingWord {
    /// Zstandard.
    Zstd,
    /// Brotli.
    Br,
    /// Gzip.
    Gzip,
}

/// Which pages of other origins may call. Preflights are answered by the gateway, so the route has to match
/// requests with the method OPTIONS too. What nodes say of it is replaced.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["origins"]))]
pub struct CorsConfig {
    /// The origins: `https://app.example.com`, `https://*.example.com`, `{ regex: REGEX }` for the whole
    /// origin, or `*` alone for all.
    pub origins: Vec<OriginConfig>,
    /// The methods that pages may use.
    pub methods: Vec<String>,
    /// The fields that pages may send; `*` for all that they ask for. The defaults are those of gRPC-Web.
    pub headers: Vec<String>,
    /// The fields of replies that pages may read.
    pub exposed_headers: Vec<String>,
    /// Pages may send cookies and other credentials. Not with the origin `*`.
    pub credentials: bool,
    /// How long a browser may remember the answer to a preflight.
    pub max_age: Period,
}

/// An origin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum OriginConfig {
    /// One, or all below a domain.
    Text(String),
    /// Those that match.
    Rule(OriginRule),
}

/// A rule on an origin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OriginRule {
    /// A regular expression that the whole origin matches.
    Regex(String),
}

/// Sends callers to another URL, which is the one that they asked for but for what is written here. A request
/// that is there already goes on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RedirectConfig {
    /// The scheme. `https` is all that a listener in the clear needs. Default: as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheme: Option<SchemeWord>,
    /// The host. Default: as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The port. Default: that of the scheme where the scheme or the host is another, as it is otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<u16>,
    /// The path; a request whose path the rule is not for goes on. Default: as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathRule>,
    /// The status: 301 and 302 let callers turn POST into GET, 303 asks for it, 307 and 308 forbid it; 301
    /// and 308 are remembered.
    pub status: RedirectStatus,
}

/// A scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SchemeWord {
    /// `http`.
    Http,
    /// `https`.
    Https,
}

/// The status of a redirect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RedirectStatus {
    /// Moved permanently.
    #[serde(rename = "301")]
    MovedPermanently,
    /// Found.
    #[serde(rename = "302")]
    Found,
    /// See other.
    #[serde(rename = "303")]
    SeeOther,
    /// Temporary redirect.
    #[serde(rename = "307")]
    Temporary,
    /// Permanent redirect.
    #[default]
    #[serde(rename = "308")]
    Permanent,
}

/// How a path becomes another one. The query stays.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PathRule {
    /// What the path begins with is replaced.
    Prefix(PrefixRule),
    /// A path that matches is replaced.
    Regex(RegexRule),
    /// Every path becomes this one.
    Whole(String),
}

/// What a path begins with is replaced.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["from", "to"]))]
pub struct PrefixRule {
    /// The beginning, not necessarily up to a slash.
    pub from: String,
    /// What stands there instead. A path without a slash at its beginning gets one.
    pub to: String,
}

/// A path that matches is replaced.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["from", "to"]))]
pub struct RegexRule {
    /// A regular expression that the whole path matches.
    pub from: String,
    /// The new path; `$1` or `$name` stands for what a group matched.
    pub to: String,
}

/// A reply of the gateway itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RespondConfig {
    /// The HTTP status.
    #[schemars(range(min = 200, max = 599))]
    pub status: u16,
    /// The media type of the body.
    pub content_type: String,
    /// Further fields, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The body: text, or `{ file: PATH }`, read with each reload. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<BodyConfig>,
    /// The gRPC status by number for callers that speak gRPC. Default: the one that stands for the HTTP
    /// status.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 16))]
    pub grpc_status: Option<u8>,
    /// The message that goes with `grpc_status`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub grpc_message: String,
}

/// The body of a reply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum BodyConfig {
    /// The text itself.
    Text(String),
    /// It is read.
    Source(BodySource),
}

/// Where a body is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BodySource {
    /// In a file.
    File(FilePath),
}

/// Fields of requests on their way to nodes, and of replies on their way to callers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HeadersConfig {
    /// Those of requests.
    pub request: HeaderEdits,
    /// Those of replies, the gateway's own included.
    pub reply: HeaderEdits,
}

/// What happens to fields: some are removed, then some are set, then some are added.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HeaderEdits {
    /// Fields that are removed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<String>,
    /// Fields that get this value in place of any other, by name. A value may hold variables, as keys of
    /// lookups do: `{header.NAME}`, `{path}`, `{source.ip}`, and others. Where the request lacks one, the
    /// field is removed.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, String>,
    /// Fields that get this value beside any other, by name. Variables as in `set`; where the request lacks
    /// one, nothing is added.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub add: BTreeMap<String, String>,
}

/// Asks nodes for another path. The log keeps the one that came.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RewriteConfig {
    /// The path.
    pub path: PathRule,
}

// === impl FilterConfig ===

impl Default for FilterConfig {
    fn default() -> Self {
        Self {
            matches: None,
            enabled: true,
            on_error: None,
            compress: None,
            cors: None,
            redirect: None,
            respond: None,
            headers: None,
            rewrite: None,
        }
    }
}

impl Default for CorsConfig {
    fn default() -> Self {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Self {
            origins: Vec::new(),
            methods: texts(&["GET", "HEAD", "POST"]),
            headers: texts(&["content-type", "x-grpc-web", "x-user-agent", "grpc-timeout"]),
            exposed_headers: texts(&["grpc-status", "grpc-message", "grpc-status-details-bin"]),
            credentials: false,
            max_age: Period::seconds(600),
        }
    }
}

impl Default for RespondConfig {
    fn default() -> Self {
        Self {
            status: 200,
            content_type: "text/plain; charset=utf-8".to_owned(),
            headers: BTreeMap::new(),
            body: None,
            grpc_status: None,
            grpc_message: String::new(),
        }
    }
}

impl Default for CompressConfig {
    fn default() -> Self {
        let types = [
            "text/html",
            "text/css",
            "text/plain",
            "text/xml",
            "text/javascript",
            "application/javascript",
            "application/json",
            "application/xml",
            "application/wasm",
            "image/svg+xml",
        ];
        Self {
            codings: vec![CodingWord::Zstd, CodingWord::Br, CodingWord::Gzip],
            types: types.iter().map(|one| (*one).to_owned()).collect(),
            body_bytes_min: Size(1024),
        }
    }
}
