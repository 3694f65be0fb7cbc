//! Files and directories: reads them, and merges the files of a directory into one tree.
//!
//! In a directory, every `*.yaml`, `*.yml`, and `*.json` is read in the order of their names. Lists
//! of listeners and routes are put behind each other; stores and upstreams are put together by
//! name; anything else may be in one file only. What two files both say is a fault that names both.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::check::{join, position};
use super::fault::{Fault, Position};
use super::yaml::{self, Entry, Kind, Node, Place};

/// The largest configuration file.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// The files of a configuration, in order, and their content.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) files: Vec<Arc<Path>>,
    texts: Vec<String>,
}

// === impl Source ===

impl Source {
    /// One text under a name of its own.
    pub(crate) fn text(name: &Path, text: &str) -> Self {
        Self { files: vec![name.into()], texts: vec![text.to_owned()] }
    }

    /// A file, or the files of a directory.
    pub(crate) fn read(path: &Path) -> Result<Self, Vec<Fault>> {
        let names = match path.is_dir() {
            true => list(path).map_err(|fault| vec![fault])?,
            false => vec![path.to_owned()],
        };
        let (mut files, mut texts, mut faults) = (Vec::new(), Vec::new(), Vec::new());
        for name in names {
            match read(&name) {
                Ok(text) => texts.push(text),
                Err(message) => faults.push(about(&name, message)),
            }
            files.push(name.into());
        }
        if faults.is_empty() { Ok(Self { files, texts }) } else { Err(faults) }
    }

    /// The merged tree. An empty configuration is an empty map.
    pub(crate) fn tree(&self) -> (Node, Vec<Fault>) {
        let mut faults = Vec::new();
        let mut merged: Vec<Entry> = Vec::new();
        for (file, text) in self.texts.iter().enumerate() {
            match yaml::parse(file, text) {
                Ok(None) => {}
                Ok(Some(Node { kind: Kind::Map(entries), .. })) => {
                    for entry in entries {
                        self.merge(&mut merged, entry, &mut faults);
                    }
                }
                Ok(Some(node)) => {
                    let place = Some(position(&self.files, node.place));
                    faults.push(Fault::error(place, "", "expected keys such as listeners"));
                }
                Err(error) => {
                    let place = Some(position(&self.files, error.place));
                    faults.push(Fault::error(place, "", error.message));
                }
            }
        }
        let place = Place { file: 0, line: 1, column: 1 };
        (Node { place, kind: Kind::Map(merged) }, faults)
    }

    fn merge(&self, merged: &mut Vec<Entry>, entry: Entry, faults: &mut Vec<Fault>) {
        let Some(first) = merged.iter_mut().find(|first| first.key == entry.key) else {
            return merged.push(entry);
        };
        match (&mut first.value.kind, entry.value.kind) {
            (Kind::List(items), Kind::List(more)) => items.extend(more),
            (Kind::Map(entries), Kind::Map(more)) if is_named(&entry.key) => {
                for entry_of_map in more {
                    let path = join(&entry.key, &entry_of_map.key);
                    match entries.iter().find(|other| other.key == entry_of_map.key) {
                        Some(other) => {
                            faults.push(self.twice(&path, other.place, entry_of_map.place));
                        }
                        None => entries.push(entry_of_map),
                    }
                }
            }
            _ => faults.push(self.twice(&entry.key, first.place, entry.place)),
        }
    }

    fn twice(&self, path: &str, first: Place, second: Place) -> Fault {
        let first = position(&self.files, first);
        let message = format!("is already in {}, line {}", first.file.display(), first.line);
        Fault::error(Some(position(&self.files, second)), path, message)
    }
}

/// Whether a key of the top level holds things by name, which several files may add to.
fn is_named(key: &str) -> bool {
    matches!(key, "stores" | "upstreams")
}

fn list(directory: &Path) -> Result<Vec<PathBuf>, Fault> {
    let entries = std::fs::read_dir(directory)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| about(directory, format!("can not read the directory: {error}")))?;
    let is_config = |name: &PathBuf| {
        let hidden = name.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.'));
        let extension = name.extension().and_then(|extension| extension.to_str());
        !hidden && matches!(extension, Some("yaml" | "yml" | "json"))
    };
    let mut names: Vec<PathBuf> = entries.iter().map(|entry| entry.path()).collect();
    names.retain(is_config);
    names.sort();
    if names.is_empty() {
        return Err(about(directory, "the directory holds no *.yaml, *.yml, or *.json".into()));
    }
    Ok(names)
}

fn read(file: &Path) -> Result<String, String> {
    let metadata = std::fs::metadata(file).map_err(|error| format!("can not read: {error}"))?;
    if metadata.len() > FILE_BYTES_MAX {
        return Err(format!("holds more than {FILE_BYTES_MAX} bytes"));
    }
    std::fs::read_to_string(file).map_err(|error| format!("can not read: {error}"))
}

fn about(file: &Path, message: String) -> Fault {
    Fault::error(Some(Position { file: file.into(), line: 1, column: 1 }), "", message)
}
