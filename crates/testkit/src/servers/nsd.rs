//! A real DNS server (NSD) that answers for one zone. It keeps its zone when it is killed.

use std::net::SocketAddr;
use std::process::Command;

use super::free_address;
use crate::process::{Process, Scratch, Signal};

/// The zone that it answers for.
pub const ZONE: &str = "nodes.example.";

/// A running server.
#[derive(Debug)]
pub struct Nsd {
    address: SocketAddr,
    directory: Scratch,
    process: Option<Process>,
    serial: u32,
}

// === impl Nsd ===

impl Nsd {
    /// Starts a server on a free port, with these lines in its zone.
    ///
    /// # Panics
    ///
    /// When it is not installed.
    pub fn start(records: &[String]) -> Self {
        let (address, directory) = (free_address(), Scratch::new("nsd"));
        let mut server = Self { address, directory, process: None, serial: 0 };
        server.write(records);
        server.revive();
        server
    }

    /// Where it serves.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Has it answer with these lines instead.
    ///
    /// # Panics
    ///
    /// When it does not take them.
    pub fn answer(&mut self, records: &[String]) {
        self.write(records);
        let process = self.process.as_mut().expect("NSD runs");
        process.signal(Signal::Hangup);
        process.wait_for("new zone", |line| line.contains("read with success").then_some(()));
    }

    /// Kills it.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Starts it again on the same port, with the same zone.
    ///
    /// # Panics
    ///
    /// When it does not serve.
    pub fn revive(&mut self) {
        let directory = self.directory.path().display();
        let (ip, port) = (self.address.ip(), self.address.port());
        let config = format!(
            "server:\n  ip-address: {ip}@{port}\n  username: \"\"\n  pidfile: \"\"\n  database: \"\"\n\
             \x20 xfrdfile: \"\"\n  xfrdir: {directory}\n  zonesdir: {directory}\n\
             \x20 zonelistfile: {directory}/zone.list\n  server-count: 1\n  verbosity: 1\n\
             remote-control:\n  control-enable: no\n\
             zone:\n  name: {ZONE}\n  zonefile: zone\n"
        );
        let config = self.directory.write("nsd.conf", &config);
        let mut command = Command::new("/usr/sbin/nsd");
        command.arg("-d").arg("-c").arg(config);
        let mut process = Process::start_family("nsd", &mut command);
        process.wait_for("start", |line| line.contains("nsd started").then_some(()));
        self.process = Some(process);
    }

    fn write(&mut self, records: &[String]) {
        self.serial += 1;
        let head = format!("$ORIGIN {ZONE}\n$TTL 1\n@ SOA ns h {} 1 1 1 1\n@ NS ns\n", self.serial);
        let tail = records.join("\n");
        self.directory.write("zone", &format!("{head}ns A 127.0.0.1\n{tail}\n"));
    }
}
