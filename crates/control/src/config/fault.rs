//! What is wrong with a configuration, and where.
//!
//! A fault is made for a person who has the file open: it names the file, the line, the column, the
//! path of the key, and what to write instead where that can be guessed. Loading and compiling
//! collect every fault before they give up, so that one run shows them all.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The file, as it was named on the command line or found in the directory.
    pub file: Arc<Path>,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
}

/// Whether a fault stops the configuration from being used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The configuration is refused.
    Error,
    /// The configuration is used; somebody should look.
    Warning,
}

/// Something wrong with a configuration. Prints as `file:line:column: path.to.key: message`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// How bad it is.
    pub severity: Severity,
    /// Where it is; `None` for what is in no file.
    pub position: Option<Position>,
    /// The path of the key, such as `routes[3].upstream`; empty for the file as a whole.
    pub path: String,
    /// What is wrong, in a sentence without a full stop.
    pub message: String,
}

// === impl Position ===

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

// === impl Fault ===

impl Fault {
    /// An error at a place.
    pub fn error(
        position: Option<Position>,
        path: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self { severity: Severity::Error, position, path: path.into(), message: message.into() }
    }

    /// The same as a warning.
    pub fn into_warning(self) -> Self {
        Self { severity: Severity::Warning, ..self }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(position) = &self.position {
            write!(f, "{position}: ")?;
        }
        if self.severity == Severity::Warning {
            f.write_str("warning: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

/// Puts faults into the order of the files, so that a person can work from top to bottom.
pub(crate) fn sort(faults: &mut [Fault]) {
    faults.sort_by(|a, b| a.position.cmp(&b.position));
}
