//! Descriptors and `.proto` files that change without a reload.
//!
//! As with certificates (`tls/watch.rs`), somebody looks each second, and a change is taken when two looks saw
//! the same. Files that are imported are looked at too. What can not be used leaves the methods before it in
//! force and is said once. Calls that live keep the methods that they began with.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use narrows_gateway::transcoding::{Methods, Transcoding};
use narrows_transcode::Options;

use super::sources::{self, Read};
use crate::compile::tls::{Fingerprint, Look, look};
use crate::config::TranscodeConfig;
use crate::reflection::refresh;

/// The methods of an upstream and the files that they come from.
#[derive(Debug)]
pub struct DescriptorWatch {
    upstream: Box<str>,
    config: TranscodeConfig,
    options: Options,
    transcoding: Arc<Transcoding>,
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    /// Everything that was read last.
    files: BTreeSet<PathBuf>,
    /// The files that were judged last, whatever came of it.
    judged: Fingerprint,
    /// The files at the last look.
    last: Fingerprint,
}

// === impl DescriptorWatch ===

impl DescriptorWatch {
    /// Watches what was read of these files when they looked so.
    pub(super) fn new(
        upstream: &str,
        config: &TranscodeConfig,
        options: Options,
        transcoding: Arc<Transcoding>,
        files: BTreeSet<PathBuf>,
    ) -> Self {
        let judged = fingerprint(&files);
        let seen = Mutex::new(Seen { files, last: judged.clone(), judged });
        Self { upstream: upstream.into(), config: config.clone(), options, transcoding, seen }
    }

    /// Looks at the files and takes what has changed. Waits for disks.
    pub fn look(&self) -> Look {
        // A look that failed half-way leaves nothing that the next one could not use.
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = fingerprint(&seen.files);
        let is_settled = std::mem::replace(&mut seen.last, now.clone()) == now;
        if !is_settled || now == seen.judged {
            return Look::Same;
        }
        seen.judged = now;
        let upstream = &*self.upstream;
        match self.read(&mut seen) {
            Ok(methods) => {
                self.transcoding.replace(methods);
                tracing::info!(upstream, "descriptors taken");
                Look::Taken
            }
            Err(problems) => {
                tracing::error!(
                    upstream,
                    problems = problems.join("; "),
                    "descriptors can not be used; those before them stay in force"
                );
                Look::Refused
            }
        }
    }

    fn read(&self, seen: &mut Seen) -> Result<Methods, Vec<String>> {
        let Some(read) = sources::read(&self.config) else { return Err(Vec::new()) };
        let Read { set, files, problems } = read;
        if files != seen.files {
            // What is imported may be another file now.
            seen.judged = fingerprint(&files);
            seen.last = seen.judged.clone();
            seen.files = files;
        }
        let Some(set) = set else {
            return Err(problems.into_iter().map(|(_, problem)| problem).collect());
        };
        let methods = refresh::methods(&self.upstream, &set, self.options.clone());
        methods.map_err(|faults| faults.iter().map(ToString::to_string).collect())
    }
}

fn fingerprint(files: &BTreeSet<PathBuf>) -> Fingerprint {
    files.iter().map(|file| (file.clone(), look(file))).collect()
}
