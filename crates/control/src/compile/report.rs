//! Collects what is wrong while compiling, each with the place of its path.
//!
//! Compiling goes on after an error wherever what follows does not depend on it, so that one run
//! shows as much as possible. Where something stands in for a fault that was reported already,
//! nothing is collected: it would be about the stand-in.

use std::fmt::Display;

use crate::config::{Fault, Loaded, Severity, Size, hint};

/// The longest name of a route, an upstream, or a store.
const NAME_BYTES_MAX: usize = 128;

/// The faults found so far.
pub(super) struct Report<'a> {
    loaded: &'a Loaded,
    faults: Vec<Fault>,
}

// === impl Report ===

impl<'a> Report<'a> {
    pub(super) fn new(loaded: &'a Loaded) -> Self {
        Self { loaded, faults: Vec::new() }
    }

    /// Notes an error.
    pub(super) fn error(&mut self, path: impl AsRef<str>, message: impl Into<String>) {
        let path = path.as_ref();
        if !self.loaded.doubts().cover(path) {
            self.faults.push(self.loaded.fault(path, message));
        }
    }

    /// Notes a warning.
    pub(super) fn warn(&mut self, path: impl AsRef<str>, message: impl Into<String>) {
        let path = path.as_ref();
        if !self.loaded.doubts().cover(path) {
            self.faults.push(self.loaded.fault(path, message).into_warning());
        }
    }

    /// Notes that a name is not among those at a path, unless something may be missing there.
    pub(super) fn unknown<'n>(
        &mut self,
        path: &str,
        (kind, name): (&str, &str),
        all: &str,
        known: impl IntoIterator<Item = &'n String>,
    ) {
        if !self.loaded.doubts().may_lack(all) {
            let hint = hint(name, known.into_iter().map(String::as_str));
            self.error(path, format!("no {kind} named {name:?}{hint}"));
        }
    }

    /// Notes that there is none of what must be at a path, unless it may be what could not be read.
    pub(super) fn none(&mut self, path: &str, message: &str, severity: Severity) {
        match severity {
            _ if self.loaded.doubts().may_lack(path) => {}
            Severity::Error => self.error(path, message),
            Severity::Warning => self.warn(path, message),
        }
    }

    /// Whether everything is as it was written.
    pub(super) fn is_whole(&self) -> bool {
        self.loaded.doubts().is_empty()
    }

    /// Whether all that is at this path is as it was written, so that it can be compared.
    pub(super) fn is_certain(&self, path: &str) -> bool {
        !self.loaded.doubts().touch(path)
    }

    /// The value, or notes the error.
    pub(super) fn ok<T, E: Display>(
        &mut self,
        path: impl AsRef<str>,
        result: Result<T, E>,
    ) -> Option<T> {
        result.map_err(|error| self.error(path, one_line(&error.to_string()))).ok()
    }

    /// The bytes of a size, or notes that it is not within the bounds.
    pub(super) fn within(&mut self, path: &str, size: Size, least: u64, most: u64) -> u32 {
        if size.0 < least {
            self.error(path, format!("must be at least {}", Size(least)));
        } else if size.0 > most {
            self.error(path, format!("must be at most {}", Size(most)));
        }
        u32::try_from(size.0).unwrap_or(u32::MAX)
    }

    /// Checks a name that will stand in logs, metrics, and on command lines.
    pub(super) fn name(&mut self, path: &str, name: &str) {
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.chars().all(fits) {
            let message = format!(
                "{name:?} is no name; a name has 1 to {NAME_BYTES_MAX} letters, digits, -, _, or ."
            );
            self.error(path, message);
        }
    }

    pub(super) fn has_errors(&self) -> bool {
        self.faults.iter().any(|fault| fault.severity == Severity::Error)
    }

    /// All of them in the order of the files.
    pub(super) fn into_faults(mut self) -> Vec<Fault> {
        crate::config::sort(&mut self.faults);
        self.faults
    }
}

/// A message of several lines, which shows the text again and ends with the reason, cut to the
/// reason.
fn one_line(message: &str) -> String {
    match (message.split_once(": "), message.rsplit_once("\nerror: ")) {
        (Some((what, _)), Some((_, reason))) => format!("{what}: {}", reason.replace('\n', " ")),
        _ => message.replace('\n', " "),
    }
}

/// What may be left out, once compiled: `None` if it was written and is wrong.
pub(super) fn transpose<T>(written: Option<Option<T>>) -> Option<Option<T>> {
    match written {
        None => Some(None),
        Some(None) => None,
        Some(Some(value)) => Some(Some(value)),
    }
}
