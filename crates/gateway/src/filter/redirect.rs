//! Sends callers to another URL.
//!
//! The location is always a whole URL: a path that begins with two slashes would name a host. A request that
//! is already where it would be sent goes on to its node, so a redirect to `https` is no circle.

use narrows_wire::Name;

use super::path::PathEdit;
use super::{Filter, FilterError, RequestView, Verdict};
use crate::reply::LocalReply;
use crate::route::HeaderName;

/// Redirects requests.
#[derive(Debug)]
pub struct Redirect {
    /// 301, 302, 303, 307, or 308.
    pub status: u16,
    /// Another scheme.
    pub scheme: Option<Box<str>>,
    /// Another host.
    pub host: Option<Box<str>>,
    /// Another port.
    pub port: Option<u16>,
    /// Another path.
    pub path: Option<PathEdit>,
}

// === impl Redirect ===

impl Redirect {
    /// Where the request is to go; `None`: the rule is not for its path.
    fn location(&self, view: &RequestView<'_>) -> Result<Option<Vec<u8>>, FilterError> {
        let head = view.head();
        let authority = head.get(Name::Authority).or_else(|| head.get(Name::Host));
        let authority = authority.ok_or_else(|| FilterError::Missing("an authority".into()))?;
        let scheme = self.scheme.as_deref().unwrap_or(scheme(view));
        let mut url = [scheme.as_bytes(), b"://"].concat();
        match &self.host {
            Some(host) => url.extend_from_slice(host.as_bytes()),
            // The port of one scheme is not that of another.
            None if self.scheme.is_some() || self.port.is_some() => {
                url.extend_from_slice(without_port(authority));
            }
            None => url.extend_from_slice(authority),
        }
        if let Some(port) = self.port {
            url.extend_from_slice(format!(":{port}").as_bytes());
        }
        match &self.path {
            Some(path) if !path.apply(head, &mut url) => return Ok(None),
            Some(_) => {}
            None => url.extend_from_slice(head.get(Name::Path).unwrap_or(b"/")),
        }
        let present = [scheme_of(view), b"://", authority, head.get(Name::Path).unwrap_or(b"/")];
        Ok((url != present.concat()).then_some(url))
    }
}

impl Filter for Redirect {
    fn name(&self) -> &'static str {
        "redirect"
    }

    fn on_request(&self, view: &mut RequestView<'_>) -> Result<Verdict, FilterError> {
        let Some(location) = self.location(view)? else { return Ok(Verdict::Continue) };
        let reply = LocalReply::new(self.status);
        let reply = reply.checked_field(HeaderName::known(Name::Location), &location)?;
        Ok(Verdict::Reply(reply))
    }

    fn sees_replies(&self) -> bool {
        false
    }
}

/// What the caller speaks, as far as is known: a proxy before us may have taken TLS off.
fn scheme(view: &RequestView<'_>) -> &'static str {
    let said = view.head().get(Name::XForwardedProto);
    if view.origin().tls.is_some() || said == Some(b"https") { "https" } else { "http" }
}

fn scheme_of(view: &RequestView<'_>) -> &'static [u8] {
    scheme(view).as_bytes()
}

/// The host of an authority; the brackets of an IPv6 address stay.
fn without_port(authority: &[u8]) -> &[u8] {
    match memchr::memrchr(b':', authority) {
        Some(at) if !authority[at..].contains(&b']') => &authority[..at],
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use narrows_wire::{Head, Indexing};

    use super::super::testing::Call;
    use super::*;

    const NOWHERE: Redirect =
        Redirect { status: 308, scheme: None, host: None, port: None, path: None };

    fn to_https() -> Redirect {
        Redirect { scheme: Some("https".into()), ..NOWHERE }
    }

    fn location(filter: &Redirect, call: &mut Call) -> Option<String> {
        let reply = call.request(filter)?;
        let mut head = Head::new();
        reply.plain(&mut head);
        assert_eq!(head.get(Name::Status), Some(filter.status.to_string().as_bytes()));
        let location = head.get(Name::Location).expect("a location");
        Some(String::from_utf8(location.to_vec()).expect("text"))
    }

    #[test]
    fn https_is_asked_for_without_the_port_of_http() {
        let mut call = Call::get("/a?b=c");
        let location = location(&to_https(), &mut call);
        assert_eq!(location.as_deref(), Some("https://api.example.com/a?b=c"));
    }

    /// The proxy in front of us took TLS off.
    #[test]
    fn a_request_that_is_already_there_goes_on() {
        let mut call = Call::get("/a");
        call.head.set(Name::Authority, b"api.example.com", Indexing::Unique);
        call.head.push(Name::XForwardedProto, b"https", Indexing::Unique);
        assert_eq!(location(&to_https(), &mut call), None);
    }

    #[test]
    fn host_port_and_path_can_be_others() {
        let filter = Redirect {
            status: 302,
            host: Some("new.example.com".into()),
            port: Some(8443),
            path: Some(PathEdit::Prefix { prefix: "/old".into(), replace: "/new".into() }),
            ..to_https()
        };
        let moved = location(&filter, &mut Call::get("/old/x?y"));
        assert_eq!(moved.as_deref(), Some("https://new.example.com:8443/new/x?y"));
        assert_eq!(location(&filter, &mut Call::get("/other")), None);
    }

    /// As a relative location, `//evil.example` would be another host.
    #[test]
    fn a_path_with_two_slashes_is_no_host() {
        let moved = location(&to_https(), &mut Call::get("//evil.example/"));
        assert_eq!(moved.as_deref(), Some("https://api.example.com//evil.example/"));
    }
}
