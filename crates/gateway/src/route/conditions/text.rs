//! The texts of a match: names, authorities, and what a value is compared with.
//!
//! A value of a type here has been checked and, where it is a regex, compiled. Header names are held in
//! lower case together with their place among the known names, so looking one up compares no text.

use std::fmt;

use narrows_wire::{Head, Indexing, Name};

use super::MatchError;
use crate::route::parts::host_and_port;

/// The largest memory that a compiled regex may take.
pub(super) const REGEX_BYTES_MAX: usize = 256 * 1024;

/// A condition on a value.
#[derive(Debug, Clone)]
pub enum ValueMatch {
    /// It is this.
    Exact(Box<[u8]>),
    /// It begins with this.
    Prefix(Box<[u8]>),
    /// It ends with this.
    Suffix(Box<[u8]>),
    /// It holds this.
    Contains(Box<[u8]>),
    /// All of it matches this.
    Regex(Pattern),
    /// It is there, be it empty.
    Present,
    /// It is not there.
    Absent,
}

/// A regex that a whole text has to match, byte by byte: `.` and the classes know no Unicode.
#[derive(Clone)]
pub struct Pattern {
    regex: regex::bytes::Regex,
    source: Box<str>,
}

/// The name of a header field, not a pseudo field.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HeaderName {
    known: Name,
    text: Box<str>,
}

/// A request method. Case matters (RFC 9110 §9.1).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Method(Box<str>);

/// A host, or all below a domain. Case does not matter, nor does the port unless one is given.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AuthorityMatch {
    kind: AuthorityKind,
    /// Lower case. For a wildcard, what follows the `*`: the dot and the domain.
    host: Box<str>,
    port: Option<u16>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum AuthorityKind {
    Exact,
    Below,
}

// === impl ValueMatch ===

impl ValueMatch {
    pub(super) fn holds(&self, value: Option<&[u8]>) -> bool {
        let Some(value) = value else { return matches!(self, Self::Absent) };
        match self {
            Self::Exact(text) => *value == **text,
            Self::Prefix(text) => value.starts_with(text),
            Self::Suffix(text) => value.ends_with(text),
            Self::Contains(text) => memchr::memmem::find(value, text).is_some(),
            Self::Regex(pattern) => pattern.matches(value),
            Self::Present => true,
            Self::Absent => false,
        }
    }
}

impl fmt::Display for ValueMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (relation, text) = match self {
            Self::Exact(text) => ("is", text),
            Self::Prefix(text) => ("begins with", text),
            Self::Suffix(text) => ("ends with", text),
            Self::Contains(text) => ("contains", text),
            Self::Regex(pattern) => return write!(f, "matches {pattern}"),
            Self::Present => return f.write_str("is present"),
            Self::Absent => return f.write_str("is absent"),
        };
        write!(f, "{relation} {}", text.escape_ascii())
    }
}

// === impl Pattern ===

impl Pattern {
    /// Compiles a regex. Its memory is limited to 256 KiB, its time grows with the text alone.
    pub fn new(source: &str) -> Result<Self, MatchError> {
        let compile = |source: &str| {
            let mut builder = regex::bytes::RegexBuilder::new(source);
            builder.unicode(false).size_limit(REGEX_BYTES_MAX).dfa_size_limit(REGEX_BYTES_MAX);
            builder.build().map_err(|error| MatchError::Regex(error.to_string()))
        };
        // By itself first: `a)|(b` is wrong, although it would become right between the anchors.
        compile(source)?;
        let regex = compile(&format!(r"\A(?:{source})\z"))?;
        Ok(Self { regex, source: source.into() })
    }

    /// Appends `template` to `out` if all of `text` matches; `$1` or `${name}` stands for what a group
    /// matched.
    pub fn expand(&self, text: &[u8], template: &str, out: &mut Vec<u8>) -> bool {
        let Some(groups) = self.regex.captures(text) else { return false };
        groups.expand(template.as_bytes(), out);
        true
    }

    /// Whether all of `text` matches.
    pub fn matches(&self, text: &[u8]) -> bool {
        self.regex.is_match(text)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({:?})", self.source)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

// === impl HeaderName ===

impl HeaderName {
    /// The name in any case.
    pub fn new(name: &str) -> Result<Self, MatchError> {
        if !is_token(name) {
            return Err(MatchError::HeaderName(name.to_owned()));
        }
        let text = name.to_ascii_lowercase();
        Ok(Self { known: Name::of(text.as_bytes()), text: text.into() })
    }

    /// A known name that is no pseudo field.
    pub fn known(name: Name) -> Self {
        debug_assert!(name != Name::Other && !name.is_pseudo(), "it is a field of its own");
        Self { known: name, text: name.as_str().into() }
    }

    /// The name in lower case.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Appends a field with this name.
    pub fn push_to(&self, head: &mut Head, value: &[u8]) {
        match self.known {
            Name::Other => head.push_other(self.text.as_bytes(), value, Indexing::MayRepeat),
            known => head.push(known, value, Indexing::MayRepeat),
        }
    }

    /// Gives the field this value, in place of any that it had.
    pub fn set_in(&self, head: &mut Head, value: &[u8]) {
        self.remove_from(head);
        self.push_to(head, value);
    }

    /// Removes all fields with this name.
    pub fn remove_from(&self, head: &mut Head) {
        match self.known {
            Name::Other => head.retain(|head, field| head.name(field) != self.text.as_bytes()),
            known => head.remove(known),
        }
    }

    /// The value of the first field with this name.
    pub fn find<'h>(&self, head: &'h Head) -> Option<&'h [u8]> {
        match self.known {
            Name::Other => head.find_other(self.text.as_bytes()),
            known => head.get(known),
        }
    }
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

// === impl Method ===

impl Method {
    /// The method as requests write it.
    pub fn new(method: &str) -> Result<Self, MatchError> {
        if !is_token(method) {
            return Err(MatchError::Method(method.to_owned()));
        }
        Ok(Self(method.into()))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// === impl AuthorityMatch ===

impl AuthorityMatch {
    /// `host`, `host:port`, `[v6]`, or `*.domain`, which takes hosts of one or more labels before the
    /// domain but not the domain itself.
    pub fn new(text: &str) -> Result<Self, MatchError> {
        let bad = || MatchError::Authority(text.to_owned());
        let (kind, rest) = match text.strip_prefix('*') {
            Some(rest) if rest.starts_with('.') => (AuthorityKind::Below, rest),
            Some(_) => return Err(bad()),
            None => (AuthorityKind::Exact, text),
        };
        let (host, port) = host_and_port(rest.as_bytes());
        let port = port.map(|port| parse_port(port).ok_or_else(bad)).transpose()?;
        let host = rest.get(..host.len()).ok_or_else(bad)?;
        let name = host.strip_prefix('.').unwrap_or(host);
        let in_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        let is_v6 = || {
            let inner = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
            inner.is_some_and(|inner| inner.parse::<std::net::Ipv6Addr>().is_ok())
        };
        if name.is_empty() || name.starts_with('.') || !(name.bytes().all(in_name) || is_v6()) {
            return Err(bad());
        }
        Ok(Self { kind, host: host.to_ascii_lowercase().into(), port })
    }

    /// Whether it is this host, or one of these.
    pub fn holds(&self, authority: &[u8]) -> bool {
        let (host, port) = host_and_port(authority);
        if self.port.is_some_and(|wanted| port.and_then(parse_port) != Some(wanted)) {
            return false;
        }
        let wanted = self.host.as_bytes();
        match self.kind {
            AuthorityKind::Exact => host.eq_ignore_ascii_case(wanted),
            AuthorityKind::Below => host
                .split_at_checked(host.len().saturating_sub(wanted.len()))
                .is_some_and(|(label, end)| !label.is_empty() && end.eq_ignore_ascii_case(wanted)),
        }
    }

    /// More is more specific: the length of a wildcard's domain, or the largest number for a host.
    pub(super) fn specificity(&self) -> usize {
        match self.kind {
            AuthorityKind::Exact => usize::MAX,
            AuthorityKind::Below => self.host.len(),
        }
    }
}

impl fmt::Display for AuthorityMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let star = if self.kind == AuthorityKind::Below { "*" } else { "" };
        write!(f, "{star}{}", self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

fn parse_port(text: &[u8]) -> Option<u16> {
    std::str::from_utf8(text).ok().filter(|text| !text.starts_with('+'))?.parse().ok()
}

/// RFC 9110 §5.6.2.
fn is_token(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_compared_as_their_condition_says() {
        let text = |text: &str| text.as_bytes().into();
        let rows = [
            (ValueMatch::Exact(text("ab")), "ab", "abc"),
            (ValueMatch::Prefix(text("ab")), "abc", "cab"),
            (ValueMatch::Suffix(text("ab")), "cab", "abc"),
            (ValueMatch::Contains(text("ab")), "cabc", "acb"),
            (ValueMatch::Regex(Pattern::new("a|b+").expect("valid")), "bb", "ab"),
        ];
        for (condition, good, bad) in rows {
            assert!(condition.holds(Some(good.as_bytes())), "{condition}: {good}");
            assert!(!condition.holds(Some(bad.as_bytes())), "{condition}: {bad}");
            assert!(!condition.holds(None), "{condition}");
        }
        assert!(ValueMatch::Present.holds(Some(b"")) && !ValueMatch::Present.holds(None));
        assert!(ValueMatch::Absent.holds(None) && !ValueMatch::Absent.holds(Some(b"")));
    }

    #[test]
    fn a_regex_that_is_wrong_or_too_large_is_refused() {
        for source in ["(", "a)|(b", r"(\w{100}){100}"] {
            assert!(matches!(Pattern::new(source), Err(MatchError::Regex(_))), "{source}");
        }
    }

    #[test]
    fn authorities_ignore_case_and_a_port_that_was_not_given() {
        let rows = [
            ("a.com", "A.com:8080", true),
            ("a.com", "b.a.com", false),
            ("a.com:80", "a.com:80", true),
            ("a.com:80", "a.com", false),
            ("a.com:80", "a.com:81", false),
            ("*.a.com", "b.c.A.com:1", true),
            ("*.a.com", "a.com", false),
            ("*.a.com", ".a.com", false),
            ("*.a.com", "ba.com", false),
            ("*.a.com:5", "b.a.com:5", true),
            ("[::1]", "[::1]:5", true),
            ("[::1]:5", "[::1]", false),
        ];
        for (text, authority, expected) in rows {
            let wanted = AuthorityMatch::new(text).expect(text);
            assert_eq!(wanted.holds(authority.as_bytes()), expected, "{text} {authority}");
            assert_eq!(wanted.to_string(), text);
        }
    }

    #[test]
    fn what_no_request_can_hold_is_refused() {
        for text in
            ["", "*", "*.", "*a.com", "a b", "a:", "a:x", "a:+1", "[::g]", "..a", "http://a"]
        {
            assert_eq!(AuthorityMatch::new(text), Err(MatchError::Authority(text.into())));
        }
        for text in ["", ":path", "a b", "a:"] {
            assert_eq!(HeaderName::new(text), Err(MatchError::HeaderName(text.into())));
            assert_eq!(Method::new(text), Err(MatchError::Method(text.into())));
        }
    }
}
