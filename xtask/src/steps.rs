//! What a test run consists of, in order, each step with its time in the summary.
//!
//! A failed step does not stop the others, except that nothing end-to-end runs without its programs or without
//! the binary.

use std::time::{Duration, Instant};

use crate::command::{Tally, cargo, program, root, run, run_tests};
use crate::{machine, tidy};

/// What `cargo xtask bench` prints.
pub(crate) const BENCH: &str = "\
The speed is measured as CPU per call beside other proxies in the same run, on an idle machine:
  cargo xtask bench http1    requests of HTTP/1.1: wrk, with HAProxy and nginx as peers
  cargo xtask bench tcp      bytes through a TCP listener: iperf3, with HAProxy as the peer
  docs/performance.md says which loads, which peers, and how to read the figures
A figure without a peer in the same run says nothing: machines differ by more than programs.";

type Work = fn(&mut Tally) -> Result<(), String>;

/// One step.
struct Step {
    name: &'static str,
    work: Work,
    /// Whether the steps behind it need it.
    required: bool,
}

const STEPS: &[Step] = &[
    Step { name: "prepare", work: |_| machine::prepare(), required: true },
    Step { name: "fmt", work: |_| run(&mut cargo(&["fmt", "--all", "--check"])), required: false },
    Step { name: "tidy", work: |_| tidy::check(), required: false },
    Step { name: "clippy", work: |_| clippy(), required: false },
    Step { name: "doc", work: |_| doc(), required: false },
    Step { name: "test", work: unit, required: false },
    Step { name: "fuzz", work: |tally| fuzz_smoke("200000", tally), required: false },
    Step {
        name: "build",
        work: |_| run(&mut cargo(&["build", "--release", "-p", "narrows"])),
        required: true,
    },
    Step { name: "e2e", work: end_to_end, required: false },
];

/// The names of the steps.
pub(crate) fn names() -> String {
    STEPS.iter().map(|step| step.name).collect::<Vec<_>>().join(" ")
}

/// Runs every step and prints the summary.
pub(crate) fn run_all() -> Result<(), String> {
    let mut tally = Tally::default();
    let mut summary = Vec::new();
    let mut failed = Vec::new();
    for step in STEPS {
        let (outcome, took) = step.run(&mut tally);
        let word = if outcome.is_ok() { "ok" } else { "FAILED" };
        summary.push(format!("{:8} {word:6} {:4} s", step.name, took.as_secs()));
        if let Err(error) = outcome {
            failed.push(format!("{}: {error}", step.name));
            if step.required {
                break;
            }
        }
    }
    println!("\n{}", summary.join("\n"));
    println!("{} passed, {} failed", tally.passed, tally.failed);
    if failed.is_empty() { Ok(()) } else { Err(failed.join("\n")) }
}

/// Runs one step; end-to-end with what it needs.
pub(crate) fn run_one(name: &str) -> Result<(), String> {
    let mut tally = Tally::default();
    let needed = |step: &&Step| step.name == name || (name == "e2e" && step.required);
    let steps: Vec<_> = STEPS.iter().filter(needed).collect();
    if !steps.iter().any(|step| step.name == name) {
        return Err(format!("no step {name}; there are: {}", names()));
    }
    for step in steps {
        step.run(&mut tally).0?;
    }
    println!("{} passed, {} failed", tally.passed, tally.failed);
    Ok(())
}

/// A long run of the fuzz targets.
pub(crate) fn fuzz(rounds: &str) -> Result<(), String> {
    fuzz_smoke(rounds, &mut Tally::default())
}

/// Draws the pictures of how calls are balanced. The test that compares them writes them, too.
pub(crate) fn spread() -> Result<(), String> {
    let arguments = ["test", "-p", "narrows-gateway", "--test", "spread"];
    run(cargo(&arguments).env("NARROWS_WRITE_DOCS", "1"))
}

/// Narrows, built for release, beside other proxies under one load.
pub(crate) fn bench(kind: &str) -> Result<(), String> {
    run(&mut cargo(&["build", "--release", "-p", "narrows"]))?;
    let script = root().join("bench/peers.py");
    let binary = root().join("target/release/narrows");
    run(program("python3", &[]).arg(script).arg(kind).arg(binary))
}

fn clippy() -> Result<(), String> {
    run(&mut cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
}

fn doc() -> Result<(), String> {
    run(cargo(&["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))
}

/// Unit tests, simulation, conformance; the corpora of the fuzz targets are among them.
fn unit(tally: &mut Tally) -> Result<(), String> {
    let arguments = ["test", "--workspace", "--exclude", "narrows-e2e", "--no-fail-fast"];
    run_tests(&mut cargo(&arguments), tally)
}

/// The bodies of the fuzz targets on mutations of their corpora, from a fixed seed, without a special compiler.
fn fuzz_smoke(rounds: &str, tally: &mut Tally) -> Result<(), String> {
    let arguments = ["test", "-p", "narrows-testkit", "--test", "fuzz"];
    run_tests(cargo(&arguments).env("NARROWS_FUZZ_ROUNDS", rounds), tally)
}

/// One test at a time: several of them measure the machine.
fn end_to_end(tally: &mut Tally) -> Result<(), String> {
    let arguments =
        ["test", "-p", "narrows-e2e", "--no-fail-fast", "--", "--test-threads=1", "--nocapture"];
    run_tests(cargo(&arguments).env("NARROWS_BIN", root().join("target/release/narrows")), tally)
}

// === impl Step ===

impl Step {
    #[expect(
        clippy::disallowed_methods,
        reason = "a command for developers; no simulated world holds its time"
    )]
    fn run(&self, tally: &mut Tally) -> (Result<(), String>, Duration) {
        println!("\n== {} ==", self.name);
        let start = Instant::now();
        let outcome = (self.work)(tally);
        (outcome, start.elapsed())
    }
}
