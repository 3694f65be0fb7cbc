//! Single words.
//!
//! Variables are expanded first, then files of secrets are read, then the word is typed by the key
//! it stands under. A message never shows the text of a secret.

use std::path::Path;

use serde_json::Value;

use super::{Checker, expected};
use crate::config::expand::expand;
use crate::config::form;
use crate::config::suggest::hint;
use crate::config::yaml::Place;

/// The largest file of a secret.
const SECRET_BYTES_MAX: usize = 64 << 10;

// === impl Checker ===

impl<'a> Checker<'a> {
    pub(super) fn scalar(
        &mut self,
        place: Place,
        text: &str,
        plain: bool,
        schema: &'a Value,
        path: &str,
    ) -> Option<Value> {
        let (text, plain) = self.expanded(place, text, plain, path)?;
        self.typed(place, &text, plain, schema, path)
    }

    /// The text after expansion, and whether YAML might take it for something else than text.
    pub(super) fn expanded(
        &mut self,
        place: Place,
        text: &str,
        plain: bool,
        path: &str,
    ) -> Option<(String, bool)> {
        match expand(text, self.environment) {
            // A variable may hold digits and still be meant as text.
            Ok(Some(expanded)) => Some((expanded, false)),
            Ok(None) => Some((text.to_owned(), plain)),
            Err(message) => {
                self.fault(place, path, message);
                None
            }
        }
    }

    /// The value of a text, as the schema wants it.
    pub(super) fn typed(
        &mut self,
        place: Place,
        text: &str,
        plain: bool,
        schema: &'a Value,
        path: &str,
    ) -> Option<Value> {
        let value = match schema["type"].as_str() {
            Some("integer") => integer(text, schema),
            Some("boolean") => match text {
                "true" => Ok(Value::Bool(true)),
                "false" => Ok(Value::Bool(false)),
                _ => Err(format!("expected true or false, found {text:?}")),
            },
            Some("object" | "array") => {
                Err(format!("expected {}, found {text:?}", expected(schema)))
            }
            _ => self.word(place, text, plain, schema),
        };
        value.map_or_else(|message| self.fault(place, path, message), Some)
    }

    fn word(&self, place: Place, text: &str, plain: bool, schema: &Value) -> Result<Value, String> {
        if let Some(words) = schema.get("enum").and_then(Value::as_array) {
            let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
            return match words.contains(&text) {
                true => Ok(text.into()),
                false => Err(format!("{text:?} is not known{}", hint(text, words))),
            };
        }
        let directory = || self.files[place.file].parent().unwrap_or(Path::new(""));
        match schema["format"].as_str() {
            Some("path") if text.is_empty() => Err("the name of a file is missing".to_owned()),
            Some("path") => Ok(directory().join(text).to_string_lossy().into()),
            Some("log-path") if matches!(text, "stdout" | "stderr") => Ok(text.into()),
            Some("log-path") if !text.is_empty() => {
                Ok(directory().join(text).to_string_lossy().into())
            }
            Some("secret") => secret(text, directory()).map(Value::from),
            Some(format) => match form::find(format) {
                Some((check, _)) => check(text).map(|()| text.into()),
                None => Ok(text.into()),
            },
            None if plain && looks_like_another_type(text) => {
                Err(format!("expected text, found {text}; write it in quotes: \"{text}\""))
            }
            None => Ok(text.into()),
        }
    }
}

/// A number within the bounds of the schema.
fn integer(text: &str, schema: &Value) -> Result<Value, String> {
    let number = text.parse::<i64>().map_err(|_| format!("expected a number, found {text:?}"))?;
    let (least, most) = (schema["minimum"].as_i64(), schema["maximum"].as_i64());
    let most = most.or((schema["format"] == "uint32").then_some(u32::MAX.into()));
    match (least, most) {
        (Some(least), _) if number < least => Err(format!("must be at least {least}")),
        (_, Some(most)) if number > most => Err(format!("must be at most {most}")),
        _ => Ok(number.into()),
    }
}

/// The secret itself, or what its file holds without the newline at the end.
fn secret(text: &str, directory: &Path) -> Result<String, String> {
    let Some(name) = text.strip_prefix("file:") else { return Ok(text.to_owned()) };
    let file = directory.join(name);
    let content = std::fs::read_to_string(&file)
        .map_err(|error| format!("can not read {}: {error}", file.display()))?;
    if content.len() > SECRET_BYTES_MAX {
        return Err(format!("{} holds more than {SECRET_BYTES_MAX} bytes", file.display()));
    }
    Ok(content.trim_end_matches(['\r', '\n']).to_owned())
}

/// Whether a YAML reader would take the unquoted text for a number or a truth value.
fn looks_like_another_type(text: &str) -> bool {
    matches!(text, "true" | "false") || text.parse::<f64>().is_ok_and(f64::is_finite)
}
