//! Schemas of messages, enums, and fields: what the proto3 JSON mapping makes of them.

use std::collections::BTreeMap;

use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

use super::comments::Comments;
use super::describe;
use crate::options::{EnumForm, FieldNames, Print};

/// The schemas that are referred to, and those that are still to be made.
pub(super) struct Schemas<'c> {
    comments: &'c Comments,
    print: Print,
    made: BTreeMap<String, Value>,
    messages: Vec<MessageDescriptor>,
    enums: Vec<EnumDescriptor>,
}

// === impl Schemas ===

impl<'c> Schemas<'c> {
    pub(super) fn new(comments: &'c Comments, print: Print) -> Self {
        Self { comments, print, made: BTreeMap::new(), messages: Vec::new(), enums: Vec::new() }
    }

    /// The schema of a message, or a reference to it.
    pub(super) fn of_message(&mut self, message: &MessageDescriptor) -> Value {
        if let Some(schema) = well_known(message.full_name()) {
            return schema;
        }
        let name = message.full_name().to_owned();
        let reference = reference(&name);
        self.made.entry(name).or_insert_with(|| {
            self.messages.push(message.clone());
            Value::Null
        });
        reference
    }

    /// The schema of a field, with its comment.
    pub(super) fn of_field(&mut self, field: &FieldDescriptor) -> Value {
        let schema = self.undescribed(field);
        let comment = self.comments.of_field(field);
        let deprecated = field.field_descriptor_proto().options.as_ref();
        let is_deprecated = deprecated.is_some_and(|options| options.deprecated());
        if comment.is_none() && !is_deprecated {
            return schema;
        }
        let mut object = match schema {
            // OpenAPI 3.0.3, "Reference Object": what stands beside a reference is ignored.
            Value::Object(object) if object.contains_key("$ref") => {
                Map::from_iter([("allOf".to_owned(), json!([object]))])
            }
            Value::Object(object) => object,
            _ => Map::new(),
        };
        describe(&mut object, comment);
        if is_deprecated {
            object.insert("deprecated".to_owned(), json!(true));
        }
        Value::Object(object)
    }

    /// The name of a field in JSON.
    pub(super) fn name<'f>(&self, field: &'f FieldDescriptor) -> &'f str {
        match self.print.names {
            FieldNames::Json => field.json_name(),
            FieldNames::Proto => field.name(),
        }
    }

    /// All schemas by their names.
    pub(super) fn into_all(mut self) -> Map<String, Value> {
        loop {
            if let Some(message) = self.messages.pop() {
                let schema = self.object(&message);
                self.made.insert(message.full_name().to_owned(), schema);
            } else if let Some(kind) = self.enums.pop() {
                let schema = self.enumeration(&kind);
                self.made.insert(kind.full_name().to_owned(), schema);
            } else {
                return self.made.into_iter().collect();
            }
        }
    }

    fn undescribed(&mut self, field: &FieldDescriptor) -> Value {
        let kind = field.kind();
        match kind.as_message() {
            Some(entry) if field.is_map() => {
                let value = self.of_kind(&entry.map_entry_value_field().kind());
                json!({ "type": "object", "additionalProperties": value })
            }
            _ if field.is_list() => json!({ "type": "array", "items": self.of_kind(&kind) }),
            _ => self.of_kind(&kind),
        }
    }

    fn of_kind(&mut self, kind: &Kind) -> Value {
        match kind {
            Kind::Double => json!({ "type": "number", "format": "double" }),
            Kind::Float => json!({ "type": "number", "format": "float" }),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
                json!({ "type": "integer", "format": "int32" })
            }
            Kind::Uint32 | Kind::Fixed32 => json!({ "type": "integer", "minimum": 0 }),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
                json!({ "type": "string", "format": "int64" })
            }
            Kind::Uint64 | Kind::Fixed64 => json!({ "type": "string", "format": "uint64" }),
            Kind::Bool => json!({ "type": "boolean" }),
            Kind::String => json!({ "type": "string" }),
            Kind::Bytes => json!({ "type": "string", "format": "byte" }),
            Kind::Message(message) => self.of_message(message),
            Kind::Enum(kind) => self.of_enum(kind),
        }
    }

    fn of_enum(&mut self, kind: &EnumDescriptor) -> Value {
        if kind.full_name() == "google.protobuf.NullValue" {
            return json!({ "nullable": true });
        }
        let name = kind.full_name().to_owned();
        let reference = reference(&name);
        self.made.entry(name).or_insert_with(|| {
            self.enums.push(kind.clone());
            Value::Null
        });
        reference
    }

    fn object(&mut self, message: &MessageDescriptor) -> Value {
        let mut properties = Map::new();
        for field in message.fields() {
            let schema = self.of_field(&field);
            properties.insert(self.name(&field).to_owned(), schema);
        }
        let mut object = Map::from_iter([("type".to_owned(), json!("object"))]);
        describe(&mut object, self.comments.of_message(message));
        object.insert("properties".to_owned(), Value::Object(properties));
        Value::Object(object)
    }

    fn enumeration(&self, kind: &EnumDescriptor) -> Value {
        let mut object = Map::new();
        let (kind_of, values): (&str, Vec<Value>) = match self.print.enums {
            EnumForm::Names => ("string", kind.values().map(|value| json!(value.name())).collect()),
            EnumForm::Numbers => {
                ("integer", kind.values().map(|value| json!(value.number())).collect())
            }
        };
        object.insert("type".to_owned(), json!(kind_of));
        describe(&mut object, self.comments.of_enum(kind));
        object.insert("enum".to_owned(), json!(values));
        Value::Object(object)
    }
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// The messages that JSON writes in a form of their own.
fn well_known(name: &str) -> Option<Value> {
    let schema = match name.strip_prefix("google.protobuf.")? {
        "Any" => json!({
            "type": "object",
            "properties": { "@type": { "type": "string" } },
            "additionalProperties": true,
        }),
        "BoolValue" => json!({ "type": "boolean", "nullable": true }),
        "BytesValue" => json!({ "type": "string", "format": "byte", "nullable": true }),
        "DoubleValue" => json!({ "type": "number", "format": "double", "nullable": true }),
        "Duration" => json!({ "type": "string", "example": "1.5s" }),
        "Empty" => json!({ "type": "object" }),
        "FieldMask" => json!({ "type": "string", "example": "title,author.name" }),
        "FloatValue" => json!({ "type": "number", "format": "float", "nullable": true }),
        "Int32Value" => json!({ "type": "integer", "format": "int32", "nullable": true }),
        "Int64Value" => json!({ "type": "string", "format": "int64", "nullable": true }),
        "ListValue" => json!({ "type": "array", "items": {} }),
        "StringValue" => json!({ "type": "string", "nullable": true }),
        "Struct" => json!({ "type": "object", "additionalProperties": true }),
        "Timestamp" => json!({ "type": "string", "format": "date-time" }),
        "UInt32Value" => json!({ "type": "integer", "minimum": 0, "nullable": true }),
        "UInt64Value" => json!({ "type": "string", "format": "uint64", "nullable": true }),
        "Value" => json!({}),
        _ => return None,
    };
    Some(schema)
}
