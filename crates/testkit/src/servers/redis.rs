//! A real Redis in a directory of its own, and a minimal client for it. It keeps its content when it is killed.
//!
//! The client sends one command and waits for its reply, so a returned write is an acknowledged write. It is
//! kept apart from the crate that the gateway uses: a test must not share a fault with what it tests.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use super::free_address;
use crate::process::{PATIENCE, Process, Scratch, Signal};

/// A running server and a connection to it.
#[derive(Debug)]
pub struct Redis {
    address: SocketAddr,
    directory: Scratch,
    process: Option<Process>,
    connection: Option<BufReader<TcpStream>>,
    arguments: Vec<String>,
    role: Role,
}

/// What a process is started as.
#[derive(Debug)]
enum Role {
    Server,
    /// Watches the server there under a name.
    Sentinel {
        master: SocketAddr,
        name: String,
    },
}

// === impl Redis ===

impl Redis {
    /// Starts `redis-server` on a free port.
    ///
    /// # Panics
    ///
    /// When it is not installed.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts it with more arguments, as `--requirepass secret`; this client uses such a password.
    ///
    /// # Panics
    ///
    /// When it is not installed, or does not take the arguments.
    pub fn start_with(arguments: &[&str]) -> Self {
        Self::new(arguments, Role::Server)
    }

    /// Starts a sentinel that alone decides when its server is down, after half a second.
    ///
    /// # Panics
    ///
    /// When it is not installed.
    pub fn sentinel_of(master: SocketAddr, name: &str) -> Self {
        Self::new(&[], Role::Sentinel { master, name: name.to_owned() })
    }

    fn new(arguments: &[&str], role: Role) -> Self {
        let mut redis = Self {
            role,
            address: free_address(),
            directory: Scratch::new("redis"),
            process: None,
            connection: None,
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
        };
        redis.revive();
        redis
    }

    /// Where it serves.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Kills it.
    pub fn kill(&mut self) {
        self.connection = None;
        self.process = None;
    }

    /// Starts it again on the same port, with the same content.
    pub fn revive(&mut self) {
        let mut command = Command::new("redis-server");
        let port = self.address.port().to_string();
        let ready = match &self.role {
            Role::Server => {
                command.args(["--bind", "127.0.0.1", "--port", &port]);
                command.args(["--save", "", "--appendonly", "yes"]);
                command.arg("--dir").arg(self.directory.path());
                "Ready to accept connections"
            }
            Role::Sentinel { master, name } => {
                let watched = format!("{name} {} {} 1", master.ip(), master.port());
                let config = format!(
                    "bind 127.0.0.1\nport {port}\nsentinel monitor {watched}\n\
                     sentinel down-after-milliseconds {name} 500\n\
                     sentinel failover-timeout {name} 3000\n"
                );
                command.arg(self.directory.write("sentinel.conf", &config)).arg("--sentinel");
                "+monitor master"
            }
        };
        command.args(&self.arguments);
        let mut process = Process::start("redis-server", &mut command);
        process.wait_for(ready, |line| line.contains(ready).then_some(()));
        self.process = Some(process);
    }

    /// Stops the process without closing anything: connections stay up and nothing answers.
    pub fn pause(&mut self) {
        self.signal(Signal::Stop);
    }

    /// Lets it run again.
    pub fn resume(&mut self) {
        self.signal(Signal::Continue);
    }

    /// Sends a command and returns its reply; of an array the elements joined by spaces.
    ///
    /// # Panics
    ///
    /// When Redis is away or answers with an error.
    pub fn command(&mut self, words: &[&str]) -> String {
        self.try_command(words).unwrap_or_else(|why| panic!("{words:?}: {why}"))
    }

    /// As [`Redis::command`]; what is wrong if Redis is away or answers with an error.
    pub fn try_command(&mut self, words: &[&str]) -> Result<String, String> {
        let mut request = format!("*{}\r\n", words.len());
        for word in words {
            request.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        let connection = self.connection();
        let sent = connection.get_mut().write_all(request.as_bytes());
        let answer = sent.map_err(|error| error.to_string()).and_then(|()| reply(connection));
        if answer.is_err() {
            self.connection = None;
        }
        answer
    }

    /// Writes a key.
    pub fn set(&mut self, key: &str, value: &str) {
        self.command(&["SET", key, value]);
    }

    /// A number out of `INFO`, as `connected_clients` or `total_commands_processed`.
    ///
    /// # Panics
    ///
    /// When `INFO` has no such field.
    pub fn info(&mut self, field: &str) -> u64 {
        let info = self.command(&["INFO", "everything"]);
        let line = info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        line.and_then(|value| value.trim().parse().ok()).expect("INFO has the field")
    }

    /// How many times a command has been processed since the last `CONFIG RESETSTAT`.
    pub fn calls_of(&mut self, command: &str) -> u64 {
        let stats = self.command(&["INFO", "commandstats"]);
        let field = format!("cmdstat_{command}:calls=");
        let line = stats.lines().find_map(|line| line.strip_prefix(&field));
        line.and_then(|value| value.split(',').next()?.parse().ok()).unwrap_or(0)
    }

    fn signal(&mut self, signal: Signal) {
        self.process.as_ref().expect("Redis runs").signal(signal);
    }

    fn connection(&mut self) -> &mut BufReader<TcpStream> {
        let address = self.address;
        let mut arguments = self.arguments.iter().skip_while(|a| *a != "--requirepass").skip(1);
        self.connection.get_or_insert_with(|| {
            let mut stream = TcpStream::connect(address).expect("Redis runs");
            stream.set_nodelay(true).expect("loopback takes options");
            stream.set_read_timeout(Some(PATIENCE)).expect("loopback takes options");
            if let Some(password) = arguments.next() {
                let auth = format!("AUTH {password}\r\n");
                stream.write_all(auth.as_bytes()).expect("Redis takes commands");
                reply(&mut BufReader::new(&stream)).expect("the password is right");
            }
            BufReader::new(stream)
        })
    }
}

fn reply(from: &mut BufReader<impl Read>) -> Result<String, String> {
    let mut line = String::new();
    from.read_line(&mut line).map_err(|error| error.to_string())?;
    let Some((kind, rest)) = line.trim_end().split_at_checked(1) else {
        return Err("Redis closed the connection".to_owned());
    };
    match kind {
        "+" | ":" => Ok(rest.to_owned()),
        "$" if rest == "-1" => Ok(String::new()),
        "$" => {
            let mut value = vec![0; rest.parse::<usize>().expect("a length") + 2];
            from.read_exact(&mut value).map_err(|error| error.to_string())?;
            value.truncate(value.len() - 2);
            Ok(String::from_utf8(value).expect("tests store text"))
        }
        "*" => {
            let elements = (0..rest.parse::<usize>().expect("a length")).map(|_| reply(from));
            Ok(elements.collect::<Result<Vec<_>, _>>()?.join(" "))
        }
        _ => Err(format!("Redis answered {line}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_is_read_back_and_survives_the_process() {
        let mut redis = Redis::start();
        redis.set("job-1", "127.0.0.1:1");
        assert_eq!(redis.command(&["GET", "job-1"]), "127.0.0.1:1");
        assert_eq!(redis.command(&["MGET", "job-1", "absent"]), "127.0.0.1:1 ");
        assert_eq!(redis.calls_of("get"), 1);
        assert_eq!(redis.info("connected_clients"), 1);
        redis.kill();
        redis.revive();
        assert_eq!(redis.command(&["GET", "job-1"]), "127.0.0.1:1");
    }
}
