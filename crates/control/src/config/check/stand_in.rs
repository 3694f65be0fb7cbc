//! Values that stand in for what can not be used, so that reading can go on.
//!
//! A stand-in has the type that its place wants and is harmless there: the smallest size, port 0, a
//! word that names nothing. What is built from it is never used; it only lets the rest be checked.

use serde_json::Value;

use super::Checker;
use crate::config::schema::{properties, resolve};

/// A word that is valid wherever any word is, and that nobody is likely to have written.
const WORD: &str = "stand-in";

// === impl Checker ===

impl<'a> Checker<'a> {
    /// What stands in at this path, which is in doubt from now on.
    pub(super) fn stand_in(&mut self, schema: &'a Value, path: &str) -> Value {
        self.doubts.add(path);
        value(self.root, schema)
    }
}

/// The stand-in for what this schema takes.
fn value(root: &Value, schema: &Value) -> Value {
    let schema = resolve(root, schema);
    if let Some(word) = schema.get("const") {
        return word.clone();
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        return words.first().cloned().unwrap_or_default();
    }
    let ways = schema.get("oneOf").or_else(|| schema.get("anyOf")).and_then(Value::as_array);
    if let Some(way) = ways.and_then(|ways| ways.first()) {
        return value(root, way);
    }
    match schema["type"].as_str() {
        Some("object") => object(root, schema),
        Some("array") => Value::Array(vec![value(root, &schema["items"])]),
        Some("integer") => schema["minimum"].as_i64().unwrap_or(1).into(),
        Some("boolean") => false.into(),
        _ => word(schema["format"].as_str()).into(),
    }
}

fn object(root: &Value, schema: &Value) -> Value {
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let known = |name| properties(schema).and_then(|known| known.get(name));
    let keys = required.filter_map(|name| Some((name.to_owned(), value(root, known(name)?))));
    Value::Object(keys.collect())
}

/// The stand-in for a word of this form.
fn word(format: Option<&str>) -> &'static str {
    match format {
        Some("duration-words" | "duration-words-or-none") => "1s",
        Some("size" | "size-or-none") => "1",
        Some("socket-address") => "0.0.0.0:0",
        Some("network") => "0.0.0.0/0",
        Some("node-address") => "stand-in:1",
        Some("redis-url") => "redis://stand-in",
        _ => WORD,
    }
}
