//! Documents that lead somewhere: links resolve, and what they name is there.
//!
//! Checked are links to files and headings of this repository, back-quoted paths, source files by the end of their
//! path, and back-quoted names of tests, limits, and metrics (words with three underscores or more), which must
//! occur in a source file. Addresses of the web are left alone: a gate must not depend on them. And the page for
//! operators must name every metric and every reason that the sources have.

use std::fs;
use std::path::{Path, PathBuf};

use crate::command::root;

/// Folders of the root whose files may be named in back quotes.
const FOLDERS: &[&str] = &["crates/", "docs/", "e2e/", "examples/", "fuzz/", "xtask/"];

/// Folders that hold documents of ours; those below them are not looked at.
const SHELVES: &[&str] = &["", "docs", "e2e", "fuzz"];

/// What may be named although it is not there, or only at times.
const MADE: &[&str] = &["fuzz/artifacts", "foo.rs", "mod.rs"];

/// The page for operators, and the sources of what it must name: texts in double quotes that begin so.
const OPERATIONS: &str = "docs/operations.md";
const SERIES: (&str, &str) = ("crates/control/src/metrics", "narrows_");
const REASONS: &str = "crates/gateway/src/reply.rs";

/// Words with fewer underscores are not taken for names.
const UNDERSCORES_MIN: usize = 3;

/// Every fault of every document. `sources` are the files that names may come from.
pub(crate) fn faults(sources: &[PathBuf]) -> Result<Vec<String>, String> {
    let names = sources.iter().map(|file| read(file)).collect::<Result<Vec<_>, _>>()?.join("\n");
    let mut faults = Vec::new();
    for file in documents()? {
        let text = read(&file)?;
        let name = file.strip_prefix(root()).unwrap_or(&file).display().to_string();
        let lost = links(&text).filter_map(|link| lost_link(&file, link));
        faults.extend(lost.map(|link| format!("{name}: the link {link} leads nowhere")));
        let absent = quoted(&text).filter(|word| is_absent(word, sources, &names));
        faults.extend(absent.map(|word| format!("{name}: there is no {word}")));
    }
    faults.extend(untold(sources)?);
    Ok(faults)
}

/// What operators are not told of.
fn untold(sources: &[PathBuf]) -> Result<Vec<String>, String> {
    let page = read(&root().join(OPERATIONS))?;
    let (folder, prefix) = SERIES;
    let mut names = Vec::new();
    for file in sources.iter().filter(|file| file.starts_with(root().join(folder))) {
        let text = read(file)?;
        names.extend(literals(&text).filter(|name| name.starts_with(prefix)).map(str::to_owned));
    }
    names.extend(reasons(&read(&root().join(REASONS))?).map(str::to_owned));
    names.retain(|name| !page.contains(&format!("`{name}`")));
    Ok(names.into_iter().map(|name| format!("{OPERATIONS}: says nothing of {name}")).collect())
}

/// Texts in double quotes that are one word.
fn literals(text: &str) -> impl Iterator<Item = &str> {
    let word = |text: &&str| text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    text.lines().flat_map(|line| line.split('"').skip(1).step_by(2)).filter(word)
}

/// The reasons in the table of causes: its rows hold a flag, a reason, and a sentence.
fn reasons(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| match line.split('"').collect::<Vec<_>>()[..] {
        [_, _flag, _, reason, _, _sentence, ""] => Some(reason),
        _ => None,
    })
}

fn documents() -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    for shelf in SHELVES {
        let shelf = root().join(shelf);
        let told = |error: std::io::Error| format!("{}: {error}", shelf.display());
        for entry in fs::read_dir(&shelf).map_err(told)? {
            let path = entry.map_err(told)?.path();
            if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn read(file: &Path) -> Result<String, String> {
    fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))
}

/// The lines that are not inside a fence.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    })
}

/// What stands in the round brackets of links.
fn links(text: &str) -> impl Iterator<Item = &str> {
    prose(text)
        .flat_map(|line| line.split("](").skip(1))
        .filter_map(|rest| rest.split(')').next())
        .filter(|link| !link.contains("://"))
}

/// What stands between back quotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    prose(text).flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// The link, if it leads nowhere from a document.
fn lost_link<'a>(document: &Path, link: &'a str) -> Option<&'a str> {
    let (path, heading) = link.split_once('#').unwrap_or((link, ""));
    let target = match path {
        "" => document.to_owned(),
        path => document.parent()?.join(path),
    };
    let found = match heading {
        "" => target.exists(),
        heading => fs::read_to_string(target).is_ok_and(|text| has_heading(&text, heading)),
    };
    (!found).then_some(link)
}

fn has_heading(text: &str, wanted: &str) -> bool {
    prose(text)
        .filter(|line| line.starts_with('#'))
        .any(|line| anchor(line.trim_start_matches('#').trim()) == wanted)
}

/// The anchor of a heading, as code hosts make it.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

/// Whether a word names a file that is not there, or something that no source has.
fn is_absent(word: &str, sources: &[PathBuf], names: &str) -> bool {
    let is_plain = word.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
    if is_plain && FOLDERS.iter().any(|folder| word.starts_with(folder)) {
        return !root().join(word).exists() && !MADE.contains(&word);
    }
    if is_plain && word.ends_with(".rs") {
        return !MADE.contains(&word) && !sources.iter().any(|file| file.ends_with(word));
    }
    let is_name = word.matches('_').count() >= UNDERSCORES_MIN
        && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    is_name && !names.contains(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "See [a](b.md#c) and [d](https://e), `crates/no.rs`.\n```\n[x](y) `z`\n```\n## Life, and `so` on\n";

    #[test]
    fn links_and_names_are_found_outside_fences() {
        assert_eq!(links(TEXT).collect::<Vec<_>>(), ["b.md#c"]);
        assert_eq!(quoted(TEXT).collect::<Vec<_>>(), ["crates/no.rs", "so"]);
    }

    #[test]
    fn a_heading_has_the_anchor_that_code_hosts_give_it() {
        assert!(has_heading(TEXT, "life-and-so-on"));
        assert!(!has_heading(TEXT, "x"));
    }

    #[test]
    fn metrics_and_reasons_are_found_in_the_sources() {
        let source = "family(text, \"narrows_x_total\", \"Two words.\");\n    Lost  Internal 500 \"UR\" \"lost\" \"it is lost\"\n";
        assert_eq!(literals(source).next(), Some("narrows_x_total"));
        assert_eq!(reasons(source).collect::<Vec<_>>(), ["lost"]);
    }

    #[test]
    fn what_leads_nowhere_is_told() {
        let document = root().join("README.md");
        assert_eq!(lost_link(&document, "docs/nothing.md"), Some("docs/nothing.md"));
        assert_eq!(lost_link(&document, "#no-such-heading"), Some("#no-such-heading"));
        assert_eq!(lost_link(&document, "LICENSE"), None);
        let sources = [root().join("crates/wire/src/h2/guard.rs")];
        let absent = |word| is_absent(word, &sources, "fn a_test_that_is()");
        assert!(absent("crates/no.rs") && absent("no.rs") && absent("a_test_that_is_not"));
        assert!(!absent("crates/wire") && !absent("h2/guard.rs") && !absent("a_test_that_is"));
        assert!(!absent("short_name"));
    }

    #[test]
    fn the_documents_of_this_repository_lead_somewhere() {
        let sources = crate::tidy::all_sources().expect("the sources can be read");
        assert_eq!(faults(&sources).expect("the documents can be read"), Vec::<String>::new());
    }
}
