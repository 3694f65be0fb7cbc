//! How a verb can fail, and what that means for the exit code.

use std::fmt::Display;
use std::process::ExitCode;

use narrows_control::config::Fault;
use narrows_control::daemon::RunError;

/// Why a verb did not do what it was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The configuration or the request is refused, in words; exit code 1. Empty: all has been said.
    Refused(String),
    /// The command line makes no sense; exit code 2.
    Usage(String),
    /// No gateway answers; exit code 3.
    Unreachable(String),
    /// The gateway has ended for a fault of its own; exit code 70, as `sysexits.h` has it.
    Broken(String),
}

/// The result of a verb.
pub(crate) type Outcome = Result<(), Failure>;

// === impl Failure ===

impl Failure {
    pub(crate) fn refused(error: impl Display) -> Self {
        Self::Refused(error.to_string())
    }

    pub(crate) fn code(&self) -> ExitCode {
        match self {
            Self::Refused(_) => ExitCode::from(1),
            Self::Usage(_) => ExitCode::from(2),
            Self::Unreachable(_) => ExitCode::from(3),
            Self::Broken(_) => ExitCode::from(70),
        }
    }

    /// Prints it to stderr.
    pub(crate) fn report(&self) {
        match self {
            Self::Refused(text) if text.is_empty() => {}
            Self::Refused(text)
            | Self::Usage(text)
            | Self::Unreachable(text)
            | Self::Broken(text) => eprintln!("{text}"),
        }
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Start(error) => Self::refused(error),
            RunError::Worker(_) => Self::Broken(error.to_string()),
        }
    }
}

impl From<Vec<Fault>> for Failure {
    fn from(faults: Vec<Fault>) -> Self {
        let lines = faults.iter().map(ToString::to_string).collect::<Vec<_>>();
        Self::Refused(lines.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use narrows_gateway::control::WorkerFailure;

    use super::*;

    #[test]
    fn a_fault_of_the_gateway_itself_has_a_code_of_its_own() {
        let failure = WorkerFailure { worker: 1, why: "panic: x".into() };
        let failure = Failure::from(RunError::Worker(failure));
        let text = "worker 1 has ended: panic: x; the gateway has ended because of it";
        assert_eq!(failure, Failure::Broken(text.into()));
        assert_eq!(format!("{:?}", failure.code()), format!("{:?}", ExitCode::from(70)));
    }
}
