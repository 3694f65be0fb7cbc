//! The last sets on disk, for a start while their sources are away.
//!
//! A file for each upstream, written beside and renamed, so that it is whole whenever it is there. What can not be
//! read is as good as nothing; what can not be written is said, and nothing depends on it.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

use super::node::Node;

/// The largest file that is read.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// What one source said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    /// Its name within the upstream.
    pub(super) source: String,
    /// Where it is. What another place said says nothing about this one.
    pub(super) place: String,
    pub(super) nodes: Vec<Node>,
}

/// The file of an upstream.
#[derive(Debug, Clone)]
pub(super) struct Memory {
    upstream: Arc<str>,
    file: PathBuf,
}

// === impl Memory ===

impl Memory {
    pub(super) fn new(state_directory: &Path, upstream: &Arc<str>) -> Self {
        // The names of upstreams are letters, digits, and a few signs that files may have.
        let file = state_directory.join("discovery").join(format!("{upstream}.json"));
        Self { upstream: upstream.clone(), file }
    }

    /// What was kept.
    pub(super) async fn load(&self) -> Vec<Kept> {
        let file = self.file.clone();
        let text = match tokio::task::spawn_blocking(move || read(&file)).await {
            Ok(Ok(text)) => text,
            Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
            Ok(Err(error)) => return self.unreadable(error),
            Err(error) => return self.unreadable(error),
        };
        match serde_json::from_str::<Value>(&text) {
            Ok(value) => value["sources"].as_array().into_iter().flatten().map(kept).collect(),
            Err(error) => self.unreadable(error),
        }
    }

    /// Keeps this instead of what was kept.
    pub(super) async fn save(&self, sources: Vec<Kept>) {
        let sources: Vec<_> = sources.iter().map(written).collect();
        let text = format!("{:#}\n", json!({ "sources": sources }));
        let file = self.file.clone();
        let written = tokio::task::spawn_blocking(move || write(&file, &text)).await;
        if let Err(error) = written.unwrap_or_else(|error| Err(io::Error::other(error))) {
            let (upstream, file) = (&*self.upstream, self.file.display());
            tracing::warn!(upstream, %file, %error, "nodes can not be kept on disk");
        }
    }

    fn unreadable(&self, error: impl std::fmt::Display) -> Vec<Kept> {
        let (upstream, file) = (&*self.upstream, self.file.display());
        tracing::warn!(upstream, %file, %error, "nodes kept on disk can not be read");
        Vec::new()
    }
}

fn read(file: &Path) -> io::Result<String> {
    if fs::metadata(file)?.len() > FILE_BYTES_MAX {
        return Err(io::Error::other(format!("larger than {FILE_BYTES_MAX} bytes")));
    }
    fs::read_to_string(file)
}

fn write(file: &Path, text: &str) -> io::Result<()> {
    if let Some(directory) = file.parent() {
        fs::create_dir_all(directory)?;
    }
    let beside = file.with_extension("json.new");
    let mut new = fs::File::create(&beside)?;
    new.write_all(text.as_bytes())?;
    // Else a crash could leave the name of the new file with nothing in it.
    new.sync_all()?;
    fs::rename(&beside, file)
}

fn written(kept: &Kept) -> Value {
    let nodes: Vec<_> = kept.nodes.iter().map(Node::to_value).collect();
    json!({ "source": kept.source, "place": kept.place, "nodes": nodes })
}

fn kept(value: &Value) -> Kept {
    let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let nodes = value["nodes"].as_array().into_iter().flatten();
    let nodes = nodes.filter_map(|node| Node::from_value(node.clone()).ok().flatten());
    Kept { source: text("source"), place: text("place"), nodes: nodes.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    fn kept(address: &str) -> Kept {
        let node = Node { weight: 3, ..Node::new(address.parse().expect("a target")) };
        Kept { source: "dns".into(), place: "a name".into(), nodes: vec![node] }
    }

    #[tokio::test]
    async fn what_was_kept_comes_back() {
        let scratch = Scratch::new("memory");
        let memory = Memory::new(scratch.path(), &"nodes".into());
        assert_eq!(memory.load().await, []);
        memory.save(vec![kept("h:1")]).await;
        memory.save(vec![kept("h:1"), kept("[::1]:2")]).await;
        assert_eq!(memory.load().await, [kept("h:1"), kept("[::1]:2")]);
    }

    #[tokio::test]
    async fn a_damaged_file_is_as_good_as_none() {
        let scratch = Scratch::new("memory");
        let memory = Memory::new(scratch.path(), &"nodes".into());
        memory.save(vec![kept("h:1")]).await;
        for damage in ["{", "[]", "{\"sources\": 7}", "\u{0}"] {
            fs::write(&memory.file, damage).expect("a file");
            assert_eq!(memory.load().await, [], "{damage}");
        }
    }
}
