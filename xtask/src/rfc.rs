//! `cargo xtask rfc`: which requirements of the RFCs nobody cites.
//!
//! A scan of text, not a proof: a section counts as implemented where a comment of the code names it (`RFC 9113
//! §6.9.1`), and as tested where a test does. The tests in `tests/rfc9113`, `tests/rfc9112` and `tests/rfc7541` of
//! the crate `narrows-wire` need not name their RFC. Sections without requirements for us are not listed.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::command::root;
use crate::tidy::sources;

/// An RFC and the sections of it that ask something of an implementation.
struct Rfc {
    number: &'static str,
    sections: &'static [&'static str],
}

#[rustfmt::skip]
const RFCS: &[Rfc] = &[
    Rfc {
        number: "9113",
        sections: &[
            "3.2", "3.3", "3.4", "4.1", "4.2", "4.3", "5.1", "5.1.1", "5.1.2", "5.2", "5.3.2", "5.4.1",
            "5.4.2", "5.5", "6.1", "6.2", "6.3", "6.4", "6.5", "6.5.2", "6.5.3", "6.6", "6.7", "6.8", "6.9",
            "6.9.1", "6.9.2", "6.9.3", "6.10", "7", "8.1", "8.1.1", "8.2.1", "8.2.2", "8.2.3", "8.3",
            "8.3.1", "8.3.2", "8.4", "8.5", "8.6", "8.7", "9.2", "10.5", "10.5.1",
        ],
    },
    Rfc {
        number: "9112",
        sections: &[
            "2.1", "2.2", "2.3", "3", "3.1", "3.2", "3.2.1", "3.2.2", "3.2.3", "3.2.4", "3.3", "4", "5.1", "5.2",
            "6.1", "6.2", "6.3", "7.1", "7.1.1", "7.1.2", "8", "9.2", "9.3", "9.3.1", "9.3.2", "9.6",
        ],
    },
    Rfc {
        number: "7541",
        sections: &[
            "2.3.2", "2.3.3", "4.1", "4.2", "4.3", "4.4", "5.1", "5.2", "6.1", "6.2", "6.2.1", "6.2.2",
            "6.2.3", "6.3",
        ],
    },
];

/// Who cites what: pairs of RFC and section.
#[derive(Debug, Default)]
struct Citations {
    code: BTreeSet<(String, String)>,
    tests: BTreeSet<(String, String)>,
}

/// Prints the sections that lack a citation in the code or a test, and fails if one lacks both.
pub(crate) fn report() -> Result<(), String> {
    let mut citations = Citations::default();
    for directory in ["crates", "e2e"] {
        for file in sources(&root().join(directory))? {
            let text = fs::read_to_string(&file).map_err(|error| format!("{file:?}: {error}"))?;
            citations.read(&file, &text);
        }
    }
    let mut without_both = Vec::new();
    for rfc in RFCS {
        for section in rfc.sections {
            let key = (rfc.number.to_owned(), (*section).to_owned());
            let name = format!("RFC {} §{section}", rfc.number);
            match (citations.code.contains(&key), citations.tests.contains(&key)) {
                (true, true) => {}
                (true, false) => println!("{name}: cited, no test"),
                (false, true) => println!("{name}: tested, not cited"),
                (false, false) => without_both.push(name),
            }
        }
    }
    match without_both.is_empty() {
        true => Ok(()),
        false => Err(format!("neither cited nor tested: {}", without_both.join(", "))),
    }
}

// === impl Citations ===

impl Citations {
    fn read(&mut self, path: &Path, text: &str) {
        let path = path.to_string_lossy().replace('\\', "/");
        let is_test = path.contains("/tests/") || path.ends_with("/tests.rs");
        let assumed = RFCS.iter().find(|rfc| path.contains(&format!("/tests/rfc{}/", rfc.number)));
        // What stands behind the unit tests of a file is a test too.
        let (code, tests) = match text.split_once("#[cfg(test)]") {
            _ if is_test => ("", text),
            Some((code, tests)) => (code, tests),
            None => (text, ""),
        };
        for (text, cited) in [(code, &mut self.code), (tests, &mut self.tests)] {
            let lines = text.lines().filter(|line| line.contains("//"));
            cited.extend(lines.flat_map(|line| sections_of(line, assumed.map(|rfc| rfc.number))));
        }
    }
}

/// The sections that a line names, each with the RFC that was named last before it.
fn sections_of(line: &str, assumed: Option<&str>) -> Vec<(String, String)> {
    let mut rfc = assumed.map(str::to_owned);
    let mut found = Vec::new();
    let words: Vec<_> = line.split([' ', '(', '[', ',', ';', ':']).collect();
    for (at, word) in words.iter().enumerate() {
        let digits = || word.chars().take_while(char::is_ascii_digit).collect::<String>();
        if at > 0 && words[at - 1] == "RFC" {
            rfc = Some(digits());
        } else if let (Some(rest), Some(rfc)) = (word.strip_prefix('§'), &rfc) {
            let section: String =
                rest.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
            found.push((rfc.clone(), section.trim_end_matches('.').to_owned()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_belongs_to_the_rfc_named_before_it() {
        let pair = |rfc: &str, section: &str| (rfc.to_owned(), section.to_owned());
        let line = "// RFC 9113 §4.1, §6 (RFC 7541 §4.2.)";
        let expected = [pair("9113", "4.1"), pair("9113", "6"), pair("7541", "4.2")];
        assert_eq!(sections_of(line, None), expected);
        assert_eq!(sections_of("/// §6.7: PING", None), []);
        assert_eq!(sections_of("/// §6.7: PING", Some("9113")), [pair("9113", "6.7")]);
    }

    #[test]
    fn unit_tests_count_as_tests() {
        let mut citations = Citations::default();
        let text = "// RFC 9113 §4.1\n#[cfg(test)]\nmod tests {\n// RFC 9113 §4.2\n}";
        citations.read(Path::new("/crates/wire/src/a.rs"), text);
        citations.read(Path::new("/crates/wire/tests/rfc9113/b.rs"), "/// §4.3: so\n");
        let sections = |set: &BTreeSet<(String, String)>| {
            set.iter().map(|(_, section)| section.clone()).collect::<Vec<_>>()
        };
        assert_eq!(sections(&citations.code), ["4.1"]);
        assert_eq!(sections(&citations.tests), ["4.2", "4.3"]);
    }
}
