//! Sets of descriptors from files.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::PathBuf;

use protox::file::{
    ChainFileResolver, File as ProtoFile, FileResolver, GoogleFileResolver, IncludeFileResolver,
};

use crate::compile::report::Report;
use crate::config::{FilePath, ProtosConfig};

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

/// Reads an encoded set.
pub(super) fn descriptors(file: &FilePath) -> Result<Vec<u8>, String> {
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

/// Compiles `.proto` files with all that they import, comments included.
pub(super) fn protos(
    path: &str,
    config: &ProtosConfig,
    report: &mut Report<'_>,
) -> Option<Vec<u8>> {
    if config.files.is_empty() {
        report.error(format!("{path}.files"), "no file is listed");
        return None;
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
    let mut is_whole = true;
    for (at, file) in config.files.iter().enumerate() {
        // Others go on: all that is wrong is told at once.
        let opened = compiler.open_file(&file.0).map(drop).map_err(|error| place(&error));
        is_whole &= report.ok(format!("{path}.files[{at}]"), opened).is_some();
    }
    // Not by way of `prost_types`, which would lose the annotations.
    is_whole.then(|| compiler.encode_file_descriptor_set())
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
