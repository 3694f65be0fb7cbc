//! Why descriptors can not be transcoded. All faults of a set are told at once.

use std::fmt;

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The full name of the method or service; empty when the descriptors as a whole are meant.
    pub place: String,
    /// What is wrong there.
    pub wrong: Wrong,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// The bytes are no set of descriptors, or the set lacks something that it refers to.
    #[error("the descriptors can not be read: {0}")]
    Descriptors(String),
    /// A service was asked for that is not there.
    #[error("no such service; there are {known}")]
    NoService {
        /// The names of those that are there.
        known: String,
    },
    /// The annotation can not be read.
    #[error("its google.api.http annotation can not be read")]
    Annotation,
    /// A rule without a path.
    #[error("its google.api.http annotation names neither method nor path")]
    NoPattern,
    /// A binding inside of an additional binding.
    #[error("additional_bindings lie inside of additional_bindings")]
    Nested,
    /// The name of a custom method is no token of HTTP.
    #[error("{0:?} is no HTTP method")]
    Method(String),
    /// The path does not follow the grammar of `google/api/http.proto`.
    #[error("path {path:?}: {fault}")]
    Template {
        /// The path as it is written.
        path: String,
        /// What the grammar misses.
        fault: &'static str,
    },
    /// A field that the message lacks.
    #[error("{user}: {message} has no field {field}")]
    NoField {
        /// What refers to the field.
        user: &'static str,
        /// The message that was looked at.
        message: String,
        /// The name that it lacks.
        field: String,
    },
    /// A field that can not be used there.
    #[error("{user}: {field} {fault}")]
    Unusable {
        /// What refers to the field.
        user: &'static str,
        /// The path of the field.
        field: String,
        /// Why not.
        fault: &'static str,
    },
    /// Two bindings match the same requests.
    #[error("{pattern} is also bound to {other}")]
    Ambiguous {
        /// The method and path.
        pattern: String,
        /// The other method.
        other: String,
    },
}

// === impl Fault ===

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.place.is_empty() {
            return self.wrong.fmt(f);
        }
        write!(f, "{}: {}", self.place, self.wrong)
    }
}

impl std::error::Error for Fault {}
