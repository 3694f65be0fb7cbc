//! Addresses and networks as they are written in the configuration.
//!
//! Each is checked when it is read, so what is compiled needs no further look at the text. A name
//! that has to be resolved may stand for a node only: a listener and a network are always
//! addresses.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use ipnet::IpNet;
use narrows_gateway::target::{Target, TargetError};

use super::form::{TextForm, text_form};

/// Where to listen: an address and a port. Port 0 lets the system choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Address(pub SocketAddr);

/// A network such as `10.0.0.0/8`; an address alone is a network of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network(pub IpNet);

/// A node: `host:port`, `[v6]:port`, `grpc://host:port`, or `grpcs://host:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeAddress(pub Target);

/// Why a text is no address or network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not an address with a port.
    #[error("{0:?} is not {expected}", expected = Address::EXPECTED)]
    Address(String),
    /// Not a network.
    #[error("{0:?} is not {expected}", expected = Network::EXPECTED)]
    Network(String),
    /// Bits are set outside the prefix, so that one can not tell what was meant.
    #[error("{written} has bits set outside its prefix; write {network}")]
    HostBits {
        /// As written.
        written: IpNet,
        /// The network that holds it.
        network: IpNet,
    },
}

text_form!(Address);
text_form!(Network);
text_form!(NodeAddress);

// === impl Address ===

impl TextForm for Address {
    const FORMAT: &'static str = "socket-address";
    const EXPECTED: &'static str = "an address and a port such as 0.0.0.0:8080 or [::]:8080";
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        text.parse().map(Self).map_err(|_| AddressError::Address(text.to_owned()))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

// === impl Network ===

impl TextForm for Network {
    const FORMAT: &'static str = "network";
    const EXPECTED: &'static str = "a network such as 10.0.0.0/8, 2001:db8::/32, or one address";
}

impl FromStr for Network {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self(address.into()));
        }
        let written: IpNet = text.parse().map_err(|_| AddressError::Network(text.to_owned()))?;
        let network = written.trunc();
        if network != written {
            return Err(AddressError::HostBits { written, network });
        }
        Ok(Self(network))
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

// === impl NodeAddress ===

impl TextForm for NodeAddress {
    const FORMAT: &'static str = "node-address";
    const EXPECTED: &'static str = "host:port, grpc://host:port, or grpcs://host:port";
}

impl FromStr for NodeAddress {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        text.parse().map(Self)
    }
}

impl fmt::Display for NodeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_written_without_bits_outside_its_prefix() {
        let network = |text: &str| text.parse::<Network>().map(|n| n.to_string());
        assert_eq!(network("10.0.0.0/8"), Ok("10.0.0.0/8".into()));
        assert_eq!(network("10.1.2.3"), Ok("10.1.2.3/32".into()));
        assert_eq!(network("::1"), Ok("::1/128".into()));
        let error = network("10.1.0.0/8").expect_err("host bits").to_string();
        assert_eq!(error, "10.1.0.0/8 has bits set outside its prefix; write 10.0.0.0/8");
        assert!(network("10.0.0.0/33").is_err());
    }

    #[test]
    fn a_listener_needs_an_address_and_a_port() {
        for text in ["8080", ":8080", "localhost:8080", "0.0.0.0", "::1:80"] {
            let error = text.parse::<Address>().expect_err(text).to_string();
            assert!(error.contains("0.0.0.0:8080"), "{error}");
        }
        assert!("[::]:0".parse::<Address>().is_ok());
    }
}
