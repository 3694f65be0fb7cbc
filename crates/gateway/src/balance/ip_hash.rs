//! The network of the caller decides, as with nginx's `ip_hash`: callers of one network reach the same node.
//!
//! A network is the first 24 bits of an IPv4 address, as nginx has it, and the first 64 of an IPv6 address, where
//! nginx takes all 128: hosts change the rest of theirs every day (RFC 8981). The node is found in a
//! [`maglev`](super::maglev) table and not by nginx's remainder, which would move nearly all callers
//! when a node comes or goes.

use std::net::IpAddr;

use super::hash::hash;

/// What is equal for callers of one network.
pub(super) fn hash_of_network(source: IpAddr) -> u64 {
    match source.to_canonical() {
        IpAddr::V4(address) => hash(&address.octets()[..3]),
        IpAddr::V6(address) => hash(&address.octets()[..8]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> u64 {
        hash_of_network(text.parse().expect("an address"))
    }

    #[test]
    fn callers_of_one_network_are_one() {
        assert_eq!(of("192.0.2.1"), of("192.0.2.200"));
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.7"));
        assert_ne!(of("192.0.2.1"), of("192.0.3.1"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::2:0:0:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
    }
}
