//! The file behind the access log: buffered, opened again on request, never giving up.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Destination, LogStats};

/// Written when so much is buffered.
const WRITE_BYTES: usize = 64 * 1024;

/// Kept while nothing can be written; what does not fit is lost and counted.
const BUFFER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A destination and what has not been written to it yet.
pub(super) struct Sink {
    destination: Destination,
    output: Option<Box<dyn Write + Send>>,
    buffer: Vec<u8>,
    stats: Arc<LogStats>,
    failing: bool,
}

// === impl Sink ===

impl Sink {
    pub(super) fn open(destination: Destination, stats: Arc<LogStats>) -> Self {
        let buffer = Vec::with_capacity(2 * WRITE_BYTES);
        let mut sink = Self { destination, output: None, buffer, stats, failing: false };
        sink.connect();
        sink
    }

    /// Appends a line with `format`; false: there was no room.
    pub(super) fn put(&mut self, format: impl FnOnce(&mut Vec<u8>)) -> bool {
        // While nothing can be written, only the flush interval tries again, not each line.
        if self.buffer.len() >= WRITE_BYTES && !self.failing {
            self.flush();
        }
        if self.buffer.len() >= BUFFER_BYTES_MAX {
            self.stats.lost.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        format(&mut self.buffer);
        true
    }

    /// Writes what is buffered; what could not be written stays.
    pub(super) fn flush(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        if self.output.is_none() {
            self.connect();
        }
        let Some(output) = &mut self.output else { return };
        let (written, result) = write_all(output, &self.buffer);
        self.buffer.drain(..written);
        match result {
            Ok(()) => self.recovered(),
            Err(error) => self.failed(&error),
        }
    }

    /// Opens the destination again under its name; what is buffered belongs to the one before.
    pub(super) fn reopen(&mut self) {
        self.flush();
        self.connect();
    }

    /// Goes on elsewhere.
    pub(super) fn redirect(&mut self, destination: &Destination) {
        if *destination != self.destination {
            self.flush();
            self.destination = destination.clone();
            self.connect();
        }
    }

    fn connect(&mut self) {
        let opened = match &self.destination {
            Destination::Stdout => Ok(Box::new(io::stdout()) as Box<dyn Write + Send>),
            Destination::Stderr => Ok(Box::new(io::stderr()) as Box<dyn Write + Send>),
            Destination::File(path) => {
                let file = OpenOptions::new().create(true).append(true).open(path);
                file.map(|file: File| Box::new(file) as Box<dyn Write + Send>)
            }
        };
        match opened {
            Ok(output) => self.output = Some(output),
            // The file that is open stays in use, if there is one.
            Err(error) => self.failed(&error),
        }
    }

    fn failed(&mut self, error: &io::Error) {
        self.stats.errors.fetch_add(1, Ordering::Relaxed);
        if !self.failing {
            tracing::error!(%error, destination = ?self.destination, "the access log can not be written");
        }
        self.failing = true;
    }

    fn recovered(&mut self) {
        if self.failing {
            tracing::info!(lost = self.stats.lost(), "the access log is written again");
        }
        self.failing = false;
    }
}

/// Writes until all is written or an error comes; says how much was written.
fn write_all(output: &mut dyn Write, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut written = 0;
    while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
        match output.write(rest) {
            Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
            Ok(n) => written += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (written, Err(error)),
        }
    }
    (written, output.flush())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn a_reopened_log_goes_on_in_a_new_file() {
        let scratch = Scratch::new("sink");
        let (path, rotated) = (scratch.path().join("a.log"), scratch.path().join("a.log.1"));
        let mut sink = Sink::open(Destination::File(path.clone()), Arc::default());
        assert!(sink.put(|out| out.extend(b"one\n")));
        sink.flush();
        std::fs::rename(&path, &rotated).expect("rename");
        assert!(sink.put(|out| out.extend(b"two\n")));
        sink.reopen();
        assert!(sink.put(|out| out.extend(b"three\n")));
        sink.flush();
        assert_eq!(std::fs::read(rotated).expect("old"), b"one\ntwo\n");
        assert_eq!(std::fs::read(path).expect("new"), b"three\n");
    }

    #[test]
    fn what_can_not_be_written_is_kept_to_a_limit_and_written_later() {
        let scratch = Scratch::new("sink-full");
        let directory = scratch.path().join("later");
        let path = directory.join("a.log");
        let stats = Arc::new(LogStats::default());
        let mut sink = Sink::open(Destination::File(path.clone()), stats.clone());
        let line = [b'x'; 1024];
        let room = BUFFER_BYTES_MAX / line.len();
        for _ in 0..room {
            assert!(sink.put(|out| out.extend(line)));
        }
        assert!(!sink.put(|out| out.extend(line)));
        assert_eq!(stats.lost(), 1);
        assert!(stats.errors() > 0);
        std::fs::create_dir(directory).expect("directory");
        sink.flush();
        assert_eq!(std::fs::metadata(path).expect("file").len(), BUFFER_BYTES_MAX as u64);
    }

    #[test]
    fn a_write_cut_short_by_an_error_says_how_far_it_came() {
        struct Full(usize);
        impl Write for Full {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                let n = bytes.len().min(2).min(self.0);
                self.0 -= n;
                if n == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(n) }
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (written, result) = write_all(&mut Full(3), b"12345");
        assert_eq!(written, 3);
        assert_eq!(result.expect_err("full").kind(), io::ErrorKind::StorageFull);
    }
}
