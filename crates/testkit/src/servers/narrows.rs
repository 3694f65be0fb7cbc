//! The gateway itself, as a user starts it.
//!
//! The binary is the one that `NARROWS_BIN` names (`cargo xtask test` builds and names it), else the newer of
//! `target/debug/narrows` and `target/release/narrows`. Listeners bind port 0; `narrows run` prints where they
//! listen.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::repository;
use crate::process::{PATIENCE, Process, Scratch, Signal};

/// A running gateway with an admin listener.
#[derive(Debug)]
pub struct Narrows {
    /// Its listeners, in the order of the configuration.
    pub listeners: Vec<SocketAddr>,
    /// Its admin listener.
    pub admin: SocketAddr,
    process: Process,
    directory: Scratch,
}

/// The reply of the admin listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpReply {
    /// HTTP status.
    pub status: u16,
    /// What came after the head.
    pub body: String,
}

// === impl Narrows ===

impl Narrows {
    /// Starts it on `config`, to which an admin listener is added, and waits until it listens.
    ///
    /// Each listener stands in the configuration as `- address: 127.0.0.1:0`, or with the port of a
    /// [`free_address`](super::free_address); `{directory}` stands for a
    /// directory that goes with this value.
    pub fn start(config: &str) -> Self {
        Self::start_in(Scratch::new("gateway"), config)
    }

    /// As [`Narrows::start`], with these files in its directory, by name.
    pub fn start_with(config: &str, files: &[(&str, &str)]) -> Self {
        let directory = Scratch::new("gateway");
        for (name, content) in files {
            directory.write(name, content);
        }
        Self::start_in(directory, config)
    }

    /// Stops it at once and starts it again in its directory, with its configuration and its files.
    #[must_use]
    pub fn restart(self, config: &str) -> Self {
        let Self { mut process, directory, .. } = self;
        process.signal(Signal::Int);
        process.wait();
        drop(process);
        Self::start_in(directory, config)
    }

    fn start_in(directory: Scratch, config: &str) -> Self {
        let wanted = config.matches("- address: 127.0.0.1:").count();
        let file = directory.write("narrows.yaml", &complete(config, &directory));
        let mut command = Command::new(Self::binary());
        command.current_dir(directory.path()).args(["run", "-c"]).arg(file);
        let mut process = Process::start("narrows", &mut command);
        let mut listeners = Vec::new();
        let mut admin = None;
        let admin =
            process.wait_for("line `listening` for each listener and line `admin`", |line| {
                listeners.extend(address_behind(line, "listening address="));
                admin = admin.or(address_behind(line, "admin address="));
                admin.filter(|_| listeners.len() == wanted)
            });
        Self { listeners, admin, process, directory }
    }

    /// The program's file.
    ///
    /// # Panics
    ///
    /// When it has not been built.
    pub fn binary() -> PathBuf {
        if let Some(path) = std::env::var_os("NARROWS_BIN") {
            return PathBuf::from(path);
        }
        let target = repository().join("target");
        let built = ["debug/narrows", "release/narrows"].map(|name| target.join(name));
        let newest =
            built.into_iter().max_by_key(|path| fs::metadata(path).and_then(|m| m.modified()).ok());
        newest
            .filter(|path| path.exists())
            .expect("the gateway has been built: `cargo build -p narrows`")
    }

    /// The first listener.
    ///
    /// # Panics
    ///
    /// When the configuration has none.
    pub fn address(&self) -> SocketAddr {
        *self.listeners.first().expect("the configuration has a listener")
    }

    /// Runs `narrows ARGUMENTS` in its directory and returns what came out.
    ///
    /// # Panics
    ///
    /// When the program can not be started.
    pub fn command(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(Self::binary());
        command.current_dir(self.directory.path()).args(arguments);
        command.output().expect("the gateway has been built")
    }

    /// Runs `narrows VERB ... --admin ADDRESS` and expects it to succeed.
    ///
    /// # Panics
    ///
    /// When the verb fails.
    pub fn control(&self, arguments: &[&str]) -> String {
        let admin = self.admin.to_string();
        let output = self.command(&[arguments, &["--admin", &admin]].concat());
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "narrows {arguments:?}: {}\n{error}", output.status);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Its directory: that of the configuration, and where relative paths lead.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Writes the configuration anew; a reload makes it count.
    pub fn rewrite(&self, config: &str) {
        self.directory.write("narrows.yaml", &complete(config, &self.directory));
    }

    /// `GET path` on the admin listener.
    pub fn get(&self, path: &str) -> HttpReply {
        self.request("GET", path)
    }

    /// A request without a body to the admin listener.
    ///
    /// # Panics
    ///
    /// When nothing answers there.
    pub fn request(&self, method: &str, path: &str) -> HttpReply {
        let mut stream = TcpStream::connect(self.admin).expect("the admin listener accepts");
        stream.set_read_timeout(Some(PATIENCE)).expect("loopback takes options");
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n",
            self.admin
        );
        stream.write_all(head.as_bytes()).expect("the admin listener reads");
        let mut reply = String::new();
        stream.read_to_string(&mut reply).expect("the admin listener answers text");
        let (head, body) = reply.split_once("\r\n\r\n").expect("a reply has a head");
        let status =
            head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        HttpReply { status, body: body.to_owned() }
    }

    /// The sum of a metric over all its labels, of those lines that contain `labels`.
    pub fn metric(&self, name: &str, labels: &str) -> f64 {
        let metrics = self.get("/metrics").body;
        let lines = metrics.lines().filter(|line| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
                && line.contains(labels)
        });
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// The process, to wait for its end or to look at its memory.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

fn complete(config: &str, directory: &Scratch) -> String {
    let directory = directory.path().display().to_string();
    format!("{}\nadmin: {{ address: 127.0.0.1:0 }}\n", config.replace("{directory}", &directory))
}

fn address_behind(line: &str, key: &str) -> Option<SocketAddr> {
    let rest = line.split_once(key)?.1;
    rest.split([' ', '"', ',']).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_found_behind_its_key() {
        let line = "12:00 INFO listening address=127.0.0.1:4312 listener=127.0.0.1:0";
        let address = "127.0.0.1:4312".parse().ok();
        assert_eq!(address_behind(line, "listening address="), address);
        assert_eq!(address_behind(line, "admin address="), None);
        assert_eq!(address_behind("listening address=", "listening address="), None);
    }
}
