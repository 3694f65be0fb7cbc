//! Writes the access log: one line per record, on a thread of its own.
//!
//! Drains the rings of the workers in turn, formats, and writes in large pieces; what is buffered goes out
//! at least every [`FLUSH_INTERVAL`]. A file that can not be written (disk full, no permission) is retried
//! with what is still in the buffer; what does not fit there is lost and counted. A worker is never held up:
//! its ring runs full and it counts what it drops. `line` is the format, `sink` the file.

mod line;
mod sink;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use narrows_gateway::clock;
use narrows_gateway::record::Records;

use sink::Sink;

/// What is buffered is written at least this often.
pub const FLUSH_INTERVAL: Duration = Duration::from_millis(500);

/// Time between two looks at empty rings; a ring holds what comes meanwhile.
const IDLE_WAIT: Duration = Duration::from_millis(10);

/// The same while nothing is recorded.
const OFF_WAIT: Duration = Duration::from_secs(1);

/// Records taken from one ring before the next one has its turn.
const TURN_RECORDS: usize = 256;

/// Where lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// The standard output, for containers.
    Stdout,
    /// The standard error, where the gateway's own log goes.
    Stderr,
    /// A file, opened for appending and opened again on request.
    File(PathBuf),
}

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object.
    Json,
    /// The `combined` format of nginx and Apache.
    Combined,
}

/// Where and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where lines go.
    pub destination: Destination,
    /// How they look.
    pub format: Format,
}

/// What became of the lines.
#[derive(Debug, Default)]
pub struct LogStats {
    lines: AtomicU64,
    lost: AtomicU64,
    errors: AtomicU64,
}

/// The running log.
#[derive(Debug)]
pub struct AccessLog {
    orders: Sender<Order>,
    stats: Arc<LogStats>,
    thread: Option<JoinHandle<()>>,
}

enum Order {
    Reopen,
    Use(Option<Settings>),
    Finish,
}

struct Writer {
    rings: Vec<Records>,
    orders: Receiver<Order>,
    output: Option<(Format, Sink)>,
    stats: Arc<LogStats>,
}

// === impl AccessLog ===

impl AccessLog {
    /// Starts to write what comes out of the rings; `None`: throws it away until it is told otherwise.
    pub fn start(rings: Vec<Records>, settings: Option<Settings>) -> std::io::Result<Self> {
        let (orders, receiver) = channel();
        let stats = Arc::new(LogStats::default());
        let mut writer = Writer { rings, orders: receiver, output: None, stats: stats.clone() };
        writer.apply(settings);
        let thread =
            std::thread::Builder::new().name("access-log".into()).spawn(|| writer.run())?;
        Ok(Self { orders, stats, thread: Some(thread) })
    }

    /// Opens the file again under its name, after it was rotated away.
    pub fn reopen(&self) {
        self.order(Order::Reopen);
    }

    /// Writes elsewhere, otherwise, or not at all from now on.
    pub fn apply(&self, settings: Option<Settings>) {
        self.order(Order::Use(settings));
    }

    /// What became of the lines.
    pub fn stats(&self) -> &Arc<LogStats> {
        &self.stats
    }

    /// Writes what is left in the rings and ends.
    pub fn finish(mut self) {
        self.order(Order::Finish);
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported by its hook.
            let _ = thread.join();
        }
    }

    fn order(&self, order: Order) {
        let _ = self.orders.send(order);
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

// === impl Writer ===

impl Writer {
    fn run(mut self) {
        let mut flushed = clock::now();
        let mut finishing = false;
        loop {
            finishing |= self.obey();
            let busy = self.drain();
            let now = clock::now();
            if finishing && !busy {
                return self.flush();
            }
            if now.since(flushed) >= FLUSH_INTERVAL {
                self.flush();
                flushed = now;
            }
            if !busy && !finishing {
                let on = self.output.is_some();
                std::thread::park_timeout(if on { IDLE_WAIT } else { OFF_WAIT });
            }
        }
    }

    /// Follows the orders; true: write what is left and end.
    fn obey(&mut self) -> bool {
        loop {
            match self.orders.try_recv() {
                Ok(Order::Reopen) => {
                    if let Some((_, sink)) = &mut self.output {
                        sink.reopen();
                    }
                }
                Ok(Order::Use(settings)) => self.apply(settings),
                Ok(Order::Finish) | Err(TryRecvError::Disconnected) => return true,
                Err(TryRecvError::Empty) => return false,
            }
        }
    }

    fn apply(&mut self, settings: Option<Settings>) {
        match (settings, &mut self.output) {
            (Some(settings), Some((format, sink))) => {
                sink.redirect(&settings.destination);
                *format = settings.format;
            }
            (Some(settings), None) => {
                let sink = Sink::open(settings.destination, self.stats.clone());
                self.output = Some((settings.format, sink));
            }
            (None, _) => {
                self.flush();
                self.output = None;
            }
        }
    }

    fn flush(&mut self) {
        if let Some((_, sink)) = &mut self.output {
            sink.flush();
        }
    }

    /// Formats what is there, a turn of each ring; true: there may be more.
    fn drain(&mut self) -> bool {
        let mut busy = false;
        for ring in &mut self.rings {
            let mut taken = 0;
            while taken < TURN_RECORDS
                && let Some(record) = ring.pop()
            {
                if let Some((format, sink)) = &mut self.output
                    && sink.put(|out| line::write(out, &record, *format))
                {
                    self.stats.lines.fetch_add(1, Ordering::Relaxed);
                }
                ring.recycle(record);
                taken += 1;
            }
            busy |= taken == TURN_RECORDS;
        }
        busy
    }
}

// === impl LogStats ===

impl LogStats {
    /// Lines put in the buffer.
    pub fn lines(&self) -> u64 {
        self.lines.load(Ordering::Relaxed)
    }

    /// Lines that had no room in the buffer because nothing could be written.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Writes and openings that failed.
    pub fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use narrows_gateway::record::{Text, ring};

    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn records_of_all_workers_are_in_the_file_when_the_log_has_finished() {
        let scratch = Scratch::new("access-log");
        let path = scratch.path().join("access.log");
        let (mut recorders, rings): (Vec<_>, Vec<_>) = (0..2).map(|_| ring(1000)).unzip();
        for recorder in &mut recorders {
            for _ in 0..TURN_RECORDS + 1 {
                let mut record = recorder.blank();
                record.set_text(Text::Path, b"/a.B/C");
                recorder.push(record).expect("room");
            }
        }
        let settings =
            Settings { destination: Destination::File(path.clone()), format: Format::Json };
        let log = AccessLog::start(rings, Some(settings)).expect("thread");
        let stats = log.stats().clone();
        log.finish();
        let text = std::fs::read_to_string(path).expect("file");
        assert_eq!(text.lines().count(), 2 * (TURN_RECORDS + 1));
        assert!(text.lines().all(|line| line.contains("\"path\":\"/a.B/C\"")));
        assert_eq!((stats.lines(), stats.lost(), stats.errors()), (514, 0, 0));
    }
}
