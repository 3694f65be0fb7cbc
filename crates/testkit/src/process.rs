//! Child processes of the end-to-end tests.
//!
//! A [`Process`] is killed when it goes out of scope, so that a failed test leaves nothing behind. Everything
//! it prints is kept and shown when a wait on it fails. Nothing here looks at a clock: a wait ends with the line
//! that it waits for, with the end of the process, or after [`PATIENCE`].

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

/// How long a wait lasts at most. A machine under load is slow; a test that hangs must still end.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Time between two looks at a condition.
const PACE: Duration = Duration::from_millis(10);

/// A running program and what it has printed.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    family: Family,
    lines: Receiver<String>,
    log: Vec<String>,
}

/// A signal to a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "POSIX names")]
pub enum Signal {
    Term,
    Kill,
    Int,
    Hangup,
    Stop,
    Continue,
}

/// Who is killed with a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    /// It has no children.
    None,
    /// Its children, who are a process group with it.
    Group,
}

/// A directory that is removed with everything in it when it goes out of scope.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
}

/// Looks at a condition of another process until it holds.
///
/// # Panics
///
/// When it does not hold within [`PATIENCE`].
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..PATIENCE.as_millis() / PACE.as_millis() {
        if holds() {
            return;
        }
        thread::sleep(PACE);
    }
    panic!("never came true: {what}");
}

// === impl Process ===

impl Process {
    /// Starts `command`; `name` stands in the messages of failures.
    ///
    /// # Panics
    ///
    /// When the program can not be started.
    pub fn start(name: &str, command: &mut Command) -> Self {
        Self::start_as(name, command, Family::None)
    }

    /// As [`Process::start`], for a program that works through children: they are killed with it.
    ///
    /// # Panics
    ///
    /// When the program can not be started.
    pub fn start_family(name: &str, command: &mut Command) -> Self {
        Self::start_as(name, command.process_group(0), Family::Group)
    }

    fn start_as(name: &str, command: &mut Command, family: Family) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| {
            panic!("{name} does not start ({error}): {command:?}; `cargo xtask test` installs what it needs")
        });
        let (sender, lines) = mpsc::channel();
        forward(child.stdout.take().expect("stdout is piped"), sender.clone());
        forward(child.stderr.take().expect("stderr is piped"), sender);
        Self { name: name.to_owned(), child, family, lines, log: Vec::new() }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a line that `find` recognises and returns what it made of it.
    ///
    /// # Panics
    ///
    /// When the process ends first, or after [`PATIENCE`]; the message shows all that was printed.
    pub fn wait_for<T>(&mut self, what: &str, mut find: impl FnMut(&str) -> Option<T>) -> T {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    let found = find(&line);
                    self.log.push(line);
                    if let Some(found) = found {
                        return found;
                    }
                }
                Err(error) => panic!("{}: no {what} ({error})\n{}", self.name, self.log.join("\n")),
            }
        }
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let command = format!("kill -{} {}", signal.name(), self.id());
        let status = Command::new("sh").args(["-c", &command]).status().expect("sh is there");
        assert!(status.success(), "{}: {command} failed", self.name);
    }

    /// Waits for the end of the process.
    ///
    /// # Panics
    ///
    /// When it prints nothing for [`PATIENCE`] and does not end.
    pub fn wait(&mut self) -> ExitStatus {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => self.log.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    panic!("{} does not end\n{}", self.name, self.log.join("\n"))
                }
            }
        }
        self.child.wait().expect("a child that was started can be waited for")
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// All lines so far, of both outputs.
    pub fn log(&mut self) -> &[String] {
        self.log.extend(self.lines.try_iter());
        &self.log
    }

    /// The most memory that it ever had resident, in bytes.
    pub fn memory_peak_bytes(&self) -> u64 {
        self.memory("VmHWM:")
    }

    /// The memory that it has resident now, in bytes.
    pub fn memory_bytes(&self) -> u64 {
        self.memory("VmRSS:")
    }

    fn memory(&self, field: &str) -> u64 {
        let status =
            fs::read_to_string(format!("/proc/{}/status", self.id())).expect("the process runs");
        let line =
            status.lines().find(|line| line.starts_with(field)).expect("Linux has this field");
        let kib: u64 =
            line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number");
        kib * 1024
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.family == Family::Group {
            let command = format!("kill -KILL -{} 2>/dev/null", self.id());
            let _ = Command::new("sh").args(["-c", &command]).status();
        }
        // Each of these fails only when the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let log = self.log().join("\n");
            eprintln!("--- {} printed ---\n{log}", self.name);
        }
    }
}

// === impl Signal ===

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Self::Term => "TERM",
            Self::Kill => "KILL",
            Self::Int => "INT",
            Self::Hangup => "HUP",
            Self::Stop => "STOP",
            Self::Continue => "CONT",
        }
    }
}

// === impl Scratch ===

impl Scratch {
    /// A new empty directory; `name` is for the reader of a listing.
    ///
    /// # Panics
    ///
    /// When the directory of temporary files can not be written.
    pub fn new(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("narrows-{name}-{}-{count}", std::process::id()));
        fs::create_dir_all(&path).expect("temporary files can be written");
        Self { path }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file into it and returns the file's path.
    ///
    /// # Panics
    ///
    /// When it can not be written.
    pub fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path.join(name);
        fs::write(&path, content).expect("temporary files can be written");
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A leftover directory harms nobody.
        let _ = fs::remove_dir_all(&self.path);
    }
}

fn forward(from: impl Read + Send + 'static, to: Sender<String>) {
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if to.send(line).is_err() {
                return;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Process {
        Process::start("sh", Command::new("sh").args(["-c", script]))
    }

    #[test]
    fn a_wait_ends_with_the_line_it_waits_for() {
        let mut process = shell("echo one; echo port 7 >&2; sleep 1000");
        let port = process.wait_for("port", |line| line.strip_prefix("port ").map(str::to_owned));
        assert_eq!(port, "7");
        assert!(process.is_running());
        assert!(process.memory_peak_bytes() >= process.memory_bytes());
    }

    #[test]
    fn a_signal_reaches_the_process() {
        let mut process =
            shell("trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.01; done");
        process.wait_for("up", |line| (line == "up").then_some(()));
        process.signal(Signal::Term);
        assert_eq!(process.wait().code(), Some(3));
        assert_eq!(process.log(), ["up", "bye"]);
    }

    #[test]
    #[should_panic(expected = "no port")]
    fn a_wait_fails_when_the_process_ends() {
        shell("echo bad luck").wait_for("port", |_| None::<()>);
    }

    #[test]
    fn a_scratch_directory_goes_with_its_owner() {
        let scratch = Scratch::new("unit");
        let path = scratch.write("a.txt", "a");
        assert!(path.exists());
        drop(scratch);
        assert!(!path.exists());
    }
}
