//! Checks a tree against the schema and turns it into JSON, collecting every fault with its place.
//!
//! The type of a scalar is decided here, by the key it stands under. What comes out is accepted by
//! serde. After a fault it is not used but for finding further faults: a stand-in takes the place of
//! what is wrong, and a key with a slip in it is read as the one that was likely meant.

mod choice;
mod scalar;
mod stand_in;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::doubt::Doubts;
use super::expand::Environment;
use super::fault::{Fault, Position};
use super::schema::{properties, resolve};
use super::suggest::{hint, nearest};
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
    /// What stands in for something else.
    pub(crate) doubts: Doubts,
}

// === impl Checker ===

impl<'a> Checker<'a> {
    /// A checker for this schema; `files` gives the names of [`Place::file`].
    pub(crate) fn new(
        root: &'a Value,
        files: &'a [Arc<Path>],
        environment: Environment<'a>,
    ) -> Self {
        Self {
            root,
            files,
            environment,
            faults: Vec::new(),
            positions: BTreeMap::new(),
            doubts: Doubts::default(),
        }
    }

    /// The value of the whole tree.
    pub(crate) fn document(&mut self, node: &Node) -> Value {
        self.value(node, self.root, "")
    }

    /// What is written, or a stand-in if it can not be used.
    fn value(&mut self, node: &Node, schema: &'a Value, path: &str) -> Value {
        let schema = resolve(self.root, schema);
        self.positions.insert(path.to_owned(), position(self.files, node.place));
        match self.usable(node, schema, path) {
            Some(value) => value,
            None => self.stand_in(schema, path),
        }
    }

    fn usable(&mut self, node: &Node, schema: &'a Value, path: &str) -> Option<Value> {
        if node.is_nothing() {
            return self.fault(node.place, path, "nothing is written here; leave the key out");
        }
        if schema.get("oneOf").or_else(|| schema.get("anyOf")).is_some() {
            return self.choice(node, schema, path);
        }
        match (&node.kind, schema["type"].as_str()) {
            (Kind::Map(entries), Some("object")) => Some(self.map(node, entries, schema, path)),
            (Kind::List(items), Some("array")) => Some(self.list(items, schema, path)),
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
            let is_known = known.is_some_and(|known| known.contains_key(&entry.key));
            let key = match is_known || others.is_some() {
                true => Some(entry.key.as_str()),
                false => {
                    let keys = known.into_iter().flat_map(Map::keys).map(String::as_str);
                    let meant = self.unknown_key(entry, entries, path, &keys.collect::<Vec<_>>());
                    meant.filter(|meant| !object.contains_key(*meant))
                }
            };
            let Some(key) = key else { continue };
            let schema = known.and_then(|known| known.get(key)).or(others);
            let Some(schema) = schema else { continue };
            let value = self.value(&entry.value, schema, &join(path, key));
            object.insert(key.to_owned(), value);
        }
        self.required(node, &mut object, schema, path);
        Value::Object(object)
    }

    /// Reports the keys that must be there and are not.
    fn required(
        &mut self,
        node: &Node,
        object: &mut Map<String, Value>,
        schema: &'a Value,
        path: &str,
    ) {
        for required in schema["required"].as_array().into_iter().flatten() {
            let name = required.as_str().unwrap_or_default();
            if !object.contains_key(name) {
                self.fault(node.place, path, format!("the key {name:?} is missing"));
                let schema = &schema["properties"][name];
                object.insert(name.to_owned(), self.stand_in(schema, &join(path, name)));
            }
        }
    }

    /// Reports a key that is not known. Gives the one that was likely meant, unless that is written
    /// too.
    fn unknown_key<'k>(
        &mut self,
        entry: &Entry,
        beside: &[Entry],
        path: &str,
        known: &[&'k str],
    ) -> Option<&'k str> {
        let message = format!("unknown key{}", hint(&entry.key, known.iter().copied()));
        let path = join(path, &entry.key);
        self.fault(entry.place, &path, message);
        self.doubts.add(&path);
        let meant = nearest(&entry.key, known)?;
        (!beside.iter().any(|other| other.key == meant)).then_some(meant)
    }

    /// Notes what is wrong; gives nothing, since there is no value then.
    fn fault(&mut self, place: Place, path: &str, message: impl Into<String>) -> Option<Value> {
        self.faults.push(Fault::error(Some(position(self.files, place)), path, message));
        None
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
