//! What a match can say of a request. All that is said must hold; what is not said always does.
//!
//! The constructors refuse what could never match or is surely a mistake, so a `Match` needs no checks
//! later. Of several header fields or query parameters with one name, the first one counts.

mod text;

use std::cmp::Reverse;
use std::fmt;

pub use text::{AuthorityMatch, HeaderName, Method, Pattern, ValueMatch};

use super::Request;
use super::parts::{Parts, decoded};
use crate::snapshot::Networks;

/// Conditions on a request.
#[derive(Debug, Clone, Default)]
pub struct Match {
    /// On the path without the query.
    pub path: Option<PathMatch>,
    /// That it is a gRPC call, and which.
    pub grpc: Option<GrpcMatch>,
    /// Any of these; empty: every authority.
    pub authorities: Vec<AuthorityMatch>,
    /// Any of these; empty: every method.
    pub methods: Vec<Method>,
    /// On header fields.
    pub headers: Vec<(HeaderName, ValueMatch)>,
    /// On query parameters, by decoded name.
    pub query: Vec<(Box<str>, ValueMatch)>,
    /// The caller's address is in one of these; empty: every address.
    pub sources: Networks,
}

/// A condition on the path, as it was sent.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum PathMatch {
    /// Made by [`PathMatch::exact`].
    Exact(Box<str>),
    /// Made by [`PathMatch::prefix`].
    Prefix(Box<str>),
    /// The whole path matches.
    Regex(Pattern),
}

/// A gRPC call, by content type, and the names in its path.
#[derive(Debug, Clone, Default)]
pub struct GrpcMatch {
    service: Option<Box<str>>,
    method: Option<Box<str>>,
}

/// Why a condition can not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MatchError {
    /// A path that no request has.
    #[error("bad path {0:?}; it begins with / and has no ?, #, or blank")]
    Path(String),
    /// A service or method that no gRPC path can hold.
    #[error("bad gRPC name {0:?}; expected a name without / such as search.v1.Search")]
    GrpcName(String),
    /// No host, nor `*.` before one.
    #[error("bad authority {0:?}; expected host, host:port, or *.domain")]
    Authority(String),
    /// No token (RFC 9110 §9.1).
    #[error("bad method {0:?}")]
    Method(String),
    /// No field name (RFC 9110 §5.1).
    #[error("bad header name {0:?}; pseudo fields have conditions of their own")]
    HeaderName(String),
    /// Not a regex, or one that compiles into too much.
    #[error("bad regex: {0}")]
    Regex(String),
}

/// One condition of a match. Written in words by `Display`.
#[derive(Debug, Clone, Copy)]
pub(super) enum Condition<'a> {
    Path(&'a PathMatch),
    Grpc(&'a GrpcMatch),
    Authorities(&'a [AuthorityMatch]),
    Methods(&'a [Method]),
    Header(&'a HeaderName, &'a ValueMatch),
    Query(&'a str, &'a ValueMatch),
    Sources(&'a Networks),
}

/// How specific a match is beyond the text of its path; less comes first.
pub(super) type Rank = (u8, Reverse<usize>, Reverse<usize>, bool, Reverse<Option<u8>>);

// === impl Match ===

impl Match {
    /// Whether all conditions hold.
    pub fn accepts(&self, request: &Request<'_>) -> bool {
        self.failed(&Parts::of(request)).is_none()
    }

    /// The first condition that does not hold.
    pub(super) fn failed(&self, parts: &Parts<'_>) -> Option<Condition<'_>> {
        self.conditions().find(|condition| !condition.holds(parts))
    }

    pub(super) fn rank(&self) -> Rank {
        let path = match (&self.path, &self.grpc) {
            (Some(PathMatch::Exact(_)), _) => 0,
            (None, Some(grpc)) if grpc.service.is_some() => 1,
            (Some(PathMatch::Prefix(_)), _) => 2,
            (Some(PathMatch::Regex(_)), _) | (None, Some(_)) => 3,
            (None, None) => 4,
        };
        // An exact authority before any wildcard, which is before none.
        let authority = self.authorities.iter().map(AuthorityMatch::specificity).min().unwrap_or(0);
        let fields = self.headers.len() + self.query.len();
        // IPv4 networks count as the IPv6 networks that they are mapped to.
        let prefix_bits =
            |network: &ipnet::IpNet| 128 - network.max_prefix_len() + network.prefix_len();
        let source = self.sources.networks().iter().map(prefix_bits).min();
        (path, Reverse(authority), Reverse(fields), self.methods.is_empty(), Reverse(source))
    }

    /// The conditions, the cheap ones first.
    fn conditions(&self) -> impl Iterator<Item = Condition<'_>> {
        let path = self.path.iter().map(Condition::Path);
        let grpc = self.grpc.iter().map(Condition::Grpc);
        let methods = some_slice(&self.methods).map(Condition::Methods);
        let authorities = some_slice(&self.authorities).map(Condition::Authorities);
        let headers = self.headers.iter().map(|(name, value)| Condition::Header(name, value));
        let query = self.query.iter().map(|(name, value)| Condition::Query(name, value));
        let sources = (!self.sources.networks().is_empty()).then_some(&self.sources);
        path.chain(grpc)
            .chain(methods)
            .chain(authorities)
            .chain(headers)
            .chain(query)
            .chain(sources.map(Condition::Sources))
    }
}

fn some_slice<T>(slice: &[T]) -> impl Iterator<Item = &[T]> {
    (!slice.is_empty()).then_some(slice).into_iter()
}

// === impl PathMatch ===

impl PathMatch {
    /// The path is this one.
    pub fn exact(path: &str) -> Result<Self, MatchError> {
        checked_path(path).map(Self::Exact)
    }

    /// The path begins with this text, not necessarily at a slash: `/a` also accepts `/ab`.
    pub fn prefix(path: &str) -> Result<Self, MatchError> {
        checked_path(path).map(Self::Prefix)
    }

    /// The whole path matches this regex.
    pub fn regex(pattern: &str) -> Result<Self, MatchError> {
        Pattern::new(pattern).map(Self::Regex)
    }

    fn holds(&self, path: &[u8]) -> bool {
        match self {
            Self::Exact(text) => path == text.as_bytes(),
            Self::Prefix(text) => path.starts_with(text.as_bytes()),
            Self::Regex(pattern) => pattern.matches(path),
        }
    }
}

fn checked_path(path: &str) -> Result<Box<str>, MatchError> {
    let bad = |byte: u8| byte <= b' ' || byte == 0x7f || byte == b'?' || byte == b'#';
    if !path.starts_with('/') || path.bytes().any(bad) {
        return Err(MatchError::Path(path.to_owned()));
    }
    Ok(path.into())
}

// === impl GrpcMatch ===

impl GrpcMatch {
    /// A call of this service and method; `None`: of any.
    pub fn new(service: Option<&str>, method: Option<&str>) -> Result<Self, MatchError> {
        let checked = |name: &str| {
            let good =
                |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
            let bad = || MatchError::GrpcName(name.to_owned());
            if !name.is_empty() && name.bytes().all(good) { Ok(name.into()) } else { Err(bad()) }
        };
        let service = service.map(checked).transpose()?;
        Ok(Self { service, method: method.map(checked).transpose()? })
    }

    /// The fully qualified name of the service, if it matters.
    pub fn service(&self) -> Option<&str> {
        self.service.as_deref()
    }

    /// The name of the method, if it matters.
    pub fn method(&self) -> Option<&str> {
        self.method.as_deref()
    }

    fn holds(&self, parts: &Parts<'_>) -> bool {
        let Some((service, method)) = parts.grpc_names() else { return false };
        let same = |wanted: &Option<Box<str>>, name: &[u8]| {
            wanted.as_ref().is_none_or(|wanted| wanted.as_bytes() == name)
        };
        same(&self.service, service) && same(&self.method, method) && parts.is_grpc()
    }
}

// === impl Condition ===

impl Condition<'_> {
    fn holds(&self, parts: &Parts<'_>) -> bool {
        match *self {
            Self::Path(path) => path.holds(parts.path),
            Self::Grpc(grpc) => grpc.holds(parts),
            Self::Authorities(any) => parts
                .authority()
                .is_some_and(|authority| any.iter().any(|one| one.holds(authority))),
            Self::Methods(any) => {
                parts.method().is_some_and(|method| any.iter().any(|one| one.as_bytes() == method))
            }
            Self::Header(name, value) => value.holds(name.find(parts.head)),
            Self::Query(name, value) => {
                value.holds(parts.query_parameter(name).map(decoded).as_deref())
            }
            Self::Sources(networks) => networks.contains(parts.source),
        }
    }
}

impl fmt::Display for Condition<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(PathMatch::Exact(text)) => write!(f, "path is {text}"),
            Self::Path(PathMatch::Prefix(text)) => write!(f, "path begins with {text}"),
            Self::Path(PathMatch::Regex(pattern)) => write!(f, "path matches {pattern}"),
            Self::Grpc(grpc) => {
                let (service, method) = (grpc.service(), grpc.method());
                let (service, method) = (service.unwrap_or("*"), method.unwrap_or("*"));
                write!(f, "is a gRPC call of /{service}/{method}")
            }
            Self::Authorities(any) => list(f, "authority is", any),
            Self::Methods(any) => list(f, "method is", any),
            Self::Header(name, value) => write!(f, "header {name} {value}"),
            Self::Query(name, value) => write!(f, "query parameter {name} {value}"),
            Self::Sources(networks) => list(f, "source is in", networks.networks()),
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, what: &str, any: &[impl fmt::Display]) -> fmt::Result {
    f.write_str(what)?;
    for (at, one) in any.iter().enumerate() {
        write!(f, "{}{one}", if at == 0 { " " } else { " or " })?;
    }
    Ok(())
}
