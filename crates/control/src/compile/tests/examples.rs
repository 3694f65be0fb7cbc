//! Every file in `examples/` loads and compiles without a warning.
//!
//! The certificates that they name are made for the test: what an example shows must work as it
//! stands once its files are there.

use std::path::PathBuf;

use rcgen::{CertificateParams, KeyPair};

use super::*;
use crate::config::{dump, load_with};
use crate::scratch::Scratch;

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");

#[test]
fn every_example_loads_and_compiles_without_a_warning() {
    for (name, text) in examples() {
        let place = Scratch::new("example");
        make_certificates(&place, &text);
        let protos = place.path().join("protos");
        std::fs::create_dir(&protos).expect("a directory");
        let proto = EXAMPLES.to_owned() + "/protos/library.proto";
        std::fs::copy(proto, protos.join("library.proto")).expect("a scratch file");
        let file = place.path().join(&name);
        std::fs::write(&file, &text).expect("a scratch file");
        let loaded = load_with(&file, &environment);
        let loaded = loaded.unwrap_or_else(|faults| panic!("{faults:#?}"));
        let previous = Previous::new(worker_count(&loaded.config));
        let compiled = compile(&loaded, &previous, &mut DryStores);
        let compiled = compiled.unwrap_or_else(|faults| panic!("{faults:#?}"));
        assert_eq!(compiled.warnings, [], "{name}");
    }
}

#[test]
fn the_dump_of_every_example_says_the_same() {
    for (name, text) in examples() {
        let loaded = parse(Path::new(&name), &text, &environment).expect(&name);
        let shown = dump(&loaded.config);
        let again = parse(Path::new(&name), &shown, &environment).expect(&shown);
        assert_eq!(dump(&again.config), shown, "{name}");
    }
}

fn examples() -> Vec<(String, String)> {
    let entries = std::fs::read_dir(EXAMPLES).expect("examples");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let is_yaml = |path: &PathBuf| path.extension().is_some_and(|end| end == "yaml");
    let read = |path: PathBuf| {
        let name = path.file_name().expect("a file").to_string_lossy().into_owned();
        (name, std::fs::read_to_string(path).expect("an example"))
    };
    let found: Vec<_> = paths.filter(is_yaml).map(read).collect();
    assert!(!found.is_empty(), "no examples in {EXAMPLES}");
    found
}

fn environment(name: &str) -> Option<String> {
    (name == "REDIS_PASSWORD").then(|| "hunter2".to_owned())
}

/// Makes the files that the text names: `certs/NAME.pem` and `certs/NAME.key`.
fn make_certificates(place: &Scratch, text: &str) {
    std::fs::create_dir(place.path().join("certs")).expect("a directory");
    for word in text.split([' ', '\n', ',']) {
        let Some(name) = word.strip_prefix("certs/").and_then(|w| w.strip_suffix(".pem")) else {
            continue;
        };
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec!["api.example.com".to_owned()]).expect("a name");
        let certificate = params.self_signed(&key).expect("a certificate");
        let write = |end: &str, content: String| {
            let file = place.path().join(format!("certs/{name}.{end}"));
            std::fs::write(file, content).expect("a scratch file");
        };
        write("pem", certificate.pem());
        write("key", key.serialize_pem());
    }
}
