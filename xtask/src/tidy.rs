//! Rules of this repository that neither the compiler nor clippy knows.
//!
//! Dependencies point downward, `wire` and `transcode` hold no I/O and no clock, every source file says what it is,
//! and documents lead somewhere. A rule lists every place that breaks it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::command::{cargo, root};
use crate::documents;

/// Everything that `narrows-wire` may depend on, itself included: no I/O, no clock, no executor.
const WIRE: &[&str] = &[
    "narrows-wire",
    "sha1_smol",
    "httparse",
    "memchr",
    "thiserror",
    // What the derive macro of `thiserror` runs on; nothing of it is in the program.
    "thiserror-impl",
    "proc-macro2",
    "quote",
    "syn",
    "unicode-ident",
];

/// What `narrows-gateway` must not depend on: the plane above it, and executors.
const NOT_GATEWAY: &[&str] =
    &["narrows-control", "tokio", "async-std", "smol", "futures", "hyper", "h2"];

/// What `narrows-transcode` must not depend on: what is above it, and whatever opens or waits for something. It is
/// not as strict as for `wire`, because reading messages by their descriptors takes a dozen crates.
const NOT_TRANSCODE: &[&str] = &[
    "narrows-gateway",
    "narrows-control",
    "protox",
    "mio",
    "socket2",
    "rustls",
    "tokio",
    "async-std",
    "smol",
    "futures",
    "hyper",
    "h2",
];

/// Crates whose sources must not use [`NOT_WIRE`].
const WITHOUT_IO: &[&str] = &["crates/wire/src", "crates/transcode/src"];

/// Parts of the standard library that `wire` must not use: it compiles with them, so the tree does not show it.
const NOT_WIRE: &[&str] =
    &["std::net", "std::thread", "std::fs", "Instant", "SystemTime", "Mutex", "Condvar"];

/// A source file that is longer holds more than one idea.
const SOURCE_LINES_MAX: usize = 500;

/// ARCHITECTURE.md is read in one sitting, or not at all.
const ARCHITECTURE_LINES_MAX: usize = 200;

/// Notes to oneself; work that is left is not left in the code.
const NOTES: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("#[ig", "nore")];

/// Checks every rule.
pub(crate) fn check() -> Result<(), String> {
    let mut faults = Vec::new();
    faults.extend(dependencies("narrows-wire")?.into_iter().filter_map(|name| {
        (!WIRE.contains(&name.as_str())).then(|| format!("narrows-wire depends on {name}"))
    }));
    faults.extend(dependencies("narrows-gateway")?.into_iter().filter_map(|name| {
        NOT_GATEWAY.contains(&name.as_str()).then(|| format!("narrows-gateway depends on {name}"))
    }));
    faults.extend(dependencies("narrows-transcode")?.into_iter().filter_map(|name| {
        NOT_TRANSCODE
            .contains(&name.as_str())
            .then(|| format!("narrows-transcode depends on {name}"))
    }));
    let sources = all_sources()?;
    for file in &sources {
        faults.extend(faults_of(file)?);
    }
    faults.extend(documents::faults(&sources)?);
    let architecture = root().join("ARCHITECTURE.md");
    faults.extend(too_long(&architecture, ARCHITECTURE_LINES_MAX)?);
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n")) }
}

/// The names of all crates that a crate of ours is built with.
fn dependencies(name: &str) -> Result<Vec<String>, String> {
    let arguments =
        ["tree", "--package", name, "--edges", "normal", "--prefix", "none", "--format", "{p}"];
    let output = cargo(&arguments).output().map_err(|error| format!("cargo tree: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo tree: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let mut names: Vec<_> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| line.split(' ').next().map(str::to_owned))
        .collect();
    names.sort();
    names.dedup();
    Ok(names)
}

/// Every source file of the workspace.
pub(crate) fn all_sources() -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    for directory in ["crates", "e2e", "xtask"] {
        found.extend(sources(&root().join(directory))?);
    }
    Ok(found)
}

/// All Rust files below a directory.
pub(crate) fn sources(directory: &Path) -> Result<Vec<PathBuf>, String> {
    let told = |error: std::io::Error| format!("{}: {error}", directory.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(told)? {
        let path = entry.map_err(told)?.path();
        if path.is_dir() {
            found.extend(sources(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    Ok(found)
}

/// The fault of a file that is too long, if it is.
fn too_long(file: &Path, lines_max: usize) -> Result<Option<String>, String> {
    let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let (lines, name) = (text.lines().count(), file.strip_prefix(root()).unwrap_or(file));
    let fault = || format!("{}: {lines} lines, {lines_max} are allowed", name.display());
    Ok((lines > lines_max).then(fault))
}

fn faults_of(file: &Path) -> Result<Vec<String>, String> {
    let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let name = file.strip_prefix(root()).unwrap_or(file).display().to_string();
    let mut faults = Vec::new();
    if file.ends_with("mod.rs") {
        faults.push(format!("{name}: a module lies beside its folder, not in it"));
    }
    if !text.starts_with("//!") {
        faults.push(format!("{name}: does not open with //! and what it is"));
    }
    faults.extend(too_long(file, SOURCE_LINES_MAX)?);
    for word in NOTES.iter().filter(|word| text.contains(**word)) {
        faults.push(format!("{name}: {word}"));
    }
    if WITHOUT_IO.iter().any(|directory| name.starts_with(directory)) {
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or(line);
            for word in NOT_WIRE.iter().filter(|word| code.contains(**word)) {
                faults.push(format!("{name}:{}: {word} in a crate without I/O", number + 1));
            }
        }
    }
    Ok(faults)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_one_line_too_long_is_told() {
        let file = root().join("rustfmt.toml");
        let lines = fs::read_to_string(&file).expect("it is there").lines().count();
        assert_eq!(too_long(&file, lines), Ok(None));
        assert!(too_long(&file, lines - 1).expect("it can be read").is_some());
    }
}
