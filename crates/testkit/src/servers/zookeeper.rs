//! A real ZooKeeper in a directory of its own, and a minimal client for it. It keeps its content when it is killed.
//!
//! The client waits for each reply, so a returned write is an acknowledged write. It is kept apart from the one that
//! the gateway uses: a test must not share a fault with what it tests.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use super::free_address;
use crate::process::{PATIENCE, Process, Scratch, Signal, eventually};

/// Debian's package; it brings what it needs by itself.
const LIBRARY: &str = "/usr/share/java/zookeeper.jar";

/// A running server.
#[derive(Debug)]
pub struct Zookeeper {
    address: SocketAddr,
    directory: Scratch,
    process: Option<Process>,
}

/// A session with a server. Dropped, it leaves its ephemeral nodes to the server, which removes them when the time of
/// the session is over.
#[derive(Debug)]
pub struct ZookeeperSession {
    connection: Arc<Mutex<Connection>>,
    /// Closed when the session goes out of scope, which ends the thread that keeps it alive.
    _alive: mpsc::Sender<()>,
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    xid: i32,
}

// === impl Zookeeper ===

impl Zookeeper {
    /// Starts a server on a free port.
    ///
    /// # Panics
    ///
    /// When it is not installed.
    pub fn start() -> Self {
        let address = free_address();
        let directory = Scratch::new("zookeeper");
        let mut server = Self { address, directory, process: None };
        server.revive();
        server
    }

    /// Where it serves.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Kills it.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Starts it again on the same port, with the same content.
    ///
    /// # Panics
    ///
    /// When it does not serve.
    pub fn revive(&mut self) {
        let data = self.directory.path().join("data");
        let config = format!(
            "tickTime=100\nminSessionTimeout=200\nmaxSessionTimeout=60000\nmaxClientCnxns=0\n\
             dataDir={}\nclientPort={}\nclientPortAddress={}\n\
             admin.enableServer=false\n4lw.commands.whitelist=srvr\n",
            data.display(),
            self.address.port(),
            self.address.ip()
        );
        let config = self.directory.write("zoo.cfg", &config);
        let mut command = Command::new("java");
        command.args(["-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", LIBRARY]);
        command.arg("org.apache.zookeeper.server.quorum.QuorumPeerMain").arg(config);
        let mut process = Process::start("zookeeper", &mut command);
        let address = self.address;
        eventually("ZooKeeper serves", || {
            assert!(process.is_running(), "{}", process.log().join("\n"));
            answers(address).unwrap_or(false)
        });
        self.process = Some(process);
    }

    /// Stops the process without closing anything: connections stay up and nothing answers.
    pub fn pause(&self) {
        self.process.as_ref().expect("ZooKeeper runs").signal(Signal::Stop);
    }

    /// Lets it run again.
    pub fn resume(&self) {
        self.process.as_ref().expect("ZooKeeper runs").signal(Signal::Continue);
    }

    /// A session that the server forgets after `timeout` without a sign of life.
    pub fn session(&self, timeout: Duration) -> ZookeeperSession {
        ZookeeperSession::open(self.address, timeout)
    }
}

fn answers(address: SocketAddr) -> io::Result<bool> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    stream.write_all(b"srvr")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.contains("Mode: standalone"))
}

// === impl ZookeeperSession ===

impl ZookeeperSession {
    /// Opens a session and keeps it alive.
    ///
    /// # Panics
    ///
    /// When no server is there.
    pub fn open(address: SocketAddr, timeout: Duration) -> Self {
        let stream = TcpStream::connect(address).expect("ZooKeeper runs");
        stream.set_nodelay(true).expect("loopback takes options");
        stream.set_read_timeout(Some(PATIENCE)).expect("loopback takes options");
        let mut connection = Connection { stream, xid: 0 };
        let millis = i32::try_from(timeout.as_millis()).expect("a short time");
        let mut hello = Vec::new();
        hello.extend(0_i32.to_be_bytes());
        hello.extend(0_i64.to_be_bytes());
        hello.extend(millis.to_be_bytes());
        hello.extend(0_i64.to_be_bytes());
        text(&mut hello, &"\0".repeat(16));
        connection.send(&hello).expect("ZooKeeper reads");
        connection.receive().expect("ZooKeeper gives a session");
        let connection = Arc::new(Mutex::new(connection));
        let (alive, ended) = mpsc::channel();
        let kept = Arc::clone(&connection);
        thread::spawn(move || {
            while ended.recv_timeout(timeout / 4) == Err(mpsc::RecvTimeoutError::Timeout) {
                let mut connection = kept.lock().unwrap_or_else(PoisonError::into_inner);
                if connection.exists("/").is_err() {
                    return;
                }
            }
        });
        Self { connection, _alive: alive }
    }

    /// Creates a node that stays; those above it too.
    ///
    /// # Panics
    ///
    /// When the server refuses, but not because it is there already.
    pub fn create(&self, path: &str, data: &str) {
        let above = path.match_indices('/').skip(1).map(|(at, _)| (&path[..at], ""));
        for (path, data) in above.chain([(path, data)]) {
            let code = self.call(1, &creation(path, data, 0));
            assert!(code == 0 || code == -110, "create {path}: {code}");
        }
    }

    /// Creates a node that lives as long as the session.
    ///
    /// # Panics
    ///
    /// When the server refuses.
    pub fn create_ephemeral(&self, path: &str, data: &str) {
        assert_eq!(self.call(1, &creation(path, data, 1)), 0, "create {path}");
    }

    /// Changes the data of a node.
    ///
    /// # Panics
    ///
    /// When the server refuses.
    pub fn set(&self, path: &str, data: &str) {
        let mut body = Vec::new();
        text(&mut body, path);
        text(&mut body, data);
        body.extend((-1_i32).to_be_bytes());
        assert_eq!(self.call(5, &body), 0, "set {path}");
    }

    /// Deletes a node.
    ///
    /// # Panics
    ///
    /// When the server refuses.
    pub fn delete(&self, path: &str) {
        let mut body = Vec::new();
        text(&mut body, path);
        body.extend((-1_i32).to_be_bytes());
        assert_eq!(self.call(2, &body), 0, "delete {path}");
    }

    /// The names of the children of a path; none if it is not there.
    ///
    /// # Panics
    ///
    /// When the server does not answer.
    pub fn children(&self, path: &str) -> Vec<String> {
        let mut body = Vec::new();
        text(&mut body, path);
        body.push(0);
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, reply) = connection.call(8, &body).expect("ZooKeeper answers");
        let mut rest = reply.get(4..).unwrap_or_default();
        let mut names = Vec::new();
        while let Some((length, bytes)) = rest.split_first_chunk::<4>() {
            let (name, others) = bytes.split_at(u32::from_be_bytes(*length) as usize);
            names.push(String::from_utf8_lossy(name).into_owned());
            rest = others;
        }
        names.sort();
        names
    }

    /// Ends the session: its ephemeral nodes are gone when this returns.
    ///
    /// # Panics
    ///
    /// When the server does not answer.
    pub fn close(self) {
        self.call(-11, &[]);
    }

    fn call(&self, operation: i32, body: &[u8]) -> i32 {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        connection.call(operation, body).expect("ZooKeeper answers").0
    }
}

// === impl Connection ===

impl Connection {
    /// The code of the reply and what is behind it.
    fn call(&mut self, operation: i32, body: &[u8]) -> io::Result<(i32, Vec<u8>)> {
        self.xid += 1;
        let head = [self.xid.to_be_bytes(), operation.to_be_bytes()].concat();
        self.send(&[&head, body].concat())?;
        let reply = self.receive()?;
        let code = reply.get(12..16).and_then(|bytes| bytes.try_into().ok());
        let code = code.map(i32::from_be_bytes).ok_or(io::ErrorKind::InvalidData)?;
        Ok((code, reply.get(16..).unwrap_or_default().to_vec()))
    }

    fn exists(&mut self, path: &str) -> io::Result<()> {
        let mut body = Vec::new();
        text(&mut body, path);
        body.push(0);
        self.call(3, &body).map(drop)
    }

    fn send(&mut self, body: &[u8]) -> io::Result<()> {
        let mut frame = Vec::new();
        frame.extend(u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes());
        frame.extend(body);
        self.stream.write_all(&frame)
    }

    fn receive(&mut self) -> io::Result<Vec<u8>> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        self.stream.read_exact(&mut frame)?;
        Ok(frame)
    }
}

fn creation(path: &str, data: &str, flags: i32) -> Vec<u8> {
    let mut body = Vec::new();
    text(&mut body, path);
    text(&mut body, data);
    for number in [1, 31] {
        body.extend(i32::to_be_bytes(number));
    }
    text(&mut body, "world");
    text(&mut body, "anyone");
    body.extend(flags.to_be_bytes());
    body
}

fn text(to: &mut Vec<u8>, text: &str) {
    to.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
    to.extend(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ephemeral_nodes_go_with_their_session_and_others_survive_the_process() {
        let mut server = Zookeeper::start();
        let session = server.session(Duration::from_secs(10));
        session.create("/a/b", "x");
        let other = server.session(Duration::from_secs(10));
        other.create_ephemeral("/a/b/c", "y");
        assert_eq!(session.children("/a/b"), ["c"]);
        other.close();
        assert_eq!(session.children("/a/b"), [] as [&str; 0]);
        server.kill();
        server.revive();
        assert_eq!(server.session(Duration::from_secs(10)).children("/a"), ["b"]);
    }
}
