//! Tells systemd how the daemon is: the `sd_notify` protocol over `NOTIFY_SOCKET`.
//!
//! Nothing happens where nobody listens, and a failure never matters to the daemon.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use narrows_gateway::clock;

/// What is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// The start or a reload is over.
    Ready,
    /// A reload has begun.
    Reloading,
    /// A drain has begun.
    Stopping,
}

/// Tells the manager that started this process, if one asked to be told.
pub(super) fn notify(state: State) {
    if let Some(address) = std::env::var_os("NOTIFY_SOCKET")
        && let Some(address) = address.to_str()
    {
        send(address, state);
    }
}

fn send(address: &str, state: State) {
    let sent = (|| {
        // A name that begins with @ lives in the abstract namespace.
        let address = match address.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(address)?,
        };
        UnixDatagram::unbound()?.send_to_addr(text(state).as_bytes(), &address)
    })();
    if let Err(error) = sent {
        tracing::debug!(%error, "the service manager could not be told");
    }
}

fn text(state: State) -> String {
    match state {
        State::Ready => "READY=1".into(),
        // Type=notify-reload wants to know when, so that it can tell this reload from an earlier one.
        State::Reloading => format!("RELOADING=1\nMONOTONIC_USEC={}", monotonic_micros()),
        State::Stopping => "STOPPING=1".into(),
    }
}

/// The kernel's monotonic clock as far as `/proc/uptime` tells it: in hundredths, rounded up, and with the
/// time spent suspended. The manager only wants it to be no earlier than its own request.
fn monotonic_micros() -> u64 {
    let uptime = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
    let seconds = uptime.split_whitespace().next().and_then(|word| word.parse::<f64>().ok());
    seconds.map_or(clock::now().as_nanos() / 1000, |seconds| (seconds * 1e6) as u64 + 10_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn the_manager_is_told_over_its_socket() {
        let scratch = Scratch::new("notify");
        let path = scratch.path().join("socket");
        let manager = UnixDatagram::bind(&path).expect("socket");
        for (state, expected) in [
            (State::Ready, "READY=1"),
            (State::Reloading, "RELOADING=1\nMONOTONIC_USEC="),
            (State::Stopping, "STOPPING=1"),
        ] {
            send(path.to_str().expect("UTF-8"), state);
            let mut buffer = [0; 100];
            let len = manager.recv(&mut buffer).expect("datagram");
            let text = String::from_utf8_lossy(&buffer[..len]);
            assert!(text.starts_with(expected), "{text}");
        }
    }

    #[test]
    fn an_abstract_socket_is_reached_and_a_missing_one_does_no_harm() {
        let name = format!("narrows-notify-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("name");
        let manager = UnixDatagram::bind_addr(&address).expect("socket");
        send(&format!("@{name}"), State::Ready);
        let mut buffer = [0; 100];
        assert_eq!(manager.recv(&mut buffer).expect("datagram"), "READY=1".len());
        send("/nowhere/at/all", State::Ready);
    }
}
