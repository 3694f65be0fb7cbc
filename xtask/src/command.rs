//! Runs programs: with their output shown, and for `cargo test` counted.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What `cargo test` reported, summed over its binaries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Tests that passed.
    pub(crate) passed: u64,
    /// Tests that failed.
    pub(crate) failed: u64,
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("xtask lies in the root").to_path_buf()
}

/// `cargo` as the one that runs us, in the root.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command =
        program(&std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()), arguments);
    command.current_dir(root());
    command
}

/// Any program.
pub(crate) fn program(name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(name);
    command.args(arguments);
    command
}

/// Runs it with its output shown.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let status = command.status().map_err(|error| format!("{command:?}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}")) }
}

/// Whether it runs and succeeds; nothing is shown.
pub(crate) fn succeeds(name: &str, arguments: &[&str]) -> bool {
    let mut command = program(name, arguments);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Runs a `cargo test`, shows its output and adds its results to `tally`.
pub(crate) fn run_tests(command: &mut Command, tally: &mut Tally) -> Result<(), String> {
    let started = command.stdout(Stdio::piped()).spawn();
    let mut child = started.map_err(|error| format!("{command:?}: {error}"))?;
    let output = child.stdout.take().expect("stdout is piped");
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        println!("{line}");
        tally.add(&line);
    }
    let status = child.wait().map_err(|error| format!("{command:?}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}")) }
}

// === impl Tally ===

impl Tally {
    /// Counts a line like `test result: ok. 3 passed; 0 failed; ...`; others count nothing.
    fn add(&mut self, line: &str) {
        let Some(results) = line.strip_prefix("test result: ") else { return };
        let of = |word: &str| {
            let words: Vec<_> = results.split([' ', ';']).collect();
            let at = words.iter().position(|&found| found == word)?;
            words.get(at.checked_sub(1)?)?.parse::<u64>().ok()
        };
        self.passed += of("passed").unwrap_or(0);
        self.failed += of("failed").unwrap_or(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_test_binaries_are_summed() {
        let mut tally = Tally::default();
        tally.add("test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 3 filtered out; finished in 0.1s");
        tally.add("test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out");
        tally.add("test works ... ok");
        assert_eq!(tally, Tally { passed: 15, failed: 2 });
    }
}
