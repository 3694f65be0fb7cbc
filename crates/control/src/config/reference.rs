//! The reference page, written from the schema.
//!
//! A section for each kind of object in the order in which one meets them, a row for each key. What
//! a key means is its doc comment; nothing about a key is written here. A test keeps the page in
//! `docs/` equal.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::form;
use super::schema::{self, properties, resolve};

const INTRODUCTION: &str = "\
# Configuration

One YAML file, or a directory whose `*.yaml`, `*.yml`, and `*.json` files are put together: lists of
listeners and routes behind each other in the order of the file names, stores and upstreams by name,
anything else in one file only. JSON is read as YAML.

* **Strict**: an unknown key, a wrong type, a key given twice is an error; all errors are reported
  at once, each with file, line, and column.
* **Durations** carry units: `250ms`, `10s`, `1m30s`, `1h`, `7d`. **Sizes** too: `512` bytes,
  `64KiB`, `3GiB`, `1MB`; `k`, `m`, `g` as nginx writes them are powers of 1024.
* **Limits** that may be absent are written `none` or `0` then.
* **Variables**: `${NAME}` and `${NAME:-default}` in any value; an unset variable without a default
  is an error. `$${` stands for a literal `${`. Inside `{ }` and `[ ]` YAML wants such a value in
  quotes.
* **Secrets**: `file:PATH` takes the content of a file. Secrets print as `****` wherever they are
  shown.
* **Files** with relative names are looked for from the directory of the configuration file.
* **Reload** is all or nothing: a configuration with an error changes nothing.

This page is made from the program itself. `narrows schema` prints the JSON schema, which is also
in `narrows.schema.json`: editors complete from it where a file begins with
`# yaml-language-server: $schema=narrows.schema.json`.
";

/// The reference of every key as Markdown.
pub fn reference() -> String {
    let root = schema::shared();
    let mut page = Page { root, out: INTRODUCTION.to_owned(), seen: BTreeSet::new() };
    page.section("Top level", root);
    page.out
}

struct Page<'a> {
    root: &'a Value,
    out: String,
    /// Definitions that have their section.
    seen: BTreeSet<String>,
}

// === impl Page ===

impl<'a> Page<'a> {
    /// A section for an object, followed by the sections of what is inside it.
    fn section(&mut self, title: &str, schema: &'a Value) {
        let _ = write!(self.out, "\n## {title}\n\n{}\n", description(schema));
        let Some(keys) = properties(schema) else { return };
        self.out.push_str("\n| key | value | default | meaning |\n|---|---|---|---|\n");
        let required = schema["required"].as_array();
        let is_required = |key: &str| required.is_some_and(|r| r.iter().any(|name| name == key));
        for (key, value) in keys {
            let default = match value.get("default") {
                _ if is_required(key) => "required".to_owned(),
                Some(default) => shown_default(default),
                None => "-".to_owned(),
            };
            let (kind, meaning) = (self.kind(value), description(value));
            let _ = writeln!(
                self.out,
                "| `{key}` | {} | {} | {} |",
                cell(&kind),
                cell(&default),
                cell(&meaning)
            );
        }
        for value in keys.values() {
            self.inside(value);
        }
    }

    /// The sections of the objects that a value refers to, each once.
    fn inside(&mut self, schema: &'a Value) {
        if let Some(name) = reference_name(schema) {
            let target = resolve(self.root, schema);
            if !self.seen.insert(name.to_owned()) {
                return;
            }
            if properties(target).is_some() {
                return self.section(title(name), target);
            }
            return self.inside(target);
        }
        for key in ["oneOf", "anyOf"] {
            for way in schema[key].as_array().into_iter().flatten() {
                self.inside(way);
                for value in properties(way).into_iter().flat_map(Map::values) {
                    self.inside(value);
                }
            }
        }
        for key in ["items", "additionalProperties"] {
            if let Some(inner) = schema.get(key).filter(|inner| inner.is_object()) {
                self.inside(inner);
            }
        }
    }

    /// What to write as the value.
    fn kind(&self, schema: &'a Value) -> String {
        let target = resolve(self.root, schema);
        if let (Some(name), true) = (reference_name(schema), properties(target).is_some()) {
            let title = title(name);
            return format!("[{title}](#{})", title.to_lowercase().replace(' ', "-"));
        }
        if let Some(ways) = target.get("oneOf").or_else(|| target.get("anyOf")) {
            let ways = ways.as_array().into_iter().flatten();
            return ways.map(|way| self.way(way)).collect::<Vec<_>>().join(" or ");
        }
        if let Some(words) = target["enum"].as_array() {
            let words = words.iter().filter_map(Value::as_str);
            return words.map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
        }
        match target["type"].as_str() {
            Some("array") => format!("list of: {}", self.kind(&target["items"])),
            Some("object") => format!("by name: {}", self.kind(&target["additionalProperties"])),
            Some("integer") => bounds(target),
            Some("boolean") => "`true`, `false`".to_owned(),
            _ => match target["format"].as_str().and_then(form::find) {
                Some((_, expected)) => short(expected).to_owned(),
                None if target["format"] == "log-path" => {
                    "`stdout`, `stderr`, or a file".to_owned()
                }
                None => "text".to_owned(),
            },
        }
    }

    /// One of several ways to write a value.
    fn way(&self, way: &'a Value) -> String {
        if let Some(word) = way["const"].as_str() {
            return format!("`{word}`");
        }
        match properties(way) {
            Some(keys) if keys.len() == 1 && way.get("$ref").is_none() => {
                let inner =
                    keys.iter().map(|(key, value)| format!("`{key}:` {}", self.kind(value)));
                inner.collect()
            }
            _ => self.kind(way),
        }
    }
}

/// The name of the definition that a schema refers to.
fn reference_name(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()?.rsplit('/').next()
}

/// Durations and sizes are explained at the top of the page.
fn short(expected: &str) -> &str {
    match expected {
        text if text.starts_with("a duration") && text.ends_with("none") => "duration or `none`",
        text if text.starts_with("a duration") => "duration",
        text if text.starts_with("a size") && text.ends_with("none") => "size or `none`",
        text if text.starts_with("a size") => "size",
        text if text.starts_with("a file") => "file",
        text => text,
    }
}

fn title(name: &str) -> &str {
    name.strip_suffix("Config").unwrap_or(name)
}

fn description(schema: &Value) -> String {
    schema["description"].as_str().unwrap_or_default().replace('\n', " ")
}

fn bounds(schema: &Value) -> String {
    let least = schema["minimum"].as_i64().unwrap_or(0);
    match schema["maximum"].as_i64() {
        Some(most) => format!("number, {least} to {most}"),
        None => format!("number, at least {least}"),
    }
}

/// A default that fits into a cell; the defaults of whole objects stand in their own sections.
fn shown_default(default: &Value) -> String {
    match default {
        Value::Object(_) => "see there".to_owned(),
        Value::Array(items) if items.is_empty() => "empty".to_owned(),
        Value::String(text) => format!("`{text}`"),
        other => format!("`{other}`"),
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
