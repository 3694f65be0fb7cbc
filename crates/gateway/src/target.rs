//! Where a call goes: the value of a lookup, parsed once.
//!
//! Written as `host:port`, `[v6]:port`, `grpc://host:port` (plaintext), or `grpcs://host:port` (TLS). A host is
//! an address or a DNS name; names are resolved by the control plane, never by a worker.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// Whether a target is spoken to in the clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// As the upstream says: no scheme was written.
    Inherit,
    /// `grpc://`: HTTP/2 in the clear.
    Plain,
    /// `grpcs://`: HTTP/2 over TLS.
    Tls,
}

/// A host by address or by name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// An address; nothing to resolve.
    Ip(IpAddr),
    /// A DNS name, lower case.
    Name(Box<str>),
}

/// A parsed target. Compared and hashed by content.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// How to speak to it.
    pub scheme: Scheme,
    /// The host.
    pub host: Host,
    /// The TCP port, never 0.
    pub port: u16,
}

/// Why a text is no target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Nothing was written.
    #[error("it is empty; expected host:port")]
    Empty,
    /// A scheme that is not `grpc` or `grpcs`.
    #[error("unknown scheme {0:?}; expected grpc:// or grpcs://")]
    Scheme(String),
    /// No `:port` at the end.
    #[error("no port; expected host:port")]
    NoPort,
    /// The port is not in 1 to 65535.
    #[error("bad port {0:?}; expected 1 to 65535")]
    Port(String),
    /// The host is neither an address nor a DNS name.
    #[error("bad host {0:?}")]
    Host(String),
}

// === impl Target ===

impl Target {
    /// The socket address, if nothing has to be resolved.
    pub fn address(&self) -> Option<SocketAddr> {
        match self.host {
            Host::Ip(ip) => Some(SocketAddr::new(ip, self.port)),
            Host::Name(_) => None,
        }
    }
}

impl From<SocketAddr> for Target {
    fn from(address: SocketAddr) -> Self {
        Self { scheme: Scheme::Inherit, host: Host::Ip(address.ip()), port: address.port() }
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(TargetError::Empty);
        }
        let (scheme, rest) = match text.split_once("://") {
            None => (Scheme::Inherit, text),
            Some(("grpc", rest)) => (Scheme::Plain, rest),
            Some(("grpcs", rest)) => (Scheme::Tls, rest),
            Some((other, _)) => return Err(TargetError::Scheme(other.to_owned())),
        };
        let (host, port) =
            rest.strip_suffix('/').unwrap_or(rest).rsplit_once(':').ok_or(TargetError::NoPort)?;
        let number = port.parse::<u16>().ok().filter(|n| *n != 0 && !port.starts_with('+'));
        let port = number.ok_or_else(|| TargetError::Port(port.to_owned()))?;
        Ok(Self { scheme, host: parse_host(host)?, port })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.scheme {
            Scheme::Inherit => "",
            Scheme::Plain => "grpc://",
            Scheme::Tls => "grpcs://",
        })?;
        match &self.host {
            Host::Ip(ip) => write!(f, "{}", SocketAddr::new(*ip, self.port)),
            Host::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

fn parse_host(text: &str) -> Result<Host, TargetError> {
    let bad = || TargetError::Host(text.to_owned());
    if let Some(v6) = text.strip_prefix('[') {
        let v6 = v6.strip_suffix(']').ok_or_else(bad)?;
        return v6.parse().map(|ip| Host::Ip(IpAddr::V6(ip))).map_err(|_| bad());
    }
    if let Ok(v4) = text.parse() {
        return Ok(Host::Ip(IpAddr::V4(v4)));
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    // A name whose last label is all digits would be read as an address by some resolvers.
    let name = text.strip_suffix('.').unwrap_or(text);
    let numeric = name.rsplit('.').next().is_some_and(|l| l.bytes().all(|b| b.is_ascii_digit()));
    if name.is_empty() || name.len() > 253 || numeric || !name.split('.').all(label) {
        return Err(bad());
    }
    Ok(Host::Name(name.to_ascii_lowercase().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_read_back_as_they_are_written() {
        for text in [
            "10.0.0.1:80",
            "[::1]:443",
            "grpc://10.0.0.1:1",
            "grpcs://[fe80::1]:65535",
            "node-7.local:50051",
        ] {
            assert_eq!(text.parse::<Target>().expect(text).to_string(), text);
        }
        assert_eq!("  Node:1 ".parse::<Target>().expect("trimmed").to_string(), "node:1");
    }

    #[test]
    fn what_is_no_target_says_why() {
        let error = |text: &str| text.parse::<Target>().expect_err(text);
        assert_eq!(error(""), TargetError::Empty);
        assert_eq!(error("http://a:1"), TargetError::Scheme("http".into()));
        assert_eq!(error("10.0.0.1"), TargetError::NoPort);
        for port in ["0", "65536", "+1", "x", ""] {
            assert_eq!(error(&format!("a:{port}")), TargetError::Port(port.into()));
        }
        for host in ["", "::1", "[::1", "1.2.3", "a b", "..", "256.1.1.1", "a/b", "user@a"] {
            assert_eq!(error(&format!("{host}:1")), TargetError::Host(host.into()), "{host}");
        }
    }
}
