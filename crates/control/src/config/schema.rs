//! The JSON schema of the configuration, made from the structs: the one source of truth.
//!
//! Everything else reads this schema: the loader checks files against it, the reference page is
//! written from it, editors complete from it.

use std::sync::LazyLock;

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use serde_json::{Map, Value};

use super::Config;

/// The schema as JSON text, for editors: `# yaml-language-server: $schema=narrows.schema.json`.
pub fn schema() -> String {
    let mut schema = shared().clone();
    with_variables(&mut schema);
    let mut text = serde_json::to_string_pretty(&schema).expect("a schema is plain JSON");
    text.push('\n');
    text
}

/// The schema as a value, made once.
pub(crate) fn shared() -> &'static Value {
    static SCHEMA: LazyLock<Value> = LazyLock::new(value);
    &SCHEMA
}

fn value() -> Value {
    let settings = SchemaSettings::draft2020_12()
        .with_transform(RecursiveTransform(without_null))
        .with_transform(RecursiveTransform(without_default_of_required));
    let mut schema = settings.into_generator().into_root_schema_for::<Config>();
    schema.insert("title".to_owned(), "Configuration of Narrows".into());
    schema.to_value()
}

/// A key is left out or has a value: nothing is ever written `null`.
fn without_null(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else { return };
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(choices)) = object.get_mut("anyOf") {
        choices.retain(|choice| choice.get("type") != Some(&Value::from("null")));
        if let [Value::Object(only)] = choices.as_slice() {
            let only = only.clone();
            object.remove("anyOf");
            object.extend(only);
        }
    }
}

/// A required key has no default, though its struct needs one for the others' sake.
fn without_default_of_required(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else { return };
    let Some(Value::Array(required)) = object.get("required").cloned() else { return };
    let Some(Value::Object(properties)) = object.get_mut("properties") else { return };
    for name in required.iter().filter_map(Value::as_str) {
        if let Some(Value::Object(property)) = properties.get_mut(name) {
            property.remove("default");
        }
    }
}

/// For editors: a number or a truth value may also be a variable.
fn with_variables(schema: &mut Value) {
    if let Some(object) = schema.as_object_mut()
        && let Some(kind @ ("integer" | "boolean")) = object.get("type").and_then(Value::as_str)
    {
        let kinds = serde_json::json!([kind, "string"]);
        object.insert("type".to_owned(), kinds);
        object.insert("pattern".to_owned(), r"\$\{".into());
    }
    match schema {
        Value::Object(object) => object.values_mut().for_each(with_variables),
        Value::Array(items) => items.iter_mut().for_each(with_variables),
        _ => {}
    }
}

/// A schema with its references followed: the definition, under what is written beside the
/// reference.
pub(crate) fn resolve<'a>(root: &'a Value, mut schema: &'a Value) -> &'a Value {
    while let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        let name = name.rsplit('/').next().unwrap_or_default();
        schema = &root["$defs"][name];
    }
    schema
}

/// The keys of an object's schema.
pub(crate) fn properties(schema: &Value) -> Option<&Map<String, Value>> {
    schema.get("properties").and_then(Value::as_object)
}
