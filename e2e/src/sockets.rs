//! Counts of the sockets of this machine, out of `/proc/net/tcp`.

use std::fs;
use std::net::SocketAddr;

/// Connections that are established and whose far end is `peer`.
pub fn established_to(peer: SocketAddr) -> usize {
    count(|row| row.state == "01" && row.remote == hex(peer))
}

/// Sockets in TIME_WAIT of which either end is `address`.
pub fn time_wait_of(address: SocketAddr) -> usize {
    let address = hex(address);
    count(|row| row.state == "06" && (row.remote == address || row.local == address))
}

struct Row<'a> {
    local: &'a str,
    remote: &'a str,
    state: &'a str,
}

fn count(wanted: impl Fn(&Row<'_>) -> bool) -> usize {
    let table = fs::read_to_string("/proc/net/tcp").expect("Linux has this file");
    let rows = table.lines().skip(1).filter_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let (local, remote, state) = (words.next()?, words.next()?, words.next()?);
        Some(wanted(&Row { local, remote, state }))
    });
    rows.filter(|&wanted| wanted).count()
}

/// As the kernel prints an IPv4 address: the octets from the last to the first, then the port.
fn hex(address: SocketAddr) -> String {
    let SocketAddr::V4(address) = address else { panic!("{address}: the tests use IPv4") };
    format!("{:08X}:{:04X}", u32::from(*address.ip()).swap_bytes(), address.port())
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener, TcpStream};

    use super::*;

    #[test]
    fn an_open_connection_is_counted_until_it_closes() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(established_to(address), 0);
        let client = TcpStream::connect(address).unwrap();
        let (server, _) = listener.accept().unwrap();
        assert_eq!(established_to(address), 1);
        drop(client);
        drop(server);
        assert_eq!(established_to(address), 0);
        assert_eq!(time_wait_of(address), 1);
    }
}
