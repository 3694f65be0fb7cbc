//! Where the connections of a listener for any bytes go: by what the client of a TLS connection asks for,
//! without ending the TLS.
//!
//! The rules are looked at in their order, and the first that fits wins. What a ClientHello says is not
//! proven: rules choose a route, they protect nothing.

use narrows_wire::client_hello::ClientHello;

use crate::route::AuthorityMatch;

/// The rules of a listener.
#[derive(Debug, Clone, Default)]
pub struct Passthrough {
    /// The rules in their order; without any, the first bytes are not looked at.
    pub rules: Vec<TlsRule>,
    /// The route of connections that no rule takes, an index. `None`: they are closed.
    pub otherwise: Option<usize>,
}

/// A rule for TLS connections. All of its conditions must hold.
#[derive(Debug, Clone)]
pub struct TlsRule {
    /// The client asks for one of these hosts; empty: for whichever, or none.
    pub server_names: Vec<AuthorityMatch>,
    /// The client offers one of these protocols (ALPN); empty: whatever it offers.
    pub alpn: Vec<Box<[u8]>>,
    /// The route, an index.
    pub route: usize,
}

// === impl Passthrough ===

impl Passthrough {
    /// The route of a connection; without a hello it is not TLS.
    pub fn find(&self, hello: Option<&ClientHello>) -> Option<usize> {
        let fits = |hello| self.rules.iter().find(|rule| rule.fits(hello)).map(|rule| rule.route);
        hello.and_then(fits).or(self.otherwise)
    }
}

// === impl TlsRule ===

impl TlsRule {
    fn fits(&self, hello: &ClientHello) -> bool {
        let asks =
            |name: &str| self.server_names.iter().any(|wanted| wanted.holds(name.as_bytes()));
        let by_name = self.server_names.is_empty() || hello.server_name().is_some_and(asks);
        let offers = |offered: &[u8]| self.alpn.iter().any(|wanted| **wanted == *offered);
        by_name && (self.alpn.is_empty() || hello.alpn().any(offers))
    }
}
