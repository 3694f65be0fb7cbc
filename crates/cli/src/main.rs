//! The binary: reads the command line, calls the library, turns the result into an exit code.
//!
//! `args.rs` is the command line, `verbs/` what each verb does, `client.rs` speaks to a running gateway.
//! Exit codes: 0 ok, 1 the configuration or the request is refused, 2 usage, 3 no gateway answers, 70 the gateway ended
//! for a fault of its own.

mod args;
mod client;
mod outcome;
mod table;
mod verbs;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match verbs::run(args::Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.report();
            failure.code()
        }
    }
}
