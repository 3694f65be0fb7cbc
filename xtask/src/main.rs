//! Development commands of this repository: `cargo xtask test` and its like.
//!
//! It depends on the standard library alone, so that it builds in a second on a machine that has only Rust and a
//! C compiler. `steps` says what a test run consists of, `machine` what it installs.

mod command;
mod documents;
mod machine;
mod rfc;
mod steps;
mod tidy;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask <command>

  test                 everything that continuous integration checks
  test --only <step>   one step of it, by its name
  fuzz [rounds]        replays the corpora, then runs so many mutations of them (default 1000000 a target)
  spread               draws the pictures of docs/balancing.md anew
  rfc                  the sections of the RFCs that no code cites or no test names
  bench                says how the speed is measured
  bench http1|tcp      measures HTTP/1.1, or opaque bytes, beside other proxies in the same run
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words[..] {
        ["test"] => steps::run_all(),
        ["test", "--only", name] => steps::run_one(name),
        ["fuzz"] => steps::fuzz("1000000"),
        ["fuzz", rounds] => steps::fuzz(rounds),
        ["spread"] => steps::spread(),
        ["rfc"] => rfc::report(),
        ["bench"] => {
            println!("{}", steps::BENCH);
            Ok(())
        }
        ["bench", kind @ ("http1" | "tcp")] => steps::bench(kind),
        _ => Err(format!("{USAGE}\nsteps: {}", steps::names())),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
