//! Keys made from a request: `{header.jobid}`, `{grpc.service}/{query.id}`.
//!
//! A template is parsed once; rendering appends bytes to a buffer of the caller and allocates nothing else.
//! A part that the request lacks, or that is empty, is an error that names it: an incomplete key could
//! be another job's key. `{{` and `}}` stand for the braces themselves.

use std::fmt;
use std::io::Write as _;
use std::str::FromStr;

use super::conditions::HeaderName;
use super::parts::{Parts, decode};
use super::{MatchError, Request};

/// The longest key that a template renders, in bytes.
pub const KEY_BYTES_MAX: usize = 1024;

/// A text with variables that a request fills in.
#[derive(Debug, Clone)]
pub struct Template {
    source: Box<str>,
    parts: Box<[Part]>,
}

#[derive(Debug, Clone)]
enum Part {
    Literal(Box<str>),
    Variable(Variable),
}

#[derive(Debug, Clone)]
enum Variable {
    Header(HeaderName),
    Query(Box<str>),
    Cookie(Box<str>),
    Path,
    Authority,
    Method,
    SourceIp,
    GrpcService,
    GrpcMethod,
}

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// Nothing was written.
    #[error("it is empty; expected text with variables such as {{header.jobid}}")]
    Empty,
    /// A `{` without its `}`.
    #[error("no }} closes the {{ at byte {0}; write {{{{ for the brace itself")]
    Unclosed(usize),
    /// A `}` without its `{`.
    #[error("no {{ opens the }} at byte {0}; write }}}} for the brace itself")]
    Unopened(usize),
    /// No such variable.
    #[error("unknown variable {{{0}}}; there are {known}", known = KNOWN)]
    Unknown(String),
    /// A variable whose NAME is not possible.
    #[error("variable {{{0}}} lacks a usable name")]
    BadName(String),
}

/// What keeps a request from filling a template. Written as what it lacks.
#[derive(Debug, Clone, Copy)]
pub struct Missing<'t>(Lack<'t>);

#[derive(Debug, Clone, Copy)]
enum Lack<'t> {
    Variable(&'t Variable),
    ShortKey,
}

const KNOWN: &str = "{header.NAME}, {query.NAME}, {cookie.NAME}, {path}, {authority}, {method}, \
                     {source.ip}, {grpc.service}, {grpc.method}";

// === impl Template ===

impl Template {
    /// Parses a template.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        if text.is_empty() {
            return Err(TemplateError::Empty);
        }
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut at = 0;
        while let Some(found) = text[at..].find(['{', '}']) {
            literal.push_str(&text[at..at + found]);
            at += found;
            let rest = &text[at..];
            if rest.starts_with("{{") || rest.starts_with("}}") {
                literal.push_str(&rest[..1]);
                at += 2;
            } else if let Some(inner) = rest.strip_prefix('{') {
                let end = inner.find(['{', '}']).filter(|end| inner[*end..].starts_with('}'));
                let name = &inner[..end.ok_or(TemplateError::Unclosed(at))?];
                push_literal(&mut parts, &mut literal);
                parts.push(Part::Variable(name.parse()?));
                at += name.len() + 2;
            } else {
                return Err(TemplateError::Unopened(at));
            }
        }
        literal.push_str(&text[at..]);
        push_literal(&mut parts, &mut literal);
        Ok(Self { source: text.into(), parts: parts.into() })
    }

    /// Replaces what `out` holds by the key of this request.
    pub fn render(&self, request: &Request<'_>, out: &mut Vec<u8>) -> Result<(), Missing<'_>> {
        out.clear();
        for part in &self.parts {
            match part {
                Part::Literal(text) => out.extend_from_slice(text.as_bytes()),
                Part::Variable(variable) => {
                    let before = out.len();
                    variable.render(request, out);
                    if out.len() == before {
                        return Err(Missing(Lack::Variable(variable)));
                    }
                }
            }
            if out.len() > KEY_BYTES_MAX {
                return Err(Missing(Lack::ShortKey));
            }
        }
        Ok(())
    }
}

fn push_literal(parts: &mut Vec<Part>, literal: &mut String) {
    if !literal.is_empty() {
        parts.push(Part::Literal(std::mem::take(literal).into()));
    }
}

impl FromStr for Template {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        Self::parse(text)
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

// === impl Variable ===

impl Variable {
    /// Appends the value, nothing if the request lacks it. At most one byte over the limit of a key.
    fn render(&self, request: &Request<'_>, out: &mut Vec<u8>) {
        let parts = || Parts::of(request);
        let value = match self {
            Self::Header(name) => name.find(request.head),
            Self::Cookie(name) => parts().cookie(name),
            Self::Path => Some(parts().path),
            Self::Authority => parts().authority(),
            Self::Method => parts().method(),
            Self::GrpcService => parts().grpc_names().map(|(service, _)| service),
            Self::GrpcMethod => parts().grpc_names().map(|(_, method)| method),
            Self::Query(name) => {
                let value = parts().query_parameter(name).unwrap_or_default();
                return out.extend(decode(value).take(KEY_BYTES_MAX + 1));
            }
            Self::SourceIp => {
                // Writing to a vector does not fail.
                let _ = write!(out, "{}", request.source.to_canonical());
                return;
            }
        };
        let value = value.unwrap_or_default();
        out.extend_from_slice(&value[..value.len().min(KEY_BYTES_MAX + 1)]);
    }
}

impl FromStr for Variable {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        let bad = || TemplateError::BadName(text.to_owned());
        let named = |name: &str| if name.is_empty() { Err(bad()) } else { Ok(name.into()) };
        match text.split_once('.') {
            Some(("header", name)) => {
                HeaderName::new(name).map(Self::Header).map_err(|_: MatchError| bad())
            }
            Some(("query", name)) => named(name).map(Self::Query),
            Some(("cookie", name)) => named(name).map(Self::Cookie),
            Some(("source", "ip")) => Ok(Self::SourceIp),
            Some(("grpc", "service")) => Ok(Self::GrpcService),
            Some(("grpc", "method")) => Ok(Self::GrpcMethod),
            None if text == "path" => Ok(Self::Path),
            None if text == "authority" => Ok(Self::Authority),
            None if text == "method" => Ok(Self::Method),
            Some(_) | None => Err(TemplateError::Unknown(text.to_owned())),
        }
    }
}

impl fmt::Display for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name) => write!(f, "header {name}"),
            Self::Query(name) => write!(f, "query parameter {name}"),
            Self::Cookie(name) => write!(f, "cookie {name}"),
            Self::Path => f.write_str("a path"),
            Self::Authority => f.write_str("an authority"),
            Self::Method => f.write_str("a method"),
            Self::SourceIp => f.write_str("a source address"),
            Self::GrpcService => f.write_str("a gRPC service in its path"),
            Self::GrpcMethod => f.write_str("a gRPC method in its path"),
        }
    }
}

// === impl Missing ===

impl fmt::Display for Missing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Lack::Variable(variable) => write!(f, "{variable}"),
            Lack::ShortKey => write!(f, "a key of at most {KEY_BYTES_MAX} bytes"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use narrows_wire::{Head, Indexing};

    use super::*;

    fn head(fields: &[(&str, &str)]) -> Head {
        let mut head = Head::new();
        for (name, value) in fields {
            head.push_text(name.as_bytes(), value.as_bytes(), Indexing::MayRepeat);
        }
        head
    }

    fn render(template: &str, head: &Head) -> Result<String, String> {
        let template = Template::parse(template).expect(template);
        let request =
            Request { head, source: "::ffff:10.0.0.1".parse::<IpAddr>().expect("an address") };
        let mut key = b"what was there before".to_vec();
        template.render(&request, &mut key).map_err(|missing| missing.to_string())?;
        Ok(String::from_utf8(key).expect("the parts are text"))
    }

    #[test]
    fn every_variable_is_filled_from_the_request() {
        let head = head(&[
            (":method", "POST"),
            (":path", "/a.B/C?id=x%2Fy"),
            (":authority", "h:1"),
            ("jobid", "7"),
            ("user-agent", "u"),
            ("cookie", "s=t"),
        ]);
        for (template, key) in [
            ("{header.JobId}", "7"),
            ("{header.user-agent}", "u"),
            ("job:{header.jobid}:{{x}}", "job:7:{x}"),
            ("{path}", "/a.B/C"),
            ("{authority} {method}", "h:1 POST"),
            ("{grpc.service}|{grpc.method}", "a.B|C"),
            ("{query.id}", "x/y"),
            ("{cookie.s}", "t"),
            ("{source.ip}", "10.0.0.1"),
            ("constant", "constant"),
        ] {
            assert_eq!(render(template, &head), Ok(key.to_owned()), "{template}");
            assert_eq!(Template::parse(template).expect(template).to_string(), template);
        }
    }

    #[test]
    fn a_part_that_is_missing_or_empty_is_named() {
        let head = head(&[(":path", "/x?e="), ("empty", "")]);
        for (template, lack) in [
            ("a{header.jobid}", "header jobid"),
            ("{header.empty}", "header empty"),
            ("{query.e}", "query parameter e"),
            ("{cookie.c}", "cookie c"),
            ("{grpc.method}", "a gRPC method in its path"),
        ] {
            assert_eq!(render(template, &head), Err(lack.to_owned()), "{template}");
        }
    }

    #[test]
    fn a_key_of_1024_bytes_is_the_longest() {
        let head = |length: usize| {
            head(&[("a", &"x".repeat(length)), (":path", &"/?q=%78".repeat(2_000))])
        };
        assert_eq!(render("-{header.a}", &head(1023)).map(|key| key.len()), Ok(KEY_BYTES_MAX));
        let too_long = Err("a key of at most 1024 bytes".to_owned());
        assert_eq!(render("-{header.a}", &head(1024)), too_long);
        assert_eq!(render("{header.a}", &head(100_000)), too_long);
        assert_eq!(render("{query.q}", &head(0)), too_long);
    }

    #[test]
    fn what_is_no_template_says_why() {
        let error = |text: &str| Template::parse(text).expect_err(text);
        assert_eq!(error(""), TemplateError::Empty);
        assert_eq!(error("a{path"), TemplateError::Unclosed(1));
        assert_eq!(error("{pa{path}"), TemplateError::Unclosed(0));
        assert_eq!(error("{path}}"), TemplateError::Unopened(6));
        assert_eq!(error("{headers.x}"), TemplateError::Unknown("headers.x".into()));
        assert_eq!(error("{}"), TemplateError::Unknown("".into()));
        assert_eq!(error("{header.}"), TemplateError::BadName("header.".into()));
        assert_eq!(error("{header.:path}"), TemplateError::BadName("header.:path".into()));
        assert_eq!(error("{query.}"), TemplateError::BadName("query.".into()));
        assert_eq!(
            error("{jobid}").to_string(),
            "unknown variable {jobid}; there are {header.NAME}, {query.NAME}, {cookie.NAME}, {path}, \
             {authority}, {method}, {source.ip}, {grpc.service}, {grpc.method}"
        );
    }
}
