//! Sets of descriptors from files.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::PathBuf;

use protox::file::{
    ChainFileResolver, File as ProtoFile, FileResolver, GoogleFileResolver, IncludeFileResolver,
};

use crate::config::{FilePath, ProtosConfig, TranscodeConfig};

/// The largest file with descriptors.
pub(super) const DESCRIPTORS_BYTES_MAX: u64 = 64 << 20;

/// Files that every annotated service imports.
const ANNOTATIONS: [(&str, &str); 3] = [
    ("google/api/annotations.proto", include_str!("../../../protos/google/api/annotations.proto")),
    ("google/api/http.proto", include_str!("../../../protos/google/api/http.proto")),
    ("google/api/httpbody.proto", include_str!("../../../protos/google/api/httpbody.proto")),
];

/// Finds [`ANNOTATIONS`] where no directory has them.
struct Annotations;

/// What files say.
pub(super) struct Read {
    /// An encoded set of descriptors; `None`: there is a problem.
    pub(super) set: Option<Vec<u8>>,
    /// Everything that it was read from.
    pub(super) files: BTreeSet<PathBuf>,
    /// What is wrong, by key.
    pub(super) problems: Vec<(String, String)>,
}

/// Reads an encoded set.
fn descriptors(file: &FilePath) -> Read {
    let files = BTreeSet::from([file.0.clone()]);
    match encoded(file) {
        Ok(set) => Read { set: Some(set), files, problems: Vec::new() },
        Err(problem) => {
            Read { set: None, files, problems: vec![("descriptors".to_owned(), problem)] }
        }
    }
}

fn encoded(file: &FilePath) -> Result<Vec<u8>, String> {
    let told = |error: io::Error| format!("can not read {file}: {error}");
    let mut set = Vec::new();
    let opened = File::open(&file.0).map_err(told)?;
    opened.take(DESCRIPTORS_BYTES_MAX + 1).read_to_end(&mut set).map_err(told)?;
    match set.len() as u64 {
        0 => Err(format!("{file} is empty")),
        length if length > DESCRIPTORS_BYTES_MAX => {
            Err(format!("{file} holds more than {DESCRIPTORS_BYTES_MAX} bytes"))
        }
        _ => Ok(set),
    }
}

/// Reads what the files of a configuration say, if files are where it comes from.
pub(super) fn read(config: &TranscodeConfig) -> Option<Read> {
    match (&config.descriptors, &config.protos) {
        (Some(file), _) => Some(descriptors(file)),
        (None, Some(files)) => Some(protos(files)),
        (None, None) => None,
    }
}

/// Compiles `.proto` files with all that they import, comments included.
fn protos(config: &ProtosConfig) -> Read {
    let mut files: BTreeSet<PathBuf> = config.files.iter().map(|file| file.0.clone()).collect();
    if config.files.is_empty() {
        let problems = vec![("protos.files".to_owned(), "no file is listed".to_owned())];
        return Read { set: None, files, problems };
    }
    let include = match config.include.as_slice() {
        [] => parents(&config.files),
        listed => listed.iter().map(|directory| directory.0.clone()).collect(),
    };
    let mut resolver = ChainFileResolver::new();
    include.into_iter().for_each(|directory| resolver.add(IncludeFileResolver::new(directory)));
    resolver.add(GoogleFileResolver::new());
    resolver.add(Annotations);
    let mut compiler = protox::Compiler::with_file_resolver(resolver);
    compiler.include_imports(true).include_source_info(true);
    let mut problems = Vec::new();
    for (at, file) in config.files.iter().enumerate() {
        // Others go on: all that is wrong is told at once.
        if let Err(error) = compiler.open_file(&file.0) {
            problems.push((format!("protos.files[{at}]"), place(&error)));
        }
    }
    files.extend(compiler.files().filter_map(|file| file.path()).map(PathBuf::from));
    // Not by way of `prost_types`, which would lose the annotations.
    let set = problems.is_empty().then(|| compiler.encode_file_descriptor_set());
    Read { set, files, problems }
}

impl FileResolver for Annotations {
    fn open_file(&self, name: &str) -> Result<ProtoFile, protox::Error> {
        let found = ANNOTATIONS.iter().find(|(known, _)| *known == name);
        let (name, source) = found.ok_or_else(|| protox::Error::file_not_found(name))?;
        ProtoFile::from_source(name, source)
    }
}

/// The directories of the files, each once.
fn parents(files: &[FilePath]) -> Vec<PathBuf> {
    let mut directories: Vec<PathBuf> = Vec::new();
    for file in files {
        let directory = file.parent().map(PathBuf::from).unwrap_or_default();
        if !directories.contains(&directory) {
            directories.push(directory);
        }
    }
    directories
}

/// The text of an error with file, line, and column, which its plain text lacks.
fn place(error: &protox::Error) -> String {
    format!("{error:?}")
}
