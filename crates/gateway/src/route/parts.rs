//! A request taken apart: path and query, authority, gRPC names, query parameters, cookies.
//!
//! Everything borrows from the head. The path is used as it was sent: nothing is decoded or normalised,
//! so what is matched is what is forwarded. Query parameters are decoded, as forms write them.

use std::borrow::Cow;
use std::net::IpAddr;

use narrows_wire::{Head, Name};

use super::Request;

/// A request whose path has been split from its query.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parts<'a> {
    pub(super) head: &'a Head,
    pub(super) source: IpAddr,
    /// Without the query; empty if there is none (CONNECT).
    pub(super) path: &'a [u8],
    /// What follows the `?`.
    query: &'a [u8],
}

// === impl Parts ===

impl<'a> Parts<'a> {
    pub(super) fn of(request: &Request<'a>) -> Self {
        let Request { head, source } = *request;
        let target = head.get(Name::Path).unwrap_or_default();
        let (path, query) = split(target, b'?').unwrap_or((target, b""));
        Self { head, source, path, query }
    }

    pub(super) fn method(&self) -> Option<&'a [u8]> {
        self.head.get(Name::Method)
    }

    /// As sent, a port included.
    pub(super) fn authority(&self) -> Option<&'a [u8]> {
        self.head.get(Name::Authority).or_else(|| self.head.get(Name::Host))
    }

    /// Service and method, if the path is `/service/method`.
    pub(super) fn grpc_names(&self) -> Option<(&'a [u8], &'a [u8])> {
        let (service, method) = split(self.path.strip_prefix(b"/")?, b'/')?;
        Some((service, method)).filter(|_| memchr::memchr(b'/', method).is_none())
    }

    /// Whether the content type says gRPC.
    pub(super) fn is_grpc(&self) -> bool {
        const TYPE: &[u8] = b"application/grpc";
        let content_type = self.head.get(Name::ContentType).unwrap_or_default();
        content_type.get(..TYPE.len()).is_some_and(|text| text.eq_ignore_ascii_case(TYPE))
    }

    /// The first query parameter with this (decoded) name, still encoded.
    pub(super) fn query_parameter(&self, name: &str) -> Option<&'a [u8]> {
        let parameters = self.query.split(|byte| *byte == b'&');
        parameters
            .map(|parameter| split(parameter, b'=').unwrap_or((parameter, b"")))
            .find(|(encoded, _)| decode(encoded).eq(name.bytes()))
            .map(|(_, value)| value)
    }

    /// The first cookie with this name. HTTP/2 may spread cookies over fields (RFC 9113 §8.2.3).
    pub(super) fn cookie(&self, name: &str) -> Option<&'a [u8]> {
        let head = self.head;
        head.fields()
            .iter()
            .filter(|field| field.name == Name::Cookie)
            .flat_map(|field| head.value(field).split(|byte| *byte == b';'))
            .filter_map(|pair| split(pair.trim_ascii(), b'='))
            .find(|(pair_name, _)| *pair_name == name.as_bytes())
            .map(|(_, value)| value)
    }
}

/// The bytes of a form-encoded text. A `%` that begins no escape stands for itself.
pub(super) fn decode(encoded: &[u8]) -> impl Iterator<Item = u8> {
    let mut rest = encoded;
    std::iter::from_fn(move || {
        let (first, mut tail) = rest.split_first()?;
        let mut byte = if *first == b'+' { b' ' } else { *first };
        if let (b'%', [high, low, after @ ..]) = (*first, tail)
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            (byte, tail) = (high << 4 | low, after);
        }
        rest = tail;
        Some(byte)
    })
}

/// As [`decode`], in one piece. Allocates only if something is encoded.
pub(super) fn decoded(encoded: &[u8]) -> Cow<'_, [u8]> {
    match memchr::memchr2(b'%', b'+', encoded) {
        None => Cow::Borrowed(encoded),
        Some(_) => Cow::Owned(decode(encoded).collect()),
    }
}

/// Host and port of an authority. The brackets of an IPv6 address stay.
pub(super) fn host_and_port(authority: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr::memrchr(b':', authority) {
        Some(at) if !authority[at..].contains(&b']') => {
            (&authority[..at], Some(&authority[at + 1..]))
        }
        _ => (authority, None),
    }
}

fn split(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let at = memchr::memchr(at, text)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

#[cfg(test)]
mod tests {
    use narrows_wire::Indexing;

    use super::*;

    fn with_parts(fields: &[(&str, &str)], check: impl FnOnce(Parts<'_>)) {
        let mut head = Head::new();
        for (name, value) in fields {
            head.push_text(name.as_bytes(), value.as_bytes(), Indexing::MayRepeat);
        }
        check(Parts::of(&Request { head: &head, source: IpAddr::from([127, 0, 0, 1]) }));
    }

    #[test]
    fn query_parameters_are_found_by_their_decoded_name() {
        with_parts(&[(":path", "/a?x&job%20id=a%2Fb+c%zz&job id=2&=3&%78=4")], |parts| {
            assert_eq!(parts.path, b"/a");
            let value = |name| parts.query_parameter(name).map(|value| decoded(value).into_owned());
            assert_eq!(value("x"), Some(b"".to_vec()));
            assert_eq!(value("job id"), Some(b"a/b c%zz".to_vec()));
            assert_eq!(value(""), Some(b"3".to_vec()));
            assert_eq!(value("job"), None);
        });
    }

    #[test]
    fn cookies_are_found_in_all_their_fields() {
        with_parts(&[("cookie", "a=1; bb=2"), ("cookie", "c=3=4;d")], |parts| {
            assert_eq!(parts.cookie("bb"), Some(&b"2"[..]));
            assert_eq!(parts.cookie("c"), Some(&b"3=4"[..]));
            assert_eq!(parts.cookie("b"), None);
            assert_eq!(parts.cookie("d"), None);
        });
    }

    #[test]
    fn only_a_path_of_two_segments_names_a_grpc_method() {
        for (path, names) in [
            ("/a.B/C", Some(("a.B", "C"))),
            ("/a.B/C?x=1", Some(("a.B", "C"))),
            ("/a.B", None),
            ("/a/b/c", None),
            ("a/b", None),
            ("*", None),
        ] {
            with_parts(&[(":path", path)], |parts| {
                let expected =
                    names.map(|(service, method)| (service.as_bytes(), method.as_bytes()));
                assert_eq!(parts.grpc_names(), expected, "{path}");
            });
        }
    }

    #[test]
    fn the_port_is_told_from_an_ipv6_address() {
        assert_eq!(host_and_port(b"a.b:80"), (&b"a.b"[..], Some(&b"80"[..])));
        assert_eq!(host_and_port(b"[::1]"), (&b"[::1]"[..], None));
        assert_eq!(host_and_port(b"[::1]:8"), (&b"[::1]"[..], Some(&b"8"[..])));
        assert_eq!(host_and_port(b"a"), (&b"a"[..], None));
    }
}
