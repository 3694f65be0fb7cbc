//! What the operating system says of this process, under the names that every Prometheus client uses.
//!
//! Read from `/proc/self`; what can not be read is left out.

use super::text::{Kind, Text};

/// The unit of times in `/proc`: fixed at 100 per second in the kernel's interface on all architectures
/// that Linux servers use.
const TICKS_PER_SECOND: f64 = 100.0;

/// The process at one moment. `None`: not known.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Process {
    cpu_seconds: Option<f64>,
    start_seconds: Option<f64>,
    resident_bytes: Option<f64>,
    virtual_bytes: Option<f64>,
    threads: Option<f64>,
    open_files: Option<f64>,
    open_files_max: Option<f64>,
}

pub(super) fn read() -> Process {
    let file = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let mut process = parse(
        &file("/proc/self/stat"),
        &file("/proc/self/status"),
        &file("/proc/self/limits"),
        &file("/proc/stat"),
    );
    // Listing the directory opens it, which makes one more.
    process.open_files =
        std::fs::read_dir("/proc/self/fd").ok().map(|all| (all.count() - 1) as f64);
    process
}

pub(super) fn render(text: &mut Text, process: &Process) {
    let mut family = |name, kind, help, value: Option<f64>| {
        if let Some(value) = value {
            text.family(name, kind, help).sample(&[], value);
        }
    };
    let (counter, gauge) = (Kind::Counter, Kind::Gauge);
    family("process_cpu_seconds_total", counter, "User and system CPU time.", process.cpu_seconds);
    family(
        "process_start_time_seconds",
        gauge,
        "Start of the process, Unix time.",
        process.start_seconds,
    );
    family("process_resident_memory_bytes", gauge, "Memory in RAM.", process.resident_bytes);
    family("process_virtual_memory_bytes", gauge, "Memory mapped.", process.virtual_bytes);
    family("process_threads", gauge, "Threads.", process.threads);
    family("process_open_fds", gauge, "Open file descriptors.", process.open_files);
    family("process_max_fds", gauge, "Limit of open file descriptors.", process.open_files_max);
}

fn parse(stat: &str, status: &str, limits: &str, kernel: &str) -> Process {
    // The name of the program stands in brackets and may hold spaces; fields are counted behind it.
    let fields = stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect::<Vec<_>>());
    let tick = |at: usize| fields.as_ref()?.get(at)?.parse::<f64>().ok();
    let boot = word_behind(kernel, "btime", 0);
    let kibibytes = |name| word_behind(status, name, 0).map(|n| n * 1024.0);
    Process {
        cpu_seconds: tick(11)
            .zip(tick(12))
            .map(|(user, system)| (user + system) / TICKS_PER_SECOND),
        start_seconds: boot.zip(tick(19)).map(|(boot, ticks)| boot + ticks / TICKS_PER_SECOND),
        resident_bytes: kibibytes("VmRSS:"),
        virtual_bytes: kibibytes("VmSize:"),
        threads: word_behind(status, "Threads:", 0),
        open_files: None,
        open_files_max: word_behind(limits, "Max open files", 0),
    }
}

/// The number in the `at`th column behind `name` on the line that begins with it.
fn word_behind(text: &str, name: &str, at: usize) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().nth(at)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_the_kernel_are_understood() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 3 0 1200 9 9 9";
        let status = "Name:\tx\nVmSize:\t  2048 kB\nVmRSS:\t   1024 kB\nThreads:\t5\n";
        let limits =
            "Limit  Soft Limit  Hard Limit  Units\nMax open files            1024   4096   files\n";
        let process = parse(stat, status, limits, "cpu 1 2\nbtime 1000\n");
        let expected = Process {
            cpu_seconds: Some(3.0),
            start_seconds: Some(1012.0),
            resident_bytes: Some(1_048_576.0),
            virtual_bytes: Some(2_097_152.0),
            threads: Some(5.0),
            open_files: None,
            open_files_max: Some(1024.0),
        };
        assert_eq!(process, expected);
    }

    #[test]
    fn what_can_not_be_read_is_left_out() {
        let mut text = Text::new();
        render(&mut text, &parse("", "", "", ""));
        assert_eq!(text.into_string(), "");
        assert!(read().cpu_seconds.is_some());
    }
}
