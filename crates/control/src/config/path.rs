//! Names of files.
//!
//! A relative name counts from the directory of the configuration file that holds it, so that it
//! means the same whatever the working directory is. The loader makes it whole; what is compiled is
//! never relative to anything but the working directory of a relative configuration file.

use std::convert::Infallible;
use std::fmt;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::form::{TextForm, text_form};

/// The name of a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FilePath(pub PathBuf);

text_form!(FilePath);

// === impl FilePath ===

impl TextForm for FilePath {
    const FORMAT: &'static str = "path";
    const EXPECTED: &'static str = "a file, relative to the directory of this configuration file";
}

impl FromStr for FilePath {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(PathBuf::from(text)))
    }
}

impl Deref for FilePath {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}
