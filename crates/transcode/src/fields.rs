//! Paths of fields, and values that come as text.
//!
//! A path leads from a message through singular messages to a field. Parameters of paths and queries are text; the
//! JSON form of the field says how it is read, so that `?until=2024-01-01T00:00:00Z` is what it is in a body.

use std::fmt;

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};

use crate::json;
use crate::options::Unknown;

/// The messages that are written as one text in JSON and can be a parameter therefore.
const TEXTS: &[&str] = &[
    "google.protobuf.BoolValue",
    "google.protobuf.BytesValue",
    "google.protobuf.DoubleValue",
    "google.protobuf.Duration",
    "google.protobuf.FieldMask",
    "google.protobuf.FloatValue",
    "google.protobuf.Int32Value",
    "google.protobuf.Int64Value",
    "google.protobuf.StringValue",
    "google.protobuf.Timestamp",
    "google.protobuf.UInt32Value",
    "google.protobuf.UInt64Value",
];

/// A field, and the fields that lead to it. Not empty.
#[derive(Clone, PartialEq)]
pub(crate) struct FieldPath(Vec<FieldDescriptor>);

/// Why a text is no path of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PathFault {
    /// The message has no such field.
    NoField {
        /// The message that was looked at.
        message: String,
        /// The name that it lacks.
        field: String,
    },
    /// It leads through a field that is no single message.
    NoMessage(String),
}

// === impl FieldPath ===

impl FieldPath {
    /// Finds a path such as `book.shelf_id`; each name may be that of the `.proto` file or that of JSON.
    pub(crate) fn resolve(message: &MessageDescriptor, path: &str) -> Result<Self, PathFault> {
        let mut fields: Vec<FieldDescriptor> = Vec::new();
        let mut at = message.clone();
        for name in path.split('.') {
            if let Some(before) = fields.last() {
                at =
                    inside(before).ok_or_else(|| PathFault::NoMessage(before.name().to_owned()))?;
            }
            let field = at.get_field_by_name(name).or_else(|| at.get_field_by_json_name(name));
            fields.push(field.ok_or_else(|| PathFault::NoField {
                message: at.full_name().to_owned(),
                field: name.to_owned(),
            })?);
        }
        Ok(Self(fields))
    }

    /// The path that these fields are, each inside of the one before.
    pub(crate) fn of(fields: Vec<FieldDescriptor>) -> Self {
        Self(fields)
    }

    /// The field at its end.
    pub(crate) fn field(&self) -> &FieldDescriptor {
        self.0.last().expect("a path holds a field")
    }

    /// Whether it is the other path or leads on from its end.
    pub(crate) fn is_within(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }

    /// Every field of it can be set beside those that are: none shares a `oneof` with another.
    pub(crate) fn is_free(&self, message: &DynamicMessage) -> bool {
        let Some((first, rest)) = self.0.split_first() else { return true };
        let mut fields = first.containing_oneof().into_iter().flat_map(|oneof| {
            let others: Vec<_> = oneof.fields().filter(|field| field != first).collect();
            others
        });
        if fields.any(|field| message.has_field(&field)) {
            return false;
        }
        match message.get_field(first).as_message() {
            Some(inner) if !rest.is_empty() => Self(rest.to_vec()).is_free(inner),
            Some(_) | None => true,
        }
    }

    /// Sets the field, and every message on the way to it.
    pub(crate) fn set(&self, message: &mut DynamicMessage, value: Value) {
        let Some((last, way)) = self.0.split_last() else { return };
        let mut at = message;
        for field in way {
            // The path was resolved through singular messages.
            let Some(inner) = at.get_field_mut(field).as_message_mut() else { return };
            at = inner;
        }
        at.set_field(last, value);
    }

    /// The path in the names of the `.proto` file.
    pub(crate) fn text(&self) -> String {
        let names: Vec<_> = self.0.iter().map(FieldDescriptor::name).collect();
        names.join(".")
    }
}

/// What a descriptor writes of itself has no end if its message holds itself.
impl fmt::Debug for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

/// The message that a field holds, if it is one and no more than one.
pub(crate) fn inside(field: &FieldDescriptor) -> Option<MessageDescriptor> {
    if field.is_list() || field.is_map() {
        return None;
    }
    field.kind().as_message().cloned()
}

/// Whether the field, or each element of it, can be written as one text.
pub(crate) fn is_text(field: &FieldDescriptor) -> bool {
    match field.kind() {
        Kind::Message(message) => !field.is_map() && TEXTS.contains(&message.full_name()),
        _ => true,
    }
}

/// The value of a field, or of one element of a repeated one, that comes as text.
pub(crate) fn parse(field: &FieldDescriptor, text: &str) -> Result<Value, String> {
    let json = as_json(field, text);
    let json = if field.is_list() { serde_json::Value::Array(vec![json]) } else { json };
    match json::field_value(field, json, Unknown::Refuse)? {
        Some(Value::List(mut values)) => values.pop().ok_or_else(|| "no value".to_owned()),
        Some(value) => Ok(value),
        // A field without presence does not keep what it is without it.
        None => Ok(Value::default_value_for_field(field)),
    }
}

/// The JSON form of a text. Numbers may be text in JSON; only true, false, and the numbers of enums may not.
fn as_json(field: &FieldDescriptor, text: &str) -> serde_json::Value {
    let truth = || match text {
        "true" => Some(serde_json::Value::Bool(true)),
        "false" => Some(serde_json::Value::Bool(false)),
        _ => None,
    };
    let json = match field.kind() {
        Kind::Bool => truth(),
        Kind::Message(message) if message.full_name() == "google.protobuf.BoolValue" => truth(),
        Kind::Enum(_) => text.parse::<i32>().ok().map(serde_json::Value::from),
        _ => None,
    };
    json.unwrap_or_else(|| serde_json::Value::String(text.to_owned()))
}
