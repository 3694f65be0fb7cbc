//! A directory of its own that goes away with its owner: for tests, and for the demonstration.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// An empty directory in the system's place for such, removed when dropped.
#[derive(Debug)]
pub struct Scratch(PathBuf);

// === impl Scratch ===

impl Scratch {
    /// Makes one; `purpose` is part of its name. Only this user can enter it.
    pub fn create(purpose: &str) -> io::Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("narrows-{purpose}-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let mut builder = std::fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        // Not recursive: a directory that is there already, perhaps someone else's, is an error.
        builder.create(&path)?;
        Ok(Self(path))
    }

    /// As [`create`](Self::create), for tests.
    #[cfg(test)]
    pub(crate) fn new(purpose: &str) -> Self {
        Self::create(purpose).expect("temporary directory")
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What can not be removed is left to the system's own cleaning.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
