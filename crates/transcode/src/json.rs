//! The proto3 JSON mapping, as `prost-reflect` does it, with places in its errors and limits around it.

use std::io;

use prost_reflect::{
    DeserializeOptions, DynamicMessage, FieldDescriptor, MessageDescriptor, SerializeOptions, Value,
};
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Deserializer, MapAccess};
use serde_path_to_error::Track;

use crate::options::{DefaultValues, EnumForm, FieldNames, Print, Unknown};

mod depth;

pub(crate) use depth::is_deeper;

/// Why a message can not be written.
#[derive(Debug)]
pub(crate) enum Unwritable {
    /// The text is longer than allowed.
    TooLong,
    /// JSON has no form for what the message holds.
    NoForm(String),
}

/// A map with one entry, so that a field can be read by itself.
struct Single<'a, D> {
    name: &'a str,
    value: Option<D>,
}

/// A writer that stops at a limit.
struct Bounded<'a> {
    out: &'a mut Vec<u8>,
    bytes_max: usize,
    is_full: bool,
}

/// Reads a whole text as a message.
pub(crate) fn message(
    kind: MessageDescriptor,
    text: &[u8],
    unknown: Unknown,
) -> Result<DynamicMessage, String> {
    let (mut deserializer, mut track) = (serde_json::Deserializer::from_slice(text), Track::new());
    let tracked = serde_path_to_error::Deserializer::new(&mut deserializer, &mut track);
    let message = DynamicMessage::deserialize_with_options(kind, tracked, &reading(unknown));
    let message = message.map_err(|error| placed(track, &error))?;
    deserializer.end().map_err(|error| error.to_string())?;
    Ok(message)
}

/// Reads a whole text as the value of a field. `null` is none.
pub(crate) fn field_text(
    field: &FieldDescriptor,
    text: &[u8],
    unknown: Unknown,
) -> Result<Option<Value>, String> {
    let (mut deserializer, mut track) = (serde_json::Deserializer::from_slice(text), Track::new());
    let tracked = serde_path_to_error::Deserializer::new(&mut deserializer, &mut track);
    let value = in_message(field, tracked, unknown).map_err(|error| placed(track, &error))?;
    deserializer.end().map_err(|error| error.to_string())?;
    Ok(value)
}

/// Reads a parsed value as that of a field. `null` is none.
pub(crate) fn field_value(
    field: &FieldDescriptor,
    value: serde_json::Value,
    unknown: Unknown,
) -> Result<Option<Value>, String> {
    in_message(field, value, unknown).map_err(|error| error.to_string())
}

fn in_message<'de, D: Deserializer<'de>>(
    field: &FieldDescriptor,
    value: D,
    unknown: Unknown,
) -> Result<Option<Value>, D::Error> {
    let single = Single { name: field.json_name(), value: Some(value) };
    let single = MapAccessDeserializer::new(single);
    let kind = field.parent_message().clone();
    let message = DynamicMessage::deserialize_with_options(kind, single, &reading(unknown));
    message.map(|mut message| message.take_field(field))
}

fn reading(unknown: Unknown) -> DeserializeOptions {
    DeserializeOptions::new().deny_unknown_fields(unknown == Unknown::Refuse)
}

/// The error behind its place in the text.
fn placed(track: Track, error: &serde_json::Error) -> String {
    let path = track.path();
    match path.iter().next() {
        Some(_) => format!("{path}: {error}"),
        None => error.to_string(),
    }
}

/// Appends the text of a message. After an error `out` is what it was before.
pub(crate) fn write(
    message: &DynamicMessage,
    print: Print,
    bytes_max: usize,
    out: &mut Vec<u8>,
) -> Result<(), Unwritable> {
    let start = out.len();
    let mut writer = Bounded { out, bytes_max: start.saturating_add(bytes_max), is_full: false };
    let mut serializer = serde_json::Serializer::new(&mut writer);
    let written = message.serialize_with_options(&mut serializer, &writing(print));
    let is_full = writer.is_full;
    written.map_err(|error| {
        out.truncate(start);
        if is_full { Unwritable::TooLong } else { Unwritable::NoForm(error.to_string()) }
    })
}

/// Appends the text of one field of a message.
pub(crate) fn write_field(
    message: &mut DynamicMessage,
    field: &FieldDescriptor,
    print: Print,
    bytes_max: usize,
    out: &mut Vec<u8>,
) -> Result<(), Unwritable> {
    let value = match message.take_field(field) {
        None => {
            out.extend_from_slice(empty(field, print).as_bytes());
            return Ok(());
        }
        Some(Value::Message(inner)) => return write(&inner, print, bytes_max, out),
        Some(value) => value,
    };
    let mut alone = DynamicMessage::new(field.parent_message().clone());
    alone.set_field(field, value);
    let name = match print.names {
        FieldNames::Json => field.json_name(),
        FieldNames::Proto => field.name(),
    };
    // The text is `{"name":value}`: a name of a field needs no escape.
    let (before, behind) = (name.len() + 4, 1);
    let mut text = Vec::new();
    let print = Print { defaults: DefaultValues::Omit, ..print };
    write(&alone, print, bytes_max.saturating_add(before + behind), &mut text)?;
    let end = text.len().saturating_sub(behind);
    match text.get(before..end) {
        Some(value) => out.extend_from_slice(value),
        // It was set to what a field without presence does not show.
        None => out.extend_from_slice(empty(field, print).as_bytes()),
    }
    Ok(())
}

/// What is written for a field that is not set.
fn empty(field: &FieldDescriptor, print: Print) -> String {
    if field.is_list() {
        return "[]".to_owned();
    }
    if field.is_map() {
        return "{}".to_owned();
    }
    match (field.default_value(), field.kind().as_enum()) {
        (Value::Bool(value), _) => value.to_string(),
        (Value::I32(value), _) => value.to_string(),
        (Value::U32(value), _) => value.to_string(),
        (Value::F32(value), _) => value.to_string(),
        (Value::F64(value), _) => value.to_string(),
        (Value::I64(value), _) => format!("\"{value}\""),
        (Value::U64(value), _) => format!("\"{value}\""),
        (Value::String(value), _) => serde_json::Value::String(value).to_string(),
        (Value::EnumNumber(value), Some(kind)) => match kind.get_value(value) {
            Some(named) if print.enums == EnumForm::Names => format!("\"{}\"", named.name()),
            Some(_) | None => value.to_string(),
        },
        (Value::Bytes(_), _) => "\"\"".to_owned(),
        (Value::Message(_) | Value::List(_) | Value::Map(_) | Value::EnumNumber(_), _) => {
            "null".to_owned()
        }
    }
}

fn writing(print: Print) -> SerializeOptions {
    SerializeOptions::new()
        .use_enum_numbers(print.enums == EnumForm::Numbers)
        .use_proto_field_name(print.names == FieldNames::Proto)
        .skip_default_fields(print.defaults == DefaultValues::Omit)
}

// === impl Single ===

impl<'de, D: Deserializer<'de>> MapAccess<'de> for Single<'_, D> {
    type Error = D::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Self::Error> {
        if self.value.is_none() {
            return Ok(None);
        }
        seed.deserialize(serde::de::value::StrDeserializer::new(self.name)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, Self::Error> {
        let value = self.value.take().ok_or_else(|| serde::de::Error::custom("no value"))?;
        seed.deserialize(value)
    }
}

// === impl Bounded ===

impl io::Write for Bounded<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.out.len().saturating_add(bytes.len()) > self.bytes_max {
            self.is_full = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.out.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
