//! `google.api.http` annotations as they stand in the options of a method.
//!
//! They are read by the numbers of their fields, not by names, so that a set of descriptors that lacks
//! `google/api/annotations.proto`, or has a shortened one, is understood as well.

use prost::Message as _;
use prost_reflect::MethodDescriptor;

use crate::fault::Wrong;

/// The options of a method, as far as they are looked at.
#[derive(Clone, PartialEq, prost::Message)]
struct MethodOptions {
    #[prost(message, optional, tag = "72295728")]
    http: Option<HttpRule>,
}

/// `google.api.HttpRule`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct HttpRule {
    #[prost(oneof = "Pattern", tags = "2, 3, 4, 5, 6, 8")]
    pub(crate) pattern: Option<Pattern>,
    #[prost(string, tag = "7")]
    pub(crate) body: String,
    #[prost(string, tag = "12")]
    pub(crate) response_body: String,
    #[prost(message, repeated, tag = "11")]
    pub(crate) additional_bindings: Vec<HttpRule>,
}

/// The method and the path.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum Pattern {
    #[prost(string, tag = "2")]
    Get(String),
    #[prost(string, tag = "3")]
    Put(String),
    #[prost(string, tag = "4")]
    Post(String),
    #[prost(string, tag = "5")]
    Delete(String),
    #[prost(string, tag = "6")]
    Patch(String),
    #[prost(message, tag = "8")]
    Custom(CustomHttpPattern),
}

/// `google.api.CustomHttpPattern`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct CustomHttpPattern {
    #[prost(string, tag = "1")]
    pub(crate) kind: String,
    #[prost(string, tag = "2")]
    pub(crate) path: String,
}

/// The rules of a method: its annotation, and the additional bindings behind it.
pub(crate) fn rules(method: &MethodDescriptor) -> Result<Vec<HttpRule>, Wrong> {
    let options = method.options().encode_to_vec();
    let options = MethodOptions::decode(options.as_slice()).map_err(|_| Wrong::Annotation)?;
    let Some(mut rule) = options.http else { return Ok(Vec::new()) };
    let additional = std::mem::take(&mut rule.additional_bindings);
    if additional.iter().any(|rule| !rule.additional_bindings.is_empty()) {
        return Err(Wrong::Nested);
    }
    let mut rules = vec![rule];
    rules.extend(additional);
    Ok(rules)
}

// === impl Pattern ===

impl Pattern {
    /// The HTTP method, `*` for any, and the path.
    pub(crate) fn parts(&self) -> (&str, &str) {
        match self {
            Self::Get(path) => ("GET", path),
            Self::Put(path) => ("PUT", path),
            Self::Post(path) => ("POST", path),
            Self::Delete(path) => ("DELETE", path),
            Self::Patch(path) => ("PATCH", path),
            Self::Custom(custom) => (&custom.kind, &custom.path),
        }
    }
}
