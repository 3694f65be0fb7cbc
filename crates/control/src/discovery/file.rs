//! Nodes in a file.
//!
//! Somebody looks four times a second, for the reasons that certificates are looked at instead of being told about by
//! the kernel (`compile/tls/watch.rs`): it works on every file system and with links that are exchanged. A change
//! is taken when two looks saw the same, so a file that is still being written is left alone. What can not be read
//! changes nothing; a file without a list in it is one of these.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::node::{Node, NodeError};
use super::slot::Slot;
use crate::config::untyped;

/// Between two looks.
const INTERVAL: Duration = Duration::from_millis(250);

/// The largest file that is read.
pub(super) const FILE_BYTES_MAX: u64 = 8 << 20;

/// What a file is recognised by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fingerprint {
    device: u64,
    inode: u64,
    bytes: u64,
    changed: (i64, i64),
}

/// What is known from earlier looks.
#[derive(Debug, Default)]
struct Seen {
    /// The file that was judged last.
    judged: Option<Fingerprint>,
    /// The file at the last look.
    last: Option<Fingerprint>,
}

type Entries = Vec<(String, Result<Option<Node>, NodeError>)>;

/// Follows the file; never ends.
pub(super) async fn run(path: PathBuf, slot: Arc<Slot>) {
    let (path, mut seen) = (Arc::new(path), Seen::default());
    let mut gone = false;
    loop {
        let (file, before) = (path.clone(), std::mem::take(&mut seen));
        let looked = tokio::task::spawn_blocking(move || look(&file, before)).await;
        match looked.unwrap_or_else(|error| (Seen::default(), Some(Err(error.to_string())))) {
            (now, None) => seen = now,
            (now, Some(Ok(entries))) => {
                (seen, gone) = (now, false);
                slot.found(entries);
            }
            (now, Some(Err(why))) => {
                seen = now;
                // A file that is not there is looked for at each look, but is one failure.
                let is_gone = seen.last.is_none();
                if !(is_gone && std::mem::replace(&mut gone, is_gone)) {
                    slot.away(why);
                }
            }
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Looks at the file, and reads it if it has changed. Waits for disks.
fn look(path: &Path, before: Seen) -> (Seen, Option<Result<Entries, String>>) {
    let failed = |error: io::Error| Some(Err(format!("{}: {error}", path.display())));
    let now = match fs::metadata(path) {
        Ok(metadata) => Fingerprint::of(&metadata),
        Err(error) => return (Seen::default(), failed(error)),
    };
    let is_first = before.judged.is_none() && before.last.is_none();
    let is_settled = is_first || before.last == Some(now);
    if !is_settled || before.judged == Some(now) {
        return (Seen { last: Some(now), ..before }, None);
    }
    let seen = Seen { judged: Some(now), last: Some(now) };
    if now.bytes > FILE_BYTES_MAX {
        let why = format!("{} is larger than {FILE_BYTES_MAX} bytes", path.display());
        return (seen, Some(Err(why)));
    }
    match fs::read_to_string(path) {
        Ok(text) => {
            let entries = read(&text).map_err(|why| format!("{}: {why}", path.display()));
            (seen, Some(entries))
        }
        Err(error) => (seen, failed(error)),
    }
}

fn read(text: &str) -> Result<Entries, String> {
    match untyped(text)? {
        Value::Array(entries) => {
            let entry = |(at, entry)| (format!("[{at}]"), Node::from_value(entry));
            Ok(entries.into_iter().enumerate().map(entry).collect())
        }
        _ => Err("it holds no list of nodes".to_owned()),
    }
}

// === impl Fingerprint ===

impl Fingerprint {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.size(),
            changed: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn a_change_is_taken_when_two_looks_saw_the_same() {
        let scratch = Scratch::new("nodes");
        let path = scratch.path().join("nodes.yaml");
        let (seen, missing) = look(&path, Seen::default());
        assert!(missing.expect("no file").is_err());
        fs::write(&path, "- h:1\n").expect("a file");
        let (seen, first) = look(&path, seen);
        assert_eq!(first.expect("read").expect("a list").len(), 1);
        fs::write(&path, "- h:1\n- h:2\n").expect("a file");
        let (seen, none) = look(&path, seen);
        assert!(none.is_none(), "it may still be written");
        let (seen, second) = look(&path, seen);
        assert_eq!(second.expect("read").expect("a list").len(), 2);
        assert!(look(&path, seen).1.is_none());
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for text in ["", "h:1", "{}", "- [", "nodes: [h:1]"] {
            assert!(read(text).is_err(), "{text}");
        }
        assert_eq!(read("[]"), Ok(Vec::new()));
        assert!(read("- h").expect("a list").iter().all(|(_, node)| node.is_err()));
        let scratch = Scratch::new("nodes");
        let path = scratch.path().join("nodes.yaml");
        let large = fs::File::create(&path).expect("a file");
        large.set_len(FILE_BYTES_MAX + 1).expect("a file");
        assert!(look(&path, Seen::default()).1.expect("judged").is_err());
    }
}
