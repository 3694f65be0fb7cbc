//! What can go wrong with an embedded store, and what to do about it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use narrows_gateway::target::TargetError;
use redb::{DatabaseError, StorageError};

use super::KEY_BYTES_MAX;

/// Why a file could not be opened, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file is locked.
    #[error(
        "{0} is in use by another process or another store; stop the other one, or give this store a \
         file of its own"
    )]
    InUse(PathBuf),
    /// Not a file of ours, or broken.
    #[error(
        "{path} is damaged or is no store ({detail}); put a copy in its place, or move it away to start \
         with an empty store"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// The user may not read and write it.
    #[error(
        "no permission for {0}; the user that runs the gateway must be able to read and write the file \
         and its directory"
    )]
    Permission(PathBuf),
    /// No space.
    #[error("no space left for {0}; free some space on its disk, then start again")]
    Full(PathBuf),
    /// The system says no for another reason.
    #[error("can not open {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Why a change was not made. Nothing of it is visible.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// The key is empty or too long.
    #[error("the key has {0} bytes; it must have 1 to {KEY_BYTES_MAX}")]
    Key(usize),
    /// The value is no target.
    #[error("{text:?} is no target: {error}")]
    Target {
        /// What was given.
        text: String,
        /// What is wrong with it.
        error: TargetError,
    },
    /// A time to live of less than a second would be over at once.
    #[error("the time to live must be at least 1s")]
    TimeToLive,
    /// The file could not be written. Says what to do.
    #[error("{0}")]
    Storage(Arc<str>),
}

// === impl OpenError ===

impl OpenError {
    /// What the database says, in our words.
    pub(super) fn of(path: &Path, error: DatabaseError) -> Self {
        match error {
            DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
                Self::InUse(path.to_owned())
            }
            DatabaseError::Storage(StorageError::Io(source)) => Self::of_io(path, source),
            error => Self::Damaged { path: path.to_owned(), detail: error.to_string() },
        }
    }

    /// What the system says, in our words.
    pub(super) fn of_io(path: &Path, source: std::io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Self::Permission(path),
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::Full(path),
            ErrorKind::InvalidData | ErrorKind::UnexpectedEof => {
                Self::Damaged { path, detail: source.to_string() }
            }
            _ => Self::Io { path, source },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_is_told_with_what_to_do() {
        let text = |kind: ErrorKind| {
            OpenError::of_io(Path::new("jobs.redb"), std::io::Error::from(kind)).to_string()
        };
        assert!(
            text(ErrorKind::PermissionDenied).starts_with("no permission for jobs.redb; the user")
        );
        assert!(text(ErrorKind::StorageFull).starts_with("no space left for jobs.redb; free some"));
        assert!(text(ErrorKind::UnexpectedEof).starts_with("jobs.redb is damaged or is no store"));
        assert!(text(ErrorKind::NotADirectory).starts_with("can not open jobs.redb: "));
    }
}
