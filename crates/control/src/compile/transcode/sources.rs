//! Sets of descriptors from files.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::PathBuf;

use crate::compile::report::Report;
use crate::config::{FilePath, ProtosConfig};

/// The largest file with descriptors.
pub(super) const DESCRIPTORS_BYTES_MAX: u64 = 64 << 20;

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
    let compiler = protox::Compiler::new(include).map_err(|error| place(&error));
    let mut compiler = report.ok(format!("{path}.include"), compiler)?;
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
