//! A wire between a client and a server that can be cut.
//!
//! While it is cut nothing passes and nothing is closed: both sides see what they see when a network drops all packets.
//! What was sent meanwhile arrives when it is mended, as the kernel would send it again.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

/// A wire to a server.
#[derive(Debug)]
pub struct Wire {
    /// Where clients connect.
    pub address: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    passes: Mutex<Passes>,
    changed: Condvar,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Passes {
    Everything,
    Nothing,
    /// The wire is gone; connections end.
    Gone,
}

// === impl Wire ===

impl Wire {
    /// A wire that leads to `server`.
    ///
    /// # Panics
    ///
    /// When the machine has no free port.
    pub fn to(server: SocketAddr) -> Self {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let passes = Mutex::new(Passes::Everything);
        let state = Arc::new(State { passes, changed: Condvar::new() });
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if !shared.wait() {
                    return;
                }
                let shared = Arc::clone(&shared);
                thread::spawn(move || relay(client, server, &shared));
            }
        });
        Self { address, state }
    }

    /// Lets nothing pass.
    pub fn cut(&self) {
        self.state.set(Passes::Nothing);
    }

    /// Lets everything pass again.
    pub fn mend(&self) {
        self.state.set(Passes::Everything);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.state.set(Passes::Gone);
        // Wakes whoever accepts.
        let _ = TcpStream::connect(self.address);
    }
}

// === impl State ===

impl State {
    fn set(&self, passes: Passes) {
        *self.passes.lock().unwrap_or_else(PoisonError::into_inner) = passes;
        self.changed.notify_all();
    }

    /// Waits until something may pass; false: nothing ever will.
    fn wait(&self) -> bool {
        let passes = self.passes.lock().unwrap_or_else(PoisonError::into_inner);
        let is_cut = |passes: &mut Passes| *passes == Passes::Nothing;
        let passes = self.changed.wait_while(passes, is_cut);
        *passes.unwrap_or_else(PoisonError::into_inner) == Passes::Everything
    }
}

fn relay(client: TcpStream, server: SocketAddr, state: &Arc<State>) {
    let Ok(server) = TcpStream::connect(server) else { return };
    let (Ok(from), Ok(to)) = (client.try_clone(), server.try_clone()) else { return };
    let shared = Arc::clone(state);
    thread::spawn(move || copy(from, to, &shared));
    copy(server, client, state);
}

fn copy(mut from: TcpStream, mut to: TcpStream, state: &State) {
    let mut buffer = vec![0; 64 << 10];
    let mut pass = || -> io::Result<bool> {
        let length = from.read(&mut buffer)?;
        // An end is a packet like any other.
        if !state.wait() || length == 0 {
            return Ok(false);
        }
        to.write_all(&buffer[..length])?;
        Ok(true)
    };
    while pass().unwrap_or(false) {}
    for side in [&from, &to] {
        // It may be closed already.
        let _ = side.shutdown(Shutdown::Both);
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_sent_over_a_cut_wire_arrives_when_it_is_mended() {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let wire = Wire::to(server.local_addr().expect("an address"));
        let mut client = TcpStream::connect(wire.address).expect("the wire accepts");
        let (mut far, _) = server.accept().expect("the wire connects");
        let mut byte = [0];
        client.write_all(b"a").expect("sent");
        far.read_exact(&mut byte).expect("received");
        wire.cut();
        client.write_all(b"b").expect("sent");
        far.set_read_timeout(Some(Duration::from_millis(50))).expect("an option");
        assert_eq!(far.read(&mut byte).expect_err("cut").kind(), ErrorKind::WouldBlock);
        wire.mend();
        far.set_read_timeout(None).expect("an option");
        far.read_exact(&mut byte).expect("received");
        assert_eq!(byte, *b"b");
        drop(wire);
        assert_eq!(client.write_all(b"c").and_then(|()| client.read(&mut byte)).unwrap_or(0), 0);
    }
}
