//! The directory for what should outlive the process.

use std::path::PathBuf;

use crate::config::Config;

/// Where to keep what should outlive the process; `None`: nowhere.
pub(super) fn state_directory(config: &Config) -> Option<PathBuf> {
    if let Some(path) = &config.state_directory {
        return Some(path.0.clone());
    }
    // systemd may name several, with colons between; the first is as good as any.
    let named = std::env::var("STATE_DIRECTORY").ok()?;
    named.split(':').next().filter(|path| !path.is_empty()).map(PathBuf::from)
}
