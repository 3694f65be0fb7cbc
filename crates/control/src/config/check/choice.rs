//! Values that may be written in more than one way: `oneOf` and `anyOf` in the schema.
//!
//! The shape of what is written picks the way: a word, a list, or keys. Where the keys pick (a
//! store is `embedded:` or `redis:`), exactly one of them may be there.

use serde_json::{Map, Value};

use super::{Checker, found, join};
use crate::config::schema::{properties, resolve};
use crate::config::suggest::hint;
use crate::config::yaml::{Entry, Kind, Node};

/// The ways to write a value, by shape.
#[derive(Default)]
struct Ways<'a> {
    /// Words of an enumeration.
    words: Vec<&'a str>,
    /// Other scalars.
    scalars: Vec<&'a Value>,
    /// Objects with one key, by that key.
    variants: Vec<(&'a str, &'a Value)>,
    /// Other objects.
    objects: Vec<&'a Value>,
    /// Lists.
    lists: Vec<&'a Value>,
}

// === impl Checker ===

impl<'a> Checker<'a> {
    pub(super) fn choice(&mut self, node: &Node, schema: &'a Value, path: &str) -> Option<Value> {
        let mut ways = Ways::default();
        ways.collect(self.root, schema);
        match &node.kind {
            Kind::Scalar { text, plain } => {
                let (text, plain) = self.expanded(node.place, text, *plain, path)?;
                if ways.words.contains(&text.as_str()) {
                    return Some(text.into());
                }
                if let [only] = ways.scalars.as_slice() {
                    return self.typed(node.place, &text, plain, only, path);
                }
                let message = ways.unknown_word(&text);
                self.fault(node.place, path, message)
            }
            Kind::Map(entries) if !ways.variants.is_empty() => {
                self.variant(node, entries, &ways, path)
            }
            Kind::Map(entries) if ways.objects.len() == 1 => {
                Some(self.map(node, entries, ways.objects[0], path))
            }
            Kind::List(items) if ways.lists.len() == 1 => {
                Some(self.list(items, ways.lists[0], path))
            }
            kind => {
                let message = format!("expected {}, found {}", ways.shapes(), found(kind));
                self.fault(node.place, path, message)
            }
        }
    }

    fn variant(
        &mut self,
        node: &Node,
        entries: &[Entry],
        ways: &Ways<'a>,
        path: &str,
    ) -> Option<Value> {
        let names: Vec<&str> = ways.variants.iter().map(|(name, _)| *name).collect();
        let mut object = Map::new();
        for entry in entries {
            let key = match names.contains(&entry.key.as_str()) {
                true => Some(entry.key.as_str()),
                false => self.unknown_key(entry, entries, path, &names),
            };
            match ways.variants.iter().find(|(name, _)| Some(*name) == key) {
                Some((name, schema)) if object.is_empty() => {
                    let value = self.value(&entry.value, schema, &join(path, name));
                    object.insert((*name).to_owned(), value);
                }
                Some((name, _)) if *name == entry.key => {
                    let message = format!("give only one of: {}", names.join(", "));
                    self.fault(entry.place, &join(path, name), message);
                }
                _ => {}
            }
        }
        if entries.is_empty() {
            self.fault(node.place, path, format!("expected one of: {}", names.join(", ")));
        }
        (!object.is_empty()).then_some(Value::Object(object))
    }
}

// === impl Ways ===

impl<'a> Ways<'a> {
    fn collect(&mut self, root: &'a Value, schema: &'a Value) {
        let schema = resolve(root, schema);
        if let Some(ways) = schema.get("oneOf").or_else(|| schema.get("anyOf")) {
            for way in ways.as_array().into_iter().flatten() {
                self.collect(root, way);
            }
        } else if let Some(word) = schema.get("const").and_then(Value::as_str) {
            self.words.push(word);
        } else if let Some(words) = schema.get("enum").and_then(Value::as_array) {
            self.words.extend(words.iter().filter_map(Value::as_str));
        } else if schema["type"] == "object" {
            match (properties(schema), &schema["required"]) {
                (Some(keys), Value::Array(required)) if keys.len() == 1 && required.len() == 1 => {
                    self.variants.extend(keys.iter().map(|(key, value)| (key.as_str(), value)));
                }
                _ => self.objects.push(schema),
            }
        } else if schema["type"] == "array" {
            self.lists.push(schema);
        } else {
            self.scalars.push(schema);
        }
    }

    fn unknown_word(&self, text: &str) -> String {
        if self.words.is_empty() {
            return format!("expected {}, found {text:?}", self.shapes());
        }
        let keys = self.variants.iter().map(|(key, _)| format!("{{ {key}: ... }}"));
        let words = self.words.iter().map(|word| (*word).to_owned());
        let known: Vec<String> = words.chain(keys).collect();
        format!("{text:?} is not known{}", hint(text, known.iter().map(String::as_str)))
    }

    /// What may be written, in words.
    fn shapes(&self) -> String {
        let mut shapes: Vec<String> = Vec::new();
        if !self.words.is_empty() {
            shapes.push(self.words.join(", "));
        }
        if !self.scalars.is_empty() {
            shapes.push("text".to_owned());
        }
        if !self.variants.is_empty() {
            let keys: Vec<&str> = self.variants.iter().map(|(key, _)| *key).collect();
            shapes.push(format!("one of the keys {}", keys.join(", ")));
        }
        if !self.lists.is_empty() {
            shapes.push("a list".to_owned());
        }
        if !self.objects.is_empty() {
            shapes.push("keys and values".to_owned());
        }
        shapes.join(" or ")
    }
}
