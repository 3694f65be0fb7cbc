//! The forward proxy: a caller inside names the host that it wants to reach, by CONNECT or in the target of its
//! request.
//!
//! It is closed unless everything is named: who may ask (by a password, RFC 7617), for which hosts and ports,
//! and in which networks their addresses may be. A name that is allowed but resolves to an address that is not
//! goes nowhere, so nobody reaches the inside by a name of his own. `worker/request.rs` asks, before a route is
//! taken.

use std::net::IpAddr;
use std::sync::Arc;

use narrows_wire::{Head, Name};

use crate::reply::Cause;
use crate::route::AuthorityMatch;
use crate::target::{Host, Scheme, Target};

/// The port of a target that names none (RFC 9110 §4.2.1).
const HTTP_PORT: u16 = 80;

/// Who may reach what through a listener.
#[derive(Debug)]
pub struct Forward {
    /// What `proxy-authorization` may hold behind `Basic `, each in base64.
    pub credentials: Vec<Box<[u8]>>,
    /// The names that may be asked for.
    pub hosts: Vec<AuthorityMatch>,
    /// The ports that may be asked for.
    pub ports: Vec<u16>,
    /// The route of CONNECT, an index.
    pub tunnels: usize,
    /// The route of other requests, an index.
    pub requests: usize,
}

// === impl Forward ===

impl Forward {
    /// Where a request goes and the route that takes it there. The credentials are taken out of its head: they
    /// are for this hop alone.
    pub fn admit(&self, head: &mut Head) -> Result<(usize, Arc<Target>), Cause> {
        if !self.knows(head.get(Name::ProxyAuthorization).unwrap_or_default()) {
            return Err(Cause::ProxyAuthRequired);
        }
        head.remove(Name::ProxyAuthorization);
        let is_connect = head.get(Name::Method) == Some(b"CONNECT");
        let secure = head.get(Name::Scheme) == Some(b"https");
        // TLS towards a host is the caller's own, inside a tunnel.
        if secure && !is_connect {
            return Err(Cause::ForwardDenied);
        }
        let authority = head.get(Name::Authority).unwrap_or_default();
        let target = self.target(authority, is_connect).ok_or(Cause::ForwardDenied)?;
        Ok((if is_connect { self.tunnels } else { self.requests }, Arc::new(target)))
    }

    fn knows(&self, given: &[u8]) -> bool {
        let Some((scheme, token)) = given.split_at_checked(6) else { return false };
        if !scheme.eq_ignore_ascii_case(b"basic ") {
            return false;
        }
        // Every one is compared, and every byte of it: how long it takes tells nothing.
        self.credentials.iter().fold(false, |known, wanted| known | is_same(wanted, token))
    }

    fn target(&self, authority: &[u8], is_connect: bool) -> Option<Target> {
        let text = std::str::from_utf8(authority).ok()?;
        let has_port = text.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
        let target: Target = match has_port {
            true => text.parse().ok()?,
            // RFC 9110 §9.3.6: CONNECT names a port.
            false if is_connect => return None,
            false => format!("{text}:{HTTP_PORT}").parse().ok()?,
        };
        let named = match &target.host {
            Host::Name(name) => self.hosts.iter().any(|host| host.holds(name.as_bytes())),
            // Addresses are judged by their networks alone.
            Host::Ip(IpAddr::V4(_) | IpAddr::V6(_)) => true,
        };
        let fits = target.scheme == Scheme::Inherit && self.ports.contains(&target.port) && named;
        fits.then_some(target)
    }
}

fn is_same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use narrows_wire::Indexing;

    fn forward() -> Forward {
        Forward {
            credentials: vec![b"YTpi"[..].into()],
            hosts: vec![AuthorityMatch::new("*.example.com").expect("a pattern")],
            ports: vec![80, 443],
            tunnels: 7,
            requests: 8,
        }
    }

    fn head(method: &str, authority: &str, credentials: &str) -> Head {
        let mut head = Head::new();
        head.push(Name::Method, method.as_bytes(), Indexing::MayRepeat);
        if method != "CONNECT" {
            head.push(Name::Scheme, b"http", Indexing::MayRepeat);
        }
        head.push(Name::Authority, authority.as_bytes(), Indexing::MayRepeat);
        head.push(Name::ProxyAuthorization, credentials.as_bytes(), Indexing::MayRepeat);
        head
    }

    fn admitted(method: &str, authority: &str) -> Result<(usize, String), Cause> {
        let admitted = forward().admit(&mut head(method, authority, "Basic YTpi"));
        admitted.map(|(route, target)| (route, target.to_string()))
    }

    #[test]
    fn who_is_not_known_is_asked_who_he_is() {
        for credentials in ["", "Basic", "Basic YTpj", "Basic YTp", "Bearer YTpi", "YTpi"] {
            let mut head = head("CONNECT", "a.example.com:443", credentials);
            assert_eq!(forward().admit(&mut head).err(), Some(Cause::ProxyAuthRequired));
        }
        let mut head = head("CONNECT", "a.example.com:443", "bAsIc YTpi");
        assert!(forward().admit(&mut head).is_ok());
        assert_eq!(head.get(Name::ProxyAuthorization), None, "it is for this hop");
    }

    #[test]
    fn only_what_is_named_can_be_reached() {
        assert_eq!(admitted("CONNECT", "a.example.com:443"), Ok((7, "a.example.com:443".into())));
        assert_eq!(admitted("GET", "a.example.com"), Ok((8, "a.example.com:80".into())));
        assert_eq!(admitted("GET", "10.1.2.3"), Ok((8, "10.1.2.3:80".into())));
        for denied in ["example.com:443", "a.example.org:443", "a.example.com:22", "a.example.com"]
        {
            assert_eq!(admitted("CONNECT", denied), Err(Cause::ForwardDenied), "{denied}");
        }
        let mut secure = head("GET", "a.example.com:443", "Basic YTpi");
        secure.set(Name::Scheme, b"https", Indexing::MayRepeat);
        assert_eq!(forward().admit(&mut secure).err(), Some(Cause::ForwardDenied));
    }
}
