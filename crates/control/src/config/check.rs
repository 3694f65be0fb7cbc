//! Checks a tree against the schema and turns it into JSON, collecting every fault with its place.
//!
//! The type of a scalar is decided here, by the key it stands under. What comes out without a fault
//! is accepted by serde; what comes out with one is not used.

mod choice;
mod scalar;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::expand::Environment;
use super::fault::{Fault, Position};
use super::schema::{properties, resolve};
use super::suggest::hint;
use super::yaml::{Entry, Kind, Node, Place};

/// Walks a tree beside the schema.
pub(crate) struct Checker<'a> {
    root: &'a Value,
    files: &'a [Arc<Path>],
    environment: Environment<'a>,
    /// What was found wrong.
    pub(crate) faults: Vec<Fault>,
    /// Where each path is, for faults that are found later.
    pub(crate) positions: BTreeMap<String, Position>,
}

// === impl Checker ===

impl<'a> Checker<'a> {
    /// A checker for this schema; `files` gives the names of [`Place::file`].
    pub(crate) fn new(
        root: &'a Value,
        files: &'a [Arc<Path>],
        environment: Environment<'a>,
    ) -> Self {
        Self { root, files, environment, faults: Vec::new(), positions: BTreeMap::new() }
    }

    /// The value of the whole tree.
    pub(crate) fn document(&mut self, node: &Node) -> Value {
        self.value(node, self.root, "")
    }

    fn value(&mut self, node: &Node, schema: &'a Value, path: &str) -> Value {
        let schema = resolve(self.root, schema);
        self.positions.insert(path.to_owned(), position(self.files, node.place));
        if node.is_nothing() {
            return self.fault(node.place, path, "nothing is written here; leave the key out");
        }
        if schema.get("oneOf").or_else(|| schema.get("anyOf")).is_some() {
            return self.choice(node, schema, path);
        }
        match (&node.kind, schema["type"].as_str()) {
            (Kind::Map(entries), Some("object")) => self.map(node, entries, schema, path),
            (Kind::List(items), Some("array")) => self.list(items, schema, path),
            (Kind::Scalar { text, plain }, kind) if !matches!(kind, Some("object" | "array")) => {
                self.scalar(node.place, text, *plain, schema, path)
            }
            _ => {
                let message = format!("expected {}, found {}", expected(schema), found(&node.kind));
                self.fault(node.place, path, message)
            }
        }
    }

    fn list(&mut self, items: &[Node], schema: &'a Value, path: &str) -> Value {
        let each = |(at, item)| self.value(item, &schema["items"], &format!("{path}[{at}]"));
        items.iter().enumerate().map(each).collect()
    }

    fn map(&mut self, node: &Node, entries: &[Entry], schema: &'a Value, path: &str) -> Value {
        let mut object = Map::new();
        let known = properties(schema);
        let others = schema.get("additionalProperties").filter(|others| others.is_object());
        for entry in entries {
            let inner = join(path, &entry.key);
            match known.and_then(|known| known.get(&entry.key)).or(others) {
                Some(schema) => {
                    let value = self.value(&entry.value, schema, &inner);
                    object.insert(entry.key.clone(), value);
                }
                None => self.unknown_key(entry, path, known),
            }
        }
        for required in schema["required"].as_array().into_iter().flatten() {
            let name = required.as_str().unwrap_or_default();
            if !entries.iter().any(|entry| entry.key == name) {
                self.fault(node.place, path, format!("the key {name:?} is missing"));
            }
        }
        Value::Object(object)
    }

    fn unknown_key(&mut self, entry: &Entry, path: &str, known: Option<&Map<String, Value>>) {
        let known = known.into_iter().flat_map(Map::keys).map(String::as_str);
        let message = format!("unknown key{}", hint(&entry.key, known));
        self.fault(entry.place, &join(path, &entry.key), message);
    }

    fn fault(&mut self, place: Place, path: &str, message: impl Into<String>) -> Value {
        self.faults.push(Fault::error(Some(position(self.files, place)), path, message));
        Value::Null
    }
}

/// A place with the name of its file.
pub(crate) fn position(files: &[Arc<Path>], place: Place) -> Position {
    Position { file: files[place.file].clone(), line: place.line, column: place.column }
}

/// The path of a key inside what `path` names.
pub(crate) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// What a schema takes, in words.
fn expected(schema: &Value) -> &'static str {
    match schema["type"].as_str() {
        Some("object") if schema.get("properties").is_some() => "keys and values",
        Some("object") => "names and their values",
        Some("array") => "a list",
        Some("integer" | "number") => "a number",
        Some("boolean") => "true or false",
        _ => "text",
    }
}

/// What is there instead, in words.
fn found(kind: &Kind) -> String {
    match kind {
        Kind::List(_) => "a list".to_owned(),
        Kind::Map(_) => "keys and values".to_owned(),
        Kind::Scalar { text, .. } => format!("{text:?}"),
    }
}
