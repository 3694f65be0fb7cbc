//! Files and directories: reads them, and merges the files of a directory into one tree.
//!
//! In a directory, every `*.yaml`, `*.yml`, and `*.json` is read in the order of their names. Lists
//! of listeners and routes are put behind each other; stores and upstreams are put together by
//! name; anything else may be in one file only. What two files both say is a fault that names both.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::check::{join, position};
use super::doubt::Doubts;
use super::fault::{Fault, Position};
use super::yaml::{self, Entry, Kind, Node, Place};

/// The largest configuration file.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// The files of a configuration, in order, and their content.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) files: Vec<Arc<Path>>,
    texts: Vec<String>,
    /// Why files could not be read.
    unread: Vec<Fault>,
}

/// What the files say together.
#[derive(Debug)]
pub(crate) struct Merged {
    /// The tree. An empty configuration is an empty map.
    pub(crate) root: Node,
    /// What is wrong with the files as YAML, and with putting them together.
    pub(crate) faults: Vec<Fault>,
    /// What is missing from the tree because of it.
    pub(crate) doubts: Doubts,
}

// === impl Source ===

impl Source {
    /// One text under a name of its own.
    pub(crate) fn text(name: &Path, text: &str) -> Self {
        Self { files: vec![name.into()], texts: vec![text.to_owned()], unread: Vec::new() }
    }

    /// A file, or the files of a directory. What can not be read is a fault in the tree.
    pub(crate) fn read(path: &Path) -> Self {
        let mut unread = Vec::new();
        let names = match path.is_dir() {
            true => list(path).unwrap_or_else(|fault| {
                unread.push(fault);
                Vec::new()
            }),
            false => vec![path.to_owned()],
        };
        let (mut files, mut texts) = (Vec::new(), Vec::new());
        for name in names {
            let text = read(&name).map_err(|message| unread.push(about(&name, message)));
            texts.push(text.unwrap_or_default());
            files.push(name.into());
        }
        if files.is_empty() {
            // The place of the tree as a whole.
            files.push(path.into());
        }
        Self { files, texts, unread }
    }

    /// The merged tree.
    pub(crate) fn tree(&self) -> Merged {
        let place = Place { file: 0, line: 1, column: 1 };
        let mut merged = Merged {
            root: Node { place, kind: Kind::Map(Vec::new()) },
            faults: self.unread.clone(),
            doubts: Doubts::default(),
        };
        if !self.unread.is_empty() {
            merged.doubts.miss_a_part();
        }
        let mut entries: Vec<Entry> = Vec::new();
        for (file, text) in self.texts.iter().enumerate() {
            let (root, errors) = yaml::parse(file, text);
            for error in errors {
                merged.doubts.miss_a_part();
                let place = Some(position(&self.files, error.place));
                merged.faults.push(Fault::error(place, "", error.message));
            }
            match root {
                None => {}
                Some(Node { kind: Kind::Map(more), .. }) => {
                    more.into_iter().for_each(|entry| self.merge(&mut entries, entry, &mut merged));
                }
                Some(node) => {
                    let place = Some(position(&self.files, node.place));
                    let fault = Fault::error(place, "", "expected keys such as listeners");
                    merged.faults.push(fault);
                    merged.doubts.miss_a_part();
                }
            }
        }
        merged.root.kind = Kind::Map(entries);
        merged
    }

    fn merge(&self, entries: &mut Vec<Entry>, entry: Entry, merged: &mut Merged) {
        let Some(first) = entries.iter_mut().find(|first| first.key == entry.key) else {
            return entries.push(entry);
        };
        match (&mut first.value.kind, entry.value.kind) {
            (Kind::List(items), Kind::List(more)) => items.extend(more),
            (Kind::Map(entries), Kind::Map(more)) if is_named(&entry.key) => {
                for entry_of_map in more {
                    let path = join(&entry.key, &entry_of_map.key);
                    match entries.iter().find(|other| other.key == entry_of_map.key) {
                        Some(other) => {
                            let fault = self.twice(&path, other.place, entry_of_map.place);
                            merged.faults.push(fault);
                        }
                        None => entries.push(entry_of_map),
                    }
                }
            }
            _ => {
                merged.faults.push(self.twice(&entry.key, first.place, entry.place));
                merged.doubts.miss_a_part();
            }
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
