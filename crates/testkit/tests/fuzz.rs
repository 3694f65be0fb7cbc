//! The fuzz targets as ordinary tests: their corpora, and seeded mutations of them.
//!
//! `NARROWS_FUZZ_ROUNDS` is the number of mutations for each target. An input that fails is kept in
//! `target/fuzz`; it belongs into the corpus of its target together with the mending.

use std::fs;
use std::path::PathBuf;

use narrows_testkit::fuzz::{Mutator, TARGETS, Target};
use narrows_testkit::servers::repository;

const SEED: u64 = 0x6e61_7272_6f77_7331;

/// Says which input it was when the target panics.
struct Trial<'a> {
    target: &'static str,
    origin: String,
    input: &'a [u8],
}

#[test]
fn corpora_hold() {
    for target in TARGETS {
        let entries = corpus(target);
        assert!(!entries.is_empty(), "{} has no corpus", target.name);
        for (origin, input) in &entries {
            attempt(target, origin.clone(), input);
        }
    }
}

#[test]
fn mutations_hold() {
    let rounds =
        std::env::var("NARROWS_FUZZ_ROUNDS").map_or(2000, |n| n.parse().expect("a number"));
    for target in TARGETS {
        let corpus: Vec<_> = corpus(target).into_iter().map(|(_, input)| input).collect();
        let mut mutator = Mutator::new(&corpus, SEED);
        for round in 0..rounds {
            attempt(target, format!("round {round}"), &mutator.next_input());
        }
    }
}

fn attempt(target: &'static Target, origin: String, input: &[u8]) {
    let _trial = Trial { target: target.name, origin, input };
    (target.run)(input);
}

fn corpus(target: &Target) -> Vec<(String, Vec<u8>)> {
    let directory = repository().join("fuzz/corpus").join(target.name);
    let files = fs::read_dir(&directory).expect("every target has a corpus");
    let mut entries: Vec<_> = files
        .map(|file| {
            let path = file.expect("the corpus can be read").path();
            (path.display().to_string(), fs::read(&path).expect("the corpus can be read"))
        })
        .collect();
    entries.sort();
    entries
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let path: PathBuf = repository().join("target/fuzz").join(format!("{}.bin", self.target));
        let kept = fs::create_dir_all(repository().join("target/fuzz"))
            .and_then(|()| fs::write(&path, self.input));
        eprintln!("{}, {}: kept as {}: {kept:?}", self.target, self.origin, path.display());
    }
}
